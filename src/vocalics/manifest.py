"""What is known about clips: one :class:`Utterance` per row, many in a :class:`Manifest` (CSV or Parquet)."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocalics.emotions import EMOTIONS, OTHER_EMOTIONS
from vocalics.errors import ManifestError, MissingExtraError, VocalicsError
from vocalics.files import replacing
from vocalics.registry import suggestion
from vocalics.spreadsheets import escaped, path_cell, plain

if TYPE_CHECKING:
    import numpy as np


OLDEST = 150
"""No speaker is older, in years: what exceeds it is a year of birth, or a slip."""


@dataclass(frozen=True)
class Utterance:
    """The annotated unit of a corpus.

    Attributes:
        path: The audio file.
        corpus: The corpus's name ("ravdess"), or the name given to a folder of one's own.
        speaker: Unique across corpora ("ravdess/07"); empty where unknown.
        label: The corpus's own code, verbatim ("ANG", "W").
        emotion: One of ``EMOTIONS`` or ``OTHER_EMOTIONS``.
        sex: "female", "male" or empty.
        age: In years, 0 to ``OLDEST``.
        language: ISO 639-1 code ("en", "de").
        statement: The corpus's code of the sentence; empty where unknown.
        intensity: The corpus's word for how strongly it is acted ("normal", "strong", "low"); empty where unknown.
        duration: In seconds.
        sample_rate: Of the file, in Hz.
        digest: SHA-256 of the file's bytes, in hexadecimal; empty where not computed.
        ratings: Listeners' votes by emotion.
        parent: The path of the clip that this one was made from; empty for an original.
    """

    path: str
    corpus: str
    speaker: str
    label: str
    emotion: str
    sex: str = ""
    age: int | None = None
    language: str = ""
    statement: str = ""
    intensity: str = ""
    duration: float | None = None
    sample_rate: int | None = None
    digest: str = ""
    ratings: Mapping[str, int] = field(default_factory=dict, hash=False)
    parent: str = ""

    def __post_init__(self) -> None:
        # A plain dictionary travels to worker processes, which a read-only view does not.
        object.__setattr__(self, "ratings", dict(self.ratings))
        if self.emotion not in EMOTIONS and self.emotion not in OTHER_EMOTIONS:
            raise ManifestError(
                f'{self.path}: "{self.emotion}" is not an emotion'
                f"{suggestion(self.emotion, EMOTIONS + OTHER_EMOTIONS) or '.'} "
                f"Known: {', '.join(EMOTIONS + OTHER_EMOTIONS)}"
            )
        if self.age is not None and not 0 <= self.age <= OLDEST:
            raise ManifestError(f"{self.path}: age {self.age} is out of range; expected 0 to {OLDEST} years, or none")

    @property
    def name(self) -> str:
        """The file's name without folder and ending, as test protocols list it."""
        return Path(self.path).stem


COLUMNS: tuple[str, ...] = tuple(f.name for f in dataclasses.fields(Utterance))
_PATHS = ("path", "parent")
REQUIRED: tuple[str, ...] = ("path", "corpus", "speaker", "label", "emotion")


@dataclass(frozen=True)
class Manifest(Sequence[Utterance]):  # type: ignore[misc]
    """An immutable sequence of utterances."""

    utterances: tuple[Utterance, ...]

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, index: Any) -> Any:
        return self.utterances[index]

    def __iter__(self) -> Iterator[Utterance]:
        return iter(self.utterances)

    def __add__(self, other: Manifest) -> Manifest:
        return Manifest(self.utterances + other.utterances)

    @property
    def corpora(self) -> tuple[str, ...]:
        """The corpora's names, sorted."""
        return tuple(sorted({u.corpus for u in self}))

    @property
    def speakers(self) -> tuple[str, ...]:
        """The known speakers, sorted."""
        return tuple(sorted({u.speaker for u in self if u.speaker}))

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions that occur, in the order of ``EMOTIONS`` (and ``OTHER_EMOTIONS``)."""
        present = {u.emotion for u in self}
        return tuple(e for e in EMOTIONS + OTHER_EMOTIONS if e in present)

    def where(self, condition: Callable[[Utterance], bool]) -> Manifest:
        """Return the utterances for which the condition holds."""
        return Manifest(tuple(u for u in self if condition(u)))

    def drawn(self, n: int, rng: np.random.Generator) -> Manifest:
        """Return ``n`` utterances drawn at random, in their order; all of them where there are no more."""
        if len(self) <= n:
            return self
        return self.take(sorted(rng.choice(len(self), n, replace=False).tolist()))

    def take(self, indices: Iterable[int]) -> Manifest:
        """Return the utterances at these positions, in this order."""
        return Manifest(tuple(self.utterances[i] for i in indices))

    def with_digests(self) -> Manifest:
        """Return the same rows, each with its file's SHA-256: computed where the manifest states none.

        Raises:
            ManifestError: When such a file cannot be read.
        """
        return Manifest(tuple(u if u.digest else dataclasses.replace(u, digest=_digest(u.path)) for u in self))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write ``.csv`` or ``.parquet``, whole or not at all; clips below its folder are written as relative paths.

        Raises:
            ManifestError: For another ending, or a path that is no text.
        """
        target = writable(path)
        if not target.parent.is_dir():
            raise ManifestError(f"{target.parent}: no such folder; make it first, or write elsewhere")
        folder = target.parent.resolve()
        rows = [_row(u, folder) for u in self]
        for row in rows:
            _check_text(row)
        with replacing(target) as part:
            if target.suffix == ".parquet":
                pyarrow, parquet = _pyarrow()
                columns = {c: [str(r[c]) for r in rows] for c in COLUMNS}
                parquet.write_table(pyarrow.table(columns), part)
            else:
                with part.open("w", newline="", encoding="utf-8") as file:
                    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(map(_escaped, rows))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Manifest:
        """Read a ``.csv`` or ``.parquet`` manifest; relative paths count from the file's folder.

        Raises:
            ManifestError: When the file is missing, lacks a column, or holds a row that cannot be trusted; the
                message names the file and the line.
        """
        source = Path(path)
        if not source.is_file():
            raise ManifestError(f"{source}: no such manifest; make one with: vocalics scan NAME ROOT -o {source}")
        rows: list[dict[str, str]]
        if source.suffix == ".parquet":
            rows = _parquet_rows(source)
        elif source.suffix == ".csv":
            rows = [_plain(row) for row in csv_rows(source)]
        else:
            raise ManifestError(f"{source}: is no manifest; expected a .csv or .parquet file")
        if not rows:
            raise ManifestError(f"{source}: holds no utterance; make one with: vocalics scan NAME ROOT -o FILE")
        missing = [c for c in REQUIRED if c not in rows[0]]
        if missing:
            raise ManifestError(
                f"{source}: lacks the column(s) {', '.join(missing)}; expected {', '.join(COLUMNS)}. "
                f"{_from_table(source, rows[0]) or found_in(rows[0])}"
            )
        folder = source.parent.resolve()
        utterances = [_utterance(row, folder, f"{source}:{line}") for line, row in enumerate(rows, start=2)]
        lines: dict[str, int] = {}
        for line, utterance in enumerate(utterances, start=2):
            first = lines.setdefault(os.path.normpath(utterance.path), line)
            if first != line:
                raise ManifestError(
                    f"{source}:{line}: {utterance.path} was listed on line {first} already; take one of them out"
                )
        return cls(tuple(utterances))


def is_manifest(path: Path) -> bool:
    """Return whether a file is read as a manifest: a Parquet, or a CSV that has all of ``REQUIRED``."""
    if path.suffix == ".parquet":
        return True
    rows = csv_rows(path) if path.suffix == ".csv" and path.is_file() else []
    return bool(rows) and all(column in rows[0] for column in REQUIRED)


def _from_table(path: Path, row: Mapping[str, Any]) -> str:
    """How a table of one's own becomes a manifest; nothing where it is no such table."""
    if path.suffix != ".csv" or not {"path", "emotion"} <= {column.strip().lower() for column in row}:
        return ""
    made = f"vocalics scan folder {shlex.quote(str(path))} -o FILE"
    return f"Of a table of path, emotion[, speaker] one is made with: {made}"


def found_in(row: Mapping[str, Any]) -> str:
    """Say which columns a table has, and where its only one seems to be several that something else separates.

    >>> found_in({"path;emotion": "x.wav;sad"})
    'It has "path;emotion"; separate columns by commas, not by ";"'
    >>> found_in({"file": "x.wav", "emotion": "sad"})
    'It has "file", "emotion"'
    """
    columns = [column for column in row if column is not None]
    said = "It has " + ", ".join(f'"{column}"' for column in columns)
    separator = _other_separator(columns)
    return f"{said}; separate columns by commas, not by {separator}" if separator else said


def _other_separator(columns: Sequence[str]) -> str:
    """What stands between the columns of a table that seems to have only one, in words; nothing where it has commas."""
    known = {";": '";"', "\t": "tabs", "|": '"|"'}
    return next((words for sign, words in known.items() if len(columns) == 1 and sign in columns[0]), "")


def csv_rows(path: Path, error: type[VocalicsError] = ManifestError) -> list[dict[str, str]]:
    """Return the rows of a CSV in UTF-8, by the names in its first line.

    Raises:
        VocalicsError: (as ``error``) when the file is no text, not in UTF-8, or a row has more cells than the first.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows: list[Any] = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as fault:
        raise error(f"{path}: is no CSV in UTF-8 ({fault}); expected a table in plain text") from None
    for number, row in enumerate(rows, start=2):
        if None in row:
            if _other_separator([column for column in row if column is not None]):  # the commas are in its cells
                raise error(f"{path}: expected a table with commas between its columns. {found_in(row)}")
            raise error(f"{path}:{number}: more cells than the first line names; put a cell with commas in quotes")
    return rows


def writable(path: str | os.PathLike[str]) -> Path:
    """Return where a manifest is to be written.

    Raises:
        ManifestError: When its ending is none that is written.
    """
    target = Path(path)
    if target.suffix not in (".csv", ".parquet"):
        raise ManifestError(f"{target}: cannot write a manifest with this ending; expected .csv or .parquet")
    return target


def _check_text(row: Mapping[str, Any]) -> None:
    """Refuse what a table in UTF-8 cannot hold: a file's name in another coding."""
    for column, value in row.items():
        try:
            str(value).encode()
        except UnicodeEncodeError:
            shown = os.fsencode(str(value)).decode(errors="replace")
            raise ManifestError(f"{shown}: this {column} is not in UTF-8; rename the file or folder") from None


def _digest(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror}); check the manifest's paths") from None


def _parquet_rows(path: Path) -> list[dict[str, str]]:
    pyarrow, parquet = _pyarrow()
    try:
        rows: list[dict[str, str]] = parquet.read_table(path).to_pylist()
    except pyarrow.ArrowInvalid as fault:
        raise ManifestError(f"{path}: is no Parquet file ({str(fault).splitlines()[0]}); make it again") from None
    return rows


def _row(utterance: Utterance, folder: Path) -> dict[str, Any]:
    row: dict[str, Any] = {c: getattr(utterance, c) for c in COLUMNS}
    row["age"] = "" if utterance.age is None else utterance.age
    row["duration"] = "" if utterance.duration is None else f"{utterance.duration:.6f}"
    row["sample_rate"] = "" if utterance.sample_rate is None else utterance.sample_rate
    row["ratings"] = json.dumps(dict(utterance.ratings), sort_keys=True) if utterance.ratings else ""
    for column in _PATHS:
        if row[column]:
            row[column] = _relative(row[column], folder)
    return row


def _escaped(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row for a CSV, none of its cells a formula; :func:`_plain` reads it back."""
    shown = {c: escaped(value) if isinstance(value, str) else value for c, value in row.items()}
    return shown | {c: path_cell(row[c]) for c in _PATHS}


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    # Only a short line has values of None, only a long one a list.
    return {c: plain(value) if isinstance(value, str) and c not in _PATHS else value for c, value in row.items()}


def _relative(path: str, folder: Path) -> str:
    """A path from a folder without links, absolute where it is not below it. A file that is a link keeps its name."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - keeps symbolic links
    for place in (absolute, absolute.parent.resolve() / absolute.name):
        if place.is_relative_to(folder):
            return place.relative_to(folder).as_posix()
    return str(absolute)


def _whole(text: str) -> int:
    """A whole number, also as tools for tables write one in a column with gaps: "26.0"."""
    value = float(text)
    if not value.is_integer():
        raise ValueError(text)
    return int(value)


def ratings_in(cell: Any) -> dict[str, int] | None:
    """Votes as a table holds them, JSON or (in a Parquet) a mapping; ``None`` where they are neither."""
    if isinstance(cell, Mapping):  # one field for every emotion of the column, empty where this clip has no vote
        return {emotion: votes for emotion, votes in cell.items() if votes is not None}
    try:
        votes = json.loads(cell or "{}")
    except (json.JSONDecodeError, TypeError):
        return None
    return votes if isinstance(votes, dict) else None


def _utterance(row: Mapping[str, Any], folder: Path, where: str) -> Utterance:
    def number(column: str, kind: Callable[[str], Any]) -> Any:
        text = row.get(column) or ""
        try:
            return kind(text) if text else None
        except ValueError:
            whole = " whole" if kind is _whole else ""
            raise ManifestError(f'{where}: {column} "{text}" is not a{whole} number') from None

    if not row["path"]:
        raise ManifestError(f"{where}: the path is empty")
    if not row["emotion"]:
        raise ManifestError(f"{where}: the emotion is empty; fill it in, or take the line out")
    ratings = ratings_in(row.get("ratings"))
    if ratings is None:
        raise ManifestError(f'{where}: ratings "{row["ratings"]}" are not JSON like {{"angry": 3}}')
    known = {c: "" if row[c] is None else str(row[c]) for c in COLUMNS if c in row}
    known["path"] = str(folder / known["path"])
    if known.get("parent"):
        known["parent"] = str(folder / known["parent"])
    values: dict[str, Any] = dict(known)
    values.update(
        age=number("age", _whole),
        duration=number("duration", float),
        sample_rate=number("sample_rate", _whole),
        ratings=ratings,
    )
    try:
        return Utterance(**values)
    except ManifestError as error:
        raise ManifestError(f"{where}: {error}") from None


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("reading and writing Parquet", "features") from None
    return pyarrow, pyarrow.parquet


def origins(rows: Sequence[Utterance]) -> list[str]:
    """Return the path of the clip that each one was made from in the end: its own for an original.

    Parents are followed from row to row; one that is not among them is taken for the original.
    """
    if not any(u.parent for u in rows):
        return [u.path for u in rows]
    parents = {os.path.normpath(u.path): os.path.normpath(u.parent) for u in rows if u.parent}

    def origin(path: str) -> str:
        seen = [path]
        while (path := parents.get(path, "")) and path not in seen:
            seen.append(path)
        return min(seen[seen.index(path) :]) if path else seen[-1]  # who are each other's parents are one

    return [origin(os.path.normpath(u.path)) for u in rows]
