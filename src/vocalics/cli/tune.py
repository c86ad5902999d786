"""``vocalics tune``: a search for a recipe's settings inside its training speakers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vocalics.cli import runs
from vocalics.cli.usage import checking
from vocalics.files import write_text

if TYPE_CHECKING:
    from vocalics.tuning import Found, Trial


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("tune")(_tune)


def _tune(
    recipe: runs.Name,
    corpus: runs.Roots,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FOLDER", help="The study, its report and best.toml."),
    ],
    trials: Annotated[int, typer.Option(min=1, metavar="N", help="Trials in all, those done before among them.")] = 50,
    folds: Annotated[int, typer.Option(min=2, metavar="K", help="Inner folds, by speaker.")] = 4,
    timeout: Annotated[
        float | None, typer.Option(min=0.0, metavar="MINUTES", help="After which no further trial is begun.")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUES",
            help="Search a setting: LOW..HIGH, LOW..HIGH:log or A|B|C, e.g. fit.rate=1e-4..1e-2:log. Beside the "
            "model's own, or instead of the one of this name. Repeat.",
        ),
    ] = None,
    only: Annotated[bool, typer.Option("--only", help="Search nothing but what --param names.")] = False,
    hold_out: runs.HoldOuts = None,
    protocol: Annotated[
        str,
        typer.Option(metavar="NAME", help="Instead of --hold-out: a protocol as for train; its test part is left out."),
    ] = "",
    fold: runs.Fold = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the study that the folder holds.")] = False,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Settle a setting: it is not searched. Repeat."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Computed features; by default in the output folder.")
    ] = None,
    note: runs.Notes = None,
    threads: runs.Threads = None,
) -> None:
    """Search a recipe's settings inside its training speakers; the test part is left out altogether.

    A setting's score is the mean UAR over inner folds by speaker. Ctrl-C leaves a study that --resume goes on with.
    """
    import dataclasses

    from rich.console import Console

    from vocalics import dataset, plots, training, tuning

    plots.require()
    tuning.require()
    console = Console(stderr=True, highlight=False)
    changes = dict(runs.change(c) for c in change or [])
    frozen = runs.recipe(recipe, change or [])
    training.check(frozen)
    training.check_copies(frozen)
    with checking():
        space = tuning.search_space(frozen, param or [], only, tuple(changes))
    with runs.resumable(output, console), runs.Display(console, frozen) as display:
        manifest = dataset.gather(runs.roots(corpus), frozen, display.step, display.say)
        data = dataset.divide(manifest, frozen, hold_out or [], protocol, fold)
        data = dataclasses.replace(data, notes=runs.notes(note or [], manifest))
        inner = tuning.inner_folds(data, frozen, folds)
        display.say(f"searched: {', '.join(f'{one.key} {one}' for one in space)}")
        n_tested = sum(map(len, data.tests.values()))
        display.say(
            f"{len(inner[0].manifest):,} clips of {len(inner[0].manifest.speakers)} speakers in {folds} inner folds; "
            f"{n_tested:,} test clips left out"
        )

        def report(trial: Trial, best: Trial | None) -> None:
            display.say(_line(trial, trials, best))

        found = tuning.search(
            frozen,
            data,
            inner,
            space,
            output,
            trials,
            None if timeout is None else 60 * timeout,
            resume,
            cache,
            threads,
            display.step,
            report,
        )
    _write(found, output)
    best = found.best_trial
    print(f"the recipe as it stood: mean UAR {100 * found.reference_score:.1f} % over {folds} inner folds")
    if best is not None and found.better:
        print(f"best trial ({best.number} of {len(found.trials)}): {100 * best.score:.1f} %; {_settings(best)}")
        print(
            "The best of many trials on inner folds is optimistic; train with best.toml and test on speakers kept "
            "apart."
        )
    else:
        print(tuning.NONE_BETTER)
    console.print(f"written to {output}", markup=False, soft_wrap=True)


def _line(trial: Trial, n_trials: int, best: Trial | None) -> str:
    head = f"trial {trial.number:3d}/{n_trials}"
    folds = " ".join(f"{100 * s:.1f}" for s in trial.scores)
    if trial.state == "failed":
        return f"{head}  failed: {trial.error}"
    stopped = f"  stopped after {len(trial.scores)} folds" if trial.state == "pruned" else ""
    so_far = f"  best {100 * best.score:.1f} % (trial {best.number})" if best is not None else ""
    return (
        f"{head}  UAR {100 * trial.score:.1f} % ({folds}){stopped}{so_far}  {trial.seconds:.0f} s  {_settings(trial)}"
    )


def _settings(trial: Trial) -> str:
    def word(value: Any) -> str:
        return f"{value:.3g}" if isinstance(value, float) else str(value)

    return ", ".join(f"{key.rpartition('.')[2]} {word(value)}" for key, value in trial.settings.items())


def _write(found: Found, folder: Path) -> None:
    """Write the report, the trials, the best recipe and two figures."""
    from vocalics import plots

    texts = {"trials.csv": found.to_csv(), "best.toml": found.to_toml(), "report.md": found.to_markdown()}
    for name, text in texts.items():
        write_text(folder / name, text)
    if found.best_trial is not None:
        history = plots.search_history(
            [t.score for t in found.trials],
            [t.state for t in found.trials],
            found.reference_score,
            f"Search: {found.recipe.name}",
            found.caption,
        )
        plots.save(history, folder / "history.png")
    if found.importance:
        n = sum(t.state == "complete" for t in found.trials)
        figure = plots.bars(
            {key: 100 * value for key, value in found.importance.items()},
            f"% of the variance of the scores explained ({n} complete trials)",
            f"Which settings mattered: {found.recipe.name}",
            found.caption,
            "{:.0f}",
        )
        plots.save(figure, folder / "importance.png")
