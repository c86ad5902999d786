"""SpecAugment and mixup on plain arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocalics.augment import mask_spectrogram, mixup, mixup_share
from vocalics.errors import FeatureError


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 30), st.integers(1, 60), st.integers(0, 40), st.integers(0, 80), st.integers(0, 2**16))
def test_masks_are_whole_bands_and_stretches(bands: int, frames: int, widest: int, longest: int, seed: int) -> None:
    log_mel = np.random.default_rng(seed).standard_normal((bands, frames)).astype(np.float32)
    before = log_mel.copy()
    masked = mask_spectrogram(
        log_mel, np.random.default_rng(seed), frequency_mask=widest, time_mask=longest, fill=-99.0
    )
    assert np.array_equal(log_mel, before) and masked.dtype == np.float32 and masked.shape == log_mel.shape
    hidden = masked == -99.0
    assert np.array_equal(masked[~hidden], log_mel[~hidden])
    rows, columns = hidden.all(axis=1), hidden.all(axis=0)
    assert np.array_equal(hidden, rows[:, None] | columns[None])
    if not rows.all() and not columns.all():
        assert rows.sum() <= 2 * min(widest, bands) and columns.sum() <= 2 * min(longest, frames)


def test_masks_vary_and_can_be_off() -> None:
    log_mel = np.random.default_rng(0).standard_normal((64, 300))
    sizes = [
        int((mask_spectrogram(log_mel, np.random.default_rng(s), time_masks=0, fill=-99.0) == -99).all(axis=1).sum())
        for s in range(200)
    ]
    assert min(sizes) < 3 and max(sizes) > 15
    assert np.mean(sizes) == pytest.approx(10 - 25 / 64, abs=0.7), "two masks of 5 on average, which may overlap"
    plain = mask_spectrogram(log_mel, np.random.default_rng(0), frequency_masks=0, time_masks=0)
    assert np.array_equal(plain, log_mel) and plain is not log_mel
    filled = mask_spectrogram(log_mel, np.random.default_rng(1))
    assert np.isclose(filled, log_mel.mean()).any(axis=1).all()
    for wrong in (np.zeros(5), np.zeros((0, 4)), np.zeros((1, 2, 3))):
        with pytest.raises(FeatureError, match=r"is no spectrogram; expected \(n_bands, n_frames\)"):
            mask_spectrogram(wrong, np.random.default_rng(0))


def test_mixup_is_between_the_two() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, 4, 7)).astype(np.float32)
    mixed = mixup(one, other, 0.3)
    np.testing.assert_allclose(mixed, 0.3 * one + 0.7 * other, rtol=1e-6)
    assert mixed.dtype == np.float32
    assert np.array_equal(mixup(one, other, 1.0), one) and np.array_equal(mixup(one, other, 0.0), other)
    target = mixup(np.eye(8)[2], np.eye(8)[5], 0.8)
    assert target.sum() == pytest.approx(1) and target.argmax() == 2
    with pytest.raises(FeatureError, match=r"shapes \(4, 7\) and \(4, 6\) cannot be mixed"):
        mixup(one, other[:, 1:], 0.5)
    with pytest.raises(FeatureError, match="share 2 is out of range"):
        mixup(one, other, 2)


def test_the_share_leans_to_the_first() -> None:
    rng = np.random.default_rng(0)
    shares = [mixup_share(0.3, rng) for _ in range(4000)]
    assert min(shares) >= 0.5 and max(shares) <= 1
    even = [mixup_share(1.0, rng) for _ in range(4000)]
    assert np.mean(even) == pytest.approx(0.75, abs=0.01)
    assert np.mean(shares) > np.mean(even) + 0.05
    with pytest.raises(FeatureError, match="alpha 0 is out of range; expected above 0"):
        mixup_share(0, rng)
