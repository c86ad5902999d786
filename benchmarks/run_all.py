"""Run every benchmark of this folder and write docs/results/speed.md.

    python benchmarks/run_all.py [NAME ...]     e.g. python benchmarks/run_all.py bench_features

A benchmark is a module ``bench_*.py`` with ``run()``, which returns rows (or ``{"rows": rows}``): name, ours_ms, peer,
peer_ms, ratio, target. A target is "at least 20", "at most 2.5", or a number, which the ratio is to reach. The file is
written only when all were run. The exit code is 1 where a target is missed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

HERE = Path(__file__).parent
RESULT = HERE.parent / "docs" / "results" / "speed.md"
LAST = ("bench_edge",)
"""A program that is started counts what its parent held then as its own peak: what loads most comes last."""
LIBRARIES = ("vocalics", "numpy", "scipy", "soxr", "soundfile", "onnxruntime", "librosa")


def met(row: Mapping[str, Any]) -> bool:
    """Whether a row's ratio reaches its target."""
    target = str(row["target"])
    bound = float(target.split()[-1])
    return bool(row["ratio"] <= bound if target.startswith("at most") else row["ratio"] >= bound)


def cells(row: Mapping[str, Any]) -> list[str]:
    """A row of the table."""
    target = str(row["target"])
    ours = row.get("value") or _duration(row["ours_ms"])
    peer = f"{row['peer']}: {_duration(row['peer_ms'])}" if row.get("peer") else ""
    ratio = "" if "value" in row else f"{row['ratio']:g}"
    return [
        row["name"],
        ours,
        peer,
        ratio,
        target if " " in target else f"at least {target}",
        "yes" if met(row) else "NO",
    ]


def _duration(milliseconds: float) -> str:
    return f"{milliseconds / 1e3:,.1f} s" if milliseconds >= 10_000 else f"{milliseconds:.3g} ms"


def _version(library: str) -> str:
    try:
        return f"{library} {metadata.version(library)}"
    except metadata.PackageNotFoundError:
        return f"{library} (absent)"


def main(names: list[str]) -> int:
    """Run, print, write."""
    sys.path.insert(0, str(HERE))
    known = sorted((path.stem for path in HERE.glob("bench_*.py")), key=lambda name: (name in LAST, name))
    rows: list[Mapping[str, Any]] = []
    header = ["what", "ours", "peer", "ratio", "target", "met"]
    lines = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    print(*lines, sep="\n", flush=True)
    for name in names or known:
        result = import_module(name).run()
        for row in result["rows"] if isinstance(result, Mapping) else result:
            rows.append(row)
            lines.append(f"| {' | '.join(cells(row))} |")
            print(lines[-1], flush=True)
    if not names:
        busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        about = (
            "# Speed and memory\n\nWritten by `make bench`. Ours and the peer run in turns, one thread each; "
            "times are medians.\n\n"
            f"Machine: {os.cpu_count()} cores, load {busy:.1f} at the end. Python {sys.version.split()[0]}, "
            f"{', '.join(_version(library) for library in LIBRARIES)}.\n\n"
        )
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(about + "\n".join(lines) + "\n", encoding="utf-8")
    return 0 if all(met(row) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
