"""Calls in values, made up."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from vocalics.calls.call import Call, Keyword, Kind, Measures, Moment, Party, Track, Turn
from vocalics.calls.course import course
from vocalics.emotions import EMOTIONS

RATE = 16_000
"""Of the calls made of voices, in Hz."""

BEGAN = datetime(2026, 3, 31, 14, 5, tzinfo=UTC)


def spread(**chances: float) -> dict[str, float]:
    """Probabilities of all emotions: those given, and the rest neutral."""
    return {e: round(chances.get(e, 1 - sum(chances.values()) if e == "neutral" else 0.0), 6) for e in EMOTIONS}


def turn(number: int, party: str = "customer", anger: float = 0.1, words: str | None = None, **changes: Any) -> Turn:
    """A turn of four seconds, every five."""
    values: dict[str, Any] = {
        "number": number, "party": party, "start": 5.0 * number, "end": 5.0 * number + 4, "speech_seconds": 4.0,
        "emotion": "angry" if anger > 0.5 else "neutral", "confidence": max(anger, 1 - anger),
        "probabilities": spread(angry=anger), "anger": anger, "level_db": -20.0, "words": words,
    }  # fmt: skip
    return Turn(**{**values, **changes})


def party(role: str, anger: Sequence[float], emotions: dict[str, float] | None = None) -> Party:
    """A party whose turns have these probabilities of anger."""
    return Party(
        role=role,
        channel="left" if role == "agent" else "right",
        speech_seconds=4.0 * len(anger),
        talk_share=0.5,
        n_turns=len(anger),
        n_interruptions=0,
        pace=None,
        emotions=emotions or spread(angry=sum(anger) / len(anger)),
        course=course(anger),
        track=Track((0.0, 1.5), (3.0, 4.5), ((0.25,) * 8, (0.0,) * 8), (0.1, 0.2, 0.05), 0.05),
    )


def call(
    name: str = "one",
    anger: Sequence[float] = (0.1, 0.2, 0.1, 0.2, 0.1, 0.2, 0.1, 0.2, 0.1),
    words: Sequence[str] = (),
    emotions: dict[str, float] | None = None,
    **changes: Any,
) -> Call:
    """A call whose customer's turns have these probabilities of anger; the agent answers each."""
    turns = []
    for i, value in enumerate(anger):
        said = words[i] if i < len(words) else None
        turns += [turn(2 * i + 1, "customer", value, said), turn(2 * i + 2, "agent", 0.1, "yes" if words else None)]
    values: dict[str, Any] = {
        "digest": hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest(), "path": f"/calls/{name}.wav",
        "started_at": BEGAN, "duration": 10.0 * len(anger) + 10, "sample_rate": 8000, "model": "fake",
        "emotions": EMOTIONS, "agent": "Bob", "customer": "Ann",
        "parties": (party("agent", [0.1] * len(anger)), party("customer", anger, emotions)),
        "turns": tuple(turns),
        "moments": (
            Moment(Kind.ESCALATION, "customer", 3, 15.0, 19.0, 0.4, 0.99),
            Moment(Kind.SILENCE, "", None, 30.0, 45.0, 15.0, 1.0),
        ),
        "measures": Measures(len(turns), 1.5, 20.0, 15.0, 0),
        "keywords": (Keyword("refund", "customer", 1, 5.0),) if words else (),
        "transcript_by": "vtt file" if words else "",
        "notes": ("rough",),
    }  # fmt: skip
    return Call(**{**values, **changes})
