"""Preprocessing as steps of a recipe: the same in training and before every prediction, hence without chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vocalics.audio import Clip
from vocalics.preprocess.cleaning import reduce_noise, trim_silence
from vocalics.preprocess.levels import normalise_loudness, normalise_peak, normalise_rms
from vocalics.preprocess.settings import Value, checked, function_of

PREPROCESSING: dict[str, Callable[..., Clip]] = {
    f.__name__: f for f in (normalise_peak, normalise_rms, normalise_loudness, reduce_noise, trim_silence)
}


@dataclass(frozen=True)
class Preparation:
    """One step of preprocessing: its name and its settings."""

    name: str
    settings: Mapping[str, Value]

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> Preparation:
        """Check a table ``{name, setting = value, ...}`` of a recipe or a model's card.

        Raises:
            RecipeError: For an unknown name or setting, or a value of another type or out of range.
        """
        name, function = function_of(table, PREPROCESSING, "preprocessing")
        values = {key: value for key, value in table.items() if key != "name"}
        return cls(name, checked(function, values, f"preprocessing {name}"))

    def as_dict(self) -> dict[str, Any]:
        """Return the table that :meth:`parse` takes, of values that JSON and TOML can hold."""
        return {"name": self.name, **self.settings}

    def __call__(self, clip: Clip) -> Clip:
        """Apply the step."""
        return PREPROCESSING[self.name](clip, **self.settings)


def chain(steps: Sequence[Preparation], clip: Clip) -> Clip:
    """Apply the steps in order.

    Raises:
        MissingExtraError: Where a step needs a library that is not installed.
    """
    for step in steps:
        clip = step(clip)
    return clip
