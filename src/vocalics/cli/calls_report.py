"""``vocalics calls report``: what many calls tell, as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vocalics.cli.call_questions import Until
from vocalics.cli.outputs import refuse_unwritable
from vocalics.cli.usage import checking
from vocalics.errors import UsageError, VocalicsError
from vocalics.files import write_text

Database = Annotated[
    str,
    typer.Option(
        "--db", metavar="FILE|URL", help="SQLite's file, or postgresql://USER@HOST/NAME.", envvar="VOCALICS_CALLS_DB"
    ),
]


def add(group: typer.Typer) -> None:
    """Add the command to those of calls."""
    group.command()(report)


def report(
    db: Database = "calls.db",
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The page that is written (.html).")
    ] = Path("calls.html"),
    since: Annotated[
        str | None,
        typer.Option(
            "--since", "--from", metavar="TIME", help="Of calls that began then or later; UTC where it names no zone."
        ),
    ] = None,
    until: Until = None,
    least: Annotated[
        int,
        typer.Option(
            "--least", "--least-calls", min=2, metavar="N",
            help="Calls of an agent, a topic or a day, below which nothing is said of it.",
        ),
    ] = 10,
    audio: Annotated[
        Path | None,
        typer.Option("--audio", metavar="FOLDER", help="Of kept recordings; beside SQLite's file by default."),
    ] = None,
    no_audio: Annotated[bool, typer.Option("--no-audio", help="Put no sound into the page.")] = False,
    no_agents: Annotated[
        bool, typer.Option("--no-agents", help="Leave agents out: their names, figures and voices' emotions.")
    ] = False,
    title: Annotated[str, typer.Option(metavar="WORDS", help="The page's heading.")] = "Calls",
) -> None:  # fmt: skip
    """Write a report of the calls that are kept: one page that needs no network.

    The customers' emotions over days, agents side by side by name, the moments in which anger rose or fell most with
    the few seconds around them (of recordings that were kept), topics against emotions, a card for each call. Figures
    come with intervals and counts; on fewer than --least calls an agent has no figure, and a day no interval.
    """
    from vocalics.calls.about import moment
    from vocalics.calls.report.figures import figures
    from vocalics.calls.report.page import page
    from vocalics.calls.report.queries import Time
    from vocalics.calls.report.sound import excerpts
    from vocalics.cli.calls import open_storage
    from vocalics.markup import counted

    if output.suffix != ".html":
        raise UsageError(f'{output}: cannot write a report with the ending "{output.suffix}"; use .html')
    if audio is not None and no_audio:
        raise UsageError("--audio names where sound is, --no-audio wants none; give one of them")
    if "://" not in db and not Path(db).exists():
        raise VocalicsError(f"{db}: no such database; name it (--db), or analyse calls first")
    with checking():
        time = Time(moment(since) if since is not None else None, moment(until) if until is not None else None)
    refuse_unwritable(output)
    with open_storage(db) as storage:
        found = figures(storage, time, least, not no_agents)
        heard = None if no_audio else excerpts(storage, [*found.worst, *found.best], audio)
    n = len(found.worst)
    told = page(found, heard and heard[:n], heard and heard[n:], title)
    _write(output, told)
    agents = counted(found.summary.n_agents, "agent") if found.with_agents else "no agents"
    n_heard = sum(excerpt.uri is not None for excerpt in heard or ())
    print(
        f"{output}: {counted(found.summary.n_calls, 'call')}, {agents}, {counted(n + len(found.best), 'moment')}, "
        f"{n_heard} of them with sound; {output.stat().st_size / 1e6:.1f} MB"
    )


def _write(output: Path, told: str) -> None:
    """Write the page whole or not at all, for its owner alone, as the calls are kept: it holds words and voices."""
    write_text(output, told, mode=0o600, errors="replace")
