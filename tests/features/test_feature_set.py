"""The named sets: their columns, sizes and excerpts."""

from __future__ import annotations

import fakes
import numpy as np
import pytest
from feature_clips import EDGE_CASES

from vocalics.audio import Clip, resample
from vocalics.errors import FeatureError
from vocalics.features.feature_set import FEATURE_SETS, feature_set

SIZES = {
    "zcr_chroma_mfcc_rms_mel": (162,),
    "mfcc_chroma_mel": (268,),
    "mfcc_chroma_mel_contrast_tonnetz": (193,),
    "mfcc_frames": (25, 216),
    "mfcc_pitch_energy_frames": (29, None),
    "mfcc_pitch_energy_fixed": (29, 300),
    "mfcc_pitch_energy_statistics": (148,),
    "logmel": (64, None),
}


def test_the_sets_have_their_sizes() -> None:
    assert {name: s.shape for name, s in FEATURE_SETS.items()} == SIZES
    for name, features in FEATURE_SETS.items():
        assert features.name == name
        assert len(features.columns) == len(set(features.columns)) == features.shape[0]


def test_columns_stand_in_the_order_of_the_name() -> None:
    columns = feature_set("zcr_chroma_mfcc_rms_mel").columns
    assert (columns[0], columns[1], columns[13], columns[33], columns[34], columns[161]) == (
        "zcr",
        "chroma_c",
        "mfcc_0",
        "rms",
        "mel_0",
        "mel_127",
    )


@pytest.mark.parametrize("case", EDGE_CASES)
@pytest.mark.parametrize("name", SIZES)
def test_every_edge_case_gives_finite_values(name: str, case: str) -> None:
    values = feature_set(name).extract(EDGE_CASES[case])
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    assert len(values.shape) == len(SIZES[name])
    assert all(wanted in (None, n) for n, wanted in zip(values.shape, SIZES[name], strict=True))


@pytest.mark.parametrize("name", SIZES)
def test_features_tell_sounds_apart_and_repeat_themselves(name: str) -> None:
    features, clip = feature_set(name), EDGE_CASES["voice"]
    np.testing.assert_array_equal(features.extract(clip), features.extract(clip))
    other = Clip(EDGE_CASES["loud"].samples, clip.sample_rate)
    first, second = features.extract(clip), features.extract(other)
    assert first.shape != second.shape or np.abs(first - second).max() > 0.01


def test_the_excerpt_is_what_the_name_says() -> None:
    features = feature_set("zcr_chroma_mfcc_rms_mel")
    rng = np.random.default_rng(1)
    long = (0.1 * rng.standard_normal(5 * 22_050)).astype(np.float32)
    changed = long.copy()
    changed[:13_000] = 0.9
    changed[13_230 + 55_125 :] = -0.9
    np.testing.assert_array_equal(features.extract(Clip(long, 22_050)), features.extract(Clip(changed, 22_050)))
    changed[30_000:40_000] = 0
    assert np.abs(features.extract(Clip(long, 22_050)) - features.extract(Clip(changed, 22_050))).max() > 1e-3


@pytest.mark.parametrize(("name", "seconds"), [("zcr_chroma_mfcc_rms_mel", 0.71), ("mfcc_frames", 0.58)])
def test_a_short_clip_is_cut_alike_at_every_rate(name: str, seconds: float) -> None:
    """What trains is cut at the file's rate, what is judged after resampling."""
    features = feature_set(name)
    clip = fakes.voice(seconds)
    resampled = resample(clip, features.sample_rate)
    assert features.excerpt(clip).duration == pytest.approx(features.excerpt(resampled).duration, abs=1e-3)
    # The edges of what is cut before it is resampled are a little others.
    assert np.abs(features.extract(clip) - features.extract(resampled)).mean() < 0.5


def test_unvoiced_frames_have_no_f0() -> None:
    features = feature_set("mfcc_pitch_energy_frames")
    row = features.columns.index("f0")
    noise = Clip((0.1 * np.random.default_rng(0).standard_normal(16_000)).astype(np.float32), 16_000)
    assert (features.extract(noise)[row] == 0).all()
    assert features.extract(EDGE_CASES["voice"])[row].max() == pytest.approx(160, rel=0.05)


def test_an_empty_clip_and_an_unknown_name_are_refused() -> None:
    with pytest.raises(FeatureError, match="logmel: the clip holds no samples"):
        feature_set("logmel").extract(Clip(np.zeros(0, np.float32), 16_000))
    with pytest.raises(FeatureError, match=r'unknown feature set "log_mel"; did you mean "logmel"\?'):
        feature_set("log_mel")


def test_absurd_levels_are_refused_by_column() -> None:
    with (
        pytest.raises(FeatureError, match="is not finite; check the clip for absurd levels"),
        np.errstate(all="ignore"),
    ):
        feature_set("logmel").extract(Clip(np.full(4_000, 1e30, np.float32), 16_000))
