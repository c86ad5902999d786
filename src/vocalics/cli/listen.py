"""``vocalics listen``: emotions of sound as it comes in."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from vocalics.cli.predictions import STDIN
from vocalics.cli.sources import Encoding
from vocalics.cli.voice import Known, knowing

if TYPE_CHECKING:
    from vocalics.cli.sources import Sound
    from vocalics.recognizer import Prediction
    from vocalics.streaming import Shown, StreamingRecognizer


class Format(StrEnum):
    """How a stream is shown."""

    METER = "meter"
    JSON = "json"


RATE = 16_000
"""Of raw samples, in Hz, where none is named."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("listen")(listen)


def listen(
    source: Annotated[
        str | None,
        typer.Argument(metavar="FILE|-", help="A recording, or - for raw samples; a microphone where there is none."),
    ] = None,
    model: Annotated[str, typer.Option(metavar="NAME|FILE", help="A bundled model or a model file.")] = "default",
    format: Annotated[
        Format, typer.Option(help="A picture (lines of changes where no terminal is), or JSON lines.")
    ] = Format.METER,
    window: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Sound that each prediction is of; else the model's own, 3 s for all that come with vocalics.",
        ),
    ] = None,
    hop: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="From one prediction to the next; 0.5, or a shorter --window."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="NAME", help="The microphone: its number, or a part of its name.")
    ] = None,
    devices: Annotated[bool, typer.Option("--devices", help="List the microphones.")] = False,
    rate: Annotated[int, typer.Option(metavar="HZ", help="Sample rate of raw samples.")] = RATE,
    encoding: Annotated[Encoding, typer.Option(help="Of raw samples, little endian.")] = Encoding.PCM16,
    channels: Annotated[int, typer.Option(min=1, max=64, metavar="N", help="Of raw samples.")] = 1,
    fast: Annotated[bool, typer.Option("--fast", help="A file as fast as it can be judged, not at its pace.")] = False,
    seconds: Annotated[float | None, typer.Option(min=0.1, metavar="SECONDS", help="Stop after so much sound.")] = None,
    unfamiliar_above: Annotated[
        float | None,
        typer.Option(metavar="S", help='Say "unfamiliar" where a sound is stranger than this; see vocalics predict.'),
    ] = None,
    voice: Known = None,
    adapt: Annotated[
        bool,
        typer.Option("--adapt", help="Get used to the voice as it goes on, as the bundled models do."),
    ] = False,
) -> None:
    """Show the emotion of sound as it comes in, until it ends or Ctrl-C.

    What is drawn is smoothed and slow to change; a line of JSON has the window's own prediction as well, the same that
    vocalics predict --timeline gives.
    """
    from vocalics.cli import sources
    from vocalics.errors import UsageError
    from vocalics.recognizer import load
    from vocalics.streaming import Display, StreamingRecognizer, default_hop

    if devices:
        print(sources.devices())
        return
    if source is not None and device is not None:
        raise UsageError(f"--device {device} names a microphone, {source} a recording; leave one of them out")
    if source != STDIN and (rate, channels, encoding) != (RATE, 1, Encoding.PCM16):
        raise UsageError("--rate, --channels and --encoding are of raw samples (-); leave them out")
    if fast and (source is None or source == STDIN):
        raise UsageError("--fast is for a file; what comes in live has its own pace")
    recognizer = knowing(load(model, unfamiliar_above=unfamiliar_above), voice)
    if source is None:
        sound = sources.microphone(device)
    elif source == STDIN:
        sound = sources.raw(sys.stdin.buffer, rate, channels, encoding)
    else:
        sound = sources.file(source, paced=not fast)
    hop = default_hop(recognizer, window) if hop is None else hop
    stream = StreamingRecognizer(recognizer, sound.sample_rate, window, hop, source or "microphone", adapt)
    display = Display()
    shares: dict[str, float] = {}
    with _shown(format, sound, hop) as show:
        for shown in (display.update(p) for p in _predictions(stream, sound, seconds)):
            show(shown)
            shares[shown.label] = shares.get(shown.label, 0.0) + 1
    if format is Format.METER:
        told = ", ".join(f"{e} {n / sum(shares.values()):.0%}" for e, n in sorted(shares.items(), key=lambda x: -x[1]))
        print(f"{stream.seconds:.1f} s of {sound.name}" + (f": {told}" if told else ""))
    if sound.n_lost:
        print(f"vocalics: {sound.n_lost} blocks of 0.1 s were lost: this machine is too busy", file=sys.stderr)


def _predictions(stream: StreamingRecognizer, sound: Sound, seconds: float | None) -> Iterator[Prediction]:
    """Predictions until the sound ends, or the user ends it; what is left of it then is judged, too."""
    left = None if seconds is None else round(seconds * sound.sample_rate)
    try:
        for block in sound.blocks:
            wanted = block[:left]
            yield from stream.feed(wanted)
            if left is not None and (left := left - len(wanted)) <= 0:
                break
    except KeyboardInterrupt:
        if not stream.seconds:
            return
    yield from stream.flush()


@contextmanager
def _shown(format: Format, sound: Sound, hop: float) -> Iterator[Callable[[Shown], None]]:
    """A function that shows a moment."""
    if format is Format.JSON:
        yield _json_line
        return
    from rich.console import Console
    from rich.live import Live

    from vocalics.cli.meter import Meter, follow

    console = Console(highlight=False)
    if not console.is_terminal:
        yield lambda shown: follow(console, shown)
        return
    meter = Meter(sound.name, hop, console.width)
    with Live(console=console, auto_refresh=False) as live:
        yield lambda shown: live.update(meter.draw(shown), refresh=True)


def _json_line(shown: Shown) -> None:
    from vocalics import records

    told = {**records.record(shown.prediction), "shown": records.shown(shown)}
    print(json.dumps(told), flush=True)
