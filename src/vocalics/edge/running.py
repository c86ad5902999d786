"""Running what was compiled: here, under qemu, in a WebAssembly runtime."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vocalics.edge import toolchain
from vocalics.edge.targets import Target
from vocalics.errors import CompileError

LONGEST_SECONDS = 1800
"""A program that takes longer is given up."""
AT_ONCE = 20
"""Files that one run of a program is given."""

_ILLEGAL = (-4, 128 + 4, 0xC000001D)
"""Exit codes of a program that met an instruction which its processor lacks: SIGILL, a shell's for it, Windows'."""


class LacksInstructionError(CompileError):
    """What runs a program lacks an instruction that the program has."""


def runner(target: Target) -> tuple[list[str], str]:
    """Return the command before a target's program, and what it is called.

    The command is empty where the program runs as it is; the name is empty where nothing here runs it.
    """
    if target.board is not None:
        command = list(target.board.emulator)
        return (command, command[0]) if shutil.which(command[0]) else ([], "")
    if toolchain.runs_here(target):
        return [], "this computer"
    for name in target.emulator:
        for variant in (name, f"{name}-static"):
            if shutil.which(variant):
                return [variant, *(["--dir=/"] if name == "wasmtime" else [])], variant
    if target.suffix == ".wasm" and importlib.util.find_spec("wasmtime") is not None:
        return [], "wasmtime"
    return [], ""


def wanted(target: Target) -> str:
    """Return what has to be installed so that a target's program can be run here."""
    if target.board is not None:
        command = target.board.emulator[0]
        package = "qemu-system-arm" if command.endswith("arm") else "qemu-system-misc"
        return f"{command} (Debian: {package})"
    if target.suffix == ".wasm":
        return "wasmtime (pip install wasmtime)"
    name = target.emulator[0] if target.emulator else "a computer of its kind"
    return f"{name} (Debian: qemu-user)" if name.startswith("qemu") else name


def said_by(target: Target, command: Sequence[str], files: Sequence[Path]) -> list[dict[str, Any]]:
    """Run a program on files and return what it prints.

    Raises:
        LacksInstructionError: See :func:`lines`.
        CompileError: When it fails, or prints less than a line per file.
    """
    found = []
    for first in range(0, len(files), AT_ONCE):
        some = files[first : first + AT_ONCE]
        if len(command) == 1 and target.suffix == ".wasm":
            out, err, code = _wasm(Path(command[0]), some)
        else:
            out, err, code = finished([*command, *map(str, some)])
        found += lines(target, out, err, code, len(some))
    return found


def finished(command: Sequence[str], folder: Path | None = None) -> tuple[str, str, int]:
    """Run a command in a folder; return its standard output, standard error and exit code.

    Raises:
        CompileError: When it takes longer than :data:`LONGEST_SECONDS`.
    """
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=LONGEST_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise CompileError(f"{command[0]}: not done after {LONGEST_SECONDS} s") from None
    return done.stdout, done.stderr, done.returncode


def lines(target: Target, out: str, err: str, code: int, expected: int) -> list[dict[str, Any]]:
    """Return the JSON objects that a program printed, one per line.

    Raises:
        LacksInstructionError: When it met an instruction that its processor does not have.
        CompileError: When its exit code is not 0, it tells an error, or there are not as many as expected.
    """
    if code in _ILLEGAL:
        raise LacksInstructionError(
            f"the program for {target.name} failed: what runs it lacks one of its instructions; name the processor "
            "with --cpu, or leave the check out with --no-check"
        )
    found = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    if code or len(found) != expected or any("error" in line for line in found):
        reason = " ".join((err or out).split())[-300:] or f"exit code {code}"
        raise CompileError(f"the program for {target.name} failed on {expected} clips: {reason}")
    return found


def _wasm(program: Path, files: Sequence[Path]) -> tuple[str, str, int]:
    import wasmtime

    with tempfile.TemporaryDirectory(prefix="vocalics-") as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        settings = wasmtime.WasiConfig()
        settings.argv = [program.name, *map(str, files)]
        settings.stdout_file, settings.stderr_file = str(out), str(err)
        for parent in sorted({str(file.parent) for file in files}):
            settings.preopen_dir(parent, parent)
        engine = wasmtime.Engine()
        store = wasmtime.Store(engine)
        store.set_wasi(settings)
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        instance = linker.instantiate(store, wasmtime.Module(engine, program.read_bytes()))
        code = 0
        try:
            begin: Any = instance.exports(store)["_start"]
            begin(store)
        except wasmtime.ExitTrap as done:
            code = done.code
        return out.read_text(errors="replace"), err.read_text(errors="replace"), code
