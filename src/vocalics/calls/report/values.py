"""What a report holds, in values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from vocalics.calls.call import Call
from vocalics.calls.questions import Standing
from vocalics.calls.report.intervals import Estimate
from vocalics.calls.report.queries import Highlight, Mention, Time
from vocalics.calls.topics import Phrase


@dataclass(frozen=True)
class Summary:
    """How much there is.

    Attributes:
        n_calls: All of the time.
        seconds: Their length.
        first: When the first one began.
        last: When the last one began.
        n_heard: Calls in which a customer is heard to speak.
        customer_seconds: How long customers speak in them.
        n_transcripts: Calls with a transcript, kept or not.
        n_words: Calls whose words are kept.
        n_audio: Calls whose recording is kept.
        n_agents: Agents with a name or pseudonym.
        n_nameless: Calls without one.
        models: How many calls each model judged, the most first.
        transcripts_by: How many transcripts are by what.
    """

    n_calls: int
    seconds: float
    first: datetime
    last: datetime
    n_heard: int
    customer_seconds: float
    n_transcripts: int
    n_words: int
    n_audio: int
    n_agents: int
    n_nameless: int
    models: Mapping[str, int] = field(hash=False)
    transcripts_by: Mapping[str, int] = field(hash=False)


@dataclass(frozen=True)
class Period:
    """A day, week or month.

    Attributes:
        start: Its first day, by UTC.
        end: Its last one.
        n_calls: That began in it.
        n_heard: In which a customer speaks.
        emotions: Mean over those of the probability of each emotion in the customer's speech, each call counted alike.
    """

    start: date
    end: date
    n_calls: int
    n_heard: int
    emotions: Mapping[str, Estimate] = field(hash=False)


@dataclass(frozen=True)
class Agent:
    """An agent's calls.

    Attributes:
        standing: See :class:`vocalics.calls.questions.Standing`; without a figure for too few calls.
        n_calmer: Of its calls, those whose customer's anger fell at all.
        low: Lower end of the share's interval; ``None`` for too few calls.
        high: Upper end.
        n_by_trend: Its calls by the customer's trend, told where the call's own interval allows it.
    """

    standing: Standing
    n_calmer: int | None
    low: float | None
    high: float | None
    n_by_trend: Mapping[str, int] = field(hash=False)


@dataclass(frozen=True)
class Topic:
    """A topic, and how customers sound in calls about it.

    Attributes:
        number: Counted from 1.
        words: The most probable first.
        coherence: See :class:`vocalics.calls.topics.Topic`.
        n_calls: Calls about it, each counted by the topic's share in it.
        emotions: Mean probabilities, calls counted so; empty for too few calls.
    """

    number: int
    words: tuple[str, ...]
    coherence: float
    n_calls: float
    emotions: Mapping[str, Estimate] = field(hash=False)


@dataclass(frozen=True)
class Card:
    """A call by itself, and what sets its words apart from those of the others."""

    call: Call
    kept: str
    phrases: tuple[Phrase, ...]


@dataclass(frozen=True)
class Figures:
    """All of a report.

    Attributes:
        time: Which calls were asked for.
        least: Calls below which nothing is said of a person, topic or day but how many there are.
        with_agents: Whether agents are told of at all.
        summary: How much there is.
        emotions: That are told of, in our order.
        unit: What periods are: "day", "week" or "month".
        periods: Those with calls, in order.
        agents: By name.
        n_apart: Pairs of agents whose intervals do not overlap.
        worst: The strongest escalations.
        best: The strongest recoveries.
        n_topic_calls: Calls of the fit of topics; 0 where there is none.
        topics: Of the last fit.
        mentions: Of the list's terms.
        cards: In the order in which the calls began.
    """

    time: Time
    least: int
    with_agents: bool
    summary: Summary
    emotions: tuple[str, ...]
    unit: str
    periods: tuple[Period, ...]
    agents: tuple[Agent, ...]
    n_apart: int
    worst: tuple[Highlight, ...]
    best: tuple[Highlight, ...]
    n_topic_calls: int
    topics: tuple[Topic, ...]
    mentions: tuple[Mention, ...]
    cards: tuple[Card, ...]
