"""``vocalics robustness``: what a model is worth under noise, in rooms, on the telephone, and on less sound."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vocalics.robustness import Row


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("robustness")(robustness)


def robustness(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A bundled model's name or a model file.")],
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A .csv or .parquet of vocalics scan.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FOLDER", help="Write robustness.md, .json and a figure there."),
    ] = None,
    noise: Annotated[
        str, typer.Option(metavar="FOLDER", help="Recordings of noise; without them noise is white alone.")
    ] = "",
    rooms: Annotated[
        str, typer.Option(metavar="FOLDER", help="Impulse responses; without them rooms are drawn at random alone.")
    ] = "",
    hold_out: Annotated[
        str | None,
        typer.Option(metavar="SPEC", help="Only these clips: speaker=NAME, corpus=NAME or folds=FILE#FOLD."),
    ] = None,
    at_most: Annotated[
        int, typer.Option(min=1, metavar="N", help="Clips; of more, so many are drawn at random, the same every time.")
    ] = 500,
    scheme: Annotated[
        str | None, typer.Option(metavar="NAME", help="Judge in another emotion scheme, e.g. four.")
    ] = None,
    allow_seen_speakers: Annotated[
        bool, typer.Option("--allow-seen-speakers", help="Go on though the model knows a speaker; the page says so.")
    ] = False,
) -> None:
    """Measure a model on the same clips under other conditions.

    Noise at 20 to 0 dB, rooms, a telephone line, MP3 and Opus at low rates, gain, clipping, speed, and the middle 0.5
    to 8 s of every clip. What is lost is told against the clips as they were recorded.
    """
    import numpy as np
    from rich.console import Console

    from vocalics import robustness as conditions
    from vocalics.cli.evaluate import replace, selected, short
    from vocalics.cli.progress import counting
    from vocalics.recognizer import load

    if output is not None:
        from vocalics import plots

        plots.require()
        output.mkdir(parents=True, exist_ok=True)
    recognizer = load(model)
    under = conditions.conditions(noise, rooms)
    clips, classes, leak, notes = selected(recognizer.card, manifest, hold_out, scheme, allow_seen_speakers)
    some = f"{at_most:,} of {len(clips):,} clips, drawn at random." if len(clips) > at_most else ""
    clips = clips.drawn(at_most, np.random.default_rng(0)).with_digests()
    with counting(Console(stderr=True), transient=True) as progress:
        task = progress.add_task("judge", total=len(clips))
        rows = conditions.measure(
            recognizer, clips, classes, under, 0, lambda _, done, n: progress.update(task, completed=done, total=n)
        )
    if leak:
        notes.insert(0, f"**These figures leak:** {leak}.")
    notes += [some] if some else []
    notes += [f"Held out: {short(hold_out)}."] if hold_out else [f"Clips of {manifest.name}."]
    if output is not None:
        title = f"{recognizer.card.name} under other conditions"
        _draw(rows, title, output / "robustness.png")
        found = [
            {"family": r.condition.family, "name": r.condition.name, "changed": r.n_changed, **r.report.to_json()}
            for r in rows
        ]
        replace(output / "robustness.json", json.dumps(found, indent=1, allow_nan=False))
        text = conditions.to_markdown(rows, title, notes) + "\n![UAR under every condition](robustness.png)\n"
        replace(output / "robustness.md", text)
    _print(rows, notes, output)


def _draw(rows: Sequence[Row], title: str, path: Path) -> None:
    from vocalics import plots

    first = rows[0].report
    sample = f"{len(first.emotions)} emotions · {first.n_speakers} speakers · {first.n_clips:,} clips"
    figure = plots.robustness(
        [row.condition.title for row in rows],
        [row.condition.family for row in rows],
        [row.report.uar.ends for row in rows],
        first.majority_uar,
        title,
        f"{', '.join(first.corpora)} · {sample} · UAR with its 95 % interval over {first.uar.interval.unit}; "
        "dashed: as recorded",
    )
    plots.save(figure, path)


def _print(rows: Sequence[Row], notes: Sequence[str], folder: Path | None) -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("condition", no_wrap=True)
    for column in ("UAR %", "95 %", "points lost", "no speech %"):
        table.add_column(column, justify="right", no_wrap=column == "95 %")
    table.add_column("most frequent", no_wrap=True)
    first = rows[0].report.uar.value
    for row in rows:
        report, top = row.report, row.report.largest_share
        interval = report.uar.interval
        table.add_row(
            row.condition.title,
            f"{100 * report.uar.value:.1f}",
            f"{100 * interval.low:.1f} to {100 * interval.high:.1f}",
            f"{100 * (first - report.uar.value) + 0.0:.1f}",
            f"{100 * report.n_no_speech / report.n_clips:.1f}",
            f"{top.emotion} {100 * top.share:.0f} %",
        )
    console.print(table)
    for note in notes:
        console.print(escape(note))
    if folder is not None:
        console.print(f"written to {escape(str(folder))}", soft_wrap=True)
