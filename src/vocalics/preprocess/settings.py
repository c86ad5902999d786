"""The settings of a step, as a recipe's table or a line of words says them, checked against a function's signature.

Preprocessing and augmentation share it. A setting is what the function's parameter is annotated as: ``float`` takes a
number, ``str`` a text, ``bool`` true or false; what ``Annotated`` adds (:class:`Within`, or anything else that has
``complaint``) is asked whether the value will do, so that a mistake ends a run before it has begun.
"""

from __future__ import annotations

import inspect
import math
import re
import tomllib
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from vocalics.errors import RecipeError
from vocalics.registry import lookup, suggestion

Number = float | tuple[float, float]
Value = Number | str | bool

NOT_SETTINGS = ("clip", "rng")
"""What a step's function is given at every call."""


class Check(Protocol):
    """What a value must be besides its type."""

    def complaint(self, value: Any) -> str:
        """Return what is wrong with a value and what was expected; empty where nothing is."""
        ...


@dataclass(frozen=True)
class Within:
    """A number from ``low`` to ``high``, both included."""

    low: float = -math.inf
    high: float = math.inf

    def complaint(self, value: float) -> str:
        """Return what is wrong with a number; empty where nothing is."""
        if self.low <= value <= self.high:
            return ""
        bounds = f"{self.low:g} or more" if self.high == math.inf else f"{self.low:g} to {self.high:g}"
        return f"{value:g} is out of range; expected {bounds}"


@dataclass(frozen=True)
class OneOf:
    """One of a few words."""

    words: tuple[str, ...]

    def complaint(self, value: str) -> str:
        """Return what is wrong with a word; empty where nothing is."""
        hint = suggestion(value, self.words) or "."
        return "" if value in self.words else f'"{value}" is unknown{hint} Expected one of: {", ".join(self.words)}'


@dataclass(frozen=True)
class Setting:
    """What a function wants of one setting: its type, whether it must be given, and what is asked of its value."""

    kind: type
    required: bool
    checks: tuple[Check, ...]


@cache
def settings_of(function: Callable[..., Any]) -> Mapping[str, Setting]:
    """Return the settings of a step's function by name, in the order of its signature."""
    hints = typing.get_type_hints(function, include_extras=True)
    found: dict[str, Setting] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name in NOT_SETTINGS:
            continue
        kind, *checks = typing.get_args(hints[name]) if hasattr(hints[name], "__metadata__") else (hints[name],)
        found[name] = Setting(kind, parameter.default is parameter.empty, tuple(checks))
    return found


def function_of(
    table: Mapping[str, Any], known: Mapping[str, Callable[..., Any]], what: str
) -> tuple[str, Callable[..., Any]]:
    """Return a step's name and its function.

    Raises:
        RecipeError: When the table has no name, or one that is not known.
    """
    if "name" not in table:
        raise RecipeError(f"{what} {dict(table)!r} has no name; expected one of {', '.join(sorted(known))}")
    name = str(table["name"])
    return name, lookup(known, name, what, RecipeError)


def checked(
    function: Callable[..., Any], values: Mapping[str, Any], where: str, ranges: bool = False
) -> dict[str, Value]:
    """Return a step's settings, each of its parameter's type.

    Args:
        function: Whose settings they are.
        values: By name, as TOML has them.
        where: How a message begins ("augmentation gain").
        ranges: Whether a number may be a range ``[low, high]``; every number then becomes a pair.

    Raises:
        RecipeError: For an unknown or missing setting, or a value that will not do.
    """
    known = settings_of(function)
    found: dict[str, Value] = {}
    for key, value in values.items():
        if key not in known:
            listed = f"Known: {', '.join(known)}." if known else "It has none."
            raise RecipeError(f'{where}: unknown setting "{key}"{suggestion(key, known) or "."} {listed}')
        found[key] = _value(known[key], value, f"{where}: {key}", ranges)
    for key, setting in known.items():
        if setting.required and key not in found:
            raise RecipeError(f'{where} lacks the setting "{key}"')
    return found


def table_of(text: str) -> dict[str, Any]:
    """Return a step's table from one line: its name, then ``setting=value``, separated by spaces.

    A value is a number, ``[low,high]``, true, false or a text, in quotes where it holds spaces.

    >>> table_of("add_noise snr_db=[5, 20] probability=0.5")
    {'name': 'add_noise', 'snr_db': [5, 20], 'probability': 0.5}
    >>> table_of("recorded_noise folder='my noises' snr_db=10")["folder"]
    'my noises'

    Raises:
        RecipeError: For what is not of this form.
    """
    name, _, rest = text.strip().partition(" ")
    if not name or "=" in name:
        raise RecipeError(f'step "{text}" does not begin with a name; expected e.g. "add_noise snr_db=[5,20]"')
    table: dict[str, Any] = {"name": name}
    position = 0
    while rest[position:].strip():
        found = _PAIR.match(rest, position)
        if found is None:
            raise RecipeError(
                f'step "{text}": "{rest[position:].strip()}" is not of the form setting=value; expected e.g. '
                '"add_noise snr_db=[5,20] probability=0.5"'
            )
        if found[1] in table:
            raise RecipeError(f'step "{text}": {found[1]} is said twice')
        table[found[1]] = _plain(found[2])
        position = found.end()
    return table


_PAIR = re.compile(r"""\s*(\w+)\s*=\s*(\[[^]]*\]|"[^"]*"|'[^']*'|\S+)(?=\s|$)""")


def _plain(text: str) -> Any:
    """A value as TOML reads it, or else the text itself (TOML knows dates, which are no settings)."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        try:
            return float(text)
        except ValueError:
            return text
    return value if isinstance(value, bool | int | float | str | list) else text


def _value(setting: Setting, value: Any, where: str, ranges: bool) -> Value:
    """One setting's value in its type."""
    if setting.kind is bool:
        if not isinstance(value, bool):
            raise RecipeError(f"{where} = {value!r} is neither true nor false")
        return value
    if setting.kind is str:
        if not isinstance(value, str) or not value:
            raise RecipeError(f"{where} = {value!r} is not a text")
        _ask(setting, value, where)
        return value
    pair = value if ranges and isinstance(value, list | tuple) else (value, value)
    if len(pair) != 2 or not all(_is_number(v) for v in pair):
        raise RecipeError(f"{where} = {value!r} is not a number{' or a range [low, high]' if ranges else ''}")
    if pair[0] > pair[1]:
        raise RecipeError(f"{where} = {value!r} is no range; expected the lower end first")
    for end in pair:
        _ask(setting, end, where)
    return (float(pair[0]), float(pair[1])) if ranges else float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _ask(setting: Setting, value: Any, where: str) -> None:
    for check in setting.checks:
        if complaint := check.complaint(value):
            raise RecipeError(f"{where}: {complaint}")
