"""Transcripts that a user has: WebVTT, SubRip, JSON and plain text, beside a recording.

    call.vtt    cues; a voice (``<v customer>``) says whose they are
    call.srt    cues
    call.json   {"segments": [{"start": 0.5, "end": 2.0, "text": "...", "speaker": "..."}]}, as Whisper's kin write it
    call.txt    a line each: "[01:05] customer: the text", the speaker or both left out at will

A speaker that is a party's role ("agent", "customer") or channel ("left", "right") puts words into that party's turns;
any other, and none, into the turn that they lie in by time. Without any times the transcript belongs to no turn.
"""

from __future__ import annotations

import html
import io
import json
import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vocalics.calls.links import refuse_outside
from vocalics.errors import MissingExtraError, VocalicsError
from vocalics.timeline import is_timeline

LARGEST_BYTES = 64_000_000
"""A larger file is no transcript of a call."""

_VOICE = re.compile(r"<v(?:\.[^\s>]*)*\s+([^>]*)>")
_TAG = re.compile(r"<[^>]*>")
_LINE = re.compile(r"^\s*(?:\[?((?:\d+:)?\d+:\d{2}(?:[.,]\d+)?)\]?\s*)?(?:([^\s:\[\]][^:\[\]]{0,39}):\s)?\s*(.*)$")


@dataclass(frozen=True)
class Cue:
    """Words with their times.

    Attributes:
        start: In seconds.
        end: In seconds.
        text: What is said.
        speaker: As the file calls who says it; empty where it does not.
    """

    start: float
    end: float
    text: str
    speaker: str = ""


@dataclass(frozen=True)
class Transcript:
    """What was said.

    Attributes:
        by: The file's kind.
        cues: By their start.
        text: All of it where there are no times, else ``None``.
    """

    by: str
    cues: tuple[Cue, ...] = ()
    text: str | None = None


def beside(recording: str | os.PathLike[str]) -> Path | None:
    """Return the transcript that lies beside a recording: its name with another ending, or with one more.

    A timeline of ours is none, though it has such an ending: its words are emotions.

    Raises:
        VocalicsError: For a link out of the recording's folder.
    """
    path = Path(recording)
    for ending in READERS:
        for candidate in (path.with_suffix(ending), path.with_name(path.name + ending)):
            if candidate != path and candidate.is_file():
                refuse_outside(candidate, path.parent)
                if not is_timeline(candidate):
                    return candidate
    return None


def read(path: str | os.PathLike[str]) -> Transcript:
    """Read a transcript.

    Raises:
        VocalicsError: When it cannot be read, is larger than ``LARGEST_BYTES``, or is not what its ending says.
        MissingExtraError: Where webvtt-py is not installed.
    """
    file = Path(path)
    ending = file.suffix.lower()
    if ending not in READERS:
        raise VocalicsError(f'{file}: a transcript does not end in "{ending}"; expected {", ".join(READERS)}')
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise VocalicsError(f"{file}: is too large for a transcript; expected at most {LARGEST_BYTES // 10**6} MB")
        text = file.read_bytes().decode("utf-8-sig", "replace").replace("\x00", "")
    except OSError as error:
        raise VocalicsError(f"{file}: cannot be read ({error.strerror}); check the path and its permissions") from None
    try:
        found = READERS[ending](text)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise VocalicsError(f"{file}: is no transcript in {ending} ({error or type(error).__name__})") from None
    if isinstance(found, str):
        return Transcript(f"{ending[1:]} file", (), found)
    cues = [Cue(c.start, max(c.start, c.end), " ".join(c.text.split()), c.speaker.strip()) for c in found]
    kept = [c for c in cues if c.text and math.isfinite(c.start) and math.isfinite(c.end)]
    return Transcript(f"{ending[1:]} file", tuple(sorted(kept, key=lambda cue: (cue.start, cue.end))))


def _captions(kind: str) -> Callable[[str], list[Cue]]:
    def captions(text: str) -> list[Cue]:
        try:
            import webvtt
            from webvtt.errors import MalformedCaptionError, MalformedFileError
        except ModuleNotFoundError:
            raise MissingExtraError("reading subtitles", "calls") from None
        try:
            found = webvtt.from_buffer(io.BytesIO(text.encode("utf-8", "replace")), format=kind)
        except (MalformedFileError, MalformedCaptionError) as error:
            raise ValueError(str(error)) from None
        return [Cue(_seconds(c.start), _seconds(c.end), *said) for c in found.captions for said in _voices(c.raw_text)]

    return captions


def _voices(text: str) -> list[tuple[str, str]]:
    """What a cue's voices say, each with its name: one cue may hold several (WebVTT, 2019, section 3.5)."""
    before, *spans = _VOICE.split(text)
    said = [(before, ""), *zip(spans[1::2], spans[::2], strict=True)]
    plain = [(html.unescape(_TAG.sub("", words)), html.unescape(name)) for words, name in said]
    return [(words, name) for words, name in plain if words.strip()]


def _json(text: str) -> list[Cue]:
    table = json.loads(text)
    rows: Sequence[Any] = table["segments"] if isinstance(table, dict) else table
    cues = []
    for row in rows:
        words = row.get("words") or ()
        timed = [w for w in words if isinstance(w, dict) and "start" in w and "end" in w]
        speaker = str(row.get("speaker") or "")
        if timed and len(timed) == len(words):
            cues += [
                Cue(float(w["start"]), float(w["end"]), str(w.get("word", w.get("text", ""))), speaker) for w in timed
            ]
        else:
            cues.append(Cue(float(row["start"]), float(row["end"]), str(row["text"]), speaker))
    return cues


def _plain(text: str) -> list[Cue] | str:
    lines = [_LINE.match(line) for line in text.splitlines() if line.strip()]
    found = [(m[1], m[2] or "", m[3]) for m in lines if m]
    if not found or not all(time for time, _, _ in found):
        return text.strip()
    starts = [_seconds(time) for time, _, _ in found]
    ends = [max(a, b) for a, b in zip(starts, [*starts[1:], starts[-1] + 5.0], strict=True)]
    return [Cue(a, b, words, who) for a, b, (_, who, words) in zip(starts, ends, found, strict=True)]


def _seconds(time: str) -> float:
    """A clock's time in seconds.

    >>> _seconds("1:02:03.5")
    3723.5
    """
    seconds = 0.0
    for part in time.replace(",", ".").split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


READERS: dict[str, Callable[[str], list[Cue] | str]] = {
    ".vtt": _captions("vtt"),
    ".srt": _captions("srt"),
    ".json": _json,
    ".txt": _plain,
}
"""What reads a transcript, by its file's ending; the first that is there is taken."""
