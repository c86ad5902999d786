"""``vocalics prepare``: write preprocessed clips, or the utterances of recordings."""

from __future__ import annotations

import csv
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vocalics.cli.usage import checking
from vocalics.errors import AudioError, RecipeError, UsageError

if TYPE_CHECKING:
    from vocalics.manifest import Utterance
    from vocalics.preprocess import Preparation

MANIFEST_ENDINGS = (".csv", ".parquet")


class Format(enum.StrEnum):
    """What the clips are written as, with 16 bits."""

    wav = "wav"
    flac = "flac"


@dataclass(frozen=True)
class Plan:
    """What is done to every file.

    Attributes:
        steps: Preprocessing, in order.
        segmenting: Settings of :func:`vocalics.segment.utterances`; ``None`` where files stay whole.
        sample_rate: Of what is written; ``None`` is the file's own.
        ending: Of what is written.
    """

    steps: tuple[Preparation, ...]
    segmenting: dict[str, Any] | None
    sample_rate: int | None
    ending: str


@dataclass(frozen=True)
class Prepared:
    """A clip that was written, and where in its source it stands, in seconds (the end is ``None`` for a whole file)."""

    path: Path
    source: str
    start: float = 0.0
    end: float | None = None


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("prepare")(_prepare)


def _prepare(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A manifest (.csv, .parquet), a recording, or a folder of them.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where the clips are written.")],
    steps: Annotated[
        str, typer.Option(metavar="RECIPE", help="Take the steps of a recipe's preprocess: a name or a .toml.")
    ] = "",
    step: Annotated[
        list[str] | None, typer.Option(metavar="STEP", help="One more step, e.g. 'normalise_loudness lufs=-23'.")
    ] = None,
    segment: Annotated[bool, typer.Option("--segment", help="Cut into utterances by voice activity first.")] = False,
    longest: Annotated[float, typer.Option(metavar="SECONDS", help="Of an utterance.")] = 15.0,
    shortest: Annotated[float, typer.Option(metavar="SECONDS", help="Of an utterance.")] = 0.25,
    gap: Annotated[float, typer.Option(metavar="SECONDS", help="A shorter pause ends no utterance.")] = 0.3,
    padding: Annotated[float, typer.Option(metavar="SECONDS", help="Kept before and after an utterance.")] = 0.1,
    threshold: Annotated[float, typer.Option(metavar="P", help="Probability from which on it is speech.")] = 0.5,
    sample_rate: Annotated[
        int | None, typer.Option(min=4_000, max=384_000, metavar="HZ", help="Of the clips; by default the file's own.")
    ] = None,
    format: Annotated[Format, typer.Option("--format", help="Of the clips; 16 bits.")] = Format.wav,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes; by default up to one per core.")
    ] = None,
) -> None:
    """Write preprocessed clips, or the utterances of recordings.

    Of a manifest, the annotations are kept in a new manifest.csv, and every row names its parent. Plain recordings have
    no emotion: what is written is listed in segments.csv, with its source, start and end. An utterance has start and
    end, in seconds, in its name. Run again, it keeps the files that are newer than what they are made of. A
    file that fails is one line on standard error; the others are written all the same, and the exit code is then 1.
    """
    from vocalics.manifest import Manifest
    from vocalics.preprocess.files import check_apart, check_none_read, claim, row, stems, top_folder

    plan = Plan(
        _chain(steps, step or []),
        {"longest": longest, "shortest": shortest, "gap": gap, "padding": padding, "threshold": threshold}
        if segment
        else None,
        sample_rate,
        str(format),
    )
    if not plan.steps and not segment and sample_rate is None:
        raise UsageError(
            "nothing to do; expected --step 'normalise_loudness lufs=-23', --steps RECIPE, --segment or --sample-rate"
        )
    with checking():
        _try(plan)
    rows = Manifest.read(source) if source.suffix in MANIFEST_ENDINGS else None
    paths = _recordings(source, output) if rows is None else [u.path for u in rows]
    names = [output / name for name in stems(paths)]
    target = output / ("segments.csv" if rows is None else "manifest.csv")
    if rows is not None:
        check_apart(source, target)
    if not segment:
        check_none_read(paths, (_target(name, plan) for name in names))
    claim(output, {**_as_dict(plan), "from": str(top_folder(paths))})
    found = _write(paths, names, plan, workers)
    failed = [f for f in found if isinstance(f, str)]
    made = [prepared for prepared in found if not isinstance(prepared, str)]
    n_empty = sum(1 for prepared in made if not prepared)
    if rows is None:
        _list(target, [p for prepared in made for p in prepared])
    else:
        by_path: dict[str, Utterance] = {u.path: u for u in rows}
        whole = Manifest(tuple(row(by_path[p.source], p.path) for prepared in made for p in prepared))
        whole.write(target)
    silent = f"; {n_empty} without speech" if n_empty else ""
    typer.echo(f"{target}: {sum(map(len, made))} clips of {len(made)} files{silent}", err=True)
    if failed:
        raise AudioError(f"{len(failed)} of {len(paths)} files failed and are not in {target}; repair or remove them")


def _chain(steps: str, more: Sequence[str]) -> tuple[Preparation, ...]:
    """The preprocessing of a recipe, then that of the command line."""
    from vocalics import recipe
    from vocalics.preprocess import Preparation
    from vocalics.preprocess.settings import table_of

    with checking():
        chain = [Preparation.parse(table_of(text)) for text in more]
    if not steps:
        return tuple(chain)
    if not (first := recipe.read(steps).preparation):
        raise RecipeError(f'recipe {steps} has no steps in "preprocess"; expected at least one, or give --step alone')
    return (*first, *chain)


def _try(plan: Plan) -> None:
    """Prepare a second of silence, so that what is not installed, or cannot be, is said once and at once."""
    import numpy as np

    from vocalics.audio import Clip
    from vocalics.preprocess import chain
    from vocalics.segment import utterances

    silence = Clip(np.zeros(16_000, np.float32), 16_000)
    if plan.segmenting is not None:  # first: noise reduction imports torch, see vocalics.segment.utterances
        utterances(silence, **plan.segmenting)
    chain(plan.steps, silence)


def _recordings(source: Path, output: Path) -> list[str]:
    """The audio file, or those below a folder, but what was written before."""
    from vocalics.augment.recordings import audio_files

    if not source.is_dir():
        return [str(source)]
    found = [str(p) for p in audio_files(source) if not p.resolve().is_relative_to(output.resolve())]
    if not found:
        raise AudioError(f"{source}: holds no audio but what was written to {output}; expected recordings")
    return found


def _as_dict(plan: Plan) -> dict[str, Any]:
    return {
        "steps": [s.as_dict() for s in plan.steps],
        "segment": plan.segmenting,
        "sample_rate": plan.sample_rate,
    }


def _list(target: Path, made: Sequence[Prepared]) -> None:
    """Write segments.csv."""
    import soundfile

    from vocalics.spreadsheets import path_cell

    with target.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("path", "source", "start", "end"))
        for one in made:
            name = one.path.relative_to(target.parent).as_posix()
            end = soundfile.info(one.source).duration if one.end is None else one.end
            rows.writerow((path_cell(name), path_cell(one.source), f"{one.start:.3f}", f"{end:.3f}"))


def _write(paths: Sequence[str], stems: Sequence[Path], plan: Plan, workers: int | None) -> list[list[Prepared] | str]:
    """Prepare every file; return what was written of each, or what is wrong with it, which is said at once."""
    from functools import partial

    from rich.console import Console

    from vocalics.cli.progress import counting
    from vocalics.features.cache import here_or_in_processes, processes

    work = partial(_work, plan=plan)
    items = list(zip(paths, stems, strict=True))
    workers = processes(len(items), workers)
    results = here_or_in_processes(work, items, workers, "prepare")
    found: list[list[Prepared] | str] = []
    with counting(Console(stderr=True)) as bar:
        task = bar.add_task("prepare", total=len(items))
        for result in results:
            bar.update(task, advance=1)
            found.append(result)
            if isinstance(result, str):
                bar.console.print(f"vocalics: {result}", markup=False, highlight=False, soft_wrap=True)
    return found


def _work(item: tuple[str, Path], plan: Plan) -> list[Prepared] | str:
    """Prepare one file; return what was written, or what is wrong in one line."""
    from vocalics.errors import VocalicsError

    path, stem = item
    try:
        return _prepared(path, stem, plan)
    except VocalicsError as error:
        text = str(error)
        return text if path in text else f"{path}: {text}"
    except OSError as error:
        return f"{error.filename or path}: {error.strerror or error}"


def _target(stem: Path, plan: Plan) -> Path:
    """The file of a whole recording."""
    return stem.with_name(f"{stem.name}.{plan.ending}")


def _prepared(path: str, stem: Path, plan: Plan) -> list[Prepared]:
    from vocalics import audio
    from vocalics.preprocess import chain
    from vocalics.preprocess.files import is_made, write_whole
    from vocalics.segment import cut, utterances

    if plan.segmenting is None:
        target = _target(stem, plan)
        if not is_made(target, path):
            write_whole(target, chain(plan.steps, audio.read(path, plan.sample_rate)))
        return [Prepared(target, path)]
    segments = utterances(path, **plan.segmenting)
    made = [
        Prepared(stem.with_name(f"{stem.name}_{start:08.2f}-{end:08.2f}.{plan.ending}"), path, start, end)
        for start, end in segments
    ]
    if not all(is_made(one.path, path) for one in made):
        for one, clip in zip(made, cut(path, segments), strict=True):
            rate = plan.sample_rate or clip.sample_rate
            write_whole(one.path, chain(plan.steps, audio.resample(clip, rate)))
    return made
