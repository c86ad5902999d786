"""How ``vocalics batch`` scales: 1 and 2 workers, two engines, 1,000 clips and more, kills included.

    python benchmarks/bench_scale.py                                    1,000 and 10,000 clips, both engines
    python benchmarks/bench_scale.py --clips 100000 --kills driver worker --room /var/tmp/scale
    python benchmarks/bench_scale.py --page                             only write the page anew

Clips are those of the corpora (``VOCALICS_DATA``, else ../shared; without them the examples'), tiled under other names
by links: to a batch they are different inputs. The peer is a loop over the Python API in one process. Rates are given
by the clock and by processor time, which says what a machine could do that does nothing else. Measurements are added to
docs/results/scale.json, and docs/results/scale.md is written from it. In a ``--room``, clips and results stay, and what
was measured there is not measured again: a long measurement can be made in parts.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "scale.json"
LOOP_CLIPS = 500
N_KILLS = 5
LOOK_SECONDS = 0.5

DRIVER = """
import json, resource, sys, time
from vocalics import batch
began = time.perf_counter()
options = json.loads(sys.argv[1])
summary = batch.run(**options)
status = open("/proc/self/status").read().split()
own, others = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps({
    "n_done": summary.n_done, "n_failed": summary.n_failed, "sound_seconds": summary.sound_seconds,
    "seconds": summary.seconds, "whole_seconds": time.perf_counter() - began,
    "driver_cpu": own.ru_utime + own.ru_stime, "workers_cpu": others.ru_utime + others.ru_stime,
    "driver_memory": 1024 * int(status[status.index("VmHWM:") + 1]), "worker_memory": summary.worker_memory,
}))
"""

LOOP = """
import json, sys, time
import vocalics
recognizer = vocalics.load()
paths = [line.rstrip("\\n") for line in sys.stdin]
began, cpu, sound = time.perf_counter(), time.process_time(), 0.0
for path in paths:
    sound += recognizer.predict(path).end
print(json.dumps({"n_done": len(paths), "sound_seconds": sound, "seconds": time.perf_counter() - began,
                  "workers_cpu": time.process_time() - cpu}))
"""


def clips(n: int, folder: Path) -> list[str]:
    """Link n clips into a folder, the corpora taking turns, and return their paths."""
    data = Path(os.environ.get("VOCALICS_DATA", ROOT.parent / "shared")) / "corpora"
    parts = [
        ("ravdess", "*/*.flac"),
        ("savee/ALL", "*"),
        ("tess", "*/*"),
        ("emodb/wav", "*"),
        ("crema_d/AudioWAV", "*"),
    ]
    corpora = [sorted((data / name).glob(pattern)) for name, pattern in parts]
    mixed = [clip for turn in zip_longest(*corpora) for clip in turn if clip is not None]
    mixed = mixed or sorted((ROOT / "examples" / "clips").glob("*.wav"))
    paths = []
    for i in range(n):
        clip = mixed[i % len(mixed)]
        path = folder / f"{i // 1000:03}" / f"{i:06}{clip.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_symlink():
            path.symlink_to(clip.resolve())
        paths.append(str(path))
    return paths


def loop(paths: list[str]) -> dict[str, Any]:
    """What a loop over the Python API takes in one process, for clips drawn evenly out of all."""
    some = paths[:: max(1, len(paths) // (2 * LOOP_CLIPS))][: 2 * LOOP_CLIPS]
    began, busy, before = time.perf_counter(), _busy(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", LOOP], input="\n".join(some), capture_output=True, text=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    others = (_busy() - busy - cpu) / (time.perf_counter() - began)
    return {"engine": "loop", "workers": 1, "clips": len(paths), **json.loads(done.stdout), "others": max(0.0, others)}


def driver(folder: Path, out: Path, engine: str, workers: int) -> subprocess.Popen[str]:
    """Start a batch in a process of its own."""
    options = {"sources": [str(folder)], "output": str(out), "engine": engine, "workers": workers}
    return subprocess.Popen([sys.executable, "-c", DRIVER, json.dumps(options)], stdout=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a batch and return what it told, its processor time, and how many cores others kept busy meanwhile."""
    began, busy = time.perf_counter(), _busy()
    spent: dict[int, float] = {}
    while True:
        for pid in (process.pid, *below(process.pid, "")):
            spent[pid] = max(spent.get(pid, 0.0), _cpu(pid))
        try:
            out, _ = process.communicate(timeout=LOOK_SECONDS)
            break
        except subprocess.TimeoutExpired:
            continue
    if process.returncode:
        raise SystemExit(f"a batch ended with {process.returncode}")
    told: dict[str, Any] = json.loads(out.splitlines()[-1])  # Ray has its say before
    # Ray's processes are no children of the driver: the sum over looks misses their last half second at most.
    cpu = max(told["driver_cpu"] + told["workers_cpu"], sum(spent.values()))
    others = (_busy() - busy - cpu) / (time.perf_counter() - began)
    return {**told, "cpu": cpu, "others": max(0.0, others)}


def _cpu(pid: int) -> float:
    """Processor time of a process so far, in seconds (Linux)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _busy() -> float:
    """Processor time of the whole machine so far, what its host took away included, in seconds (Linux)."""
    user, nice, system, _idle, _wait, *rest = Path("/proc/stat").read_text(encoding="utf-8").split()[1:9]
    return sum(map(int, (user, nice, system, *rest))) / os.sysconf("SC_CLK_TCK")


def once(out: Path, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Measure what fills a folder of results, unless that was done; what was broken off begins anew."""
    known = out.with_name(f"{out.name}.json")
    if not known.exists():
        shutil.rmtree(out, ignore_errors=True)
        known.write_text(json.dumps(measure()), encoding="utf-8")
    told: dict[str, Any] = json.loads(known.read_text(encoding="utf-8"))
    return told


def measured(folder: Path, out: Path, engine: str, workers: int, n: int) -> dict[str, Any]:
    """A batch from nothing to its end, and what it takes to find that nothing is left."""
    told = finished(driver(folder, out, engine, workers))
    assert told["n_done"] == n, told
    files = list(out.rglob("*.parquet"))
    again = finished(driver(folder, out, "local", workers))
    assert again["n_done"] == 0
    return {
        "engine": engine,
        "workers": workers,
        "clips": n,
        **told,
        "output_bytes": sum(path.stat().st_size for path in files),
        "output_files": len(files),
        "resume_seconds": again["whole_seconds"],
        "load": os.getloadavg()[0],
        **({} if told["n_failed"] == 0 else {"n_failed": told["n_failed"]}),
    }


def table(out: Path, paths: list[str]) -> list[tuple[Any, ...]]:
    """All predictions, sorted; and that the ledger holds each input once, and no other.

    Without the clips' versions, which are the times of files: a room may outlive them.
    """
    import pyarrow.dataset as dataset

    held = dataset.dataset(out / "inputs").to_table(["path"])["path"].to_pylist()
    assert sorted(held) == sorted(paths)
    rows = dataset.dataset(out / "predictions").to_table().to_pylist()
    assert len(rows) == len({row["path"] for row in rows})
    return sorted(tuple(value for name, value in row.items() if name != "version") for row in rows)


def below(pid: int, text: str) -> Iterator[int]:
    """The processes below one whose command line holds a text (Linux)."""
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(word) for word in file.read_text().split()]
        except OSError:
            continue
        for child in children:
            try:
                if text.encode() in Path(f"/proc/{child}/cmdline").read_bytes():
                    yield child
            except OSError:
                continue
            yield from below(child, text)


def killed(folder: Path, out: Path, engine: str, what: str, reference: dict[str, Any]) -> dict[str, Any]:
    """Kill the driver (which is started again), or a worker, or both in turns, five times; return what was seen.

    A moment is drawn at random in each part of the run but the last, of equal parts, and not before another block was
    committed: a start that is killed proves little.
    """
    rng = random.Random(f"{engine} {what} {reference['clips']}")
    process = driver(folder, out, engine, 2)
    names = ("ray::MapWorker", "vocalics.batch.process") if engine == "ray" else ("vocalics.batch.process",)
    n_blocks = reference["output_files"] // 2
    whom = (("driver", "worker") if what == "both" else (what,)) * N_KILLS
    moments: list[int] = []

    def committed() -> int:
        return sum(1 for _ in (out / "inputs").glob("*.parquet"))

    for i, one in enumerate(whom):
        least = max(moments[-1] + 1 if moments else 1, int(n_blocks * rng.uniform(i, i + 1) / (len(whom) + 1)))
        pause = rng.uniform(0.0, 1.0) * reference["seconds"] / n_blocks  # so that a worker is anywhere in its block
        victims: list[int] = []
        while process.poll() is None and committed() < least:
            time.sleep(0.05)
        time.sleep(pause)
        while process.poll() is None and not victims:
            name = names[sum(w == "worker" for w in whom[:i]) % len(names)]
            victims = [process.pid] if one == "driver" else list(below(process.pid, name))
        if process.poll() is not None:
            break
        moments.append(committed())
        os.kill(rng.choice(victims), signal.SIGKILL)
        if one == "driver":
            process.communicate()
            process = driver(folder, out, engine, 2)
    finished(process)
    return {
        "engine": engine,
        "clips": reference["clips"],
        "killed": what,
        "kills": len(moments),
        "blocks_at_kills": moments,
        "blocks": n_blocks,
    }


@contextmanager
def tiled(n: int, room: Path | None = None) -> Iterator[tuple[Path, list[str], Path]]:
    """A folder of n clips, their paths, and a folder for results beside it: temporary ones, or in a room that stays."""
    with tempfile.TemporaryDirectory(prefix="vocalics-scale-") as name:
        place = Path(name) if room is None else room.absolute() / str(n)
        yield place / "clips", clips(n, place / "clips"), place


def run() -> list[dict[str, Any]]:
    """Return rows for the table of speed: a batch of 500 clips on one worker against the loop, by processor time."""
    with tiled(LOOP_CLIPS) as (folder, paths, room):
        peer, ours = loop(paths), measured(folder, room / "out", "local", 1, len(paths))
    return [
        {
            "name": f"vocalics batch of {LOOP_CLIPS} clips, one worker, processor time per clip with the start",
            "ours_ms": round(1e3 * (ours["workers_cpu"] + ours["driver_cpu"]) / LOOP_CLIPS, 2),
            "peer": "a loop over the Python API",
            "peer_ms": round(1e3 * peer["workers_cpu"] / LOOP_CLIPS, 2),
            "ratio": round((ours["workers_cpu"] + ours["driver_cpu"]) / peer["workers_cpu"], 2),
            "target": "at most 1.5",
        }
    ]


def keep(measurement: dict[str, Any]) -> None:
    """Put a measurement in place of an earlier one of the same, and write the page."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    same = ("engine", "workers", "clips", "killed")
    kept = [m for m in kept if any(m.get(key) != measurement.get(key) for key in same)]
    kept.append(measurement)
    kept.sort(key=lambda m: (m["clips"], m["engine"] != "loop", m["engine"], m.get("killed", ""), m.get("workers", 0)))
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    page()


def page() -> None:
    """Write docs/results/scale.md."""
    sys.path.insert(0, str(Path(__file__).parent))
    from scale_page import written

    RESULTS.with_suffix(".md").write_text(written(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")


def main() -> None:
    """Measure, keep, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--engines", nargs="+", default=["local", "ray"], choices=["local", "ray"])
    parser.add_argument("--kills", nargs="*", default=[], choices=["driver", "worker", "both"], help="five times")
    parser.add_argument("--room", type=Path, help="where clips and results stay, for the next part of a measurement")
    parser.add_argument("--page", action="store_true", help="only write the page anew")
    arguments = parser.parse_args()
    if arguments.page:
        return page()
    for n in arguments.clips:
        with tiled(n, arguments.room) as (folder, paths, room):
            if arguments.workers:
                keep(once(room / "loop", partial(loop, paths)))
            reference = once(room / "local-2", partial(measured, folder, room / "local-2", "local", 2, n))
            expected = table(room / "local-2", paths)
            assert len(expected) + reference["n_failed"] == n

            def same(
                told: dict[str, Any],
                out: Path,
                paths: list[str] = paths,
                expected: list[tuple[Any, ...]] = expected,
            ) -> None:
                assert table(out, paths) == expected
                print(json.dumps(told), flush=True)
                keep({**told, "same_rows": True})

            for engine in arguments.engines:
                for workers in arguments.workers:
                    out = room / f"{engine}-{workers}"
                    same(once(out, partial(measured, folder, out, engine, workers, n)), out)
                for what in arguments.kills:
                    out = room / f"{engine}-{what}"
                    same(once(out, partial(killed, folder, out, engine, what, reference)), out)
    return None


if __name__ == "__main__":
    main()
