"""What the server's JSON shows: predictions as in every output (:mod:`vocalics.records`), under the client's names."""

from __future__ import annotations

import json
from typing import Any

from vocalics import records
from vocalics.recognizer import Prediction
from vocalics.records import shown
from vocalics.timeline import Timeline

__all__ = ["encoded", "prediction", "shown", "timeline"]


def prediction(said: Prediction, path: str = "-") -> dict[str, Any]:
    """Return a prediction.

    Args:
        said: What the model said.
        path: What the client calls the sound.
    """
    return records.record(said, path)


def timeline(said: Timeline, path: str) -> dict[str, Any]:
    """Return a timeline.

    Args:
        said: The timeline.
        path: What the client calls the recording.
    """
    return {**said.to_dict(), "path": path}


def encoded(value: Any) -> bytes:
    """Return JSON in UTF-8; a number that JSON has no word for is an error of ours."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
