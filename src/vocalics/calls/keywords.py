"""Terms of a list, found in what was said."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from vocalics.calls.call import Keyword, Turn
from vocalics.errors import VocalicsError

LONGEST_TERM = 200
"""Characters of a term."""


def read(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Read a list of terms, one a line; empty lines, and those that begin with #, are passed over.

    Raises:
        VocalicsError: When it cannot be read, holds none, or a term is longer than ``LONGEST_TERM``.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise VocalicsError(f"{path}: cannot be read ({error}); expected a text file with a term a line") from None
    terms = tuple(dict.fromkeys(" ".join(line.split()) for line in lines if line.strip() and line.strip()[0] != "#"))
    if not terms:
        raise VocalicsError(f"{path}: holds no terms; expected one a line")
    if any(len(term) > LONGEST_TERM for term in terms):
        raise VocalicsError(f"{path}: holds a term of more than {LONGEST_TERM} characters; expected words to look for")
    return terms


def spot(terms: Sequence[str], turns: Iterable[Turn], text: str | None = None) -> tuple[Keyword, ...]:
    """Return every place of every term, whole words in any case, by time.

    A term that ends with ``*`` is found as the beginning of a word ("cancel*" in "cancelled").

    Args:
        terms: Words, or several in a row.
        turns: With their words.
        text: A transcript without times.
    """
    patterns = [(term, _pattern(term)) for term in terms]
    found = [
        Keyword(term, turn.party, turn.number, turn.start)
        for turn in turns
        for term, pattern in patterns
        for _ in pattern.finditer(turn.words or "")
    ]
    return (*found, *(Keyword(term) for term, pattern in patterns for _ in pattern.finditer(text or "")))


def _pattern(term: str) -> re.Pattern[str]:
    words = [re.escape(word) for word in term.removesuffix("*").split()]
    return re.compile(r"(?<!\w)" + r"\s+".join(words) + (r"\w*" if term.endswith("*") else r"(?!\w)"), re.IGNORECASE)
