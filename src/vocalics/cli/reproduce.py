"""``vocalics reproduce``: published systems in their own way and in an honest one, and a table of both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vocalics.cli import runs
from vocalics.files import write_text

if TYPE_CHECKING:
    from vocalics.judgements import Judgements
    from vocalics.reproduction import Run, Way


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reproduce")(_reproduce)


def _reproduce(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="cainvas_cnn1d, mfcc_cnn2d, dense_268, augmented_cnn1d, dense_193, default, whisper_dense; all where "
            "none is named.",
        ),
    ] = None,
    corpus: runs.MaybeRoots = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where reproduced.md and its figures are written.")
    ] = Path("docs/results"),
    work: Annotated[
        Path, typer.Option("--runs", metavar="FOLDER", help="The runs: an interrupted one goes on from here.")
    ] = Path("runs/reproduced"),
    cache: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Computed features; by default in the folder of the runs.")
    ] = None,
    note: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=TEXT", help="What is to be said of a corpus's copy, e.g. crema_d=resynthesised."),
    ] = None,
    threads: runs.Threads = None,
    default: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A model of recipe default that was trained without the speakers of the honest way (vocalics train "
            "default --hold-out …), for its column there. Asked once, and kept with the runs.",
        ),
    ] = None,
    table: Annotated[
        bool, typer.Option("--table", help="Train nothing; write the table of the runs that are finished.")
    ] = False,
) -> None:
    """Train published systems as they were published, and on speakers kept apart.

    Their own way draws the test clips at random, some from augmented copies; the honest way tests on speakers that no
    model has heard. The default net is measured beside them under both. Stopped and called again, it goes on.
    """
    from rich.console import Console

    from vocalics import plots, reproduced, reproduction

    plots.require()
    console = Console(stderr=True, highlight=False)
    if default is not None:
        reproduction.unheard(default)  # before anything is trained
    planned = reproduction.plan(names or [])
    manifest = _gathered(planned, corpus or [], console)
    notes = runs.notes(note or [], manifest)
    if not table:
        for run in planned:
            _run(run, manifest, work, cache or work / "cache", notes, threads, console)
    progress = _steps(console)

    def of_default(way: Way) -> Judgements | None:
        from vocalics.errors import ManifestError

        try:
            return reproduction.default_judgements(way, work, manifest, progress, default)
        except ManifestError:  # not run yet: the table has a gap there
            return None

    lines = reproduced.collect(work, of_default)
    page = _write(lines, output, work, notes)
    left = reproduced.runs_left(work)
    if left:
        console.print(f"{len(left)} of {len(reproduction.plan())} runs are not done yet; call again for the others")
    console.print(f"written to {page}", soft_wrap=True)


def _gathered(planned: Any, corpus: list[str], console: Any) -> Any:
    """The clips of all corpora that the runs need."""
    from vocalics import dataset, reproduction
    from vocalics.recipe import Recipe

    recipes = [reproduction.recipe_of(run) for run in planned]
    needed = tuple(dict.fromkeys(c for r in recipes for c in r.corpora))
    wanted = Recipe(name="reproduce", description="", model="majority", corpora=needed)
    known = {c for r in reproduction.systems().values() for c in r.corpora}
    # A corpus that another system needs is no mistake here.
    roots = {k: v for k, v in runs.roots(corpus).items() if k in needed or k not in known}
    with runs.Display(console, wanted) as display:
        return dataset.gather(roots, wanted, display.step, display.say)


def _run(run: Run, manifest: Any, work: Path, cache: Path, notes: Any, threads: int | None, console: Any) -> None:
    from vocalics import reproduction

    if reproduction.finished(run, work):
        return
    console.print(f"[bold]{run.system}[/bold], {run.scheme} emotions, {run.way} way, seed {run.seed}")
    with runs.Display(console, reproduction.recipe_of(run)) as display:
        reproduction.execute(run, manifest, work, cache, notes, threads, display.step, display.report)
    runs.curves(work / run.folder)


def _steps(console: Any) -> Any:
    def step(what: str, done: int, n: int) -> None:
        if done == n or done % 200 == 0:
            console.print(f"{what}: {done:,} of {n:,}")

    return step


def _write(lines: Any, output: Path, work: Path, notes: Any) -> Path:
    """Write the page and its figures, the figures first; return the page."""
    from vocalics import plots, reproduced, reproduced_page, reproduction

    figures = output / "reproduced"
    figures.mkdir(parents=True, exist_ok=True)
    complete = [line for line in lines if line.alike is not None and line.honest is not None]
    if complete:
        chart = plots.promises(
            [line.title for line in complete],
            [line.printed for line in complete],
            [line.published.report.accuracy.ends for line in complete],
            [line.alike.accuracy.value for line in complete],
            [line.honest.report.accuracy.ends for line in complete],
            caption="95 %, bootstrap over speakers. Points: random split on the corpora that new speakers are of.",
        )
        plots.save(chart, figures / "promises.png")
    default, own = reproduced.own_side(work), reproduction.plan([reproduction.DEFAULT])[0]
    drawn = [(own, "default, random split", reproduced.DEFAULT_CURVES, default)] if default else []
    for line in lines:
        for way, side in (("published", line.published), ("honest", line.honest)):
            if side is not None:
                first = next(r for r in reproduction.plan([line.name]) if (r.way, r.scheme) == (way, line.scheme))
                drawn.append((first, f"{line.title}, {way} way", reproduced.curve_caption(line, way), side))
    for run, title, caption, side in drawn:
        stem = f"{run.system}-{run.scheme}-{run.way}"
        plots.save(plots.confusion_matrix(side.report), figures / f"{stem}-confusion.png")
        history = reproduced.history(work, run)
        if history:
            plots.save(plots.learning_curves(history, title, caption), figures / f"{stem}-curves.png")
    page = output / "reproduced.md"
    text = reproduced_page.to_markdown(
        lines,
        notes,
        bool(complete),
        (reproduction.recipe_of(own), default) if default else None,
        reproduced.own_side(work, reproduction.ENCODED),
    )
    write_text(page, text)
    return page
