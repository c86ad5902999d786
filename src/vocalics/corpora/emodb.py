"""EMO-DB: ten German actors, ten sentences, six emotions (boredom among them) and neutral."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

from vocalics.corpora.corpus import Corpus, Parsed, check_code

EMOTIONS = MappingProxyType(
    {
        "W": "angry",
        "L": "boredom",
        "E": "disgust",
        "A": "fear",
        "F": "happy",
        "T": "sad",
        "N": "neutral",
    }
)
"""Initials of the German words: Wut, Langeweile, Ekel, Angst, Freude, Trauer, neutral."""

SPEAKERS = MappingProxyType(
    {
        "03": ("male", 31),
        "08": ("female", 34),
        "09": ("female", 21),
        "10": ("male", 32),
        "11": ("male", 26),
        "12": ("male", 30),
        "13": ("female", 32),
        "14": ("female", 35),
        "15": ("male", 25),
        "16": ("female", 31),
    }
)
"""Sex and age as the authors publish them."""

STATEMENTS = ("a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10")

_NAME = re.compile(r"(\d{2})([a-z]\d{2})([A-Z])([a-z]?)")


def parse(path: Path) -> Parsed | str:
    """Read ``03a01Fa``: speaker, text, emotion, version."""
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return "is not called like an EMO-DB clip (03a01Fa)"
    speaker, statement, label, _ = match.groups()
    check_code(speaker, SPEAKERS, "speaker", path)
    check_code(statement, STATEMENTS, "text", path)
    check_code(label, EMOTIONS, "emotion", path)
    sex, age = SPEAKERS[speaker]
    return Parsed(name=path.stem, speaker=speaker, label=label, sex=sex, age=age, statement=statement)


CORPUS = Corpus(
    name="emodb",
    title="Berlin Database of Emotional Speech",
    n_clips=535,
    n_speakers=10,
    emotions=EMOTIONS,
    language="de",
    licence="CC BY 4.0",
    commercial=True,
    citation=(
        "Burkhardt F, Paeschke A, Rolfes M, Sendlmeier W, Weiss B (2005). A Database of German Emotional Speech. "
        "Proc. Interspeech 2005, pp. 1517-1520. https://doi.org/10.21437/Interspeech.2005-446"
    ),
    url="http://emodb.bilderbar.info/",
    pattern="03a01Fa.wav",
    parse=parse,
)
