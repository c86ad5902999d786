"""TESS: two women (26 and 64 years), 200 words in the phrase "Say the word ...", seven emotions."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

from vocalics.corpora.corpus import Corpus, Parsed, check_code

EMOTIONS = MappingProxyType(
    {
        "angry": "angry",
        "disgust": "disgust",
        "fear": "fear",
        "happy": "happy",
        "neutral": "neutral",
        "ps": "surprise",
        "sad": "sad",
    }
)
"""ps is "pleasant surprise"."""

AGES = MappingProxyType({"OAF": 64, "YAF": 26})
"""The older and the younger actress."""

_WORDS = """
    back bar base bath bean beg bite boat bone book bought burn cab calm came cause chain chair chalk chat check
    cheek chief choice cool dab date dead death deep dime dip ditch dodge dog doll door fail fall far fat fit
    five food gap gas gaze germ get gin goal good goose gun half hall hash hate have haze hire hit hole home hurl
    hush jail jar join judge jug juice keen keep keg kick kill king kite knock late laud lean learn lease lid
    life limb live loaf long lore lose lot love luck make match merge mess met mill mob mode mood moon mop mouse
    nag name near neat nice note numb pad page pain pass pearl peg perch phone pick pike pole pool puff rag raid
    rain raise rat reach read red ring ripe road room rose rot rough rush said sail search seize sell shack shall
    shawl sheep shirt should shout size soap soup sour south sub such sure take talk tape team tell thin third
    thought thumb time tip tire ton tool tough turn vine voice void vote wag walk wash week wheat when which whip
    white wife wire witch yearn yes young youth
"""
WORDS = tuple(_WORDS.split())
"""The 200 words of Northwestern University Auditory Test No. 6."""

_NAME = re.compile(r"([A-Z]{2,3})_([A-Za-z]+)_([A-Za-z]+)")
_KNOWN_WORDS = frozenset(WORDS)


def parse(path: Path) -> Parsed | str:
    """Read ``OAF_back_angry``: speaker, word, emotion. One published file starts with OA in place of OAF."""
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return "is not called like a TESS clip (OAF_back_angry)"
    speaker, word, label = match.groups()
    speaker = "OAF" if speaker == "OA" else speaker
    word, label = word.lower(), label.lower()
    check_code(speaker, AGES, "speaker", path)
    check_code(label, EMOTIONS, "emotion", path)
    if word not in _KNOWN_WORDS:
        return f'says "{word}", which is not one of the 200 words of TESS'
    return Parsed(
        name=f"{speaker}_{word}_{label}",
        speaker=speaker,
        label=label,
        sex="female",
        age=AGES[speaker],
        statement=word,
    )


def expected(root: Path | None) -> tuple[str, ...]:
    """Return the 2,800 names."""
    return tuple(f"{speaker}_{word}_{label}" for speaker in AGES for label in EMOTIONS for word in WORDS)


CORPUS = Corpus(
    name="tess",
    title="Toronto Emotional Speech Set",
    n_clips=2800,
    n_speakers=2,
    emotions=EMOTIONS,
    language="en",
    licence="CC BY-NC-ND 4.0",
    commercial=False,
    citation=(
        "Pichora-Fuller MK, Dupuis K (2020). Toronto emotional speech set (TESS). Scholars Portal Dataverse. "
        "https://doi.org/10.5683/SP2/E8H2MF"
    ),
    url="https://doi.org/10.5683/SP2/E8H2MF",
    pattern="OAF_back_angry.wav",
    parse=parse,
    expected=expected,
)
