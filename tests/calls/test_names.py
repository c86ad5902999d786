"""Pseudonyms need the key; what is known of a call comes from where it is told."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import made
import pytest

from vocalics.calls import about, names
from vocalics.calls.about import About
from vocalics.calls.analysis import pseudonymised
from vocalics.errors import VocalicsError

KEY = b"0123456789abcdef"


def test_a_pseudonym_is_the_hmac_of_the_name() -> None:
    wanted = hmac.new(KEY, b"customer\x00Ann", hashlib.sha256).hexdigest()
    assert names.pseudonym("Ann", "customer", KEY) == f"customer-{wanted[:16]}"
    others = {
        names.pseudonym(n, k, key) for n in ("Ann", "Bob") for k in ("agent", "customer") for key in (KEY, b"k" * 16)
    }
    assert len(others) == 8


def test_a_name_is_the_same_however_it_is_typed(tmp_path: Path) -> None:
    composed, apart = "Zo\u00eb de Vries", "  Zoe\u0308  de\tVries\n"
    assert About(apart, apart) == About(composed, composed) != About("Zoe de Vries") and About(" \n", "") == About()
    assert len({names.pseudonym(name, "customer", KEY) for name in (composed, apart, composed.upper())}) == 2
    (tmp_path / "a.call.json").write_text(json.dumps({"agent": apart, "customer": 7}))
    beside = about.beside(tmp_path / "a.wav")
    assert (beside.agent, beside.customer) == (composed, "7")
    assert About("e\u0301" * 200).agent == "\u00e9" * 200, "as long as it is seen to be"


def test_what_earlier_releases_made_of_a_name_is_known() -> None:
    apart = "Zoe\u0308"

    def earlier(name: str) -> str:
        made_of = hmac.new(KEY, b"customer\x00" + name.encode(), hashlib.sha256)
        return f"customer-{made_of.hexdigest()[:16]}"

    for typed in ("Zo\u00eb", f" {apart} "):
        found = names.pseudonyms(typed, "customer", KEY)
        assert found[0] == names.pseudonym(typed, "customer", KEY) == earlier("Zo\u00eb") != earlier(apart)
        assert {earlier(typed), earlier(apart)} <= {*found}
    assert names.pseudonyms("Ann", "customer", KEY) == [names.pseudonym("Ann", "customer", KEY)]


def test_a_pseudonymised_call_tells_no_name() -> None:
    call = made.call(words=["hello"])
    hidden = pseudonymised(call, KEY)
    assert hidden.pseudonymised and not call.pseudonymised
    for name in (call.agent, call.customer, call.path, call.digest):
        assert name and name not in repr(hidden)
    assert hidden == pseudonymised(call, KEY) != pseudonymised(call, b"another key of mine")
    assert hidden.turns == call.turns and pseudonymised(made.call(agent=None), KEY).agent is None


def test_keys_come_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(names.KEY_VARIABLE, raising=False)
    with pytest.raises(VocalicsError, match=r"need a key; name a file \(--key FILE\), or set VOCALICS_CALLS_KEY"):
        names.read_key()
    monkeypatch.setenv(names.KEY_VARIABLE, "0123456789abcdef")
    assert names.read_key() == KEY
    (tmp_path / "key").write_bytes(KEY + b"\n")
    assert names.read_key(tmp_path / "key") == KEY
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(VocalicsError, match="a key of 5 bytes can be guessed"):
        names.read_key(tmp_path / "key")
    with pytest.raises(VocalicsError, match="cannot be read"):
        names.read_key(tmp_path / "none")


def test_what_is_known_comes_from_the_hand_then_the_table_then_beside(tmp_path: Path) -> None:
    recording = tmp_path / "a.wav"
    recording.write_bytes(b"x")
    os.utime(recording, (1000, 1000))
    assert about.beside(recording) == About(started_at=datetime.fromtimestamp(1000, UTC))
    (tmp_path / "a.call.json").write_text('{"agent": "Bob", "customer": "Ann", "started_at": "2026-03-31T14:05+02:00"}')
    beside = about.beside(recording)
    assert beside == About("Bob", "Ann", datetime(2026, 3, 31, 14, 5, tzinfo=timezone(timedelta(hours=2))))
    (tmp_path / "t.csv").write_text("recording,agent,customer,started_at\na.wav,,Cid,\nb.wav,Eve,,2026-01-01\n")
    table = about.read(tmp_path / "t.csv")
    assert about.of(table, recording).or_else(beside) == About("Bob", "Cid", beside.started_at)
    assert about.of(table, "b.wav") == About("Eve", None, datetime(2026, 1, 1, tzinfo=UTC))
    assert about.of(table, "c.wav") == About() and about.beside(tmp_path / "none.wav") == About()


@pytest.mark.parametrize("seconds", [3e11, 7.3e9, -2.3e9, 1e20, float("inf")])
def test_a_files_own_time_that_no_call_can_have_is_passed_over(
    seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"x")
    assert about.beside(path).started_at is not None
    # A file system may keep no such time; others do.
    monkeypatch.setattr(Path, "stat", lambda *_, **__: SimpleNamespace(st_mtime=seconds, st_mode=stat.S_IFCHR))
    assert about.beside(path) == About()


def test_a_time_of_another_zone_is_one_of_utc() -> None:
    time = about.moment("2026-03-31T14:05-04:00")
    assert time.isoformat() == "2026-03-31T18:05:00+00:00"
    assert about.moment("2026-03-31T14:05").isoformat() == "2026-03-31T14:05:00+00:00"


def test_what_is_not_as_expected_is_told(tmp_path: Path) -> None:
    with pytest.raises(VocalicsError, match='"yesterday" is no time; expected one as in 2026-03-31T14:05'):
        about.moment("yesterday")
    with pytest.raises(VocalicsError, match="a name of 201 characters; expected at most 200"):
        About("x" * 201)
    (tmp_path / "a.call.json").write_text("[1]")
    with pytest.raises(VocalicsError, match=r"a\.call\.json: is not as expected"):
        about.beside(tmp_path / "a.wav")
    (tmp_path / "t.csv").write_text("file,agent\na.wav,Bob\n")
    with pytest.raises(VocalicsError, match="has the columns file, agent; expected recording, agent, customer"):
        about.read(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("recording,Agent,started\na.wav,Bob,2026-01-01\n")  # misspelt
    with pytest.raises(VocalicsError, match="has the columns recording, Agent, started; expected recording, agent"):
        about.read(tmp_path / "t.csv")


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-05:00", "1899-12-31"])
def test_a_time_that_no_call_can_have_is_told(time: str) -> None:
    with pytest.raises(VocalicsError, match="is no time of a call; expected a year from 1900 to 2199"):
        about.moment(time)
