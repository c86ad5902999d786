"""``vocalics batch``: many recordings into Parquet, on all cores or a Ray cluster."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vocalics.cli.options import Hop, Window
from vocalics.cli.predictions import clock

if TYPE_CHECKING:
    from vocalics.batch import Status, Summary

_LINE_SECONDS = 30.0  # between lines of progress where there is no terminal
_MOST_REASONS = 8


class Work(StrEnum):
    """What is computed of every recording."""

    PREDICT = "predict"
    TIMELINE = "timeline"
    FEATURES = "features"


class Engine(StrEnum):
    """Where it is computed."""

    LOCAL = "local"
    RAY = "ray"


class _TerminatedError(KeyboardInterrupt):
    """SIGTERM came."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("batch")(_batch)


def _batch(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Audio files, folders, globs, manifests (.csv, .parquet), lists (.txt), or URLs of files, folders and "
            "globs (s3://, gs://, az://, https://).",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where the results go.")],
    task: Annotated[
        Work, typer.Option(help="One row per recording, one per segment of its channels, or its features.")
    ] = Work.PREDICT,
    model: Annotated[str, typer.Option(metavar="NAME|FILE", help="A bundled model or a model file.")] = "default",
    feature_set: Annotated[str, typer.Option(metavar="SET", help="The features to compute; implies the task.")] = "",
    window: Window = None,
    hop: Hop = None,
    windows: Annotated[bool, typer.Option("--windows", help="Rows of a timeline stand for windows.")] = False,
    mix: Annotated[bool, typer.Option("--mix", help="Average the channels and judge them as one.")] = False,
    adapt: Annotated[
        bool, typer.Option("--adapt", help="Get used to the voice of each channel of a timeline.")
    ] = False,
    by_content: Annotated[
        bool, typer.Option("--by-content", help="Tell inputs apart by their bytes, not by path, size and time.")
    ] = False,
    engine: Annotated[Engine, typer.Option(help="The cores of this machine, or a Ray cluster.")] = Engine.LOCAL,
    address: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of a running Ray cluster; without it one is started here.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, metavar="N", help="Processes; by default one per core.")] = None,
    timeout: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="What an input may take without a sign of life, and 20 s more per MB."),
    ] = 120.0,
    attempts: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="How often one is tried that kills its process or loses the network."),
    ] = 3,
    block: Annotated[int, typer.Option(min=1, metavar="N", help="Recordings per Parquet file, at most.")] = 500,
    retry_failures: Annotated[
        bool, typer.Option("--retry-failures", help="Try again what of these sources failed in earlier runs.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where a recording failed.")] = False,
) -> None:
    """Process many recordings into Parquet files: emotions, timelines or features.

    FOLDER/predictions (or timeline, features) holds the results, FOLDER/failures the recordings that failed and why,
    FOLDER/inputs all that are done with. DuckDB, pandas and others read them while they grow. A run that was
    interrupted or killed goes on with the same command, and does nothing twice. A recording that crashes a decoder or
    hangs costs itself alone. Recordings that failed are listed, and the exit code is 0 all the same, unless --strict.
    """
    from vocalics import batch

    if feature_set and task is Work.PREDICT:
        task = Work.FEATURES
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        with _progress() as (progress, listing):
            summary = batch.run(
                sources, output, task.value, model, feature_set=feature_set, window=window, hop=hop, windows=windows,
                mix=mix, adapt=adapt, by_content=by_content, engine=engine.value, address=address, workers=workers,
                timeout=timeout, attempts=attempts, block=block, retry_failures=retry_failures, progress=progress,
                listing=listing,
            )  # fmt: skip
    except KeyboardInterrupt as stop:
        typer.echo(f"vocalics: stopped; what was committed is in {output}, and the same command goes on", err=True)
        raise typer.Exit(143 if isinstance(stop, _TerminatedError) else 130) from None
    finally:
        signal.signal(signal.SIGTERM, before)
    typer.echo("\n".join(_told(summary)))
    if strict and summary.n_failed + summary.n_failed_before:
        raise typer.Exit(1)


def _terminated(_signal: int, _frame: Any) -> None:
    raise _TerminatedError


@contextmanager
def _progress() -> Iterator[tuple[Callable[[Status], None], Callable[[int], None]]]:
    """What is called as the work goes on: a line that is drawn anew, or one now and then where there is no terminal."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(stderr=True)
    if console.is_terminal:
        with Live(Text("looking for recordings"), console=console, refresh_per_second=4, transient=True) as live:
            yield (
                lambda status: live.update(Text(_line(status))),
                lambda n: live.update(Text(f"looking for recordings: {n:,} so far")),
            )
        return
    last = time.monotonic()

    def line(status: Status) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_SECONDS:
            last = time.monotonic()
            print(_line(status), file=sys.stderr, flush=True)

    yield line, lambda _n: None


def _line(status: Status) -> str:
    left = status.seconds_left
    rate = status.n_done / status.seconds if status.seconds else 0.0
    sound = status.sound_seconds / status.seconds if status.seconds else 0.0
    parts = [
        f"{status.n_done:,} of {status.n_inputs:,}",
        f"{rate:,.1f} per second",
        f"{sound:,.0f} s of sound per second",
        f"{status.n_failed:,} failed",
        f"{clock(left)} left" if left is not None and status.n_done else "",
    ]
    return "  ".join(part for part in parts if part)


def _told(summary: Summary) -> list[str]:
    """What a run did, in lines."""
    lines = [f"{summary.output}: {summary.n_done:,} of {summary.n_inputs:,} recordings"]
    if summary.n_before:
        lines[0] += f", {summary.n_before:,} were there before"
    if summary.n_done and summary.seconds:
        lines.append(
            f"{summary.sound_seconds / 3600:,.2f} hours of sound in {summary.seconds:,.1f} s: "
            f"{summary.n_done / summary.seconds:,.1f} recordings and {summary.sound_seconds / summary.seconds:,.0f} s "
            "of sound per second"
        )
    if summary.n_repeated:
        lines.append(f"{summary.n_repeated:,} were named more than once and counted once")
    if summary.n_changed:
        shown = ", ".join(_printable(path) for path in summary.changed[:3])
        more = ", ..." if summary.n_changed > 3 else ""
        lines.append(
            f"{summary.n_changed:,} had changed since and were done again ({shown}{more}); rows of their earlier state "
            "stay, with its version"
        )
    lines += [f"{n:,} times tried again: {reason}" for reason, n in _ranked(summary.retried)]
    if summary.n_failed_before:
        lines.append(
            f"{summary.n_failed_before:,} of those that were there before had failed; --retry-failures tries them again"
        )
    if summary.n_failed:
        lines.append(f"{summary.n_failed:,} failed; the reasons are in {summary.output}/failures:")
        lines += [f"  {n:,}  {reason}" for reason, n in _ranked(summary.reasons)]
    return lines


def _ranked(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: -item[1])[:_MOST_REASONS]


def _printable(path: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in path)
