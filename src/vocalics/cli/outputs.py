"""Whether the files that a command is asked for can be written."""

from __future__ import annotations

from pathlib import Path

from vocalics.errors import VocalicsError


def refuse_unwritable(output: Path) -> None:
    """Find out before the work whether its result can be kept; the folder is made.

    Raises:
        VocalicsError: When it cannot.
    """
    if output.is_dir():
        raise VocalicsError(f"{output}: cannot be written (it is a folder); choose another place")
    partial = output.with_name(f".{output.name}.part")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
        partial.unlink()
    except OSError as error:
        raise VocalicsError(f"{output}: cannot be written ({error.strerror}); choose another place") from None
