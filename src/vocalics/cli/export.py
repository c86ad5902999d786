"""``vocalics export``: a model file for another use: the same, in eight bits, or as C."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vocalics.cli.compile import FrontEnd
from vocalics.files import replacing


class Target(StrEnum):
    """What is written."""

    ONNX = "onnx"
    INT8 = "onnx-int8"
    C = "c"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A bundled model's name or a model file.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="PATH", help="The model file that is written; c: the folder.")
    ],
    to: Annotated[
        Target, typer.Option(help="As it is; with weights and activations in eight bits; as C99 without dependencies.")
    ] = Target.ONNX,
    clips: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="onnx-int8: a manifest, recordings or folders of voices that the ranges are taken from. Repeat.",
        ),
    ] = None,
    front_end: Annotated[
        FrontEnd,
        typer.Option(help="c: what turns sound into features, floats or whole numbers; see vocalics compile."),
    ] = FrontEnd.FLOAT,
) -> None:
    """Write a model for another use.

    In eight bits a model is a quarter of its size. Where its numbers lie is measured on calibration clips, a hundred of
    many speakers say; then both models judge them, and the command tells how often they agree.

    As C it is a folder: the network and its front end, a program around them that any compiler of C99 makes, and a
    README with the sizes. vocalics compile does that and compiles it, for a dozen kinds of processors.
    """
    from vocalics.errors import ModelFileError, UsageError
    from vocalics.named_models import model_path

    if not output.parent.is_dir():
        raise ModelFileError(f"{output.parent}: no such folder; make it first, or write elsewhere")
    source = model_path(model)
    if output.is_dir() and to is not Target.C:
        raise ModelFileError(f"{output}: is a folder; expected the model's file")
    if clips and to is not Target.INT8:
        raise UsageError("--clips calibrates eight bits; add --to onnx-int8, or leave it out")
    if front_end is not FrontEnd.FLOAT and to is not Target.C:
        raise UsageError("--front-end is for C; add --to c, or leave it out")
    if to is Target.C:
        _c(source, output, front_end is FrontEnd.FIXED)
        return
    if to is Target.INT8:
        _int8(model, output, clips or [])
    else:
        _copy(source, output)
    before, after = source.stat().st_size, output.stat().st_size
    print(f"written to {output} ({after / 1e6:.2f} MB" + (f", from {before / 1e6:.2f})" if before != after else ")"))


def _copy(source: Path, output: Path) -> None:
    """Copy a model, once it is known to be one, whole or not at all."""
    from vocalics import modelfile

    data = source.read_bytes()
    modelfile.load(source)
    with replacing(output) as part:
        part.write_bytes(data)


def _c(source: Path, folder: Path, is_fixed: bool) -> None:
    import shlex
    import sys

    from vocalics.edge import source as written
    from vocalics.edge.readme import in_kilobytes
    from vocalics.errors import ModelFileError

    if folder.is_file():
        raise ModelFileError(f"{folder}: is a file; expected a folder for the C")
    command = shlex.join(["vocalics", *sys.argv[1:]])
    facts = written.write(source, folder, command=command, is_fixed=is_fixed).facts
    print(
        f"written to {folder}: weights {in_kilobytes(facts.weight_bytes)}, memory {in_kilobytes(facts.arena_bytes)}, "
        f"{facts.macs / 1e6:,.1f} million MACs; make -C {folder} builds it"
    )


def _int8(model: str, output: Path, paths: list[str]) -> None:
    import numpy as np
    from rich.console import Console

    from vocalics import audio
    from vocalics.cli.calibration import recordings
    from vocalics.cli.outputs import refuse_unwritable
    from vocalics.cli.progress import counting
    from vocalics.errors import UsageError
    from vocalics.export import card, int8
    from vocalics.named_models import model_path
    from vocalics.recognizer import load

    int8.require()
    if not paths:
        raise UsageError("eight bits need calibration clips; name some with --clips MANIFEST or --clips FOLDER")
    recognizer = load(model)
    rate = recognizer.card.sample_rate
    found = recordings(paths, recognizer.card)
    refuse_unwritable(output, read=[model_path(model), *paths, *found])
    with counting(Console(stderr=True), transient=True) as progress:
        batches = [
            recognizer.given(audio.read(str(clip), rate)) for clip in progress.track(found, description="listen")
        ]
    data, about = int8.quantised(model_path(model), batches)
    card.write(output, data, about)
    small = load(output)
    said = np.concatenate([recognizer.model.probabilities(batch) for batch in batches])
    again = np.concatenate([small.model.probabilities(batch) for batch in batches])
    same = float((said.argmax(axis=1) == again.argmax(axis=1)).mean())
    print(
        f"{len(batches)} calibration clips: the same emotion in {100 * same:.1f} %, probabilities differ by "
        f"{np.abs(said - again).mean():.4f} on average, {np.abs(said - again).max():.3f} at most"
    )
