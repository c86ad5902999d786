"""The default net's graph: the same numbers as its parts in NumPy and torch."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from vocalics.audio import Clip
from vocalics.export import waveform
from vocalics.features.logmel import LogMel
from vocalics.logmel_bank import spectrogram
from vocalics.models.logmel_cnn import LogMelCnn

RATE = 16_000


def session(model: object) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model.SerializeToString())  # type: ignore[attr-defined]


def sounds() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    t = np.arange(3 * RATE) / RATE
    chirp = 0.3 * np.sin(2 * np.pi * (100 + 400 * t) * t) + 1e-3 * rng.standard_normal(len(t))
    return [x.astype(np.float32) for x in (chirp, chirp[:8001], 1e-3 * chirp, rng.standard_normal(20_000))]


@pytest.fixture(scope="module")
def net() -> LogMelCnn:
    torch.manual_seed(0)
    module = LogMelCnn(channels=(4, 8, 8, 8), n_hidden=8)
    module.train()
    for _ in range(3):  # so that batch norm's statistics are not their initial ones
        module(5 * torch.randn(8, 64, 80) - 10)
    return module.eval()


@pytest.mark.parametrize("settings", [LogMel(), LogMel(frame_length=320, hop_length=200, n_fft=512, n_mels=40)])
def test_front_end_equals_numpy(settings: LogMel) -> None:
    graph = session(waveform.front_end(settings))
    for samples in [*sounds(), np.ones(100, np.float32)]:
        got = graph.run(None, {"waveform": samples[None]})[0][0]
        expected = spectrogram(Clip(samples, RATE), settings)
        assert got.shape == expected.shape
        # Bands without sound hold rounding noise around the floor; power, not its logarithm, is compared there.
        np.testing.assert_allclose(np.exp(got), np.exp(expected), rtol=1e-3, atol=1e-6 * np.exp(expected).max())
        loud = expected > expected.max() - 15
        assert loud.any()
        np.testing.assert_allclose(got[loud], expected[loud], atol=1e-3)


def test_graph_equals_torch(net: LogMelCnn) -> None:
    graph = session(waveform.from_torch(net, LogMel()))
    seen = []
    for samples in sounds():
        got = graph.run(None, {"waveform": samples[None]})[0][0]
        with torch.inference_mode():
            log_mel = torch.from_numpy(spectrogram(Clip(samples, RATE), LogMel()))[None]
            expected = torch.softmax(net(log_mel), dim=1)[0].numpy()
        np.testing.assert_allclose(got, expected, atol=1e-5)
        assert got.sum() == pytest.approx(1.0, abs=1e-5)
        seen.append(got)
    assert np.abs(seen[0] - seen[3]).max() > 1e-3


def test_level_cannot_matter(net: LogMelCnn) -> None:
    graph = session(waveform.from_torch(net, LogMel()))
    samples = sounds()[0]
    loud, quiet = (graph.run(None, {"waveform": (g * samples)[None]})[0][0] for g in (np.float32(1), np.float32(0.01)))
    np.testing.assert_allclose(loud, quiet, atol=1e-5)


def test_a_batch_equals_its_clips(net: LogMelCnn) -> None:
    graph = session(waveform.from_torch(net, LogMel()))
    rng = np.random.default_rng(1)
    batch = rng.standard_normal((3, RATE)).astype(np.float32) * np.array([[1.0], [0.1], [0.5]], np.float32)
    together = graph.run(None, {"waveform": batch})[0]
    for row, samples in zip(together, batch, strict=True):
        np.testing.assert_allclose(row, graph.run(None, {"waveform": samples[None]})[0][0], atol=1e-5)


def test_export_leaves_the_net_as_it_was(net: LogMelCnn) -> None:
    net.train()
    waveform.from_torch(net, LogMel())
    assert net.training and net.normalise.training
    net.eval()
    waveform.from_torch(net, LogMel())
    assert not any(part.training for part in net.modules())


def test_the_file_holds_the_weights_and_little_else() -> None:
    net = LogMelCnn()
    n_parameters = sum(p.numel() for p in net.parameters())
    assert n_parameters <= 600_000
    size = len(waveform.from_torch(net, LogMel()).SerializeToString())
    assert 4 * n_parameters * 0.98 < size < 4 * n_parameters + 120_000
