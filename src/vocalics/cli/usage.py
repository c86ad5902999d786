"""Options that are wrong in themselves: said as everything else, in one line, and the exit code is 2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vocalics.errors import MissingExtraError, UsageError, VocalicsError


@contextmanager
def checking() -> Iterator[None]:
    """Let what is refused within be wrong usage: nothing but what the options themselves say may be looked at there."""
    try:
        yield
    except (MissingExtraError, UsageError):
        raise
    except VocalicsError as error:
        raise UsageError(str(error)) from None
