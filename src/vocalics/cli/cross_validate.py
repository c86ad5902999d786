"""``vocalics cross-validate``: every fold of a protocol trained and tested, and one figure over all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vocalics.cli import runs
from vocalics.files import write_text

if TYPE_CHECKING:
    from vocalics.cross_validation import CrossValidation
    from vocalics.dataset import Data
    from vocalics.recipe import Recipe


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("cross-validate")(_cross_validate)


def _cross_validate(
    recipe: runs.Name,
    corpus: runs.Roots,
    protocol: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="leave-one-speaker-out, speaker-folds=N, leave-one-corpus-out, folds=FILE; or folds-leaky=FILE, which "
            "leaks and says so.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FOLDER", help="The report, and a run's folder for every fold."),
    ],
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the folder's cross-validation was interrupted.")
    ] = False,
    change: runs.Changes = None,
    cache: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Computed features; by default in the output folder.")
    ] = None,
    note: runs.Notes = None,
    threads: runs.Threads = None,
    device: runs.Device = runs.Place.AUTO,
) -> None:
    """Train and test one model per fold; report every fold, their mean, and all judgements together.

    The interval is a bootstrap over speakers on all folds' judgements.
    """
    from rich.console import Console

    from vocalics import dataset, plots, training
    from vocalics.errors import VocalicsError

    plots.require()
    console = Console(stderr=True, highlight=False)
    frozen = runs.recipe(recipe, change or [])
    training.check(frozen)
    training.check_copies(frozen)
    with runs.Display(console, frozen) as display:
        manifest = dataset.gather(runs.roots(corpus), frozen, display.step, display.say)
    notes = runs.notes(note or [], manifest)
    folds = _folds(manifest, frozen, protocol, notes)
    for name, data in folds.items():
        try:
            training.check_classes(frozen, data)
        except VocalicsError as error:
            raise VocalicsError(f"fold {name}: {error}") from None
    training.freeze(output, _config(frozen, protocol, folds), resume, "cross-validation")
    for number, (name, data) in enumerate(folds.items(), start=1):
        with runs.resumable(output, console):
            figure = _fold(frozen, data, output / f"fold-{number}", cache or output / "cache", threads, console, device)
        said = "" if name == str(number) else f" ({name})"
        n_speakers = len(data.speakers(next(iter(data.tests.values()))))
        console.print(
            f"fold {number}/{len(folds)}{said}  UAR {100 * figure['value']:.1f} %  {figure['clips']:,} clips of "
            f"{n_speakers} speaker{'s' if n_speakers != 1 else ''}",
            markup=False,
            soft_wrap=True,
        )
    _summary(frozen, protocol, folds, output, notes, console)


def _folds(manifest: Any, recipe: Recipe, protocol: str, notes: Mapping[str, str]) -> dict[str, Data]:
    """Every fold's data by the fold's name."""
    import dataclasses

    from vocalics import dataset
    from vocalics.errors import UsageError

    every = dataset.divisions(manifest, recipe, protocol)
    if len(every) < 2:
        raise UsageError(
            f'protocol "{protocol}" makes one split only; expected folds: leave-one-speaker-out, speaker-folds=N, '
            f"leave-one-corpus-out or folds=FILE. For one split: vocalics train --protocol {protocol}"
        )
    titles = [next(iter(data.tests)) for data in every]
    # "folds=ravdess.csv 1" and "folds=ravdess.csv 2" have the protocol in common, which is not the fold's name.
    return {
        title.removeprefix(protocol).removeprefix(" (leaks speakers)").strip(): dataclasses.replace(data, notes=notes)
        for title, data in zip(titles, every, strict=True)
    }


def _config(recipe: Recipe, protocol: str, folds: Mapping[str, Data]) -> dict[str, Any]:
    from vocalics import training
    from vocalics.dataset import short

    some = next(iter(folds.values()))
    return {
        "recipe": json.loads(json.dumps(recipe.as_dict())),
        "protocol": short(protocol),
        "clips": training.digest(some.manifest),
        "notes": dict(some.notes),
        "folds": {
            name: training.digest(data.manifest.take(i for part in data.tests.values() for i in part))
            for name, data in folds.items()
        },
    }


def _fold(
    recipe: Recipe, data: Data, folder: Path, cache: Path, threads: int | None, console: Any, device: str
) -> Mapping[str, Any]:
    """Train and test one fold, unless its folder holds that already; return its figure."""
    from vocalics import training
    from vocalics.export.card import replace_figures

    done = folder / "figure.json"
    if not done.exists():
        with runs.Display(console, recipe) as display:
            model = training.train_on(
                data, recipe, folder, True, cache, threads, display.step, display.count, device=device
            )
        runs.curves(folder)
        ((spec, indices),) = data.tests.items()
        figure, _ = runs.measure(model, data.manifest.take(indices), spec, folder, data.notes, shown=False)
        replace_figures(model, [{**figure, "measured_on": "this file"}])
        write_text(done, json.dumps(figure, indent=1))
    found: Mapping[str, Any] = json.loads(done.read_text(encoding="utf-8"))
    return found


def _summary(
    recipe: Recipe, protocol: str, folds: Mapping[str, Data], output: Path, notes: Mapping[str, str], console: Any
) -> None:
    """Pool what every fold's model said, write the report and its figures, print the figure."""
    import numpy as np

    from vocalics import judgements
    from vocalics.cross_validation import summarise
    from vocalics.dataset import short
    from vocalics.splits import leaks

    said, missing, shared = {}, 0, 0
    for number, (name, data) in enumerate(folds.items(), start=1):
        ((spec, indices),) = data.tests.items()
        said[name] = judgements.read(runs.test_folder(output / f"fold-{number}", spec) / "predictions.csv")
        missing += len(indices) - len(said[name])
        known = {*data.speakers(data.train), *data.speakers(data.validation)}
        shared += bool(known & set(data.speakers(indices)))
    copies = [f"{name} is {text}." for name, text in notes.items()]
    lost = [f"{missing:,} clips are not counted: the fold's model did not know their emotion."] if missing else []
    leak = f"speakers were heard in training in {shared} of {len(folds)} folds" if shared else ""
    kept = "speakers shared between the folds" if leaks(protocol) else "speaker-independent"
    found = summarise(
        recipe.name,
        f"{kept}: {short(protocol)}, seed {recipe.seed}",
        said,
        np.random.default_rng(0),
        leak,
        [*lost, *copies],
    )
    _write(found, output)
    print(found.title)
    mean, deviation = (found.mean_uar, found.mean_accuracy), (found.deviation_uar, found.deviation_accuracy)
    figures = [f"{100 * m:.1f} ± {100 * d:.1f} %" for m, d in zip(mean, deviation, strict=True)]
    print(f"mean of {len(found.folds)} folds: UAR {figures[0]}, accuracy {figures[1]}")
    print(f"all folds together: UAR {found.pooled.uar}, accuracy {found.pooled.accuracy}")
    console.print(f"written to {output}", soft_wrap=True, markup=False)


def _write(found: CrossValidation, folder: Path) -> None:
    from vocalics import plots

    pooled = found.pooled
    plots.save(plots.confusion_matrix(pooled), folder / "confusion.png")
    figure = plots.fold_scores(
        [f.name for f in found.folds],
        [f.uar for f in found.folds],
        [f.accuracy for f in found.folds],
        pooled.majority_uar,
        f"{pooled.model}: {len(found.folds)} folds",
        pooled.caption,
    )
    plots.save(figure, folder / "folds.png")
    for name, text in (
        ("report.json", json.dumps(found.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"),
        ("report.md", found.to_markdown()),
    ):
        write_text(folder / name, text)
