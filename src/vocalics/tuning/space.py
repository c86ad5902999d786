"""What is searched: settings of a recipe by dotted key, each with a range or some choices."""

from __future__ import annotations

import inspect
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vocalics.emotions import scheme
from vocalics.errors import RecipeError
from vocalics.models import WAVEFORM, ModelSpec
from vocalics.recipe import Recipe, parse
from vocalics.registry import suggestion
from vocalics.training import check

SETTINGS: Mapping[str, str] = {
    "C": "0.1..300:log",
    "gamma": "3e-4..0.03:log",
    "balanced": "true|false",
    "n_components": "2..128:log",
    "covariance_floor": "1e-3..1:log",
    "sharpness": "0.05..3:log",
    "n_trees": "100..500",
    "n_leaves": "16..256:log",
    "n_rounds": "50..300",
    "depth": "1..5",
    "rate": "0.02..0.3:log",
    "share_of_features": "0.02..0.5:log",
    "share_of_clips": "0.4..1",
    "n_layers": "1..4",
    "n_filters": "16..128:log",
    "filter_size": "3..9",
    "activation": "relu|elu|gelu|silu|tanh",
    "n_hidden": "32..256:log",
    "width": "32..128:log",
    "bidirectional": "true|false",
    "dropout": "0..0.6",
    "dense_dropout": "0..0.6",
    "l2": "1e-5..0.1:log",
}
"""Where a model's setting of this name is searched, whichever model has it."""

OWN: Mapping[str, Mapping[str, str]] = {
    "logistic_regression": {"C": "1e-3..10:log"},
    "logmel_cnn": {"channels": "[8, 32, 56, 64]|[16, 64, 112, 128]|[24, 96, 168, 192]"},
    "logmel_tdnn": {"n_first": "8|16|24", "width": "96|144|192", "depth": "2..4"},
    "cnn_lstm": {"channels": "[32, 48]|[64, 96]|[96, 128]", "n_layers": "1..2"},
    "lstm": {"n_layers": "1..2"},
    "encoder_head": {"n_channels": "96|192|384"},
    "dense_wide": {"widths": "[200, 100]|[400, 200, 100]|[800, 400, 200, 100]"},
}
"""The same for settings of one model."""

FIT: Mapping[str, str] = {
    "fit.rate": "1e-4..1e-2:log",
    "fit.weight_decay": "1e-6..0.1:log",
    "fit.label_smoothing": "0..0.2",
    "fit.batch_size": "16..128:log",
}
"""Of every net."""

BATCH: Mapping[str, str] = {
    "batch.stretch": "0..0.3",
    "batch.warp": "0..0.25",
    "batch.colour_db": "0..8",
    "batch.noise": "0..0.9",
    "batch.mixup_share": "0..1",
}
"""Of a net whose batches are augmented."""

FIXED = (
    "name",
    "description",
    "scheme",
    "corpora",
    "shares",
    "validation",
    "seed",
    "intended_use",
    "limits",
    "publication",
)
"""Keys that say what is learnt and measured, not how."""

EXAMPLE = "fit.rate=1e-4..1e-2:log, n_copies=0..3 or model_settings.activation=relu|gelu"


@dataclass(frozen=True)
class Range:
    """A number between two, both included.

    Attributes:
        key: Dotted, as in ``--set``.
        low: Smallest value.
        high: Largest value.
        whole: Whether only whole numbers are meant.
        log: Whether every order of magnitude is as likely.
    """

    key: str
    low: float
    high: float
    whole: bool = False
    log: bool = False

    @property
    def examples(self) -> tuple[Any, ...]:
        """Values to try the setting with before the search."""
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)

    def __str__(self) -> str:
        """Return the range as :func:`parameter` reads it back, so that no two are written alike."""
        low, high = (repr(int(v) if self.whole else v) for v in (self.low, self.high))
        return f"{low}..{high}" + (":log" if self.log else "")

    @property
    def rounded(self) -> str:
        """The range as studies noted it at first, in six digits."""
        return f"{self.low:g}..{self.high:g}" + (":log" if self.log else "")


@dataclass(frozen=True)
class Choice:
    """One of some values.

    Attributes:
        key: Dotted, as in ``--set``.
        words: The values as they were written; :func:`literal` says what they mean.
    """

    key: str
    words: tuple[str, ...]

    @property
    def examples(self) -> tuple[Any, ...]:
        """Values to try the setting with before the search."""
        return tuple(literal(word) for word in self.words)

    def __str__(self) -> str:
        return "|".join(self.words)


Space = tuple[Range | Choice, ...]


def search_space(recipe: Recipe, texts: Sequence[str] = (), only: bool = False, settled: Sequence[str] = ()) -> Space:
    """Return what is searched: the model's own settings, and those asked for.

    Args:
        recipe: Whose settings.
        texts: ``KEY=LOW..HIGH``, with ``:log`` behind it where orders of magnitude are meant, or ``KEY=A|B|C``; each
            replaces or joins the model's own.
        only: Leave the model's own out.
        settled: Keys that somebody has set by hand; they are not searched.

    Raises:
        RecipeError: For a text that is none of these, an unknown key, a value that the recipe or the model refuses, or
            nothing to search.
    """
    spec = check(recipe)
    asked: dict[str, Range | Choice] = {}
    for text in texts:
        one = parameter(text)
        if one.key in asked:
            raise RecipeError(f'--param "{text}": {one.key} was given already')
        if one.key in settled:
            raise RecipeError(f'--param "{text}": {one.key} is settled by --set; leave one of them out')
        asked[one.key] = one
    own = (
        {}
        if only
        else {key: parameter(f"{key}={text}") for key, text in _own(recipe, spec).items() if key not in settled}
    )
    space = tuple({**own, **asked}.values())
    if not space:
        why = "--only leaves nothing to search" if only else f"{spec.name} has no setting that is searched by itself"
        raise RecipeError(f"recipe {recipe.name}: {why}; name some with --param, e.g. {EXAMPLE}")
    for one in space:
        _try(recipe, one)
    return space


def parameter(text: str) -> Range | Choice:
    """Read one parameter.

    >>> parameter("fit.rate=1e-4..1e-2:log")
    Range(key='fit.rate', low=0.0001, high=0.01, whole=False, log=True)
    >>> parameter("model_settings.activation=relu|gelu")
    Choice(key='model_settings.activation', words=('relu', 'gelu'))

    Raises:
        RecipeError: For anything else.
    """
    key, separator, values = (part.strip() for part in text.partition("="))
    if not (separator and key and values):
        raise RecipeError(f'--param "{text}": expected KEY=VALUES, e.g. {EXAMPLE}')
    if "|" in values:
        words = tuple(word.strip() for word in values.split("|"))
        if "" in words or len(set(words)) < len(words):
            raise RecipeError(f'--param "{text}": a choice is empty or stands there twice')
        return Choice(key, words)
    bounds = re.fullmatch(r"(.+?)\.\.(.+?)(:log)?", values)
    if bounds is None:
        raise RecipeError(
            f'--param "{text}": "{values}" is one value; expected LOW..HIGH or A|B|C, or --set {key}={values}'
        )
    low, high = (literal(bounds[k]) for k in (1, 2))
    numbers = [v for v in (low, high) if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < 2:
        raise RecipeError(f'--param "{text}": "{values}" is no range of numbers; expected e.g. {EXAMPLE}')
    if not _finite(low, high):
        raise RecipeError(f'--param "{text}": "{values}" is not finite; expected e.g. {EXAMPLE}')
    if not low < high:
        raise RecipeError(f'--param "{text}": {low} is not below {high}')
    if bounds[3] and low <= 0:
        raise RecipeError(f'--param "{text}": {low} has no logarithm; begin above 0, or leave ":log" out')
    whole = isinstance(low, int) and isinstance(high, int)
    return Range(key, float(low), float(high), whole, bool(bounds[3]))


def _finite(low: float, high: float) -> bool:
    """Whether both are numbers that a float can hold, and what lies between them is, too."""
    try:
        return math.isfinite(float(high) - float(low))
    except OverflowError:  # a whole number of hundreds of digits
        return False


def literal(word: str) -> Any:
    """Return what a word means in TOML, or the word itself.

    >>> literal("3"), literal("[64, 32]"), literal("relu")
    (3, [64, 32], 'relu')
    """
    try:
        return tomllib.loads(f"value = {word}")["value"]
    except tomllib.TOMLDecodeError:
        return word


def changed(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """Return the recipe with the settings at these dotted keys replaced, checked as if it had been read.

    Raises:
        RecipeError: For an unknown key or a value that cannot be.
    """
    where = f"recipe {recipe.name}"
    table = recipe.as_dict()
    for key, value in settings.items():
        *parents, last = key.split(".")
        inner = table
        for parent in parents:
            inner = inner.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise RecipeError(f'{where}: "{parent}" is no table; "{key}" cannot be set in it')
        inner[last] = value
    if "n_copies" in settings and not table["n_copies"]:
        table["augment"] = ()  # what is done to the copies: without any, training refuses it
    table = {key: value for key, value in table.items() if value is not None}
    found: Recipe = parse(Recipe, table, where)
    return found


def _own(recipe: Recipe, spec: ModelSpec) -> dict[str, str]:
    """The model's settings that are searched unless somebody says otherwise."""
    known = {**SETTINGS, **OWN.get(spec.name, {})}
    names = [name for name in inspect.signature(spec.build).parameters if name in known]
    own = {f"model_settings.{name}": known[name] for name in names}
    if spec.neural:
        own |= FIT
    if spec.features == WAVEFORM:
        own |= BATCH
    if recipe.n_copies:
        own["n_copies"] = f"0..{recipe.n_copies}"
    return own


def _try(recipe: Recipe, one: Range | Choice) -> None:
    """Refuse a key or value that the recipe or the model does not take, before anything is computed."""
    first, *_ = one.key.split(".")
    if first in FIXED:
        raise RecipeError(
            f'--param "{one.key}={one}": {first} says what is learnt and measured, and trials that differ in it cannot '
            "be compared; settle it with --set"
        )
    if first not in (known := tuple(recipe.as_dict())):
        raise RecipeError(f'--param "{one.key}={one}": unknown key "{first}"{suggestion(first, known) or "."}')
    n_classes = len(scheme(recipe.scheme).emotions)
    for value in one.examples:
        try:
            tried = changed(recipe, {one.key: value})
            spec = check(tried)
            spec.build(n_classes, **tried.model_settings)
        except (RecipeError, TypeError, ValueError, RuntimeError) as error:
            raise RecipeError(f'--param "{one.key}={one}": {error}') from None
