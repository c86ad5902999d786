"""Recurrent nets: what they hear, how they start, what settings cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from vocalics.errors import RecipeError
from vocalics.models import model_spec
from vocalics.models.keras_layers import n_parameters
from vocalics.models.neural import NeuralClassifier
from vocalics.models.recurrent import cnn_lstm, lstm


def test_the_parameter_counts_are_the_sums_of_the_layers() -> None:
    def recurrent(n_in: int, width: int) -> int:
        return 2 * 4 * width * (n_in + width + 2)  # two directions, four gates, two biases

    read_out = (128 * 64 + 64) + (64 + 1) + (128 * 8 + 8)
    assert n_parameters(lstm()) == 4 * 29 + recurrent(29, 64) + read_out
    front = (29 * 64 * 5 + 4 * 64) + (64 * 96 * 5 + 4 * 96)
    assert n_parameters(cnn_lstm()) == front + recurrent(96, 64) + read_out
    assert 100_000 < n_parameters(cnn_lstm()) < 300_000


def test_the_state_starts_open_to_memory_and_without_bias() -> None:
    torch.manual_seed(0)
    layer = lstm(width=16).lstm
    bias = (layer.bias_ih_l0 + layer.bias_hh_l0).detach()
    assert bias[16:32].tolist() == [1.0] * 16
    assert bias[:16].abs().sum() == bias[32:].abs().sum() == 0
    gate = layer.weight_hh_l0[:16].detach()
    torch.testing.assert_close(gate @ gate.T, torch.eye(16))
    assert layer.weight_ih_l0.std() > 0


@pytest.mark.parametrize("name", ["lstm", "cnn_lstm"])
def test_the_order_of_frames_matters(name: str) -> None:
    torch.manual_seed(0)
    net = model_spec(name).build(4).eval()
    frames = torch.randn(2, 29, 300)
    with torch.no_grad():
        assert (net(frames) - net(frames.flip(2))).abs().max() > 1e-3
        assert torch.equal(net(frames), net(frames))


def test_an_lstm_learns_an_order_that_no_average_can_tell() -> None:
    rng = np.random.default_rng(0)
    rising = np.linspace(-1, 1, 24)
    names = np.array(["rising", "falling"] * 60)
    x = np.stack([np.stack([rising if n == "rising" else -rising] * 2) for n in names]).astype(np.float32)
    x += 0.3 * rng.standard_normal(x.shape).astype(np.float32)
    x -= x.mean(axis=2, keepdims=True)
    classifier = NeuralClassifier(
        lstm,
        classes=["falling", "rising"],
        module__n_classes=2,
        module__shape=(2, 24),
        module__width=8,
        lr=2e-2,
        batch_size=20,
        max_epochs=8,
    )
    assert (classifier.fit(x[:80], names[:80]).predict(x[80:]) == names[80:]).mean() > 0.9


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("lstm", {"width": 0}, r"model_settings.width = 0; expected a whole number from 1 on"),
        ("lstm", {"dropout": 1.0}, r"model_settings.dropout = 1.0; expected a share from 0 to below 1"),
        ("lstm", {"bidirectional": 1}, r"model_settings.bidirectional = 1; expected true or false"),
        ("cnn_lstm", {"channels": [8, 0]}, r"model_settings.channels = 0; expected a whole number from 1 on"),
        ("cnn_lstm", {"channels": [8] * 4, "shape": [4, 10]}, r"halve 10 frames 4 times; expected fewer convolutions"),
    ],
)
def test_settings_that_cannot_be_are_refused(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        model_spec(name).build(4, **settings)
    fitting: dict[str, Any] = {"shape": [4, 16]} if name == "lstm" else {"shape": [4, 16], "channels": [8, 8]}
    assert model_spec(name).build(4, **fitting)(torch.zeros(3, 4, 16)).shape == (3, 4)
