"""Whether the files that a command is asked for can be written."""

from __future__ import annotations

import os
from pathlib import Path

from vocalics.errors import VocalicsError
from vocalics.files import is_stream, part_of


def refuse_unwritable(output: Path) -> None:
    """Find out before the work whether its result can be kept; the folder is made.

    Raises:
        VocalicsError: When it cannot.
    """
    if output.is_dir():
        raise VocalicsError(f"{output}: cannot be written (it is a folder); choose another place")
    if is_stream(output):
        return
    real = Path(os.path.realpath(output))  # beside which it will be written, see files.replacing
    part = part_of(real)
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
        part.unlink()
    except OSError as error:
        raise VocalicsError(f"{output}: cannot be written ({error.strerror}); choose another place") from None
