"""CREMA-D: 91 actors, twelve sentences, six emotions, with the votes of many listeners."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from vocalics.corpora.corpus import Corpus, Parsed, check_code
from vocalics.errors import CorpusError
from vocalics.manifest import Utterance, csv_rows

EMOTIONS = MappingProxyType(
    {
        "ANG": "angry",
        "DIS": "disgust",
        "FEA": "fear",
        "HAP": "happy",
        "NEU": "neutral",
        "SAD": "sad",
    }
)
STATEMENTS = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI")
INTENSITIES = MappingProxyType({"LO": "low", "MD": "medium", "HI": "high", "XX": ""})
"""XX is "unspecified"."""

SPEAKERS = tuple(str(n) for n in range(1001, 1092))
VOTES, DEMOGRAPHICS = "tabulatedVotes.csv", "VideoDemographics.csv"

_NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{1,2})")


def parse(path: Path) -> Parsed | str:
    """Read ``1001_DFA_ANG_XX``: actor, sentence, emotion, intensity. One published file ends in X in place of XX."""
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return "is not called like a CREMA-D clip (1001_DFA_ANG_XX)"
    speaker, statement, label, intensity = match.groups()
    intensity = "XX" if intensity == "X" else intensity
    check_code(speaker, SPEAKERS, "actor", path)
    check_code(statement, STATEMENTS, "sentence", path)
    check_code(label, EMOTIONS, "emotion", path)
    check_code(intensity, INTENSITIES, "intensity", path)
    return Parsed(
        name=f"{speaker}_{statement}_{label}_{intensity}",
        speaker=speaker,
        label=label,
        statement=statement,
        intensity=INTENSITIES[intensity],
    )


def expected(root: Path | None) -> tuple[str, ...]:
    """Return the 7,442 names that listeners voted on, where the table of votes is beside the audio."""
    if root is None:
        return ()
    return tuple(dict.fromkeys(_canonical(row["fileName"]) for row in _table(root, VOTES, ("fileName",))))


def annotate(root: Path, utterances: Sequence[Utterance]) -> list[Utterance]:
    """Add the actors' sex and age, and the votes of the listeners who heard the voice alone (row ids 1xxxxx)."""
    actors = {row["ActorID"]: row for row in _table(root, DEMOGRAPHICS, ("ActorID", "Age", "Sex"))}
    letters = {label[0]: emotion for label, emotion in EMOTIONS.items()}
    votes = {
        _canonical(row["fileName"]): MappingProxyType({letters[k]: int(row[k]) for k in letters if int(row[k])})
        for row in _table(root, VOTES, ("", "fileName", *letters))
        if row[""].startswith("1")
    }
    annotated = []
    for utterance in utterances:
        actor = actors.get(utterance.speaker.rpartition("/")[2])
        if actor is not None:
            utterance = replace(utterance, sex=actor["Sex"].lower(), age=int(actor["Age"]))
        ratings = votes.get(_canonical(utterance.name))
        annotated.append(utterance if ratings is None else replace(utterance, ratings=ratings))
    return annotated


def _canonical(name: str) -> str:
    return re.sub(r"_X$", "_XX", name)


def _table(root: Path, name: str, columns: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a table found below the root (or beside it, where the root is ``AudioWAV``)."""
    found = sorted(root.rglob(name), key=lambda p: (len(p.parts), str(p)))
    found += [p for p in (root.parent / name, root.parent / "processedResults" / name) if p.is_file()]
    if not found:
        return []
    rows = csv_rows(found[0], CorpusError)
    missing = [c for c in columns if not rows or c not in rows[0]]
    if missing:
        raise CorpusError(
            f"{found[0]}: lacks the column(s) {missing}; expected the file as published, or none (remove it to go on)"
        )
    return rows


CORPUS = Corpus(
    name="crema_d",
    title="Crowd-sourced Emotional Multimodal Actors Dataset",
    n_clips=7442,
    n_speakers=91,
    emotions=EMOTIONS,
    language="en",
    licence="ODbL 1.0 (database), DbCL 1.0 (contents)",
    commercial=True,
    citation=(
        "Cao H, Cooper DG, Keutmann MK, Gur RC, Nenkova A, Verma R (2014). CREMA-D: Crowd-sourced Emotional Multimodal "
        "Actors Dataset. IEEE Transactions on Affective Computing 5(4): 377-390. "
        "https://doi.org/10.1109/TAFFC.2014.2336244"
    ),
    url="https://github.com/CheyneyComputerScience/CREMA-D",
    pattern="1001_DFA_ANG_XX.wav",
    parse=parse,
    expected=expected,
    annotate=annotate,
)
