"""``vocalics audit``: what leaks from the training part to the test part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vocalics.cli.standard_output import keep_apart_from
from vocalics.files import write_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from vocalics.audit import AuditReport, Division, Estimate
    from vocalics.audit.relations import Relations

PARTS = ("train", "test", "validation")
"""What the manifests given are, in this order."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("audit")(audit_command)


def audit_command(
    manifests: Annotated[
        list[Path],
        typer.Argument(metavar="MANIFEST...", help="One manifest; or those of TRAIN, TEST [and VALIDATION]."),
    ],
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Audit every fold of one manifest: folds=FILE, random, speaker, leave-one-speaker-out, "
            "speaker-folds=N, leave-one-corpus-out; or folds-leaky=FILE.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="For what a protocol draws, and the estimate.")] = 0,
    fingerprint: Annotated[
        bool, typer.Option("--fingerprint/--no-fingerprint", help="Read the audio to find changed copies.")
    ] = True,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Measure what the leak is worth to a small classifier.")
    ] = False,
    cache: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Keep the estimate's features there.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes of the estimate; by default up to one per core.")
    ] = None,
    format: Annotated[
        Literal["table", "json"],
        typer.Option("--format", metavar="table|json", help="How the report is printed; json is complete."),
    ] = "table",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the report here (.md or .json).")
    ] = None,
) -> None:
    """Find what stands on both sides of a division.

    Speakers, identical files, near-identical clips (trimmed, louder, resampled, re-encoded: by fingerprint), augmented
    clips and their parents; equal sentences are counted, but are no leak. One manifest alone is searched for clips
    that are one.

    Exits with 0 where nothing leaks (or that is unclear, since speakers are unknown or have one name in two corpora of
    your own), with 1 where something does or the audit failed, with 2 for wrong usage.

    A note says where the words tell the emotion: what one reaches who knows of a clip only which sentence it is.
    """
    from dataclasses import replace

    if protocol is not None and len(manifests) != 1:
        raise typer.BadParameter(f"--protocol divides one manifest; {len(manifests)} were given")
    if len(manifests) > len(PARTS):
        raise typer.BadParameter(f"{len(manifests)} manifests were given; expected one, or TRAIN TEST [VALIDATION]")
    if estimate and protocol is None and len(manifests) == 1:
        raise typer.BadParameter("--estimate needs a division: --protocol NAME, or manifests of TRAIN and TEST")
    if estimate:
        _require_estimate()
    if output is not None and output.suffix not in (".md", ".json"):
        raise typer.BadParameter(f'"{output}" is neither .md nor .json', param_hint="-o")
    keep_apart_from(output)  # decoders read what is audited
    report, divisions, related = _audited(manifests, protocol, seed, fingerprint)
    if estimate and related is not None:
        report = replace(report, estimate=_estimated(report, divisions, related, seed, cache, workers))
    if output is not None:
        _write(report, output)
    if format == "json":
        typer.echo(json.dumps(report.as_dict(), indent=2, ensure_ascii=False))
    else:
        typer.echo("\n".join(_lines(report)))
        if output is not None:
            typer.echo(f"written to {output}")
    if report.verdict == "leaks":
        raise typer.Exit(1)


def _require_estimate() -> None:
    """Ask for what the estimate needs before anything is computed.

    Raises:
        MissingExtraError: Where it is not installed.
    """
    from importlib.util import find_spec

    from vocalics.errors import MissingExtraError

    if find_spec("sklearn") is None:
        raise MissingExtraError("the estimate", "train")


def _audited(
    manifests: list[Path], protocol: str | None, seed: int, fingerprint: bool
) -> tuple[AuditReport, list[Division], Relations | None]:
    from dataclasses import replace

    import numpy as np

    from vocalics.audit import audit, audit_divisions, divide, joined, titled
    from vocalics.manifest import Manifest

    read = [Manifest.read(path) for path in manifests]
    progress, finish = _bar("fingerprints")
    try:
        if protocol is None and len(read) == 1:
            return audit(read[0], fingerprint, manifests[0].name, progress), [], None
        notes: tuple[str, ...] = ()
        if protocol is not None:
            whole, subject = read[0], titled(protocol)
            divisions, notes = divide(whole, protocol, np.random.default_rng(seed))
        else:
            whole, division = joined(dict(zip(PARTS, read, strict=False)))
            divisions, subject = [division], " / ".join(_titles(manifests))
        report, related, placed = audit_divisions(whole, divisions, subject, fingerprint, progress)
        return replace(report, notes=(*report.notes, *notes)), placed, related
    finally:
        finish()


def _titles(paths: list[Path]) -> list[str]:
    """Return the files' names, with as many of their folders as make different files differ.

    >>> _titles([Path("data/a/m.csv"), Path("data/b/m.csv")]), _titles([Path("data/a.csv"), Path("data/b.csv")])
    (['a/m.csv', 'b/m.csv'], ['a.csv', 'b.csv'])
    """
    most = max(len(path.parts) for path in paths)
    shown = ([str(Path(*path.parts[-n:])) for path in paths] for n in range(1, most + 1))
    return next(names for names in shown if len({*names}) == len({*paths}))


def _estimated(
    report: AuditReport,
    divisions: list[Division],
    related: Relations,
    seed: int,
    cache: Path | None,
    workers: int | None,
) -> Estimate:
    import numpy as np

    from vocalics.cli.estimate import estimate

    progress, finish = _bar("features")
    try:
        return estimate(related, divisions, report, np.random.default_rng(seed), cache, workers, progress)
    finally:
        finish()


def _bar(what: str) -> tuple[Callable[[int, int], None], Callable[[], None]]:
    from rich.console import Console

    from vocalics.cli.progress import counting

    terminal = Console(stderr=True)
    bar = counting(terminal, transient=True)
    task = bar.add_task(what, total=None)
    if not terminal.is_terminal:  # a bar that ends draws a line even where it drew nothing
        return lambda done, n: None, lambda: None
    bar.start()
    return lambda done, n: bar.update(task, completed=done, total=n), bar.stop


def _lines(report: AuditReport) -> list[str]:
    heads, rows = report.table()
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]
    last = len(heads) - 1
    lines = [
        "  ".join(
            c.ljust(w) if i in (0, last) else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in (heads, *rows)
    ]
    lines = [report.summary, "", *(line.rstrip() for line in lines)]
    for said, links, more in report.details(shown=5 if len(report.divisions) == 1 else 2):
        lines += ["", said, *(f"  {link}" for link in links)]
        lines += [f"  and {more:,} more"] if more else []
    if report.estimate is not None:
        lines += ["", *report.estimate.lines()]
    return [*lines, "", *report.notes] if report.notes else lines


def _write(report: AuditReport, path: Path) -> None:
    text = report.to_markdown()
    if path.suffix == ".json":
        text = json.dumps(report.as_dict(), indent=1, ensure_ascii=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
