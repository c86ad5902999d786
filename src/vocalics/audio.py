"""Sound in memory: a clip always carries its sample rate.

Files are decoded by libsndfile (wav, flac, ogg, opus, mp3, aiff, au, ...) and resampled by soxr. Whole and
block-wise reading go through one function, :func:`stream`, so that they give the same samples.
"""

from __future__ import annotations

import io
import math
import numbers
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from vocalics.errors import AudioError

Samples = npt.NDArray[np.float32]

EXTENSIONS: frozenset[str] = frozenset(
    [".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".w64", ".rf64", ".caf"]
)
"""File name endings that are taken for audio when a folder is searched."""

LOWEST_SAMPLE_RATE, HIGHEST_SAMPLE_RATE = 4_000, 384_000
BLOCK_SECONDS = 10.0
BLOCK_VALUES = 2**20
_LAST, _POLYNOMIAL = 4, 0x104C11DB7  # of an Ogg page: its last flag, and what its check is divided by
_ENCODED = 2**18  # samples that an encoder is given at once
"""Of a block, all channels together: a small file can promise many channels at a high rate."""

BYTES = "audio bytes"
"""What error messages call a source that has no path."""


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
            AudioError: For a wrong shape or type, integers of 64 bits or in a list, a rate that is out of range or not
                whole, or values that are not finite.
        """
        try:
            array = np.asarray(samples)
        except ValueError as error:
            raise AudioError(f"{name}: rows of different lengths are not sound; expected one array") from error
        _check_rate(sample_rate, name)
        if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= array.shape[1] <= 64):
            turned = "; transpose it" if array.ndim == 2 and 1 <= array.shape[0] <= 64 else ""
            raise AudioError(
                f"{name}: shape {array.shape} is not sound; expected (n_samples,) or (n_samples, n_channels){turned}"
            )
        if array.dtype.kind == "u":
            half = 2.0 ** (8 * array.dtype.itemsize - 1)
            array = (array.astype(np.float64) - half) / half
        elif array.dtype.kind == "i":
            # No sound has 64 bits: these are samples of 16 or so, whose full scale nobody told.
            if array.dtype.itemsize > 4:
                what = "an array" if isinstance(samples, np.ndarray) else "a list"
                raise AudioError(
                    f"{name}: {what} of integers does not tell its full scale; expected floats within ±1, or an array "
                    "of the type that they were recorded in, such as numpy.int16"
                )
            array = array / 2.0 ** (8 * array.dtype.itemsize - 1)
        elif array.dtype.kind != "f":
            raise AudioError(f"{name}: values of type {array.dtype} are not sound; expected floats or integers")
        return cls(_mono(array, name, 0), int(sample_rate))


@dataclass(frozen=True)
class Layout:
    """How a file holds its sound.

    Attributes:
        sample_rate: In Hz.
        n_channels: At least 1.
    """

    sample_rate: int
    n_channels: int


def layout(source: str | os.PathLike[str] | bytes) -> Layout:
    """Return how a file holds its sound, by its header.

    Args:
        source: A path, or the bytes of an audio file.

    Raises:
        AudioError: When the file is missing, unreadable, empty, no audio or truncated.
    """
    with _opened(source) as (file, _):
        return Layout(file.samplerate, file.channels)


def read(source: str | os.PathLike[str] | bytes, sample_rate: int | None = None, *, channel: int | None = None) -> Clip:
    """Decode a whole file, average its channels (or take one) and resample it.

    Args:
        source: A path, or the bytes of an audio file.
        sample_rate: Wanted rate in Hz; ``None`` keeps the file's own.
        channel: The one that is read, counted from 0; ``None`` averages all.

    Raises:
        AudioError: When the file is missing, unreadable, empty, no audio, truncated or not finite, or has no such
            channel.
    """
    blocks = list(stream(source, sample_rate, channel=channel))
    rate = blocks[0].sample_rate
    return Clip(np.concatenate([b.samples for b in blocks]), rate)


def stream(
    source: str | os.PathLike[str] | bytes,
    sample_rate: int | None = None,
    block_seconds: float = BLOCK_SECONDS,
    *,
    channel: int | None = None,
) -> Iterator[Clip]:
    """Decode a file block by block in bounded memory; at least one block is yielded.

    The concatenated blocks are the same samples whatever ``block_seconds`` is.

    Args:
        source: A path, or the bytes of an audio file.
        sample_rate: Wanted rate in Hz; ``None`` keeps the file's own.
        block_seconds: Length read at a time, in seconds; shorter where that were more than 2**20 values.
        channel: The one that is read, counted from 0; ``None`` averages all.

    Raises:
        AudioError: As :func:`read`; a fault late in a file is raised when its block is reached.
    """
    with _opened(source) as (file, name):
        if channel is not None and not 0 <= channel < file.channels:
            raise AudioError(f"{name}: has no channel {channel}; expected 0 to {file.channels - 1}, counted from 0")
        yield from _decoded(file, name, sample_rate, block_seconds, channel)


def frames(
    source: str | os.PathLike[str] | bytes, block_seconds: float = BLOCK_SECONDS
) -> Iterator[npt.NDArray[np.float32]]:
    """Decode all channels of a file side by side, block by block, (n, n_channels) each, at the file's own rate.

    Raises:
        AudioError: When the file cannot be opened. What it holds is not looked at, see :func:`stream`.
    """
    with _opened(source) as (file, _):
        n_block = _block(file, block_seconds)
        while len(block := file.following(n_block)):
            yield block


def resample(clip: Clip, sample_rate: int) -> Clip:
    """Return the clip at another rate (soxr, high quality); the same clip where the rate is already right."""
    if clip.sample_rate == sample_rate:
        return clip
    _check_rate(sample_rate, "resample")
    samples = soxr.resample(clip.samples, clip.sample_rate, sample_rate)
    return Clip(np.asarray(samples, dtype=np.float32), sample_rate)


class Resampler:
    """Samples of a stream at another rate; what comes out depends on the samples only, not on how they are fed.

    Args:
        source_rate: Of what is fed, in Hz.
        sample_rate: Of what comes out, in Hz.
        name: For messages.

    Raises:
        AudioError: For a rate out of range.
    """

    def __init__(self, source_rate: int, sample_rate: int, name: str = "") -> None:
        _check_rate(source_rate, name or "the stream")
        same = source_rate == sample_rate
        self._stream = None if same else soxr.ResampleStream(source_rate, sample_rate, 1, dtype="float32")

    def feed(self, samples: Samples, last: bool = False) -> Samples:
        """Return what the samples so far allow; after the last ones, all that is left."""
        if self._stream is None:
            return samples
        return np.asarray(self._stream.resample_chunk(samples, last=last), dtype=np.float32)


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
    """Write a clip; the format follows from the file name, ``subtype`` is libsndfile's (e.g. "PCM_16", "ULAW").

    Raises:
        AudioError: When the name's ending is no audio format, or the format cannot hold the subtype or rate.
    """
    ending = Path(path).suffix.lower()
    kind = {".oga": "OGG", ".opus": "OGG", ".snd": "AU", ".aif": "AIFF", ".aifc": "AIFF"}.get(
        ending, ending[1:].upper()
    )
    subtype = "OPUS" if ending == ".opus" and subtype is None else subtype
    try:
        encode(os.fspath(path), clip, kind, subtype)
    except (ValueError, TypeError, soundfile.LibsndfileError) as error:
        raise AudioError(f"{path}: cannot be written ({error}); expected an ending and a rate of audio") from error


def encode(
    target: str | BinaryIO, clip: Clip, container: str, subtype: str | None = None, compression: float | None = None
) -> None:
    """Write a clip as libsndfile does.

    It is given the samples by and by: libvorbis puts all that it is given at once on the stack.

    Args:
        target: A path, or a file that can be written and sought.
        clip: What is written.
        container: libsndfile's name of the format, e.g. "OGG".
        subtype: libsndfile's name of the coding; the format's usual one where ``None``.
        compression: From 0 (best) to 1 (smallest), of codings that have one.

    Raises:
        soundfile.LibsndfileError, TypeError, ValueError: For what libsndfile cannot write.
    """
    level = {} if compression is None else {"compression_level": compression}
    with soundfile.SoundFile(target, "w", clip.sample_rate, 1, subtype, format=container, **level) as file:
        for start in range(0, len(clip.samples), _ENCODED):
            file.write(clip.samples[start : start + _ENCODED])


class _Forward(soundfile.SoundFile):  # type: ignore[misc] # soundfile has no types
    """A file that is read from its start to its end.

    soundfile seeks behind every block of a file that allows it, to where the file is already. Decoders of mp3 and Opus
    begin anew then, and the samples would depend on the blocks.
    """

    n_given = 0

    def seekable(self) -> bool:
        return False

    def following(self, n: int) -> npt.NDArray[np.float32]:
        """Return the next samples, (n, n_channels) or fewer; what stands behind the sound, such as a tag, is left."""
        if super().seekable():  # else a file does not know how long it is
            n = min(n, self.frames - self.n_given)
        block: npt.NDArray[np.float32] = self.read(n, dtype="float32", always_2d=True)
        self.n_given += len(block)
        return block


@contextmanager
def _opened(source: str | os.PathLike[str] | bytes) -> Iterator[tuple[_Forward, str]]:
    """A file that is ready to be decoded, and what messages call it; what goes wrong is told in our words."""
    name = BYTES if isinstance(source, bytes) else str(source)
    with _open(source, name) as opened:
        handle = _complete(opened, name)
        try:
            with _Forward(handle) as file:
                yield file, name
        except soundfile.LibsndfileError as error:
            reason = error.error_string.removeprefix("Error : ").rstrip(".")
            raise AudioError(
                f"{name}: cannot be decoded ({reason}); expected wav, flac, ogg, opus, mp3 or "
                "aiff audio that is complete"
            ) from error


def _open(source: str | os.PathLike[str] | bytes, name: str) -> BinaryIO:
    if isinstance(source, bytes):
        if not source:
            raise AudioError(f"{name}: is empty (0 bytes); expected the bytes of an audio file")
        return io.BytesIO(source)
    if not os.fspath(source):
        raise AudioError("an empty path; expected an audio file")
    path = Path(source)
    try:
        if path.is_dir():
            raise AudioError(f"{name}: is a folder; expected an audio file")
        handle = path.open("rb")
    except FileNotFoundError:
        raise AudioError(f"{name}: no such file; check the path") from None
    except PermissionError:
        raise AudioError(f"{name}: no permission to read it; change the file's mode or run as its owner") from None
    except OSError as error:
        raise AudioError(f"{name}: cannot be opened ({error.strerror})") from error
    except ValueError as error:
        raise AudioError(f"{name!r}: cannot be a file's name ({error})") from None
    status = os.fstat(handle.fileno())
    if stat.S_ISREG(status.st_mode) and status.st_size == 0:
        handle.close()
        raise AudioError(f"{name}: is empty (0 bytes); expected an audio file")
    with handle:
        if stat.S_ISREG(status.st_mode):
            # Without its name: soundfile would take the ending .raw for samples without a header.
            return os.fdopen(os.dup(handle.fileno()), "rb")
        if not stat.S_ISFIFO(status.st_mode):
            raise AudioError(f"{name}: is neither a file nor a pipe; expected an audio file")
        return _open(handle.read(), name)


def _complete(handle: BinaryIO, name: str) -> BinaryIO:
    """Return what is to be decoded.

    A file that ends before its own header or last page says so is refused; libsndfile would read on in silence.
    """
    head = handle.read(12)
    size = handle.seek(0, os.SEEK_END)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        promised = _wave_end(handle, size)
    elif head[:4] == b"FORM" and head[8:11] == b"AIF":
        promised = 8 + struct.unpack(">I", head[4:8])[0]
    elif head[:4] == b".snd" and len(head) == 12 and head[8:12] != b"\xff\xff\xff\xff":
        promised = sum(struct.unpack(">II", head[4:12]))
    else:
        promised = _mp3_end(handle)
    if promised > size:
        raise AudioError(
            f"{name}: is truncated (its header promises {promised} bytes, {size} are there); expected a complete file"
        )
    if head[:4] == b"OggS":
        found = _last_page(handle, size)
        if found is None:
            raise AudioError(f"{name}: is truncated (its last Ogg page is missing); expected a complete file")
        start, page = found
        if not page[5] & _LAST:  # as recorders of telephones leave it; libsndfile does not decode Opus to its end then
            handle = io.BufferedReader(_Replaced(handle, start, _marked(page)))
    handle.seek(0)
    return handle


def _wave_end(handle: BinaryIO, size: int) -> int:
    """Where the data chunk of a RIFF file ends by its header; 0 where there is none.

    A length of 0 or of nearly 2 or 4 GiB is what writers to a pipe leave, and is no promise.
    """
    position = 12
    while position + 8 <= size:
        handle.seek(position)
        chunk, length = struct.unpack("<4sI", handle.read(8))
        if chunk == b"data":
            promise = 0 < length < 0xFFFF0000 and not 0x7FFF0000 <= length <= 0x80000000
            return position + 8 + length if promise else 0
        position += 8 + length + length % 2
    return 0


def _mp3_end(handle: BinaryIO) -> int:
    """Where an mp3 file ends by its Xing header, which many have; 0 where there is none. A hundredth is forgiven."""
    handle.seek(0)
    tag = handle.read(10)
    start = 0
    if tag[:3] == b"ID3" and len(tag) == 10:
        start = 10 + sum(byte << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=True))
    handle.seek(start)
    frame = handle.read(64)
    xing = max(frame.find(b"Xing"), frame.find(b"Info"))
    if frame[:1] != b"\xff" or xing < 0:
        return 0
    flags, values = frame[xing + 7 : xing + 8], frame[xing + 8 :]
    if not flags or not flags[0] & 2:  # no length in bytes
        return 0
    values = values[4:] if flags[0] & 1 else values  # after the number of frames
    return start + int(0.99 * int.from_bytes(values[:4])) if len(values) >= 4 else 0


def _last_page(handle: BinaryIO, size: int) -> tuple[int, bytes] | None:
    """Where the last page of an Ogg file begins, and the page; ``None`` where it is not whole (RFC 3533)."""
    handle.seek(max(0, size - 2 * 65_307))  # the longest page is 65,307 bytes
    tail = handle.read()
    page = tail.rfind(b"OggS")
    if page < 0 or page + 27 > len(tail):
        return None
    n_segments = tail[page + 26]
    lengths = tail[page + 27 : page + 27 + n_segments]
    end = page + 27 + n_segments + sum(lengths)
    if len(lengths) < n_segments or end > len(tail):
        return None
    return size - len(tail) + page, tail[page:end]


def _marked(page: bytes) -> bytes:
    """An Ogg page that says that it is the last one."""
    changed = bytearray(page)
    changed[5] |= _LAST
    changed[22:26] = bytes(4)
    check = 0
    for byte in changed:
        check ^= byte << 24
        for _ in range(8):
            check = (check << 1) ^ (_POLYNOMIAL if check >> 31 else 0)
    changed[22:26] = struct.pack("<I", check)
    return bytes(changed)


class _Replaced(io.RawIOBase):
    """A file in which some bytes are others."""

    def __init__(self, handle: BinaryIO, start: int, others: bytes) -> None:
        super().__init__()
        self._handle, self._start, self._others = handle, start, others

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._handle.seek(offset, whence)

    def readinto(self, buffer: Any, /) -> int:
        at, view = self._handle.tell(), memoryview(buffer).cast("B")
        held = self._handle.read(len(view))
        view[: len(held)] = held
        first, last = max(at, self._start), min(at + len(held), self._start + len(self._others))
        if first < last:
            view[first - at : last - at] = self._others[first - self._start : last - self._start]
        return len(held)


def _block(file: _Forward, seconds: float) -> int:
    """How many samples of each channel are read at a time."""
    rate: int = file.samplerate
    n_channels: int = file.channels
    return max(1, min(round(seconds * rate), BLOCK_VALUES // n_channels))


def _decoded(
    file: _Forward, name: str, sample_rate: int | None, block_seconds: float, channel: int | None
) -> Iterator[Clip]:
    rate = sample_rate or file.samplerate
    resampler = Resampler(file.samplerate, rate, name)
    n_block = _block(file, block_seconds)
    n_read, yielded = 0, False
    while True:
        frames = file.following(n_block)
        samples = _mono(frames if channel is None else frames[:, channel], name, n_read)
        n_read += len(frames)
        last = len(frames) < n_block
        samples = resampler.feed(samples, last)
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
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused below
        mono = frames if frames.ndim == 1 else frames.mean(axis=1) if frames.shape[1] > 1 else frames[:, 0]
        samples = np.ascontiguousarray(mono, dtype=np.float32)
    if not np.isfinite(samples).all():
        first = offset + int(np.flatnonzero(~np.isfinite(samples))[0])
        raise AudioError(
            f"{name}: sample {first} is not a finite number (NaN or infinity); repair or re-export the file"
        )
    return samples


def _check_rate(sample_rate: float, name: str) -> None:
    if not isinstance(sample_rate, numbers.Real) or (math.isfinite(sample_rate) and sample_rate != int(sample_rate)):
        raise AudioError(f"{name}: a sample rate of {sample_rate!r}; expected a whole number of Hz")
    if not LOWEST_SAMPLE_RATE <= sample_rate <= HIGHEST_SAMPLE_RATE:
        raise AudioError(
            f"{name}: a sample rate of {sample_rate} Hz is out of range; expected {LOWEST_SAMPLE_RATE} to "
            f"{HIGHEST_SAMPLE_RATE} Hz"
        )
