"""Cells of tables that are opened in a spreadsheet, which takes a text that begins like a formula for one.

Tables that are only looked at take :func:`cell`; those that are read again take :func:`escaped`, and :func:`plain` when
they are. A path stays one in both (:func:`path_cell`).
"""

from __future__ import annotations

from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value: Any) -> Any:
    """Return a value, and a text that a spreadsheet would compute with an apostrophe before it, as the page does.

    >>> cell("=1+1"), cell("happy"), cell("-0.5"), cell(-0.5)
    ("'=1+1", 'happy', '-0.5', -0.5)
    """
    return f"'{value}" if isinstance(value, str) and _is_formula(value) else value


def path_cell(path: str) -> str:
    """Return a path that no spreadsheet computes and that still leads to its file.

    >>> path_cell("=a.wav"), path_cell("in/=a.wav"), path_cell("-")
    ('./=a.wav', 'in/=a.wav', '-')
    """
    return f"./{path}" if _is_formula(path) else path


def escaped(text: str) -> str:
    """Return a text that no spreadsheet computes and that :func:`plain` brings back exactly.

    >>> escaped("=1+1"), escaped("'=1+1"), escaped("happy"), escaped("'tis")
    ("'=1+1", "''=1+1", 'happy', "'tis")
    """
    return f"'{text}" if _is_formula(text.lstrip("'")) else text


def plain(text: str) -> str:
    """Return what a text was before :func:`escaped` or :func:`cell`.

    >>> plain("'=1+1"), plain("''=1+1"), plain("happy"), plain("'tis"), plain("=1+1")
    ('=1+1', "'=1+1", 'happy', "'tis", '=1+1')
    """
    return text[1:] if text.startswith("'") and _is_formula(text.lstrip("'")) else text


def _is_formula(text: str) -> bool:
    if len(text) < 2 or not text.startswith(_FORMULA):
        return False
    try:
        float(text)
    except ValueError:
        return True
    return False
