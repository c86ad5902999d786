"""Logs: one JSON object per line; no audio, no tokens, no names of files."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import traceback
import uuid
from datetime import UTC, datetime
from typing import Any

LOGGER = logging.getLogger("vocalics.web")

_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id(given: str) -> str:
    """Return the id that a client gave, where it is short and plain, else a new one."""
    return given if _SANE.fullmatch(given) else uuid.uuid4().hex


def event(name: str, **values: Any) -> None:
    """Log something that happened; values that are ``None`` are left out."""
    LOGGER.info(name, extra={"vocalics": {key: value for key, value in values.items() if value is not None}})


def failure(name: str, error: BaseException, **values: Any) -> None:
    """Log an error of ours: its type and where it was raised. Its message could quote what must not be logged."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    where = [f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno}" for frame in frames]
    LOGGER.error(name, extra={"vocalics": {**values, "error": type(error).__name__, "where": where}})


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line; of an exception it tells the type only."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        said = {"time": moment, "level": record.levelname.lower(), "event": record.getMessage()}
        said |= getattr(record, "vocalics", {})
        if record.exc_info and record.exc_info[0] is not None:
            said["error"] = record.exc_info[0].__name__
        return json.dumps(said, ensure_ascii=True, default=str)


def to_stderr() -> None:
    """Send our lines, and the web server's warnings, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name, level in (("vocalics.web", logging.INFO), ("uvicorn", logging.WARNING), ("asyncio", logging.ERROR)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """To the tenth of a millisecond."""
        return round(time.perf_counter() - self._start, 4)
