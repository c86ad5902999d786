"""The published nets: printed parameter counts, Keras's padding and pooling, the L2 term."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from vocalics.models.classical import majority
from vocalics.models.cnn1d import cnn1d, cnn1d_deep
from vocalics.models.cnn2d import Cnn2d
from vocalics.models.dense import dense_128, dense_wide
from vocalics.models.keras_layers import SameConv1d, SameMaxPool1d, n_parameters


def conv(kernel: int, n_in: int, n_out: int) -> int:
    return kernel * n_in * n_out + n_out


def dense(n_in: int, n_out: int) -> int:
    return conv(1, n_in, n_out)


def norm(n: int) -> int:
    return 4 * n


CNN1D_DEEP = (
    conv(8, 1, 256) + conv(8, 256, 256) + norm(256)
    + conv(8, 256, 128) + 3 * conv(8, 128, 128) + norm(128)
    + conv(8, 128, 64) + conv(8, 64, 64) + dense(162 // 8 // 8 * 64, 7)
)  # fmt: skip
CNN1D = conv(5, 1, 256) + conv(5, 256, 256) + conv(5, 256, 128) + conv(5, 128, 64) + dense(11 * 64, 32) + dense(32, 8)
CNN2D = conv(9, 1, 32) + 3 * conv(9, 32, 32) + 4 * norm(32) + dense(1 * 13 * 32, 64) + norm(64) + dense(64, 8)
DENSE_128 = dense(268, 128) + dense(128, 128) + dense(128, 64) + 2 * dense(64, 64) + dense(64, 6)
DENSE_WIDE = dense(193, 400) + dense(400, 200) + dense(200, 100) + dense(100, 8)


@pytest.mark.parametrize(
    ("net", "formula", "printed"),
    [
        (cnn1d_deep(7), CNN1D_DEEP, 1_283_591),
        (cnn1d(8), CNN1D, 557_288),
        (Cnn2d(8), CNN2D, 56_040),
        (dense_128(6), DENSE_128, 67_910),
        (dense_wide(8), DENSE_WIDE, 178_708),
    ],
    ids=["cnn1d_deep", "cnn1d", "cnn2d", "dense_128", "dense_wide"],
)
def test_parameter_counts(net: nn.Module, formula: int, printed: int) -> None:
    assert n_parameters(net) == formula == printed


def test_the_printed_count_holds_batch_norms_moving_values() -> None:
    net = cnn1d_deep()
    trainable = sum(p.numel() for p in net.parameters())
    assert n_parameters(net) - trainable == 2 * (256 + 128)


@pytest.mark.parametrize("kernel", [5, 8])
def test_same_convolution_pads_an_odd_rest_on_the_right(kernel: int) -> None:
    layer = SameConv1d(1, 1, kernel)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.bias.zero_()
    signal = np.arange(1.0, 21.0, dtype=np.float32)
    got = layer(torch.from_numpy(signal)[None, None])[0, 0].detach().numpy()
    before = (kernel - 1) // 2
    padded = np.pad(signal, (before, kernel - 1 - before))
    expected = [padded[i : i + kernel].sum() for i in range(20)]
    np.testing.assert_allclose(got, expected)
    mirrored = np.pad(signal, (kernel - 1 - before, before))
    differs = not np.allclose(got, [mirrored[i : i + kernel].sum() for i in range(20)])
    assert differs == (kernel % 2 == 0)


@pytest.mark.parametrize(("n", "expected"), [(162, 81), (81, 41), (41, 21), (21, 11), (1, 1)])
def test_same_pooling_has_the_length_and_alignment_of_keras(n: int, expected: int) -> None:
    signal = -np.arange(1.0, n + 1, dtype=np.float32)[None, None]
    got = SameMaxPool1d(5, 2)(torch.from_numpy(signal)).numpy()[0, 0]
    assert len(got) == expected
    before = max((expected - 1) * 2 + 5 - n, 0) // 2
    firsts = [max(0, 2 * i - before) for i in range(expected)]
    # Values fall, so that each window's maximum is its first real sample; padding never wins though all are negative.
    np.testing.assert_array_equal(got, signal[0, 0, firsts])


def test_batch_norm_is_as_in_keras() -> None:
    norms = [m for m in Cnn2d().modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert len(norms) == 5
    assert {(m.eps, m.momentum) for m in norms} == {(1e-3, 0.01)}


def test_dropout_stands_where_it_is_printed() -> None:
    def shares(net: nn.Module) -> list[float]:
        return [m.p for m in net.modules() if isinstance(m, nn.Dropout)]

    assert shares(cnn1d_deep()) == [0.25] * 3
    assert shares(cnn1d()) == [0.2, 0.3]
    assert shares(dense_wide()) == [0.2] * 3
    assert shares(dense_128()) == []


def test_l2_holds_the_last_four_hidden_layers_only() -> None:
    net = dense_128(l2=0.5)
    linear = [m for m in net.modules() if isinstance(m, nn.Linear)]
    expected = 0.5 * sum(float((m.weight**2).sum().detach()) for m in linear[1:5])
    assert float(net.l2_penalty().detach()) == pytest.approx(expected, rel=1e-5)
    net.l2_penalty().backward()
    assert [m.weight.grad is not None for m in linear] == [False, True, True, True, True, False]
    assert not hasattr(dense_wide(), "l2_penalty")


def test_majority_names_the_most_frequent_class() -> None:
    features, truth = np.random.default_rng(0).normal(size=(10, 3)), np.array([0, 1, 1, 1, 2, 2, 0, 1, 1, 2])
    classifier = majority().fit(features, truth)
    assert set(classifier.predict(features)) == {1}
