"""The few seconds around a moment, cut out of a recording that was kept, as they travel inside a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from vocalics import audio
from vocalics.audio import Clip
from vocalics.calls.report.queries import WITH_AUDIO, Highlight
from vocalics.calls.storage import Storage
from vocalics.errors import VocalicsError
from vocalics.markup import data_uri

SECONDS_BEFORE = 3.0
"""Of the recording that are heard before a moment: what led to it."""

SECONDS_AFTER = 6.0
"""From a moment's beginning, at least; its turn to the end where that is longer."""

LONGEST_SECONDS = 12.0
"""Of an excerpt."""

MOST_CHARACTERS = 8_000_000
"""Of all excerpts of a page together, spelt in base64."""

PLAYED_RATE = 16_000
"""In Hz, at most."""

NOT_KEPT = "No audio of this call is kept."
GONE = "The recording that was kept is not there any more; it may be in another folder (--audio FOLDER)."
FULL = "No sound here: the page holds as much as it may."


@dataclass(frozen=True)
class Excerpt:
    """What can be heard of a moment.

    Attributes:
        uri: A ``data:`` address, or ``None`` where there is no sound.
        why: There is none.
        start: In seconds of the recording.
        end: In seconds.
    """

    uri: str | None
    why: str = ""
    start: float = 0.0
    end: float = 0.0


def excerpts(
    storage: Storage,
    moments: Sequence[Highlight],
    folder: Path | None = None,
    most_characters: int = MOST_CHARACTERS,
) -> tuple[Excerpt, ...]:
    """Return what can be heard of each moment; the first ones are served where there is not room for all.

    Only copies that were kept are heard, never the file that was analysed: whoever kept no audio wants none here.

    Args:
        storage: Holds the recordings.
        moments: In the order in which they are served.
        folder: Where the recordings lie; the storage's own where ``None``. Nothing in it is changed.
        most_characters: Of all excerpts' addresses.
    """
    found, left = [], most_characters
    for moment in moments:
        excerpt = _excerpt(storage, moment, folder)
        if excerpt.uri is not None and len(excerpt.uri) > left:
            excerpt = Excerpt(None, FULL)
        left -= len(excerpt.uri or "")
        found.append(excerpt)
    return tuple(found)


def _excerpt(storage: Storage, moment: Highlight, folder: Path | None) -> Excerpt:
    if moment.kept not in WITH_AUDIO or moment.audio is None:
        return Excerpt(None, NOT_KEPT)
    try:
        path = storage.audio(moment.digest) if folder is None else folder / Path(moment.audio).name
        if path is None or not path.is_file():
            return Excerpt(None, GONE)
        start = max(0.0, moment.start - SECONDS_BEFORE)
        end = min(max(moment.end, moment.start + SECONDS_AFTER), start + LONGEST_SECONDS, moment.duration)
        clip = _cut(path, start, end)
        return Excerpt(data_uri(clip), "", start, start + clip.duration)
    except (VocalicsError, soundfile.LibsndfileError, OSError, ValueError) as error:
        return Excerpt(None, f"The recording that was kept cannot be played: {error}")


def _cut(path: Path, start: float, end: float) -> Clip:
    """Seconds of a file, found without decoding all that stands before them, as the other readers do."""
    with soundfile.SoundFile(path) as file:
        rate = file.samplerate
        file.seek(min(round(start * rate), file.frames))
        frames = file.read(max(0, round((end - start) * rate)), dtype="float32", always_2d=True)
    if not len(frames):
        raise VocalicsError(f"it holds nothing at {start:.0f} s")
    samples = np.nan_to_num(frames.mean(axis=1), nan=0.0, posinf=0.0, neginf=0.0)
    clip = Clip(samples, rate)
    return audio.resample(clip, PLAYED_RATE) if rate > PLAYED_RATE else clip
