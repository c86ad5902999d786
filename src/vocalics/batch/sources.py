"""What the sources of a batch stand for: files, folders, globs, manifests, lists, and what lies behind URLs."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from vocalics.audio import EXTENSIONS
from vocalics.batch import remote
from vocalics.batch.job import Input
from vocalics.errors import ManifestError, MissingExtraError, VocalicsError
from vocalics.manifest import csv_rows

_HASHING = 4  # files read at a time where inputs are told apart by content


@dataclass(frozen=True)
class Found:
    """The inputs that sources stand for.

    Attributes:
        inputs: Each once, in the order of the sources.
        n_repeated: How many were named again and left out.
    """

    inputs: tuple[Input, ...]
    n_repeated: int


def find(sources: Sequence[str], by_content: bool = False, heard: Callable[[int], None] | None = None) -> Found:
    """Return the inputs that sources stand for, each once.

    Args:
        sources: Paths of audio files, folders (searched for audio, hidden ones left out), globs, manifests (``.csv``
            and ``.parquet`` with a column ``path``), lists (``.txt``, one path or URL per line), or URLs (``s3://``,
            ``gs://``, ``az://``, ``https://``, ... of a file, a folder or a glob). Relative paths of a manifest or list
            count from its folder.
        by_content: Whether inputs of the same bytes count as one, which reads them all.
        heard: Called with the number of inputs so far.

    Raises:
        VocalicsError: When a source does not exist, cannot be read or holds no audio, or is remote where inputs are
            told apart by content.
        MissingExtraError: When a protocol or format needs a package that is not installed.
    """
    known: dict[str, Input] = {}
    n_named = 0
    for source in sources:
        for item in _listed(source):
            n_named += 1
            known.setdefault(item.path, item)
            if heard is not None and n_named % 1000 == 0:
                heard(n_named)
    inputs: Iterable[Input] = known.values()
    if by_content:
        first: dict[str, Input] = {}
        for item in _with_digests(inputs):
            first.setdefault(item.digest or item.path, item)
        inputs = first.values()
    found = tuple(inputs)
    return Found(found, n_named - len(found))


def _listed(source: str) -> Iterator[Input]:
    if remote.is_url(source):
        if _kind(source) in _TABLES:
            raise VocalicsError(f"{source}: a manifest or list has to lie on this machine; download it first")
        yield from remote.listed(source)
    elif os.path.isdir(source):  # noqa: PTH112 - what cannot be a path at all does not exist
        yield from _folder(source)
    elif os.path.lexists(source):
        yield from _TABLES.get(_kind(source), _file)(source)
    elif glob.has_magic(source):
        yield from _glob(source)
    else:
        raise VocalicsError(f"{source}: no such file or folder; check the path")


def _kind(source: str) -> str:
    return os.path.splitext(source)[1].lower()  # noqa: PTH122 - URLs too


def _file(path: str) -> Iterator[Input]:
    """The file as it is now; one that is not there is an input all the same, and fails when it is opened."""
    if ".." in Path(path).parts:  # of a link's folder, "up" leads out of where the link leads to
        folder, name = os.path.split(path)
        path = os.path.join(os.path.realpath(folder), name)  # noqa: PTH118
    absolute = os.path.abspath(path)  # noqa: PTH100 - keeps symbolic links
    try:
        status = os.stat(absolute)  # noqa: PTH116
    except (OSError, ValueError):
        yield Input(absolute)
        return
    yield Input(absolute, *(_state(status) if stat.S_ISREG(status.st_mode) else (None, "")))


def _state(status: os.stat_result) -> tuple[int, str]:
    return status.st_size, str(status.st_mtime_ns)


def _folder(folder: str) -> Iterator[Input]:
    found = False
    for item in _below(os.path.abspath(folder)):  # noqa: PTH100
        found = True
        yield item
    if not found:
        raise VocalicsError(
            f"{folder}: the folder holds no audio file; expected {', '.join(sorted(EXTENSIONS))} in it or below"
        )


def _below(folder: str) -> Iterator[Input]:
    """All audio files in and below a folder, sorted folder by folder, hidden ones left out."""
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            with os.scandir(current) as entries:
                sorted_entries = sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: e.name)
        except OSError as error:
            raise VocalicsError(f"{current}: the folder cannot be read ({error.strerror})") from None
        folders = []
        for entry in sorted_entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif _kind(entry.name) in EXTENSIONS:
                try:
                    status = entry.stat()
                except OSError:  # a link to nowhere
                    yield Input(entry.path)
                    continue
                if stat.S_ISREG(status.st_mode):
                    yield Input(entry.path, *_state(status))
        waiting += reversed(folders)


def _glob(pattern: str) -> Iterator[Input]:
    found = False
    for match in sorted(glob.iglob(pattern, recursive=True)):  # noqa: PTH207 - takes absolute patterns too
        if not os.path.isdir(match):  # noqa: PTH112
            found = True
            yield from _file(match)
        elif not pattern.endswith("**"):
            for item in _below(os.path.abspath(match)):  # noqa: PTH100
                found = True
                yield item
    if not found:
        raise VocalicsError(f"{pattern}: matches no audio file; check the pattern")


def _manifest(path: str) -> Iterator[Input]:
    if _kind(path) == ".csv":
        rows: Iterable[str | None] = (row.get("path") for row in _required(csv_rows(Path(path)), path))
    else:
        rows = _parquet_paths(path)
    for line, name in enumerate(rows, start=2):
        if not name:
            raise ManifestError(f"{path}: row {line} names no path; expected one in every row")
        yield from _named(str(name), path)


def _required(rows: list[dict[str, str]], path: str) -> list[dict[str, str]]:
    if not rows:
        raise ManifestError(f"{path}: holds no row; expected one per recording")
    if "path" not in rows[0]:
        raise ManifestError(f"{path}: has no column path; it has {', '.join(map(str, rows[0]))}")
    return rows


def _parquet_paths(path: str) -> Iterator[str | None]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("reading Parquet", "batch") from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            if "path" not in file.schema_arrow.names:
                raise ManifestError(f"{path}: has no column path; it has {', '.join(file.schema_arrow.names)}")
            if not file.metadata.num_rows:
                raise ManifestError(f"{path}: holds no row; expected one per recording")
            for batch in file.iter_batches(columns=["path"]):
                yield from batch.column(0).to_pylist()
    except pyarrow.ArrowInvalid as fault:
        raise ManifestError(f"{path}: is no Parquet file ({str(fault).splitlines()[0]}); make it again") from None


def _list(path: str) -> Iterator[Input]:
    found = False
    try:
        with Path(path).open(encoding="utf-8-sig") as lines:
            for line in lines:
                if name := line.rstrip("\r\n"):
                    found = True
                    yield from _named(name, path)
    except UnicodeDecodeError as fault:
        raise VocalicsError(f"{path}: is no text in UTF-8 ({fault}); expected one path or URL per line") from None
    if not found:
        raise VocalicsError(f"{path}: names no recording; expected one path or URL per line")


def _named(name: str, table: str) -> Iterator[Input]:
    """One recording of a manifest or list. A URL is not looked up: a million of them would take hours."""
    if remote.is_url(name):
        yield Input(name)
    else:
        yield from _file(os.path.join(os.path.dirname(table), name))  # noqa: PTH118, PTH120


_TABLES: dict[str, Callable[[str], Iterator[Input]]] = {".csv": _manifest, ".parquet": _manifest, ".txt": _list}


def _with_digests(inputs: Iterable[Input]) -> Iterator[Input]:
    with ThreadPoolExecutor(_HASHING) as pool:
        yield from pool.map(_hashed, inputs)


def _hashed(item: Input) -> Input:
    if remote.is_url(item.path):
        raise VocalicsError(f"{item.path}: cannot be told by content before it is fetched; leave out --by-content")
    try:
        with Path(item.path).open("rb") as file:
            return item._replace(digest=hashlib.file_digest(file, "sha256").hexdigest())
    except (OSError, ValueError):
        return item  # it fails when it is opened again, and the reason is kept then
