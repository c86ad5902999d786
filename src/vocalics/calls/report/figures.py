"""From calls that are kept to everything that a report shows, in values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations

import numpy as np

from vocalics.calls import questions
from vocalics.calls.call import CUSTOMER, Call, Course, Kind, Party, Track, Trend
from vocalics.calls.questions import LEAST_CALLS
from vocalics.calls.report import queries
from vocalics.calls.report.intervals import Estimate, bootstrap, wilson
from vocalics.calls.report.queries import WITH_AUDIO, WITH_WORDS, Fact, Highlight, Time
from vocalics.calls.report.values import Agent, Card, Figures, Period, Summary, Topic
from vocalics.calls.storage import Storage
from vocalics.calls.topics import phrases_of
from vocalics.emotions import EMOTIONS
from vocalics.errors import MissingExtraError, VocalicsError

MOST_PERIODS = 100
"""Days that get a place each; over more, weeks are counted, then months."""

MOST_HIGHLIGHTS = 10
"""Escalations, and recoveries, that are shown."""

MOST_CARDS = 200
"""Calls that get a card: those of highlights, then the latest."""

MOST_PHRASES = 6
"""Of a call."""


def figures(storage: Storage, time: Time | None = None, least: int = LEAST_CALLS, with_agents: bool = True) -> Figures:
    """Return all that a report tells.

    Args:
        storage: Holds the calls.
        time: Of which calls; all where ``None``.
        least: Calls below which nothing is said of an agent, a topic or a day but how many there are.
        with_agents: Whether agents' names and voices are in it.

    Raises:
        VocalicsError: Where there is no call, or ``least`` is below 2.
    """
    time = time or Time()
    agents = _agents(storage, time, least) if with_agents else ()
    with storage.session() as session:
        found = queries.facts(session, time)
        if not found:
            when = " in that time" if time != Time() else ""
            raise VocalicsError(f"the database holds no call{when}; vocalics calls RECORDING... analyses some")
        worst, best = (
            tuple(queries.highlights(session, time, kind, MOST_HIGHLIGHTS, with_agents))
            for kind in (Kind.ESCALATION, Kind.RECOVERY)
        )
        topics = queries.topics(session)
        weights = queries.topic_weights(session, time)
        mentions = tuple(queries.mentions(session, time))
        calls = list(queries.whole(session, _shown(found, [*worst, *best])))
    heard = [fact for fact in found if fact.emotions]
    known = dict.fromkeys(emotion for fact in heard for emotion in fact.emotions)
    emotions = tuple(sorted(known, key=lambda e: (EMOTIONS.index(e) if e in EMOTIONS else len(EMOTIONS), e)))
    unit = _unit(found[0].started_at.date(), found[-1].started_at.date())
    tallies = Counter((fact.agent, fact.trend) for fact in found)
    return Figures(
        time=time,
        least=least,
        with_agents=with_agents,
        summary=_summary(found),
        emotions=emotions,
        unit=unit,
        periods=_periods(found, emotions, unit, least),
        agents=tuple(replace(a, n_by_trend={t: tallies[a.standing.agent, t] for t in Trend}) for a in agents),
        n_apart=sum(_apart(a, b) for a, b in combinations(agents, 2)),
        worst=worst,
        best=best,
        n_topic_calls=max((n for *_, n in topics), default=0),
        topics=tuple(
            _topic(number, words, coherence, weights.get(number, []), heard, emotions, least)
            for number, words, coherence, _ in topics
        ),
        mentions=mentions,
        cards=_cards(storage, calls, {fact.digest: fact.kept for fact in found}, with_agents),
    )


def _agents(storage: Storage, time: Time, least: int) -> tuple[Agent, ...]:
    """The agents by name: an order by a figure would tell more than overlapping intervals carry."""
    found = []
    for standing in questions.calming_agents(storage, time.since, time.until, least):
        if standing.share_calmer is None:
            found.append(Agent(standing, None, None, None, {}))
        else:
            n_calmer = round(standing.share_calmer * standing.n_calls)
            found.append(Agent(standing, n_calmer, *wilson(n_calmer, standing.n_calls), {}))
    return tuple(sorted(found, key=lambda agent: (agent.standing.agent.casefold(), agent.standing.agent)))


def _apart(one: Agent, other: Agent) -> bool:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low > other.high or other.low > one.high


def _summary(found: Sequence[Fact]) -> Summary:
    named = [fact.agent for fact in found if fact.agent is not None]
    return Summary(
        n_calls=len(found),
        seconds=sum(fact.duration for fact in found),
        first=found[0].started_at,
        last=found[-1].started_at,
        n_heard=sum(bool(fact.emotions) for fact in found),
        customer_seconds=sum(fact.speech_seconds for fact in found),
        n_transcripts=sum(bool(fact.transcript_by) for fact in found),
        n_words=sum(bool(fact.transcript_by) and fact.kept in WITH_WORDS for fact in found),
        n_audio=sum(fact.kept in WITH_AUDIO for fact in found),
        n_agents=len(set(named)),
        n_nameless=len(found) - len(named),
        models=dict(Counter(fact.model for fact in found).most_common()),
        transcripts_by=dict(Counter(fact.transcript_by for fact in found if fact.transcript_by).most_common()),
    )


def _unit(first: date, last: date) -> str:
    n_days = (last - first).days + 1
    return "day" if n_days <= MOST_PERIODS else "week" if n_days <= 7 * MOST_PERIODS else "month"


def _span(day: date, unit: str) -> tuple[date, date]:
    """The first and last day of the period that a day lies in; weeks begin on Monday (ISO 8601)."""
    if unit == "day":
        return day, day
    if unit == "week":
        start = day - timedelta(days=day.weekday())
        return start, start + timedelta(days=6)
    start = day.replace(day=1)
    return start, (start + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def _periods(found: Sequence[Fact], emotions: Sequence[str], unit: str, least: int) -> tuple[Period, ...]:
    by_span: dict[tuple[date, date], list[Fact]] = {}
    for fact in found:
        by_span.setdefault(_span(fact.started_at.date(), unit), []).append(fact)
    return tuple(
        Period(start, end, len(calls), sum(bool(f.emotions) for f in calls), _moods(calls, emotions, least))
        for (start, end), calls in by_span.items()
    )


def _moods(
    calls: Sequence[Fact], emotions: Sequence[str], least: int, weights: Sequence[float] | None = None
) -> dict[str, Estimate]:
    """Mean probabilities over the calls whose model knows the emotion; intervals where those are enough."""
    known = {e: tuple(i for i, fact in enumerate(calls) if e in fact.emotions) for e in emotions}
    found: dict[str, Estimate] = {}
    for rows in dict.fromkeys(known.values()):
        same = [e for e in emotions if known[e] == rows]
        values = np.array([[calls[i].emotions[e] for e in same] for i in rows])
        weight = np.array([1.0 if weights is None else weights[i] for i in rows])
        n = float(weight.sum())
        if n <= 0:
            found |= {e: Estimate(n, None) for e in same}
        elif n < least:
            found |= {e: Estimate(n, float(mean)) for e, mean in zip(same, weight @ values / n, strict=True)}
        else:
            told = zip(same, *bootstrap(values, weight), strict=True)
            found |= {e: Estimate(n, *map(float, ends)) for e, *ends in told}
    return {e: found[e] for e in emotions}


def _topic(
    number: int,
    words: tuple[str, ...],
    coherence: float,
    weights: Sequence[tuple[int, float]],
    heard: Sequence[Fact],
    emotions: Sequence[str],
    least: int,
) -> Topic:
    by_id = {fact.id: fact for fact in heard}
    rows = [(by_id[call], weight) for call, weight in weights if call in by_id]
    n = sum(weight for _, weight in rows)
    told = _moods([f for f, _ in rows], emotions, least, [w for _, w in rows]) if n >= least else {}
    return Topic(number, words, coherence, n, told)


def _shown(found: Sequence[Fact], highlights: Sequence[Highlight]) -> list[int]:
    wanted = dict.fromkeys([h.call_id for h in highlights])
    latest = dict.fromkeys(fact.id for fact in reversed(found))
    return list(wanted | latest)[:MOST_CARDS]


def _cards(storage: Storage, calls: Sequence[Call], kept: Mapping[str, str], with_agents: bool) -> tuple[Card, ...]:
    try:
        said = phrases_of(storage, [call.digest for call in calls], MOST_PHRASES)
    except MissingExtraError:
        raise
    except VocalicsError:  # there are not two calls with words that could be told apart
        said = {}
    return tuple(
        Card(c if with_agents else _without_agent(c), kept.get(c.digest, "none"), tuple(said.get(c.digest, ())))
        for c in calls
    )


def _without_agent(call: Call) -> Call:
    """The call without the agent's name, and how anybody sounds who may be the agent; when they speak is left in."""
    return replace(
        call,
        agent=None,
        parties=tuple(party if party.role == CUSTOMER else _unjudged(party) for party in call.parties),
        moments=tuple(moment for moment in call.moments if moment.party == CUSTOMER),
    )


def _unjudged(party: Party) -> Party:
    return replace(party, emotions={}, course=Course(Trend.TOO_FEW, 0), track=Track())
