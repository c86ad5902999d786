"""Where ``vocalics listen`` hears: a microphone, a file at its own pace, or raw samples on standard input."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from vocalics import audio
from vocalics.errors import AudioError, MissingExtraError

BLOCK_SECONDS = 0.1
_MOST_HELD = 50  # blocks of a microphone that wait to be judged: five seconds, then the oldest are lost

Block = npt.NDArray[np.float32] | npt.NDArray[np.int16]


class Encoding(StrEnum):
    """How raw samples are written, little endian."""

    PCM16 = "pcm16"
    FLOAT32 = "float32"


_TYPES: dict[Encoding, np.dtype[Any]] = {Encoding.PCM16: np.dtype("<i2"), Encoding.FLOAT32: np.dtype("<f4")}


@dataclass
class Sound:
    """Blocks of samples with their rate.

    Attributes:
        name: What is listened to, in words.
        sample_rate: In Hz.
        blocks: (n,) or (n, n_channels) each, as they come.
        n_lost: Blocks that nobody fetched in time.
    """

    name: str
    sample_rate: int
    blocks: Iterator[Block]
    n_lost: int = 0


def file(path: str, paced: bool) -> Sound:
    """Return a recording's blocks, each not before its last sample would have been heard.

    Raises:
        AudioError: When it cannot be read.
    """
    decoded = audio.stream(path, block_seconds=BLOCK_SECONDS)
    first = next(decoded)

    def blocks() -> Iterator[Block]:
        began, seconds, block = time.monotonic(), 0.0, first
        while True:
            seconds += block.duration
            if paced and (ahead := began + seconds - time.monotonic()) > 0:
                time.sleep(ahead)
            yield block.samples
            following = next(decoded, None)
            if following is None:
                return
            block = following

    return Sound(path, first.sample_rate, blocks())


_CONTAINERS = (b"RIFF", b"RIFX", b"FORM", b"fLaC", b"OggS", b"ID3")
"""What audio files begin with."""


def raw(source: BinaryIO, sample_rate: int, n_channels: int, encoding: Encoding) -> Sound:
    """Return the blocks of raw samples, channel by channel within each moment, as soon as they are there.

    Raises:
        AudioError: (from the blocks) When the last sample is not whole, or an audio file comes in.
    """
    width = _TYPES[encoding].itemsize * n_channels
    # What a pipe has ready, instead of waiting for a whole block.
    read = getattr(source, "read1", source.read)

    def blocks() -> Iterator[Block]:
        rest, is_first = b"", True
        while data := read(max(width, round(BLOCK_SECONDS * sample_rate) * width)):
            if is_first and data.startswith(_CONTAINERS):
                raise AudioError(
                    f"standard input: begins as an audio file does ({data[:4].decode('latin-1')}), where raw samples "
                    "are expected; vocalics predict - takes a file, ffmpeg -f s16le makes raw samples"
                )
            data, is_first = rest + data, False
            n_whole = len(data) // width * width
            rest = data[n_whole:]
            if n_whole:
                yield np.frombuffer(data[:n_whole], _TYPES[encoding]).reshape(-1, n_channels)
        if rest:
            raise AudioError(
                f"standard input: ends within a sample ({len(rest)} of {width} bytes); expected {encoding} with "
                f"{n_channels} channels, see --encoding and --channels"
            )

    return Sound("standard input", sample_rate, blocks())


def microphone(device: str | None) -> Sound:
    """Return the blocks of a microphone, from now on, at the rate that it has by itself.

    Args:
        device: Its number or a part of its name; ``None`` is the one that the system takes.

    Raises:
        MissingExtraError: Where sounddevice is not installed.
        AudioError: When there is no such device, or it cannot be opened.
    """
    library = _sounddevice()
    chosen: int | str | None = int(device) if device is not None and device.isdecimal() else device
    try:
        about = library.query_devices(chosen, "input")
    except (ValueError, library.PortAudioError) as error:
        which = "there is no microphone here" if device is None else f'"{device}" is no microphone here'
        raise AudioError(f"{which} ({error}); vocalics listen --devices lists them") from None
    held: queue.Queue[Block] = queue.Queue(_MOST_HELD)
    rate = int(about["default_samplerate"])
    sound = Sound(str(about["name"]), rate, iter(()))

    def heard(samples: Any, _n: int, _time: Any, status: Any) -> None:
        if status:
            sound.n_lost += 1
        if held.full():
            held.get_nowait()
            sound.n_lost += 1
        held.put_nowait(samples[:, 0].copy())

    def blocks() -> Iterator[Block]:
        try:
            stream = library.InputStream(
                samplerate=rate, device=chosen, channels=1, dtype="float32", blocksize=round(BLOCK_SECONDS * rate),
                callback=heard,
            )  # fmt: skip
            with stream:
                while True:
                    yield held.get()
        except library.PortAudioError as error:
            raise AudioError(f"{sound.name}: cannot be opened ({error}); another program may hold it") from None

    sound.blocks = blocks()
    return sound


def devices() -> str:
    """Return the microphones of this machine, one per line: number, name, rate.

    Raises:
        MissingExtraError: Where sounddevice is not installed.
    """
    found = _sounddevice().query_devices()
    lines = [
        f"{i}  {d['name']}  {d['default_samplerate']:g} Hz" for i, d in enumerate(found) if d["max_input_channels"]
    ]
    return "\n".join(lines) or "no microphone"


def _sounddevice() -> Any:
    try:
        import sounddevice  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        raise MissingExtraError("listening to a microphone", "listen") from None
    except OSError as error:  # the library that it stands on
        raise AudioError(
            f"sounddevice cannot be used here ({error}); install PortAudio (Debian: libportaudio2), or feed - with raw "
            "samples"
        ) from None
    return sounddevice
