"""Compilers: Zig's (``zig cc``, of the extra ``edge``), or Debian's cross compilers; and what a program takes.

Zig brings a C library for every target, so that one package compiles for all of them. The first program for a target
takes a minute or two: its C library is compiled once and kept.
"""

from __future__ import annotations

import importlib.util
import platform
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vocalics.edge.targets import TARGETS, Target
from vocalics.errors import CompileError, MissingExtraError, UsageError

ZIG, GCC = "zig", "gcc"
COMPILERS = (ZIG, GCC)

WARNINGS = ("-std=c99", "-Wall", "-Wextra")
SPEED = ("-fno-math-errno", "-ffp-contract=fast", "-ffunction-sections", "-fdata-sections")
"""No -ffast-math: a program is to say the same on every processor."""
BARE = ("-ffreestanding", "-fbuiltin", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-nostdlib")
LONGEST_SECONDS = 1800
"""A compiler that takes longer is given up."""


def require(compiler: str, target: Target) -> None:
    """Raise an error where a compiler is not installed; for use before long work.

    Raises:
        MissingExtraError: Where Zig is missing.
        CompileError: Where the cross compiler is missing, or none is known.
    """
    if compiler == ZIG:
        if importlib.util.find_spec("ziglang") is None:
            raise MissingExtraError("compiling for a device", "edge")
        return
    if not target.gcc:
        raise UsageError(f"{target.name}: no gcc for it is known; leave --compiler out, Zig compiles for it")
    if shutil.which(target.gcc[0]) is None:
        raise CompileError(
            f"{target.gcc[0]}: not found; install it (Debian: {_package(target.gcc[0])}), or leave --compiler out"
        )


def _package(program: str) -> str:
    if program == "gcc":
        return "gcc"
    return "gcc-mingw-w64-x86-64" if "mingw" in program else f"gcc-{program.removesuffix('-gcc')}"


def flags(target: Target, compiler: str, cpu: str = "") -> list[str]:
    """Return the compiler's options for a target, without its files.

    Args:
        target: The processor.
        compiler: One of :data:`COMPILERS`.
        cpu: Another least processor than the target's, in the compiler's words.
    """
    bare = target.board is not None
    said = [*WARNINGS, "-O2" if bare else "-O3", *SPEED, "-s", "-Wl,--gc-sections"]
    if bare:
        said += [f for f in BARE if not (compiler == ZIG and f == "-nostdlib")]  # Zig's library of arithmetic stays
        said += ["-I.", "-Ibare", "-Wl,-T,board.ld"]
    if compiler == GCC:
        options = [o for o in target.gcc[1:] if not (cpu and o.startswith(("-mcpu=", "-march=", "-mabi=")))]
        if cpu and ("arm" in target.gcc[0] or "aarch64" in target.gcc[0]):
            options.append(f"-mcpu={cpu}")
        elif cpu:
            options += [f"-march={cpu}", *_abi(cpu)]
        return [*options, *said]
    if target.triple:
        said += ["-target", target.triple]
    said += [f"-mcpu={cpu or target.cpu}", *target.flags, "-fno-sanitize=undefined"]
    return [*said, "-Wl,-e,reset"] if bare else [*said, "-static"] if "linux" in target.triple else said


def _abi(march: str) -> list[str]:
    """Options for a RISC-V processor by its letters: numbers are handed over in registers that it has."""
    found = re.match(r"rv(32|64)([a-z]+)", march)
    if not found:
        return []
    floats = next((kind for kind, letters in (("d", "dg"), ("f", "f")) if set(letters) & set(found[2])), "")
    # The start-up code reads and writes control registers, which were part of every processor in this edition: gcc has
    # libraries for rv32imac, and none for rv32imac_zicsr.
    edition = [] if "_z" in march else ["-misa-spec=2.2"]
    return [*edition, f"-mabi={'ilp32' if found[1] == '32' else 'lp64'}{floats}"]


def command(target: Target, compiler: str, files: Sequence[str], output: Path | str, cpu: str = "") -> list[str]:
    """Return the whole command that compiles a folder's files; it runs in that folder."""
    start = [sys.executable, "-m", "ziglang", "cc"] if compiler == ZIG else [target.gcc[0]]
    # gcc's arithmetic for processors that lack some of it.
    libraries = ["-lgcc"] if compiler == GCC and target.board else []
    return [*start, *flags(target, compiler, cpu), *files, "-o", str(output), *libraries]


def build(target: Target, folder: Path, files: Sequence[str], output: Path, compiler: str = ZIG, cpu: str = "") -> None:
    """Compile a folder of C.

    Raises:
        MissingExtraError: Where Zig is missing.
        CompileError: Where another compiler is missing, or one fails; with its first words.
    """
    require(compiler, target)
    line = command(target, compiler, files, output.resolve(), cpu)
    try:
        done = subprocess.run(
            line, cwd=folder, capture_output=True, text=True, errors="replace", timeout=LONGEST_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise CompileError(f"{compiler} was not done with {target.name} after {LONGEST_SECONDS} s") from None
    if done.returncode:
        raise CompileError(f"{compiler} cannot compile for {target.name}: {_fault(done.stderr)}")


def _fault(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    faults = [line for line in lines if "error" in line]
    return " / ".join((faults or lines or ["it did not say why"])[:3])[:600]


def host() -> Target:
    """Return the computer that this runs on as a target."""
    machine = {"AMD64": "x86_64", "arm64": "aarch64", "armv7l": "armv7"}.get(platform.machine(), platform.machine())
    known = TARGETS.get(machine)
    if sys.platform == "linux" and known is not None:
        # The target's own processor: Zig has compiled the C library for it already, or will need it again.
        return known if runs_here(known) else replace(known, cpu="baseline")
    suffix = ".exe" if sys.platform == "win32" else ""
    return Target("host", "this computer", "", "native", suffix, 4, 3000, "a PC")


def runs_here(target: Target) -> bool:
    """Return whether a target's programs run on this computer as they are."""
    machine = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    system = {"linux": "", "win32": "windows-"}.get(sys.platform)
    if target.board is not None or system is None or target.name not in (system + machine, "host"):
        return False
    info = Path("/proc/cpuinfo")
    return not (target.cpu == "x86_64_v3" and info.is_file() and " avx2 " not in info.read_text(errors="replace"))


@dataclass(frozen=True)
class Sizes:
    """What a program takes, in bytes.

    Attributes:
        file: Of the file.
        flash: Code, constants and initial values, without the sound that a board's program is tried on; ``None`` where
            the file's format does not tell.
        ram: Variables and a board's stack; ``None`` likewise.
    """

    file: int
    flash: int | None = None
    ram: int | None = None


def sizes(path: Path) -> Sizes:
    """Return what a compiled program takes."""
    data = path.read_bytes()
    if data[:4] != b"\x7fELF":
        return Sizes(len(data))
    found = _sections(data)
    held = sum(size for name, size, kind, flags in found if flags & 2 and kind != 8 and name != ".sound")
    # What is written to, or takes room in memory only.
    variable = sum(size for _, size, kind, flags in found if flags & 2 and (kind == 8 or flags & 1))
    return Sizes(len(data), held, variable)


def _sections(data: bytes) -> list[tuple[str, int, int, int]]:
    """Name, size, kind (8: memory only) and flags (1: written to, 2: in memory) of an ELF file's sections."""
    wide = data[4] == 2
    start = struct.unpack_from("<Q" if wide else "<I", data, 40 if wide else 32)[0]
    each, n, names = struct.unpack_from("<HHH", data, 58 if wide else 46)
    rows = []
    for i in range(n):
        at = start + i * each
        name, kind = struct.unpack_from("<II", data, at)
        flags, _, offset, size = struct.unpack_from("<QQQQ" if wide else "<IIII", data, at + 8)
        rows.append((name, size, kind, flags, offset))
    text = rows[names][4]

    def named(at: int) -> str:
        return data[text + at : data.index(b"\0", text + at)].decode("ascii", "replace")

    return [(named(name), size, kind, flags) for name, size, kind, flags, _ in rows]
