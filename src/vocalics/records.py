"""A prediction in plain values: the keys and columns in which every output tells the same (docs/outputs.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vocalics.spreadsheets import cell

if TYPE_CHECKING:
    from vocalics.recognizer import Prediction
    from vocalics.streaming import Shown


def record(said: Prediction, path: str | None = None) -> dict[str, Any]:
    """Return a prediction as JSON shows it, always with the same keys.

    Args:
        said: What the model said.
        path: What the recording is called; the prediction's own where ``None``.
    """
    told = part(said)
    candidates, strangeness = told.pop("candidates"), told.pop("strangeness")
    about = {"path": said.path if path is None else path}
    return {**about, **told, "model": said.model, "candidates": candidates, "strangeness": strangeness}


def part(said: Prediction) -> dict[str, Any]:
    """Return what a prediction says of its stretch of a recording: seconds to the millisecond, chances to six places.

    Path and model are left out; for several stretches of one recording they stand above them.
    """
    return {
        "start": round(said.start, 3),
        "end": round(said.end, 3),
        "emotion": said.emotion,
        "label": said.label,
        "confidence": round(said.confidence, 6),
        "probabilities": _rounded(said.probabilities),
        "candidates": list(said.candidates),
        "strangeness": None if said.strangeness is None else round(said.strangeness, 3),
    }


def shown(display: Shown) -> dict[str, Any]:
    """Return what a display shows: steady, to stand beside the prediction as it is."""
    return {
        "emotion": display.emotion,
        "label": display.label,
        "confidence": round(display.confidence, 6),
        "probabilities": _rounded(display.probabilities),
        "since": round(display.since, 3),
        "changed": display.changed,
    }


def columns(emotions: Sequence[str]) -> list[str]:
    """Return the names of a table's columns behind those that tell the recording (path, channel).

    Args:
        emotions: Of the model, in its order.
    """
    return ["start", "end", "emotion", "label", "confidence", *emotions, "model", "candidates", "strangeness"]


def row(said: Prediction) -> list[Any]:
    """Return a prediction's cells under :func:`columns`, none of them a formula; ``None`` stands for an empty one."""
    told = record(said)
    del told["path"]
    chances = told.pop("probabilities")
    ahead = [told.pop(key) for key in ("start", "end", "emotion", "label", "confidence")]
    told["candidates"] = " ".join(told["candidates"])
    return [cell(value) for value in (*ahead, *chances.values(), *told.values())]


def _rounded(probabilities: Mapping[str, float]) -> dict[str, float]:
    return {emotion: round(chance, 6) for emotion, chance in probabilities.items()}
