"""Folders of recordings that augmentation draws from: noises, and impulse responses of rooms."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import soxr

from vocalics import audio
from vocalics.audio import EXTENSIONS, Clip, Samples
from vocalics.errors import AudioError, RecipeError

_WHOLE_SECONDS = (
    60.0  # a recording up to this long is decoded once and kept; of a longer one only what is drawn is read
)
_FADE_SECONDS = 0.05  # over which the end of a recording goes over into its beginning
_PLACES = 3  # drawn in a recording, for noise comes with pauses
_PAUSE_DB = 20.0  # what is this much quieter than the loudest place drawn is a pause


@dataclass(frozen=True)
class HasAudio:
    """Of a setting: the folder must be there and hold audio, at any depth."""

    def complaint(self, value: str) -> str:
        """Return what is wrong with a folder; empty where nothing is."""
        try:
            audio_files(value)
        except RecipeError as error:
            return str(error)
        return ""


AudioFolder = Annotated[str, HasAudio()]
"""A folder of audio files; a relative one counts from where the program runs."""


def audio_files(folder: str | Path) -> tuple[Path, ...]:
    """Return the audio files below a folder in the order of their names.

    Raises:
        RecipeError: When there is no such folder, or no audio in it.
    """
    place = Path(folder)
    if not place.is_dir():
        is_file = "is a file" if place.exists() else "no such folder"
        raise RecipeError(f"{folder}: {is_file}; expected a folder of audio files")
    found = _listed(place, _changed(place))
    if not found:
        raise RecipeError(f"{folder}: holds no audio; expected files ending in {', '.join(sorted(EXTENSIONS))}")
    return found


def _changed(folder: Path) -> tuple[tuple[str, int], ...]:
    """When it and each folder below it changed last: a file that comes or goes changes its own folder alone."""
    return tuple((below, Path(below).stat().st_mtime_ns) for below, _, _ in os.walk(folder))


@lru_cache(32)
def _listed(folder: Path, _changed: tuple[tuple[str, int], ...]) -> tuple[Path, ...]:
    found = (p for p in folder.rglob("*") if p.suffix.lower() in EXTENSIONS and not p.name.startswith("."))
    return tuple(sorted(p for p in found if p.is_file()))


def drawn_excerpt(folder: str | Path, sample_rate: int, n_samples: int, rng: np.random.Generator) -> Samples:
    """Return ``n_samples`` of a random recording of a folder from a random place on, at a rate.

    A recording that is shorter goes on from its beginning, into which its end is faded over 50 ms. Three places are
    drawn; the first that is no pause (20 dB below the loudest of them) is taken.

    Raises:
        AudioError: For a recording that cannot be read, or is silent wherever it was drawn.
        RecipeError: For a folder without audio.
    """
    files = audio_files(folder)
    path = files[int(rng.integers(len(files)))]
    places = rng.random(_PLACES)
    drawn: list[Samples] = []
    powers: list[float] = []
    for samples in _places(path, sample_rate, n_samples, places.tolist()):
        drawn.append(samples)
        powers.append(float(np.mean(np.square(samples, dtype=np.float64))) if n_samples else 1.0)
    least = max(powers) * 10 ** (-_PAUSE_DB / 10)
    if max(powers) == 0:
        raise AudioError(f"{path}: is silent wherever it was drawn; take it out of the folder of noises")
    return next(s for s, power in zip(drawn, powers, strict=True) if power >= least)


def drawn_response(folder: str | Path, sample_rate: int, rng: np.random.Generator) -> Clip:
    """Return a random impulse response of a folder at a rate; of several channels the first.

    The median is taken away, which in a response that has died out is an offset of the recorder: it would be turned
    into a rumble louder than the voice.

    Raises:
        AudioError: For a recording that cannot be read, or is silent.
        RecipeError: For a folder without audio.
    """
    files = audio_files(folder)
    path = files[int(rng.integers(len(files)))]
    response = _response(path, path.stat().st_mtime_ns, sample_rate)
    if not response.samples.any():
        raise AudioError(
            f"{path}: holds one value only, which is no impulse response; take it out of the folder of rooms"
        )
    return response


def _places(path: Path, sample_rate: int, n_samples: int, places: list[float]) -> Iterator[Samples]:
    """What stands at each place (from 0, the beginning, to 1) of a recording."""
    try:
        with soundfile.SoundFile(path) as file:
            own_rate, n_own = file.samplerate, file.frames
    except soundfile.LibsndfileError:
        own_rate, n_own = 1, 0  # whatever it is: said below
    n_needed = math.ceil(n_samples / sample_rate * own_rate) + 1
    if n_own > max(n_needed, _WHOLE_SECONDS * own_rate):
        for place in places:
            start = int(place * (n_own - n_needed))
            yield _fitted(_excerpt(path, start, n_needed, sample_rate), n_samples)
        return
    whole = _recording(path, path.stat().st_mtime_ns, sample_rate)
    if len(whole) >= n_samples:
        for place in places:
            start = int(place * (len(whole) - n_samples + 1))
            yield whole[start : start + n_samples]
        return
    loop = looped(whole, round(_FADE_SECONDS * sample_rate))
    for place in places:
        yield np.resize(np.roll(loop, -int(place * len(loop))), n_samples)


def looped(samples: Samples, n_fade: int) -> Samples:
    """Return a sound that can be repeated without a click: its end is faded into its beginning at constant power.

    Args:
        samples: Any sound.
        n_fade: Samples of the fade, at most half of the sound; the result is shorter by them.
    """
    n_fade = min(n_fade, len(samples) // 2)
    if n_fade == 0:
        return samples
    angle = np.linspace(0, np.pi / 2, n_fade, endpoint=False, dtype=np.float32)
    loop = samples[: len(samples) - n_fade].copy()
    loop[:n_fade] = loop[:n_fade] * np.sin(angle) + samples[len(samples) - n_fade :] * np.cos(angle)
    return loop


@lru_cache(16)
def _recording(path: Path, _changed: int, sample_rate: int) -> Samples:
    return audio.read(path, sample_rate).samples


@lru_cache(64)
def _response(path: Path, _changed: int, sample_rate: int) -> Clip:
    # The average of several microphones' responses would be that of no room.
    try:
        frames, own_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError:
        return audio.read(path, sample_rate)  # for its words about what is wrong
    clip = Clip.from_array(frames[:, 0] - np.median(frames[:, 0]), own_rate, str(path))
    return audio.resample(clip, sample_rate)


def _excerpt(path: Path, start: int, n_frames: int, sample_rate: int) -> Samples:
    """Samples of a long recording, decoded from ``start`` on only."""
    try:
        with soundfile.SoundFile(path) as file:
            file.seek(start)
            clip = Clip.from_array(file.read(n_frames, dtype="float32", always_2d=True), file.samplerate, str(path))
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path}: cannot be decoded ({error.error_string}); repair it or take it away") from error
    return np.asarray(soxr.resample(clip.samples, clip.sample_rate, sample_rate), np.float32)


def _fitted(samples: Samples, n_samples: int) -> Samples:
    return samples[:n_samples] if len(samples) >= n_samples else np.resize(samples, n_samples)
