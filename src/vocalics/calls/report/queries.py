"""What a report asks of the database; all rows come out as plain values."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session, selectinload

from vocalics.calls.call import AGENT, CUSTOMER, Call, Kind
from vocalics.calls.rows import from_row
from vocalics.calls.schema import (
    CallRow,
    CallTopicRow,
    KeywordRow,
    MomentRow,
    PartyEmotionRow,
    PartyRow,
    TopicRow,
    TurnRow,
)

WITH_AUDIO = ("audio", "all")
WITH_WORDS = ("text", "all")


@dataclass(frozen=True)
class Time:
    """Of calls that began at ``since`` or later and before ``until``; ``None`` is no bound."""

    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Fact:
    """A call in a line.

    Attributes:
        emotions: Of the customer: mean probabilities by seconds of speech; empty where the customer does not speak.
        id: Of its row.
        digest: As in the call.
        started_at: In UTC.
        duration: In seconds.
        model: Which judged it.
        agent: Who served, where known.
        customer: Who called, where known.
        transcript_by: What made its transcript, or "".
        kept: What was kept of it besides figures.
        speech_seconds: Of the customer; 0 where there is none, or parties were not told apart.
        trend: Of the customer's anger, or "".
    """

    emotions: Mapping[str, float] = field(hash=False)
    id: int
    digest: str
    started_at: datetime
    duration: float
    model: str
    agent: str | None
    customer: str | None
    transcript_by: str
    kept: str
    speech_seconds: float
    trend: str


@dataclass(frozen=True)
class Highlight:
    """An escalation or recovery of a customer, or of somebody in a call whose parties were not told apart.

    Attributes:
        kind: Which of the two.
        call_id: Of the call's row.
        digest: The call's.
        started_at: The call's, in UTC.
        duration: The call's, in seconds.
        kept: What was kept of the call.
        audio: The name of the recording's copy, or ``None``.
        role: Whose it is.
        turn: The number of the turn in which it begins.
        start: Of that turn, in seconds.
        end: Of that turn.
        strength: How far anger rose or fell, 0 to 1.
        confidence: See :class:`vocalics.calls.call.Moment`.
        words: What was said in that turn; ``None`` where no words are kept.
    """

    kind: Kind
    call_id: int
    digest: str
    started_at: datetime
    duration: float
    kept: str
    audio: str | None
    role: str
    turn: int | None
    start: float
    end: float
    strength: float
    confidence: float
    words: str | None


@dataclass(frozen=True)
class Mention:
    """How often a term of the list was said.

    Attributes:
        term: Which.
        n_calls: In how many calls.
        n_times: How often altogether.
        by: How often by whom, by role; "" where the transcript has no times.
    """

    term: str
    n_calls: int
    n_times: int
    by: Mapping[str, int] = field(hash=False)


def facts(session: Session, time: Time) -> list[Fact]:
    """Return the calls of a time in the order in which they began."""
    emotions: defaultdict[int, dict[str, float]] = defaultdict(dict)
    query: Any = (
        select(PartyRow.call_id, PartyEmotionRow.emotion, PartyEmotionRow.probability)
        .join(PartyEmotionRow, PartyEmotionRow.party_id == PartyRow.id)
        .join(PartyRow.call)
        .where(PartyRow.role == CUSTOMER)
    )
    for call, emotion, probability in session.execute(_within(query, time)):
        emotions[call][emotion] = probability
    query = (
        select(
            CallRow.id, CallRow.digest, CallRow.started_at, CallRow.duration, CallRow.model, CallRow.agent,
            CallRow.customer, CallRow.transcript_by, CallRow.kept, func.coalesce(PartyRow.speech_seconds, 0.0),
            func.coalesce(PartyRow.trend, ""),
        )
        .outerjoin(PartyRow, and_(PartyRow.call_id == CallRow.id, PartyRow.role == CUSTOMER))
        .order_by(CallRow.started_at, CallRow.id)
    )  # fmt: skip
    return [Fact(emotions.get(told[0], {}), *told) for told in session.execute(_within(query, time))]


def highlights(session: Session, time: Time, kind: Kind, limit: int, with_unnamed: bool = True) -> list[Highlight]:
    """Return the strongest escalations or recoveries of everybody but agents, the strongest first.

    Args:
        session: Of the database.
        time: When the calls began.
        kind: Escalation or recovery.
        limit: At most so many.
        with_unnamed: Whether parties are told of that may be agent or customer ("speaker 1").
    """
    query: Any = (
        select(
            CallRow.id, CallRow.digest, CallRow.started_at, CallRow.duration, CallRow.kept, CallRow.audio,
            PartyRow.role, MomentRow.turn, MomentRow.start, MomentRow.end, MomentRow.strength, MomentRow.confidence,
            TurnRow.words,
        )
        .join(MomentRow.call)
        .join(MomentRow.party)
        .outerjoin(TurnRow, and_(TurnRow.call_id == MomentRow.call_id, TurnRow.number == MomentRow.turn))
        .where(MomentRow.kind == kind.value, PartyRow.role != AGENT if with_unnamed else PartyRow.role == CUSTOMER)
        .order_by(MomentRow.strength.desc(), CallRow.started_at, MomentRow.start)
        .limit(limit)
    )  # fmt: skip
    return [Highlight(kind, *told) for told in session.execute(_within(query, time))]


def topics(session: Session) -> list[tuple[int, tuple[str, ...], float, int]]:
    """Return number, words, coherence and calls of the fit, of every topic of the last one."""
    rows = session.scalars(select(TopicRow).order_by(TopicRow.number))
    return [(row.number, tuple(map(str, row.words)), row.coherence, row.n_calls) for row in rows]


def topic_weights(session: Session, time: Time) -> dict[int, list[tuple[int, float]]]:
    """Return, by topic, the calls that it takes a share of by their digests' order, and that share."""
    query: Any = (
        select(TopicRow.number, CallRow.id, CallTopicRow.weight)
        .join(CallTopicRow, CallTopicRow.topic_id == TopicRow.id)
        .join(CallRow, CallRow.id == CallTopicRow.call_id)
        .order_by(TopicRow.number, CallRow.digest)
    )
    found: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
    for number, call, weight in session.execute(_within(query, time)):
        found[number].append((call, weight))
    return found


def mentions(session: Session, time: Time) -> list[Mention]:
    """Return how often each term of the list was said, those in the most calls first."""
    query: Any = (
        select(KeywordRow.term, KeywordRow.call_id, PartyRow.role)
        .join(KeywordRow.call)
        .outerjoin(KeywordRow.turn)
        .outerjoin(TurnRow.party)
    )
    calls: defaultdict[str, set[int]] = defaultdict(set)
    by: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for term, call, role in session.execute(_within(query, time)):
        calls[term].add(call)
        by[term][role or ""] += 1
    found = [Mention(term, len(calls[term]), by[term].total(), dict(by[term])) for term in calls]
    return sorted(found, key=lambda mention: (-mention.n_calls, -mention.n_times, mention.term))


def whole(session: Session, ids: Collection[int]) -> Iterator[Call]:
    """Yield calls as they were kept, in the order in which they began."""
    query = (
        select(CallRow)
        .where(CallRow.id.in_(ids))
        .order_by(CallRow.started_at, CallRow.id)
        .options(
            selectinload(CallRow.parties).selectinload(PartyRow.emotions),
            selectinload(CallRow.parties).selectinload(PartyRow.track),
            selectinload(CallRow.turns).selectinload(TurnRow.party),
            selectinload(CallRow.moments),
            selectinload(CallRow.keywords).selectinload(KeywordRow.turn),
        )
    )
    for row in session.scalars(query):
        yield from_row(row)


def _within(query: Any, time: Time) -> Any:
    if time.since is not None:
        query = query.where(CallRow.started_at >= time.since)
    return query if time.until is None else query.where(CallRow.started_at < time.until)
