"""``vocalics augment``: write an augmented copy of a manifest."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vocalics.cli.usage import checking
from vocalics.errors import AudioError, RecipeError, UsageError

if TYPE_CHECKING:
    from vocalics.augment import Step
    from vocalics.manifest import Manifest, Utterance


class Format(enum.StrEnum):
    """What the copies are written as, with 16 bits."""

    wav = "wav"
    flac = "flac"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("augment")(_augment)


def _augment(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A .csv or .parquet of vocalics scan.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where the copies and manifest.csv are written.")
    ],
    steps: Annotated[
        str, typer.Option(metavar="RECIPE", help="Take the steps of a recipe: a name (default) or a .toml.")
    ] = "",
    step: Annotated[
        list[str] | None,
        typer.Option(metavar="STEP", help="One more step, e.g. 'add_noise snr_db=[5,20] probability=0.5'."),
    ] = None,
    copies: Annotated[int, typer.Option(min=1, metavar="N", help="Copies of every clip.")] = 1,
    seed: Annotated[int, typer.Option(min=0, metavar="S", help="Of everything that is drawn.")] = 0,
    only_copies: Annotated[
        bool, typer.Option("--only-copies", help="Leave the originals out of the new manifest.")
    ] = False,
    format: Annotated[Format, typer.Option("--format", help="Of the copies; 16 bits.")] = Format.wav,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes; by default up to one per core.")
    ] = None,
) -> None:
    """Write augmented copies of a manifest's clips, and a manifest of originals and copies.

    Every copy's row names its parent, so that a split keeps both together. A copy follows from seed, clip and number
    alone. Run again, it keeps the files that are newer than what they are made of. A clip that fails is one line on
    standard error; the others are written all the same, and the exit code is then 1. Augment what you train on, after
    it was split from what you test.
    """
    from vocalics.augment import material
    from vocalics.manifest import Manifest
    from vocalics.preprocess.files import check_apart, check_none_read, claim, stems, top_folder

    chain = _chain(steps, step or [])
    rows = Manifest.read(manifest)
    paths = [u.path for u in rows]
    targets = [[output / f"{name}_{k + 1}.{format}" for k in range(copies)] for name in stems(paths)]
    how = {"steps": [s.as_dict() for s in chain], "seed": seed, "recordings": material(chain)}
    target = output / "manifest.csv"
    check_apart(manifest, target)
    check_none_read(paths, (copy for own in targets for copy in own))
    claim(output, {**how, "from": str(top_folder(paths))})
    whole, failed = _write(rows, chain, seed, targets, only_copies, workers)
    if len(whole):
        whole.write(target)
        typer.echo(f"{target}: {len(whole)} clips, {sum(1 for u in whole if u.parent)} of them copies", err=True)
    if failed:
        raise AudioError(f"{failed} of {len(rows)} clips failed and are not in {target}; repair or remove them")


def _chain(steps: str, more: Sequence[str]) -> list[Step]:
    """The steps of a recipe, then those of the command line."""
    from vocalics import recipe
    from vocalics.augment import Step
    from vocalics.preprocess.settings import table_of

    with checking():
        chain = [Step.parse(table_of(text)) for text in more]
    if steps:
        chain = [*recipe.read(steps).steps, *chain]
        if not chain:
            raise RecipeError(f'recipe {steps} has no steps in "augment"; expected at least one, or add --step')
    if not chain:
        raise UsageError("no step to apply; expected --steps RECIPE or --step 'add_noise snr_db=[5,20]'")
    return chain


def _write(
    rows: Manifest, chain: list[Step], seed: int, targets: list[list[Path]], only_copies: bool, workers: int | None
) -> tuple[Manifest, int]:
    """Write the copies; return the new manifest and how many clips failed."""
    from functools import partial

    from rich.console import Console

    from vocalics.cli.progress import counting
    from vocalics.features.cache import here_or_in_processes, processes
    from vocalics.manifest import Manifest

    work = partial(_work, chain=chain, seed=seed)
    items = list(zip(rows, targets, strict=True))
    workers = processes(len(items), workers)
    found = here_or_in_processes(work, items, workers, "augment")
    made: list[Utterance] = []
    failed = 0
    with counting(Console(stderr=True)) as bar:
        task = bar.add_task("augment", total=len(rows))
        for utterance, copies in zip(rows, found, strict=True):
            bar.update(task, advance=1)
            if isinstance(copies, str):
                failed += 1
                bar.console.print(f"vocalics: {copies}", markup=False, highlight=False, soft_wrap=True)
            else:
                made += copies if only_copies else [utterance, *copies]
    return Manifest(tuple(made)), failed


def _work(item: tuple[Utterance, list[Path]], chain: Sequence[Step], seed: int) -> tuple[Utterance, ...] | str:
    """Write one clip's copies and return their rows, or what is wrong in one line."""
    from vocalics.augment.copies import write_copies
    from vocalics.errors import VocalicsError

    utterance, targets = item
    try:
        return write_copies(utterance, chain, seed, targets)
    except VocalicsError as error:
        text = str(error)
        return text if utterance.path in text else f"{utterance.path}: {text}"
    except OSError as error:
        return f"{error.filename or utterance.path}: {error.strerror or error}"
