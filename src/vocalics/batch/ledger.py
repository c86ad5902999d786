"""The ledger of a batch: which inputs are done with, and the folder tidied up so that results and ledger agree."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vocalics.batch import tables
from vocalics.batch.job import FOLDERS, Input, Job
from vocalics.batch.remote import is_url
from vocalics.errors import VocalicsError
from vocalics.files import replacing

PART = ".parquet"
"""The ending of every file of results."""


@dataclass
class Ledger:
    """The inputs that are done with.

    Attributes:
        versions: Size and version of every state of a path that was seen.
        digests: Contents that were seen.
        failed: Of these states, those that failed.
        failed_digests: Of these contents, those that failed.
    """

    versions: dict[str, set[tuple[int | None, str]]] = field(default_factory=dict)
    digests: set[str] = field(default_factory=set)
    failed: dict[str, set[tuple[int | None, str]]] = field(default_factory=dict)
    failed_digests: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.digests) or sum(map(len, self.versions.values()))

    def add(self, path: str, size: int | None, version: str, digest: str = "", failed: bool = False) -> None:
        """Note an input that is done with."""
        self.versions.setdefault(path, set()).add((size, version))
        if digest:
            self.digests.add(digest)
        if failed:
            self.failed.setdefault(path, set()).add((size, version))
            self.failed_digests.update({digest} - {""})

    def holds(self, item: Input) -> bool:
        """Whether an input is done with; one whose version is not known is, when any of its path is."""
        if item.digest:
            return item.digest in self.digests
        known = self.versions.get(tables.text(item.path), set())
        return _is_among(item, known) if item.version else bool(known)

    def failed_before(self, item: Input) -> bool:
        """Whether an input is done with and failed, in its present state; one of unknown version, in every state."""
        if item.digest:
            return item.digest in self.failed_digests
        path = tables.text(item.path)
        failed = self.failed.get(path, set())
        return _is_among(item, failed) if item.version else bool(failed) and failed == self.versions[path]

    def holds_another(self, item: Input) -> bool:
        """Whether an earlier state of a file is done with."""
        return not item.digest and not self.holds(item) and tables.text(item.path) in self.versions


def _is_among(item: Input, states: Collection[tuple[int | None, str]]) -> bool:
    # Behind a URL it may be the one whose version was not known then; a file here was not there then.
    return (item.size, item.version) in states or ((None, "") in states and is_url(item.path))


def known_as(item: Input) -> str:
    """Return what an input's failure is known by: its content, else its path."""
    return item.digest or tables.text(item.path)


def recovered(output: Path, job: Job, again: Collection[str] = ()) -> Ledger:
    """Remove what was not committed, and return what was.

    Args:
        output: The folder of results.
        job: What was done.
        again: Inputs whose failures are forgotten, see :func:`known_as`.

    Raises:
        VocalicsError: When a file of the ledger cannot be read though it may be whole.
    """
    results, failures, ledger = (output / name for name in (FOLDERS[job.task], tables.FAILURES, tables.LEDGER))
    sweep(output)
    held = Ledger()
    committed = set()
    for path in ledger.glob(f"part-*{PART}"):
        table = _read(path) if (results / path.name).exists() else None
        if table is not None:
            table = _agreed(table, path, failures / path.name, again)
        if table is None:
            path.unlink()
            continue
        committed.add(path.name)
        names = ("path", "size", "version", *(["digest"] if job.by_content else []))
        for *row, has_failed in zip(*_columns(table, *names, "failed"), strict=True):
            held.add(row[0], row[1], row[2], row[3] if job.by_content else "", has_failed)
    for folder in (results, failures):
        for path in folder.glob(f"part-*{PART}"):
            if path.name not in committed:
                path.unlink()
    return held


def sweep(output: Path) -> None:
    """Remove what was begun by processes that are no more."""
    for partial in output.glob("*/.*.part"):
        partial.unlink(missing_ok=True)


def _read(path: Path) -> Any:
    """A file of Parquet; ``None`` for one that the disk lost: it is there, and not what was written."""
    try:
        return tables.read(path)
    except ValueError:  # pyarrow's for what is no Parquet
        return None
    except OSError as error:
        if error.errno is None:  # pyarrow's for Parquet that is damaged
            return None
        raise VocalicsError(f"{path}: cannot be read ({error.strerror}); nothing was changed, try again") from None


def _known(table: Any) -> list[str]:
    """What every row's input is known by, see :func:`known_as`: one that could not be read has no digest."""
    paths = table["path"].to_pylist()
    return (
        [d or p for d, p in zip(table["digest"].to_pylist(), paths, strict=True)]
        if "digest" in table.column_names
        else paths
    )


def _failed(table: Any) -> list[str]:
    return [one for one, failed in zip(_known(table), table["failed"].to_pylist(), strict=True) if failed]


def _agreed(table: Any, path: Path, failures: Path, again: Collection[str]) -> Any:
    """A block's file of the ledger, in agreement with its reasons; ``None`` where nothing is left of it.

    What failed and is to be tried again is taken out of the ledger first, then its reasons are: a run that is killed in
    between leaves reasons that nothing in the ledger goes with, and a disk may have lost reasons.
    """
    told = _read(failures) if failures.exists() else None
    reasons = set() if told is None else set(_known(told))
    gone = {one for one in _failed(table) if one not in reasons or one in again}
    if gone:
        is_left = [not (f and one in gone) for one, f in zip(_known(table), table["failed"].to_pylist(), strict=True)]
        table = table.filter(is_left)
        if len(table):
            _replace(path, table)
    if not len(table):
        return None
    left = set(_failed(table))
    if told is None or not reasons - left:
        return table
    if left:
        _replace(failures, told.filter([one in left for one in _known(told)]))
    else:
        failures.unlink()
    return table


def _columns(table: Any, *names: str) -> list[list[Any]]:
    return [table[name].to_pylist() for name in names]


def _replace(path: Path, table: Any) -> None:
    with replacing(path) as part:
        tables.write(part, table)
