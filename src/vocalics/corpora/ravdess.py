"""RAVDESS: 24 actors, two statements, eight emotions in two intensities (speech, audio only)."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

from vocalics.corpora.corpus import Corpus, Parsed, check_code

EMOTIONS = MappingProxyType(
    {
        "01": "neutral",
        "02": "calm",
        "03": "happy",
        "04": "sad",
        "05": "angry",
        "06": "fear",
        "07": "disgust",
        "08": "surprise",
    }
)
MODALITIES = MappingProxyType({"01": "audio and video", "02": "video only", "03": "audio only"})
CHANNELS = MappingProxyType({"01": "speech", "02": "song"})
INTENSITIES = MappingProxyType({"01": "normal", "02": "strong"})
STATEMENTS = MappingProxyType({"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"})
REPETITIONS = ("01", "02")
SPEAKERS = tuple(f"{n:02d}" for n in range(1, 25))

_NAME = re.compile(r"-".join([r"(\d{2})"] * 7))


def parse(path: Path) -> Parsed | str:
    """Read ``03-01-EE-II-SS-RR-AA``: modality, channel, emotion, intensity, statement, repetition, actor."""
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return "is not called like a RAVDESS clip (03-01-06-01-02-01-12)"
    modality, channel, emotion, intensity, statement, repetition, speaker = match.groups()
    check_code(modality, MODALITIES, "modality", path)
    check_code(channel, CHANNELS, "vocal channel", path)
    if modality != "03":
        return f"is not audio only but {MODALITIES[modality]} (modality {modality})"
    if channel != "01":
        return f"is {CHANNELS[channel]}, not speech (vocal channel {channel})"
    check_code(emotion, EMOTIONS, "emotion", path)
    check_code(intensity, INTENSITIES, "intensity", path)
    check_code(statement, STATEMENTS, "statement", path)
    check_code(repetition, REPETITIONS, "repetition", path)
    check_code(speaker, SPEAKERS, "actor", path)
    if emotion == "01" and intensity == "02":
        return "is neutral in strong intensity, which RAVDESS does not have"
    return Parsed(
        name=path.stem,
        speaker=speaker,
        label=emotion,
        sex="female" if int(speaker) % 2 == 0 else "male",
        statement=statement,
        intensity=INTENSITIES[intensity],
    )


def expected(root: Path | None) -> tuple[str, ...]:
    """Return the 1,440 names of the grid; neutral has no strong intensity."""
    return tuple(
        f"03-01-{emotion}-{intensity}-{statement}-{repetition}-{speaker}"
        for speaker in SPEAKERS
        for emotion in EMOTIONS
        for intensity in INTENSITIES
        for statement in STATEMENTS
        for repetition in REPETITIONS
        if (emotion, intensity) != ("01", "02")
    )


CORPUS = Corpus(
    name="ravdess",
    title="Ryerson Audio-Visual Database of Emotional Speech and Song (speech, audio only)",
    n_clips=1440,
    n_speakers=24,
    emotions=EMOTIONS,
    language="en",
    licence="CC BY-NC-SA 4.0",
    commercial=False,
    citation=(
        "Livingstone SR, Russo FA (2018). The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS). "
        "PLoS ONE 13(5): e0196391. https://doi.org/10.1371/journal.pone.0196391"
    ),
    url="https://zenodo.org/records/1188976",
    pattern="03-01-06-01-02-01-12.wav",
    parse=parse,
    expected=expected,
)
