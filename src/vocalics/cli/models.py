"""``vocalics models``: the bundled models, and any model's card."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vocalics.cli.predictions import complain, plain

if TYPE_CHECKING:
    from vocalics.modelfile import Card


class Format(StrEnum):
    """How models are printed."""

    TABLE = "table"
    JSON = "json"


class Speakers(StrEnum):
    """Whose clips calibrate a model."""

    VALIDATION = "validation"
    ALL = "all"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(rich_markup_mode=None)
    group.callback(invoke_without_command=True)(models)
    group.command("show")(show)
    group.command("get")(get)
    group.command("join")(join)
    group.command("calibrate")(calibrate)
    group.command("voices")(voices)
    app.add_typer(group, name="models")


def models(
    context: typer.Context,
    format: Annotated[Format, typer.Option(help="A table, or one JSON object per line.")] = Format.TABLE,
) -> None:
    """List the bundled models.

    For all that is known about one: vocalics models show NAME.
    """
    if context.invoked_subcommand is not None:
        return
    from vocalics import modelfile
    from vocalics.named_models import bundled, heads, joined_path

    known = {**bundled(), **heads()}
    cards = {name: (path, modelfile.load(path).card) for name, path in known.items()}
    fetched = {name: name not in heads() or joined_path(name).is_file() for name in known}
    if format is Format.JSON:
        for name, (path, card) in cards.items():
            about = {"name": name, "size": path.stat().st_size, "here": fetched[name]}
            print(json.dumps({**json.loads(card.to_json()), **about}), flush=True)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for title, wraps in (
        ("model", False),
        ("emotions", True),
        ("weights", False),
        ("MB", False),
        ("commercial", False),
    ):
        table.add_column(title, no_wrap=not wraps)
    table.add_column("measured")
    for name, (path, card) in cards.items():
        table.add_row(
            name,
            str(len(card.emotions)),
            f"{card.n_parameters / 1e6:.2f} M" if card.n_parameters >= 10_000 else f"{card.n_parameters:,}",
            f"{path.stat().st_size / 1e6:.1f}",
            "yes" if card.commercial else "no" if _forbidden(card) else "?",
            Text(plain(figure_text(card.figures[0]) if card.figures else "")),
        )
    Console().print(table)
    for name in (name for name in cards if not fetched[name]):
        print(f"{name} is not here yet: vocalics models get {name}")


def show(
    model: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A bundled model or a model file.")] = "default",
    format: Annotated[Format, typer.Option(help="Text, or the card's JSON.")] = Format.TABLE,
) -> None:
    """Print a model's card."""
    from vocalics import modelfile
    from vocalics.named_models import heads, model_path

    loaded = modelfile.load(heads().get(model) or model_path(model))
    if format is Format.JSON:
        told = json.dumps({**json.loads(loaded.card.to_json()), "sha256": loaded.sha256}, ensure_ascii=False, indent=2)
        # JSON itself escapes only some of what steers a terminal.
        print("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in told))
        return
    lines = _lines(loaded.card, loaded.sha256, loaded.voice_width)
    # Whoever wrote the card may not draw on the terminal, nor add a line that looks like one of ours.
    print("\n".join(f"{key + ':' if key else '':<16} {plain(value)}".rstrip() for key, value in lines if value))


def get(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model that sits on a pre-trained encoder: accurate.")],
    encoder: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="The encoder's folder, where it is on this machine already."),
    ] = None,
) -> None:
    """Fetch the encoder that a model sits on, and put both together for this machine.

    The encoder comes from the Hugging Face hub, by its pinned revision, and is checked by its hash. Afterwards the
    model is known by its name (vocalics predict --model accurate), and needs neither torch nor the network.
    """
    from vocalics import modelfile
    from vocalics.errors import ModelFileError
    from vocalics.export import encoder as export
    from vocalics.named_models import heads, joined_path
    from vocalics.registry import lookup

    head = lookup(heads(), name, "model on an encoder", ModelFileError)
    target = joined_path(name)
    if target.is_file():
        print(f"{name} is here already: {target}")
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    export.join(head, encoder or modelfile.load(head).card.feature_set.rpartition("@")[0], target)
    print(f"written to {target} ({target.stat().st_size / 1e6:.1f} MB); vocalics predict --model {name} takes it")


def join(
    head: Annotated[Path, typer.Argument(metavar="FILE", help="A model that takes the blocks of an encoder.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The model file that is written.")],
    encoder: Annotated[
        str | None,
        typer.Option(metavar="NAME|FOLDER", help="The encoder; the one that the model was trained on if not given."),
    ] = None,
) -> None:
    """Put a model and the pre-trained encoder that it was trained on into one file.

    The file takes sound, and needs neither torch nor the encoder's folder any more. The encoder has to be
    Whisper's. One that is not on this machine is fetched from the Hugging Face hub.
    """
    from vocalics import modelfile
    from vocalics.errors import ModelFileError
    from vocalics.export import encoder as export

    name = encoder or modelfile.load(head).card.feature_set.rpartition("@")[0]
    if not name:
        raise ModelFileError(f"{head}: takes no encoder's blocks; it can be used as it is")
    export.join(head, name, output)
    print(f"written to {output} ({output.stat().st_size / 1e6:.1f} MB)")


def calibrate(
    model: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A bundled model or a model file.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The model file that is written.")],
    manifest: Annotated[
        Path | None, typer.Argument(metavar="MANIFEST", help="A .csv or .parquet of vocalics scan.")
    ] = None,
    speakers: Annotated[
        Speakers,
        typer.Option(help="Of the model's own validation speakers, or of all that it was not trained on."),
    ] = Speakers.ALL,
    left_out: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Instead of clips: what a model of the same recipe said of a corpus that it never heard (the .csv of "
            "a fold of vocalics benchmark leave-one-corpus-out, or predictions.csv of vocalics evaluate). Repeat.",
        ),
    ] = None,
    page: Annotated[
        Path | None, typer.Option(metavar="FILE.md", help="With --left-out: write what it is worth there, too.")
    ] = None,
) -> None:
    """Fit a model's probabilities to clips whose emotions are known.

    Clips of speakers that it was trained on calibrate nothing; from them and all others a net learns what is strange
    (vocalics predict --unfamiliar-above), unless it ends in no linear layer, as accurate, which is then told. Which
    emotion is the most probable never changes; how probable it is does, and the copy knows sets of candidates (vocalics
    predict --coverage). Fifty clips are the least; some hundred of many speakers are better. A file that cannot be
    judged is one line on standard error, and the exit code is then 1.

    A model is surer of a voice from a corpus that it knows than it may be of one from elsewhere. With --left-out it
    becomes as sure as models of its recipe were right about whole corpora that they never heard; what that is worth is
    told for each corpus, calibrated by the others alone.
    """
    from types import MappingProxyType

    import numpy as np
    from rich.console import Console

    from vocalics.cli.evaluate import judged
    from vocalics.cli.outputs import refuse_unwritable
    from vocalics.cli.progress import counting
    from vocalics.emotions import Scheme
    from vocalics.errors import ManifestError, UsageError
    from vocalics.export.recalibration import N_FAMILIAR, recalibrate, require
    from vocalics.manifest import Manifest
    from vocalics.named_models import model_path
    from vocalics.recognizer import load

    require()
    if (manifest is None) == (not left_out):
        raise UsageError("calibrate with a manifest of clips, or with --left-out FILE of several corpora: one of both")
    if speakers is Speakers.VALIDATION and left_out:
        raise UsageError("--speakers chooses from a manifest's clips; --left-out names what was judged: one of both")
    if page is not None and not left_out:
        raise UsageError("--page tells what --left-out is worth; leave it out, or name such files")
    for path in (output, page):
        if path is not None:
            refuse_unwritable(path)
    if manifest is None:
        _calibrate_elsewhere(model, left_out or [], output, page)
        return
    recognizer = load(model)
    card = recognizer.card
    clips = Manifest.read(manifest).where(lambda u: u.emotion in card.emotions)
    voices = clips.where(lambda u: u.speaker in card.training_speakers).drawn(N_FAMILIAR, np.random.default_rng(0))
    if speakers is Speakers.VALIDATION:
        clips = clips.where(lambda u: u.speaker in card.validation_speakers)
    else:
        clips = clips.where(lambda u: u.speaker not in card.training_speakers)
    if not len(clips):
        raise ManifestError(
            f"{manifest}: no clip of the emotions {', '.join(card.emotions)} by a speaker that the model was "
            f"{'validated' if speakers is Speakers.VALIDATION else 'not trained'} on"
        )
    nameless = sum(not u.speaker for u in clips)
    if nameless or not card.training_speakers:
        why = (
            f"{nameless:,} clips name no speaker" if nameless else f"the card of {card.name} names no training speakers"
        )
        complain(
            ManifestError(f"{why}, so that nobody knows whether it was trained on these clips; if so, it is too sure")
        )
    done, said, failures = judged(recognizer, clips, Scheme(card.name, card.emotions, MappingProxyType({})))
    heard = np.flatnonzero(np.isfinite(said).all(axis=1)).tolist()
    kept = done.take(heard)
    truth = [card.emotions.index(u.emotion) for u in kept]
    with counting(Console(stderr=True), transient=True) as progress:
        task = progress.add_task("listen", total=len(kept) + len(voices))
        about = recalibrate(
            model_path(model), kept, said[heard], truth, output, voices,
            lambda done, n: progress.update(task, completed=done, total=n),
        )  # fmt: skip
    n = len(kept.speakers)
    whose = f"{n} speaker{'s' if n != 1 else ''}" if n else "unknown speakers"
    print(f"temperature {about.temperature:.3f}, found on {len(kept):,} clips of {whose}")
    for coverage, least in about.conformal.items():
        print(f"candidates for {float(coverage):.0%}: every emotion from {least:.1%} on")
    if load(output).model.tells_strangeness:
        print(f"strangeness: learned from {len(kept) + len(voices):,} clips; above 1 for one voice in 20")
    else:
        print(f"strangeness: not learned ({plain(card.name)} ends in no linear layer); no --unfamiliar-above with it")
    print(f"written to {output}")
    if failures:
        raise typer.Exit(1)


def voices(
    model: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A bundled model or a model file.")],
    manifests: Annotated[
        list[Path], typer.Argument(metavar="MANIFEST...", help="A .csv or .parquet of vocalics scan, of its corpora.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The model file that is written.")],
) -> None:
    """Let a net of sound get used to voices that does not yet, without training it again.

    Training does it, and the bundled models have it; this is for nets that were trained before. The copy takes --voice
    and --adapt (vocalics predict, timeline, listen, calls, evaluate); where no voice is known it says what the net said
    before. Where emotions lie in the net is computed from clips of its training speakers; others are left out, so that
    figures of a known voice stay honest. A net in eight bits is made from the copy.
    """
    from rich.console import Console

    from vocalics.cli.outputs import refuse_unwritable
    from vocalics.cli.progress import counting
    from vocalics.export import voice
    from vocalics.manifest import Manifest
    from vocalics.named_models import model_path
    from vocalics.recognizer import load

    refuse_unwritable(output)
    clips = Manifest(tuple(u for path in manifests for u in Manifest.read(path)))
    with counting(Console(stderr=True), transient=True) as progress:
        task = progress.add_task("listen", total=min(len(clips), voice.N_CLIPS))
        taken = voice.teach(
            model_path(model), output, clips, lambda done, n: progress.update(task, completed=done, total=n)
        )
    print(f"centres of {len(taken):,} clips of {len(taken.speakers)} training speakers")
    if lacking := sorted({*load(output).card.emotions} - {*taken.emotions}):
        print(f"no clip of {', '.join(lacking)}: taken to lie in the middle of the others")
    print(f"written to {output}")


def _calibrate_elsewhere(model: str, files: list[Path], output: Path, page: Path | None) -> None:
    from rich.table import Table

    from vocalics import judgements, modelfile
    from vocalics.cli.call_card import wide
    from vocalics.files import write_text
    from vocalics.named_models import model_path
    from vocalics.sureness import COVERAGE, HEAD, LeftOut, calibrate_elsewhere, measured, rows, to_markdown

    source = model_path(model)
    known = modelfile.load(source).card
    said = LeftOut.of(judgements.pooled([judgements.read(file) for file in files]), known.emotions)
    about = calibrate_elsewhere(source, said, output)
    table = Table()
    for i, title in enumerate(HEAD):
        table.add_column(title, justify="right" if i else "left", overflow="fold")
    found = measured(said, known.conformal)
    for row in rows(found):
        table.add_row(*row)
    wide().print(table)
    print(f"before → by what the other corpora tell; sets promise {COVERAGE:.0%}")
    if page is not None:
        write_text(page, to_markdown(known.name, about, known, found))
    print(f"temperature {about.temperature:.3f}, before {known.temperature:.3f}")
    for coverage, least in about.conformal.items():
        print(f"candidates for {float(coverage):.0%}: every emotion from {least:.1%} on")
    print(f"written to {output}")


def figure_text(figure: Any) -> str:
    """Return a measured figure in one line: "uar 66.1 % [64.0, 68.2] on ravdess (speaker)"."""
    text = f"{figure.get('metric', 'figure')} {_percent(figure.get('value'))} %"
    if figure.get("low") is not None and figure.get("high") is not None:
        text += f" [{_percent(figure['low'])}, {_percent(figure['high'])}]"
    if pooled := figure.get("pooled"):  # the interval is that of another figure than the mean over folds
        low, high = _percent(pooled.get("low")), _percent(pooled.get("high"))
        text += f", all folds together {_percent(pooled.get('value'))} % [{low}, {high}],"
    if figure.get("corpus"):
        text += f" on {figure['corpus']}"
    return text + (f" ({figure['protocol']})" if figure.get("protocol") else "")


def _percent(value: Any) -> str:
    return "?" if value is None else f"{100 * value:.1f}"


def _forbidden(card: Card) -> bool:
    """Whether a corpus is known to forbid commercial use; of one's own that is not known."""
    return any(c.get("commercial") is False for c in card.corpora)


def _commercial(card: Card) -> str:
    if card.commercial:
        return "allowed by all corpora"
    if _forbidden(card):
        return "not allowed by every corpus"
    unknown = [str(c.get("name")) for c in card.corpora if c.get("commercial") is None]
    return f"not known of {', '.join(unknown)}" if unknown else "not known"


def _lines(card: Card, sha256: str, voice_width: int) -> list[tuple[str, str]]:
    from vocalics.features.feature_set import SEPARATOR

    made_of = [
        f"{c.get('name')} ({c.get('licence')}; {c.get('clips')} clips, {c.get('speakers')} speakers"
        f"{'; non-commercial' if c.get('commercial') is False else ''}{'; ' + str(c['note']) if c.get('note') else ''})"
        for c in card.corpora
    ]
    on_encoder = SEPARATOR in card.feature_set
    takes = f"{card.input} at {card.sample_rate} Hz"
    if card.feature_set:
        takes = f"the features {card.feature_set} ({card.n_features or 'any length'}) at {card.sample_rate} Hz"
    return [
        ("name", card.name),
        ("description", card.description),
        ("emotions", ", ".join(card.emotions)),
        *([("left out", ", ".join(card.excluded))] if card.excluded else []),
        ("takes", takes),
        *_listed("front end", [f"{key} = {value}" for key, value in card.front_end.items()]),
        ("windows", f"{card.window_seconds:g} s, every {card.hop_seconds:g} s in a timeline"),
        *([("voices", f"gets used to them, knows {voice_width} numbers of one")] if voice_width else []),
        ("parameters", f"{card.n_parameters:,}" + (", without what makes its features" if on_encoder else "")),
        *([("temperature", f"{card.temperature:.3f}")] if card.temperature != 1 else []),
        *_listed(
            "candidates",
            [f"{float(c):.0%}: every emotion from {p:.1%} on" for c, p in sorted(card.conformal.items())],
        ),
        *_listed("corpora", made_of),
        ("commercial use", _commercial(card)),
        ("licence", card.licence),
        ("protocol", card.protocol),
        ("seed", str(card.seed)),
        *_listed("measured", [figure_text(f) for f in card.figures]),
        ("intended use", card.intended_use),
        ("limits", card.limits),
        ("speakers", f"{len(card.training_speakers)} in training, {len(card.validation_speakers)} in validation"),
        ("created", f"{card.created} by vocalics {card.vocalics_version}"),
        ("sha256", sha256),
    ]


def _listed(title: str, values: list[str]) -> list[tuple[str, str]]:
    return [(title if i == 0 else "", value) for i, value in enumerate(values)]
