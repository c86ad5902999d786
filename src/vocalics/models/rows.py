"""Nets over rows of features whose clips are drawn by weight, and mixed.

With corpora of very different sizes, and copies of every clip, an epoch is so many draws rather than every row once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vocalics.models.neural import NeuralClassifier


@dataclass(frozen=True)
class RowAugmentation:
    """How a batch of rows is changed.

    Attributes:
        mixup: The parameter of the beta distribution by which every row and its target are mixed with another's (Zhang
            et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018); 0 turns it off.
    """

    mixup: float = 0.0


class RowClassifier(NeuralClassifier):
    """A net over rows, see the module's text.

    Args:
        module: As for :class:`NeuralClassifier`.
        augmentation: What is done to training batches.
        weights: The probability with which each training row is drawn (any scale); ``None`` is equal.
        draws: Rows drawn per epoch; 0 means as many as there are.
        **settings: As for :class:`NeuralClassifier`.
    """

    def __init__(
        self,
        module: Any,
        *,
        augmentation: RowAugmentation | None = None,
        weights: npt.NDArray[np.float64] | None = None,
        draws: int = 0,
        **settings: Any,
    ) -> None:
        self.augmentation = augmentation
        self.weights = weights
        self.draws = draws
        super().__init__(module, **settings)

    def get_iterator(self, dataset: Any, training: bool = False) -> Iterable[Any]:
        """Return the batches; each pass over those that train is another epoch, drawn by torch's seed of that epoch."""
        if not training:
            batches: Iterable[Any] = super().get_iterator(dataset)
            return batches
        rows = np.asarray(dataset.X, np.float32)
        return _Draws(
            torch.from_numpy(rows),
            torch.eye(len(self.classes))[torch.as_tensor(np.asarray(dataset.y))],
            np.ones(len(rows)) if self.weights is None else np.asarray(self.weights, np.float64),
            self.draws or len(rows),
            min(self.batch_size, self.draws or len(rows)),
            (self.augmentation or RowAugmentation()).mixup,
        )


@dataclass(frozen=True, eq=False)
class _Draws:
    """Batches that are drawn anew at every pass; of a rest that fills no batch nothing is made."""

    rows: Tensor
    targets: Tensor
    weights: npt.NDArray[np.float64]
    n_draws: int
    batch_size: int
    mixup: float

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        rng = np.random.default_rng(torch.initial_seed())
        drawn = rng.choice(len(self.rows), size=self.n_draws, p=self.weights / self.weights.sum())
        for start in range(0, self.n_draws - self.batch_size + 1, self.batch_size):
            chosen = torch.from_numpy(drawn[start : start + self.batch_size])
            rows, targets = self.rows[chosen], self.targets[chosen]
            if self.mixup:
                share = torch.from_numpy(rng.beta(self.mixup, self.mixup, (len(chosen), 1)).astype(np.float32))
                other = torch.from_numpy(rng.permutation(len(chosen)))
                rows = share * rows + (1 - share) * rows[other]
                targets = share * targets + (1 - share) * targets[other]
            yield rows, targets
