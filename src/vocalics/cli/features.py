"""``vocalics features``: compute a feature set for every clip of a manifest."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vocalics.errors import FeatureError, MissingExtraError, UsageError
from vocalics.files import replacing
from vocalics.spreadsheets import cell, path_cell

if TYPE_CHECKING:
    from vocalics.features.cache import Extracted
    from vocalics.features.feature_set import FeatureSet
    from vocalics.manifest import Manifest

_ABOUT = ("path", "corpus", "speaker", "emotion")
_ROW_GROUP = 256  # rows held before they are written

Write = Callable[["Extracted"], None]


def register(app: typer.Typer) -> None:
    """Add the command."""

    app.command("features")(_features)


def _features(
    name: Annotated[str, typer.Argument(metavar="SET", help="The feature set, e.g. zcr_chroma_mfcc_rms_mel.")],
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A .csv or .parquet of vocalics scan.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The .parquet or .csv to write.")],
    cache: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep features there; a run that was killed goes on from it.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes; by default up to one per core.")
    ] = None,
) -> None:
    """Compute a feature set for every clip of a manifest.

    A clip that fails is one line on standard error; the others are written all the same, and the exit code is then 1.
    """
    from vocalics.features.feature_set import feature_set
    from vocalics.manifest import Manifest

    chosen = feature_set(name)
    writer = _writer(chosen, output)
    rows = Manifest.read(manifest)
    failed = _extract(rows, chosen, writer, cache, workers)
    typer.echo(f"{output}: {len(rows) - failed} clips, {len(chosen.columns)} columns of {chosen.name}", err=True)
    if failed:
        raise FeatureError(f"{failed} of {len(rows)} clips failed and are not in {output}; repair or remove them")


def _extract(
    rows: Manifest, chosen: FeatureSet, writer: AbstractContextManager[Write], cache: Path | None, workers: int | None
) -> int:
    """Write the features of all rows and return how many failed."""
    from rich.console import Console

    from vocalics.cli.progress import counting
    from vocalics.features.cache import extract_manifest

    failed = 0
    with counting(Console(stderr=True)) as bar, writer as write:
        task = bar.add_task(chosen.name, total=len(rows))
        for extracted in extract_manifest(
            rows, chosen, cache, workers, lambda done, _total: bar.update(task, completed=done)
        ):
            if extracted.values is None:
                failed += 1
                bar.console.print(f"vocalics: {extracted.error}", markup=False, highlight=False, soft_wrap=True)
            else:
                write(extracted)
    return failed


def _writer(chosen: FeatureSet, output: Path) -> AbstractContextManager[Write]:
    """Return what opens the output, once it is known that it can be written."""
    if not output.parent.is_dir():
        raise FeatureError(f"{output}: the folder {output.parent} does not exist; make it first")
    if output.suffix == ".parquet":
        return _parquet(chosen, output)
    if output.suffix != ".csv":
        raise UsageError(f'{output}: cannot write features with the ending "{output.suffix}"; use .parquet or .csv')
    if not chosen.is_vector:
        raise UsageError(
            f"{output}: {chosen.name} has many frames per clip and does not fit a CSV; use -o {output.stem}.parquet"
        )
    return _csv(chosen, output)


@contextmanager
def _csv(chosen: FeatureSet, output: Path) -> Iterator[Write]:
    with replacing(output) as part, part.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(_ABOUT + chosen.columns)  # names of sets and their columns, none of which is a formula

        def write(extracted: Extracted) -> None:
            assert extracted.values is not None
            path, *about = (getattr(extracted.utterance, name) for name in _ABOUT)
            about = [path_cell(path), *map(cell, about)]
            rows.writerow(about + [f"{value:.9g}" for value in extracted.values.tolist()])

        yield write


@contextmanager
def _parquet(chosen: FeatureSet, output: Path) -> Iterator[Write]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("writing Parquet", "features") from None

    number = pyarrow.float32() if chosen.is_vector else pyarrow.list_(pyarrow.float32())
    fields = [(name, pyarrow.string()) for name in _ABOUT] + [(name, number) for name in chosen.columns]
    schema = pyarrow.schema(fields, metadata={"feature_set": chosen.settings})
    held: list[Extracted] = []

    with replacing(output) as part, pyarrow.parquet.ParquetWriter(part, schema) as file:

        def flush() -> None:
            about = [[getattr(e.utterance, name) for e in held] for name in _ABOUT]
            values = [
                pyarrow.array([e.values[i] for e in held if e.values is not None], number)
                for i in range(len(chosen.columns))
            ]
            file.write_table(pyarrow.table(about + values, schema=schema), row_group_size=_ROW_GROUP)
            held.clear()

        def write(extracted: Extracted) -> None:
            held.append(extracted)
            if len(held) == _ROW_GROUP:
                flush()

        yield write
        if held:
            flush()
