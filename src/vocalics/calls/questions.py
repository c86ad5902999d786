"""Questions to many calls, each answered with counts and intervals, or with "too few calls".

Intervals are 95 % percentile bootstraps over calls. They hold the chance in which calls happened to be kept, not the
model's errors: a model that takes a raised voice for anger does so in every call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.orm import aliased

from vocalics.calls.call import CUSTOMER, Trend
from vocalics.calls.schema import CallRow, CallTopicRow, PartyEmotionRow, PartyRow, TopicRow
from vocalics.calls.storage import Storage
from vocalics.emotions import EMOTIONS, OTHER_EMOTIONS
from vocalics.errors import VocalicsError
from vocalics.registry import lookup

LEAST_CALLS = 10
"""Below which nothing is said of a person or topic but how many there are."""

TOO_FEW = "too few calls"
_DRAWS = 2000


@dataclass(frozen=True)
class Risen:
    """A call in which the customer's anger rose.

    Attributes:
        digest: Of the call.
        started_at: In UTC.
        agent: Who served.
        customer: Who called.
        beginning: Mean anger of the customer's first third of turns.
        ending: Of the last third.
        change: Ending minus beginning.
        low: Lower end of the change's interval over turns.
        high: Upper end.
        n_turns: Of the customer, that count.
    """

    digest: str
    started_at: datetime
    agent: str | None
    customer: str | None
    beginning: float
    ending: float
    change: float
    low: float
    high: float
    n_turns: int


@dataclass(frozen=True)
class Standing:
    """How an agent's customers end against how they began.

    Attributes:
        agent: Who.
        n_calls: In which the customer spoke often enough to tell.
        n_unknown: Others.
        change: Mean change of the customers' anger; below 0 they end calmer. ``None`` for too few calls.
        low: Lower end of its interval over calls.
        high: Upper end.
        share_calmer: Of the calls, those whose customer's anger fell at all.
        finding: "calmer" or "angrier" where the interval lies on one side of 0, "no difference found", or "too few
            calls".
    """

    agent: str
    n_calls: int
    n_unknown: int
    change: float | None
    low: float | None
    high: float | None
    share_calmer: float | None
    finding: str


@dataclass(frozen=True)
class Mood:
    """How much of an emotion customers show in calls about a topic.

    Attributes:
        number: The topic's.
        words: The topic's.
        coherence: The topic's.
        n_calls: Calls about it, each counted by the topic's share in it.
        probability: Mean probability of the emotion in the customers' speech, each call counted so; ``None`` for too
            few calls.
        low: Lower end of its interval over calls.
        high: Upper end.
        finding: "" or "too few calls".
    """

    number: int
    words: tuple[str, ...]
    coherence: float
    n_calls: float
    probability: float | None
    low: float | None
    high: float | None
    finding: str


def anger_rose(storage: Storage, since: datetime | None = None, until: datetime | None = None) -> list[Risen]:
    """Return the calls in which the customer's anger rose from the beginning to the end, the most first.

    Args:
        storage: Holds the calls.
        since: Of calls that began then or later.
        until: Of calls that began before.
    """
    query = (
        select(CallRow, PartyRow)
        .join(CallRow.parties)
        .where(PartyRow.role == CUSTOMER, PartyRow.trend == Trend.ROSE.value)
        .order_by(PartyRow.anger_change.desc(), CallRow.started_at)
    )
    with storage.session() as session:
        return [_risen(call, party) for call, party in session.execute(_between(query, since, until))]


def calming_agents(
    storage: Storage, since: datetime | None = None, until: datetime | None = None, least: int = LEAST_CALLS
) -> list[Standing]:
    """Return how the customers of each agent end against how they began, those that end calmest first.

    An agent with too few calls is not ranked: those stand at the end, by name.

    Args:
        storage: Holds the calls.
        since: Of calls that began then or later.
        until: Of calls that began before.
        least: Calls that an agent needs.

    Raises:
        VocalicsError: For fewer than 2.
    """
    _check(least)
    query = (
        select(CallRow.agent, PartyRow.anger_change)
        .join(CallRow.parties)
        .where(PartyRow.role == CUSTOMER, CallRow.agent.is_not(None))
        .order_by(CallRow.agent, CallRow.digest)
    )
    changes: defaultdict[str, list[float | None]] = defaultdict(list)
    with storage.session() as session:
        for agent, change in session.execute(_between(query, since, until)):
            changes[agent].append(change)
    found = [_standing(agent, values, least) for agent, values in changes.items()]
    return sorted(found, key=lambda s: (s.change is None, s.change or 0.0, s.agent))


def moods(
    storage: Storage,
    emotion: str = "sad",
    since: datetime | None = None,
    until: datetime | None = None,
    least: int = LEAST_CALLS,
) -> list[Mood]:
    """Return how much of an emotion customers show by topic, the most first; topics with too few calls at the end.

    Args:
        storage: Holds the calls, and topics that were fitted to them (:func:`vocalics.calls.topics.fit`).
        emotion: Which.
        since: Of calls that began then or later.
        until: Of calls that began before.
        least: Calls that a topic needs, each counted by the topic's share in it.

    Raises:
        VocalicsError: For an unknown emotion, where no topics were fitted, or ``least`` is below 2.
    """
    _check(least)
    lookup({e: e for e in EMOTIONS + OTHER_EMOTIONS}, emotion, "emotion")
    share = aliased(PartyEmotionRow)
    query = (
        select(TopicRow.number, CallTopicRow.weight, share.probability)
        .join(CallTopicRow, CallTopicRow.topic_id == TopicRow.id)
        .join(CallRow, CallRow.id == CallTopicRow.call_id)
        .join(PartyRow, PartyRow.call_id == CallRow.id)
        .join(share, share.party_id == PartyRow.id)
        .where(PartyRow.role == CUSTOMER, share.emotion == emotion)
        .order_by(TopicRow.number, CallRow.digest)
    )
    rows: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
    with storage.session() as session:
        topics = session.scalars(select(TopicRow).order_by(TopicRow.number)).all()
        if not topics:
            raise VocalicsError(
                "there are no topics yet, or a call of theirs was deleted; vocalics calls topics --fit 8"
            )
        for number, weight, probability in session.execute(_between(query, since, until)):
            rows[number].append((weight, probability))
        found = [_mood(topic, rows[topic.number], least) for topic in topics]
    return sorted(found, key=lambda m: (m.probability is None, -(m.probability or 0.0), m.number))


def _risen(call: CallRow, party: PartyRow) -> Risen:
    return Risen(
        digest=call.digest,
        started_at=call.started_at,
        agent=call.agent,
        customer=call.customer,
        beginning=party.anger_beginning or 0.0,
        ending=party.anger_ending or 0.0,
        change=party.anger_change or 0.0,
        low=party.anger_low or 0.0,
        high=party.anger_high or 0.0,
        n_turns=party.n_course_turns,
    )


def _between(query: Any, since: datetime | None, until: datetime | None) -> Any:
    if since is not None:
        query = query.where(CallRow.started_at >= since)
    return query if until is None else query.where(CallRow.started_at < until)


def _check(least: int) -> None:
    if least < 2:
        raise VocalicsError(f"{least} call tells nothing of anybody; expected at least 2, better {LEAST_CALLS}")


def _standing(agent: str, values: Sequence[float | None], least: int) -> Standing:
    known = np.array([value for value in values if value is not None])
    n_unknown = len(values) - len(known)
    if len(known) < least:
        return Standing(agent, len(known), n_unknown, None, None, None, None, TOO_FEW)
    low, high = _interval(known, np.ones(len(known)))
    finding = "calmer" if high < 0 else "angrier" if low > 0 else "no difference found"
    calmer = float((known < 0).mean())
    return Standing(agent, len(known), n_unknown, float(known.mean()), low, high, calmer, finding)


def _mood(topic: TopicRow, rows: Sequence[tuple[float, float]], least: int) -> Mood:
    weights, values = (np.array([row[i] for row in rows]) for i in (0, 1))
    n = float(weights.sum()) if rows else 0.0
    about = (topic.number, tuple(topic.words), topic.coherence, n)
    if n < least:
        return Mood(*about, None, None, None, TOO_FEW)
    low, high = _interval(values, weights)
    return Mood(*about, float((weights * values).sum() / n), low, high, "")


def _interval(values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> tuple[float, float]:
    """A percentile bootstrap (Efron 1979) of a weighted mean, over calls."""
    rng, n = np.random.default_rng(0), len(values)
    means = []
    for _ in range(_DRAWS):
        drawn = rng.integers(0, n, n)
        means.append((weights[drawn] * values[drawn]).sum() / weights[drawn].sum())
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
