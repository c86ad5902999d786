"""``vocalics corpora`` and ``vocalics scan``: what corpora there are, and what a folder holds of one."""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from vocalics.cli.standard_output import keep_apart_from
from vocalics.cli.usage import checking
from vocalics.corpora import Corpus, Finding, ScanReport, check_name, corpora, corpus, scan
from vocalics.emotions import EMOTIONS, OTHER_EMOTIONS
from vocalics.manifest import writable

SHOWN = 20
"""How many names of a list are printed before "and N more"."""


class Format(enum.StrEnum):
    """How the result is printed."""

    table = "table"
    json = "json"


def register(app: typer.Typer) -> None:
    """Add the commands ``corpora`` and ``scan``."""
    app.command("corpora")(_corpora)
    app.command("scan")(_scan)


def _corpora(
    format: Annotated[Format, typer.Option("--format", help="How the list is printed.")] = Format.table,
) -> None:
    """List the known corpora.

    Each with its clips, speakers, emotions, language, licence, citation, and where to get it.
    """
    listed = [_facts(c) for c in corpora().values()]
    if format is Format.json:
        typer.echo(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    console = Console()
    table = Table("name")
    table.add_column("clips", justify="right")
    table.add_column("speakers", justify="right")
    for column in ("language", "emotions", "licence"):
        table.add_column(column)
    for facts in listed:
        own = facts["clips"] is None
        table.add_row(
            facts["name"],
            _or_dash(facts["clips"]),
            _or_dash(facts["speakers"]),
            _or_dash(facts["language"]),
            " ".join(facts["emotions"]),
            facts["licence"] if facts["commercial"] or own else f"{facts['licence']}; no commercial use",
        )
    console.print(table)
    for facts in listed:
        console.print(f"\n[bold]{facts['name']}[/bold]  {escape(facts['title'])}", highlight=False)
        if facts["clips"] is not None:
            console.print(f"cite: {escape(facts['citation'])}\nfrom: {facts['url']}", highlight=False)


def _scan(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The corpus; see: vocalics corpora.")],
    root: Annotated[
        Path, typer.Argument(metavar="ROOT", help='Its folder; for "folder" also a CSV of path, emotion[, speaker].')
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write the manifest here (.csv or .parquet)."),
    ] = None,
    called: Annotated[
        str,
        typer.Option(
            "--name",
            metavar="NAME",
            help='Of "folder", what the corpus is called, and its speakers with it (NAME/ann); by default as the '
            "folder, or as the CSV without its ending. Parts of one corpus need one name: a speaker of both is one "
            "person then.",
        ),
    ] = "",
    format: Annotated[
        Format, typer.Option("--format", help="How the report is printed; json is complete.")
    ] = Format.table,
) -> None:
    """Find a corpus's clips below a folder.

    Reports what is missing, unexpected, unreadable or there twice. With -o, the clips become a manifest.
    """
    if output is not None:
        with checking():
            writable(output)  # said before everything is read
    known = corpus(name).name
    if called:
        with checking():
            check_name(known, called)
    keep_apart_from(output)  # decoders look into every file
    terminal = Console(stderr=True)
    with Progress(console=terminal, transient=True, disable=not terminal.is_terminal) as bar:
        task = bar.add_task(f"reading {name}", total=None)
        report = scan(name, root, lambda n, total: bar.update(task, completed=n, total=total), called)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        report.manifest.write(output)
    if format is Format.json:
        typer.echo(json.dumps(report.as_dict(), indent=2, ensure_ascii=False))
        return
    typer.echo("\n".join(_summary(report)))
    if output is not None:
        typer.echo(f"manifest    {output} ({len(report.manifest)} rows)")


def _facts(corpus: Corpus) -> dict[str, Any]:
    present = set(corpus.emotions.values())
    return {
        "name": corpus.name,
        "title": corpus.title,
        "clips": corpus.n_clips,
        "speakers": corpus.n_speakers,
        "emotions": [e for e in EMOTIONS + OTHER_EMOTIONS if e in present],
        "language": corpus.language,
        "licence": corpus.licence,
        "commercial": corpus.commercial,
        "citation": corpus.citation,
        "url": corpus.url,
    }


def _or_dash(value: object) -> str:
    return str(value) if value else "-"


def _summary(report: ScanReport) -> list[str]:
    n_clips, n_expected = len(report.manifest), report.corpus.n_clips
    of = f" of {n_expected}" if n_expected not in (None, n_clips) else ""
    emotions = ", ".join(f"{emotion} {count}" for emotion, count in report.emotions.items())
    minutes, seconds = divmod(round(report.seconds), 60)
    lines = [
        f"corpus      {report.corpus.name}: {report.corpus.title}",
        f"clips       {n_clips}{of}",
        f"speakers    {len(report.manifest.speakers) or 'unknown'}",
        f"length      {report.seconds:.1f} s ({minutes // 60}:{minutes % 60:02d}:{seconds:02d})",
        f"emotions    {emotions}",
    ]
    lines += _listed("missing", report.n_missing, report.missing)
    lines += _listed("unexpected", len(report.unexpected), _said(report.unexpected))
    lines += _listed("unreadable", len(report.unreadable), _said(report.unreadable))
    lines += _listed("repeated", len(report.repeated), _said(report.repeated))
    pairs = [" = ".join(group) for group in report.duplicates]
    lines += _listed("identical", len(pairs), pairs)
    lines += [f"note        {note}" for note in report.notes]
    return lines


def _said(findings: Sequence[Finding]) -> list[str]:
    return [f"{f.path}: {f.reason}" for f in findings]


def _listed(what: str, n: int, names: Sequence[str]) -> list[str]:
    lines = [f"{what:<12}{n}", *(f"            {name}" for name in names[:SHOWN])]
    if len(names) > SHOWN:
        lines.append(f"            and {len(names) - SHOWN} more")
    return lines
