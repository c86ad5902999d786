"""librosa as the oracle.

Compared is every feature by itself: the largest difference over its frames against the largest magnitude of the same
feature (row by row where the rows are different things, over the matrix where they are one spectrum), at most 1e-4.
Chroma's and contrast's rows share one scale, and so do the mel bands.
"""

from __future__ import annotations

import warnings

import librosa
import numpy as np
import pytest
from feature_clips import EDGE_CASES, corpus_clips

from vocalics.audio import Clip
from vocalics.features import chroma, constant_q, prosody, spectral, tonnetz
from vocalics.features.feature_set import feature_set
from vocalics.features.logmel import LogMel
from vocalics.features.spectrum import spectrum

pytestmark = pytest.mark.slow

TOLERANCE = 1e-4


def oracle(function, *args, **kwargs):
    """Call librosa without its remarks on short or silent clips."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference relative to the feature's largest magnitude."""
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    return float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-10))


def magnitudes(clip: Clip) -> np.ndarray:
    return np.abs(oracle(librosa.stft, clip.samples))


F = librosa.feature
PAIRS = {
    "spectrum": (lambda c: spectrum(c).magnitude, magnitudes),
    "zero_crossing_rate": (prosody.zero_crossing_rate, lambda c: F.zero_crossing_rate(c.samples)[0]),
    "rms": (prosody.rms, lambda c: F.rms(y=c.samples)[0]),
    "mel_spectrogram": (spectral.mel_spectrogram, lambda c: F.melspectrogram(y=c.samples, sr=c.sample_rate)),
    "log_mel": (
        spectral.log_mel,
        lambda c: librosa.power_to_db(F.melspectrogram(y=c.samples, sr=c.sample_rate)),
    ),
    "mfcc": (spectral.mfcc, lambda c: F.mfcc(y=c.samples, sr=c.sample_rate)),
    "mfcc_40": (lambda c: spectral.mfcc(c, 40), lambda c: F.mfcc(y=c.samples, sr=c.sample_rate, n_mfcc=40)),
    "chroma_stft": (chroma.chroma_stft, lambda c: F.chroma_stft(S=magnitudes(c), sr=c.sample_rate)),
    "spectral_contrast": (
        spectral.spectral_contrast,
        lambda c: F.spectral_contrast(S=magnitudes(c), sr=c.sample_rate),
    ),
    "spectral_centroid": (
        spectral.spectral_centroid,
        lambda c: F.spectral_centroid(S=magnitudes(c), sr=c.sample_rate)[0],
    ),
    "spectral_bandwidth": (
        spectral.spectral_bandwidth,
        lambda c: F.spectral_bandwidth(S=magnitudes(c), sr=c.sample_rate)[0],
    ),
    "spectral_rolloff": (
        spectral.spectral_rolloff,
        lambda c: F.spectral_rolloff(S=magnitudes(c), sr=c.sample_rate)[0],
    ),
    "chroma_cqt": (constant_q.chroma_cqt, lambda c: F.chroma_cqt(y=c.samples, sr=c.sample_rate)),
    "harmonic": (lambda c: tonnetz.harmonic(c).samples, lambda c: librosa.effects.harmonic(c.samples)),
}


@pytest.mark.parametrize("case", EDGE_CASES)
@pytest.mark.parametrize("name", PAIRS)
def test_edge_cases(name: str, case: str) -> None:
    ours, theirs = PAIRS[name]
    clip = EDGE_CASES[case]
    assert difference(np.asarray(ours(clip)), oracle(theirs, clip)) <= TOLERANCE


@pytest.mark.parametrize("name", PAIRS)
def test_the_comparison_can_fail(name: str) -> None:
    """Two different sounds do not pass for one another."""
    ours, theirs = PAIRS[name]
    voice, noise = EDGE_CASES["voice"], Clip(EDGE_CASES["odd_length"].samples[:12_000], 22_050)
    assert difference(np.asarray(ours(Clip(voice.samples[:12_000], 22_050))), oracle(theirs, noise)) > 100 * TOLERANCE


@pytest.mark.corpus
@pytest.mark.parametrize("name", PAIRS)
def test_fifty_real_clips(name: str) -> None:
    ours, theirs = PAIRS[name]
    clips = corpus_clips()
    assert len(clips) == 50
    worst = {path: difference(np.asarray(ours(clip)), oracle(theirs, clip)) for path, clip in clips}
    assert max(worst.values()) <= TOLERANCE, max(worst, key=worst.__getitem__)


def test_delta() -> None:
    values = spectral.mfcc(EDGE_CASES["voice"])
    for order in (1, 2):
        ours, theirs = spectral.delta(values, order=order), F.delta(values, order=order)
        assert difference(ours, theirs) <= TOLERANCE
        assert np.abs(ours).max() > 0.1


def test_tonnetz_of_the_harmonic_part() -> None:
    clip = EDGE_CASES["voice"]
    theirs = oracle(lambda: F.tonnetz(y=librosa.effects.harmonic(clip.samples), sr=clip.sample_rate))
    assert np.abs(tonnetz.tonnetz(clip) - theirs).max() <= 1e-4 * np.abs(theirs).max()
    assert theirs.std() > 0.01


@pytest.mark.parametrize("case", EDGE_CASES)
@pytest.mark.parametrize("bins_per_octave", [12, 36])
def test_tuning(case: str, bins_per_octave: int) -> None:
    clip = EDGE_CASES[case]
    theirs = oracle(librosa.estimate_tuning, S=magnitudes(clip), sr=clip.sample_rate, bins_per_octave=bins_per_octave)
    assert chroma.tuning_of(clip, bins_per_octave) == pytest.approx(theirs, abs=1e-9)


def notebook_vector(samples: np.ndarray, rate: int) -> np.ndarray:
    """The 162 numbers as the notebooks compute them."""
    parts = (
        F.zero_crossing_rate(y=samples),
        F.chroma_stft(S=np.abs(librosa.stft(samples)), sr=rate),
        F.mfcc(y=samples, sr=rate),
        F.rms(y=samples),
        F.melspectrogram(y=samples, sr=rate),
    )
    return np.concatenate([part.mean(axis=1) for part in parts])


def check_vector(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Every column by itself at 1e-4, but for means that cancel out and bands that hold rounding noise only."""
    gap = np.abs(ours - theirs)
    zcr_chroma, mfcc, loudness, mel = slice(0, 13), slice(13, 33), slice(33, 34), slice(34, 162)
    assert (gap[zcr_chroma] <= TOLERANCE * theirs[zcr_chroma]).all()
    assert (gap[loudness] <= TOLERANCE * theirs[loudness]).all()
    assert (gap[mfcc] <= TOLERANCE * np.maximum(np.abs(theirs[mfcc]), 1)).all()  # dB; a mean near 0 has no scale
    audible = theirs[mel] >= 1e-10 * theirs[mel].max()
    assert (gap[mel][audible] <= TOLERANCE * theirs[mel][audible]).all()
    assert (gap[mel] <= 1e-9 * theirs[mel].max() + TOLERANCE * theirs[mel]).all()


@pytest.mark.parametrize("case", ["odd_length", "loud", "voice", "very_quiet"])
def test_vector_of_162(case: str) -> None:
    clip = EDGE_CASES[case]
    shorter = Clip(clip.samples[:12_000], clip.sample_rate)  # ends before 0.6 s: taken whole
    ours = feature_set("zcr_chroma_mfcc_rms_mel").extract(shorter)
    check_vector(ours, oracle(notebook_vector, shorter.samples, 22_050))
    with pytest.raises(AssertionError):
        check_vector(ours, oracle(notebook_vector, EDGE_CASES["tone"].samples, 22_050))


@pytest.mark.corpus
def test_vector_of_162_on_fifty_real_clips() -> None:
    features = feature_set("zcr_chroma_mfcc_rms_mel")
    clips = corpus_clips(seconds=3.1)
    for _, clip in clips:
        check_vector(features.extract(clip), notebook_vector(clip.samples[13_230 : 13_230 + 55_125], 22_050))
    assert len(clips) == 50


@pytest.mark.corpus
def test_other_sets_on_real_clips() -> None:
    for _, clip in corpus_clips(count=10, seconds=3.1):
        samples, rate = clip.samples, clip.sample_rate
        magnitude = np.abs(librosa.stft(samples))
        groups = {
            "mfcc": F.mfcc(y=samples, sr=rate, n_mfcc=40),
            "chroma": F.chroma_stft(S=magnitude, sr=rate),
            "mel": F.melspectrogram(y=samples, sr=rate),
            "contrast": F.spectral_contrast(S=magnitude, sr=rate),
            "tonnetz": oracle(lambda y, sr: F.tonnetz(y=y, sr=sr), librosa.effects.harmonic(samples), rate),
        }
        ours = feature_set("mfcc_chroma_mel_contrast_tonnetz").extract(clip)
        for name, theirs in groups.items():
            part, ours = ours[: len(theirs)], ours[len(theirs) :]
            assert np.abs(part - theirs.mean(axis=1)).max() <= TOLERANCE * np.abs(theirs).max(), name
        assert len(ours) == 0


@pytest.mark.corpus
def test_pitch_of_real_clips_is_librosas() -> None:
    same = voiced = 0
    for _, clip in corpus_clips(count=20):
        track = prosody.pitch(clip, 65, 600)
        theirs = librosa.yin(clip.samples, fmin=65, fmax=600, sr=clip.sample_rate)
        assert track.f0.shape == theirs.shape
        sure = track.voicing > 0.5
        same += int((np.abs(track.f0 - theirs)[sure] <= 1e-3 * theirs[sure]).sum())
        voiced += int(sure.sum())
    assert voiced > 500
    assert same / voiced > 0.995


def test_the_front_ends_filterbank_is_htk_triangles_of_peak_one() -> None:
    bank = LogMel().filterbank()
    theirs = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=64, fmin=60, fmax=7600, htk=True, norm=None)
    np.testing.assert_allclose(bank, theirs, atol=1e-6)
    slaney = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=64, fmin=60, fmax=7600, norm=None)
    assert np.abs(bank - slaney).max() > 0.1
    assert (bank.max(axis=1) > 0).all()
