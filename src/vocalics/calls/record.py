"""A call in values that JSON has."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any


def record(value: Any, tracks: bool = False) -> Any:
    """Return a call, or what belongs to one, or an answer, in plain values: numbers to six places, times in ISO 8601.

    Args:
        value: A dataclass of :mod:`vocalics.calls`, or what it holds.
        tracks: Whether a party's windows and levels are told; they are long.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value) if tracks or field.name != "track"]
        return {name: record(getattr(value, name), tracks) for name in names}
    if isinstance(value, dict):
        return {str(key): record(item, tracks) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [record(item, tracks) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        return round(value, 6)
    return str(value) if isinstance(value, str) else value
