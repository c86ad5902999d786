"""The first message of a stream: what it asks for, checked before any sound is taken."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from vocalics.audio import HIGHEST_SAMPLE_RATE, LOWEST_SAMPLE_RATE
from vocalics.recognizer import Recognizer
from vocalics.streaming import default_hop
from vocalics.web.problems import Problem
from vocalics.web.service import Service

KEYS = ("sample_rate", "format", "channels", "window", "hop", "max_lag", "model", "adapt", "token")

FORMATS: dict[str, np.dtype[Any]] = {"pcm16": np.dtype("<i2"), "float32": np.dtype("<f4")}


@dataclass(frozen=True)
class Start:
    """A stream's first message, as it was understood.

    Attributes:
        sample_rate: In Hz.
        format: One of :data:`FORMATS`.
        channels: Interleaved; they are averaged.
        recognizer: The model.
        name: Its name here.
        window: Seconds; the card's where ``None``.
        hop: Seconds.
        max_lag: Seconds behind the sound beyond which a window is left out for a later one; ``None`` leaves none out.
        adapt: Whether the model gets used to the voice as the stream goes on.
    """

    sample_rate: int
    format: str
    channels: int
    recognizer: Recognizer
    name: str
    window: float | None
    hop: float
    max_lag: float | None
    adapt: bool


def parsed(text: str, service: Service) -> Start:
    """Return what a first message asks for.

    Raises:
        Problem: Naming what is wrong with it.
    """
    said = json_object(text)
    if said is None:
        raise Problem("invalid-parameter", 'expected a JSON object first, as {"sample_rate": 48000, "format": "pcm16"}')

    if unknown := sorted(said.keys() - KEYS):  # "chanels" would be a stream judged otherwise than it was meant
        shown = ", ".join(json.dumps(key)[:40] for key in unknown[:5])
        raise Problem("invalid-parameter", f"{shown}: no key of a stream's start; expected {', '.join(KEYS)}")

    def number(key: str, low: float, high: float, default: float | None, whole: bool = False) -> float | None:
        value: Any = said.get(key, default)
        if value is None and default is None and key != "sample_rate":
            return None
        known = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not known or not low <= value <= high or (whole and value != int(value)):
            raise Problem(
                "invalid-parameter",
                f"{key} is {json.dumps(value)[:40]}; expected a {'whole ' if whole else ''}number from {low:g} to "
                f"{high:g}",
                high,
            )
        return float(value)

    def word(key: str, default: str) -> str:
        value = said.get(key, default)
        if not isinstance(value, str):
            raise Problem("invalid-parameter", f"{key} is {json.dumps(value)[:40]}; expected text")
        return value

    limits = service.limits
    sample_rate = number("sample_rate", LOWEST_SAMPLE_RATE, HIGHEST_SAMPLE_RATE, None, whole=True)
    channels = number("channels", 1, limits.channels, 1, whole=True)
    window = number("window", 0, limits.window_seconds, None)
    hop = number("hop", limits.hop_seconds, limits.window_seconds, None)
    max_lag = number("max_lag", 0, limits.backlog_seconds, None)
    assert sample_rate is not None and channels is not None
    form = word("format", "pcm16")
    if form not in FORMATS:
        raise Problem("invalid-parameter", f"format is {form[:40]!r}; expected {' or '.join(FORMATS)}")
    adapt = said.get("adapt", False)
    if not isinstance(adapt, bool):
        raise Problem("invalid-parameter", f"adapt is {json.dumps(adapt)[:40]}; expected true or false")
    if adapt and channels != 1:
        raise Problem("invalid-parameter", "adapt is for one voice, and channels are averaged; send one channel")
    name = word("model", service.default)
    recognizer = service.recognizer(name)
    hop = default_hop(recognizer, window) if hop is None else hop
    service.check_windows(recognizer, window, hop)
    return Start(int(sample_rate), form, int(channels), recognizer, name, window, hop, max_lag, adapt)


def json_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object that a text is, or ``None`` where it is none."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None
