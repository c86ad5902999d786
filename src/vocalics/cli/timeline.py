"""``vocalics timeline``: a long recording from beginning to end, each channel by itself."""

from __future__ import annotations

import enum
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vocalics.cli.options import Hop, Window
from vocalics.cli.outputs import refuse_unwritable
from vocalics.cli.predictions import STDIN, clock
from vocalics.cli.standard_output import keep_apart
from vocalics.cli.voice import Known, knowing
from vocalics.errors import UsageError
from vocalics.files import is_stream

if TYPE_CHECKING:
    from vocalics.recognizer import Recognizer
    from vocalics.timeline import Timeline


class Format(enum.StrEnum):
    """How a timeline is printed or written."""

    table = "table"
    json = "json"
    csv = "csv"
    vtt = "vtt"
    rttm = "rttm"
    audacity = "audacity"
    textgrid = "textgrid"
    png = "png"
    html = "html"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("timeline")(_timeline)


def _timeline(
    recording: Annotated[str, typer.Argument(metavar="FILE", help="A recording, or - for standard input.")],
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write there; may be repeated. The ending tells the format: .json, .csv, .vtt, .rttm, .txt "
            "(Audacity), .TextGrid (Praat), .png, .html.",
        ),
    ] = None,
    format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            metavar="|".join(Format),
            help="Of what is printed, or of every -o whatever its ending.",
        ),
    ] = None,
    model: Annotated[str, typer.Option(metavar="NAME|FILE", help="A bundled model or a model file.")] = "default",
    window: Window = None,
    hop: Hop = None,
    mix: Annotated[bool, typer.Option("--mix", help="Average the channels and judge them as one.")] = False,
    voice: Known = None,
    adapt: Annotated[
        bool,
        typer.Option("--adapt", help="Get used to the voice of each channel, as the bundled models do."),
    ] = False,
    windows: Annotated[bool, typer.Option("--windows", help="Lines stand for windows instead of segments.")] = False,
    no_sound: Annotated[
        bool, typer.Option("--no-sound", help="A page asks for the recording instead of containing it.")
    ] = False,
) -> None:
    """Show who sounds how, and when, in a long recording.

    Segments are what voice activity finds, each judged as a whole; windows follow each other at equal distances,
    whoever speaks or not. Every channel of a stereo recording is judged by itself. A picture (.png) and a page (.html)
    show the waveform in the colours of the emotions above their probabilities; the page plays the recording, and may be
    read by its owner alone unless --no-sound.
    """
    from vocalics import timeline

    targets = [(path, _format(path, format)) for path in output or []]
    shown = format or Format.table
    if not targets and shown is Format.png:
        raise UsageError("a picture is no text to print; write it with -o FILE.png")
    if any(name == "png" for _, name in targets):
        timeline.require_picture()
    for path, _ in targets:
        refuse_unwritable(path, () if recording == STDIN else [recording])
    from vocalics.recognizer import load

    recognizer = knowing(load(model), voice)
    printed = [path for path, _ in targets if is_stream(path) and _is_standard_output(path)]
    output_now = keep_apart()
    source: str | bytes = sys.stdin.buffer.read() if recording == STDIN else recording
    found = _built(recognizer, source, window, hop, mix, adapt)
    # A pipe has been read, and gives nothing more.
    sound = None if no_sound or (recording != STDIN and Path(recording).is_fifo()) else source
    for path, name in targets:
        moved = output_now is not None and path in printed
        timeline.write(found, f"/dev/fd/{output_now}" if moved else path, name, windows=windows, source=sound)
    if targets:
        # Behind a file that is a stream (/dev/stdout) nothing of ours may follow.
        told = [*_summaries(found), *(f"written   {path}" for path, _ in targets)]
        typer.echo("\n".join(told), err=any(is_stream(path) for path, _ in targets))
    elif shown is Format.table:
        typer.echo("\n".join(_table(found, windows)))
    else:
        text = timeline.encode(found, shown.value, windows=windows, source=sound).decode("utf-8")
        typer.echo(text, nl=False)


def _is_standard_output(path: Path) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(1))
    except OSError:  # closed
        return False


def _format(path: Path, format: Format | None) -> str:
    from vocalics import timeline

    if format is Format.table:
        raise UsageError(f"{path}: a table is printed, not written; leave out -o, or --format table")
    return timeline.format_of(path) if format is None else format.value


def _built(
    recognizer: Recognizer, source: str | bytes, window: float | None, hop: float | None, mix: bool, adapt: bool
) -> Timeline:
    from rich.console import Console

    from vocalics import timeline
    from vocalics.cli.progress import counting

    console = Console(stderr=True)
    if not console.is_terminal:
        return timeline.build(recognizer, source, window, hop, mix, adapt=adapt)
    with counting(console, transient=True) as bar:
        task = bar.add_task("listening", total=100)
        return timeline.build(
            recognizer,
            source,
            window,
            hop,
            mix,
            lambda share: bar.update(task, completed=round(100 * share)),
            adapt=adapt,
        )


def _table(found: Timeline, windows: bool) -> list[str]:
    lines = []
    for channel, summary in zip(found.channels, _summaries(found), strict=True):
        header = f"{channel.name:<10}{'start':>9}  {'end':>9}  {'emotion':<10}  {'confidence':>10}  then"
        lines += [header, "-" * len(header)]
        for part in channel.windows if windows else channel.segments:
            ranked = sorted(part.probabilities.items(), key=lambda item: -item[1])
            then = ", ".join(f"{name} {chance:.0%}" for name, chance in ranked[1 if part.emotion else 0 : 3])
            heard = part.confidence > 0
            lines.append(
                f"{'':<10}{clock(part.start):>9}  {clock(part.end):>9}  {part.label:<10}  "
                f"{f'{part.confidence:.0%}' if heard else '':>10}  {then if heard else ''}".rstrip()
            )
        lines += [summary, ""]
    return lines[:-1]


def _summaries(found: Timeline) -> list[str]:
    """A line per channel."""
    lines = []
    for channel in found.channels:
        summary = channel.summary
        shares = ", ".join(f"{label} {share:.0%}" for label, share in summary.shares.items())
        changes = "1 change" if summary.changes == 1 else f"{summary.changes} changes"
        told = f"{summary.speech_seconds:.1f} s of speech: {shares}; {changes}" if shares else "nobody speaks"
        lines.append(f"{channel.name:<10}{told}")
    return lines
