"""``vocalics voice``: what a model learns of one voice, kept in a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vocalics.cli.outputs import refuse_unwritable
from vocalics.cli.predictions import STDIN, complain, expand
from vocalics.errors import AudioError, VocalicsError

if TYPE_CHECKING:
    from vocalics.recognizer import Recognizer
    from vocalics.voices import Voice

ENDING = ".voice"
"""Of the files that hold a voice; what ends otherwise is sound."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("voice")(_voice)


def _voice(
    recordings: Annotated[
        list[str], typer.Argument(metavar="PATH", help="Recordings of one voice: files, folders or globs.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where it is kept: NAME.voice.")],
    model: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="A model that gets used to voices; its file is of use to no other.")
    ] = "accurate",
    known: Annotated[
        Path | None, typer.Option("--known", metavar="FILE", help="A .voice that the recordings add to.")
    ] = None,
) -> None:
    """Learn a voice from recordings of it, whatever it expresses in them; nobody has to say what.

    vocalics predict --voice FILE judges by it. Ten sentences tell most of it. Microphone, room and line are learned
    with the voice: take recordings like those that will be judged. The file holds no sound and no words, but it tells
    voices apart: keep it as you keep personal data.
    """
    from vocalics.recognizer import load
    from vocalics.voices import Voice

    if output.suffix != ENDING:
        raise VocalicsError(f"{output}: expected a name that ends in {ENDING}")
    refuse_unwritable(output)
    recognizer = load(model)
    before = Voice.read(known) if known else recognizer.unknown_voice()
    recognizer = replace(recognizer, voice=before)
    voice, good = learned(recognizer, recordings)
    if voice.n_clips <= before.n_clips:
        raise AudioError("nobody speaks in these recordings; nothing was learned")
    voice.write(output)
    print(f"{output}: {voice.n_clips:.1f} clips heard, by {recognizer.card.name}")
    if not good:
        raise typer.Exit(1)


def learned(recognizer: Recognizer, paths: Sequence[str]) -> tuple[Voice, bool]:
    """Return what is known of a voice after recordings of it, and whether all could be read; each that could not is one
    line on standard error.

    Raises:
        VocalicsError: For a model that gets used to no voice.
    """
    voice, good = recognizer.voice or recognizer.unknown_voice(), True
    for source in (source for path in paths for source in expand(path)):
        try:
            if isinstance(source, AudioError):
                raise source
            if source == STDIN:
                raise AudioError("a voice is not learned from standard input; name files")
            voice = recognizer.learn(source, voice=voice)
        except AudioError as error:
            good = False
            complain(error)
    return voice, good


def knowing(recognizer: Recognizer, paths: Sequence[str]) -> Recognizer:
    """Return a recognizer that knows a voice: from the .voice file that is named, and from recordings.

    Raises:
        VocalicsError: For two files of voices, a recording that cannot be read, or a model that gets used to no voice.
    """
    from vocalics.voices import Voice

    files = [path for path in paths if Path(path).suffix == ENDING]
    if len(files) > 1:
        raise VocalicsError(f"{' and '.join(files)}: one voice at a time; vocalics voice --known adds to one")
    voice = Voice.read(files[0]) if files else recognizer.unknown_voice()
    knows = replace(recognizer, voice=voice)
    voice, good = learned(knows, [path for path in paths if path not in files])
    if not good:
        raise VocalicsError("--voice: not everything that was named could be heard; nothing was judged")
    return replace(recognizer, voice=voice)
