"""Whether the files that a command is asked for can be written."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from vocalics.errors import VocalicsError
from vocalics.files import is_stream, part_of


def refuse_unwritable(output: Path, read: Iterable[str | Path] = ()) -> None:
    """Find out before the work whether its result can be kept; the folder is made.

    Args:
        output: What will be written.
        read: What the work is done on, and must not be written over.

    Raises:
        VocalicsError: When it cannot.
    """
    if output.is_dir():
        raise VocalicsError(f"{output}: cannot be written (it is a folder); choose another place")
    if is_stream(output):
        return
    for path in map(Path, read):
        if path.exists() and output.exists() and path.samefile(output):
            raise VocalicsError(f"{output}: is what is read; choose another name to write to")
    real = Path(os.path.realpath(output))  # beside which it will be written, see files.replacing
    part = part_of(real)
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
        part.unlink()
    except OSError as error:
        raise VocalicsError(f"{output}: cannot be written ({error.strerror}); choose another place") from None
