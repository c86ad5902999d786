"""What is measured of one clip, in one reading of its file: levels, faults, and descriptors of the voice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vocalics.audio import Clip, read, resample
from vocalics.errors import VocalicsError
from vocalics.features.cache import FeatureCache, own_digest
from vocalics.features.feature_set import FeatureSet, feature_set
from vocalics.features.prosody import energy_db, pitch
from vocalics.features.spectrum import FloatArray, spectrum
from vocalics.manifest import Utterance
from vocalics.preprocess import loud_part
from vocalics.segment import speech_seconds

QUIET_DB = 35.0
"""The ends of a clip count as silence while their 20 ms frames are more than this below the loudest one."""

LOWEST_DB = -120.0
"""The level given to digital silence, in dB re full scale."""

CLIPPED_AT = 0.999
"""Of full scale: from here on a sample counts as clipped."""

_FLAT = 3  # equal samples in a row, at the clip's own extreme, are clipped even where the level was lowered later
_FLAT_FROM = 0.25  # of full scale: below, equal samples are what few bits make of a quiet sound
_VOICE_RATE, _VOICE_FRAME, _VOICE_HOP = 8_000, 512, 160  # pitch: 64 ms, every 20 ms
_SPECTRUM_RATE, _N_FFT, _HOP = 16_000, 1024, 512
_FEWEST_VOICED = 5  # frames that a pitch is told from


@dataclass(frozen=True)
class Measure:
    """One number that is measured of every clip.

    Attributes:
        name: Its name in Python and JSON.
        title: Its name on a page, with the unit.
        meaning: How it is measured, in one sentence.
        form: How a value is written.
        voice: Whether it describes the voice, and so is compared between emotions.
    """

    name: str
    title: str
    meaning: str
    form: str = "{:.2f}"
    voice: bool = False


MEASURES: tuple[Measure, ...] = (
    Measure("seconds", "length, s", "length of the whole clip", voice=True),
    Measure("sample_rate", "sample rate, Hz", "of the file", "{:.0f}"),
    Measure(
        "level_dbfs", "level, dBFS", "root mean square between the quiet ends, dB re full scale", "{:.1f}", voice=True
    ),
    Measure("peak_dbfs", "peak, dBFS", "the largest sample, dB re full scale", "{:.1f}"),
    Measure(
        "clipped_share",
        "share of clipped samples",
        f"samples at {CLIPPED_AT:g} of full scale or beyond, or in a row of {_FLAT} equal ones at the clip's extreme",
        "{:.4f}",
    ),
    Measure("offset", "DC offset", "mean of the samples, of full scale", "{:.4f}"),
    Measure("offset_share", "DC offset by level", "the mean's part of the root mean square, 0 to 1", "{:.3f}"),
    Measure(
        "lead_seconds", "silence before, s", f"frames more than {QUIET_DB:g} dB below the loudest, before the first"
    ),
    Measure("trail_seconds", "silence after, s", f"frames more than {QUIET_DB:g} dB below the loudest, after the last"),
    Measure("voiced_seconds", "voiced, s", "voiced sound as told by segment.speech_seconds; 0 is no speech"),
    Measure("voiced_share", "voiced share", "voiced seconds by the seconds between the quiet ends, 0 to 1", voice=True),
    Measure(
        "level_spread_db",
        "level spread, dB",
        "deviation of the frames' levels between the quiet ends",
        "{:.1f}",
        voice=True,
    ),
    Measure("pitch_hz", "pitch, Hz", "median of the voiced frames' fundamental frequency (YIN)", "{:.0f}"),
    Measure("pitch_semitones", "pitch, semitones", "the median pitch in semitones above 55 Hz", "{:.1f}", voice=True),
    Measure(
        "pitch_range_semitones",
        "pitch range, semitones",
        "from the 10th to the 90th percentile of the voiced frames",
        "{:.1f}",
        voice=True,
    ),
    Measure("zero_crossings", "zero crossings per s", "sign changes between the quiet ends", "{:.0f}", voice=True),
    Measure("centroid_hz", "centre of gravity, Hz", "of the mean power spectrum up to 8 kHz", "{:.0f}", voice=True),
    Measure(
        "brightness_db",
        "brightness, dB",
        "power of 1 to 5 kHz over that of 50 Hz to 1 kHz (the negative of the alpha ratio)",
        "{:.1f}",
        voice=True,
    ),
)
"""What :func:`measure` returns, in order."""

NAMES: tuple[str, ...] = tuple(m.name for m in MEASURES)

KEPT = FeatureSet(
    "clip_measures",
    NAMES,
    0,
    (len(NAMES),),
    lambda clip: measure(clip),
    summary="levels, faults and descriptors of the voice, at the clip's own sample rate",
)
"""The measures as the cache knows them. They are taken of a clip at its own rate: by :func:`measure` alone."""


def measure(clip: Clip) -> FloatArray:
    """Return a clip's :data:`MEASURES`, float32, shape (n_measures,); NaN where there is nothing to measure by."""
    samples, rate = clip.samples, clip.sample_rate
    first, last = loud_part(clip, QUIET_DB)
    sounding = Clip(samples[first:last], rate) if last > first else clip
    voiced = speech_seconds(clip)
    whole = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    offset = float(np.mean(samples, dtype=np.float64))
    median, spread = _pitch(sounding)
    centroid, brightness = _colour(sounding)
    values = {
        "seconds": clip.duration,
        "sample_rate": rate,
        "level_dbfs": _decibel(float(np.sqrt(np.mean(np.square(sounding.samples, dtype=np.float64))))),
        "peak_dbfs": _decibel(float(np.abs(samples).max())),
        "clipped_share": clipped_share(samples),
        "offset": offset,
        "offset_share": abs(offset) / whole if whole > 0 else 0.0,
        "lead_seconds": first / rate if last else clip.duration,
        "trail_seconds": clip.duration - last / rate if last else clip.duration,
        "voiced_seconds": voiced,
        "voiced_share": min(1.0, voiced / sounding.duration),
        "level_spread_db": _level_spread(sounding),
        "pitch_hz": median,
        "pitch_semitones": 12 * np.log2(median / 55),
        "pitch_range_semitones": spread,
        "zero_crossings": float(np.count_nonzero(np.diff(sounding.samples < 0))) / sounding.duration,
        "centroid_hz": centroid,
        "brightness_db": brightness,
    }
    return np.array([values[name] for name in NAMES], np.float32)


def clipped_share(samples: npt.NDArray[np.float32]) -> float:
    """Return the share of clipped samples: at full scale, or in a row of equal ones at the clip's own extreme."""
    size = np.abs(samples)
    clipped = size >= CLIPPED_AT
    peak = float(size.max())
    if peak >= _FLAT_FROM:
        same = (samples[1:] == samples[:-1]) & (size[1:] >= 0.98 * peak)
        row = np.lib.stride_tricks.sliding_window_view(np.pad(same, (_FLAT - 1, _FLAT - 1)), _FLAT - 1).all(axis=1)
        # A row of _FLAT - 1 equal neighbours that begins at i covers the samples i to i + _FLAT - 1.
        starts = np.flatnonzero(row) - (_FLAT - 1)
        for step in range(_FLAT):
            clipped[starts + step] = True
    return float(clipped.mean())


@dataclass(frozen=True, eq=False)
class Examined:
    """What became of one utterance.

    Attributes:
        measures: Shape (n_measures,); ``None`` where the file cannot be read.
        features: Of the set asked for; ``None`` likewise.
        digest: SHA-256 of the file, in hexadecimal; empty where it cannot be opened.
        error: Why it cannot be read, in one line; else empty.
    """

    measures: FloatArray | None
    features: FloatArray | None
    digest: str
    error: str = ""


def examine(utterance: Utterance, features: str, cache_dir: Path | None = None) -> Examined:
    """Measure one utterance; a fault is reported, not raised.

    Args:
        utterance: The manifest's row.
        features: The feature set to compute beside the measures, one that gives a vector.
        cache_dir: Folder of a feature cache; ``None`` for none. With both in the cache the file is not decoded.
    """
    chosen = feature_set(features)
    cache = None if cache_dir is None else FeatureCache(cache_dir)
    digest = utterance.digest
    try:
        digest = own_digest(utterance)
        measures = values = None
        if cache is not None and Path(utterance.path).is_file():
            measures, values = cache.get(digest, KEPT), cache.get(digest, chosen)
        if measures is None or values is None:
            clip = read(utterance.path)
            if measures is None:
                measures = measure(clip)
                if cache is not None:
                    cache.put(digest, KEPT, measures)
            if values is None:
                values = chosen.extract(clip)
                if cache is not None:
                    cache.put(digest, chosen, values)
        return Examined(measures, values, digest)
    except VocalicsError as error:
        return Examined(None, None, digest, str(error))
    except OSError as error:
        return Examined(
            None, None, digest, f"{error.filename or utterance.path}: cannot be read ({error.strerror or error})"
        )


def _decibel(amplitude: float) -> float:
    return max(LOWEST_DB, 20 * float(np.log10(max(amplitude, 1e-30))))


def _level_spread(clip: Clip) -> float:
    n_frame = max(1, round(0.02 * clip.sample_rate))
    n_frames = len(clip.samples) // n_frame
    if n_frames < 2:
        return float("nan")
    frames = clip.samples[: n_frames * n_frame].reshape(n_frames, n_frame)
    power = np.mean(np.square(frames, dtype=np.float64), axis=1)
    return float(np.std(10 * np.log10(np.maximum(power, 1e-12))))


def _pitch(clip: Clip) -> tuple[float, float]:
    """Return the median pitch in Hz and its range in semitones; NaN where too little is voiced."""
    voice = resample(clip, _VOICE_RATE)
    track = pitch(voice, frame_length=_VOICE_FRAME, hop_length=_VOICE_HOP)
    level = energy_db(voice, _VOICE_FRAME, _VOICE_HOP)
    f0 = track.f0[track.voiced & (level > level.max() - 30)]
    if len(f0) < _FEWEST_VOICED:
        return float("nan"), float("nan")
    low, high = np.percentile(f0, [10, 90])
    return float(np.median(f0)), 12 * float(np.log2(high / low))


def _colour(clip: Clip) -> tuple[float, float]:
    """Return the centre of gravity in Hz and the brightness in dB of the mean power spectrum; NaN for silence."""
    sound = resample(clip, _SPECTRUM_RATE) if clip.sample_rate > _SPECTRUM_RATE else clip
    shared = spectrum(sound, _N_FFT, _HOP, precise=False)
    power = np.square(shared.magnitude, dtype=np.float64).mean(axis=1)
    total = power.sum()
    if total <= 0:
        return float("nan"), float("nan")
    frequency = shared.frequencies
    low = power[(frequency >= 50) & (frequency < 1_000)].sum()
    high = power[(frequency >= 1_000) & (frequency < 5_000)].sum()
    return float(power @ frequency / total), 10 * float(np.log10(max(high, 1e-30) / max(low, 1e-30)))
