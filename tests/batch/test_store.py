"""The folder of results: what is committed stays, what is not goes, and inputs are known again."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest

from vocalics import audio, batch
from vocalics.batch import store, tables
from vocalics.batch.job import Input
from vocalics.batch.ledger import Ledger
from vocalics.errors import VocalicsError

Rows = Callable[[Path, str], list[dict[str, Any]]]


@pytest.fixture
def done(clips: Callable[..., Path], model: str, tmp_path: Path) -> tuple[Path, Path, dict[str, Any]]:
    """A folder of four clips, one of them empty; the results of a batch in two blocks; the options it ran with."""
    folder = clips("a", "b", "c")
    (folder / "empty.wav").touch()
    options = {"model": model, "workers": 1, "block": 2}
    batch.run([folder], tmp_path / "out", **options)
    return folder, tmp_path / "out", options


Done = tuple[Path, Path, dict[str, Any]]


def test_results_without_a_ledger_are_removed_and_made_again(done: Done, rows: Rows) -> None:
    folder, out, options = done
    expected = {name: rows(out, name) for name in ("predictions", "failures", "inputs")}
    parts = sorted((out / "inputs").glob("*.parquet"))
    assert len(parts) == 4  # few inputs are divided so that every worker has four blocks
    for lost in (parts[0], parts[3]):
        lost.unlink()
        summary = batch.run([folder], out, **options)
        assert summary.n_done == 1
        assert {name: rows(out, name) for name in expected} == expected


def test_a_ledger_without_results_is_done_again(done: Done, rows: Rows) -> None:
    folder, out, options = done
    expected = rows(out, "predictions")
    next((out / "predictions").glob("*.parquet")).unlink()
    assert batch.run([folder], out, **options).n_done == 1
    assert rows(out, "predictions") == expected and len(expected) == 3


def test_a_ledger_that_the_disk_lost_is_done_again(done: Done, rows: Rows) -> None:
    folder, out, options = done
    expected = rows(out, "inputs")
    next((out / "inputs").glob("*.parquet")).write_bytes(b"")
    (out / "inputs" / ".x.part").write_bytes(b"begun")
    assert batch.run([folder], out, **options).n_done == 1
    assert rows(out, "inputs") == expected
    assert not list(out.rglob("*.part"))


def test_a_ledger_that_cannot_be_read_for_now_is_no_lost_one(
    done: Done, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out, options = done
    expected = {name: rows(out, name) for name in ("predictions", "failures", "inputs")}

    def hiccup(path: Path) -> Any:
        raise OSError(errno.EIO, "Input/output error", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(tables, "read", hiccup)
        with pytest.raises(VocalicsError, match=r"cannot be read \(Input/output error\); nothing was changed"):
            batch.run([folder / "other.wav"], out, **options)
    assert {name: rows(out, name) for name in expected} == expected


def test_only_failures_of_what_is_named_are_tried_again(done: Done, rows: Rows) -> None:
    folder, out, options = done
    (one,) = (Path(r["path"]) for r in rows(out, "failures"))
    other = folder.parent / "other.wav"
    other.touch()
    batch.run([other], out, **options)
    with pytest.raises(VocalicsError, match="no such file"):
        batch.run([folder / "typo"], out, retry_failures=True, **options)
    assert {r["path"] for r in rows(out, "failures")} == {str(one), str(other)}
    again = batch.run([folder], out, retry_failures=True, **options)
    assert (again.n_done, again.n_failed, again.n_failed_before) == (1, 1, 0)
    assert {r["path"] for r in rows(out, "failures")} == {str(one), str(other)}
    inputs = [r["path"] for r in rows(out, "inputs")]
    assert len(inputs) == len(set(inputs)) == 5


def test_reasons_that_nothing_in_the_ledger_goes_with_are_removed(done: Done, rows: Rows) -> None:
    """So ends a run that was killed while it forgot failures."""
    folder, out, options = done
    (failed,) = (p for p in (out / "inputs").glob("*.parquet") if any(tables.read(p)["failed"].to_pylist()))
    expected = rows(out, "inputs")
    table = tables.read(failed)
    tables.write(failed, table.filter([not f for f in table["failed"].to_pylist()]))
    assert batch.run([folder], out, **options).n_done == 1
    assert rows(out, "inputs") == expected and len(rows(out, "failures")) == 1


def test_workers_hold_a_lock_that_a_network_file_system_gives(done: Done) -> None:
    _, out, _ = done
    fcntl = pytest.importorskip("fcntl")
    seen = []

    def locked(file: Any, kind: int) -> None:
        # Over NFS a shared lock is one of bytes for reading, which a file that is open for writing alone is refused.
        if kind & fcntl.LOCK_SH and not file.readable():
            raise OSError(errno.EBADF, "Bad file descriptor")
        seen.append(kind)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store.fcntl, "flock", locked)
        with store.writing(str(out)):
            assert seen == [fcntl.LOCK_SH]


def test_failures_whose_reasons_are_gone_are_tried_again(done: Done, rows: Rows) -> None:
    """So ends a run that was killed while it forgot them."""
    folder, out, options = done
    (reason,) = (r["reason"] for r in rows(out, "failures"))
    for path in (out / "failures").glob("*.parquet"):
        path.unlink()
    assert batch.run([folder], out, **options).n_done == 1
    assert [r["reason"] for r in rows(out, "failures")] == [reason]


def test_a_block_is_committed_once(done: Done, rows: Rows) -> None:
    """The same block of a process that was given up too early changes nothing."""
    folder, out, options = done
    from vocalics.batch.job import Block
    from vocalics.batch.running import planned
    from vocalics.batch.sources import find
    from vocalics.batch.work import Worker

    job = planned(out, "predict", options["model"], "", None, None, False, False, False, 3)
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*.parquet")}
    Worker(job).process(Block(find([str(folder / "a.wav")]).inputs))
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*.parquet")} == before


def test_a_file_that_was_missing_is_done_when_it_is_there(
    clips: Callable[..., Path], model: str, tmp_path: Path, rows: Rows
) -> None:
    (tmp_path / "list.txt").write_text("clips/a.wav\nclips/b.wav\n", encoding="utf-8")
    out = tmp_path / "out"
    clips("a")
    assert batch.run(tmp_path / "list.txt", out, model=model, workers=1).n_failed == 1
    assert batch.run(tmp_path / "list.txt", out, model=model, workers=1).n_done == 0
    clips("a", "b")
    os.utime(tmp_path / "clips" / "a.wav", ns=(1, int(rows(out, "predictions")[0]["version"])))
    later = batch.run(tmp_path / "list.txt", out, model=model, workers=1)
    assert (later.n_done, later.n_failed) == (1, 0)
    assert [Path(r["path"]).name for r in rows(out, "predictions")] == ["a.wav", "b.wav"]


def test_what_the_ledger_holds() -> None:
    ledger = Ledger()
    ledger.add("/a", 5, "1")
    ledger.add("s3://b", None, "")
    assert ledger.holds(Input("/a", 5, "1"))
    assert not ledger.holds(Input("/a", 6, "1")) and ledger.holds_another(Input("/a", 6, "1"))
    assert not ledger.holds(Input("/a", 5, "2"))
    assert ledger.holds(Input("/a"))  # named in a list without its version
    assert ledger.holds(Input("s3://b", 7, "etag"))  # its version was not known then
    assert not ledger.holds(Input("/c", 5, "1")) and not ledger.holds_another(Input("/c", 5, "1"))
    ledger.add("/f", 5, "1", failed=True)
    assert ledger.failed_before(Input("/f", 5, "1")) and ledger.failed_before(Input("/f"))
    ledger.add("/f", 6, "2")  # it was repaired
    assert not ledger.failed_before(Input("/f", 6, "2")) and not ledger.failed_before(Input("/f"))
    assert not ledger.failed_before(Input("/a", 5, "1"))
    ledger.add("/d", 5, "1", "digest")
    assert ledger.holds(Input("/other name", 9, "9", "digest"))
    ledger.add("/unread", 5, "1", "", failed=True)  # by content: it could not be read
    ledger.add("/e", 5, "1", "bad", failed=True)
    assert ledger.failed_before(Input("/unread", 5, "1")) and ledger.failed_before(Input("/moved", 1, "2", "bad"))


def test_by_content_a_moved_file_is_known_again(
    clips: Callable[..., Path], model: str, tmp_path: Path, rows: Rows
) -> None:
    folder = clips("a", "b")
    out = tmp_path / "out"
    batch.run([folder], out, model=model, workers=1, by_content=True)
    (folder / "a.wav").rename(folder / "z.wav")
    assert batch.run([folder], out, model=model, workers=1, by_content=True).n_done == 0
    assert len({r["digest"] for r in rows(out, "predictions")}) == 2


def test_a_folder_of_something_else_is_refused(tmp_path: Path, clips: Callable[..., Path], model: str) -> None:
    folder = clips("a")
    (tmp_path / "file").touch()
    with pytest.raises(VocalicsError, match="expected a folder for the results"):
        batch.run([folder], tmp_path / "file", model=model)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.parquet").touch()
    with pytest.raises(VocalicsError, match=r"holds mine\.parquet and no settings\.json; choose an empty folder"):
        batch.run([folder], tmp_path / "other", model=model)
    (tmp_path / "run").mkdir()
    for name in ("config.json", "svm.onnx"):
        (tmp_path / "run" / name).touch()
    with pytest.raises(VocalicsError, match=r"holds config\.json, svm\.onnx and no settings\.json"):
        batch.run([folder], tmp_path / "run", model=model)
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["config.json", "svm.onnx"]
    (tmp_path / "nested" / "inputs").mkdir(parents=True)
    (tmp_path / "nested" / "inputs" / "mine.parquet").touch()
    with pytest.raises(VocalicsError, match="holds other Parquet files"):
        batch.run([folder], tmp_path / "nested", model=model)
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / store.SETTINGS).write_text("[1]", encoding="utf-8")
    with pytest.raises(VocalicsError, match="is not what a batch writes"):
        batch.run([folder], tmp_path / "odd", model=model)


def test_the_settings_are_kept(done: Done) -> None:
    _, out, options = done
    kept = json.loads((out / store.SETTINGS).read_text(encoding="utf-8"))
    assert kept["task"] == "predict" and kept["model"] == options["model"] and len(kept["model_sha256"]) == 64


def test_a_folder_that_was_begun_in_the_first_format_goes_on_in_it(
    clips: Callable[..., Path], model: str, rows: Rows, tmp_path: Path
) -> None:
    """There ``emotion`` held the label: a table of both would mix two meanings in one column."""
    folder, options = clips("a"), {"model": model, "workers": 1}
    audio.write(folder / "silent.wav", audio.Clip(np.zeros(8_000, np.float32), 16_000))
    old, new = tmp_path / "old", tmp_path / "new"
    batch.run([folder], new, **options)
    old.mkdir()
    settings = json.loads((new / store.SETTINGS).read_text())
    assert settings["format"] == 2
    (old / store.SETTINGS).write_text(json.dumps({**settings, "format": 1}))
    assert batch.run([folder], old, **options).n_done == 2
    audio.write(folder / "b.wav", fakes.voice(0.7))
    assert [batch.run([folder], out, **options).n_done for out in (old, new)] == [1, 1]
    said = [{Path(row["path"]).stem: row for row in rows(out, "predictions")} for out in (old, new)]
    assert [row["emotion"] for row in said[1].values()] == [said[0]["a"]["emotion"], said[0]["b"]["emotion"], None]
    assert (said[0]["silent"]["emotion"], said[1]["silent"]["label"]) == ("no speech", "no speech")
    for row, same in zip(said[0].values(), said[1].values(), strict=True):
        assert list(row) == [key for key in same if key != "label"]
        assert row == {**{key: same[key] for key in row}, "emotion": same["label"]}
    assert len({tuple(row) for row in said[0].values()}) == 1
    (old / store.SETTINGS).write_text(json.dumps({**settings, "format": 3}))
    with pytest.raises(VocalicsError, match="was begun with format = 3, not 2"):
        batch.run([folder], old, **options)
