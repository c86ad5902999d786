"""``vocalics voice``: what a model learns of one voice, kept in a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vocalics.cli.outputs import refuse_unwritable
from vocalics.cli.predictions import STDIN, complain, expand
from vocalics.errors import AudioError, UsageError, VocalicsError

if TYPE_CHECKING:
    from vocalics.recognizer import Recognizer
    from vocalics.voices import Voice

ENDING = ".voice"
"""Of the files that hold a voice; what ends otherwise is sound."""


Known = Annotated[
    list[str] | None,
    typer.Option(
        "--voice",
        metavar="PATH",
        help="The voice that is judged: a .voice file (vocalics voice), or other recordings of it, which the model "
        "gets used to first: files, a folder, a pattern in quotes. Repeat.",
    ),
]
"""The option ``--voice``, see :func:`knowing`."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("voice")(_voice)


def _voice(
    recordings: Annotated[
        list[str], typer.Argument(metavar="PATH", help="Recordings of one voice: files, folders or globs.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where it is kept: NAME.voice.")],
    model: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="A bundled model or a model file; the voice is of use to no other.")
    ] = "default",
    known: Annotated[
        Path | None, typer.Option("--known", metavar="FILE", help="A .voice that the recordings add to.")
    ] = None,
) -> None:
    """Learn a voice from recordings of it, whatever it expresses in them; nobody has to say what.

    vocalics predict --voice FILE judges by it. Ten sentences tell most of it. Microphone, room and line are learned
    with the voice: take recordings like those that will be judged; what is longer than ten seconds counts by its
    windows. The file holds no sound and no words, but it tells voices apart: keep it as you keep personal data.
    """
    from vocalics.recognizer import load

    if output.suffix.lower() != ENDING:
        raise UsageError(f"{output}: expected a name that ends in {ENDING}")
    refuse_unwritable(output)
    recognizer = load(model)
    before = _read(recognizer, str(known)) if known else recognizer.unknown_voice()
    voice, n_heard, n_failed = learned(replace(recognizer, voice=before), recordings)
    if voice.n_clips <= before.n_clips:
        raise AudioError("nothing was learned" + ("" if n_failed else ": nobody speaks in these recordings"))
    voice.write(output)
    worth = voice.n_clips - before.n_clips
    print(
        f"{output}: {n_heard} recording{'' if n_heard == 1 else 's'} heard, worth {worth:.1f} sentences"
        + (f", {voice.n_clips:.1f} with those before" if known else "")
        + f"; for the model {recognizer.card.name}"
    )
    if n_failed:
        raise typer.Exit(1)


def learned(recognizer: Recognizer, paths: Sequence[str]) -> tuple[Voice, int, int]:
    """Return what is known of a voice after recordings of it, how many were heard, and how many could not be.

    Each that could not is one line on standard error.

    Raises:
        VocalicsError: For a model that gets used to no voice.
    """
    voice, n_heard, n_failed = recognizer.voice or recognizer.unknown_voice(), 0, 0
    for source in (source for path in paths for source in expand(path)):
        try:
            if isinstance(source, AudioError):
                raise source
            if source == STDIN:
                raise AudioError("a voice is not learned from standard input; name files")
            if _is_voice(source):
                raise AudioError(f"{source}: is a voice, not a recording; vocalics voice --known adds to it")
            voice = recognizer.learn(source, voice=voice)
            n_heard += 1
        except AudioError as error:
            n_failed += 1
            complain(error)
    return voice, n_heard, n_failed


def knowing(recognizer: Recognizer, paths: Sequence[str] | None) -> Recognizer:
    """Return a recognizer that knows a voice: from the .voice file that is named, and from recordings.

    Where nothing is named, it is the recognizer as it was.

    Raises:
        VocalicsError: For two files of voices, a recording that cannot be read, recordings in which nobody speaks, or a
            model that gets used to no voice.
    """
    if not paths:
        return recognizer
    recognizer.unknown_voice()
    named = [source for path in paths for source in (expand(path) if path else [AudioError("--voice names nothing")])]
    files = [source for source in named if isinstance(source, str) and _is_voice(source)]
    if len(files) > 1:
        raise VocalicsError(f"{' and '.join(files)}: one voice at a time; vocalics voice --known adds to one")
    if broken := next((source for source in named if isinstance(source, AudioError)), None):
        raise broken
    before = _read(recognizer, files[0]) if files else recognizer.unknown_voice()
    recordings = [source for source in named if isinstance(source, str) and source not in files]
    voice, _, n_failed = learned(replace(recognizer, voice=before), recordings)
    if n_failed:
        raise VocalicsError("--voice: not everything that was named could be heard; nothing was judged")
    if recordings and voice.n_clips <= before.n_clips:
        raise AudioError("--voice: nobody speaks in the recordings of it; nothing was judged")
    return replace(recognizer, voice=voice)


def _is_voice(path: str) -> bool:
    return Path(path).suffix.lower() == ENDING and not Path(path).is_dir()


def _read(recognizer: Recognizer, path: str) -> Voice:
    """A kept voice that is this model's, or an error that names the file."""
    from vocalics.voices import Voice

    voice = Voice.read(path)
    try:
        recognizer.follow(voice)
    except VocalicsError as error:
        raise VocalicsError(f"{path}: {error}") from None
    return voice
