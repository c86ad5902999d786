"""Clips to look at and to listen to: which are shown for each emotion, and as what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vocalics.audio import Clip, excerpt, read, resample
from vocalics.errors import VocalicsError
from vocalics.explore.exploration import Exploration

LONGEST_SECONDS = 6.0
"""Of a longer clip the beginning is shown and played."""

PLAYED_RATE = 24_000
"""Sound in a page has at most this sample rate, in Hz."""


@dataclass(frozen=True, eq=False)
class Example:
    """A clip that is shown for its emotion.

    Attributes:
        emotion: As acted.
        number: Counts from 1 within the emotion.
        row: Its position in the manifest.
        clip: Its beginning.
    """

    emotion: str
    number: int
    row: int
    clip: Clip


def examples(exploration: Exploration, n: int, rng: np.random.Generator) -> Iterator[Example]:
    """Yield up to ``n`` clips of every emotion, emotion by emotion: those that :func:`chosen` names, read again."""
    for emotion, rows in chosen(exploration, n, rng).items():
        for number, row in enumerate(rows, start=1):
            clip = heard(exploration.manifest[row].path)
            if clip is not None:
                yield Example(emotion, number, row, clip)


def chosen(exploration: Exploration, n: int, rng: np.random.Generator) -> dict[str, tuple[int, ...]]:
    """Return up to ``n`` clips of every emotion, by position: of as many corpora and speakers as there are.

    Clips without speech are not chosen where there are others.

    Args:
        exploration: The clips.
        n: How many of each emotion.
        rng: Decides among clips that are as good.
    """
    manifest, speech = exploration.manifest, exploration.measure("voiced_seconds")
    picked: dict[str, tuple[int, ...]] = {}
    shuffled = [int(i) for i in rng.permutation(len(manifest)) if not exploration.errors[i]]
    for emotion in manifest.emotions:
        left = [i for i in shuffled if manifest[i].emotion == emotion]
        corpora: Counter[str] = Counter()
        speakers: Counter[str] = Counter()
        taken: list[int] = []
        while left and len(taken) < n:
            best = min(left, key=lambda i: (speech[i] == 0, corpora[manifest[i].corpus], speakers[manifest[i].speaker]))
            left.remove(best)
            taken.append(best)
            corpora[manifest[best].corpus] += 1
            speakers[manifest[best].speaker] += 1
        if taken:
            picked[emotion] = tuple(taken)
    return picked


def heard(path: str) -> Clip | None:
    """Return the beginning of a clip, as it is shown and played; ``None`` where it cannot be read."""
    try:
        clip = excerpt(read(path), 0, LONGEST_SECONDS)
    except (VocalicsError, OSError):
        return None
    if not len(clip.samples):
        return None
    return resample(clip, PLAYED_RATE) if clip.sample_rate > PLAYED_RATE else clip
