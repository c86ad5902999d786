"""The parts of a report that tell of single calls: moments, and a card for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PureWindowsPath

from vocalics.calls.call import Call, Kind, Moment, Party, Trend
from vocalics.calls.report import drawing
from vocalics.calls.report.queries import Highlight
from vocalics.calls.report.sound import Excerpt
from vocalics.calls.report.values import Card, Figures
from vocalics.markup import counted, paragraph, player, text
from vocalics.timeline.chart import clock, colour

LONGEST_WORDS = 400
"""Characters of a turn that are shown."""

_TRENDS = {
    Trend.ROSE: "anger rose",
    Trend.FELL: "anger fell",
    Trend.LEVEL: "anger neither rose nor fell for certain",
    Trend.TOO_FEW: "too few turns to tell how anger went",
}
_SIGNS = {Kind.ESCALATION: "▲", Kind.RECOVERY: "▼"}


def moments(figures: Figures, worst: Sequence[Excerpt] | None, best: Sequence[Excerpt] | None) -> str:
    """The strongest escalations and recoveries.

    Args:
        figures: The report's.
        worst: What can be heard of the escalations; ``None`` for a page without sound.
        best: Of the recoveries.
    """
    words = (
        "Where a customer's anger, over several turns, rises above or falls below what it was, the largest changes "
        "first. Confidence is the share of random orders of the same turns that show no change as large. An agent's "
        "own changes are marked on the call's card only."
    )
    if worst is None:
        words += " This page was made without sound."
    elif any(excerpt.uri for excerpt in [*worst, *(best or ())]):
        words += " The page contains voices: whoever has the page can hear them."
    return paragraph(words) + "".join(
        f"<h3>{heading}</h3>{_list(found, heard, nothing)}"
        for heading, found, heard, nothing in (
            ("Where it got worse", figures.worst, worst, "No escalation was found."),
            ("Where it got better", figures.best, best, "No recovery was found."),
        )
    )


def cards(figures: Figures) -> str:
    """A card for each call that is shown."""
    n, n_all = len(figures.cards), figures.summary.n_calls
    words = (
        "Along a call's time: how each party sounds to the model, window by window, probabilities stacked to 1; pale "
        "where the party has no turn. ▲ stands where anger rises for several turns, ▼ where it falls."
    )
    if n < n_all:
        words += (
            f" Of {n_all:,} calls, {n:,} {'has' if n == 1 else 'have'} a card here: those of the moments above, and "
            "the latest. vocalics calls show tells of any other one."
        )
    known = dict.fromkeys(emotion for card in figures.cards for emotion in card.call.emotions)
    chips = "".join(f"<li>{_chip(emotion)}{text(emotion)}</li>" for emotion in known)
    return (
        paragraph(words)
        + f'<ul class="legend" aria-label="Colours">{chips}</ul>'
        + f'<div class="callgrid">{"".join(_card(card) for card in figures.cards)}</div>'
    )


def _list(found: Sequence[Highlight], heard: Sequence[Excerpt] | None, nothing: str) -> str:
    if not found:
        return paragraph(nothing)
    excerpts = heard if heard is not None else [None] * len(found)
    items = "".join(_highlight(moment, excerpt) for moment, excerpt in zip(found, excerpts, strict=True))
    return f'<ol class="moments">{items}</ol>'


def _highlight(moment: Highlight, excerpt: Excerpt | None) -> str:
    sign = "+" if moment.kind is Kind.ESCALATION else "−"
    at = clock(moment.start)
    if moment.words is None:
        said = paragraph("No words are kept.", "none")
    elif not moment.words.strip():
        said = paragraph("No words were recognised in this turn.", "none")
    else:
        said = f"<blockquote>{text(_cut(moment.words))}</blockquote>"
    sound = ""
    if excerpt is not None and excerpt.uri is not None:
        what = f"{excerpt.end - excerpt.start:.0f} seconds from {clock(excerpt.start)} on, {moment.kind} at {at}"
        sound = player(excerpt.uri, what).html
    elif excerpt is not None:
        sound = paragraph(excerpt.why, "none")
    return (
        f'<li class="card {moment.kind}"><p class="who"><b>{_SIGNS[moment.kind]} {sign}{moment.strength:.2f}</b> '
        f"anger of the {text(moment.role)} at {at}</p>"
        f'<p class="note"><a href="#{_anchor(moment.digest)}">{moment.started_at:%Y-%m-%d %H:%M}</a>, turn '
        f"{text(moment.turn)}, confidence {100 * moment.confidence:.1f} %</p>{said}{sound}</li>"
    )


def _card(card: Card) -> str:
    call = card.call
    anchor = _anchor(call.digest)
    names = "; ".join(f"{role}: {name}" for role, name in (("agent", call.agent), ("customer", call.customer)) if name)
    strips = "".join(_strip(party, call) for party in call.parties)
    parts = [
        f'<p class="note">{text(names or "nobody is named")}; <span class="path">{text(_file(call.path))}</span>, call '
        f'<span class="path">{text(call.digest[:12])}</span></p>',
        f'<div class="strips">{strips}<div class="axis" aria-hidden="true"><span>0:00</span><span>'
        f"{clock(call.duration)}</span></div></div>",
        _marks(call.moments),
        _measures(call),
        _words(card),
        *(paragraph(note, "none") for note in call.notes),
    ]
    return (
        f'<article class="card call" id="{anchor}" aria-labelledby="h-{anchor}"><h3 id="h-{anchor}">'
        f"{call.started_at:%Y-%m-%d %H:%M} UTC, {clock(call.duration)}</h3>{''.join(parts)}</article>"
    )


def _strip(party: Party, call: Call) -> str:
    told = [f"{100 * party.talk_share:.0f} % of the speech", counted(party.n_turns, "turn")]
    if party.n_interruptions:
        told.append(f"cuts in {party.n_interruptions} times" if party.n_interruptions > 1 else "cuts in once")
    if party.pace is not None:
        told.append(f"{party.pace:.0f} words a minute")
    course = party.course
    told.append(_TRENDS[course.trend] if party.emotions else "voice not judged")
    if course.change is not None and course.beginning is not None and course.ending is not None:
        told[-1] += f" ({course.beginning:.2f}, then {course.ending:.2f})"
    signs = "".join(
        f'<span style="left:{drawing.place(moment.start, call.duration)}">{_SIGNS[moment.kind]}</span>'
        for moment in call.moments
        if moment.party == party.role and moment.kind in _SIGNS
    )
    return (
        f'<div class="party"><p><b>{text(party.role)}</b> {text(", ".join(told))}</p>'
        f'<div class="signs" aria-hidden="true">{signs}</div>'
        f"{drawing.strip(party, call.turns, call.emotions, call.duration)}</div>"
    )


def _marks(found: Sequence[Moment]) -> str:
    lines = "".join(
        f"<li>{_SIGNS[m.kind]} {clock(m.start)} {m.kind.value} of the {text(m.party)}: anger "
        f"{'+' if m.kind is Kind.ESCALATION else '−'}{m.strength:.2f} from turn {text(m.turn)} on</li>"
        for m in found
        if m.kind in _SIGNS
    )
    return f'<ul class="marks">{lines}</ul>' if lines else ""


def _measures(call: Call) -> str:
    told = call.measures
    facts = {
        "turns": f"{told.n_turns:,}",
        "both speak": f"{told.overlap:.1f} s",
        "nobody speaks": f"{told.silence:.1f} s",
        "longest silence": f"{told.longest_silence:.1f} s",
        "interruptions": f"{told.n_interruptions:,}",
    }
    return '<dl class="measures">' + "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in facts.items()) + "</dl>"


def _words(card: Card) -> str:
    lines = []
    if card.phrases:
        phrases = ", ".join(f"{text(phrase.text)}" for phrase in card.phrases)
        lines.append(f"<p><b>Key phrases</b> {phrases}</p>")
    said = Counter(keyword.term for keyword in card.call.keywords)
    if said:
        terms = ", ".join(f"{text(term)} ({n})" if n > 1 else text(term) for term, n in said.most_common())
        lines.append(f"<p><b>Terms</b> {terms}</p>")
    return "".join(lines)


def _anchor(digest: str) -> str:
    return f"call-{text(digest)}"


def _chip(emotion: str) -> str:
    return f'<i class="chip" style="background:{colour(emotion)}"></i>'


def _file(path: str) -> str:
    """A file's name, of a path of any system."""
    return PureWindowsPath(path).name or path


def _cut(words: str) -> str:
    return words if len(words) <= LONGEST_WORDS else f"{words[:LONGEST_WORDS].rstrip()}…"
