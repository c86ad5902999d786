"""The folder of a batch's results, and how every input gets into it exactly once.

    settings.json               what is done with the inputs; never changes
    predictions/part-X.parquet  results of block X (or timeline/, features/)
    failures/part-X.parquet     what failed of it, where something did
    inputs/part-X.parquet       the ledger: which inputs the block held

A block is committed by its ledger file, which is renamed into place last. Results without one are of a run that was
killed in between: they are removed when the next run starts, and a ledger without its results is too. An input in the
ledger is never given out again. Locks keep a second run away, and make a run wait until no process of one that was
killed is left.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vocalics.batch import tables
from vocalics.batch.job import FOLDERS, FORMAT, Job
from vocalics.batch.ledger import PART, Ledger, recovered, sweep
from vocalics.errors import VocalicsError
from vocalics.registry import some

try:
    import fcntl
except ImportError:  # Windows: there a second run is not kept away
    fcntl = None  # type: ignore[assignment]

SETTINGS = "settings.json"
_BEFORE = {"adapt": False}  # settings that folders begun earlier do not name, and what they did
_WAIT_SECONDS = 60.0  # for the processes of a run that was killed


@contextlib.contextmanager
def opened(job: Job) -> Iterator[Ledger]:
    """Take hold of the folder of results: it is made or tidied up, and its ledger read.

    Args:
        job: What is to be done.

    Raises:
        VocalicsError: When the folder belongs to other settings or to something else, cannot be written, or is in use.
    """
    output = Path(job.output)
    try:
        _own(output, job)
        with _locked(output):
            _settle(output, job)
            try:
                yield recovered(output, job)
            finally:
                sweep(output)
    except PermissionError as error:
        raise VocalicsError(f"{error.filename or output}: {error.strerror}; choose another place") from None


def _own(output: Path, job: Job) -> None:
    """Refuse a folder of something else."""
    if output.exists() and not output.is_dir():
        raise VocalicsError(f"{output}: is a file; expected a folder for the results")
    own = (FOLDERS[job.task], tables.FAILURES, tables.LEDGER)
    if output.is_dir() and not (output / SETTINGS).exists():
        others = sorted(p.name for p in output.iterdir() if p.name not in own and not p.name.startswith("."))
        if others:
            raise VocalicsError(f"{output}: holds {some(others)} and no {SETTINGS}; choose an empty folder")
        if any(p.suffix == PART for p in output.rglob("*")):
            raise VocalicsError(f"{output}: holds other Parquet files and no {SETTINGS}; choose an empty folder")
    for name in own:
        (output / name).mkdir(parents=True, exist_ok=True)


def _settle(output: Path, job: Job) -> None:
    """Write the settings, or compare them."""
    path = output / SETTINGS
    settings = job.settings
    if not path.exists():
        partial = path.with_name(f".{SETTINGS}")
        with partial.open("w", encoding="utf-8") as file:
            file.write(json.dumps({**settings, "model": job.model}, indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _synchronise(output)
        return
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        kept.items()
    except (ValueError, AttributeError):
        raise VocalicsError(f"{path}: is not what a batch writes; choose another folder") from None
    kept = _BEFORE | kept
    if kept.get("model_sha256") and job.model_sha256 and kept["model_sha256"] != job.model_sha256:
        theirs, known_by = str(kept.get("model", "")), str(kept["model_sha256"])[:12]
        other = "which is another file now" if theirs == job.model else f"not with {job.model}"
        raise VocalicsError(
            f"{output}: was begun with the model {theirs} ({known_by}), {other} ({job.model_sha256[:12]}); choose "
            "another folder, or the same settings"
        )
    for name, value in settings.items():
        if kept.get(name) != value:
            raise VocalicsError(
                f"{output}: was begun with {name} = {json.dumps(kept.get(name))}, not {json.dumps(value)}; choose "
                "another folder, or the same settings"
            )


def format_of(output: Path) -> int:
    """Return the format in which a folder's results are told: that in which it was begun, if this version writes it."""
    try:
        begun = json.loads((output / SETTINGS).read_text(encoding="utf-8"))["format"]
    except (OSError, ValueError, KeyError, TypeError):
        return FORMAT  # new, or said to be no such folder when it is opened
    return 1 if begun == 1 else FORMAT


def without_failures(job: Job, again: Collection[str]) -> Ledger:
    """Return the ledger of a folder that is :func:`opened`, once failures are forgotten.

    Args:
        job: What is to be done.
        again: Inputs that are to be tried again, see :func:`vocalics.batch.ledger.known_as`.
    """
    return recovered(Path(job.output), job, again)


@contextlib.contextmanager
def _locked(output: Path) -> Iterator[None]:
    if fcntl is None:
        yield
        return
    with (output / ".run.lock").open("a+") as run, (output / ".workers.lock").open("a+") as workers:
        try:
            fcntl.flock(run, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise VocalicsError(f"{output}: another run writes to it; wait for its end") from None
        _wait_for_workers(workers, output)
        yield


def _wait_for_workers(workers: Any, output: Path) -> None:
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            fcntl.flock(workers, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise VocalicsError(f"{output}: processes of an earlier run still write to it; end them") from None
            time.sleep(0.1)
            continue
        fcntl.flock(workers, fcntl.LOCK_UN)
        return


@contextlib.contextmanager
def writing(output: str) -> Iterator[None]:
    """Let a worker process say, for as long as it lives, that it may write into the folder."""
    # To be read, too: over NFS a shared lock is one for reading.
    with (Path(output) / ".workers.lock").open("a+") as workers:
        if fcntl is not None:
            fcntl.flock(workers, fcntl.LOCK_SH)
        yield


def commit(job: Job, block: str, parts: Mapping[str, Any]) -> None:
    """Put a block's results into the folder, or nothing.

    A block that is there is left alone: it was judged by a process that was given up too early.

    Args:
        job: What was done.
        block: The block's name.
        parts: Arrow tables by folder: results, failures, ledger.

    Raises:
        OSError: When the disk is full or gone; nothing is committed then.
    """
    output = Path(job.output)
    if (output / tables.LEDGER / f"part-{block}{PART}").exists():
        return
    folders = (tables.FAILURES, FOLDERS[job.task], tables.LEDGER)  # in this order: the ledger is last
    partial = {folder: output / folder / f".{block}-{uuid.uuid4().hex}.part" for folder in folders}
    try:
        for folder, path in partial.items():
            tables.write(path, parts[folder])
        for folder, path in partial.items():
            target = path.with_name(f"part-{block}{PART}")
            if folder == tables.FAILURES and not len(parts[folder]):
                target.unlink(missing_ok=True)
                continue
            path.replace(target)
            _synchronise(path.parent)
    finally:
        for path in partial.values():
            path.unlink(missing_ok=True)


def put_aside(job: Job, piece: str, parts: Mapping[str, Any]) -> None:
    """Keep the results of a part of a block where nobody sees them; arguments as for :func:`commit`."""
    for folder, content in parts.items():
        tables.write(_aside(job, folder, piece), content)


def together(job: Job, pieces: Sequence[str]) -> dict[str, Any]:
    """Return what was put aside, as for :func:`commit`."""
    library, _ = tables.pyarrow()
    folders = (FOLDERS[job.task], tables.FAILURES, tables.LEDGER)
    held = {f: [tables.read(_aside(job, f, piece)) for piece in pieces] for f in folders}
    return {folder: library.concat_tables(parts) for folder, parts in held.items()}


def drop(job: Job, pieces: Sequence[str]) -> None:
    """Remove what was put aside."""
    for piece in pieces:
        for folder in (FOLDERS[job.task], tables.FAILURES, tables.LEDGER):
            _aside(job, folder, piece).unlink(missing_ok=True)


def _aside(job: Job, folder: str, piece: str) -> Path:
    return Path(job.output) / folder / f".{piece}.part"


def committed(job: Job, block: str) -> Any:
    """Return the ledger of a block that is there already, as an Arrow table, or ``None``."""
    path = Path(job.output) / tables.LEDGER / f"part-{block}{PART}"
    return tables.read(path) if path.exists() else None


def _synchronise(folder: Path) -> None:
    """Make sure that a rename is on the disk before the next one."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
