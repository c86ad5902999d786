"""The emotions we speak of, and the schemes that say which are merged or dropped.

A corpus reports its own *label*; a scheme turns the label's emotion into one of its classes. One spelling
everywhere: neutral, calm, happy, sad, angry, fear, disgust, surprise.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from vocalics.errors import VocalicsError
from vocalics.registry import lookup

EMOTIONS: tuple[str, ...] = ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise")
"""The eight emotions, in the order of every probability vector of an eight-emotion model."""

OTHER_EMOTIONS: tuple[str, ...] = ("boredom",)
"""Emotions that a corpus annotates and the eight do not hold; only a corpus's own scheme keeps them."""

COLOURS: dict[str, str] = {
    "neutral": "#CDCDCD",
    "calm": "#56B4E9",
    "happy": "#E69F00",
    "sad": "#0072B2",
    "angry": "#D55E00",
    "fear": "#CC79A7",
    "disgust": "#009E73",
    "surprise": "#F0E442",
    "boredom": "#333333",
}
"""One colour per emotion, in every figure: most are Okabe and Ito's, which the colour-blind tell apart."""


@dataclass(frozen=True)
class Scheme:
    """A closed set of classes, and what becomes of every emotion.

    Attributes:
        name: The scheme's name in recipes and on the command line.
        emotions: The classes in output order.
        merged: Emotions counted as another one; an emotion neither listed nor merged is dropped.
    """

    name: str
    emotions: tuple[str, ...]
    merged: MappingProxyType[str, str]

    def emotion(self, emotion: str) -> str | None:
        """Return the scheme's class for an emotion, or ``None`` where the scheme drops it.

        Raises:
            VocalicsError: When the word is no emotion at all.
        """
        if emotion not in EMOTIONS and emotion not in OTHER_EMOTIONS:
            lookup({e: e for e in EMOTIONS + OTHER_EMOTIONS}, emotion, "emotion", VocalicsError)
        emotion = self.merged.get(emotion, emotion)
        return emotion if emotion in self.emotions else None


def _scheme(name: str, emotions: str, **merged: str) -> Scheme:
    return Scheme(name, tuple(emotions.split()), MappingProxyType(merged))


SCHEMES: dict[str, Scheme] = {
    s.name: s
    for s in (
        _scheme("nine", " ".join((*EMOTIONS, "boredom"))),
        _scheme("eight", " ".join(EMOTIONS)),
        _scheme("seven", "neutral happy sad angry fear disgust surprise", calm="neutral"),
        _scheme("six", "neutral happy sad angry fear disgust"),
        _scheme("four", "neutral happy sad angry", calm="neutral"),
        _scheme("three", "neutral happy angry", calm="neutral"),
        _scheme("emodb", "neutral happy sad angry fear disgust boredom"),
    )
}


def scheme(name: str) -> Scheme:
    """Return a scheme by name: nine (with boredom), eight, seven, six, four, three, or emodb (its own seven)."""
    return lookup(SCHEMES, name, "emotion scheme")
