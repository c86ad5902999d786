"""``vocalics calls list, show, rose, agents, topics, phrases, delete, db``: what is done with calls that are kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vocalics.cli.predictions import complain
from vocalics.cli.usage import checking
from vocalics.errors import UsageError, VocalicsError

if TYPE_CHECKING:
    from datetime import datetime

    from vocalics.calls.storage import Storage

Database = Annotated[
    str,
    typer.Option(
        "--db", metavar="FILE|URL", help="SQLite's file, or postgresql://USER@HOST/NAME.", envvar="VOCALICS_CALLS_DB"
    ),
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="Of calls that began then or later; UTC where it names no zone."),
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Of calls that began before; UTC where it names no zone.")
]
Least = Annotated[int, typer.Option("--least", min=2, metavar="N", help="Calls, below which nothing is said.")]


class Format(StrEnum):
    """How answers are printed."""

    table = "table"
    json = "json"


class CardFormat(StrEnum):
    """How a call is printed."""

    card = "card"
    json = "json"


Answer = Annotated[Format, typer.Option("--format", help="A table, or one JSON object per line.")]


def add(group: typer.Typer) -> None:
    """Add the commands to those of calls."""
    group.command("list")(list_)
    for command in (show, rose, agents, topics, phrases, delete):
        group.command()(command)
    versions = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
    versions.callback()(db_)
    versions.command()(upgrade)
    versions.command()(downgrade)
    versions.command()(current)
    group.add_typer(versions, name="db")


def list_(
    db: Database = "calls.db",
    customer: Annotated[str | None, typer.Option(metavar="NAME", help="Of this customer only.")] = None,
    agent: Annotated[str | None, typer.Option(metavar="NAME", help="Of this agent only.")] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many, the latest.")] = 50,
    format: Answer = Format.table,
) -> None:
    """List the calls that are kept, the latest first."""
    with _open(db) as storage:
        rows = storage.calls(customer, agent, limit)
    told = [
        {
            "digest": row.digest, "started_at": row.started_at.isoformat(timespec="seconds"),
            "duration": round(row.duration, 1), "agent": row.agent, "customer": row.customer,
            "kept": row.kept, "path": row.path,
        }
        for row in rows
    ]  # fmt: skip
    _print(
        format, told, ("call", "began", "seconds", "agent", "customer", "kept", "recording"),
        lambda r: (
            r["digest"][:12], r["started_at"][:16], f"{r['duration']:.0f}", r["agent"] or "-", r["customer"] or "-",
            r["kept"], Path(r["path"]).name,
        ),
    )  # fmt: skip


def show(
    call: Annotated[str, typer.Argument(metavar="CALL", help="Its digest, or the beginning of it.")],
    db: Database = "calls.db",
    format: Annotated[
        CardFormat, typer.Option("--format", help="A card, or JSON with all there is.")
    ] = CardFormat.card,
) -> None:
    """Show a call that is kept."""
    with _open(db) as storage:
        found = storage.get(call)
    if format is CardFormat.json:
        from vocalics.calls.record import record

        print(json.dumps(record(found, tracks=True)))
        return
    from vocalics.cli.call_card import card

    card(found)


def rose(db: Database = "calls.db", since: Since = None, until: Until = None, format: Answer = Format.table) -> None:
    """Calls in which the customer's anger rose from the beginning to the end, the most first.

    Anger is the probability that the model gives it, averaged over the customer's first and last third of turns; it
    rose where the difference is 0.15 or more and its 95 % interval lies above 0. A call counts where eight of the
    customer's turns or more last a second.
    """
    from vocalics.calls import questions
    from vocalics.calls.record import record

    with _open(db) as storage:
        found = questions.anger_rose(storage, *_times(since, until))
    _print(
        format, record(found), ("call", "began", "agent", "customer", "anger", "then", "change", "95 %", "turns"),
        lambda r: (
            r["digest"][:12], r["started_at"][:16], r["agent"] or "-", r["customer"] or "-", f"{r['beginning']:.2f}",
            f"{r['ending']:.2f}", f"{r['change']:+.2f}", f"{r['low']:+.2f} to {r['high']:+.2f}", str(r["n_turns"]),
        ),
        "no call in which the customer's anger rose for certain",
    )  # fmt: skip


def agents(
    db: Database = "calls.db",
    since: Since = None,
    until: Until = None,
    least: Least = 10,
    format: Answer = Format.table,
) -> None:
    """Agents by how their customers end against how they began, those whose customers end calmest first.

    With counts and 95 % intervals over calls. Agents with fewer than --least calls are not ranked. Customers are not
    dealt out to agents by chance: a difference is no proof of anybody's merit or fault.
    """
    from vocalics.calls import questions
    from vocalics.calls.record import record

    with _open(db) as storage:
        found = questions.calming_agents(storage, *_times(since, until), least)
    _print(
        format, record(found), ("agent", "calls", "too short", "anger's change", "95 %", "calmer in", "finding"),
        lambda r: (
            r["agent"], str(r["n_calls"]), str(r["n_unknown"]), *_interval(r, "change", "+.3f"),
            "-" if r["share_calmer"] is None else f"{r['share_calmer']:.0%}", r["finding"],
        ),
        "no calls with an agent's name",
    )  # fmt: skip


def topics(
    db: Database = "calls.db",
    fit: Annotated[int | None, typer.Option(min=2, metavar="N", help="Find N topics anew first.")] = None,
    emotion: Annotated[str, typer.Option(metavar="NAME", help="Of the customers.")] = "sad",
    since: Since = None,
    until: Until = None,
    least: Least = 10,
    format: Answer = Format.table,
) -> None:
    """Topics of the calls whose words are kept, by how much of an emotion the customers show.

    A call counts for a topic by the topic's share in it. Coherence (UMass) is about 0 for words that occur together,
    and the further below the less they do.
    """
    from vocalics.calls import questions
    from vocalics.calls import topics as fitting
    from vocalics.calls.record import record

    with _open(db) as storage:
        if fit is not None:
            fitting.fit(storage, fit)
        found = questions.moods(storage, emotion, *_times(since, until), least)
    _print(
        format, record(found), ("topic", "words", "coherence", "calls", emotion, "95 %", ""),
        lambda r: (
            str(r["number"]), " ".join(r["words"]), f"{r['coherence']:.2f}", f"{r['n_calls']:.1f}",
            *_interval(r, "probability", ".3f"), r["finding"],
        ),
    )  # fmt: skip


def phrases(
    call: Annotated[str, typer.Argument(metavar="CALL", help="Its digest, or the beginning of it.")],
    db: Database = "calls.db",
    n: Annotated[int, typer.Option("-n", min=1, metavar="N", help="At most so many.")] = 10,
    format: Answer = Format.table,
) -> None:
    """Phrases that set a call apart from the others that are kept (TF-IDF)."""
    from vocalics.calls import topics as fitting
    from vocalics.calls.record import record

    with _open(db) as storage:
        found = fitting.phrases(storage, call, n)
    _print(format, record(found), ("phrase", "weight"), lambda r: (r["text"], f"{r['weight']:.2f}"))


def delete(
    calls: Annotated[
        list[str] | None, typer.Argument(metavar="CALL...", help="Digests, or the beginnings of them.")
    ] = None,
    customer: Annotated[
        list[str] | None, typer.Option("--customer", metavar="NAME", help="All calls of this one; may be given again.")
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="All calls (of those customers) that began before, as 2026-03-31; UTC where it names no zone.",
        ),
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="Of pseudonyms, to find a customer's by name.")
    ] = None,
    db: Database = "calls.db",
    audio: Annotated[Path | None, typer.Option("--audio", metavar="FOLDER", help="Of kept recordings.")] = None,
) -> None:
    """Delete calls with all that belongs to them: figures, words, the recording's copy, topics that they were in.

    With --customer and --before, only those customers' calls before that time. The recordings that were analysed are
    not touched: they are yours; watch, when it is started again, takes in what still lies in its folder. With a key
    (or VOCALICS_CALLS_KEY), a customer is found under the pseudonym too.
    """
    import os

    from vocalics.calls import names

    if not calls and not customer and before is None:
        raise UsageError("nothing to delete; name calls, --customer NAME, or --before TIME")
    wanted = list(customer or ())
    if key is not None or os.environ.get(names.KEY_VARIABLE):
        secret = names.read_key(key)
        wanted += [known for name in customer or () for known in names.pseudonyms(name, "customer", secret)]
    with _open(db, audio) as storage:
        n = storage.delete(calls or (), wanted, _times(before, None)[0], _missing)
    # That nothing is old enough is an ordinary day; that somebody's calls are not there may be a misspelt name.
    if not n and (calls or customer):
        hint = "" if len(wanted) > len(customer or ()) or not customer else "; under a pseudonym they need --key"
        raise VocalicsError(f"no such call{hint}")
    print(f"deleted {n} call" + ("" if n == 1 else "s"))


def _missing(kept: str) -> None:
    complain(VocalicsError(f"{kept}: the kept recording is not there; where it was moved, delete it there"))


def db_() -> None:
    """The version of a database's tables. A new database gets the newest by itself."""


def upgrade(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="One behind, or head.")] = "head",
    db: Database = "calls.db",
) -> None:
    """Bring the tables to a version, the newest by default."""
    _migrate(db, lambda database, engine: database.upgrade(engine, version))


def downgrade(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="One before, or base.")],
    db: Database = "calls.db",
    audio: Annotated[Path | None, typer.Option("--audio", metavar="FOLDER", help="Of kept recordings.")] = None,
) -> None:
    """Take the tables back to a version; base takes them and all calls away, kept recordings too."""
    from vocalics.calls import database

    _check(db)
    engine = database.connect(db)
    is_newest = database.current(engine) == database.newest()
    engine.dispose()
    kept = []
    if is_newest:
        with _open(db, audio) as storage:
            kept = storage.copies()
    try:
        _migrate(db, lambda database, engine: database.downgrade(engine, version))
    finally:  # whatever stays in the log, sound does not
        engine = database.connect(db)
        if database.current(engine) is None:
            _remove_all(kept)
        engine.dispose()


def _remove_all(paths: Iterable[Path]) -> None:
    """Remove every recording that can be removed.

    Raises:
        VocalicsError: For those that cannot.
    """
    from vocalics.calls.recordings import remove

    failed = []
    for path in paths:
        try:
            remove(path)
        except VocalicsError as error:
            failed.append(str(error))
    if failed:
        raise VocalicsError("; ".join(failed))


def current(db: Database = "calls.db") -> None:
    """Print the version of the tables, and the newest."""
    _check(db)
    _migrate(db, lambda _database, _engine: None)


def _migrate(db: str, act: Callable[[Any, Any], None]) -> None:
    from vocalics.calls import database

    engine = database.connect(db)
    try:
        act(database, engine)
        print(f"version {database.current(engine) or 'none'}, newest {database.newest()}")
    finally:
        engine.dispose()


def _open(db: str, audio: Path | None = None) -> Storage:
    from vocalics.cli.calls import open_storage

    _check(db)
    return open_storage(db, audio)


def _check(db: str) -> None:
    if "://" not in db and not Path(db).exists():
        raise VocalicsError(f"{db}: no such database; name it (--db), or analyse calls first")


def _times(since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    from vocalics.calls.about import moment

    with checking():
        return (moment(since) if since is not None else None, moment(until) if until is not None else None)


def _interval(row: dict[str, Any], name: str, places: str) -> tuple[str, str]:
    if row[name] is None:
        return "-", "-"
    return f"{row[name]:{places}}", f"{row['low']:{places}} to {row['high']:{places}}"


def _print(
    format: Format,
    rows: Sequence[dict[str, Any]],
    columns: Sequence[str],
    cells: Callable[[dict[str, Any]], Sequence[str]],
    nothing: str = "nothing",
) -> None:
    if format is Format.json:
        for row in rows:
            print(json.dumps(row))
        return
    from vocalics.cli.call_card import CAUTION, table, wide

    if not rows:
        print(nothing)
        return
    console = wide()
    console.print(table(columns, [cells(row) for row in rows]))
    console.print(CAUTION)
