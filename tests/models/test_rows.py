"""Nets over rows that are drawn by weight and mixed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from vocalics.models.rows import RowAugmentation, RowClassifier

CLASSES = ["calm", "angry"]


def classifier(**settings: object) -> RowClassifier:
    return RowClassifier(
        nn.Linear, module__in_features=2, module__out_features=2, classes=CLASSES, batch_size=8, lr=0.05, **settings
    )


class Flat(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(40, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.map(x.flatten(1))
        return found


def rows(n: int = 64, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two numbers, of which the first tells the class."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 2)).astype(np.float32)
    return x, np.array(CLASSES)[(x[:, 0] > 0).astype(int)]


def batches(net: RowClassifier, x: np.ndarray, y: np.ndarray, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    net.initialize()
    torch.manual_seed(seed)
    found = list(net.get_iterator(net.get_dataset(x, net.encode(y)), training=True))
    return torch.cat([b[0] for b in found]), torch.cat([b[1] for b in found])


def test_an_epoch_is_so_many_draws_by_weight() -> None:
    x, y = rows()
    weights = np.where(np.arange(64) < 4, 1.0, 0.0)
    drawn, targets = batches(classifier(weights=weights, draws=400), x, y)
    assert len(drawn) == 400
    assert {tuple(r) for r in drawn.tolist()} == {tuple(r) for r in x[:4].tolist()}
    assert (targets.argmax(1).numpy() == (drawn[:, 0] > 0).numpy()).all()


def test_epochs_follow_from_the_seed() -> None:
    x, y = rows()
    first, again, other = (batches(classifier(draws=64), x, y, seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_mixed_rows_lie_between_two_and_their_targets_with_them() -> None:
    x, _ = rows()
    x[:, 1] = x[:, 0] > 0  # so that a row says what its target is
    y = np.array(CLASSES)[x[:, 1].astype(int)]
    drawn, targets = batches(classifier(augmentation=RowAugmentation(mixup=0.5), draws=256), x, y)
    assert torch.allclose(drawn[:, 1], targets[:, 1], atol=1e-6)
    assert torch.allclose(targets.sum(1), torch.ones(256), atol=1e-6)
    assert 0.2 < float(((targets > 0.02) & (targets < 0.98)).any(dim=1).float().mean()) < 0.9


def test_matrices_are_mixed_clip_by_clip() -> None:
    """Also where there are as many rows as clips in a batch."""
    x = np.zeros((32, 8, 5), np.float32)
    x[::2] = 1.0
    y = np.array(CLASSES)[(x[:, 0, 0] > 0).astype(int)]
    net = RowClassifier(Flat, classes=CLASSES, batch_size=8, lr=0.05, augmentation=RowAugmentation(mixup=0.5), draws=64)
    drawn, targets = batches(net, x, y)
    assert drawn.shape == (64, 8, 5) and torch.allclose(drawn.amax((1, 2)), drawn.amin((1, 2)))
    assert torch.allclose(drawn[:, 0, 0], targets[:, 1], atol=1e-6)


@pytest.mark.parametrize("mixup", [0.0, 0.3])
def test_it_learns(mixup: float) -> None:
    x, y = rows(256)
    net = classifier(augmentation=RowAugmentation(mixup=mixup), draws=512, max_epochs=15)
    net.fit(x, y)
    unheard, truth = rows(256, seed=1)
    assert (net.predict(unheard) == truth).mean() > 0.95
    np.testing.assert_allclose(net.predict_proba(unheard).sum(axis=1), 1, atol=1e-5)
