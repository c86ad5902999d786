"""Named sets of features: ordered, sized, with a name for every column.

A set takes a clip of any sample rate, cuts and resamples it as the published system did, and returns a vector or a
matrix (feature axis before time axis).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vocalics import encoders
from vocalics.audio import Clip, excerpt, resample
from vocalics.errors import FeatureError
from vocalics.features.chroma import mean_chroma
from vocalics.features.filterbank import mel_bands
from vocalics.features.logmel import LogMel
from vocalics.features.prosody import rms, zero_crossing_rate
from vocalics.features.spectral import N_MELS, cepstrum, mfcc, power_to_db, spectral_contrast
from vocalics.features.spectrum import FloatArray, Spectrum, spectrum
from vocalics.features.tonnetz import tonnetz
from vocalics.features.tracks import N_FRAMES, STATISTICS, TRACKS, fixed_tracks, track_statistics, tracks
from vocalics.preprocess import trim_silence
from vocalics.registry import lookup

PITCH_CLASSES = ("c", "c_sharp", "d", "d_sharp", "e", "f", "f_sharp", "g", "g_sharp", "a", "a_sharp", "b")
TONNETZ_AXES = ("fifth_x", "fifth_y", "minor_x", "minor_y", "major_x", "major_y")
SEPARATOR = "@"
"""Between an encoder's name and the numbers of its blocks."""
FRAMES = ":frames"
"""Behind them, where the blocks' frames are meant and not their statistics."""
COURSE = ":course"
"""Behind them, where their course from start to end is meant too, of a clip with its peak brought to 1."""
_EARLIEST_REMAINDER = 2048  # samples at the set's rate; with less left after the offset, a clip is taken from its start


@dataclass(frozen=True)
class FeatureSet:
    """A named, ordered, sized set of features.

    Attributes:
        name: In recipes, model cards and on the command line.
        columns: The features' names, in order; of a frame-wise set, of the first axis.
        sample_rate: To which clips are resampled, in Hz.
        shape: (n_features,), or (n_features, n_frames) with ``None`` where the number of frames follows the clip.
        compute: From a clip that is cut and resampled to values of that shape.
        offset: Where the clip is cut, in seconds from its start.
        duration: How much is taken from there, in seconds; ``None`` for all.
        version: Raised when the numbers change, so that no cache serves old ones.
        summary: One line on what it is and who published it.
        source: Of a pre-trained encoder's features, what tells it from others of the same name.
        card_name: What a model's card calls the set, where that is not ``name``: an encoder without its folder.
    """

    name: str
    columns: tuple[str, ...]
    sample_rate: int
    shape: tuple[int | None, ...]
    compute: Callable[[Clip], FloatArray] = field(repr=False, compare=False)
    offset: float = 0.0
    duration: float | None = None
    version: int = 1
    summary: str = ""
    source: str = ""
    card_name: str = ""

    @property
    def is_vector(self) -> bool:
        """Whether a clip gives one vector, rather than a matrix of frames."""
        return len(self.shape) == 1

    @property
    def settings(self) -> str:
        """All that decides the numbers, in one line: what a cache is keyed by."""
        return (
            f"{self.name} v{self.version} {self.sample_rate} Hz {self.offset:g}+{self.duration} s "
            f"{self.shape} {','.join(self.columns)}{f' {self.source}' if self.source else ''}"
        )

    @property
    def folder_name(self) -> str:
        """The name as a part of a folder's name."""
        return re.sub(r"[^\w,.@-]", "_", self.name)

    def extract(self, clip: Clip) -> FloatArray:
        """Return the features of a clip.

        The excerpt is cut before resampling. A clip that ends less than 2048 samples after ``offset`` is taken from
        its start instead.

        Args:
            clip: At any sample rate.

        Returns:
            float32, of ``shape``, finite.

        Raises:
            FeatureError: When the clip holds no samples, or a value comes out not finite.
        """
        return self.of_excerpt(self.excerpt(clip))

    def excerpt(self, clip: Clip) -> Clip:
        """Return what the set hears of a clip: cut, then resampled.

        Raises:
            FeatureError: When the clip holds no samples.
        """
        if not len(clip.samples):
            raise FeatureError(f"{self.name}: the clip holds no samples; expected sound of at least one sample")
        return resample(self._cut(clip), self.sample_rate)

    def of_excerpt(self, clip: Clip) -> FloatArray:
        """Return the features of what :meth:`excerpt` gave, as it is or changed: nothing is cut or resampled here.

        Raises:
            FeatureError: When a value comes out not finite.
        """
        values = self.compute(clip)
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))[0])
            raise FeatureError(f"{self.name}: {self.columns[row]} is not finite; check the clip for absurd levels")
        return values

    def _cut(self, clip: Clip) -> Clip:
        start = self.offset
        # The same clip at another rate is cut the same way: prediction resamples before.
        n_samples = round(len(clip.samples) * self.sample_rate / clip.sample_rate)
        if n_samples - round(start * self.sample_rate) < _EARLIEST_REMAINDER:
            start = 0.0
        if start == 0 and self.duration is None:
            return clip
        return excerpt(clip, start, None if self.duration is None else start + self.duration)


def _numbered(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name}_{i}" for i in range(count))


_CHROMA = tuple(f"chroma_{name}" for name in PITCH_CLASSES)
_MEL = _numbered("mel", 128)


def _zcr_chroma_mfcc_rms_mel(clip: Clip) -> FloatArray:
    n_mfcc = 20
    crossings, loudness = zero_crossing_rate(clip).mean(keepdims=True), rms(clip).mean(keepdims=True)
    chroma, coefficients, mel = _means(spectrum(clip, precise=False), n_mfcc)
    return np.concatenate([crossings, chroma, coefficients, loudness, mel])


def _mfcc_chroma_mel(clip: Clip) -> FloatArray:
    chroma, coefficients, mel = _means(spectrum(clip, precise=False), 128)
    return np.concatenate([coefficients, chroma, mel])


def _mfcc_chroma_mel_contrast_tonnetz(clip: Clip) -> FloatArray:
    shared = spectrum(clip)
    contrast = spectral_contrast(shared).mean(axis=1)
    chroma, coefficients, mel = _means(shared, 40)
    return np.concatenate([coefficients, chroma, mel, contrast, tonnetz(clip).mean(axis=1)])


def _means(shared: Spectrum, n_mfcc: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the means over time of the chromagram, the MFCC and the mel spectrogram.

    The mean MFCC are the cosine transform of the mean level. To the caches' good, the spectrum is overwritten.
    """
    chroma = mean_chroma(shared)
    power = np.square(shared.magnitude, out=shared.magnitude)
    mel = mel_bands(power, shared.sample_rate, shared.n_fft, N_MELS)
    weights = np.full(mel.shape[1], 1 / mel.shape[1], np.float32)
    return chroma, cepstrum(power_to_db(mel) @ weights, n_mfcc), mel @ weights


def _mfcc_frames(clip: Clip) -> FloatArray:
    wanted = round(2.5 * clip.sample_rate)
    samples = clip.samples[:wanted]
    return mfcc(Clip(np.pad(samples, (0, wanted - len(samples))), clip.sample_rate), 25)


def _encoded(name: str) -> FeatureSet:
    """Return the set of an encoder's blocks, of a clip without its quiet ends: their statistics, or their frames."""
    whole, kind = encoded_kind(name)
    front_end = encoded_front_end(whole)
    known = encoders.about(encoders.find(front_end.name))
    short = (
        whole
        if front_end.name in encoders.HUB
        else Path(front_end.name).name + SEPARATOR + whole.rpartition(SEPARATOR)[2]
    )
    blocks, said = front_end.blocks, f"{front_end.name} ({known.key}), quiet ends cut"
    level = ", the peak brought to 1" if kind else ""

    def inner(clip: Clip) -> Clip:
        trimmed = trim_silence(clip, below_db=front_end.trim_db)
        return at_peak(trimmed) if kind else trimmed

    def statistics(clip: Clip) -> FloatArray:
        frames = encoders.load(front_end.name, max(blocks)).frames(inner(clip))
        return encoders.statistics(frames, blocks, kind == COURSE)

    if kind == FRAMES:
        return FeatureSet(
            name,
            tuple(f"block{b}_{i}" for b in blocks for i in range(known.width)),
            encoders.SAMPLE_RATE,
            (len(blocks) * known.width, None),
            lambda clip: front_end(inner(clip)),
            summary=f"frames of blocks {blocks} of the encoder {said}{level}",
            source=known.key,
            card_name=short + kind,
        )
    parts = ("mean", "deviation", "first", "last") if kind else ("mean", "deviation")
    course = ", the means of the first and last third" if kind else ""
    return FeatureSet(
        name,
        tuple(f"block{b}_{what}_{i}" for b in blocks for what in parts for i in range(known.width)),
        encoders.SAMPLE_RATE,
        (len(blocks) * len(parts) * known.width,),
        statistics,
        summary=f"mean and deviation of blocks {blocks} of the encoder {said}{level}{course}",
        source=known.key,
        card_name=short + kind,
    )


def encoded_kind(name: str) -> tuple[str, str]:
    """Return the name of an encoder's blocks, and :data:`FRAMES`, :data:`COURSE` or "" for what is taken of them."""
    for kind in (FRAMES, COURSE):
        if name.endswith(kind):
            return name.removesuffix(kind), kind
    return name, ""


def encoded_front_end(name: str) -> encoders.FrontEnd:
    """Return the front end that "whisper-base@2,3" names.

    Raises:
        FeatureError: When it names no blocks, or others than the encoder has.
        EncoderError: When there is no such encoder.
    """
    encoder, _, numbers = encoded_kind(name)[0].rpartition(SEPARATOR)
    try:
        blocks = tuple(int(n) for n in numbers.split(","))
    except ValueError:
        raise FeatureError(
            f'"{name}" names no blocks of an encoder; expected e.g. whisper-base{SEPARATOR}2,3'
        ) from None
    known = encoders.about(encoders.find(encoder))
    if not blocks or min(blocks) < 0 or max(blocks) > known.n_blocks or len(set(blocks)) < len(blocks):
        raise FeatureError(
            f'"{name}": {encoder} has the blocks 1 to {known.n_blocks}; expected some of them, each once (0: what goes '
            "into the first)"
        )
    return encoders.FrontEnd(encoder, blocks, known.key)


def at_peak(clip: Clip) -> Clip:
    """Return the clip with its peak brought to 1: level cannot matter then."""
    peak = float(np.abs(clip.samples).max(initial=0.0))
    return Clip(clip.samples / np.float32(max(peak, 1e-9)), clip.sample_rate)


FEATURE_SETS: dict[str, FeatureSet] = {
    s.name: s
    for s in (
        FeatureSet(
            "zcr_chroma_mfcc_rms_mel",
            ("zcr", *_CHROMA, *_numbered("mfcc", 20), "rms", *_MEL),
            22_050,
            (162,),
            _zcr_chroma_mfcc_rms_mel,
            offset=0.6,
            duration=2.5,
            version=2,
            summary="means over 2.5 s from 0.6 s on: the 162 numbers of the widespread RAVDESS notebooks",
        ),
        FeatureSet(
            "mfcc_chroma_mel",
            (*_numbered("mfcc", 128), *_CHROMA, *_MEL),
            22_050,
            (268,),
            _mfcc_chroma_mel,
            summary="means over the whole clip: 128 MFCC, 12 chroma, 128 mel",
        ),
        FeatureSet(
            "mfcc_chroma_mel_contrast_tonnetz",
            (
                *_numbered("mfcc", 40),
                *_CHROMA,
                *_MEL,
                *_numbered("contrast", 7),
                *(f"tonnetz_{axis}" for axis in TONNETZ_AXES),
            ),
            22_050,
            (193,),
            _mfcc_chroma_mel_contrast_tonnetz,
            summary="means over the whole clip: 40 MFCC, 12 chroma, 128 mel, 7 contrast, tonnetz of its harmonic part",
        ),
        FeatureSet(
            "mfcc_frames",
            _numbered("mfcc", 25),
            44_100,
            (25, 216),
            _mfcc_frames,
            offset=0.5,
            duration=2.5,
            version=2,
            summary="25 MFCC in 216 frames of 2.5 s from 0.5 s on, zero-padded: the input of the 2-D networks",
        ),
        FeatureSet(
            "mfcc_pitch_energy_frames",
            TRACKS,
            16_000,
            (len(TRACKS), None),
            tracks,
            summary="25 ms frames every 10 ms: 13 MFCC of 40 bands, deltas, f0 (0 unvoiced), voicing, level in dB",
        ),
        FeatureSet(
            "mfcc_pitch_energy_fixed",
            TRACKS,
            16_000,
            (len(TRACKS), N_FRAMES),
            fixed_tracks,
            summary="the same of 3 s between the quiet ends, at one level, shorter clips repeated: for recurrent nets",
        ),
        FeatureSet(
            "mfcc_pitch_energy_statistics",
            STATISTICS,
            16_000,
            (len(STATISTICS),),
            track_statistics,
            summary="mean, deviation and percentiles of the same over the active frames, at one level: for classifiers",
        ),
        FeatureSet(
            "logmel",
            _numbered("log_mel", LogMel().n_mels),
            LogMel().sample_rate,
            (LogMel().n_mels, None),
            LogMel(),
            summary="64 log-mel bands of 25 ms frames every 10 ms: the front end of the default net",
        ),
    )
}
"""Every feature set by name."""


def feature_set(name: str) -> FeatureSet:
    """Return a feature set by name, with a suggestion where there is none.

    Besides :data:`FEATURE_SETS` there are the statistics of a pre-trained encoder's blocks: "whisper-base@2,3", and
    with the course of a clip, "whisper-base@2,3:course".

    >>> len(feature_set("zcr_chroma_mfcc_rms_mel").columns)
    162
    """
    if SEPARATOR in name:
        return _encoded(name)
    return lookup(FEATURE_SETS, name, "feature set", FeatureError)
