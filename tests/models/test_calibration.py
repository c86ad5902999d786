"""Temperature scaling: what is most likely is found, what is most probable stays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from vocalics.metrics import expected_calibration_error
from vocalics.models.calibration import LIMITS, Tempered, temperature


def softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("true", [0.4, 1.0, 2.5])
def test_the_temperature_that_the_labels_were_drawn_with_is_found(true: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=2.0, size=(20_000, 5))
    truth = np.array([rng.choice(5, p=row) for row in softmax(logits / true)])
    found = temperature(softmax(logits), truth)
    assert found == pytest.approx(true, rel=0.05)
    before, after = (expected_calibration_error(softmax(logits / t), truth) for t in (1.0, found))
    assert after < 0.012 and (true == 1.0 or before > 3 * after)


def test_it_is_the_minimum_of_the_loss() -> None:
    rng = np.random.default_rng(1)
    logits, truth = rng.normal(size=(50, 4)), rng.integers(0, 4, 50)
    truth[:30] = logits[:30].argmax(axis=1)

    def loss(t: float) -> float:
        return -float(np.log(softmax(logits / t)[np.arange(50), truth]).mean())

    expected = minimize_scalar(loss, bounds=LIMITS, method="bounded", options={"xatol": 1e-6}).x
    assert temperature(softmax(logits), truth) == pytest.approx(expected, abs=1e-3)


def test_classes_that_a_clip_cannot_be_of_are_not_there() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(scale=2.0, size=(4_000, 5))
    few = rng.random(4_000) < 0.6  # of these clips, the first three classes are all there are
    among = np.ones((4_000, 5), bool)
    among[few, 3:] = False
    truth = np.array([rng.choice(5, p=row) for row in softmax(np.where(among, logits / 1.6, -np.inf))])
    found = temperature(softmax(logits), truth, among=among)
    assert found == pytest.approx(1.6, rel=0.05)
    assert temperature(softmax(logits), truth) > 1.2 * found  # what was said of the others passes for mistakes
    by_hand = softmax(logits[few][:, :3])
    assert temperature(softmax(logits[few]), truth[few], among=among[few]) == pytest.approx(
        temperature(by_hand, truth[few]), rel=1e-6
    )


def test_it_stays_within_its_limits() -> None:
    sure = np.array([[0.99, 0.01], [0.01, 0.99]])
    assert temperature(sure, [0, 1]) == LIMITS[0] and temperature(sure, [1, 0]) == LIMITS[1]


def test_a_tempered_net_names_the_same_classes() -> None:
    net, x = torch.nn.Linear(4, 3), torch.randn(10, 4)
    with torch.inference_mode():
        torch.testing.assert_close(Tempered(net, 2.0)(x) * 2, net(x))
