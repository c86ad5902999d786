"""``vocalics train``: from a recipe and corpora to a model file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vocalics.cli import runs

if TYPE_CHECKING:
    from vocalics.recipe import Recipe


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("train")(_train)
    app.command("recipes")(_recipes)


def _recipes() -> None:
    """List the recipes that come with vocalics."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from vocalics.recipe import read, recipes

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("recipe", "model"):
        table.add_column(column, no_wrap=True)
    for column in ("corpora", "what it is"):
        table.add_column(column)
    for name in recipes():
        recipe = read(name)
        table.add_row(name, recipe.model, ", ".join(recipe.corpora) or "any", recipe.description)
    Console().print(table)


def _train(
    recipe: runs.Name,
    corpus: runs.Roots,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FOLDER", help="The run's folder: configuration, checkpoint, model."),
    ],
    hold_out: runs.HoldOuts = None,
    protocol: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Instead of --hold-out: speaker, leave-one-speaker-out, speaker-folds=N, leave-one-corpus-out, "
            "folds=FILE; or one that leaks and says so: random, folds-leaky=FILE.",
        ),
    ] = "",
    fold: runs.Fold = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that the folder holds.")] = False,
    change: runs.Changes = None,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Computed features, shared by runs; by default in the run's folder."),
    ] = None,
    figures: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="Another run of this recipe; its figures go into the card too. Repeat."),
    ] = None,
    note: runs.Notes = None,
    threads: runs.Threads = None,
    device: runs.Device = runs.Place.AUTO,
) -> None:
    """Train a model; with --hold-out, measure it on speakers that it never heard."""
    from rich.console import Console

    from vocalics import dataset, training
    from vocalics.errors import VocalicsError

    console = Console(stderr=True, highlight=False)
    frozen = runs.recipe(recipe, change or [])
    rows = [
        {**row, "measured_on": _relation(folder, frozen)} for folder in figures or [] for row in read_figures(folder)
    ]
    roots = runs.roots(corpus)
    training.check(frozen)
    training.check_copies(frozen)
    console.print_json(json.dumps(frozen.as_dict()))
    with runs.resumable(output, console), runs.Display(console, frozen) as display:
        manifest = dataset.gather(roots, frozen, display.step, display.say)
        notes = runs.notes(note or [], manifest)
        data = dataset.divide(manifest, frozen, hold_out or [], protocol, fold)
        console.print(
            f"{len(data.train):,} training clips of {runs.speakers(data, data.train)}, "
            f"{len(data.validation):,} validation clips of {runs.speakers(data, data.validation)}"
        )
        for line in runs.remarks(frozen, data):
            console.print(line, markup=False, soft_wrap=True)
        target = training.train(
            frozen,
            manifest,
            output,
            hold_out or [],
            protocol,
            fold,
            resume,
            cache,
            threads,
            display.step,
            display.report,
            notes,
            device,
        )
    runs.curves(output)
    n_failed = 0
    for spec, indices in data.tests.items():
        figure, n_more = runs.measure(target, data.manifest.take(indices), spec, output, notes)
        n_failed += n_more
        rows.append({**figure, "measured_on": "this file"})
    if rows:
        from vocalics.export.card import replace_figures

        replace_figures(target, rows)
    console.print(f"written to {target}", soft_wrap=True)
    if n_failed:
        raise VocalicsError(f"{n_failed} clips that were held out could not be judged; the figures are of the others")


def read_figures(folder: Path) -> list[Mapping[str, Any]]:
    """Return the figures that the reports in a run's folder hold, as cards state them.

    Raises:
        VocalicsError: When there is no report.
    """
    from vocalics.errors import VocalicsError

    paths = sorted(folder.glob("test-*/report.json"))
    if not paths:
        raise VocalicsError(
            f"{folder}: holds no test-*/report.json; expected a run with --hold-out, or reports of "
            "vocalics evaluate in folders of that name"
        )
    config = folder / "config.json"
    notes = json.loads(config.read_text(encoding="utf-8"))["notes"] if config.exists() else {}
    return [runs.figure(json.loads(path.read_text(encoding="utf-8")), notes) for path in paths]


def _relation(folder: Path, recipe: Recipe) -> str:
    """What the model of another run is to this recipe's: the settings that differ are named."""
    config = folder / "config.json"
    if not config.exists():
        return "this file"
    theirs = _flat(json.loads(config.read_text(encoding="utf-8"))["recipe"])
    ours = _flat(json.loads(json.dumps(recipe.as_dict())))
    changed = [f"{key} = {theirs.get(key)}" for key in {**ours, **theirs} if theirs.get(key) != ours.get(key)]
    return "another model of this recipe" + (f" ({', '.join(changed)})" if changed else "")


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
