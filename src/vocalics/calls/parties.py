"""Who speaks where in a recording: a channel each, or speakers told apart in one."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from vocalics import audio, timeline
from vocalics.calls import diarisation
from vocalics.calls.call import AGENT, CUSTOMER, SPEAKER, Track
from vocalics.calls.turns import Span, Utterance
from vocalics.calls.words import Transcriber
from vocalics.errors import AudioError, VocalicsError
from vocalics.recognizer import Prediction, Recognizer
from vocalics.segment import cut, utterances
from vocalics.timeline import LONGEST_SECONDS, Channel

ONE_CHANNEL = (
    "The recording has one channel, and nothing tells its speakers apart: figures are of all of them together. Put "
    "turns (.rttm) beside it, or ask for diarisation (--diarise)."
)
UNJUDGED = "Emotions are the customer's only: the agent's voice was not judged."
DIARISED = "Speakers were told apart by a program; where it errs, words and emotions are the wrong one's."


@dataclass(frozen=True)
class Side:
    """A party as it is found.

    Attributes:
        channel: "left", "right" or "mono".
        utterances: In order.
        track: The channel all along.
    """

    channel: str
    utterances: tuple[Utterance, ...]
    track: Track


@dataclass(frozen=True)
class Heard:
    """A recording as it is heard.

    Attributes:
        duration: In seconds.
        sample_rate: In Hz.
        sides: By role, the agent first.
        notes: What a reader has to know of them.
    """

    duration: float
    sample_rate: int
    sides: Mapping[str, Side]
    notes: tuple[str, ...]


def hear(
    recognizer: Recognizer,
    recording: str | os.PathLike[str],
    agent: str = "left",
    transcriber: Transcriber | None = None,
    diariser: diarisation.Diariser | None = None,
    progress: timeline.analysis.Progress | None = None,
    customer_only: bool = False,
    adapt: bool = False,
) -> Heard:
    """Find what each party says, and how it sounds.

    Args:
        recognizer: Judges.
        recording: One or two channels.
        agent: The agent's channel of two, "left" or "right".
        transcriber: Makes words of utterances; ``None`` makes none.
        diariser: Tells speakers in one channel apart, where no file of turns lies beside the recording.
        progress: Called with the share of the work that is done, 0 to 1.
        customer_only: Whether the model hears nothing of the agent, of whom only times, level and words are found.
        adapt: Whether the model gets used to the voice in each channel, see :mod:`vocalics.voices`.

    Raises:
        AudioError: For a recording that cannot be read, or has more than two channels; or one that the parties share
            where each is to be heard by itself.
        VocalicsError: For another channel, or a model that gets used to no voice.
        MissingExtraError: Where the detector of voice activity is not installed.
    """
    if agent not in ("left", "right"):
        raise VocalicsError(f'the agent is on no channel "{agent}"; expected left or right')
    if (n := audio.layout(recording).n_channels) > 2:
        raise AudioError(f"{recording}: has {n} channels; expected a call's two, or one")
    roles = {"left": AGENT, "right": CUSTOMER} if agent == "left" else {"right": AGENT, "left": CUSTOMER}
    judged = [name for name, role in roles.items() if role == CUSTOMER or not customer_only]
    if n == 1 and (customer_only or adapt):
        raise _shared(recording, customer_only)
    found = timeline.build(recognizer, recording, progress=progress, only=judged, adapt=adapt)
    if found.channels[0].name == "mono":
        if customer_only or adapt:
            raise _shared(recording, customer_only)
        return _one(recognizer, recording, found, transcriber, diariser)
    by_name = {channel.name: channel for channel in found.channels}
    sides = {}
    for name, role in roles.items():
        number = 0 if name == "left" else 1
        if name in by_name:
            segments, track = by_name[name].segments, _track(by_name[name])
        else:
            segments, track = tuple(_unjudged(recognizer, recording, number)), Track()
        sides[role] = Side(name, tuple(_utterances(recording, segments, transcriber, number)), track)
    return Heard(found.duration, found.sample_rate, sides, (UNJUDGED,) if customer_only else ())


def _shared(recording: str | os.PathLike[str], customer_only: bool) -> AudioError:
    what = (
        "which the agent shares; expected a channel each, or both judged"
        if customer_only
        else "which the parties share; expected a channel for each voice that is to be got used to, or no --adapt"
    )
    return AudioError(f"{recording}: has one channel, {what}")


def _unjudged(recognizer: Recognizer, recording: str | os.PathLike[str], channel: int) -> Iterator[Prediction]:
    """Where a channel is spoken in, of which nothing else is to be known."""
    nothing = MappingProxyType(dict.fromkeys(recognizer.emotions, 0.0))
    for start, end in utterances(recording, longest=LONGEST_SECONDS, channel=channel):
        yield Prediction(os.fspath(recording), start, end, None, 0.0, nothing, recognizer.card.name)


def _one(
    recognizer: Recognizer,
    recording: str | os.PathLike[str],
    found: timeline.Timeline,
    transcriber: Transcriber | None,
    diariser: diarisation.Diariser | None,
) -> Heard:
    """One channel: whoever is heard, or its speakers where something tells them apart."""
    (channel,) = found.channels
    told: dict[str, list[Span]] = {}
    notes: tuple[str, ...] = ()
    if (path := diarisation.beside(recording)) is not None:
        told = diarisation.read(path)
    elif diariser is not None:
        told, notes = diariser.speakers(recording), (DIARISED,)
    if not told:
        side = Side("mono", tuple(_utterances(recording, channel.segments, transcriber, None)), _track(channel))
        return Heard(found.duration, found.sample_rate, {SPEAKER: side}, (ONE_CHANNEL,))
    sides = {}
    for role, spans in told.items():
        whole = [span for a, b in spans for span in _pieces(a, min(b, found.duration))]
        judged = list(_judged(recognizer, recording, whole))
        side_track = _track(channel, whole)
        sides[role] = Side("mono", tuple(_utterances(recording, judged, transcriber, None)), side_track)
    return Heard(found.duration, found.sample_rate, sides, notes)


def _pieces(start: float, end: float) -> Iterator[Span]:
    """A stretch in equal parts, none longer than what goes through a model in one piece."""
    n = int(np.ceil((end - start) / LONGEST_SECONDS))
    for i in range(n):
        yield start + (end - start) * i / n, start + (end - start) * (i + 1) / n


def _judged(recognizer: Recognizer, recording: str | os.PathLike[str], spans: Sequence[Span]) -> Iterator[Prediction]:
    for (start, end), clip in zip(spans, cut(recording, spans), strict=True):
        if clip.duration > 0:
            yield dataclasses.replace(recognizer.predict(clip), path=os.fspath(recording), start=start, end=end)


def _utterances(
    recording: str | os.PathLike[str],
    segments: Sequence[Prediction],
    transcriber: Transcriber | None,
    channel: int | None,
) -> Iterator[Utterance]:
    spans = [(segment.start, segment.end) for segment in segments]
    for segment, clip in zip(segments, cut(recording, spans, channel=channel), strict=True):
        power = float(np.mean(np.square(clip.samples, dtype=np.float64))) if len(clip.samples) else 0.0
        yield Utterance(segment, power, None if transcriber is None else transcriber.words(clip))


def _track(channel: Channel, spans: Sequence[Span] | None = None) -> Track:
    """The channel all along; of one speaker among others, the windows in whose middle that one speaks."""
    windows = channel.windows
    if spans is not None:
        edges = np.array([time for span in spans for time in span])
        middles = np.array([(w.start + w.end) / 2 for w in windows])
        spoken = np.searchsorted(edges, middles, side="right") % 2 == 1
        windows = tuple(w for w, kept in zip(windows, spoken, strict=True) if kept)
    return Track(
        tuple(round(w.start, 3) for w in windows),
        tuple(round(w.end, 3) for w in windows),
        tuple(tuple(round(p, 4) for p in w.probabilities.values()) for w in windows),
        tuple(round(level, 4) for level in channel.envelope),
        channel.envelope_step,
    )


def name(path: str | os.PathLike[str]) -> str:
    """Return a recording's whole path, as a call keeps it."""
    return os.fspath(Path(path).absolute())
