"""The same on a Ray cluster of this machine, with two workers: same rows, whatever is killed."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

import fakes
import pytest
from waiting import until

from vocalics import audio, batch

pytest.importorskip("ray", reason="the engine ray needs the extra 'cluster'")
pytestmark = pytest.mark.slow

Rows = Callable[[Path, str], list[dict[str, Any]]]
Start = Callable[..., Popen[str]]
Processes = Callable[[int, str], list[int]]
N = 90
SECONDS = 500  # Ray takes half a minute to start where the cores are busy


def finish(process: Popen[str]) -> str:
    """Wait for the end, and return what was said."""
    out, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, errors
    return out


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the local engine makes of clips; they and the model lie beside it."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "clips").mkdir()
    for i in range(N):
        audio.write(folder / "clips" / f"{i:04}.wav", fakes.voice(0.6, 90 + 7 * (i % 40)))
    fakes.waveform_model(folder / "model.onnx")
    batch.run([folder / "clips"], folder / "whole", model=str(folder / "model.onnx"), workers=2)
    return folder / "whole"


def arguments(whole: Path, out: Path) -> list[str]:
    """Of a run over the same clips on a cluster of two workers."""
    folder = whole.parent
    options = ["--model", str(folder / "model.onnx"), "--engine", "ray", "--workers", "2", "--block", "6"]
    return [str(folder / "clips"), *options, "-o", str(out)]


def committed(out: Path) -> int:
    """How many blocks are."""
    return len(list(out.glob("inputs/*.parquet")))


@pytest.mark.usefixtures("misbehaving")
def test_a_cluster_gives_the_rows_of_one_machine(whole: Path, tmp_path: Path, started: Start, rows: Rows) -> None:
    out = tmp_path / "out"
    for name in ("crash.wav", "killed once.wav"):
        (tmp_path / name).write_bytes((whole.parent / "clips" / "0000.wav").read_bytes())
    odd = [str(tmp_path / "crash.wav"), str(tmp_path / "killed once.wav")]
    # A cluster that Ray would find by itself is not asked for: this one is not there.
    driver = started(*odd, *arguments(whole, out), RAY_ADDRESS="127.0.0.1:1")
    assert f"{N + 2} of {N + 2} recordings" in finish(driver)
    names = {Path(r["path"]).stem: r["reason"] for r in rows(out, "failures")}
    assert names == {"crash": "its process died of SIGSEGV"}
    found = rows(out, "predictions")
    assert [r for r in found if r["path"] not in odd] == rows(whole, "predictions") and len(found) == N + 1


@pytest.mark.usefixtures("misbehaving")
def test_actors_and_their_workers_are_killed(
    whole: Path, tmp_path: Path, started: Start, rows: Rows, processes: Processes
) -> None:
    out = tmp_path / "out"
    rng = random.Random(3)
    driver = started(*arguments(whole, out), TEST_SLOWER="0.05")
    until(lambda: committed(out) >= 1, SECONDS, pause=0.05)
    for text in ("ray::MapWorker", "vocalics.batch.process") * 2 + ("ray::MapWorker",):
        until(lambda text=text: processes(driver.pid, text), SECONDS, pause=0.05)  # type: ignore[misc]
        os.kill(rng.choice(processes(driver.pid, text)), signal.SIGKILL)
        time.sleep(rng.uniform(0.1, 0.6))
    assert committed(out) < N / 6  # all of them were killed in the middle
    assert f"{N} of {N} recordings" in finish(driver)
    assert rows(out, "predictions") == rows(whole, "predictions")
    assert len(rows(out, "inputs")) == N


@pytest.mark.usefixtures("misbehaving")
def test_a_driver_that_is_killed_again_and_again_ends_as_one_that_was_not(
    whole: Path, tmp_path: Path, started: Start, rows: Rows
) -> None:
    out = tmp_path / "out"
    rng = random.Random(4)
    seen = []
    for _ in range(3):
        before = committed(out)
        driver = started(*arguments(whole, out), TEST_SLOWER="0.05")
        until(lambda before=before: committed(out) > before, SECONDS, pause=0.05)  # type: ignore[misc]
        time.sleep(rng.uniform(0, 0.5))
        driver.kill()
        seen.append(committed(out))
    assert seen == sorted(set(seen)) and seen[-1] < N / 6
    finish(started(*arguments(whole, out)))
    assert rows(out, "predictions") == rows(whole, "predictions")
    assert rows(out, "inputs") == rows(whole, "inputs")


CLUSTER = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
node = cluster.add_node(num_cpus=1)
print(cluster.address, flush=True)
sys.stdin.readline()
cluster.remove_node(node)
print("removed", flush=True)
sys.stdin.readline()
cluster.shutdown()
"""


@pytest.mark.usefixtures("misbehaving")
def test_a_machine_leaves_a_running_cluster(
    whole: Path, tmp_path: Path, started: Start, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    monkeypatch.setenv("TEST_SLOWER", "0.1")
    monkeypatch.setenv("RAY_worker_niceness", "0")
    program = [sys.executable, "-c", CLUSTER]
    with Popen(program, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True) as cluster:
        assert cluster.stdin is not None and cluster.stdout is not None
        address = cluster.stdout.readline().strip()
        driver = started(*arguments(whole, out), "--address", address)
        until(lambda: committed(out), SECONDS, pause=0.05)
        print(file=cluster.stdin, flush=True)
        assert cluster.stdout.readline() == "removed\n"
        assert committed(out) < N / 6
        assert f"{N} of {N} recordings" in finish(driver)
        print(file=cluster.stdin, flush=True)
    assert rows(out, "predictions") == rows(whole, "predictions")
    assert rows(out, "inputs") == rows(whole, "inputs")


@pytest.mark.usefixtures("misbehaving")
def test_sigterm_stops_it_cleanly(whole: Path, tmp_path: Path, started: Start, rows: Rows) -> None:
    out = tmp_path / "out"
    driver = started(*arguments(whole, out), TEST_SLOWER="0.1")
    until(lambda: committed(out), SECONDS, pause=0.05)
    driver.terminate()
    _, errors = driver.communicate(timeout=60)
    assert driver.returncode == 143, errors
    assert "the same command goes on" in errors and "Traceback" not in errors
    assert 0 < len(rows(out, "inputs")) < N


def test_a_cluster_that_is_not_there_is_told_in_a_line(whole: Path, tmp_path: Path, started: Start) -> None:
    driver = started(*arguments(whole, tmp_path / "out"), "--address", "127.0.0.1:1", RAY_BACKEND_LOG_LEVEL="fatal")
    _, errors = driver.communicate(timeout=SECONDS)
    assert driver.returncode == 1
    assert "vocalics: the Ray cluster 127.0.0.1:1 cannot be reached" in errors and "Traceback" not in errors
