"""What is known of a call besides its sound: who served, who called, when.

It stands in a table (CSV with the columns recording, agent, customer, started_at; the first is a file's name or path),
or beside a recording in a file of its own, ``NAME.call.json``; it can be given by hand. A time without a zone is UTC.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vocalics.calls.links import refuse_outside
from vocalics.calls.schema import LONGEST_NAME, called
from vocalics.errors import VocalicsError
from vocalics.registry import some

_YEARS = 1900, 2200

_TOLD = ("agent", "customer", "started_at")
COLUMNS = ("recording", *_TOLD)


@dataclass(frozen=True)
class About:
    """What is known of a call.

    Attributes:
        agent: Who served, as :func:`vocalics.calls.schema.called` writes names; ``None`` for an empty one.
        customer: Who called, likewise.
        started_at: When, with its zone.

    Raises:
        VocalicsError: For a name that is longer than ``LONGEST_NAME``.
    """

    agent: str | None = None
    customer: str | None = None
    started_at: datetime | None = None

    def __post_init__(self) -> None:
        for role in ("agent", "customer"):
            name = called(getattr(self, role) or "") or None
            if name is not None and len(name) > LONGEST_NAME:
                raise VocalicsError(f"{name[:20]}…: a name of {len(name)} characters; expected at most {LONGEST_NAME}")
            object.__setattr__(self, role, name)

    def or_else(self, other: About) -> About:
        """Return this, with the other's where this knows nothing."""
        return replace(
            self,
            agent=self.agent or other.agent,
            customer=self.customer or other.customer,
            started_at=self.started_at or other.started_at,
        )


def moment(text: str) -> datetime:
    """Return a time as it is written in ISO 8601, as one of UTC, which is also the zone where it names none.

    Raises:
        VocalicsError: When it is none.
    """
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        raise VocalicsError(f'"{text}" is no time; expected one as in 2026-03-31T14:05') from None
    if not _YEARS[0] <= time.year < _YEARS[1]:
        raise VocalicsError(f'"{text}" is no time of a call; expected a year from {_YEARS[0]} to {_YEARS[1] - 1}')
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def beside(recording: str | os.PathLike[str]) -> About:
    """Return what ``NAME.call.json`` beside a recording tells, and the time of the file itself where it tells none.

    A time of the file that no call can have is passed over.

    Raises:
        VocalicsError: When that file is not as expected, or a link out of the recording's folder.
    """
    path = Path(recording)
    told = About()
    for candidate in (path.with_suffix(".call.json"), path.with_name(path.name + ".call.json")):
        if candidate.is_file():
            refuse_outside(candidate, path.parent)
            try:
                row = json.loads(candidate.read_bytes())
                if unknown := {*row} - {*_TOLD}:
                    raise ValueError(f"{some(sorted(map(str, unknown)))} is none of {', '.join(_TOLD)}")
                told = _about(row)
            except (ValueError, TypeError, AttributeError, RecursionError) as error:
                raise VocalicsError(
                    f'{candidate}: is not as expected ({error}); write {{"agent": "…", "customer": "…"}}'
                ) from None
            break
    try:
        time = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except (OSError, ValueError, OverflowError):  # a file's time may be in the year 11476
        return told
    return told.or_else(About(started_at=time)) if _YEARS[0] <= time.year < _YEARS[1] else told


def read(path: str | os.PathLike[str]) -> dict[str, About]:
    """Return a table's rows by the recording's name as it stands there.

    Raises:
        VocalicsError: When it cannot be read, lacks the column recording, or has one that nothing is known of: a
            misspelt column would be a call without agent, or at the wrong time.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise VocalicsError(f"{path}: cannot be read ({error}); expected CSV with {', '.join(COLUMNS)}") from None
    if rows and ("recording" not in rows[0] or {*rows[0]} - {*COLUMNS}):
        raise VocalicsError(f"{path}: has the columns {some([*map(str, rows[0])])}; expected {', '.join(COLUMNS)}")
    return {row["recording"]: _about(row) for row in rows if row["recording"]}


def of(table: Mapping[str, About], recording: str | os.PathLike[str]) -> About:
    """Return a recording's row: by its path, else by its name."""
    return table.get(os.fspath(recording)) or table.get(Path(recording).name) or About()


def _about(row: Mapping[str, Any]) -> About:
    time = row.get("started_at")
    names = {key: str(row[key]) for key in ("agent", "customer") if row.get(key)}
    return About(**names, started_at=moment(str(time)) if time else None)
