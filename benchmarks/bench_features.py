"""Speed of the features against librosa, in one process, one thread each, side by side.

The peer computes what the widespread notebooks do: every feature by itself from the samples. Both get the same 3 s of
speech-like sound at 22.05 kHz in memory and take turns. Counted is the time the processor spends on it, all threads
together, so that other work on the machine counts for neither.
"""

# ruff: noqa: E402  (the number of threads must be set before NumPy is imported)

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import librosa
import numpy as np

from vocalics.audio import Clip
from vocalics.augment import gaussian
from vocalics.features.feature_set import feature_set
from vocalics.timescale import stretch_and_shift

RATE = 22_050
SECONDS = 3.0
REPEATS = 40
FEATURES = feature_set("zcr_chroma_mfcc_rms_mel")


def speech(seconds: float = SECONDS, seed: int = 0) -> np.ndarray:
    """Return speech-like sound: a gliding voice with formants, syllables, pauses and breath."""
    rng = np.random.default_rng(seed)
    moment = np.arange(round(seconds * RATE)) / RATE
    f0 = 150 + 40 * np.sin(2 * np.pi * 0.7 * moment) + 10 * np.sin(2 * np.pi * 3.1 * moment)
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    formant = 500 + 300 * np.sin(2 * np.pi * 2 * moment)
    voice = np.zeros_like(moment)
    for harmonic in range(1, 40):
        distance = (harmonic * f0 - formant) / 300
        voice += np.sin(harmonic * phase) * (np.exp(-(distance**2)) + 0.3 / harmonic)
    syllables = np.clip(np.sin(2 * np.pi * 2.3 * moment), 0, None)
    samples = 0.1 * voice * syllables + 0.003 * rng.standard_normal(len(moment))
    return samples.astype(np.float32)


def notebook_features(samples: np.ndarray) -> np.ndarray:
    """Return the 162 numbers as the notebooks compute them."""
    result = np.array([])
    result = np.hstack((result, np.mean(librosa.feature.zero_crossing_rate(y=samples).T, axis=0)))
    spectrum = np.abs(librosa.stft(samples))
    result = np.hstack((result, np.mean(librosa.feature.chroma_stft(S=spectrum, sr=RATE).T, axis=0)))
    result = np.hstack((result, np.mean(librosa.feature.mfcc(y=samples, sr=RATE).T, axis=0)))
    result = np.hstack((result, np.mean(librosa.feature.rms(y=samples).T, axis=0)))
    return np.hstack((result, np.mean(librosa.feature.melspectrogram(y=samples, sr=RATE).T, axis=0)))


def notebook_variants(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the features of the recipe's three variants: plain, with noise, slowed down and raised."""
    noisy = samples + 0.035 * rng.uniform() * np.amax(samples) * rng.normal(size=len(samples))
    slow = librosa.effects.time_stretch(samples, rate=0.8)
    raised = librosa.effects.pitch_shift(slow, sr=RATE, n_steps=0.7)
    return np.vstack([notebook_features(variant) for variant in (samples, noisy, raised)])


def our_features(clip: Clip) -> np.ndarray:
    """Return the 162 numbers of a clip taken whole, as the peer takes it."""
    return FEATURES.compute(clip)


def our_variants(clip: Clip, rng: np.random.Generator) -> np.ndarray:
    """Return the same three variants' features."""
    gain = np.float32(0.035 * rng.uniform() * clip.samples.max())
    noise = gaussian(len(clip.samples), rng)
    noise *= gain
    noise += clip.samples
    noisy = Clip(noise, RATE)
    raised = stretch_and_shift(clip, 0.8, 0.7)
    return np.vstack([our_features(variant) for variant in (clip, noisy, raised)])


def notebook_means(samples: np.ndarray) -> np.ndarray:
    """Return the 268 numbers of the notebooks with 128 MFCC, 12 chroma and 128 mel."""
    mfcc = librosa.feature.mfcc(y=samples, sr=RATE, n_mfcc=128)
    chroma = librosa.feature.chroma_stft(S=np.abs(librosa.stft(samples)), sr=RATE)
    mel = librosa.feature.melspectrogram(y=samples, sr=RATE)
    return np.hstack([np.mean(part.T, axis=0) for part in (mfcc, chroma, mel)])


def notebook_193(samples: np.ndarray) -> np.ndarray:
    """Return the 193 numbers of the notebooks: those with 40 MFCC, and contrast and tonnetz."""
    spectrum = np.abs(librosa.stft(samples))
    parts = (
        librosa.feature.mfcc(y=samples, sr=RATE, n_mfcc=40),
        librosa.feature.chroma_stft(S=spectrum, sr=RATE),
        librosa.feature.melspectrogram(y=samples, sr=RATE),
        librosa.feature.spectral_contrast(S=spectrum, sr=RATE),
        librosa.feature.tonnetz(y=librosa.effects.harmonic(samples), sr=RATE),
    )
    return np.hstack([np.mean(part.T, axis=0) for part in parts])


def notebook_frames(samples: np.ndarray) -> np.ndarray:
    """Return 25 MFCC in 216 frames of 2.5 s at 44.1 kHz."""
    return librosa.feature.mfcc(y=samples, sr=44_100, n_mfcc=25)


def compare(
    name: str,
    ours: Callable[[], np.ndarray],
    peer: Callable[[], np.ndarray],
    target: float | str,
    repeats: int = REPEATS,
) -> dict[str, Any]:
    """Time both in turns and return a row; they must agree in shape."""
    assert ours().shape == peer().shape
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for function, spent in zip((ours, peer), times, strict=True):
            function()  # warms the caches that the other has taken
            start = time.process_time()
            function()
            spent.append(1e3 * (time.process_time() - start))
    ours_ms, peer_ms = median(times[0]), median(times[1])
    return {
        "name": name,
        "ours_ms": round(ours_ms, 3),
        "peer": f"librosa {librosa.__version__}",
        "peer_ms": round(peer_ms, 3),
        "ratio": round(peer_ms / ours_ms, 1),
        "target": target,
    }


def run() -> dict[str, Any]:
    """Return the rows of all comparisons."""
    samples = speech()
    clip = Clip(samples, RATE)
    cut = np.resize(samples, round(2.5 * 44_100))
    names = ("mfcc_chroma_mel", "mfcc_chroma_mel_contrast_tonnetz", "mfcc_frames")
    means, many, frames = (feature_set(name).compute for name in names)
    for ours, peer in (
        (our_features(clip), notebook_features(samples)),
        (means(clip), notebook_means(samples)),
        (frames(Clip(cut, 44_100)), notebook_frames(cut)),
    ):
        np.testing.assert_allclose(ours, peer, rtol=1e-3, atol=5e-3)
    return {
        "rows": [
            compare("162 features of a 3 s clip", lambda: our_features(clip), lambda: notebook_features(samples), 20),
            compare(
                "three variants of a 3 s clip, 162 features each",
                lambda: our_variants(clip, np.random.default_rng(0)),
                lambda: notebook_variants(samples, np.random.default_rng(0)),
                15,
            ),
            compare(
                "268 features (mfcc_chroma_mel) of a 3 s clip",
                lambda: means(clip),
                lambda: notebook_means(samples),
                "at least 8",
            ),
            compare(
                "193 features, with contrast and tonnetz, of a 3 s clip",
                lambda: many(clip),
                lambda: notebook_193(samples),
                "at least 3",
                repeats=5,
            ),
            compare(
                "25 MFCC in 216 frames of 2.5 s at 44.1 kHz",
                lambda: frames(Clip(cut, 44_100)),
                lambda: notebook_frames(cut),
                "at least 2",
            ),
        ]
    }


if __name__ == "__main__":
    for row in run()["rows"]:
        print(f"{row['name']}: {row['ours_ms']} ms, {row['peer']} {row['peer_ms']} ms, {row['ratio']}x")
