"""What a compiled program takes, as a table's rows; and how long it would take on a device."""

from __future__ import annotations

from pathlib import Path

from vocalics.edge import toolchain
from vocalics.edge.compilation import Compiled
from vocalics.edge.readme import in_kilobytes

INSTRUCTIONS_PER_MAC = 3.3
"""Of a board's processor, front end and all: counted by qemu for the model default in float32 on a Cortex-M4."""


def rows(compiled: Compiled, clock_mhz: float | None = None) -> list[tuple[str, str]]:
    """Return what a table shows: names and values.

    Args:
        compiled: The program.
        clock_mhz: Of the device's processor, in MHz; that of a usual one where ``None``.
    """
    source, sizes, facts = compiled.source, compiled.sizes, compiled.source.facts
    per_second = facts.macs / source.seconds
    found = [("file", in_kilobytes(sizes.file))]
    if sizes.flash is not None:
        rest = max(0, sizes.flash - facts.weight_bytes)
        found.append(
            ("flash", f"{in_kilobytes(sizes.flash)}: weights {in_kilobytes(facts.weight_bytes)}, code and tables "
             f"{in_kilobytes(rest)}")
        )  # fmt: skip
    if sizes.ram is not None:
        text = f"{in_kilobytes(sizes.ram)}: network {in_kilobytes(facts.arena_bytes)}"
        if compiled.target.board is not None:
            used = f", of which {in_kilobytes(compiled.stack_bytes)} were used" if compiled.stack_bytes else ""
            text += f", stack {in_kilobytes(compiled.target.board.stack_bytes)}{used}"
        found.append(("RAM", f"{text}; nothing is allocated"))
    what = f"for {source.seconds:g} s of sound, {per_second / 1e6:,.2f} million a second"
    found.append(("MACs", f"{facts.macs / 1e6:,.2f} million " + (what if source.takes_sound else "for the features")))
    if source.takes_sound:
        found.append(("time", time_text(compiled, clock_mhz)))
    found += [("check", f"{check.what}: {check.text}") for check in compiled.checks]
    if not compiled.checks:
        found.append(("check", "nothing was checked (--no-check)"))
    return found


def time_text(compiled: Compiled, clock_mhz: float | None = None) -> str:
    """Return how long a second of sound takes, at which clock, and how that is known."""
    seconds, basis = estimate(compiled, clock_mhz)
    target = compiled.target
    clock = f"{clock_mhz or target.clock_mhz:g} MHz" + ("" if clock_mhz else f" ({target.clock_of})")
    return f"about {seconds:.3g} s for a second of sound at {clock}: {basis}"


def estimate(compiled: Compiled, clock_mhz: float | None = None) -> tuple[float, str]:
    """Return the seconds that a device takes for a second of sound, and where that figure comes from."""
    target, source = compiled.target, compiled.source
    clock = (clock_mhz or target.clock_mhz) * 1e6
    macs = source.facts.macs / source.seconds
    if compiled.instructions:
        millions = f"{compiled.instructions / 1e6:,.1f} million instructions"
        return compiled.instructions / clock, f"{millions}, front end and all, counted by qemu, taken as one a cycle"
    host, host_mhz = toolchain.host(), _host_mhz()
    if target.board is None and compiled.host_seconds and host_mhz:
        cycles = compiled.host_seconds * host_mhz * 1e6
        ratio = host.lanes / target.lanes
        basis = f"{cycles / macs:.2f} cycles per MAC measured on this computer at {host_mhz:,.0f} MHz"
        if ratio != 1:
            basis += f", times {ratio:g} for vectors of {target.lanes} instead of {host.lanes}"
        return cycles * ratio / clock, basis
    each = INSTRUCTIONS_PER_MAC / target.lanes
    return (
        macs * each / clock,
        f"at {each:.2f} cycles per MAC, as the default model takes on a Cortex-M4 under qemu"
        + (f", divided by {target.lanes} for vectors" if target.lanes > 1 else ""),
    )


def _host_mhz() -> float:
    """This computer's clock, 0 where the system does not tell."""
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return 0.0
    said = [
        line.partition(":")[2] for line in info.read_text(errors="replace").splitlines() if line.startswith("cpu MHz")
    ]
    return max((float(text) for text in said), default=0.0)
