"""Standard output for what a command says, and nothing else: decoders print there, too, when a file is damaged."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path


def keep_apart() -> int | None:
    """Let what libraries print go to standard error from here on, and what Python prints where it went before.

    For good: C keeps what it prints until the process ends. On a terminal, where all comes together anyway, nothing
    changes.

    Returns:
        The descriptor that is standard output now; ``None`` where nothing was changed.
    """
    stream = sys.stdout
    if not isinstance(stream, io.TextIOWrapper) or sys.stderr is None:
        return None
    try:
        if stream.fileno() != 1 or stream.isatty():
            return None
        stream.flush()
        kept = os.dup(1)
    except OSError:  # closed, or no file at all
        return None
    os.dup2(2, 1)
    # As Python's own it is left open to the end, which flushes it.
    sys.stdout = open(  # noqa: SIM115
        kept, "w", encoding=stream.encoding, errors=stream.errors, closefd=False
    )
    return kept


def keep_apart_from(output: Path | None) -> None:
    """Do :func:`keep_apart`, but not where the file that is written is standard output under another name."""
    try:
        if output is not None and os.path.samestat(output.stat(), os.fstat(1)):
            return
    except OSError:  # nothing there yet, or standard output is closed
        pass
    keep_apart()
