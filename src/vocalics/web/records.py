"""Predictions as the server's JSON shows them."""

from __future__ import annotations

import json
from typing import Any

from vocalics.recognizer import Prediction
from vocalics.streaming import Shown
from vocalics.timeline import Timeline


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


def timeline(said: Timeline, path: str) -> dict[str, Any]:
    """Return a timeline whose segments and windows are predictions as everywhere here.

    What is the same for all of them, path and model, stands above them only.

    Args:
        said: The timeline.
        path: What the client calls the recording.
    """
    whole = {**said.to_dict(), "path": path}
    for told, channel in zip(whole["channels"], said.channels, strict=True):
        told["segments"] = [_part(p) for p in channel.segments]
        told["windows"] = [_part(p) for p in channel.windows]
        told["summary"]["strongest"] = [_part(p) for p in channel.summary.strongest]
    return whole


def _part(said: Prediction) -> dict[str, Any]:
    return {key: value for key, value in prediction(said).items() if key not in ("path", "model")}


def shown(display: Shown) -> dict[str, Any]:
    """Return what a display shows: steady, beside the prediction as it is."""
    return {
        "emotion": display.emotion,
        "label": display.label,
        "confidence": round(display.confidence, 6),
        "probabilities": {emotion: round(p, 6) for emotion, p in display.probabilities.items()},
        "since": round(display.since, 3),
        "changed": display.changed,
    }


def encoded(value: Any) -> bytes:
    """Return JSON in UTF-8; a number that JSON has no word for is an error of ours."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
