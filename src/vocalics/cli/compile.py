"""``vocalics compile``: a model file to a program for a device."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Compiler(StrEnum):
    """What compiles."""

    ZIG = "zig"
    GCC = "gcc"


class FrontEnd(StrEnum):
    """What turns sound into features."""

    FLOAT = "float"
    FIXED = "fixed"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compile")(compile)


def compile(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A bundled model's name or a model file.")],
    target: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="x86_64, aarch64, armv7, riscv64, windows-x86_64, wasm32-wasi; cortex-m4, cortex-m7, cortex-m33, "
            "rv32.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PATH",
            help="The program's file; for a microcontroller the folder of its C and its image. If not given: "
            "emotion-TARGET.",
        ),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Weights and activations in eight bits; needs --clips to calibrate.")
    ] = False,
    clips: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="A manifest, recordings or folders: what calibrates eight bits, and what the program is checked with "
            "(at most 20). If not given, the example clips check it. Repeat.",
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(metavar="S", help="Microcontrollers: sound in one piece; fewer need less memory."),
    ] = None,
    clock: Annotated[
        float | None,
        typer.Option(metavar="MHZ", help="The processor's clock, for the estimated time; else a usual one's."),
    ] = None,
    flash_limit: Annotated[
        str | None, typer.Option(metavar="BYTES", help="What the program may take: 1M, 256K. More is refused.")
    ] = None,
    ram_limit: Annotated[
        str | None, typer.Option(metavar="BYTES", help="Variables and stack: 256K. More is refused.")
    ] = None,
    cpu: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The least processor, in the compiler's words, e.g. cortex_a76."),
    ] = None,
    compiler: Annotated[
        Compiler, typer.Option(help="Zig, which the extra edge brings, or Debian's cross compiler.")
    ] = Compiler.ZIG,
    front_end: Annotated[
        FrontEnd,
        typer.Option(
            help="What turns sound into features: floats, or whole numbers (fixed point) for processors without "
            "floating point."
        ),
    ] = FrontEnd.FLOAT,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Run what was compiled and compare it with the model.")
    ] = True,
) -> None:
    """Compile a model to a program for a device.

    For Linux, Windows and WebAssembly: one static file that takes wav files, or raw samples as a stream, and prints
    JSON. For microcontrollers: a folder of C without dependencies, and an image for a board that qemu knows. What was
    written is checked: built for this computer and compared with the model on clips, and the target's program too
    where qemu, wasmtime or wine is found. The exit code is 1 where they differ.
    """
    import tempfile

    from rich.console import Console
    from rich.table import Table

    from vocalics.cli import usage
    from vocalics.cli.calibration import recordings
    from vocalics.cli.outputs import refuse_unwritable
    from vocalics.edge import checking, compilation, figures
    from vocalics.edge.limits import Limits, n_bytes
    from vocalics.edge.targets import target as known
    from vocalics.errors import CompileError, UsageError
    from vocalics.named_models import model_path
    from vocalics.recognizer import load

    wanted = known(target)
    with usage.checking():
        limit = Limits(
            None if flash_limit is None else n_bytes(flash_limit, "--flash-limit"),
            None if ram_limit is None else n_bytes(ram_limit, "--ram-limit"),
        )
    if clock is not None and not clock > 0:
        raise UsageError(f"--clock {clock:g}: expected the processor's MHz")
    if output is None:
        output = Path(f"emotion-{wanted.name}{'' if wanted.board else wanted.suffix}")
    if not output.parent.is_dir():
        raise CompileError(f"{output.parent}: no such folder; make it first, or write elsewhere")
    if wanted.board is None and output.is_dir():
        raise CompileError(f"{output}: is a folder; expected the program's file")
    if wanted.board is not None and output.is_file():
        raise CompileError(f"{output}: is a file; expected a folder for the C and its image")
    if int8 and not clips:
        raise UsageError("--int8 needs calibration clips; name some with --clips MANIFEST or --clips FOLDER")
    path = model_path(model)
    screen = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="vocalics-") as folder, screen.status("reading the model") as status:
        paths = recordings(clips, load(path).card) if clips else checking.examples(Path(folder))
        if wanted.board is None:
            refuse_unwritable(output, read=[path, *(clips or []), *paths])
        if int8:
            status.update("eight bits: listening to clips")
            path = compilation.eight_bits(path, paths, Path(folder))
        made = compilation.compile(
            path,
            wanted,
            output,
            paths,
            seconds=seconds,
            limit=limit,
            compiler=compiler.value,
            cpu=cpu or "",
            check=check,
            is_fixed=front_end is FrontEnd.FIXED,
            command=shlex.join(["vocalics", *sys.argv[1:]]),
            tell=status.update,
        )
    print(f"{made.source.card.name} for {wanted.name}")
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in figures.rows(made, clock):
        table.add_row(name, value)
    Console().print(table)
    print(f"written to {made.program}")
    if ram_limit is not None and made.sizes.ram is None:
        print(f"--ram-limit: met by the network alone; what else a program for {wanted.name} takes cannot be told")
    if made.wrong:
        wrong = made.wrong[0]
        raise CompileError(
            f"{made.program} differs from the model: {wrong.what}: {wrong.text}; expected probabilities within "
            f"{made.tolerance:g}, or {made.resampled_tolerance:g} where a clip's rate is not the model's. Please "
            "report it"
        )
