"""Nets over rows of features whose clips are drawn by weight, and mixed.

With corpora of very different sizes, and copies of every clip, an epoch is so many draws rather than every row once.
A net that is to get used to voices (:mod:`vocalics.voices`) is trained on rows from which voices are taken away, each
as far as it is known from some rows of its speaker, drawn anew in every epoch: few or many, of all emotions or of one
or two. A row may be among those that tell of its own voice: of many speakers with many clips, that is little.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vocalics.errors import RecipeError
from vocalics.models.neural import NeuralClassifier
from vocalics.voices import PRIOR, centres

_ONE_SIDED = 0.4
"""Of known voices, the share that is known from clips of one or two emotions alone."""
_MISTAKEN = 0.2
"""Of the clips by which a voice is known, the share whose emotion is taken for another one, as a net would."""


@dataclass(frozen=True)
class RowAugmentation:
    """How a batch of rows is changed.

    Attributes:
        mixup: The parameter of the beta distribution by which every row and its target are mixed with another's (Zhang
            et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018); 0 turns it off.
        voice: The share of speakers whose voice is known in an epoch; 0 turns it off.
    """

    mixup: float = 0.0
    voice: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a share that is none."""
        if not 0 <= self.voice <= 1:
            raise RecipeError(f"voice = {self.voice:g} is no share of speakers; expected 0 to 1")


class RowClassifier(NeuralClassifier):
    """A net over rows, see the module's text.

    Args:
        module: As for :class:`NeuralClassifier`.
        augmentation: What is done to training batches.
        weights: The probability with which each training row is drawn (any scale); ``None`` is equal.
        draws: Rows drawn per epoch; 0 means as many as there are.
        speakers: Whose each training row is, where voices are taken away; "" where that is not known.
        originals: Which training rows are no copies of others; ``None``: all.
        **settings: As for :class:`NeuralClassifier`.
    """

    def __init__(
        self,
        module: Any,
        *,
        augmentation: RowAugmentation | None = None,
        weights: npt.NDArray[np.float64] | None = None,
        draws: int = 0,
        speakers: npt.NDArray[np.str_] | None = None,
        originals: npt.NDArray[np.bool_] | None = None,
        **settings: Any,
    ) -> None:
        self.augmentation = augmentation
        self.weights = weights
        self.draws = draws
        self.speakers = speakers
        self.originals = originals
        super().__init__(module, **settings)

    def initialize(self) -> NeuralClassifier:
        """Begin anew: other rows are of other voices."""
        self._voices = None
        return super().initialize()

    def get_iterator(self, dataset: Any, training: bool = False) -> Iterable[Any]:
        """Return the batches; each pass over those that train is another epoch, drawn by torch's seed of that epoch."""
        if not training:
            batches: Iterable[Any] = super().get_iterator(dataset)
            return batches
        rows, change = np.asarray(dataset.X, np.float32), self.augmentation or RowAugmentation()
        voices = None
        if change.voice and self.speakers is not None:
            if self._voices is None:
                self._voices = _Voices.of(rows, np.asarray(dataset.y), self.speakers, self.originals, change.voice)
            voices = self._voices
        return _Draws(
            torch.from_numpy(rows),
            torch.eye(len(self.classes))[torch.as_tensor(np.asarray(dataset.y))],
            np.ones(len(rows)) if self.weights is None else np.asarray(self.weights, np.float64),
            self.draws or len(rows),
            min(self.batch_size, self.draws or len(rows)),
            change.mixup,
            voices,
        )

    _voices: _Voices | None = None


@dataclass(frozen=True, eq=False)
class _Draws:
    """Batches that are drawn anew at every pass; of a rest that fills no batch nothing is made."""

    rows: Tensor
    targets: Tensor
    weights: npt.NDArray[np.float64]
    n_draws: int
    batch_size: int
    mixup: float
    voices: _Voices | None = None

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        rng = np.random.default_rng(torch.initial_seed())
        drawn = rng.choice(len(self.rows), size=self.n_draws, p=self.weights / self.weights.sum())
        offsets = None if self.voices is None else torch.from_numpy(self.voices.drawn(rng))
        for start in range(0, self.n_draws - self.batch_size + 1, self.batch_size):
            chosen = torch.from_numpy(drawn[start : start + self.batch_size])
            rows, targets = self.rows[chosen], self.targets[chosen]
            if self.voices is not None and offsets is not None:
                rows = rows - offsets[torch.from_numpy(self.voices.of_row[chosen.numpy()])]
            if self.mixup:
                share = torch.from_numpy(rng.beta(self.mixup, self.mixup, (len(chosen), 1)).astype(np.float32))
                other = torch.from_numpy(rng.permutation(len(chosen)))
                of_rows = share.reshape(-1, *[1] * (rows.ndim - 1))
                rows = of_rows * rows + (1 - of_rows) * rows[other]
                targets = share * targets + (1 - share) * targets[other]
            yield rows, targets


@dataclass(frozen=True, eq=False)
class _Voices:
    """What is known of training speakers' voices, drawn anew in every epoch.

    Attributes:
        rows: Shape (n_rows, n).
        truth: Position of each one's emotion.
        of_row: Position of each one's speaker; the last position is "not known".
        by_speaker: By speaker, the positions of rows: all of them, and those that are no copies.
        centres: Of every emotion, voices taken away.
        share: Of speakers whose voice is known.
    """

    rows: npt.NDArray[np.float32]
    truth: npt.NDArray[np.int64]
    of_row: npt.NDArray[np.int64]
    by_speaker: tuple[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]], ...]
    centres: npt.NDArray[np.float32]
    share: float

    @classmethod
    def of(
        cls,
        rows: npt.NDArray[np.float32],
        truth: npt.NDArray[Any],
        speakers: npt.NDArray[np.str_],
        originals: npt.NDArray[np.bool_] | None,
        share: float,
    ) -> _Voices:
        plain = np.ones(len(rows), bool) if originals is None else originals
        position = truth.astype(np.int64)
        names = sorted({str(s) for s in speakers} - {""})
        of_row = np.array([names.index(str(s)) if s else len(names) for s in speakers])
        found = centres(rows[plain], position[plain], speakers[plain], int(position.max()) + 1)
        own = [np.flatnonzero(of_row == k) for k in range(len(names))]
        return cls(rows, position, of_row, tuple((q, q[plain[q]]) for q in own), found, share)

    def drawn(self, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """Return an offset for every speaker, and one of 0 for the unknown, shape (n_speakers + 1, n)."""
        offsets = np.zeros((len(self.by_speaker) + 1, self.rows.shape[1]), np.float32)
        for k, (every, plain) in enumerate(self.by_speaker):
            if rng.random() >= self.share or len(plain) < 2:  # a clip alone would tell of itself, with its label
                continue
            # Known from clean clips as often as from any.
            among = plain if len(plain) and rng.random() < 0.5 else every
            most = int(np.exp(rng.uniform(0, np.log(len(among) + 0.99))))
            if rng.random() < _ONE_SIDED:
                known = rng.choice(np.unique(self.truth[among]), size=int(rng.integers(1, 3)))
                among = among[np.isin(self.truth[among], known)]
            chosen = rng.choice(among, size=min(most, len(among)), replace=False)
            heard = self.truth[chosen]
            mistaken = rng.random(len(heard)) < _MISTAKEN
            heard = np.where(mistaken, rng.choice(self.truth[every], size=len(heard)), heard)
            left = (self.rows[chosen] - self.centres[heard]).sum(axis=0)
            offsets[k] = left / np.float32(len(chosen) + PRIOR)
        return offsets
