"""From a recording to a call."""

from __future__ import annotations

import hashlib
import math
import os
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from vocalics.calls import about, keywords, names, parties, transcripts, turns
from vocalics.calls.about import About
from vocalics.calls.call import Call, Course, Kind, Measures, Moment, Party, Trend, Turn
from vocalics.calls.course import LEAST_SECONDS, changes, course
from vocalics.calls.diarisation import Diariser
from vocalics.calls.transcripts import Cue
from vocalics.calls.words import Transcriber
from vocalics.errors import VocalicsError
from vocalics.recognizer import Recognizer
from vocalics.timeline.analysis import Progress

ANGRY = "angry"

PACE_SECONDS = 3.0
"""Of speech that a turn needs before its pace is told."""

NO_TRANSCRIPT = "There is no transcript: no words, keywords, pace or topics. Everything else is here."
NO_TIMES = "The transcript has no times: its words belong to no turn, and there is no pace."
NOBODY = "Nobody is heard to speak."


@dataclass(frozen=True)
class Settings:
    """How recordings are analysed.

    Attributes:
        agent: The agent's channel of two, "left" or "right".
        terms: Keywords that are looked for.
        own_transcripts: Whether a transcript beside the recording is taken.
        transcriber: Makes one where there is none; ``None`` leaves it at that.
        diariser: Tells speakers in one channel apart; ``None`` leaves them together.
        key: Makes names into pseudonyms; ``None`` keeps them.
        customer_only: Whether the agent's emotions are left alone.
        adapt: Whether the model gets used to the voice in each channel.
    """

    agent: str = "left"
    terms: tuple[str, ...] = ()
    own_transcripts: bool = True
    transcriber: Transcriber | None = None
    diariser: Diariser | None = None
    key: bytes | None = None
    customer_only: bool = False
    adapt: bool = False


def analyse(
    recognizer: Recognizer,
    recording: str | os.PathLike[str],
    settings: Settings | None = None,
    known: About | None = None,
    progress: Progress | None = None,
) -> Call:
    """Return a recording as a call. Memory does not grow with its length, but by what is found in it.

    Args:
        recognizer: Judges; a model without ``angry`` tells no escalation.
        recording: A file of one or two channels; what lies beside it is taken in (see :mod:`.transcripts`,
            :mod:`.about`, :mod:`.diarisation`).
        settings: How.
        known: What is known of the call; it goes before what lies beside the recording.
        progress: Called with the share of the listening that is done, 0 to 1.

    Raises:
        AudioError: For a recording that cannot be read, or has more than two channels.
        VocalicsError: For a file beside it that is not as expected, or a recording that changed meanwhile.
        MissingExtraError: Where the detector of voice activity is not installed.
    """
    chosen, state = settings or Settings(), _state(recording)
    told = (known or About()).or_else(about.beside(recording))
    written = transcripts.beside(recording) if chosen.own_transcripts else None
    transcript = transcripts.read(written) if written is not None else None
    transcriber = chosen.transcriber if transcript is None else None
    heard = parties.hear(
        recognizer, recording, chosen.agent, transcriber, chosen.diariser, progress, chosen.customer_only, chosen.adapt
    )
    said = {role: side.utterances for role, side in heard.sides.items()}
    found = _turns(said, recognizer)
    text, notes, by = None, list(heard.notes), ""
    if transcript is not None:
        by = transcript.by
        channels = {side.channel: role for role, side in heard.sides.items() if side.channel != "mono"}
        found, text = _with_words(found, transcript.cues, channels, heard.sides)
        if transcript.text is not None:
            text = transcript.text
            notes.append(NO_TIMES)
    elif transcriber is not None:
        by = transcriber.name
        notes += [transcriber.note] if transcriber.note else []
    else:
        notes.append(NO_TRANSCRIPT)
    if not found:
        notes.append(NOBODY)
    if ANGRY not in recognizer.emotions:
        notes.append(f'The model {recognizer.card.name} knows no "{ANGRY}": nothing is said of how anger went.')
    known_by = digest(recording)
    if _state(recording) != state:  # else it would be known by what nobody has heard
        raise VocalicsError(f"{recording}: changed while it was analysed; try again when it is complete")
    cuts = turns.interruptions(said)
    pauses = turns.silences(said, heard.duration)
    call = Call(
        digest=known_by,
        path=parties.name(recording),
        started_at=told.started_at or datetime.now(UTC),
        duration=heard.duration,
        sample_rate=heard.sample_rate,
        # By its file, too: a model that was trained or calibrated anew is another one.
        model=f"{recognizer.card.name} {recognizer.model.sha256[:8]}",
        emotions=recognizer.emotions,
        agent=told.agent,
        customer=told.customer,
        parties=tuple(_party(role, side, found, cuts, recognizer.emotions) for role, side in heard.sides.items()),
        turns=tuple(found),
        moments=tuple(_moments(found, cuts, pauses, list(heard.sides))),
        measures=Measures(
            n_turns=len(found),
            overlap=turns.overlap(said),
            silence=sum(b - a for a, b in pauses),
            longest_silence=max((b - a for a, b in pauses), default=0.0),
            n_interruptions=len(cuts),
        ),
        keywords=keywords.spot(chosen.terms, found, text),
        transcript_by=by,
        text=text,
        notes=tuple(notes),
    )
    return call if chosen.key is None else pseudonymised(call, chosen.key)


def digest(recording: str | os.PathLike[str], key: bytes | None = None) -> str:
    """Return what a recording is known by: the SHA-256 of its bytes, keyed where there is a key."""
    with Path(recording).open("rb") as file:
        plain = hashlib.file_digest(file, "sha256").hexdigest()
    return plain if key is None else names.keyed(plain, "recording", key)


def _state(recording: str | os.PathLike[str]) -> tuple[int, int] | None:
    try:
        status = Path(recording).stat()
    except OSError:
        return None  # who reads it will tell
    return status.st_size, status.st_mtime_ns


def pseudonymised(call: Call, key: bytes) -> Call:
    """Return a call with keyed hashes for agent, customer, file and digest; its words stay as they are."""
    return replace(
        call,
        digest=names.keyed(call.digest, "recording", key),
        path=names.pseudonym(call.digest, "recording", key),
        agent=call.agent and names.pseudonym(call.agent, "agent", key),
        customer=call.customer and names.pseudonym(call.customer, "customer", key),
        pseudonymised=True,
    )


def _turns(said: Mapping[str, Sequence[turns.Utterance]], recognizer: Recognizer) -> list[Turn]:
    found = []
    for number, (role, utterances) in enumerate(turns.turns(said), 1):
        judged = [(u.seconds, u.prediction.probabilities) for u in utterances if u.prediction.confidence > 0]
        weight = sum(seconds for seconds, _ in judged)
        mean = {e: sum(s * p[e] for s, p in judged) / weight if weight else 0.0 for e in recognizer.emotions}
        best = max(mean, key=lambda e: mean[e])
        seconds = sum(u.seconds for u in utterances)
        power = sum(u.power * u.seconds for u in utterances) / seconds if seconds else 0.0
        words = [u.words for u in utterances if u.words]
        has_words = any(u.words is not None for u in utterances)
        found.append(
            Turn(
                number=number,
                party=role,
                start=utterances[0].span[0],
                end=utterances[-1].span[1],
                speech_seconds=seconds,
                emotion=best if weight and mean[best] >= recognizer.abstain_below else None,
                confidence=mean[best],
                probabilities=mean,
                anger=mean.get(ANGRY, 0.0),
                level_db=10 * math.log10(power) if power > 0 else None,
                words=" ".join(words) if has_words else None,
            )
        )
    return [replace(turn, pace=_pace(turn)) for turn in found]


def _pace(turn: Turn) -> float | None:
    if turn.words is None or turn.speech_seconds < PACE_SECONDS:
        return None
    return 60 * len(turn.words.split()) / turn.speech_seconds


def _with_words(
    found: list[Turn], cues: Sequence[Cue], channels: Mapping[str, str], roles: Collection[str]
) -> tuple[list[Turn], str | None]:
    """The turns with the words that lie in them by time, and the words that lie in none, for nobody speaks.

    What a party is said to have said is put into no other one's mouth.
    """
    by_role: defaultdict[str, list[Turn]] = defaultdict(list)
    for turn in found:
        by_role[turn.party].append(turn)
    words: defaultdict[int, list[str]] = defaultdict(list)
    homeless = []
    for cue in cues:
        speaker = channels.get(cue.speaker.casefold(), cue.speaker.casefold())
        chosen = [by_role[speaker]] if speaker in roles else list(by_role.values())
        near = [turn for turns_of in chosen for turn in _near(turns_of, cue)]
        if near:
            words[max(near, key=lambda turn: _shared(turn, cue)).number].append(cue.text)
        else:
            homeless.append(cue.text)
    told = [replace(turn, words=" ".join(words[turn.number])) for turn in found] if cues else found
    return [replace(turn, pace=_pace(turn)) for turn in told], " ".join(homeless) or None


def _near(turns_of: Sequence[Turn], cue: Cue) -> list[Turn]:
    """The turns of one party that a cue shares time with, and the ones before and behind it."""
    first = max(0, bisect_right(turns_of, cue.start, key=lambda turn: turn.start) - 1)
    last = bisect_right(turns_of, cue.end, key=lambda turn: turn.start)
    return list(turns_of[first : last + 1])


def _shared(turn: Turn, cue: Cue) -> float:
    """Seconds that a turn and a cue share; below 0, how far apart they are."""
    return min(turn.end, cue.end) - max(turn.start, cue.start)


def _party(
    role: str,
    side: parties.Side,
    found: Sequence[Turn],
    cuts: Sequence[turns.Interruption],
    emotions: Sequence[str],
) -> Party:
    own = [turn for turn in found if turn.party == role]
    seconds = sum(turn.speech_seconds for turn in own)
    total = sum(turn.speech_seconds for turn in found)
    judged = [turn for turn in own if turn.confidence > 0]
    weight = sum(turn.speech_seconds for turn in judged)
    told = [turn for turn in own if turn.words is not None]
    spoken = sum(turn.speech_seconds for turn in told)
    return Party(
        role=role,
        channel=side.channel,
        speech_seconds=seconds,
        talk_share=seconds / total if total else 0.0,
        n_turns=len(own),
        n_interruptions=sum(cut.party == role for cut in cuts),
        pace=60 * sum(len((turn.words or "").split()) for turn in told) / spoken if spoken else None,
        emotions={e: sum(t.speech_seconds * t.probabilities[e] for t in judged) / weight for e in emotions}
        if weight
        else {},
        course=course([turn.anger for turn in _counted(own)]) if ANGRY in emotions else Course(Trend.TOO_FEW, 0),
        track=side.track,
    )


def _counted(own: Sequence[Turn]) -> list[Turn]:
    return [turn for turn in own if turn.confidence > 0 and turn.speech_seconds >= LEAST_SECONDS]


def _moments(
    found: Sequence[Turn],
    cuts: Sequence[turns.Interruption],
    pauses: Sequence[turns.Span],
    roles: Sequence[str],
) -> list[Moment]:
    moments = []
    for role in roles:
        counted = _counted([turn for turn in found if turn.party == role])
        own_beginning = 0.0
        for i, change in enumerate(all_changes := changes([turn.anger for turn in counted])):
            before = counted[all_changes[i - 1].position if i else 0 : change.position]
            after = counted[change.position : change.end]
            levels = [sum(t.anger for t in part) / len(part) for part in (before, after)]
            own_beginning = levels[0] if i == 0 else own_beginning
            if change.strength > 0 and levels[1] <= own_beginning:
                continue  # it comes back to where it began: no escalation against the party's own beginning
            kind = Kind.ESCALATION if change.strength > 0 else Kind.RECOVERY
            first = after[0]
            moments.append(
                Moment(kind, role, first.number, first.start, first.end, abs(change.strength), change.confidence)
            )
    for cut in cuts:
        turn = next((t for t in found if t.party == cut.party and t.start <= cut.start < t.end), None)
        number = turn.number if turn else None
        moments.append(Moment(Kind.INTERRUPTION, cut.party, number, cut.start, cut.end, cut.end - cut.start, 1.0))
    moments += [Moment(Kind.SILENCE, "", None, a, b, b - a, 1.0) for a, b in pauses if b - a >= turns.LONG_SILENCE]
    return sorted(moments, key=lambda moment: (moment.start, moment.kind))
