"""An analysed call, in values: parties, turns, moments, measures, keywords.

Seconds count from the recording's beginning. *Anger* is, everywhere here, the probability that the model gives the
emotion ``angry``, 0 to 1: the corner of high arousal and low valence of Russell's circumplex (1980). It is what a model
says of a sound, not what a person felt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

AGENT = "agent"
CUSTOMER = "customer"
SPEAKER = "speaker"
"""Whoever is heard where parties cannot be told apart; "speaker 1", "speaker 2" where they were diarised."""


class Trend(StrEnum):
    """How a party's anger went from the beginning to the end."""

    ROSE = "rose"
    FELL = "fell"
    LEVEL = "level"
    TOO_FEW = "too few turns"


class Kind(StrEnum):
    """What a moment is."""

    ESCALATION = "escalation"
    RECOVERY = "recovery"
    INTERRUPTION = "interruption"
    SILENCE = "silence"


@dataclass(frozen=True)
class Turn:
    """What a party says until the other one takes over, or a pause ends it.

    Attributes:
        number: Counted from 1 over all parties, by start.
        party: The role of who speaks.
        start: In seconds.
        end: In seconds.
        speech_seconds: Of the turn, without its pauses.
        emotion: The most probable one, or ``None`` where no voice was heard in it, or the recognizer abstained.
        confidence: Its probability, 0 where no voice was heard.
        probabilities: Of every emotion, averaged over the turn's utterances by their seconds.
        anger: The probability of ``angry``.
        level_db: Root mean square of the spoken parts, in dB below full scale; ``None`` for digital silence.
        words: What was said, or ``None`` where there is no transcript.
        pace: Words per minute of speech; ``None`` without a transcript, or for turns too short to tell.
    """

    number: int
    party: str
    start: float
    end: float
    speech_seconds: float
    emotion: str | None
    confidence: float
    probabilities: Mapping[str, float] = field(hash=False)
    anger: float
    level_db: float | None
    words: str | None = None
    pace: float | None = None


@dataclass(frozen=True)
class Course:
    """How a party's anger went from its beginning to its end.

    Attributes:
        trend: "rose" or "fell" where the interval lies on one side of 0, else "level"; "too few turns" otherwise.
        n_turns: Turns that count: those with enough speech to be judged.
        beginning: Mean anger of the first third of them.
        ending: Mean anger of the last third.
        change: Ending minus beginning.
        low: Lower end of the change's 95 % bootstrap interval over turns.
        high: Upper end.
    """

    trend: Trend
    n_turns: int
    beginning: float | None = None
    ending: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Track:
    """A party's channel all along, for drawing.

    Attributes:
        starts: Of every window, in seconds.
        ends: Of every window.
        probabilities: Of every window, in the order of the call's emotions; all 0 where nobody speaks.
        levels: Peak level (full scale 1) of every ``level_step`` seconds.
        level_step: In seconds.
    """

    starts: tuple[float, ...] = ()
    ends: tuple[float, ...] = ()
    probabilities: tuple[tuple[float, ...], ...] = ()
    levels: tuple[float, ...] = ()
    level_step: float = 0.05


@dataclass(frozen=True)
class Party:
    """One side of a call.

    Attributes:
        role: "agent", "customer", "speaker", or "speaker 1" and so on.
        channel: "left", "right" or "mono".
        speech_seconds: How long it speaks.
        talk_share: Of all parties' speech, 0 to 1.
        n_turns: How often it speaks.
        n_interruptions: How often it cuts in on the other and goes on.
        pace: Words per minute of speech; ``None`` without a transcript.
        emotions: Mean probability of every emotion, by seconds of speech; empty where it does not speak.
        course: How its anger went.
        track: The channel all along.
    """

    role: str
    channel: str
    speech_seconds: float
    talk_share: float
    n_turns: int
    n_interruptions: int
    pace: float | None
    emotions: Mapping[str, float] = field(hash=False)
    course: Course
    track: Track = field(repr=False, default_factory=Track)


@dataclass(frozen=True)
class Moment:
    """A stretch of a call worth hearing.

    Attributes:
        kind: What it is.
        party: Whose it is: who gets angry, who cuts in; empty for silence, which is nobody's.
        turn: The number of the turn in which it begins; ``None`` for silence.
        start: In seconds.
        end: In seconds.
        strength: Of an escalation or recovery, how far anger rose or fell, 0 to 1; else, seconds.
        confidence: Of an escalation or recovery, 1 minus the share of random orders of the same turns in which as large
            a change is found; else 1: it was measured.
    """

    kind: Kind
    party: str
    turn: int | None
    start: float
    end: float
    strength: float
    confidence: float


@dataclass(frozen=True)
class Keyword:
    """A term of the user's list, where it was said.

    Attributes:
        term: As in the list.
        party: The role of who said it; empty where the transcript has no times.
        turn: The turn's number; ``None`` where the transcript has no times.
        start: Of the turn, in seconds.
    """

    term: str
    party: str = ""
    turn: int | None = None
    start: float | None = None


@dataclass(frozen=True)
class Measures:
    """A conversation in numbers, in seconds where nothing else is said.

    Attributes:
        n_turns: Of all parties.
        overlap: How long two speak at once.
        silence: How long nobody speaks.
        longest_silence: The longest pause of all.
        n_interruptions: How often one cuts in on the other and goes on.
    """

    n_turns: int
    overlap: float
    silence: float
    longest_silence: float
    n_interruptions: int


@dataclass(frozen=True)
class Call:
    """A recorded conversation, analysed.

    Attributes:
        digest: SHA-256 of the file in hexadecimals, by which the same recording is known again; where the call is
            pseudonymised, a keyed hash of that.
        path: The file as it was given; its pseudonym where the call is pseudonymised.
        started_at: When the call began, in UTC.
        duration: In seconds.
        sample_rate: Of the file, in Hz.
        model: The name of the model that judged.
        emotions: Of the model, in the order of its probabilities.
        agent: Who served, where known.
        customer: Who called, where known.
        parties: Agent first.
        turns: By their start.
        moments: By their start.
        measures: The conversation in numbers.
        keywords: By their start.
        transcript_by: What made the transcript: a file's kind, a recognizer's name, or "" where there is none.
        text: The transcript where it has no times, and so belongs to no turn; else ``None``.
        pseudonymised: Whether names are keyed hashes.
        notes: What could not be done, or is rough, a sentence each.
    """

    digest: str
    path: str
    started_at: datetime
    duration: float
    sample_rate: int
    model: str
    emotions: tuple[str, ...]
    agent: str | None
    customer: str | None
    parties: tuple[Party, ...]
    turns: tuple[Turn, ...]
    moments: tuple[Moment, ...]
    measures: Measures
    keywords: tuple[Keyword, ...] = ()
    transcript_by: str = ""
    text: str | None = None
    pseudonymised: bool = False
    notes: tuple[str, ...] = ()

    def party(self, role: str) -> Party | None:
        """Return the party of a role, or ``None`` where there is none."""
        return next((party for party in self.parties if party.role == role), None)
