"""Sound in memory: a clip always carries its sample rate.

Files are decoded by libsndfile (wav, flac, ogg, opus, mp3, aiff, au, ...) and resampled by soxr. Whole and
block-wise reading go through one function, :func:`stream`, so that they give the same samples.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from vocalics.errors import AudioError

Samples = npt.NDArray[np.float32]

EXTENSIONS: frozenset[str] = frozenset(
    ".wav .flac .ogg .oga .opus .mp3 .aif .aiff .aifc .au .snd .w64 .rf64 .caf".split()
)
"""File name endings that are taken for audio when a folder is searched."""

LOWEST_SAMPLE_RATE, HIGHEST_SAMPLE_RATE = 4_000, 384_000
BLOCK_SECONDS = 10.0


@dataclass(frozen=True, eq=False)
class Clip:
    """Mono sound in memory.

    Attributes:
        samples: float32, shape (n_samples,), full scale is ±1, finite.
        sample_rate: In Hz.
    """

    samples: Samples
    sample_rate: int

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    @classmethod
    def from_array(cls, samples: npt.ArrayLike, sample_rate: int, name: str = "samples") -> Clip:
        """Build a clip from any real array.

        Args:
            samples: Shape (n,) or (n, n_channels), channels are averaged. Floats are taken as they are (full
                scale ±1); integers are divided by the full scale of their type (unsigned ones are centred first).
            sample_rate: In Hz, 4,000 to 384,000.
            name: What the array is called in error messages.

        Raises:
            AudioError: For a wrong shape or type, a rate out of range, or values that are not finite.
        """
        array = np.asarray(samples)
        _check_rate(sample_rate, name)
        if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= array.shape[1] <= 64):
            raise AudioError(
                f"{name}: shape {array.shape} is not sound; expected (n_samples,) or (n_samples, n_channels)"
            )
        if array.dtype.kind == "u":
            half = 2.0 ** (8 * array.dtype.itemsize - 1)
            array = (array.astype(np.float64) - half) / half
        elif array.dtype.kind == "i":
            array = array / 2.0 ** (8 * array.dtype.itemsize - 1)
        elif array.dtype.kind != "f":
            raise AudioError(f"{name}: values of type {array.dtype} are not sound; expected floats or integers")
        return cls(_mono(array, name, 0), int(sample_rate))


def read(source: str | os.PathLike[str] | bytes, sample_rate: int | None = None) -> Clip:
    """Decode a whole file, average its channels and resample it.

    Args:
        source: A path, or the bytes of an audio file.
        sample_rate: Wanted rate in Hz; ``None`` keeps the file's own.

    Raises:
        AudioError: When the file is missing, unreadable, empty, no audio, truncated or not finite.
    """
    blocks = list(stream(source, sample_rate))
    rate = blocks[0].sample_rate
    return Clip(np.concatenate([b.samples for b in blocks]), rate)


def stream(
    source: str | os.PathLike[str] | bytes,
    sample_rate: int | None = None,
    block_seconds: float = BLOCK_SECONDS,
) -> Iterator[Clip]:
    """Decode a file block by block in bounded memory; at least one block is yielded.

    The concatenated blocks are the same samples whatever ``block_seconds`` is.

    Args:
        source: A path, or the bytes of an audio file.
        sample_rate: Wanted rate in Hz; ``None`` keeps the file's own.
        block_seconds: Length read at a time, in seconds.

    Raises:
        AudioError: As :func:`read`; a fault late in a file is raised when its block is reached.
    """
    name = "standard input" if isinstance(source, bytes) else str(source)
    with _open(source, name) as handle:
        _refuse_short_riff(handle, name)
        try:
            with soundfile.SoundFile(handle) as file:
                yield from _decoded(file, name, sample_rate, block_seconds)
        except soundfile.LibsndfileError as error:
            raise AudioError(
                f"{name}: cannot be decoded ({error.error_string.rstrip('.')}); expected wav, flac, ogg, opus, mp3 or "
                "aiff audio that is complete"
            ) from error


def resample(clip: Clip, sample_rate: int) -> Clip:
    """Return the clip at another rate (soxr, high quality); the same clip where the rate is already right."""
    if clip.sample_rate == sample_rate:
        return clip
    _check_rate(sample_rate, "resample")
    samples = soxr.resample(clip.samples, clip.sample_rate, sample_rate)
    return Clip(np.asarray(samples, dtype=np.float32), sample_rate)


def pad(clip: Clip, seconds: float) -> Clip:
    """Return the clip followed by zeros up to a length in seconds; a longer clip is returned unchanged."""
    missing = round(seconds * clip.sample_rate) - len(clip.samples)
    if missing <= 0:
        return clip
    return Clip(np.pad(clip.samples, (0, missing)), clip.sample_rate)


def excerpt(clip: Clip, start: float, end: float | None = None) -> Clip:
    """Return the samples from ``start`` to ``end`` seconds (to the clip's end where ``None``)."""
    first = round(start * clip.sample_rate)
    last = None if end is None else round(end * clip.sample_rate)
    return Clip(clip.samples[first:last], clip.sample_rate)


def write(path: str | os.PathLike[str], clip: Clip, subtype: str | None = None) -> None:
    """Write a clip; the format follows from the file name, ``subtype`` is libsndfile's (e.g. "PCM_16", "ULAW")."""
    soundfile.write(os.fspath(path), clip.samples, clip.sample_rate, subtype=subtype)


def _open(source: str | os.PathLike[str] | bytes, name: str) -> BinaryIO:
    if isinstance(source, bytes):
        if not source:
            raise AudioError(f"{name}: is empty (0 bytes); expected the bytes of an audio file")
        return io.BytesIO(source)
    path = Path(source)
    if path.is_dir():
        raise AudioError(f"{name}: is a folder; expected an audio file")
    try:
        handle = path.open("rb")
    except FileNotFoundError:
        raise AudioError(f"{name}: no such file; check the path") from None
    except PermissionError:
        raise AudioError(f"{name}: no permission to read it; change the file's mode or run as its owner") from None
    except OSError as error:
        raise AudioError(f"{name}: cannot be opened ({error.strerror})") from error
    if os.fstat(handle.fileno()).st_size == 0:
        handle.close()
        raise AudioError(f"{name}: is empty (0 bytes); expected an audio file")
    return handle


def _refuse_short_riff(handle: BinaryIO, name: str) -> None:
    """Refuse a RIFF file whose data chunk promises more bytes than there are (libsndfile would read on in silence).

    A length of 0 or of nearly 4 GiB is what writers to a pipe leave, and is no promise.
    """
    head = handle.read(12)
    size = handle.seek(0, os.SEEK_END)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        position = 12
        while position + 8 <= size:
            handle.seek(position)
            chunk, length = struct.unpack("<4sI", handle.read(8))
            if chunk == b"data":
                missing = position + 8 + length - size
                if missing > 0 and 0 < length < 0xFFFFFF00 and length != 0x7FFFFFFF:
                    raise AudioError(
                        f"{name}: is truncated (its header promises {length} bytes of sound, {length - missing} are "
                        "there); expected a complete file"
                    )
                break
            position += 8 + length + length % 2
    handle.seek(0)


def _decoded(
    file: soundfile.SoundFile, name: str, sample_rate: int | None, block_seconds: float
) -> Iterator[Clip]:
    _check_rate(file.samplerate, name)
    rate = sample_rate or file.samplerate
    resampler = None
    if rate != file.samplerate:
        resampler = soxr.ResampleStream(file.samplerate, rate, 1, dtype="float32")
    n_block = max(1, round(block_seconds * file.samplerate))
    n_read, yielded = 0, False
    while True:
        frames = file.read(n_block, dtype="float32", always_2d=True)
        samples = _mono(frames, name, n_read)
        n_read += len(frames)
        last = len(frames) < n_block
        if resampler is not None:
            samples = np.asarray(resampler.resample_chunk(samples, last=last), dtype=np.float32)
        if last and n_read == 0:
            raise AudioError(f"{name}: holds no samples; expected sound")
        if len(samples) or (last and not yielded):
            yielded = True
            yield Clip(samples, rate)
        if last:
            break
    # An mp3's length is an estimate; the others declare theirs.
    if file.format != "MP3" and 0 < n_read < file.frames < 2**62:
        raise AudioError(
            f"{name}: is truncated ({n_read} of {file.frames} declared samples could be decoded); "
            "expected a complete file"
        )


def _mono(frames: npt.NDArray[np.floating], name: str, offset: int) -> Samples:
    mono = frames if frames.ndim == 1 else frames.mean(axis=1) if frames.shape[1] > 1 else frames[:, 0]
    samples = np.ascontiguousarray(mono, dtype=np.float32)
    if not np.isfinite(samples).all():
        first = offset + int(np.flatnonzero(~np.isfinite(samples))[0])
        raise AudioError(f"{name}: sample {first} is not a finite number (NaN or infinity); repair or re-export the file")
    return samples


def _check_rate(sample_rate: float, name: str) -> None:
    if not LOWEST_SAMPLE_RATE <= sample_rate <= HIGHEST_SAMPLE_RATE:
        raise AudioError(
            f"{name}: a sample rate of {sample_rate} Hz is out of range; expected {LOWEST_SAMPLE_RATE} to "
            f"{HIGHEST_SAMPLE_RATE} Hz"
        )
