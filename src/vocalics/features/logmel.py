"""The log-mel front end of the default net: fixed settings, NumPy only, the same numbers everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from vocalics.audio import Clip
from vocalics.errors import FeatureError

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LogMel:
    """Log-mel spectrogram: the natural log of the power in triangular bands, plus a floor.

    Frames are not centred: frame ``t`` covers the samples from ``t * hop_length`` on. Each is weighted with a
    periodic Hann window, zero-padded at its end to ``n_fft`` and transformed; the bands are equally wide on the HTK
    mel scale, ``2595 log10(1 + f / 700)`` (O'Shaughnessy 1987), and peak at 1.

    Attributes:
        sample_rate: Of the clips it takes, in Hz.
        frame_length: In samples.
        hop_length: In samples.
        n_fft: Length of the transform, in samples, at least ``frame_length``.
        n_mels: Number of bands.
        lowest: Lower edge of the first band, in Hz.
        highest: Upper edge of the last band, in Hz.
        floor: Power added before the logarithm.

    >>> import numpy as np
    >>> LogMel()(Clip(np.zeros(16_000, np.float32), 16_000)).shape
    (64, 98)
    """

    sample_rate: int = 16_000
    frame_length: int = 400
    hop_length: int = 160
    n_fft: int = 512
    n_mels: int = 64
    lowest: float = 60.0
    highest: float = 7_600.0
    floor: float = 1e-10

    def __call__(self, clip: Clip) -> FloatArray:
        """Return the log-mel spectrogram of a clip.

        Args:
            clip: At this front end's sample rate; a clip shorter than a frame is zero-padded to one.

        Returns:
            float32, shape (n_mels, 1 + (n_samples - frame_length) // hop_length), at least ``log(floor)``.

        Raises:
            FeatureError: When the clip's sample rate is another one.
        """
        if clip.sample_rate != self.sample_rate:
            raise FeatureError(
                f"log-mel: the clip is at {clip.sample_rate} Hz; expected {self.sample_rate} Hz, resample it first"
            )
        samples = clip.samples
        if len(samples) < self.frame_length:
            samples = np.pad(samples, (0, self.frame_length - len(samples)))
        frames = np.lib.stride_tricks.sliding_window_view(samples, self.frame_length)[:: self.hop_length]
        spectrum = np.fft.rfft(frames * self.window(), self.n_fft)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        bands: FloatArray = self.filterbank() @ power.T + np.float32(self.floor)
        return np.log(bands, out=bands)

    def window(self) -> FloatArray:
        """Return the periodic Hann window, shape (frame_length,)."""
        return _hann(self.frame_length)

    def filterbank(self) -> FloatArray:
        """Return the bands' weights, shape (n_mels, n_fft // 2 + 1), in 0 to 1."""
        return _filterbank(self)


@lru_cache(maxsize=8)
def _hann(length: int) -> FloatArray:
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)
    window.flags.writeable = False
    return window


@lru_cache(maxsize=8)
def _filterbank(front_end: LogMel) -> FloatArray:
    first, last = (2595 * np.log10(1 + limit / 700) for limit in (front_end.lowest, front_end.highest))
    corners = 700 * (10 ** (np.linspace(first, last, front_end.n_mels + 2) / 2595) - 1)
    frequencies = np.arange(front_end.n_fft // 2 + 1) * front_end.sample_rate / front_end.n_fft
    left, centre, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising = (frequencies - left) / (centre - left)
    falling = (right - frequencies) / (right - centre)
    weights: FloatArray = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    weights.flags.writeable = False
    return weights
