"""The parts of a report that tell of all calls together."""

from __future__ import annotations

from collections.abc import Sequence

from vocalics.calls.call import AGENT, Trend
from vocalics.calls.report import drawing
from vocalics.calls.report.drawing import ends, percent
from vocalics.calls.report.intervals import Estimate
from vocalics.calls.report.values import Agent, Figures, Period, Topic
from vocalics.markup import Cell, Markup, card, counted, details, lasting, number, paragraph, table, text
from vocalics.timeline.chart import colour

CAN = (
    "how voices sounded to one model, and how that differs between many calls, days and topics of this database",
    "which moments of which calls are worth hearing first",
    "how sure a difference is, as far as chance goes: by the intervals and the counts",
)
CANNOT = (
    "what somebody felt, meant or is like: a model hears expression, learnt from acted speech, and is often wrong",
    "a judgement of a person: customers, their troubles and lines are not dealt out to agents by chance",
    "anything of a single turn or call: one figure of one call is worth a look, not a conclusion",
    "what the intervals leave out: a model that takes loud voices for anger does so in every call",
)
LAW = (
    "In the EU, inferring emotions of people at work is prohibited but for medical or safety reasons (AI Act, "
    "Regulation 2024/1689, Article 5(1)(f)), and people must be told where such a system is used on them (Article "
    "50(3)). Find out what holds where you are."
)
AGENTS = Markup(
    "How agents sound was judged too, and stands on the calls' cards: <code>vocalics calls --customer-only</code> "
    "leaves their voices alone, and a report made with <code>--no-agents</code> leaves it out."
)


def summary(figures: Figures) -> str:
    """How much there is."""
    told = figures.summary
    facts = {
        "calls": f"{told.n_calls:,}",
        "recorded": lasting(told.seconds),
        "customer heard": f"{told.n_heard:,}",
        "transcripts": f"{told.n_transcripts:,}",
        "words kept": f"{told.n_words:,}",
        "audio kept": f"{told.n_audio:,}",
    }
    items = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in facts.items())
    first, last = (f"{began:%Y-%m-%d}" for began in (told.first, told.last))
    dates = f"On {first} (UTC)" if first == last else f"From {first} to {last} (UTC)"
    return f'{paragraph(dates, "lead")}<dl class="facts">{items}</dl>{_judged(figures)}'


def worth(figures: Figures) -> str:
    """What the figures can and cannot carry."""
    judged = any(party.emotions for c in figures.cards for party in c.call.parties if party.role == AGENT)
    law = f"{text(LAW)} {AGENTS.html}" if judged else text(LAW)
    lists = "".join(
        f"<div><h3>{text(heading)}</h3><ul>{''.join(f'<li>{text(line)}</li>' for line in lines)}</ul></div>"
        for heading, lines in (("The figures can tell", CAN), ("They cannot tell", CANNOT))
    )
    return f'<div class="worth">{lists}</div><p class="warn">{law}</p>'


def trend(figures: Figures) -> str:
    """The customers' emotions over time."""
    if not figures.emotions:
        return paragraph("In no call is a customer heard to speak: there is nothing to show over time.")
    unit, periods = figures.unit, figures.periods
    n_few = sum(period.n_heard < figures.least for period in periods)
    words = paragraph(
        f"How much of each emotion the model hears in the customers' speech: the mean over a {unit}'s calls, each "
        f"counted alike, with its 95 % interval (percentile bootstrap over calls). All have one scale. A {unit} with "
        f"fewer than {figures.least} calls is grey and has no interval"
        + (f": {n_few} of {len(periods)}" if n_few else "")
        + f". {unit.capitalize()}s are those of UTC."
    )
    highest = drawing.top(periods)
    panels = [
        _panel(
            f'<i class="chip" style="background:{colour(emotion)}"></i>{text(emotion)}',
            drawing.panel(periods, emotion, highest, unit), percent(highest), periods, unit,
        )
        for emotion in figures.emotions
    ]  # fmt: skip
    most = max(period.n_heard for period in periods)
    panels.append(
        _panel("calls with a customer's voice", drawing.bars(periods, figures.least, unit), f"{most:,}", periods, unit)
    )
    rows: list[tuple[Cell, ...]] = [
        (drawing.name(p, unit), p.n_calls, p.n_heard, *(_estimate(p.emotions[e]) for e in figures.emotions))
        for p in periods
    ]
    numbers = table((unit, "calls", "customer heard", *figures.emotions), rows, "Mean probability, 95 % interval")
    return words + f'<div class="panels">{"".join(panels)}</div>' + details("The same as a table", numbers)


def agents(figures: Figures) -> str:
    """Agents side by side."""
    if not figures.with_agents:
        return paragraph("This report was made without agents.")
    if not figures.agents:
        return paragraph("No call with a customer's voice names its agent.")
    told = [agent for agent in figures.agents if agent.n_calmer is not None]
    few = [agent for agent in figures.agents if agent.n_calmer is None]
    words = paragraph(
        "The share of an agent's calls in which the customer's anger is lower in the last third of turns than in the "
        "first, with its 95 % interval (Wilson 1927) and the number of calls that are long enough to tell. Chance "
        "alone makes it about one half, the line in the middle. The names are in alphabetical order, because an order "
        "by a figure would tell what overlapping intervals do not: " + _apart(figures, len(told))
    )
    rows = [_agent(agent) for agent in told]
    change = ("anger's change", "95 %", "fell, unclear, rose; too short")
    head = ("agent", "calls", "calmer in, 0 to 100 %", "of them", "95 %", *change)
    body = table(head, rows, "Agents by name", spoken=True) if rows else ""
    if few:
        names: list[tuple[Cell, ...]] = [
            (a.standing.agent, a.standing.n_calls, a.standing.n_unknown, "too few calls") for a in few
        ]
        about = f"Fewer than {figures.least} calls that tell: no figure, and no place among the others"
        body += paragraph(f"{about}.", "few")
        body += table(("agent", "calls", "too short to tell", ""), names, about, spoken=True)
    note = (
        "Anger's change is the mean over the calls, with a bootstrap interval over them. Fell, rose: the calls in "
        "which that is certain by their own turns. Intervals take calls for independent of each other; those of one "
        "customer are not."
    )
    if figures.summary.n_nameless:
        n = figures.summary.n_nameless
        note += f" {counted(n, 'call')} {'names' if n == 1 else 'name'} no agent."
    return words + card("", body + paragraph(note, "note"))


def topics(figures: Figures) -> str:
    """Topics and terms against emotions."""
    blocks = []
    if figures.topics:
        blocks.append(card("Topics and the customers' emotions", _heat(figures)))
    elif figures.summary.n_words:
        blocks.append(
            "<p>Topics were not computed yet, or a call that was in them was deleted: <code>vocalics calls topics "
            "--fit 8</code> finds them.</p>"
        )
    else:
        blocks.append(paragraph("No words of these calls are kept, so there are neither topics nor key phrases."))
    if figures.mentions:
        rows: list[tuple[Cell, ...]] = [
            (m.term, m.n_calls, m.n_times, m.by.get("customer", 0), m.by.get("agent", 0)) for m in figures.mentions
        ]
        head = ("term", "calls", "times", "by the customer", "by the agent")
        shown = head if figures.with_agents else head[:4]
        blocks.append(
            card("Terms of your list", table(shown, [row[: len(shown)] for row in rows], "Terms", spoken=True))
        )
    return "".join(blocks)


def _judged(figures: Figures) -> str:
    told = figures.summary
    models = ", ".join(f"{name} ({counted(n, 'call')})" for name, n in told.models.items())
    lines = f"Judged by {models}. Customers speak for {lasting(told.customer_seconds)} in all."
    if told.n_heard < told.n_calls:
        lines += (
            f" In {counted(told.n_calls - told.n_heard, 'call')} no customer is heard, or the parties could not be "
            "told apart: such a call counts in no figure of customers."
        )
    if told.transcripts_by:
        by = ", ".join(f"{name} ({n:,})" for name, n in told.transcripts_by.items())
        lines += f" Transcripts: {by}."
    words = paragraph(lines, "lead")
    if len(told.models) > 1:
        words += paragraph(
            "More than one model judged these calls. What differs between days or agents may be the models' "
            "difference: analyse all calls by one before you compare.",
            "warn",
        )
    return words


def _panel(heading: str, svg: str, highest: str, periods: Sequence[Period], unit: str) -> str:
    first, last = drawing.name(periods[0], unit), drawing.name(periods[-1], unit)
    dates = f"<span>{text(first)}</span>" + (f"<span>{text(last)}</span>" if len(periods) > 1 else "")
    return (
        f'<figure class="trend"><figcaption>{heading}</figcaption><div class="plot"><span class="top">{text(highest)}'
        f'</span><span class="zero">0</span>{svg}</div><div class="dates">{dates}</div></figure>'
    )


def _estimate(estimate: Estimate) -> str:
    if estimate.value is None:
        return "–"
    return percent(estimate.value) + (f" ({ends(estimate)})" if estimate.low is not None else "")


def _apart(figures: Figures, n: int) -> str:
    if n < 2:
        return "there are not two agents with enough calls."
    if not figures.n_apart:
        return "here all of them overlap, and no agent can be told from another."
    pairs = n * (n - 1) // 2
    return (
        f"here {figures.n_apart} of {pairs} pairs do not overlap. With many pairs some differ by chance, and what "
        "differs may be the calls that were put through to whom."
    )


def _agent(agent: Agent) -> tuple[Cell, ...]:
    standing = agent.standing
    share, low, high = standing.share_calmer or 0.0, agent.low or 0.0, agent.high or 0.0
    certain = ", ".join(f"{agent.n_by_trend.get(trend, 0)}" for trend in (Trend.FELL, Trend.LEVEL, Trend.ROSE))
    return (
        standing.agent,
        standing.n_calls,
        Markup(drawing.span(share, low, high)),
        f"{agent.n_calmer} ({percent(share)})",
        f"{100 * low:.0f} to {100 * high:.0f} %",
        number(standing.change or 0.0, "{:+.2f}"),
        f"{number(standing.low or 0.0, '{:+.2f}')} to {number(standing.high or 0.0, '{:+.2f}')}",
        f"{certain}; {standing.n_unknown}",
    )


def _heat(figures: Figures) -> str:
    words = paragraph(
        f"The mean probability of each emotion in the customers' speech, each call counted by the topic's share in it, "
        f"with 95 % intervals over calls. Topics were found in the words of {counted(figures.n_topic_calls, 'call')} "
        "(latent Dirichlet allocation), whatever time is asked for here; they are no better than the transcripts, and "
        "their names are their most probable words."
    )
    rows: list[tuple[Cell, ...]] = [
        (
            Markup(f"<b>{topic.number}</b> {text(', '.join(topic.words[:7]))}"),
            number(topic.n_calls, "{:,.1f}"),
            *(_heated(topic, emotion) for emotion in figures.emotions),
        )
        for topic in figures.topics
    ]
    # Not where calls were judged by models of other emotions: each column is of the calls that know its own.
    same = all(len({estimate.n for estimate in topic.emotions.values()}) == 1 for topic in figures.topics)
    adds = " In each row all emotions add up to 100 %." if same else ""
    note = paragraph(f'"Too few" are topics with fewer than {figures.least} calls.{adds}', "note")
    return words + table(("topic", "calls", *figures.emotions), rows, "Topics", spoken=True) + note


def _heated(topic: Topic, emotion: str) -> Cell:
    estimate = topic.emotions.get(emotion)
    if estimate is None or estimate.value is None:
        return "too few"
    deep = min(100.0, 180 * estimate.value)
    between = f"<small>{text(ends(estimate))}</small>" if estimate.low is not None else ""
    return Markup(f'<div class="heat" style="--deep:{deep:.0f}%">{percent(estimate.value)}{between}</div>')
