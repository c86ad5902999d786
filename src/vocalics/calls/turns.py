"""Who has the floor: a call's utterances as turns, and what the two do to each other.

An *utterance* is what voice activity finds in a party's channel. A *turn* is a party's utterances until the other one
speaks for a second in a pause, the pause is longer than 1.5 s, or 20 s are full (Sacks, Schegloff, Jefferson 1974 on
turns; a short "mhm" of the other, a backchannel, ends none: Yngve 1970).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from vocalics.recognizer import Prediction

PAUSE_SECONDS = 1.5
"""A longer pause ends a turn."""

LONGEST_TURN = 20.0
"""Seconds; an utterance that would make a turn longer begins a new one."""

BACKCHANNEL_SECONDS = 1.0
"""Who speaks for less than this in the other's pause does not take the floor."""

OVERLAP_SECONDS = 0.4
"""Two must speak at once for this long before one interrupts the other; utterances are padded by 0.1 s on each side."""

LONG_SILENCE = 10.0
"""Seconds of nobody speaking that are a moment of their own."""

Span = tuple[float, float]


@dataclass(frozen=True)
class Utterance:
    """What voice activity finds, as it sounds.

    Attributes:
        prediction: Its times and what the model says.
        power: Mean square of its samples.
        words: What was said; ``None`` where there is no transcript.
    """

    prediction: Prediction
    power: float
    words: str | None = None

    @property
    def span(self) -> Span:
        """Start and end in seconds."""
        return self.prediction.start, self.prediction.end

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.prediction.end - self.prediction.start


@dataclass(frozen=True)
class Interruption:
    """One cuts in on the other and goes on.

    Attributes:
        party: Who cuts in.
        start: Where it does, in seconds.
        end: Where the other falls silent.
    """

    party: str
    start: float
    end: float


def turns(parties: Mapping[str, Sequence[Utterance]]) -> list[tuple[str, list[Utterance]]]:
    """Return the turns of all parties by their start: whose it is, and its utterances.

    Args:
        parties: Utterances by role, in order of time.
    """
    found: list[tuple[str, list[Utterance]]] = []
    for role, utterances in parties.items():
        # Of several others some speak at once: what they take together counts.
        others = union(u.span for other, theirs in parties.items() if other != role for u in theirs)
        position = 0
        for utterance in utterances:
            start = utterance.span[0]
            if found and found[-1][0] == role:
                before = found[-1][1]
                pause = (before[-1].span[1], start)
                while position < len(others) and others[position][1] <= pause[0]:
                    position += 1
                taken = sum(min(b, pause[1]) - max(a, pause[0]) for a, b in _until(others, position, pause[1]))
                if (
                    pause[1] - pause[0] <= PAUSE_SECONDS
                    and taken < BACKCHANNEL_SECONDS
                    and utterance.span[1] - before[0].span[0] <= LONGEST_TURN
                ):
                    before.append(utterance)
                    continue
            found.append((role, [utterance]))
    return sorted(found, key=lambda turn: (turn[1][0].span, turn[0]))


def _until(spans: list[Span], position: int, end: float) -> Iterable[Span]:
    while position < len(spans) and spans[position][0] < end:
        yield spans[position]
        position += 1


def interruptions(parties: Mapping[str, Sequence[Utterance]]) -> list[Interruption]:
    """Return where one cuts in on the other and takes the floor, by time.

    An utterance of at least a second that begins while another one is under way, goes on at once with it for
    ``OVERLAP_SECONDS``, and outlasts it (a successful interruption: Beattie 1981, after West and Zimmerman). Utterances
    that adjoin are one: speech without a pause comes in pieces.
    """
    found = []
    spoken = {role: union(u.span for u in utterances) for role, utterances in parties.items()}
    for role, spans in spoken.items():
        others = sorted(span for other, theirs in spoken.items() if other != role for span in theirs)
        position = 0
        for start, end in spans:
            while position < len(others) and others[position][1] <= start:
                position += 1
            if position == len(others) or end - start < BACKCHANNEL_SECONDS:
                continue
            theirs = others[position]
            if theirs[0] + OVERLAP_SECONDS <= start and start + OVERLAP_SECONDS <= theirs[1] < end:
                found.append(Interruption(role, start, theirs[1]))
    return sorted(found, key=lambda i: (i.start, i.party))


def union(spans: Iterable[Span]) -> list[Span]:
    """Return the stretches that spans cover, in order, without overlap.

    >>> union([(3, 4), (0, 1), (0.5, 2)])
    [(0, 2), (3, 4)]
    """
    covered: list[Span] = []
    for start, end in sorted(spans):
        if covered and start <= covered[-1][1]:
            covered[-1] = (covered[-1][0], max(end, covered[-1][1]))
        else:
            covered.append((start, end))
    return covered


def overlap(parties: Mapping[str, Sequence[Utterance]]) -> float:
    """Return how many seconds two or more parties speak at once."""
    edges = sorted((t, step) for u in parties.values() for a, b in union(x.span for x in u) for t, step in _edges(a, b))
    total, speaking = 0.0, 0
    for (time, step), (following, _) in pairwise(edges):
        speaking += step
        total += following - time if speaking > 1 else 0.0
    return total


def _edges(start: float, end: float) -> tuple[tuple[float, int], tuple[float, int]]:
    return (start, 1), (end, -1)


def silences(parties: Mapping[str, Sequence[Utterance]], duration: float) -> list[Span]:
    """Return the stretches in which nobody speaks, beginning and end included."""
    covered = union(u.span for utterances in parties.values() for u in utterances)
    edges = [(0.0, 0.0), *covered, (duration, duration)]
    return [(a[1], b[0]) for a, b in pairwise(edges) if b[0] > a[1]]
