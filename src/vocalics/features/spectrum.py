"""One short-time Fourier transform per clip, shared by every feature that needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt

from vocalics.audio import Clip
from vocalics.errors import FeatureError

FloatArray: TypeAlias = npt.NDArray[np.float32]
Array = TypeVar("Array", bound=npt.NDArray[np.generic])

N_FFT, HOP_LENGTH = 2048, 512
_EMPTY = "the clip holds no samples; expected sound of at least one sample"
_FRAMES = 32  # transformed at a time: few enough to stay in the cache, and for memory that malloc does not give back
_AT_ONCE = 4  # frames that SciPy transforms together in single precision, as long as one frame alone takes it


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The magnitudes of a clip's short-time Fourier transform.

    Attributes:
        magnitude: float32, shape (n_fft // 2 + 1, n_frames), at least 0; stored frame after frame.
        sample_rate: Of the clip, in Hz.
        n_fft: Length of the transform and its Hann window, in samples.
        hop_length: In samples.
    """

    magnitude: FloatArray
    sample_rate: int
    n_fft: int
    hop_length: int

    @property
    def frequencies(self) -> npt.NDArray[np.float64]:
        """The centre of every bin, in Hz, shape (n_fft // 2 + 1,)."""
        return np.arange(self.n_fft // 2 + 1, dtype=np.float64) * (self.sample_rate / self.n_fft)


Sound: TypeAlias = Clip | Spectrum
"""What a spectral feature is computed of: a clip, or the spectrum it shares with others."""


def spectrum(clip: Clip, n_fft: int = N_FFT, hop_length: int = HOP_LENGTH, precise: bool = True) -> Spectrum:
    """Return the magnitude spectrum of a clip.

    Frame ``t`` is centred on sample ``t * hop_length``; beyond its ends the clip counts as silent.

    Args:
        clip: Any clip.
        n_fft: Length of the transform and its Hann window, in samples, even.
        hop_length: In samples.
        precise: Transform in double precision. In single precision it takes half the time, and bins some 120 dB
            below their frame's loudest hold rounding noise: no matter for means of power, but for logarithms of single
            bins (contrast).

    Raises:
        FeatureError: When the clip holds no samples.
    """
    magnitude = np.empty((_n_frames(clip.samples, n_fft, hop_length), n_fft // 2 + 1), np.float32)
    for first, block in _transformed(clip.samples, n_fft, hop_length, precise):
        np.abs(block, out=magnitude[first : first + len(block)])
    return Spectrum(magnitude.T, clip.sample_rate, n_fft, hop_length)


def spectrum_of(sound: Sound) -> Spectrum:
    """Return a spectrum as it is, and that of a clip with the default settings."""
    return sound if isinstance(sound, Spectrum) else spectrum(sound)


def stft(samples: FloatArray, n_fft: int, hop_length: int) -> npt.NDArray[np.complex64]:
    """Return the centred transform with a periodic Hann window, shape (n_frames, n_fft // 2 + 1)."""
    return np.concatenate([block for _, block in _transformed(samples, n_fft, hop_length, precise=True)])


def _transformed(
    samples: FloatArray, n_fft: int, hop_length: int, precise: bool
) -> Iterator[tuple[int, npt.NDArray[np.complex64]]]:
    """Yield the windowed transforms of a few frames at a time, so that what is worked on stays in the cache."""
    single = None if precise else _single_transform()
    window = hann(n_fft) if single is None else _single_hann(n_fft)
    n_frames = _n_frames(samples, n_fft, hop_length)
    n_blocks = -(-n_frames // _FRAMES)
    size = -(-n_frames // (n_blocks * _AT_ONCE)) * _AT_ONCE
    windowed = np.empty((size, n_fft), window.dtype)
    for first in range(0, n_frames, size):
        n = min(size, n_frames - first)
        start = first * hop_length - n_fft // 2
        block = framed(_stretch(samples, start, start + (n - 1) * hop_length + n_fft), n_fft, hop_length)
        np.multiply(block, window, out=windowed[:n])
        if single is not None:
            whole = -(-n // _AT_ONCE) * _AT_ONCE
            windowed[n:whole] = 0
            yield first, single(windowed[:whole])[:n]
        else:
            yield first, np.fft.rfft(windowed[:n]).astype(np.complex64)


def _n_frames(samples: FloatArray, n_fft: int, hop_length: int) -> int:
    """Return the number of centred frames."""
    if not len(samples):
        raise FeatureError(_EMPTY)
    return 1 + (len(samples) + n_fft // 2 * 2 - n_fft) // hop_length


def _stretch(samples: FloatArray, start: int, stop: int) -> FloatArray:
    """Return the samples from ``start`` to ``stop``, silent before the first and after the last."""
    if start >= 0 and stop <= len(samples):
        return samples[start:stop]
    stretch = np.zeros(stop - start, np.float32)
    inner = samples[max(start, 0) : stop]
    stretch[max(start, 0) - start :][: len(inner)] = inner
    return stretch


@cache
def _single_transform() -> Callable[[FloatArray], npt.NDArray[np.complex64]] | None:
    """Return SciPy's transform in single precision, or ``None`` without SciPy (NumPy's own is slower than double)."""
    try:
        from scipy.fft import rfft
    except ImportError:
        return None
    return cast(Callable[[FloatArray], npt.NDArray[np.complex64]], partial(rfft, overwrite_x=True))


def centred_frames(samples: FloatArray, frame_length: int, hop_length: int) -> FloatArray:
    """Return a view of overlapping frames centred on multiples of the hop, shape (n_frames, frame_length).

    Args:
        samples: Shape (n_samples,).
        frame_length: In samples.
        hop_length: In samples.

    Raises:
        FeatureError: When there are no samples.
    """
    return framed(centred(samples, frame_length), frame_length, hop_length)


def framed(padded: Array, frame_length: int, hop_length: int) -> Array:
    """Return a view of all overlapping frames that fit, shape (n_frames, frame_length)."""
    n_frames = 1 + (len(padded) - frame_length) // hop_length
    step = padded.strides[0]
    shape, strides = (n_frames, frame_length), (step * hop_length, step)
    view = np.ndarray(shape, padded.dtype, padded, strides=strides)  # what sliding_window_view does, at once
    return cast(Array, view)


def centred(samples: Array, frame_length: int) -> Array:
    """Return the samples with half a frame of silence on both sides."""
    if not len(samples):
        raise FeatureError(_EMPTY)
    half = frame_length // 2
    padded = np.zeros(len(samples) + 2 * half, samples.dtype)
    padded[half : half + len(samples)] = samples
    return cast(Array, padded)


@lru_cache(maxsize=16)
def _single_hann(length: int) -> FloatArray:
    window = hann(length).astype(np.float32)
    window.flags.writeable = False
    return window


@lru_cache(maxsize=16)
def hann(length: int) -> npt.NDArray[np.float64]:
    """Return the periodic Hann window, shape (length,)."""
    window: npt.NDArray[np.float64] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    window.flags.writeable = False
    return window
