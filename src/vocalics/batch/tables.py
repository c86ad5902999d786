"""The columns of a batch's Parquet files, typed.

Every row begins with what tells an input from another: path, size, version (and digest, where inputs are told apart
by content). What a model says stands in the columns that other outputs have, too (docs/outputs.md).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vocalics.batch.job import Input, Job, Task
from vocalics.errors import MissingExtraError

LEDGER, FAILURES = "inputs", "failures"
"""The folders of the tables that every task has."""


def pyarrow() -> tuple[Any, Any]:
    """Return pyarrow and pyarrow.parquet.

    Raises:
        MissingExtraError: Where they are not installed.
    """
    try:
        import pyarrow as library
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("a batch", "batch") from None
    return library, library.parquet


def key(item: Input, by_content: bool) -> dict[str, Any]:
    """Return the columns that every row of an input begins with."""
    told: dict[str, Any] = {"path": text(item.path), "size": item.size, "version": item.version}
    return {**told, "digest": item.digest} if by_content else told


def text(path: str) -> str:
    """Return a path as text: what is not UTF-8 in it is written as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def key_fields(by_content: bool) -> list[tuple[str, Any]]:
    """Return the types of :func:`key`."""
    library, _ = pyarrow()
    fields = [("path", library.string()), ("size", library.int64()), ("version", library.string())]
    return [*fields, ("digest", library.string())] if by_content else fields


def ledger(by_content: bool) -> Any:
    """Return the schema of the ledger: one row per input that is done with, judged or failed."""
    library, _ = pyarrow()
    return library.schema(
        [
            *key_fields(by_content),
            ("failed", library.bool_()),
            ("sound_seconds", library.float64()),
            ("attempts", library.int32()),
        ]
    )


def failures(by_content: bool) -> Any:
    """Return the schema of the failures: the reason in words, without the path before it."""
    library, _ = pyarrow()
    return library.schema([*key_fields(by_content), ("reason", library.string()), ("attempts", library.int32())])


def results(job: Job, columns: Sequence[str], frames: bool, about: Mapping[str, str]) -> Any:
    """Return the schema of a task's results.

    Args:
        job: The task.
        columns: The emotions in the model's order, or the features.
        frames: Whether a feature has many values per recording.
        about: What the metadata tell.
    """
    library, _ = pyarrow()
    number, seconds, word = library.float32(), library.float64(), library.string()
    fields = key_fields(job.by_content)
    if job.task is Task.FEATURES:
        kind = library.list_(number) if frames else number
        fields += [("sound_seconds", seconds), *((name, kind) for name in columns)]
    else:
        if job.task is Task.TIMELINE:
            fields += [("channel", word), ("start", seconds), ("end", seconds)]
        else:
            fields += [("sound_seconds", seconds)]
        told = [("emotion", word)] if job.format == 1 else [("emotion", word), ("label", word)]
        fields += [*told, ("confidence", number), *((name, number) for name in columns), ("strangeness", number)]
    return library.schema(fields, metadata={"vocalics_task": job.task.value, **about})


def table(rows: Sequence[Mapping[str, Any]], schema: Any) -> Any:
    """Return rows as an Arrow table."""
    library, _ = pyarrow()
    return library.Table.from_pylist(list(rows), schema)


def read(path: Path) -> Any:
    """Return what :func:`write` wrote."""
    _, parquet = pyarrow()
    with parquet.ParquetFile(path) as file:
        return file.read()


def write(path: Path, content: Any) -> None:
    """Write an Arrow table to a file and make sure that it is on the disk."""
    _, parquet = pyarrow()
    with path.open("wb") as file:
        parquet.write_table(content, file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
