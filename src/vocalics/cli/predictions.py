"""Predictions printed one by one: what ``vocalics predict`` does, without the parsing of its options.

Free of Typer, so that the plain ``vocalics predict PATH...`` starts without it (see :mod:`vocalics.cli.main`).
"""

from __future__ import annotations

import csv
import glob
import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from vocalics.errors import AudioError, VocalicsError

if TYPE_CHECKING:
    from vocalics.recognizer import Prediction, Recognizer

STDIN = "-"


class Format(StrEnum):
    """How predictions are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def print_predictions(
    paths: Sequence[str],
    model: str = "default",
    format: Format = Format.TABLE,
    timeline: bool = False,
    window: float | None = None,
    hop: float | None = None,
    top: int = 3,
    abstain_below: float = 0.0,
    coverage: float | None = None,
    unfamiliar_above: float | None = None,
    voice: Sequence[str] = (),
    adapt: bool = False,
) -> bool:
    """Print the emotion of every recording; the arguments are those of the command.

    Returns:
        Whether all could be judged; each that could not is one line on standard error.
    """
    from vocalics.recognizer import load

    recognizer = load(model, 1, abstain_below, coverage, unfamiliar_above)
    if voice:
        from vocalics.cli.voice import knowing

        recognizer = knowing(recognizer, voice)
    if adapt and recognizer.voice is None:
        recognizer.unknown_voice()  # a model that gets used to none is told before anything is judged
    sources = [source for path in paths for source in expand(path)]
    names = [source for source in sources if isinstance(source, str)]
    row = _writer(format, recognizer, names, top)
    good = True
    for source in sources:
        try:
            if isinstance(source, AudioError):
                raise source
            for prediction in _predictions(recognizer, source, timeline, window, hop, adapt):
                row(prediction)
        except AudioError as error:
            good = False
            complain(error)
    return good


def complain(error: VocalicsError) -> None:
    """Say an error in one line on standard error, whatever a file's name in it holds."""
    sys.stdout.flush()
    print("vocalics:", plain(str(error)), file=sys.stderr, flush=True)


def plain(text: str) -> str:
    """Return a text without what would move a terminal's cursor, change its colours or turn its direction.

    >>> plain("a\\x1b[31mb")
    'a�[31mb'
    """
    return "".join(c if c.isprintable() else "�" for c in " ".join(text.split("\n")))


def expand(path: str) -> list[str | AudioError]:
    """Return the files that a path on the command line stands for; what stands for none is an error in its place.

    A folder stands for all audio files in and below it, sorted, hidden ones left out; a path that does not exist and
    holds ``*``, ``?`` or ``[`` is a glob (``**`` too).
    """
    from vocalics.audio import EXTENSIONS

    # os.path, not pathlib: what cannot be a path at all does not exist, and is told when it is opened.
    folder_given = os.path.isdir(path)  # noqa: PTH112
    if path == STDIN or not (folder_given or (glob.has_magic(path) and not os.path.exists(path))):  # noqa: PTH110
        return [path]
    found: list[str | AudioError] = []
    if not folder_given:
        for match in sorted(glob.glob(path, recursive=True)):  # noqa: PTH207 - takes absolute patterns too
            if not Path(match).is_dir():
                found.append(match)
            elif not path.endswith("**"):
                found += expand(match)
        return found or [AudioError(f"{path}: matches no file; check the pattern")]

    def unreadable(error: OSError) -> None:
        found.append(AudioError(f"{error.filename}: the folder cannot be read ({error.strerror})"))

    for folder, folders, files in os.walk(path, onerror=unreadable):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        audible = (f for f in sorted(files) if Path(f).suffix.lower() in EXTENSIONS and not f.startswith("."))
        found += [os.path.join(folder, f) for f in audible]  # noqa: PTH118 - keeps "./x" as it was given
    return found or [
        AudioError(f"{path}: the folder holds no audio file; expected {', '.join(sorted(EXTENSIONS))} in it or below")
    ]


def _predictions(
    recognizer: Recognizer, path: str, timeline: bool, window: float | None, hop: float | None, adapt: bool
) -> Iterator[Prediction]:
    if path == STDIN:
        yield from _predictions_of_standard_input(recognizer, timeline, window, hop, adapt)
    elif timeline:
        yield from recognizer.timeline(path, window=window, hop=hop, adapt=adapt)
    else:
        yield recognizer.predict(path)


def _predictions_of_standard_input(
    recognizer: Recognizer, timeline: bool, window: float | None, hop: float | None, adapt: bool
) -> Iterator[Prediction]:
    """Standard input is judged from a temporary file: decoders seek, and memory must not grow with its length."""
    import shutil
    import tempfile

    with tempfile.NamedTemporaryFile(prefix="vocalics-") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        try:
            for prediction in _predictions(recognizer, file.name, timeline, window, hop, adapt):
                yield replace(prediction, path=STDIN)
        except AudioError as error:
            raise AudioError(f"standard input: {str(error).removeprefix(f'{file.name}: ')}") from None


def _writer(format: Format, recognizer: Recognizer, names: Sequence[str], top: int) -> Callable[[Prediction], None]:
    """A function that prints one prediction at once, so that nothing is lost whatever comes after it."""
    if format is Format.JSON:
        return _json_line
    if format is Format.CSV:
        from vocalics.records import columns, row
        from vocalics.spreadsheets import path_cell

        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(["path", *columns(recognizer.emotions)])
        sys.stdout.flush()

        def csv_row(prediction: Prediction) -> None:
            writer.writerow([path_cell(prediction.path), *row(prediction)])
            sys.stdout.flush()

        return csv_row
    return _table(names, top, recognizer.coverage is not None)


def _json_line(prediction: Prediction) -> None:
    from vocalics.records import record

    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(json.dumps(record(prediction), ensure_ascii=not utf8), flush=True)


def _table(names: Sequence[str], top: int, sets: bool) -> Callable[[Prediction], None]:
    """A table that grows line by line: the column of files is as wide as the longest name."""
    width = min(max((_cells(_printable(name)) for name in names), default=1), 60)
    width = max(width, len("file"))

    def line(name: str, start: str, end: str, emotion: str, confidence: str, others: str) -> str:
        name = name + " " * (width - _cells(name))
        return f"{name}  {start:>9}  {end:>9}  {emotion:<9}  {confidence:>10}  {others}".rstrip()

    header = line("file", "start", "end", "emotion", "confidence", "one of" if sets else "then" if top > 1 else "")
    above = [header, "-" * _cells(header)]  # printed with the first row: an error alone has no table

    def table_row(prediction: Prediction) -> None:
        while above:
            print(above.pop(0))
        ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
        spoken = prediction.confidence > 0
        # Where none is named, the most probable one belongs to the others.
        others = ranked[1 if prediction.emotion else 0 : top]
        then = prediction.candidates if sets else [f"{emotion} {p:.0%}" for emotion, p in others]
        print(
            line(
                _shortened(_printable(prediction.path), width),
                clock(prediction.start),
                clock(prediction.end),
                prediction.label,
                f"{prediction.confidence:.0%}" if spoken else "",
                ", ".join(then) if spoken else "",
            ),
            flush=True,
        )

    return table_row


def clock(seconds: float) -> str:
    """12.3, or 1:02:03.4 from a minute on."""
    if seconds < 59.95:
        return f"{seconds:.1f}"
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)


def _cells(text: str) -> int:
    """Columns that a text takes in a terminal."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _shortened(name: str, width: int) -> str:
    if _cells(name) <= width:
        return name
    while _cells(name) > width - 1:
        name = name[1:]
    return "…" + name
