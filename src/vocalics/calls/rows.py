"""A call as rows of the tables, and back."""

from __future__ import annotations

from datetime import UTC, datetime

from vocalics.calls.call import Call, Course, Keyword, Kind, Measures, Moment, Party, Track, Trend, Turn
from vocalics.calls.schema import (
    CallRow,
    KeywordRow,
    MomentRow,
    PartyEmotionRow,
    PartyRow,
    TrackRow,
    TurnRow,
    written,
)


def to_row(call: Call, kept: str, audio: str | None) -> CallRow:
    """Return a call's row with all that belongs to it.

    Args:
        call: What is kept.
        kept: "none", "audio", "text" or "all"; words, keywords and the transcript go in with the last two only.
        audio: The name of the recording's copy.
    """
    with_text = kept in ("text", "all")
    sides = {party.role: _party(party) for party in call.parties}
    spoken = {turn.number: _turn(turn, sides[turn.party], with_text) for turn in call.turns}
    row = CallRow(
        digest=call.digest,
        path=call.path,
        started_at=call.started_at,
        analysed_at=datetime.now(UTC),
        duration=call.duration,
        sample_rate=call.sample_rate,
        model=call.model,
        emotions=list(call.emotions),
        agent=call.agent,
        customer=call.customer,
        n_turns=call.measures.n_turns,
        overlap=call.measures.overlap,
        silence=call.measures.silence,
        longest_silence=call.measures.longest_silence,
        n_interruptions=call.measures.n_interruptions,
        transcript_by=call.transcript_by,
        text=call.text if with_text else None,
        pseudonymised=call.pseudonymised,
        kept=kept,
        audio=audio,
        notes=[written(note) for note in call.notes],
    )
    row.parties = list(sides.values())
    row.turns = list(spoken.values())
    row.moments = [
        MomentRow(
            party=sides.get(m.party), kind=m.kind.value, turn=m.turn, start=m.start, end=m.end, strength=m.strength,
            confidence=m.confidence,
        )
        for m in call.moments
    ]  # fmt: skip
    if with_text:
        row.keywords = [KeywordRow(term=k.term, turn=None if k.turn is None else spoken[k.turn]) for k in call.keywords]
    return row


def _party(party: Party) -> PartyRow:
    course, track = party.course, party.track
    row = PartyRow(
        role=party.role,
        channel=party.channel,
        speech_seconds=party.speech_seconds,
        talk_share=party.talk_share,
        n_turns=party.n_turns,
        n_interruptions=party.n_interruptions,
        pace=party.pace,
        trend=course.trend.value,
        n_course_turns=course.n_turns,
        anger_beginning=course.beginning,
        anger_ending=course.ending,
        anger_change=course.change,
        anger_low=course.low,
        anger_high=course.high,
    )
    row.emotions = [PartyEmotionRow(emotion=e, probability=p) for e, p in party.emotions.items()]
    windows = {
        "start": list(track.starts),
        "end": list(track.ends),
        "probabilities": [list(values) for values in track.probabilities],
    }
    row.track = TrackRow(windows=windows, levels=list(track.levels), level_step=track.level_step)
    return row


def _turn(turn: Turn, party: PartyRow, with_text: bool) -> TurnRow:
    return TurnRow(
        party=party,
        number=turn.number,
        start=turn.start,
        end=turn.end,
        speech_seconds=turn.speech_seconds,
        emotion=turn.emotion,
        confidence=turn.confidence,
        probabilities={e: round(p, 6) for e, p in turn.probabilities.items()},
        anger=turn.anger,
        level_db=turn.level_db,
        words=turn.words if with_text else None,
        pace=turn.pace,
    )


def from_row(row: CallRow) -> Call:
    """Return a call as it was kept; what was not, is missing."""
    return Call(
        digest=row.digest,
        path=row.path,
        started_at=row.started_at,
        duration=row.duration,
        sample_rate=row.sample_rate,
        model=row.model,
        emotions=tuple(row.emotions),
        agent=row.agent,
        customer=row.customer,
        parties=tuple(_from_party(party, tuple(row.emotions)) for party in row.parties),
        turns=tuple(_from_turn(turn) for turn in row.turns),
        moments=tuple(
            Moment(
                Kind(m.kind), m.party.role if m.party else "", m.turn, m.start, m.end, m.strength, m.confidence
            )
            for m in row.moments
        ),
        measures=Measures(row.n_turns, row.overlap, row.silence, row.longest_silence, row.n_interruptions),
        keywords=tuple(
            Keyword(k.term, k.turn.party.role, k.turn.number, k.turn.start) if k.turn else Keyword(k.term)
            for k in row.keywords
        ),
        transcript_by=row.transcript_by,
        text=row.text,
        pseudonymised=row.pseudonymised,
        notes=tuple(row.notes),
    )  # fmt: skip


def _from_party(row: PartyRow, emotions: tuple[str, ...]) -> Party:
    found = {e.emotion: e.probability for e in row.emotions}
    track = row.track
    return Party(
        role=row.role,
        channel=row.channel,
        speech_seconds=row.speech_seconds,
        talk_share=row.talk_share,
        n_turns=row.n_turns,
        n_interruptions=row.n_interruptions,
        pace=row.pace,
        emotions={e: found[e] for e in emotions if e in found},
        course=Course(
            Trend(row.trend), row.n_course_turns, row.anger_beginning, row.anger_ending, row.anger_change,
            row.anger_low, row.anger_high,
        ),
        track=Track()
        if track is None
        else Track(
            tuple(track.windows["start"]),
            tuple(track.windows["end"]),
            tuple(tuple(values) for values in track.windows["probabilities"]),
            tuple(track.levels),
            track.level_step,
        ),
    )  # fmt: skip


def _from_turn(row: TurnRow) -> Turn:
    return Turn(
        number=row.number,
        party=row.party.role,
        start=row.start,
        end=row.end,
        speech_seconds=row.speech_seconds,
        emotion=row.emotion,
        confidence=row.confidence,
        probabilities=dict(row.probabilities),
        anger=row.anger,
        level_db=row.level_db,
        words=row.words,
        pace=row.pace,
    )
