"""``vocalics benchmark``: recipes under published protocols, and a table beside published figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vocalics.cli import runs
from vocalics.files import write_text

if TYPE_CHECKING:
    from vocalics.benchmark import Run, Work


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("benchmark")(_benchmark)


def _benchmark(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PROTOCOL",
            help="ravdess-emobox, ravdess-luna, savee-loso, emodb-loso, crema_d-tfds, tess-cross, "
            "leave-one-corpus-out (these where none is named); emodb-emobox-leaky, crema_d-emobox-leaky, "
            "tess-emobox-leaky, which share speakers.",
        ),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(metavar="RECIPE", help="A bundled recipe's name or a .toml file. Repeat.")
    ] = None,
    corpus: runs.MaybeRoots = None,
    protocols: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="The folder of the protocols' files of folds; those that keep speakers apart need none.",
        ),
    ] = Path("protocols"),
    own: Annotated[
        bool, typer.Option("--own-corpus", help="Train on the tested corpus alone, not on all that are there.")
    ] = False,
    together: Annotated[
        bool,
        typer.Option(
            "--together",
            help="Train one model for a fold of each corpus, without the test speakers of them all: fewer trainings. "
            "Corpora that are left out whole keep models of their own.",
        ),
    ] = False,
    part: Annotated[
        str,
        typer.Option(metavar="K/N", help="Train every N-th model only, from the K-th on: N processes share the work."),
    ] = "1/1",
    voice: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Judge once more, N other clips of each one's voice heard before, as models allow that get used to "
            "voices. Repeat.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, metavar="N", help="How many seeds.")] = 3,
    first_seed: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="The first of them. Where benchmark.json holds figures of other seeds of the same settings, both are "
            "put together: seeds can be measured at different times and places.",
        ),
    ] = 0,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FOLDER", help="Where benchmark.md and .json are written."),
    ] = Path("docs/results"),
    work: Annotated[
        Path, typer.Option("--runs", metavar="FOLDER", help="The runs: an interrupted one goes on from here.")
    ] = Path("runs/benchmark"),
    cache: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Computed features; by default in the folder of the runs.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Replace a setting of every recipe. Repeat."),
    ] = None,
    note: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=TEXT", help="What is to be said of a corpus's copy, e.g. crema_d=resynthesised."),
    ] = None,
    threads: runs.Threads = None,
    device: runs.Device = runs.Place.AUTO,
    table: Annotated[
        bool, typer.Option("--table", help="Train nothing; write the table of the runs that are finished.")
    ] = False,
) -> None:
    """Train and test recipes under published protocols; write the figures beside the published ones.

    Every fold's model is trained without the speakers it is tested on. Stopped and called again, it goes on. Figures
    that the output folder's benchmark.json holds already stay on the page, unless the runs give them anew.
    """
    import dataclasses

    from rich.console import Console

    from vocalics import benchmark, benchmark_page, benchmark_results, training
    from vocalics import protocols as published
    from vocalics.errors import UsageError

    console = Console(stderr=True, highlight=False)
    share = _part(part)
    if together and own:
        raise UsageError("--together trains on all corpora; leave --own-corpus out")
    chosen = [published.protocol(n) for n in names or [p.name for p in published.PROTOCOLS.values() if not p.leaky]]
    benchmark_results.read(output / "benchmark.json")  # what cannot be read ends it before anything is trained
    roots = runs.roots(corpus or [])
    recipes = [runs.recipe(name, change or []) for name in model or ["default"]]
    planned = [benchmark.plan(chosen, r, list(roots), "own" if own else "all", seeds, first_seed) for r in recipes]
    if not table:
        for recipe in recipes:
            training.check(recipe)
            training.check_copies(recipe)
    manifest = _gathered(roots, console)
    notes = runs.notes(note or [], manifest)
    for one in [] if table else chosen:
        if n_absent := benchmark.absent(one, manifest, protocols):
            console.print(
                f"{one.name}: {n_absent:,} clips that its folds list are not among those of {one.corpus}; "
                "its figures are of the others",
                soft_wrap=True,
            )
    shared = benchmark.Work(
        manifest,
        protocols,
        work,
        cache or work / "cache",
        notes,
        threads,
        part=share,
        device=device,
        voices=tuple(sorted({*(voice or [])})),
    )
    for of_recipe in [] if table else planned:
        for jointly in _groups(of_recipe, together):
            with runs.resumable(work, console, ""):
                _run(jointly, shared, console)
    results = []
    told: dict[str, float | None] = {}
    for of_recipe in planned:
        for one in chosen:
            for n in (0, *shared.voices):
                own_runs = [run for run in of_recipe if run.protocol is one]
                found = benchmark_results.result(own_runs, work, manifest, n, notes)
                if found is not None:
                    if one.name not in told:
                        told[one.name] = _by_sentence(one, manifest, protocols, table)
                    results.append(dataclasses.replace(found, by_sentence=told[one.name]))
    # Read only now: others may have written there meanwhile.
    results = benchmark_results.joined(benchmark_results.read(output / "benchmark.json"), results)
    output.mkdir(parents=True, exist_ok=True)
    page = output / "benchmark.md"
    figures = json.dumps([benchmark_results.to_dict(r) for r in results], indent=1) + "\n"
    # The figures first: they are what a page can be written from again.
    for path, text in ((page.with_suffix(".json"), figures), (page, benchmark_page.to_markdown(results))):
        write_text(path, text)
    console.print(f"written to {page}", soft_wrap=True)


def _by_sentence(one: Any, manifest: Any, files: Path, is_table: bool) -> float | None:
    """What sentences tell; a table alone is written without it where the protocols' files are missing."""
    from vocalics import benchmark
    from vocalics.errors import ManifestError

    try:
        return benchmark.by_sentence(one, manifest, files)
    except ManifestError:
        if is_table:
            return None
        raise


def _gathered(roots: Any, console: Any) -> Any:
    from vocalics import dataset
    from vocalics.errors import UsageError
    from vocalics.recipe import Recipe

    if not roots:
        raise UsageError("no corpus; name at least one with --corpus NAME=FOLDER")
    wanted = Recipe(name="benchmark", description="", model="majority", corpora=tuple(roots))
    with runs.Display(console, wanted) as display:
        return dataset.gather(roots, wanted, display.step, display.say)


def _part(text: str) -> tuple[int, int]:
    """ "1/2" as numbers.

    Raises:
        UsageError: For a part that is none.
    """
    from vocalics.errors import UsageError

    k, _, n = text.partition("/")
    if not (k.isdecimal() and n.isdecimal() and 1 <= int(k) <= int(n)):
        raise UsageError(f'--part {text}: expected K/N with K from 1 to N, e.g. "1/2" for the first of two processes')
    return int(k), int(n)


def _groups(planned: list[Run], together: bool) -> list[list[Run]]:
    """The runs that share models: those of a seed that test one corpus each and keep speakers apart; others alone."""
    if not together:
        return [[run] for run in planned]
    apart = [run for run in planned if run.protocol.leaky or not run.protocol.corpus]
    seeds = sorted({run.seed for run in planned})
    joint = [[run for run in planned if run not in apart and run.seed == seed] for seed in seeds]
    return [group for group in joint if group] + [[run] for run in apart]


def _run(group: list[Run], work: Work, console: Any) -> None:
    import dataclasses

    from vocalics import benchmark

    first = group[0]
    console.print(f"[bold]{first.recipe.name}[/bold], {'; '.join(r.protocol.title for r in group)}, seed {first.seed}")
    with runs.Display(console, first.recipe) as display:
        shown = dataclasses.replace(work, progress=display.step, report=display.count)
        if len(group) > 1:
            benchmark.execute_together(group, shown)
        else:
            benchmark.execute(first, shown)
