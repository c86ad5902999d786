"""A folder of one's own: one folder per emotion, or a CSV of path, emotion[, speaker]."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from vocalics.corpora.corpus import Corpus, Parsed
from vocalics.emotions import EMOTIONS, OTHER_EMOTIONS
from vocalics.errors import CorpusError
from vocalics.manifest import csv_rows
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


def read_table(table: Path) -> list[tuple[Path, Parsed]]:
    """Read a CSV of path, emotion[, speaker]; relative paths count from its folder.

    Raises:
        CorpusError: When a column is missing or an emotion unknown; the message names the line.
    """
    rows = csv_rows(table, CorpusError)
    if not rows:
        raise CorpusError(f"{table}: holds no row; expected the columns path, emotion and, if known, speaker")
    missing = [c for c in ("path", "emotion") if c not in rows[0]]
    if missing:
        raise CorpusError(
            f"{table}: lacks the column(s) {', '.join(missing)}; expected path, emotion and, if known, speaker"
        )
    listed = []
    for line, row in enumerate(rows, start=2):
        where, path, label = f"{table}:{line}", row["path"] or "", (row["emotion"] or "").strip()
        if not path:
            raise CorpusError(f"{where}: the path is empty")
        if emotion_of(label) is None:
            raise unknown_emotion(where, label)
        name = Path(path).with_suffix("").as_posix()
        listed.append((table.parent / path, Parsed(name, (row.get("speaker") or "").strip(), label)))
    return listed


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
