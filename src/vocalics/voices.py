"""What a model has learned of one voice, without labels: how it differs from others whatever it expresses.

A layer of a net holds of a clip what the emotion puts there, what voice, room and microphone do, and chance:

    layer = centre of the emotion + offset of the voice + rest

This is a mixed-effects model (Laird and Ware, "Random-Effects Models for Longitudinal Data", Biometrics 1982) whose
offsets are drawn towards 0 by :data:`PRIOR`. The centres are learned with the net. The offset of a new voice is the
mean of what its clips leave when the centres are taken away that the net itself expects, clip after clip, each judged
with what is known from those before. A voice that was only ever heard angry is not taken for an angry voice: its
anger is expected. Where a net was not trained for voices, what sets its training corpora apart is no voice's and stays
(:func:`directions`). To take the plain mean of a speaker's features away, the usual speaker normalisation, would do
that.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.errors import VocalicsError
from vocalics.files import write_text
from vocalics.manifest import Utterance, origins

Values = npt.NDArray[np.float32]

PRIOR = 2.0
"""How many clips the expectation counts that a voice is like any other."""
FORMAT = "vocalics voice 1"
"""What a voice's file says that it is."""


@dataclass(frozen=True, eq=False)
class Voice:
    """What one model has learned of one voice; it holds no sound, but it tells voices apart: treat it as personal data.

    Attributes:
        model: SHA-256 of the model's file, in hexadecimal: of no use to another model.
        total: Sum of what the clips left, float32, shape (n,).
        n_clips: How many were heard.
    """

    model: str
    total: Values
    n_clips: float = 0.0

    @classmethod
    def unknown(cls, model: str, width: int) -> Voice:
        """Return a voice of which nothing is known."""
        return cls(model, np.zeros(width, np.float32))

    @property
    def offset(self) -> Values:
        """What is taken away from the layer of a clip, shape (n,)."""
        offset: Values = self.total / np.float32(self.n_clips + PRIOR)
        return offset

    def heard(self, left: Values, weight: float = 1.0) -> Voice:
        """Return what is known after another clip.

        Args:
            left: What the clip left, shape (n,).
            weight: How much the clip counts.
        """
        return Voice(self.model, self.total + np.float32(weight) * left, self.n_clips + weight)

    def to_json(self) -> str:
        """Return the voice as one JSON object, that :meth:`from_json` reads back to the last bit."""
        values = base64.b64encode(self.total.astype("<f4").tobytes()).decode("ascii")
        return json.dumps({"format": FORMAT, "model": self.model, "n_clips": self.n_clips, "total": values})

    @classmethod
    def from_json(cls, text: str) -> Voice:
        """Read what :meth:`to_json` wrote.

        Raises:
            VocalicsError: For anything else.
        """
        try:
            found: Any = json.loads(text)
            if found["format"] != FORMAT:
                raise ValueError
            total = np.frombuffer(base64.b64decode(found["total"], validate=True), "<f4").astype(np.float32)
            voice = cls(str(found["model"]), total, float(found["n_clips"]))
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError, binascii.Error):
            raise VocalicsError("is no voice that vocalics learned; vocalics voice writes one") from None
        if not (np.isfinite(total).all() and 0 <= voice.n_clips < float("inf")):
            raise VocalicsError("holds a voice of numbers that none can have; learn it again")
        return voice

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the voice to a file that its owner alone may read, whole or not at all; a link stays one."""
        write_text(path, self.to_json() + "\n", mode=0o600)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Voice:
        """Read a voice's file.

        Raises:
            VocalicsError: When there is none, or it is something else.
        """
        try:
            return cls.from_json(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise VocalicsError(f"{path}: no such file; vocalics voice writes one") from None
        except (OSError, UnicodeDecodeError) as error:
            raise VocalicsError(f"{path}: cannot be read as a voice ({error})") from None
        except VocalicsError as error:
            raise VocalicsError(f"{path}: {error}") from None


def centres(values: npt.ArrayLike, truth: npt.ArrayLike, speakers: npt.ArrayLike, n_classes: int) -> Values:
    """Return the centre of every emotion in a layer, voices taken away.

    Args:
        values: The layer of clips, shape (n_clips, n).
        truth: The position of each one's emotion, shape (n_clips,).
        speakers: Whose clip each is, shape (n_clips,), any labels; "" is not known and counts as no voice.
        n_classes: How many emotions there are.

    Returns:
        float32, shape (n_classes, n); of an emotion that no clip has, the mean of the others.
    """
    layer, positions = np.asarray(values, np.float32), np.asarray(truth, np.int64)
    names, of_speaker = np.unique(np.asarray(speakers).astype(str), return_inverse=True)
    counts = np.zeros((len(names), n_classes))
    np.add.at(counts, (of_speaker, positions), 1)
    by_speaker, by_class = np.zeros((len(names), layer.shape[1])), np.zeros((n_classes, layer.shape[1]))
    for k in range(len(names)):
        by_speaker[k] = layer[of_speaker == k].sum(axis=0, dtype=np.float64)
    for k in range(n_classes):
        by_class[k] = layer[positions == k].sum(axis=0, dtype=np.float64)
    # Where the offsets are those that the centres leave, and the centres those that the offsets leave. To find the one
    # from the other by turns comes to the same, but takes as many rounds as a speaker has clips.
    known = np.where(names == "", 0.0, 1 / (counts.sum(axis=1) + PRIOR))[:, None]
    present = counts.sum(axis=0) > 0
    own = counts[:, present]
    found = np.empty((n_classes, layer.shape[1]))
    found[present] = np.linalg.solve(
        np.diag(own.sum(axis=0)) - own.T @ (known * own), by_class[present] - own.T @ (known * by_speaker)
    )
    found[~present] = found[present].mean(axis=0)
    result: Values = found.astype(np.float32)
    return result


def directions(
    values: npt.ArrayLike, truth: npt.ArrayLike, speakers: npt.ArrayLike, corpora: npt.ArrayLike, at: npt.ArrayLike
) -> Values:
    """Return in which directions of a layer corpora differ, emotions and voices aside.

    By them a net knows which emotions a corpus has and how they sound there: to take them away with a voice costs more
    than it wins.

    Args:
        values: The layer of clips, shape (n_clips, n).
        truth: The position of each one's emotion, shape (n_clips,).
        speakers: Whose clip each is, shape (n_clips,), any labels.
        corpora: Of which corpus each is, shape (n_clips,), any labels.
        at: The emotions' centres, see :func:`centres`, shape (n_classes, n).

    Returns:
        float32, shape (n_corpora - 1, n), at most n rows, of length 1 and at right angles; (0, n) for one corpus.
    """
    rest = np.asarray(values, np.float64) - np.asarray(at, np.float64)[np.asarray(truth, np.int64)]
    names, homes = np.asarray(speakers).astype(str), np.asarray(corpora).astype(str)
    means = []
    for corpus in sorted(set(homes)):
        own = homes == corpus
        offsets = [
            rest[own & (names == s)].sum(0) / ((own & (names == s)).sum() + PRIOR) for s in sorted({*names[own]})
        ]
        means.append(np.mean(offsets, axis=0))
    apart_by = np.array(means) - np.mean(means, axis=0)
    found: Values = np.linalg.svd(apart_by, full_matrices=False)[2][: len(means) - 1].astype(np.float32)
    return found


Parts = Sequence[tuple[Sequence[int], Sequence[int]]]
"""Which clips are judged together, and by which others their voice is known: see :func:`apart`."""
_N_GROUPS = 5


def apart(clips: Sequence[Utterance], n: int, rng: np.random.Generator) -> list[tuple[list[int], list[int]]]:
    """Return which clips are judged together, and by which other ones of the same speaker the voice is known.

    A speaker's recordings are dealt into five groups; each is judged with what was learned from ``n`` of the others,
    or from all of these where they are fewer. So no clip tells anything of itself: clips of one file's digest, and
    changed copies of one clip, are one recording, stay together and are heard once.

    Args:
        clips: Clips of no named speaker are judged with nothing known.
        n: How many other recordings are heard.
        rng: Deals.

    Returns:
        Positions of the judged clips, and of those that are heard before, in this order.
    """
    every = recordings(clips)
    found: list[tuple[list[int], list[int]]] = []
    for name in sorted({u.speaker for u in clips}):
        own = [i for i, u in enumerate(clips) if u.speaker == name]
        if not name:
            found.append((own, []))
            continue
        shared = [[i for i in copies if clips[i].speaker == name] for copies in every]
        copies_of = {copies[0]: copies for copies in shared if copies}
        firsts = np.array(sorted(copies_of))
        for group in np.array_split(rng.permutation(firsts), min(_N_GROUPS, len(firsts))):
            others = rng.permutation(np.setdiff1d(firsts, group))[:n]
            found.append((sorted(i for first in group.tolist() for i in copies_of[first]), others.tolist()))
    return found


def recordings(clips: Sequence[Utterance]) -> list[list[int]]:
    """Return which clips are one recording: of one file's digest, made from one clip, or both with a third.

    Args:
        clips: Digests are compared where they are stated; none is computed. Parents are followed as
            :func:`vocalics.manifest.origins` does.

    Returns:
        Each recording's positions, ascending, every clip in one; recordings by their first clip.
    """
    first: dict[tuple[int, str], int] = {}
    before = list(range(len(clips)))  # an earlier clip of the same recording, or the clip itself

    def root(i: int) -> int:
        while before[i] != i:
            before[i] = before[before[i]]
            i = before[i]
        return i

    for i, own in enumerate(zip((u.digest for u in clips), origins(clips), strict=True)):
        for key in enumerate(own):
            if key[1]:
                low, high = sorted((root(first.setdefault(key, i)), root(i)))
                before[high] = low
    found: dict[int, list[int]] = {}
    for i in range(len(clips)):
        found.setdefault(root(i), []).append(i)
    return list(found.values())
