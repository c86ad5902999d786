"""Files that appear whole or not at all: what is written beside a file takes its place, or vanishes.

A reader never meets half a file, and what fails or is interrupted leaves the older one as it was. Only a process that
is killed leaves a part behind: hidden, and named after its file, so that it can be known and swept away.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LONGEST = 110
"""Bytes of a file's name that its part's begins with: with what is added, no file system finds it too long."""

_OPEN = re.compile(r"/dev/(std(in|out|err)|fd/\d+)$|/proc/[^/]+(/task/\d+)?/fd/\d+$")
"""What a process has open, which may be a file: one that others hold, and that must not be put aside."""


@contextmanager
def replacing(path: str | os.PathLike[str], *, mode: int | None = None, keep_suffix: bool = False) -> Iterator[Path]:
    """Give an empty file to write beside another, whose place it takes at the end; after any exception it vanishes.

    A link stays one: what it leads to is replaced. The folder must exist. What is no file but a pipe or a device
    (``/dev/stdout``, a shell's ``>(...)``) stays what it is and is given the whole at the end.

    Args:
        path: The file that is to be there in the end.
        mode: Its permissions, narrower ones until then; by default those of the file that it replaces, and a new file
            gets what any new one gets.
        keep_suffix: Whether the part ends as the file does, for a writer that goes by it.

    Yields:
        The part: a name that no other process or thread writes to.

    Raises:
        OSError: When it cannot be written or put there; the error names the file, not its part.
    """
    if is_stream(path):
        with tempfile.TemporaryDirectory() as folder:
            part = Path(folder) / Path(path).name
            part.touch()
            yield part
            # Opened as it is and added to: a shell's ">>" keeps what was there.
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
            with part.open("rb") as source, os.fdopen(descriptor, "wb") as sink:
                shutil.copyfileobj(source, sink)
        return
    target = Path(os.path.realpath(path))
    part = part_of(target, keep_suffix)
    if mode is None:
        with suppress(OSError):  # there is none, or it is told when the part is opened
            mode = target.stat().st_mode & 0o777  # and not who it runs as
    try:
        # What others may not read they cannot read while it is written either.
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666 if mode is None else 0o600))
        yield part
        if mode is not None:
            with suppress(OSError):  # a file system that knows no permissions
                part.chmod(mode)
        part.replace(target)
    except OSError as error:
        if str(error.filename) == str(part):
            error.filename = os.fspath(path)
        raise
    finally:
        with suppress(OSError):  # why it failed is told rather than this
            part.unlink(missing_ok=True)


def is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether a name is of a pipe, a device, or what a process has open (``/dev/stdout``), whatever that leads to."""
    try:
        mode = Path(path).stat().st_mode
    except OSError:  # nothing there, or no way there, which is told when it is written
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or bool(_OPEN.match(str(Path(path).absolute())))


def write_text(path: str | os.PathLike[str], text: str, *, mode: int | None = None, errors: str = "strict") -> None:
    """Write a text in UTF-8, whole or not at all.

    Args:
        path: The file.
        text: What it will hold.
        mode: As :func:`replacing` takes it.
        errors: What becomes of characters that UTF-8 cannot hold, as for ``open``.
    """
    with replacing(path, mode=mode) as part:
        part.write_text(text, encoding="utf-8", errors=errors)


def part_of(path: Path, keep_suffix: bool = False) -> Path:
    """Return a hidden name beside a file, a new one with every call.

    >>> part_of(Path("report.md")).match(".report.md.*.part")
    True
    >>> part_of(Path("a.wav"), keep_suffix=True).match(".a.*.part.wav")
    True
    """
    name, suffix = (path.stem, path.suffix) if keep_suffix else (path.name, "")
    name = os.fsencode(name)[:_LONGEST].decode(errors="ignore")
    return path.with_name(f".{name}.{os.urandom(6).hex()}.part{suffix}")
