"""The ledger of a batch: which inputs are done with, and the folder tidied up so that results and ledger agree."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vocalics.batch import tables
from vocalics.batch.job import FOLDERS, Input, Job
from vocalics.batch.remote import is_url

PART = ".parquet"
"""The ending of every file of results."""


@dataclass
class Ledger:
    """The inputs that are done with.

    Attributes:
        versions: Size and version of every state of a path that was seen.
        digests: Contents that were seen.
        n_failed: How many of them failed.
    """

    versions: dict[str, set[tuple[int | None, str]]] = field(default_factory=dict)
    digests: set[str] = field(default_factory=set)
    n_failed: int = 0

    def __len__(self) -> int:
        return len(self.digests) or sum(map(len, self.versions.values()))

    def add(self, path: str, size: int | None, version: str, digest: str = "") -> None:
        """Note an input that is done with."""
        self.versions.setdefault(path, set()).add((size, version))
        if digest:
            self.digests.add(digest)

    def holds(self, item: Input) -> bool:
        """Whether an input is done with; one whose version is not known is, when any of its path is."""
        if item.digest:
            return item.digest in self.digests
        known = self.versions.get(tables.text(item.path), set())
        if not item.version:
            return bool(known)
        # Behind a URL it may be the one whose version was not known then; a file here was not there then.
        return (item.size, item.version) in known or ((None, "") in known and is_url(item.path))

    def holds_another(self, item: Input) -> bool:
        """Whether an earlier state of a file is done with."""
        return not item.digest and not self.holds(item) and tables.text(item.path) in self.versions


def recovered(output: Path, job: Job, retry_failures: bool) -> Ledger:
    """Remove what was not committed, and return what was.

    Args:
        output: The folder of results.
        job: What was done.
        retry_failures: Whether inputs that failed are forgotten.
    """
    results, failures, ledger = (output / name for name in (FOLDERS[job.task], tables.FAILURES, tables.LEDGER))
    sweep(output)
    held = Ledger()
    committed = set()
    for path in ledger.glob(f"part-*{PART}"):
        table = _read(path) if (results / path.name).exists() else None
        # Failures whose reasons are gone are those of a run that was killed while it forgot them.
        if table is not None and (retry_failures or not (failures / path.name).exists()):
            table = _without_failures(table, path, failures / path.name)
        if table is None:
            path.unlink()
            continue
        committed.add(path.name)
        names = ("path", "size", "version", *(["digest"] if job.by_content else []))
        for values in zip(*(table[name].to_pylist() for name in names), strict=True):
            held.add(*values)
        held.n_failed += sum(table["failed"].to_pylist())
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
    """A file of the ledger; ``None`` for one that the disk lost."""
    try:
        return tables.read(path)
    except (OSError, ValueError):  # pyarrow's errors are both
        return None


def _without_failures(table: Any, path: Path, failures: Path) -> Any:
    """A file of the ledger, here and on the disk, without what failed; ``None`` where nothing is left of it."""
    failed = table["failed"].to_pylist()
    if not any(failed):
        return table
    failures.unlink(missing_ok=True)
    if all(failed):
        return None
    _, parquet = tables.pyarrow()
    kept = table.filter([not f for f in failed])
    partial = path.with_name(f".{path.name}-{uuid.uuid4().hex}.part")
    parquet.write_table(kept, partial)
    partial.replace(path)
    return kept
