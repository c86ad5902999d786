"""Links that lead out of a folder into which others put recordings.

Whoever may put files there may read what lies there, and no more: a link to another's file would bring its words into
the database and the report, read with the rights of whoever analyses.
"""

from __future__ import annotations

from pathlib import Path

from vocalics.errors import VocalicsError


def refuse_outside(path: Path, folder: Path) -> None:
    """Refuse a file that a link leads to from within a folder, when it lies neither in it nor below.

    Raises:
        VocalicsError: When it does.
    """
    if not path.resolve().is_relative_to(folder.resolve()):
        raise VocalicsError(f"{path}: is a link out of the folder {folder}; put the file itself there")
