"""A folder of one's own: one folder per emotion, or a CSV of path, emotion[, speaker]."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vocalics.corpora.corpus import Corpus, Parsed
from vocalics.emotions import EMOTIONS, OTHER_EMOTIONS
from vocalics.errors import CorpusError
from vocalics.manifest import OLDEST, csv_rows, found_in, ratings_in
from vocalics.registry import suggestion

SYNONYMS = MappingProxyType(
    {
        **{emotion: emotion for emotion in EMOTIONS + OTHER_EMOTIONS},
        "neutrality": "neutral",
        "calmness": "calm",
        "happiness": "happy",
        "joy": "happy",
        "sadness": "sad",
        "anger": "angry",
        "fearful": "fear",
        "afraid": "fear",
        "disgusted": "disgust",
        "surprised": "surprise",
        "pleasant_surprise": "surprise",
        "pleasant_surprised": "surprise",
        "bored": "boredom",
    }
)
"""The words that are taken for an emotion, in lower case; blanks and hyphens count as underscores."""

NEEDED = ("path", "emotion")
OPTIONAL = (
    "speaker",
    "corpus",
    "label",
    "sex",
    "age",
    "language",
    "statement",
    "intensity",
    "ratings",
    "parent",
)
"""What a table may say of a clip besides, as a manifest does."""

MEASURED = ("duration", "sample_rate", "digest")
"""Columns of a manifest that a table may have, but that the files themselves are asked for."""

_SEXES = MappingProxyType({"": "", "female": "female", "f": "female", "male": "male", "m": "male"})


@dataclass(frozen=True)
class Listed(Parsed):
    """What a row of a table says; ``label`` is the word that its emotion is known by.

    Attributes:
        corpus: The corpus that the row states; empty where it states none.
        code: The corpus's own code, verbatim, where the row has one beside the emotion.
        language: ISO 639-1 code.
        ratings: Listeners' votes by emotion.
        parent: The path of the clip that this one was made from.
    """

    corpus: str = ""
    code: str = ""
    language: str = ""
    ratings: Mapping[str, int] = field(default_factory=dict)
    parent: str = ""


def emotion_of(word: str) -> str | None:
    """Return the emotion that a folder or a table calls by this word, or ``None``.

    >>> emotion_of("Pleasant Surprise"), emotion_of("ANGER"), emotion_of("noise")
    ('surprise', 'angry', None)
    """
    return SYNONYMS.get(word.strip().lower().replace(" ", "_").replace("-", "_"))


def parse(path: Path) -> Parsed | str:
    """Read the emotion from the nearest folder that is called by one; ``path`` is relative to the root.

    Raises:
        CorpusError: When no folder above the clip is called by an emotion.
    """
    folders = path.parent.parts
    if not folders or path.is_absolute():
        return "lies in no emotion's folder; move it into one"
    for folder in reversed(folders):
        if emotion_of(folder) is not None:
            return Parsed(name=path.with_suffix("").as_posix(), speaker="", label=folder)
    raise unknown_emotion(str(path), folders[-1])


def read_table(table: Path) -> list[tuple[Path, Listed]]:
    """Read a CSV of path, emotion[, speaker]; relative paths count from its folder.

    The columns are known in any case and with blanks around them; the optional ones are ``OPTIONAL``. A clip that is
    listed twice in the same words is returned twice, under one name.

    Raises:
        CorpusError: When a column is missing or not known, an emotion unknown, or a clip listed twice in different
            words; the message names the lines.
    """
    rows = csv_rows(table, CorpusError)
    if not rows:
        raise CorpusError(f"{table}: holds no row; expected the columns path, emotion and, if known, speaker")
    columns = _columns(table, rows)
    listed: list[tuple[Path, Listed]] = []
    first: dict[str, tuple[int, Listed]] = {}
    for line, row in enumerate(rows, start=2):
        where = f"{table}:{line}"
        # A path's own blanks are part of it.
        cells = {known: (row[c] or "") if known == "path" else (row[c] or "").strip() for c, known in columns.items()}
        clip = _listed(cells, table.parent, where)
        path = table.parent / cells["path"]
        earlier, same = first.setdefault(os.path.abspath(path), (line, clip))  # noqa: PTH100 - keeps symbolic links
        if other := _differing(same, clip):
            raise CorpusError(
                f"{where}: {path} was listed on line {earlier} already, with another {other}; take one of the lines out"
            )
        listed.append((path, same))
    return listed


def _columns(table: Path, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return what each column of a table is, by the name that it has there.

    Raises:
        CorpusError: When one is missing, there twice, or not known: a speaker under a misspelt name would be lost.
    """
    known = NEEDED + OPTIONAL
    found: dict[str, str] = {}
    strange = []
    for column in rows[0]:
        name = column.strip().lower()
        if name in found.values():
            raise CorpusError(f'{table}: has the column "{name}" twice; take one of them out')
        if name in known:
            found[column] = name
        elif name not in MEASURED and (name or any((row[column] or "").strip() for row in rows)):
            strange.append(column)
    if missing := [c for c in NEEDED if c not in found.values()]:
        raise CorpusError(
            f"{table}: lacks the column(s) {', '.join(missing)}; expected path, emotion and, if known, speaker. "
            f"{found_in(rows[0])}"
        )
    if strange:
        raise CorpusError(
            f'{table}: the column "{strange[0]}" is not read{suggestion(strange[0].strip().lower(), known) or "."} '
            f"Known: {', '.join(known)}. Rename it, or take it out"
        )
    return found


def _listed(cells: Mapping[str, str], folder: Path, where: str) -> Listed:
    """Return what a row says, from its stripped cells by known column."""
    path, label = cells["path"], cells["emotion"]
    if not path.strip():
        raise CorpusError(f"{where}: the path is empty")
    if not label:
        raise CorpusError(f"{where}: the emotion is empty; fill it in, or take the line out")
    if emotion_of(label) is None:
        raise unknown_emotion(where, label)
    sex, age, ratings = _SEXES.get(cells.get("sex", "").lower()), cells.get("age", ""), ratings_in(cells.get("ratings"))
    if sex is None:
        raise CorpusError(f'{where}: sex "{cells["sex"]}" is not known; expected female, male or nothing')
    if ratings is None:
        raise CorpusError(f'{where}: ratings "{cells["ratings"]}" are not JSON like {{"angry": 3}}')
    if "/" in (corpus := cells.get("corpus", "")):  # a speaker is known by "corpus/name"
        raise CorpusError(f'{where}: the corpus "{corpus}" has a "/" in its name; expected one without')
    return Listed(
        name=Path(path).with_suffix("").as_posix(),
        speaker=cells.get("speaker", ""),
        label=label,
        sex=sex,
        age=_age(age, where) if age else None,
        statement=cells.get("statement", ""),
        intensity=cells.get("intensity", ""),
        corpus=corpus,
        code=cells.get("label", ""),
        language=cells.get("language", ""),
        ratings=ratings,
        parent=str(folder / cells["parent"]) if cells.get("parent") else "",
    )


def _age(text: str, where: str) -> int:
    """Return whole years, also of "26.0", as tools for tables write one in a column with gaps."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value.is_integer() or not 0 <= value <= OLDEST:
        raise CorpusError(f'{where}: age "{text}" is no whole number from 0 to {OLDEST}; leave it empty where unknown')
    return int(value)


def _differing(one: Listed, other: Listed) -> str:
    """Return in what two rows of one clip differ, in words; nothing where they say the same."""
    # The path may be written in another way, and so may the word for the emotion.
    said = {"label": "emotion", "code": "label"}
    for name in (f.name for f in fields(Listed) if f.name != "name"):
        here, there = getattr(one, name), getattr(other, name)
        if here != there and not (name == "label" and emotion_of(here) == emotion_of(there)):
            return f'{said.get(name, name)} ("{here}" there, "{there}" here)'
    return ""


def unknown_emotion(where: str, word: str) -> CorpusError:
    """Return the error for a word that names no emotion."""
    return CorpusError(
        f'{where}: "{word}" is no emotion{suggestion(word.lower(), SYNONYMS) or "."} Known: {", ".join(SYNONYMS)}'
    )


CORPUS = Corpus(
    name="folder",
    title="A folder of your own: one folder per emotion, or a CSV of path, emotion[, speaker]",
    n_clips=None,
    n_speakers=None,
    emotions=SYNONYMS,
    language="",
    licence="your own",
    commercial=False,
    citation="your own",
    url="your own recordings",
    pattern="happy/any-name.wav",
    parse=parse,
)
