"""SAVEE: four men, seven emotions, 120 sentences each."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

from vocalics.corpora.corpus import Corpus, Parsed, check_code

EMOTIONS = MappingProxyType(
    {
        "a": "angry",
        "d": "disgust",
        "f": "fear",
        "h": "happy",
        "n": "neutral",
        "sa": "sad",
        "su": "surprise",
    }
)
IN_EVERY_EMOTION = frozenset({"01", "02", "03"})
"""The codes of the three sentences that are said in every emotion. All others are said in one, two of each emotion's
fifteen also without any: the last fifteen neutral clips repeat the three, then two of each emotion in this order."""
_ALSO_NEUTRAL = ("a", "d", "f", "su", "sa", "h")
SPEAKERS = ("DC", "JE", "JK", "KL")
N_SENTENCES = MappingProxyType({label: 30 if label == "n" else 15 for label in EMOTIONS})

_CODE = re.compile(r"(a|d|f|h|n|sa|su)([0-2]\d|30)")
_NAME = re.compile(r"(?:([A-Z]{2})_)?([a-z]{1,2})(\d{2})")


def parse(path: Path) -> Parsed | str:
    """Read ``DC_a01``, or ``a01`` in a folder ``DC``: speaker, emotion, sentence."""
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return "is not called like a SAVEE clip (DC_a01, or a01 in a folder DC)"
    speaker, label, number = match.groups()
    if speaker is None:
        speaker = path.parent.name
        if speaker not in SPEAKERS:
            return f"lacks its speaker: expected the name DC_{path.stem}, or one of the folders {', '.join(SPEAKERS)}"
    check_code(speaker, SPEAKERS, "speaker", path)
    check_code(label, EMOTIONS, "emotion", path)
    check_code(number, _sentences(label), f'sentence of emotion "{label}"', path)
    return Parsed(
        name=f"{speaker}_{label}{number}",
        speaker=speaker,
        label=label,
        sex="male",
        statement=sentence(f"{label}{number}"),
    )


def sentence(code: str) -> str:
    """Return the code of what is said, the same for the same words, whatever the emotion.

    The corpus numbers each emotion's clips. Which numbers are of one sentence was found by aligning the clips of a
    speaker with one another (dynamic time warping of an encoder's frames, docs/results/sentences.md).

    Args:
        code: Emotion and number ("h02"), or what this function returned.

    >>> [sentence(code) for code in ("h02", "n17", "su04", "n25", "02")]
    ['02', '02', 'su04', 'su04', '02']
    """
    match = _CODE.fullmatch(code)
    if match is None:
        return code
    label, number = match.group(1), int(match.group(2))
    if label == "n" and number > 15:
        number -= 15
        if number > 3:
            emotion, which = divmod(number - 4, 2)
            return f"{_ALSO_NEUTRAL[emotion]}{4 + which:02d}"
    return f"{number:02d}" if number <= 3 else f"{label}{number:02d}"


def expected(root: Path | None) -> tuple[str, ...]:
    """Return the 480 names."""
    return tuple(f"{speaker}_{label}{n}" for speaker in SPEAKERS for label in EMOTIONS for n in _sentences(label))


def _sentences(label: str) -> tuple[str, ...]:
    return tuple(f"{n:02d}" for n in range(1, N_SENTENCES[label] + 1))


CORPUS = Corpus(
    name="savee",
    title="Surrey Audio-Visual Expressed Emotion",
    n_clips=480,
    n_speakers=4,
    emotions=EMOTIONS,
    language="en",
    licence="free for research use (University of Surrey)",
    commercial=False,
    citation=(
        "Haq S, Jackson PJB (2010). Multimodal emotion recognition. In: Machine Audition: Principles, Algorithms and "
        "Systems, IGI Global, pp. 398-423. https://doi.org/10.4018/978-1-61520-919-4.ch017"
    ),
    url="http://kahlan.eps.surrey.ac.uk/savee/",
    pattern="DC_a01.wav, or a01.wav in a folder DC",
    parse=parse,
    expected=expected,
    in_every_emotion=IN_EVERY_EMOTION,
    sentence=sentence,
)
