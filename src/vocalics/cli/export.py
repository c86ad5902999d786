"""``vocalics export``: a model file for another use: the same, or in eight bits."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vocalics.audio import Clip
    from vocalics.modelfile import Card

AT_MOST = 200
"""Calibration clips: of more, so many are drawn."""


class Target(StrEnum):
    """What is written."""

    ONNX = "onnx"
    INT8 = "onnx-int8"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A bundled model's name or a model file.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The model file that is written.")],
    to: Annotated[Target, typer.Option(help="As it is, or with weights and activations in eight bits.")] = Target.ONNX,
    clips: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="onnx-int8: a manifest, recordings or folders of voices that the ranges are taken from. Repeat.",
        ),
    ] = None,
) -> None:
    """Write a model for another use.

    In eight bits a model is a quarter of its size. Where its numbers lie is measured on calibration clips, a hundred of
    many speakers say; then both models judge them, and the command tells how often they agree.
    """
    from vocalics.errors import ModelFileError
    from vocalics.recognizer import model_path

    if not output.parent.is_dir():
        raise ModelFileError(f"{output.parent}: no such folder; make it first, or write elsewhere")
    source = model_path(model)
    if to is Target.INT8:
        _int8(model, output, clips or [])
    else:
        if clips:
            raise ModelFileError("--clips calibrates eight bits; add --to onnx-int8, or leave it out")
        output.write_bytes(source.read_bytes())
    before, after = source.stat().st_size, output.stat().st_size
    print(f"written to {output} ({after / 1e6:.2f} MB" + (f", from {before / 1e6:.2f})" if before != after else ")"))


def _int8(model: str, output: Path, paths: list[str]) -> None:
    import numpy as np
    from rich.console import Console

    from vocalics.cli.progress import counting
    from vocalics.errors import ModelFileError
    from vocalics.export import card, int8
    from vocalics.recognizer import load, model_path

    int8.require()
    if not paths:
        raise ModelFileError("eight bits need calibration clips; name some with --clips MANIFEST or --clips FOLDER")
    recognizer = load(model)
    found = _clips(paths, recognizer.card)
    with counting(Console(stderr=True), transient=True) as progress:
        batches = [recognizer.given(clip) for clip in progress.track(found, description="listen")]
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


def _clips(paths: list[str], card: Card) -> list[Clip]:
    """The recordings that paths stand for, at most :data:`AT_MOST`, drawn at random.

    Of a manifest only the speakers that the model was trained on, where there are any: of what it is tested with
    nothing is to be learned.
    """
    import numpy as np

    from vocalics import audio
    from vocalics.cli.predictions import expand
    from vocalics.manifest import Manifest

    files: list[str] = []
    for path in paths:
        if Path(path).suffix in (".csv", ".parquet"):
            listed = Manifest.read(Path(path))
            files += [u.path for u in listed.where(lambda u: u.speaker in card.training_speakers) or listed]
            continue
        for one in expand(path):
            if not isinstance(one, str):
                raise one
            files.append(one)
    if len(files) > AT_MOST:
        files = [files[i] for i in sorted(np.random.default_rng(0).choice(len(files), AT_MOST, replace=False))]
    return [audio.read(file, card.sample_rate) for file in files]
