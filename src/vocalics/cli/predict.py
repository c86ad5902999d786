"""``vocalics predict``: the emotion of files, folders, globs and standard input."""

from __future__ import annotations

from typing import Annotated

import typer

from vocalics.cli.options import Hop, Window
from vocalics.cli.predictions import Format, print_predictions
from vocalics.cli.voice import Known


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(predict)


def predict(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH", help="Audio files, folders, globs, or - for standard input.")
    ],
    model: Annotated[str, typer.Option(metavar="NAME|FILE", help="A bundled model or a model file.")] = "default",
    format: Annotated[Format, typer.Option(help="A table, one JSON object per line, or CSV.")] = Format.TABLE,
    timeline: Annotated[bool, typer.Option("--timeline", help="One row per window of a long recording.")] = False,
    window: Window = None,
    hop: Hop = None,
    top: Annotated[int, typer.Option(min=1, metavar="N", help="How many emotions a row of the table shows.")] = 3,
    abstain_below: Annotated[
        float, typer.Option(min=0.0, max=1.0, metavar="P", help='Say "unsure" where no emotion is as probable as this.')
    ] = 0.0,
    coverage: Annotated[
        float | None,
        typer.Option(metavar="C", help="Show the emotions among which the true one is this often: 0.8, 0.9 or 0.95."),
    ] = None,
    unfamiliar_above: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            help='Say "unfamiliar" where a sound is stranger than this; one voice in 20 is above 1.',
        ),
    ] = None,
    voice: Known = None,
    adapt: Annotated[
        bool,
        typer.Option("--adapt", help="Get used to the voice of a recording window by window; with --timeline."),
    ] = False,
) -> None:
    """Print the emotion of every recording.

    Folders are searched for audio files, hidden ones left out. A file that cannot be judged is one line on standard
    error; the others are judged all the same, and the exit code is then 1. Where there is no speech, JSON and CSV name
    no emotion and have the label "no speech", with confidence 0 and all probabilities 0. What --coverage promises holds
    for sound like that which calibrated the model (vocalics models show); vocalics evaluate tells how often it is kept
    on other clips. In CSV, a path that a spreadsheet would take for a formula (=a.wav) begins with ./, which leads to
    the same file.

    A voice, a room and a microphone that are known are judged better: --voice for recordings of one speaker, --adapt
    for a long one.
    """
    if not timeline and (window is not None or hop is not None):
        raise typer.BadParameter("--window and --hop belong to --timeline; add it", param_hint="--window/--hop")
    if adapt and not timeline:
        raise typer.BadParameter("belongs to --timeline; add it", param_hint="--adapt")
    if not print_predictions(
        paths,
        model,
        format,
        timeline,
        window,
        hop,
        top,
        abstain_below,
        coverage,
        unfamiliar_above,
        voice or (),
        adapt,
    ):
        raise typer.Exit(1)
