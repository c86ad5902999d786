"""docs/results/scale.md from the measurements of bench_scale.py: what was measured, and what follows from it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Measurement = Mapping[str, Any]

EXAMPLE = "https://docs.amazonaws.cn/en_us/autoscaling/ec2/userguide/weights-spot-price-per-unit-hour-example.html"
PRICES: dict[str, tuple[int, float, str]] = {
    "m7g.large, on demand": (
        2,
        0.0816,
        "[a third party's page of June 2026]"
        "(https://www.factualminds.com/blog/amazon-ec2-on-demand-pricing-instance-families-2026/)",
    ),
    "c5.2xlarge, on demand": (8, 0.34, f"[an example of AWS's documentation]({EXAMPLE})"),
    "c5.2xlarge, spot": (8, 0.18, f"[the same, zone us-east-1a]({EXAMPLE})"),
}
"""Machines in us-east-1 with Linux: virtual cores, US dollars per hour, where that is written. Put yours in."""

HOURS = 100_000_000
SHARD = 1_000_000  # inputs per folder of results
SPARE = 0.25
"""Of a core, that others may keep busy beside a measurement by the clock."""

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
        f"Machine: {_processor()}. *Taken by others* is how many of its cores other programs kept busy meanwhile, on "
        f"average; where that is more than {SPARE:g} of one, rates by the clock stand in "
        "parentheses: the machine can do more. Clips of five corpora in turns, model `default`.",
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
        lines += [*_cost(best), "", *_plan(best, runs), ""]
    return "\n".join(lines).rstrip() + "\n"


def _rates(runs: Iterable[Measurement], loops: Mapping[int, Measurement]) -> list[str]:
    rows = []
    for loop in loops.values():
        what = f"loop over the Python API, {loop['n_done']:,} of {loop['clips']:,} clips"
        rows.append((what, "1", "", *_speed(loop), "", "", "", _others(loop)))
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
                _others(m),
            )
        )
    head = ("what", "workers", "same rows", "clips per second", "s of sound per second", "processor ms per clip",
            "driver's memory", "worker's memory", "finding nothing left", "taken by others")  # fmt: skip
    about = (
        "From the first recording that is handed out to the last one committed; Ray's include the start of a cluster, "
        "which weighs much in a short run. *Finding nothing left* is the whole of a second run. Processor time is that "
        "of all processes from their start on, Ray's own among them; the loop's is without its start. *Same rows*: "
        "every clip once in the ledger and once in the results, and all rows equal to those of two local workers."
    )
    return ["## Rates", "", about, "", *_table(head, rows)]


def _speed(m: Measurement) -> tuple[str, str, str]:
    rates = (f"{_rate(m):.1f}", f"{m['sound_seconds'] / m['seconds']:,.0f}")
    clips, sound = rates if _undisturbed(m) else (f"({rates[0]})", f"({rates[1]})")
    return clips, sound, f"{1e3 * _spent(m):.2f}"


def _spent(m: Measurement) -> float:
    """Seconds of processor time per clip."""
    return float((m["workers_cpu"] if m["engine"] == "loop" else m["cpu"]) / m["n_done"])


def _others(m: Measurement) -> str:
    return f"{m['others']:.2f}"


def _ratios(runs: Sequence[Measurement], loops: Mapping[int, Measurement]) -> list[str]:
    rows = []
    for engine, clips in dict.fromkeys((m["engine"], m["clips"]) for m in runs):
        known = {m["workers"]: m for m in runs if (m["engine"], m["clips"]) == (engine, clips)}
        loop, one, two = loops.get(clips), known.get(1), known.get(2)
        rows.append(
            (
                f"{engine}, {clips:,} clips",
                _ratio(_rate, two, one) if _undisturbed(two, one) else "",
                _ratio(_rate, one, loop) if _undisturbed(one, loop) else "",
                _ratio(_rate, two, loop) if _undisturbed(two, loop) else "",
                _ratio(_spent, loop, one),
                _ratio(_spent, loop, two),
                ", ".join(_others(m) if m else "–" for m in (loop, one, two)),
            )
        )
    head = ("what", "two workers to one", "one to the loop", "two to the loop", "a clip's processor time, loop to one",
            "loop to two", "taken by others: loop, one, two")  # fmt: skip
    about = (
        "Rates by the clock, and what a clip costs in processor time: 1 there is a clip that costs as much. Ratios by "
        "the clock are given only where neither rate stands in parentheses. Processor time grows too where others "
        "crowd the caches; and a host that is shared is not equally fast at all times: two workers that do more than "
        "twice of one, or more than twice the loop, were measured at a better hour."
    )
    return ["## Ratios of rates", "", about, "", *_table(head, rows)]


def _undisturbed(*measurements: Measurement | None) -> bool:
    """Whether others took little: also on a core that was left idle they slow the rest, by what cores share."""
    return all(m is not None and m["others"] <= SPARE for m in measurements)


def _rate(m: Measurement) -> float:
    """Clips per second."""
    return float(m["n_done"] / m["seconds"])


def _ratio(of: Callable[[Measurement], float], a: Measurement | None, b: Measurement | None) -> str:
    return f"{of(a) / of(b):.2f}" if a and b else ""


def _kills(kills: Sequence[Measurement]) -> list[str]:
    if not kills:
        return ["## Kills", "", "None were measured yet."]
    rows = [
        (
            f"{m['engine']}, {m['clips']:,} clips",
            "driver and worker in turns" if m["killed"] == "both" else m["killed"],
            str(m["kills"]),
            f"{', '.join(map(str, m['blocks_at_kills']))} of {m['blocks']}",
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
    return min((m for m in chosen if m["clips"] == most), key=lambda m: m["cpu"], default=None)


def _per_core(m: Measurement) -> float:
    """Seconds of sound per second of a core."""
    return float(m["sound_seconds"] / m["cpu"])


def _cost(m: Measurement) -> list[str]:
    speed = _per_core(m)
    rows = []
    for name, (cores, price, source) in PRICES.items():
        hours = 1000 / speed / cores
        rows.append((name, str(cores), f"{price:.4f}", source, f"{60 * hours:.1f} minutes", f"{hours * price:.3f}"))
    head = ("machine", "cores", "US dollars per hour", "says", "1,000 hours of sound take", "and cost, in US dollars")
    return [
        "## Cost per 1,000 hours",
        "",
        f"From {m['clips']:,} clips with {m['workers']} worker(s): {speed:,.0f} seconds of sound per second of a core "
        "of the machine above, by processor time. Two assumptions: a virtual core counts as one of these, and reading "
        "costs nothing; neither was measured on these machines. Prices are for Linux in us-east-1 and no offer: what "
        "AWS gives is an example by its own words, spot prices change by the hour. Put yours in, in "
        "`benchmarks/scale_page.py`.",
        "",
        *_table(head, rows),
    ]


def _memory(runs: Iterable[Measurement]) -> tuple[int, int, float] | None:
    """The sizes of the two largest runs of two local workers, and what a shard's driver would take by their line."""
    chosen = sorted((m for m in runs if m["engine"] == "local" and m["workers"] == 2), key=lambda m: int(m["clips"]))
    if len(chosen) < 2:
        return None
    a, b = chosen[-2:]
    per_clip = (b["driver_memory"] - a["driver_memory"]) / (b["clips"] - a["clips"])
    return a["clips"], b["clips"], b["driver_memory"] + per_clip * (SHARD - b["clips"])


def _plan(m: Measurement, runs: Sequence[Measurement]) -> list[str]:
    core_hours = HOURS / _per_core(m)
    clip_seconds = m["sound_seconds"] / m["n_done"]
    n_clips = HOURS * 3600 / clip_seconds
    row_bytes = m["output_bytes"] / m["n_done"]
    cheapest = min(price / cores for cores, price, _ in PRICES.values())
    dearest = max(price / cores for cores, price, _ in PRICES.values())
    cores = 1_000
    days = core_hours / cores / 24
    per_shard = m["resume_seconds"] * SHARD / m["clips"]
    memory = _memory(runs)
    rows = [
        ("hours of cores", f"{core_hours:,.0f}"),
        (f"days on {cores:,} cores", f"{days:,.1f}"),
        ("US dollars for cores", f"{core_hours * cheapest:,.0f} to {core_hours * dearest:,.0f}"),
        (f"clips, of {clip_seconds:.1f} s as here", f"{n_clips:,.3g}"),
        (f"folders of results, of {SHARD:,} clips each", f"{n_clips / SHARD:,.0f}"),
        ("size of the results", f"{n_clips * row_bytes / 1e12:,.1f} TB ({row_bytes:.0f} bytes per clip)"),
        (f"listing {SHARD:,} clips and reading their ledger", f"{per_shard:,.0f} s (from {m['clips']:,})"),
    ]
    if memory is not None:
        small, large, size = memory
        rows.append((f"a driver's memory with {SHARD:,} clips", f"{size / 1e9:.2f} GB (from {small:,} and {large:,})"))
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
