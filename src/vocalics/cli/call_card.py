"""How a call, and the answers to questions about many, are shown on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from vocalics.cli.predictions import clock, plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from vocalics.calls.call import Call, Course, Moment

CAUTION = "Emotions are a model's guess at how a voice sounds, often wrong, and no measure of a person."

_LONGEST_WORDS = 160


def wide() -> Console:
    """Return a console; what is no terminal has room for a table."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(highlight=False, soft_wrap=True, width=140)


def card(call: Call) -> None:
    """Print a call so that it can be read."""
    from rich.text import Text

    console = wide()

    console.print(Text(plain(call.path), style="bold"))
    names = [f"{role} {plain(name)}" for role, name in (("agent", call.agent), ("customer", call.customer)) if name]
    console.print(Text(", ".join([f"{call.started_at:%Y-%m-%d %H:%M} UTC", clock(call.duration), *names])))
    console.print(Text(f"call {call.digest[:12]}, judged by {plain(call.model)}"))
    console.print()
    console.print(_parties(call))
    measures = call.measures
    console.print(
        f"{measures.n_turns} turns; both speak for {measures.overlap:.1f} s, nobody for {measures.silence:.1f} s "
        f"(at most {measures.longest_silence:.1f} s at once); {measures.n_interruptions} interruptions"
    )
    console.print()
    for heading, lines in (("Moments", _moments(call)), ("Keywords", _keywords(call)), ("Turns", _turns(call))):
        if lines:
            console.print(Text(heading, style="bold"))
            for line in lines:
                console.print(Text(line))
            console.print()
    for note in (*call.notes, CAUTION):
        console.print(Text(f"Note: {plain(note)}", style="dim"))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table without lines around its cells, whose text is shown as it is."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    built = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        built.add_column(column, justify="left", overflow="fold")
    for row in rows:
        built.add_row(*(Text(plain(value)) for value in row))
    return built


def _parties(call: Call) -> Table:
    rows = []
    for party in call.parties:
        ranked = sorted(party.emotions.items(), key=lambda item: -item[1])[:3]
        rows.append((
            party.role,
            f"{party.talk_share:.0%} ({party.speech_seconds:.0f} s)",
            str(party.n_turns),
            str(party.n_interruptions),
            f"{party.pace:.0f}/min" if party.pace is not None else "-",
            ", ".join(f"{emotion} {share:.0%}" for emotion, share in ranked) or "-",
            *_course(party.course),
        ))  # fmt: skip
    return table(("party", "talk", "turns", "cuts in", "words", "emotions", "anger", "change, 95 %"), rows)


def _course(course: Course) -> tuple[str, str]:
    if course.change is None or course.beginning is None or course.low is None or course.high is None:
        return f"{course.trend} ({course.n_turns})", "-"
    return (
        f"{course.trend}: {course.beginning:.2f}, then {course.ending:.2f}",
        f"{course.change:+.2f}, {course.low:+.2f} to {course.high:+.2f}",
    )


def _moments(call: Call) -> list[str]:
    return [f"{clock(m.start):>9}  {_told(m)}" for m in call.moments]


def _told(moment: Moment) -> str:
    turn = f"turn {moment.turn}" if moment.turn is not None else ""
    if moment.kind == "silence":
        return f"silence of {moment.strength:.0f} s"
    if moment.kind == "interruption":
        return f"{moment.party} cuts in for {moment.strength:.1f} s ({turn})"
    direction = "up" if moment.kind == "escalation" else "down"
    return (
        f"{moment.kind} of the {moment.party}: anger {direction} by {moment.strength:.2f} from {turn} on "
        f"(confidence {moment.confidence:.0%})"
    )


def _keywords(call: Call) -> list[str]:
    lines = []
    for term in dict.fromkeys(keyword.term for keyword in call.keywords):
        said = [k for k in call.keywords if k.term == term]
        places = ", ".join(dict.fromkeys(f"{k.party} {clock(k.start)}" for k in said if k.start is not None))
        lines.append(f"  {plain(term)}: {len(said)}" + (f" ({places})" if places else ""))
    return lines


def _turns(call: Call) -> list[str]:
    lines = []
    for turn in call.turns:
        emotion = f"{turn.emotion} {turn.confidence:.0%}" if turn.emotion else "-"
        words = plain(turn.words or "")
        shown = words if len(words) <= _LONGEST_WORDS else f"{words[:_LONGEST_WORDS]}…"
        lines.append(f"{turn.number:>5}  {clock(turn.start):>9}  {turn.party:<10}  {emotion:<14}  {shown}".rstrip())
    return lines
