"""Predictions as the server's JSON shows them."""

from __future__ import annotations

import json
from typing import Any

from vocalics.recognizer import Prediction
from vocalics.streaming import Shown


def prediction(said: Prediction, path: str = "-") -> dict[str, Any]:
    """Return a prediction: seconds to the millisecond, probabilities to six places.

    Args:
        said: What the model said.
        path: What the client calls the sound.
    """
    return {
        "path": path,
        "start": round(said.start, 3),
        "end": round(said.end, 3),
        "label": said.label,
        "emotion": said.emotion,
        "confidence": round(said.confidence, 6),
        "probabilities": {emotion: round(p, 6) for emotion, p in said.probabilities.items()},
        "model": said.model,
        "candidates": list(said.candidates),
        "strangeness": None if said.strangeness is None else round(said.strangeness, 3),
        "unfamiliar": said.unfamiliar,
    }


def shown(display: Shown) -> dict[str, Any]:
    """Return what a display shows: steady, beside the prediction as it is."""
    return {
        "emotion": display.emotion,
        "confidence": round(display.confidence, 6),
        "probabilities": {emotion: round(p, 6) for emotion, p in display.probabilities.items()},
        "since": round(display.since, 3),
        "changed": display.changed,
    }


def encoded(value: Any) -> bytes:
    """Return JSON in UTF-8; a number that JSON has no word for is an error of ours."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
