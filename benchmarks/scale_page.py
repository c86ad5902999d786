"""docs/results/scale.md from the measurements of bench_scale.py: what was measured, and what follows from it."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Measurement = Mapping[str, Any]

PRICES: dict[str, tuple[int, float]] = {
    "m7g.large, on demand, us-east-1, June 2026": (2, 0.0816),
    "c5.2xlarge, on demand, us-east-1 (example of AWS's documentation)": (8, 0.34),
    "c5.2xlarge, spot, us-east-1 (the same)": (8, 0.18),
}
"""Machines: virtual cores and US dollars per hour. They age; put yours in."""

HOURS = 100_000_000
SHARD = 1_000_000  # inputs per folder of results
CLIP_BYTES = {"16 kHz 16-bit wav": 115.2e6, "flac": 60e6, "Opus at 24 kbit/s": 10.8e6}
"""Bytes of an hour of sound, one channel: the first and last follow from the rates, flac's is about half of wav's."""


def written(measurements: Sequence[Measurement]) -> str:
    """Return the page."""
    runs = [m for m in measurements if "killed" not in m and m["engine"] != "loop"]
    loops = {m["clips"]: m for m in measurements if m["engine"] == "loop"}
    lines = [
        "# Batches, measured",
        "",
        "Written by `python benchmarks/bench_scale.py`; what it means: [scale.md](../scale.md).",
        "",
        f"Machine: {_processor()}; the load column says how busy it was besides; where it was, the rates by the clock "
        "are worse than the machine is. Clips of five corpora in turns, model `default`.",
        "",
        *_rates(runs, loops),
        "",
        *_ratios(runs, loops),
        "",
        *_kills([m for m in measurements if "killed" in m]),
        "",
    ]
    best = _largest(runs)
    if best is not None:
        lines += [*_cost(best), "", *_plan(best), ""]
    return "\n".join(lines).rstrip() + "\n"


def _rates(runs: Iterable[Measurement], loops: Mapping[int, Measurement]) -> list[str]:
    rows = []
    for loop in loops.values():
        rows.append(
            (f"loop over the Python API ({loop['n_done']:,} clips)", "1", "", *_speed(loop), "", "", "", "")
        )  # fmt: skip
    for m in runs:
        rows.append(
            (
                f"{m['engine']}, {m['clips']:,} clips",
                str(m["workers"]),
                "yes" if m.get("same_rows") else "",
                *_speed(m),
                f"{m['driver_memory'] / 1e6:.0f} MB",
                f"{m['worker_memory'] / 1e6:.0f} MB",
                f"{m['resume_seconds']:.1f} s",
                f"{m['load']:.1f}",
            )
        )
    head = ("what", "workers", "same rows", "clips per second", "s of sound per second", "processor ms per clip",
            "driver's memory", "worker's memory", "finding nothing left", "load")  # fmt: skip
    about = (
        "From the first recording that is handed out to the last one committed; Ray's include the start of a cluster, "
        "which weighs much in a short run. *Finding nothing left* is the whole of a second run. Processor time is that "
        "of workers and driver; of Ray's workers it is not known."
    )
    return ["## Rates", "", about, "", *_table(head, _unique(rows))]


def _speed(m: Measurement) -> tuple[str, str, str]:
    spent = m["workers_cpu"] + m.get("driver_cpu", 0.0)
    # Ray's processes are no children of the driver; their time is not known.
    cpu = f"{1e3 * spent / m['n_done']:.2f}" if m["engine"] != "ray" else ""
    return f"{m['n_done'] / m['seconds']:.1f}", f"{m['sound_seconds'] / m['seconds']:,.0f}", cpu


def _unique(rows: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return list(dict.fromkeys(rows))


def _ratios(runs: Sequence[Measurement], loops: Mapping[int, Measurement]) -> list[str]:
    rows = []
    for one in runs:
        two = next((m for m in runs if _same(m, one) and m["workers"] == 2), None)
        if one["workers"] != 1 or two is None:
            continue
        loop = loops.get(one["clips"])
        rate = [m["n_done"] / m["seconds"] for m in (one, two)]
        against = f"{rate[0] * loop['seconds'] / loop['n_done']:.2f}" if loop else ""
        loads = f"{two['load']:.1f} and {one['load']:.1f}"
        spent = (one["workers_cpu"] + one["driver_cpu"]) / one["n_done"]
        by_cpu = ""
        # Processor time does not depend on what else the machine does, nor on the number of clips.
        loop = loop or next(iter(loops.values()), None)
        if loop and one["engine"] != "ray":
            by_cpu = f"{loop['workers_cpu'] / loop['n_done'] / spent:.2f}"
        rows.append((f"{one['engine']}, {one['clips']:,} clips", f"{rate[1] / rate[0]:.2f}", loads, against, by_cpu))
    head = (
        "what",
        "two workers to one",
        "at loads of",
        "one worker to the loop, by the clock",
        "and by processor time",
    )
    about = (
        "Ratios by the clock say something only where both were measured on a machine that was as busy, best of all "
        "not at all: from runs at other loads they can be anything. Processor time does not have this fault."
    )
    return ["## Ratios of rates", "", about, "", *_table(head, rows)]


def _same(a: Measurement, b: Measurement) -> bool:
    return bool(a["engine"] == b["engine"] and a["clips"] == b["clips"])


def _kills(kills: Sequence[Measurement]) -> list[str]:
    if not kills:
        return ["## Kills", "", "None were measured yet."]
    rows = [
        (
            f"{m['engine']}, {m['clips']:,} clips",
            m["killed"],
            str(m["kills"]),
            ", ".join(map(str, m["blocks_at_kills"])),
            "yes" if m["same_rows"] else "NO",
        )
        for m in kills
    ]
    head = ("what", "killed", "times", "blocks committed then", "same rows as undisturbed, none lost or twice")
    return ["## Killed with SIGKILL at random moments, then resumed", "", *_table(head, rows)]


def _largest(runs: Iterable[Measurement]) -> Measurement | None:
    """The largest run of the local engine: that of least processor time per clip."""
    chosen = [m for m in runs if m["engine"] == "local"]
    most = max((m["clips"] for m in chosen), default=0)
    chosen = [m for m in chosen if m["clips"] == most]
    return min(chosen, key=lambda m: m["workers_cpu"], default=None)


def _per_core(m: Measurement) -> float:
    """Seconds of sound per second of a core."""
    return float(m["sound_seconds"] / (m["workers_cpu"] + m["driver_cpu"]))


def _cost(m: Measurement) -> list[str]:
    speed = _per_core(m)
    rows = []
    for name, (cores, price) in PRICES.items():
        hours = 1000 / speed / cores
        rows.append((name, str(cores), f"{price:.4f}", f"{60 * hours:.1f} minutes", f"{hours * price:.3f}"))
    head = ("machine", "cores", "US dollars per hour", "1,000 hours of sound take", "and cost, in US dollars")
    return [
        "## Cost per 1,000 hours",
        "",
        f"From {m['clips']:,} clips with {m['workers']} worker(s): {speed:,.0f} seconds of sound per second of a core "
        "of the machine above, by processor time. A virtual core is counted as one of these; reading is not.",
        "",
        *_table(head, rows),
    ]


def _plan(m: Measurement) -> list[str]:
    core_hours = HOURS / _per_core(m)
    clip_seconds = m["sound_seconds"] / m["n_done"]
    n_clips = HOURS * 3600 / clip_seconds
    row_bytes = m["output_bytes"] / m["n_done"]
    cheapest = min(price / cores for cores, price in PRICES.values())
    dearest = max(price / cores for cores, price in PRICES.values())
    cores = 1_000
    days = core_hours / cores / 24
    per_shard = m["resume_seconds"] * SHARD / m["clips"]
    driver = m["driver_memory"] / 1e9
    rows = [
        ("hours of cores", f"{core_hours:,.0f}"),
        (f"days on {cores:,} cores", f"{days:,.1f}"),
        ("US dollars for cores", f"{core_hours * cheapest:,.0f} to {core_hours * dearest:,.0f}"),
        (f"clips, of {clip_seconds:.1f} s as here", f"{n_clips:,.3g}"),
        (f"folders of results, of {SHARD:,} clips each", f"{n_clips / SHARD:,.0f}"),
        ("size of the results", f"{n_clips * row_bytes / 1e12:,.1f} TB ({row_bytes:.0f} bytes per clip)"),
        (f"listing {SHARD:,} clips and reading their ledger", f"{per_shard:,.0f} s (from {m['clips']:,})"),
        (f"a driver's memory with {m['clips']:,} clips", f"{driver:.2f} GB"),
    ]
    for name, size in CLIP_BYTES.items():
        rate = 8 * HOURS * size / (days * 86400) / 1e9
        rows.append((f"reading it all as {name}", f"{HOURS * size / 1e15:,.1f} PB, {rate:,.0f} Gbit/s meanwhile"))
    return ["## 100 million hours, reckoned from these rates", "", *_table(("what", "how much"), rows)]


def _processor() -> str:
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
        return f"{sum(line.startswith('processor') for line in lines)} cores ({name})"
    return name


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    def row(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    return [row(head), "|" + "---|" * len(head), *map(row, rows)]
