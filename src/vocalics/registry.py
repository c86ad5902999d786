"""Look things up by name, and find the modules of a package that declare them."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import TypeVar

from vocalics.errors import VocalicsError

T = TypeVar("T")


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``'; did you mean "x"?'`` for the closest known name, else an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""


def lookup(table: Mapping[str, T], name: str, what: str, error: type[VocalicsError] = VocalicsError) -> T:
    """Return ``table[name]``.

    Args:
        table: Known names and their values.
        name: The name asked for, verbatim.
        what: What the names are of, for the message ("corpus", "feature set").
        error: The class raised.

    Raises:
        VocalicsError: (or ``error``) when the name is unknown; the message offers the closest
            known name and lists all of them.
    """
    try:
        return table[name]
    except KeyError:
        known = ", ".join(sorted(table)) or "none"
        raise error(f'unknown {what} "{name}"{suggestion(name, table) or "."} Known: {known}.') from None


def some(names: Sequence[str], n: int = 5) -> str:
    """Return the first names in a row for a message.

    >>> some(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    return ", ".join(names[:n]) + (f" and {len(names) - n} more" if len(names) > n else "")


def discover(package: ModuleType) -> list[ModuleType]:
    """Import and return every public module of a package, in name order."""
    names = sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]
