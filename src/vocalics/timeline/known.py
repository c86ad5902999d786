"""Whether a file is a timeline of ours, whatever else its ending may stand for."""

from __future__ import annotations

import json
import re
from pathlib import Path

from vocalics.emotions import EMOTIONS, OTHER_EMOTIONS
from vocalics.recognizer import NO_SPEECH, UNFAMILIAR, UNSURE

LARGEST_BYTES = 64_000_000
"""Larger files are not looked into."""

_LABELS = "|".join((*EMOTIONS, *OTHER_EMOTIONS, NO_SPEECH, UNSURE, UNFAMILIAR))
_NOTE = re.compile(r"^NOTE .*, judged by ", re.MULTILINE)
_TRACK = re.compile(rf"[\d.]+\t[\d.]+\t(?:[^\t]+: )?(?:{_LABELS})(?: \d+%)?")
_TURN = re.compile(rf"SPEAKER \S+ \d+ [\d.]+ [\d.]+ <NA> (?:{_LABELS.replace(' ', '_')}) ")


def is_timeline(path: Path) -> bool:
    """Whether a file was written as a timeline: its words are then emotions, and its speakers channels.

    Args:
        path: With the ending .vtt, .json, .txt or .rttm; with another one it is none.
    """
    ending = path.suffix.lower()
    try:
        if path.stat().st_size > LARGEST_BYTES:
            return False
        text = path.read_bytes().decode("utf-8-sig", "replace")
        if ending == ".json":
            said = json.loads(text)
            return isinstance(said, dict) and {"channels", "emotions", "model"} <= said.keys()
    except (OSError, ValueError, RecursionError):
        return False  # who reads it says what is wrong with it
    if ending == ".vtt":
        return _NOTE.search(text[:4096]) is not None
    lines = [line for line in text.splitlines() if line.strip()]
    if ending == ".txt":
        return bool(lines) and all(_TRACK.fullmatch(line) for line in lines)
    return ending == ".rttm" and bool(lines) and all(_TURN.match(line) for line in lines)
