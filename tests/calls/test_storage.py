"""What is put in comes out, once, and what is deleted is nowhere, on both databases."""

from __future__ import annotations

import dataclasses
import os
import re
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import made
import pytest
from sqlalchemy import create_engine, func, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError

from vocalics.calls import database, recordings
from vocalics.calls import storage as storing
from vocalics.calls.analysis import pseudonymised
from vocalics.calls.call import Keyword
from vocalics.calls.schema import Base, CallRow
from vocalics.calls.storage import KEPT, Storage
from vocalics.errors import StorageError, VocalicsError

SECRET = "Zaphod Beeblebrox"
WORDS = ["my unmistakable elephant", "wants a refund"]


def rows(storage: Storage) -> dict[str, int]:
    """How many rows every table has."""
    with storage.session() as session:
        return {t.name: session.scalar(select(func.count()).select_from(t)) or 0 for t in Base.metadata.sorted_tables}


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A file that is kept as it is."""
    path = tmp_path / "a call.flac"
    path.write_bytes(b"fLaC unmistakable sound")
    return path


def test_a_call_comes_back_as_it_went_in(address: str) -> None:
    call = made.call(words=WORDS)
    with Storage(address) as storage:
        assert storage.put(call) is False and storage.has(call.digest) and not storage.has("0" * 64)
        back = storage.get(call.digest)
    assert back == call and back is not call and back.parties[1].track == call.parties[1].track
    assert dict(back.turns[0].probabilities) == pytest.approx(dict(call.turns[0].probabilities))
    assert back.parties[1].emotions == pytest.approx(dict(call.parties[1].emotions))


def test_the_same_recording_again_replaces_it(address: str) -> None:
    first, second = made.call(words=WORDS), made.call(anger=[0.9] * 8, words=["other"])
    with Storage(address) as storage:
        storage.put(first)
        before = rows(storage)
        assert storage.put(first) is True and rows(storage) == before
        assert storage.put(second) is True and storage.get(first.digest) == second != first
        assert rows(storage)["calls"] == 1 and rows(storage)["turns"] == 16


def test_a_failure_on_the_way_leaves_the_earlier_one(address: str, recording: Path) -> None:
    first = made.call(words=WORDS)
    broken = dataclasses.replace(first, keywords=(Keyword("refund", "customer", 99, 0.0),))  # of no turn
    with Storage(address, recording.parent / "audio") as storage:
        storage.put(first)
        before = rows(storage)
        with pytest.raises(KeyError):
            storage.put(broken, "all", recording)
        assert storage.get(first.digest) == first and rows(storage) == before
        assert list((recording.parent / "audio").iterdir()) == []


@pytest.mark.parametrize("keep", KEPT)
def test_only_what_is_asked_for_is_kept(keep: str, recording: Path, tmp_path: Path) -> None:
    call = made.call(words=WORDS, text="all the unmistakable words")
    address = str(tmp_path / "calls.db")
    with Storage(address) as storage:
        storage.put(call, keep, recording)
        back, copy = storage.get(call.digest), storage.audio(call.digest)
    if keep in ("text", "all"):
        assert [t.words for t in back.turns[::2]][:2] == WORDS and back.keywords and back.text
    else:
        assert {t.words for t in back.turns} == {None} and back.keywords == () and back.text is None
        assert b"unmistakable" not in everything(tmp_path, recording, copy)
    assert [t.emotion for t in back.turns] == [t.emotion for t in call.turns]
    if keep in ("audio", "all"):
        assert copy is not None and copy.read_bytes() == recording.read_bytes()
        assert copy.parent.name == "calls-audio" and re.fullmatch(rf"{call.digest}\.[0-9a-f.]{{21}}\.flac", copy.name)
        assert copy.stat().st_mode & 0o077 == 0 and copy.parent.stat().st_mode & 0o077 == 0
    else:
        assert copy is None and not (tmp_path / "calls-audio").exists()


def everything(folder: Path, *but: Path | None) -> bytes:
    """What all files of a folder hold."""
    return b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file() and p not in but)


def test_deleting_a_customer_leaves_no_row_and_no_file(address: str, recording: Path, tmp_path: Path) -> None:
    folder = tmp_path / "audio"
    with Storage(address, folder) as storage:
        for name in ("one", "two"):
            storage.put(made.call(name, words=WORDS, customer=SECRET), "all", recording)
        assert len(list(folder.iterdir())) == 2 and rows(storage)["keywords"] == 2
        storage.put(made.call("other"), "all", recording)
        assert storage.delete(customers=[SECRET]) == 2 and [c.customer for c in storage.calls()] == ["Ann"]
        assert [p.name[:64] for p in folder.iterdir()] == [made.call("other").digest]
        assert storage.delete(customers=[SECRET]) == 0 and storage.delete([made.call("other").digest[:9]]) == 1
        assert set(rows(storage).values()) == {0} and list(folder.iterdir()) == []
        held = everything(tmp_path, recording)
    assert SECRET.encode() not in held and b"unmistakable" not in held
    assert b"unmistakable" in recording.read_bytes(), "the recording itself is the user's"


def test_a_customer_is_deleted_however_the_name_was_typed(address: str) -> None:
    composed, apart = "Zo\u00eb de Vries", "Zoe\u0308 de Vries"
    with Storage(address) as storage:
        # As earlier releases kept names; none of them is another's prefix or the same to a database.
        for name in (composed, apart, f" {composed} ", "Zo\u00eb  de\u00a0Vries", "Zoe de Vries", "Zo\u00eb"):
            storage.put(made.call(repr(name), customer=name, agent=name))
        assert len(storage.calls(customer=apart)) == len(storage.calls(agent=composed)) == 4
        assert storage.calls(customer="zo\u00eb de vries") == storage.calls(customer="") == []
        assert storage.delete(customers=[f"{apart} "]) == 4
        assert {c.customer for c in storage.calls()} == {"Zoe de Vries", "Zo\u00eb"}
        assert storage.delete(customers=[composed]) == 0


def test_nothing_is_deleted_by_nothing_or_halves(address: str) -> None:
    with Storage(address) as storage:
        storage.put(made.call())
        assert storage.delete() == 0 and storage.delete(customers=["%"]) == 0 and storage.delete(customers=[""]) == 0
        for wrong in ("%", "_", "", "xyz", "' OR 1=1 --"):
            with pytest.raises(VocalicsError, match="no digest of a call"):
                storage.delete([wrong])
        with pytest.raises(VocalicsError, match="no call begins so"):
            storage.delete(["0" * 10])
        assert len(storage.calls()) == 1


def test_beginnings_of_digests_must_be_of_one_call(address: str) -> None:
    one, two = (dataclasses.replace(made.call(), digest=f"ab{i}" + "0" * 61) for i in (1, 2))
    with Storage(address) as storage:
        storage.put(one)
        storage.put(two)
        assert storage.get("AB1").digest == one.digest
        with pytest.raises(VocalicsError, match="several calls begin so"):
            storage.get("ab")


def test_hostile_text_is_text(address: str) -> None:
    hostile = "'; DROP TABLE calls; -- <script>alert(1)</script> \u202e % _ \\ \x00 \udcff \U0001f600"
    call = made.call(words=[hostile], path=f"/calls/{hostile}.wav", customer=hostile[:150], agent='" OR ""="')
    with Storage(address) as storage:
        storage.put(dataclasses.replace(call, notes=(hostile,), text=hostile))
        back = storage.get(call.digest)
        assert back.turns[0].words == hostile.replace("\x00", "").replace("\udcff", "\\udcff")
        assert back.notes[0].startswith("'; DROP TABLE calls; -- <script>")
        assert len(storage.calls(customer=hostile[:150])) == 1 and storage.calls(agent="' OR 1=1") == []
        assert storage.delete(customers=[hostile[:150]]) == 1 and set(rows(storage).values()) == {0}


def test_a_copys_name_owes_nothing_to_the_users(tmp_path: Path) -> None:
    wicked = tmp_path / "x.flac;rm -rf ~"
    wicked.write_bytes(b"sound")
    call = made.call()
    with Storage(str(tmp_path / "calls.db")) as storage:
        storage.put(call, "audio", wicked)
        kept = storage.audio(call.digest)
        assert kept is not None and kept.parent == tmp_path / "calls-audio"
        assert re.fullmatch(rf"{call.digest}\.[0-9a-f]{{12}}\.[0-9a-f]{{8}}\.audio", kept.name)
        with pytest.raises(VocalicsError, match=r"none\.wav: no copy can be kept"):
            storage.put(call, "audio", tmp_path / "none.wav")
        assert storage.audio(call.digest) is not None
        storage.put(call, "text")
        assert list((tmp_path / "calls-audio").iterdir()) == [], "the sound is not wanted any more"
        with pytest.raises(VocalicsError, match='cannot keep "some"; expected none, audio, text, all'):
            storage.put(call, "some")


def test_what_a_killed_run_left_is_swept_away(tmp_path: Path, recording: Path) -> None:
    address, folder = str(tmp_path / "calls.db"), tmp_path / "calls-audio"
    call = made.call()
    with Storage(address) as storage:
        storage.put(call, "audio", recording)
    (kept,) = folder.iterdir()
    _, owner, _, ending = kept.name.split(".")
    orphan, partial = folder / f"{'a' * 64}.{owner}.{ending}", folder / f".{'b' * 64}.{owner}.{ending}.7.part"
    mine, fresh = folder / "notes.txt", folder / f"{'c' * 64}.{owner}.{ending}"
    for path in (orphan, partial, mine, fresh):
        path.write_bytes(b"x")
    long_ago = time.time() - 2 * recordings.ORPHAN_SECONDS
    for path in (orphan, partial, mine, kept):
        os.utime(path, (long_ago, long_ago))
    with Storage(str(tmp_path / "other.db"), folder):  # a wrong --audio
        assert {*folder.iterdir()} == {orphan, partial, mine, fresh, kept}, (
            "nothing there is another database's to take"
        )
    with Storage(address) as storage:
        assert {*folder.iterdir()} == {mine, fresh, kept} and storage.audio(call.digest)


def test_recordings_of_a_database_that_was_moved_are_not_swept_by_the_next(tmp_path: Path, recording: Path) -> None:
    call, folder = made.call(), tmp_path / "calls-audio"
    with Storage(str(tmp_path / "calls.db")) as storage:
        storage.put(call, "audio", recording)
    for path in tmp_path.glob("calls.db*"):
        path.rename(path.with_name(path.name.replace("calls.db", "calls-2025.db")))
    (kept,) = folder.iterdir()
    long_ago = time.time() - 2 * recordings.ORPHAN_SECONDS
    os.utime(kept, (long_ago, long_ago))
    for _ in range(2):
        with Storage(str(tmp_path / "calls.db")) as storage:
            assert kept.exists()
    with Storage(str(tmp_path / "calls-2025.db"), folder) as storage:
        assert storage.audio(call.digest) == kept


def test_what_is_replaced_is_gone_from_the_log_too(tmp_path: Path) -> None:
    file = tmp_path / "calls.db"
    call = dataclasses.replace(made.call(), customer="Ann Onymous")
    with Storage(str(file)) as watching, Storage(str(file)) as storage:
        assert watching.calls() == []
        storage.put(call)
        assert any(b"Ann Onymous" in path.read_bytes() for path in tmp_path.glob("calls.db*"))
        storage.put(dataclasses.replace(call, customer="pseudonym"))
        assert not any(b"Ann Onymous" in path.read_bytes() for path in tmp_path.glob("calls.db*"))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for other programs a moment only."""
    monkeypatch.setattr(database, "_WAIT_S", 0.1)
    monkeypatch.setattr(database, "_PRAGMAS", ("PRAGMA busy_timeout = 100", *database._PRAGMAS[1:]))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("how", ["replaced", "deleted", "taken back"])
def test_what_another_program_keeps_in_the_log_is_told(how: str, tmp_path: Path) -> None:
    file = tmp_path / "calls.db"
    call = dataclasses.replace(made.call(words=["an unmistakable elephant"]), customer="Ann Onymous")
    hidden = pseudonymised(dataclasses.replace(call, turns=made.call().turns), b"0123456789abcdef")

    def told() -> bool:
        return any(b"Ann Onymous" in path.read_bytes() for path in tmp_path.glob("calls.db*"))

    with Storage(str(file)) as storage:
        storage.put(call)
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN")
            assert other.execute("SELECT customer FROM calls").fetchall() == [("Ann Onymous",)]
            with pytest.raises(StorageError, match="stay in the database's log while another program goes on reading"):
                if how == "replaced":
                    storage.put(hidden, also_known=[call.digest])
                elif how == "deleted":
                    storage.delete([call.digest])
                else:
                    database.downgrade(storage.engine, "base")
            assert told()
        assert how != "replaced" or [row.customer for row in storage.calls()] == [hidden.customer]
        assert database.forget(storage.engine) and not told()


def test_tables_that_are_taken_back_leave_no_word(tmp_path: Path) -> None:
    file = tmp_path / "calls.db"
    with Storage(str(file)) as watching, Storage(str(file)) as storage:
        storage.put(made.call(words=["an unmistakable elephant"]))
        assert len(watching.calls()) == 1
        assert any(b"unmistakable" in path.read_bytes() for path in tmp_path.glob("calls.db*"))
        database.downgrade(storage.engine, "base")
        assert not any(b"unmistakable" in path.read_bytes() for path in tmp_path.glob("calls.db*"))


def test_who_empties_the_log_waits_for_another_that_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_PRAGMAS", ("PRAGMA busy_timeout = 0", *database._PRAGMAS[1:]))
    file = tmp_path / "calls.db"
    with Storage(str(file)) as storage, closing(sqlite3.connect(file, check_same_thread=False)) as other:
        storage.put(made.call())
        other.execute("BEGIN IMMEDIATE")  # in its way for a moment, of which SQLite tells at once
        timer = threading.Timer(0.3, other.rollback)
        timer.start()
        assert database.forget(storage.engine) and not timer.is_alive()


def test_many_at_once_keep_every_call_once(address: str) -> None:
    faults: list[BaseException] = []
    with Storage(address) as storage:

        def work(i: int) -> None:
            try:
                for k in range(4):
                    storage.put(made.call(f"call {(i + k) % 5}", words=WORDS))
            except BaseException as fault:
                faults.append(fault)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert faults == [] and rows(storage)["calls"] == 5 and rows(storage)["turns"] == 5 * 18


def test_others_may_keep_the_same_recording_again_and_again_meanwhile(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Storage(address) as storage:
        replaced, n_before = storage._replaced, 5

        def contested(*arguments: Any) -> Any:
            nonlocal n_before
            if n_before:  # another one was first: the row that was to be replaced is a new one
                n_before -= 1
                raise IntegrityError("INSERT INTO calls", {}, Exception("duplicate key"))
            return replaced(*arguments)

        monkeypatch.setattr(storage, "_replaced", contested)
        assert storage.put(made.call("a call")) is False and n_before == 0 and rows(storage)["calls"] == 1
        n_before = 10**6
        with pytest.raises(StorageError, match="the database fails \\(duplicate key\\)"):
            storage.put(made.call("a call"))
        assert n_before > 10**6 - 100


def test_calls_are_listed_the_latest_first(address: str) -> None:
    with Storage(address) as storage:
        for day in (3, 1, 2):
            storage.put(made.call(f"d{day}", started_at=made.BEGAN.replace(day=day), agent=f"a{day % 2}"))
        assert [c.started_at.day for c in storage.calls()] == [3, 2, 1]
        assert [c.started_at.day for c in storage.calls(agent="a1")] == [3, 1] and len(storage.calls(limit=1)) == 1
        assert storage.calls()[0].started_at.tzinfo is not None and storage.calls()[0].parties[0].role == "agent"


def test_more_calls_than_an_expression_is_deep_are_deleted(address: str) -> None:
    with Storage(address) as storage:
        digests = [made.call(f"c{k}").digest for k in range(1_100)]
        template = made.call("c0")
        with storage.session(writes=True) as session:
            session.add_all(
                storing.to_row(dataclasses.replace(template, digest=d), "text", None) for d in digests[:1_100]
            )
        assert storage.delete(digests[:1_050]) == 1_050 and rows(storage)["calls"] == 50


def test_a_copy_that_cannot_be_removed_keeps_its_row(
    address: str, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = made.call(words=WORDS)
    with Storage(address, tmp_path / "first") as storage:
        storage.put(call, "audio", recording)
        (kept,) = kept_in(tmp_path / "first")

    def refused(path: Path) -> bool:
        raise VocalicsError(f"{path}: cannot be deleted")

    with Storage(address, tmp_path / "second") as storage:
        with monkeypatch.context() as patch:
            patch.setattr(recordings, "remove", refused)
            with pytest.raises(VocalicsError, match="cannot be deleted"):
                storage.put(made.call(words=["other"]), "audio", recording)
        assert kept.exists() and storage.audio(call.digest) == kept and not kept_in(tmp_path / "second")
        assert storage.put(made.call(words=["other"]), "audio", recording) is True
        assert not kept.exists() and len(kept_in(tmp_path / "second")) == 1


def test_calls_of_before_a_time_are_deleted(address: str) -> None:
    with Storage(address) as storage:
        for day in (1, 2, 3):
            storage.put(made.call(f"d{day}", started_at=made.BEGAN.replace(day=day)))
        assert storage.delete(before=made.BEGAN.replace(day=2)) == 1
        assert [c.started_at.day for c in storage.calls()] == [3, 2]


def kept_in(folder: Path) -> list[Path]:
    """What lies in a folder of copies."""
    return list(folder.iterdir()) if folder.is_dir() else []


def test_a_recording_goes_with_its_call_whatever_folder_is_named(address: str, recording: Path, tmp_path: Path) -> None:
    vault = tmp_path / "vault"
    for again in ("delete", "replace"):
        with Storage(address, vault) as storage:
            storage.put(made.call(), "audio", recording)
            assert len(kept_in(vault)) == 1
        with Storage(address) as storage:  # nobody says --audio this time
            assert storage.audio(made.call().digest) == kept_in(vault)[0]
            assert storage.delete(customers=["Ann"]) == 1 if again == "delete" else storage.put(made.call(), "none")
        assert kept_in(vault) == []


def test_a_recording_that_was_moved_is_found_in_the_folder_that_is_named_or_told(
    address: str, recording: Path, tmp_path: Path
) -> None:
    old, new, told = tmp_path / "old", tmp_path / "new", []
    with Storage(address, old) as storage:
        storage.put(made.call("one"), "audio", recording)
        storage.put(made.call("two"), "audio", recording)
    old.rename(new)
    with Storage(address, new) as storage:
        assert storage.audio(made.call("one").digest) is not None
        storage.delete([made.call("one").digest], missing=told.append)
        assert len(kept_in(new)) == 1 and told == []
    with Storage(address, old) as storage:
        storage.delete([made.call("two").digest], missing=told.append)
    (name,) = (path.name for path in kept_in(new))
    assert told == [str(old / name)]


def test_a_row_cannot_name_a_file_that_is_no_copy(address: str, tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    with Storage(address, tmp_path) as storage:
        storage.put(made.call())
        with storage.session(writes=True) as session:
            session.execute(update(CallRow).values(audio=str(precious)))
        assert storage.audio(made.call().digest) is None
        assert storage.delete(customers=["Ann"]) == 1
    assert precious.exists()


def test_a_failed_replacement_leaves_the_kept_recording(
    address: str, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Storage(address, tmp_path / "vault") as storage:
        storage.put(made.call(), "audio", recording)
        before = storage.audio(made.call().digest)
        assert before is not None

        def failing(*_: Any) -> Any:
            raise OperationalError("INSERT", {}, Exception("database is locked"))

        with monkeypatch.context() as patch:
            patch.setattr(storing, "to_row", failing)
            with pytest.raises(StorageError, match=r"the database fails \(database is locked\)"):
                storage.put(made.call(), "audio", recording)
        assert storage.audio(made.call().digest) == before and kept_in(tmp_path / "vault") == [before]
        assert storage.put(made.call(), "audio", recording)
        assert kept_in(tmp_path / "vault") == [storage.audio(made.call().digest)] != [before]


def test_the_same_recording_under_another_digest_is_replaced_too(address: str) -> None:
    plain = made.call(words=["hello"])
    named = pseudonymised(plain, b"0123456789abcdef")
    with Storage(address) as storage:
        storage.put(plain)
        assert storage.put(named, "none", also_known=[plain.digest])
        (row,) = storage.calls()
        assert row.digest == named.digest and row.customer != "Ann"


def test_a_customers_calls_of_before_a_time(address: str) -> None:
    with Storage(address) as storage:
        for name in ("Ann", "Bea"):
            for day in (1, 3):
                began = made.BEGAN.replace(day=day)
                storage.put(made.call(f"{name} {day}", started_at=began, customer=name))
        assert storage.delete(customers=["Ann"], before=made.BEGAN.replace(day=2)) == 1
        assert [(c.customer, c.started_at.day) for c in storage.calls()] == [("Bea", 3), ("Ann", 3), ("Bea", 1)]
        assert storage.delete([made.call("Bea 1").digest], customers=["Ann"]) == 2


def test_more_calls_are_deleted_than_a_statement_takes(
    address: str, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "_AT_A_TIME", 2)
    with Storage(address, tmp_path / "vault") as storage:
        for i in range(7):
            storage.put(made.call(f"call {i}"), "audio", recording)
        assert storage.delete(customers=["Ann"]) == 7
        assert set(rows(storage).values()) == {0} and kept_in(tmp_path / "vault") == []


def test_a_lost_connection_is_made_anew(postgres: str) -> None:
    with Storage(postgres) as storage:
        storage.put(made.call())
        cut = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        engine = create_engine(storage.engine.url)
        with engine.connect() as other:
            other.execute(cut)
        engine.dispose()
        assert len(storage.calls()) == 1


def test_a_failing_database_says_nothing_of_who_called(address: str) -> None:
    with Storage(address) as storage:
        database.downgrade(storage.engine, "base")
        with pytest.raises(StorageError, match="the database fails") as told:
            storage.calls(customer=SECRET)
        for error in (told.value, told.value.__context__):
            assert error is not None and SECRET not in str(error)


def test_postgresql_keeps_recordings_in_a_named_folder_only(postgres: str, recording: Path) -> None:
    with Storage(postgres) as storage:
        with pytest.raises(
            VocalicsError, match=r"recordings need a folder beside PostgreSQL; name one \(--audio FOLDER\)"
        ):
            storage.put(made.call(), "audio", recording)
        assert storage.calls() == []
