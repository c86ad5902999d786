"""Augmented copies of clips, written out; each one follows from seed, content and number, whatever else is made."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vocalics import audio
from vocalics.audio import Clip
from vocalics.augment.steps import Step, chain
from vocalics.errors import AudioError
from vocalics.manifest import Utterance
from vocalics.preprocess.files import is_made, row, write_whole


def augmented(clip: Clip, steps: Sequence[Step], seed: int, number: int, digest: str) -> Clip:
    """Return a copy of a clip, the same whenever it is asked for.

    Args:
        clip: Any clip.
        steps: Applied in order.
        seed: Of all copies.
        number: Which of the clip's copies, from 0 on.
        digest: Of the clip's file, in hexadecimal.
    """
    return chain(steps, clip, np.random.default_rng([seed, number, int(digest[:12] or "0", 16)]))


def write_copies(
    utterance: Utterance, steps: Sequence[Step], seed: int, targets: Sequence[Path]
) -> tuple[Utterance, ...]:
    """Write augmented copies of an utterance and return their rows; those that are there are kept.

    One that is older than the original is written anew: it is of another.

    Args:
        utterance: The original.
        steps: Applied to each copy, drawn anew.
        seed: Of all copies.
        targets: The files, one for each copy; the ending says the format.

    Raises:
        AudioError: When the original cannot be read, or a copy would hold no samples.
    """
    missing = [(number, target) for number, target in enumerate(targets) if not is_made(target, utterance.path)]
    if missing:
        clip = audio.read(utterance.path)
        digest = utterance.digest or _digest(utterance.path)
        for number, target in missing:
            copy = augmented(clip, steps, seed, number, digest)
            if len(copy.samples) == 0:
                raise AudioError(f"{utterance.path}: nothing of it is left in copy {number + 1}; it is too short")
            write_whole(target, copy)
    return tuple(row(utterance, target) for target in targets)


def _digest(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
