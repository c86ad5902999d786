"""Augmentation as steps of a recipe: a name, how often it is done, and settings that are drawn anew for every clip."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vocalics.audio import Clip
from vocalics.augment.channel import band_pass, codec, gain, high_pass, mu_law, overdrive, telephone
from vocalics.augment.noise import add_hum, add_noise, noise_by_peak, recorded_noise
from vocalics.augment.recordings import AudioFolder, audio_files
from vocalics.augment.rooms import recorded_room, room
from vocalics.augment.timing import speed, time_shift
from vocalics.errors import RecipeError
from vocalics.preprocess.settings import Value, checked, function_of, settings_of
from vocalics.timescale import pitch_shift, stretch_and_shift, time_stretch

AUGMENTATIONS: dict[str, Callable[..., Clip]] = {
    f.__name__: f
    for f in (
        gain,
        overdrive,
        add_noise,
        add_hum,
        noise_by_peak,
        recorded_noise,
        speed,
        time_stretch,
        pitch_shift,
        stretch_and_shift,
        time_shift,
        room,
        recorded_room,
        telephone,
        band_pass,
        mu_law,
        codec,
        high_pass,
    )
}


@dataclass(frozen=True)
class Step:
    """One augmentation of a chain: its name, how often it is applied, and its settings.

    Attributes:
        name: One of ``AUGMENTATIONS``.
        probability: From 0 to 1.
        settings: A number is a pair (low, high), from which one is drawn for every clip; a text is as it is.
    """

    name: str
    probability: float
    settings: Mapping[str, Value]

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> Step:
        """Check a recipe's table ``{name, probability, setting = number | [low, high] | text, ...}``.

        Raises:
            RecipeError: For an unknown augmentation or setting, one that is missing, a value of another type or out of
                range, or a folder that is not there or holds no audio.
        """
        name, function = function_of(table, AUGMENTATIONS, "augmentation")
        probability = table.get("probability", 1.0)
        if isinstance(probability, bool) or not isinstance(probability, int | float) or not 0 <= probability <= 1:
            raise RecipeError(f"augmentation {name}: probability {probability!r} is not a number from 0 to 1")
        values = {key: value for key, value in table.items() if key not in ("name", "probability")}
        return cls(name, float(probability), checked(function, values, f"augmentation {name}", ranges=True))

    def as_dict(self) -> dict[str, Any]:
        """Return the table that :meth:`parse` takes, of values that JSON and TOML can hold."""
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in self.settings.items()}
        return {"name": self.name, "probability": self.probability, **plain}

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        """Apply the step, or return the clip unchanged with probability ``1 - probability``."""
        if rng.uniform() >= self.probability:
            return clip
        function = AUGMENTATIONS[self.name]
        drawn: dict[str, Any] = {
            k: rng.uniform(*v) if isinstance(v, tuple) else v for k, v in sorted(self.settings.items())
        }
        if "rng" in inspect.signature(function).parameters:
            drawn["rng"] = rng
        return function(clip, **drawn)


def chain(steps: Sequence[Step], clip: Clip, rng: np.random.Generator) -> Clip:
    """Apply the steps in order."""
    for step in steps:
        clip = step(clip, rng)
    return clip


def material(steps: Iterable[Step]) -> str:
    """Return a fingerprint of the recordings that steps draw from: another, where a file was added, removed or changed.

    What is kept of augmented clips under the steps' settings alone would not notice. Files are told by name, size and
    time of change.

    Returns:
        SHA-256 in hexadecimal; empty where no step draws from a folder.
    """
    digest, folders = hashlib.sha256(), 0
    for step in steps:
        for key, setting in settings_of(AUGMENTATIONS[step.name]).items():
            if setting.checks == AudioFolder.__metadata__:  # type: ignore[attr-defined]
                folders += 1
                for path in audio_files(str(step.settings[key])):
                    status = path.stat()
                    digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest() if folders else ""
