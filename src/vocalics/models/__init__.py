"""The models: every one is a scikit-learn classifier, neural or not.

A module of this package declares ``MODELS``, a table from name to :class:`ModelSpec`. Importing this package does
not import torch; asking for a model does.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from vocalics.errors import MissingExtraError, RecipeError
from vocalics.registry import lookup, suggestion

MODULES = ("classical", "gmm", "cnn", "cnn1d", "cnn2d", "dense", "recurrent", "logmel_cnn", "transfer", "finetuned")

WAVEFORM = "waveform"
"""What a net takes whose front end is part of it."""
ENCODER = "encoder"
"""What a net takes that sits on a frozen encoder: the recipe's ``features`` name it and its blocks."""


@dataclass(frozen=True)
class ModelSpec:
    """What a model is called, what it takes, and how it is built.

    Attributes:
        name: The name in recipes.
        features: The feature set it is made for; of a net over inputs of uneven length, :data:`WAVEFORM` or
            :data:`ENCODER`.
        build: ``build(n_classes, **settings)`` returns a ``torch.nn.Module`` that maps a float32 batch to
            logits (n, n_classes) where ``neural``, else a scikit-learn classifier.
        neural: Whether ``build`` returns a torch module.
        summary: One line on what it is and where it was published.
        n_parameters: The printed parameter count, where there is one.
        takes_frames: Whether a classifier takes matrices (rows, frames) of a fixed size too; a net says its ``shape``.
        uneven: Whether a net takes spectrograms, or frames, of uneven length with their mask.
    """

    name: str
    features: str
    build: Callable[..., Any]
    neural: bool
    summary: str
    n_parameters: int | None = None
    takes_frames: bool = False
    uneven: bool = False

    def check_settings(self, settings: Iterable[str], given: Collection[str], where: str) -> None:
        """Refuse settings that ``build`` does not take.

        Args:
            settings: Their names.
            given: Names of what others than a recipe give.
            where: They stand, for the message: "teacher.settings".

        Raises:
            RecipeError: For an unknown one, with a suggestion.
        """
        known = [name for name in inspect.signature(self.build).parameters if name not in given]
        for name in settings:
            if name not in known:
                raise RecipeError(
                    f'{where}: unknown key "{name}"{suggestion(name, known) or "."} Known: '
                    f"{', '.join(known) or 'none'}."
                )


def models() -> dict[str, ModelSpec]:
    """Return every model by name.

    Raises:
        MissingExtraError: Where torch or scikit-learn is not installed.
    """
    table: dict[str, ModelSpec] = {}
    for name in MODULES:
        try:
            module = importlib.import_module(f"vocalics.models.{name}")
        except ModuleNotFoundError as error:
            if error.name and error.name.startswith("vocalics"):
                raise
            raise MissingExtraError("training", "train") from error
        table.update(module.MODELS)
    return table


def model_spec(name: str) -> ModelSpec:
    """Return a model's specification by name, with a suggestion where there is none."""
    return lookup(models(), name, "model", RecipeError)
