"""``vocalics evaluate``: what a model is worth on the clips of a manifest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vocalics.files import write_text
from vocalics.registry import some

if TYPE_CHECKING:
    from vocalics.emotions import Scheme
    from vocalics.evaluation import EvaluationReport
    from vocalics.judgements import Judgements
    from vocalics.manifest import Manifest
    from vocalics.modelfile import Card
    from vocalics.recognizer import Recognizer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("evaluate")(evaluate_command)


def evaluate_command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A bundled model's name or a model file.")],
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A .csv or .parquet of vocalics scan.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FOLDER", help="Write report, every clip's prediction and two figures there."
        ),
    ] = None,
    hold_out: Annotated[
        str | None,
        typer.Option(metavar="SPEC", help="Only these clips: speaker=NAME, corpus=NAME or folds=FILE#FOLD."),
    ] = None,
    protocol_note: Annotated[
        str | None, typer.Option(metavar="TEXT", help="How these clips were kept from the training, for the report.")
    ] = None,
    scheme: Annotated[
        str | None, typer.Option(metavar="NAME", help="Judge in another emotion scheme, e.g. four.")
    ] = None,
    allow_seen_speakers: Annotated[
        bool, typer.Option("--allow-seen-speakers", help="Go on though the model knows a speaker; the report says so.")
    ] = False,
    voice: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Have the model hear N other clips of each one's speaker first, as models allow that get used to "
            "voices.",
        ),
    ] = 0,
) -> None:
    """Measure a model on clips whose emotions are known.

    Prints UAR and accuracy with 95 % intervals over speakers, and each emotion's figures. A file that cannot be judged
    is one line on standard error; the others are judged all the same, and the exit code is then 1.
    """
    if evaluated(model, manifest, output, hold_out, protocol_note, scheme, allow_seen_speakers, voice=voice):
        raise typer.Exit(1)


def evaluated(
    model: str,
    manifest: Path,
    output: Path | None,
    hold_out: str | None,
    protocol_note: str | None,
    scheme: str | None,
    allow_seen_speakers: bool,
    shown: bool = True,
    voice: int = 0,
) -> int:
    """Do what the command does, for commands that measure what they have trained; ``shown`` is whether it is printed.

    Returns:
        How many clips could not be judged; each is a line on standard error.
    """
    import numpy as np

    from vocalics.evaluation import evaluate, groups_of
    from vocalics.judgements import Judgements
    from vocalics.listening import votes_in
    from vocalics.recognizer import load

    if output is not None:
        from vocalics import plots

        plots.require()
    recognizer = load(model)
    card = recognizer.card
    kept, classes, leak, notes = selected(card, manifest, hold_out, scheme, allow_seen_speakers)
    if voice:
        recognizer.unknown_voice()
        notes.append(
            f"Before a clip was judged, the model had heard {voice} other clips of its speaker (four fifths of them, "
            "where there are fewer), whose emotions nobody told it."
        )
    clips, probabilities, failures = judged(recognizer, kept, classes, voice)
    notes += _notes(card, classes, failures)
    truth = [str(classes.emotion(u.emotion)) for u in clips]
    report = evaluate(
        truth,
        None,
        classes.emotions,
        speakers=[u.speaker for u in clips],
        corpora=[u.corpus for u in clips],
        rng=np.random.default_rng(0),
        probabilities=probabilities,
        model=card.name,
        protocol=protocol_note or (f"held out: {short(hold_out)}" if hold_out else f"all clips of {manifest.name}"),
        leak=leak,
        groups=groups_of(clips),
        votes=votes_in([u.ratings for u in clips], classes),
        conformal=card.conformal if classes.emotions == card.emotions else None,
        notes=notes,
    )
    if output is not None:
        predictions = Judgements.of(clips, truth, classes.emotions, probabilities)
        _write(report, predictions, output)
    if shown:
        _print(report, output)
    return len(failures)


def selected(
    card: Card, manifest: Path, hold_out: str | None, scheme: str | None, allow_seen_speakers: bool
) -> tuple[Manifest, Scheme, str, list[str]]:
    """Return the clips to measure a model on, the classes, what it knew of the speakers, and sentences on all that.

    Raises:
        LeakageError: When the model knows a speaker, and that is not allowed.
    """
    from vocalics.manifest import Manifest

    chosen = Manifest.read(manifest)
    if hold_out is not None:
        from vocalics.splits import absent, tested

        positions = tested(chosen, hold_out)
        n_absent, chosen = absent(chosen, hold_out), chosen.take(positions)
    classes = _scheme(card, scheme)
    kept, notes = _in_classes(chosen, classes, str(manifest))
    if hold_out is not None and n_absent:
        notes.append(f"{n_absent:,} clips of {short(hold_out)}, or of its other folds, are not in the manifest.")
    leak = _leak(card, kept, allow_seen_speakers)
    if not card.training_speakers:
        notes.append("The model's card lists no training speakers, so that leakage could not be checked.")
    elif nameless := sum(not u.speaker for u in kept):
        notes.append(f"{nameless:,} clips name no speaker, so that leakage could not be checked for them.")
    return kept, classes, leak, [*notes, *_namesakes(card, kept)]


def _namesakes(card: Card, manifest: Manifest) -> list[str]:
    """A sentence where speakers have the names of ones that the model knows from another corpus of one's own."""
    from vocalics.corpora import namesakes

    pairs = namesakes(manifest.speakers, {*card.training_speakers, *card.validation_speakers})
    if not pairs:
        return []
    said = some([f"{here} = {there}?" for here, there in pairs], 3)
    n_alike = len({here for here, _ in pairs})
    return [
        f"{n_alike:,} of {len(manifest.speakers):,} speakers have names of ones that were heard in training, from "
        f"another corpus of your own ({said}): if they are the same people, this is no figure on new speakers; give "
        "both corpora one name (vocalics scan folder ROOT --name NAME)."
    ]


def _scheme(card: Card, name: str | None) -> Scheme:
    """The scheme asked for, or else the one that has the model's classes, or else the model's classes as they are."""
    from types import MappingProxyType

    from vocalics.emotions import SCHEMES, Scheme, scheme
    from vocalics.errors import VocalicsError

    if name is None:
        plain = Scheme(card.name, card.emotions, MappingProxyType({}))
        fitting = (s for s in SCHEMES.values() if s.emotions == card.emotions)
        return next(fitting, plain)
    asked = scheme(name)
    unknown = [e for e in asked.emotions if e not in card.emotions]
    if unknown:
        raise VocalicsError(
            f'the model {card.name} does not know {", ".join(unknown)} of the scheme "{name}"; it knows '
            f"{', '.join(card.emotions)}"
        )
    return asked


def _in_classes(manifest: Manifest, classes: Scheme, name: str) -> tuple[Manifest, list[str]]:
    """The clips whose emotion is among the classes, and a sentence on the others."""
    from vocalics.errors import ManifestError

    kept = manifest.where(lambda u: classes.emotion(u.emotion) is not None)
    dropped = Counter(u.emotion for u in manifest if classes.emotion(u.emotion) is None)
    merged = Counter(u.emotion for u in kept if classes.emotion(u.emotion) != u.emotion)
    notes = []
    if dropped:
        counts = ", ".join(f"{n:,} {emotion}" for emotion, n in sorted(dropped.items()))
        notes.append(f"{dropped.total():,} of {len(manifest):,} clips dropped, not among the classes: {counts}.")
    for emotion, n in sorted(merged.items()):
        notes.append(f"{n:,} clips of {emotion} count as {classes.emotion(emotion)}.")
    if not len(kept):
        raise ManifestError(
            f"{name}: none of its {len(manifest)} clips has one of the classes {', '.join(classes.emotions)}; expected "
            "clips of these emotions"
        )
    return kept, notes


def _leak(card: Card, manifest: Manifest, allowed: bool) -> str:
    """What the model knew of these speakers, in words.

    Raises:
        LeakageError: When it was trained on one of them, or its epoch or calibration was found by one, and that is not
            allowed.
    """
    from vocalics.errors import LeakageError

    seen = sorted(set(manifest.speakers) & {*card.training_speakers, *card.validation_speakers})
    if not seen:
        return ""
    said = f"{len(seen)} of {len(manifest.speakers)} speakers were heard in training or calibration ({some(seen)})"
    if not allowed:
        raise LeakageError(
            f"the model {card.name} leaks: {said}; evaluate on other speakers (--hold-out SPEC), or add "
            "--allow-seen-speakers, and the report will say so"
        )
    return said


def judged(
    recognizer: Recognizer, manifest: Manifest, classes: Scheme, voice: int = 0
) -> tuple[Manifest, Any, list[str]]:
    """The clips that could be judged, their probabilities in the classes (NaN: no speech), and the others' faults.

    Args:
        recognizer: Judges.
        manifest: The clips.
        classes: What they are judged in.
        voice: How many other clips of each one's speaker are heard before.
    """
    import numpy as np
    from rich.console import Console

    from vocalics import judgements
    from vocalics.cli.predictions import complain
    from vocalics.cli.progress import counting
    from vocalics.errors import AudioError
    from vocalics.voices import apart

    if voice:
        manifest = manifest.with_digests()  # what is one recording tells nothing of itself
    parts = apart(manifest, voice, np.random.default_rng(0)) if voice else None
    failures: dict[int, str] = {}

    def failed(i: int, error: AudioError) -> None:
        complain(error)
        failures[i] = str(error)

    with counting(Console(stderr=True), transient=True) as progress:
        task = progress.add_task("evaluate", total=len(manifest))
        said = judgements.judged(
            recognizer,
            manifest,
            classes,
            lambda _, done, n: progress.update(task, completed=done, total=n),
            parts,
            failed,
        )
    done = [i for i in range(len(manifest)) if i not in failures]
    if not done:
        raise AudioError(f"none of the {len(manifest)} clips could be judged; see the lines above")
    return manifest.take(done), said.probabilities[done], [failures[i] for i in sorted(failures)]


def _notes(card: Card, classes: Scheme, failures: Sequence[str]) -> list[str]:
    notes = []
    outside = [e for e in card.emotions if classes.emotion(e) is None]
    if outside:
        notes.append(
            f"The model also knows {', '.join(outside)}; their probability was left out and the rest scaled to 1."
        )
    if failures:
        notes.append(f"{len(failures):,} clips could not be judged and are not counted: {some(failures)}.")
    return notes


def _write(report: EvaluationReport, predictions: Judgements, folder: Path) -> None:
    from vocalics import plots
    from vocalics.errors import VocalicsError

    try:
        folder.mkdir(parents=True, exist_ok=True)
        plots.save(plots.confusion_matrix(report), folder / "confusion.png")
        if report.bins is not None:
            plots.save(plots.reliability(report), folder / "reliability.png")
        replace(folder / "predictions.csv", predictions.to_csv())
        replace(folder / "report.json", json.dumps(report.to_json(), indent=1, ensure_ascii=False, allow_nan=False))
        replace(folder / "report.md", report.to_markdown())
    except OSError as error:
        raise VocalicsError(
            f"{error.filename or folder}: cannot be written ({error.strerror}); choose another folder"
        ) from None


def replace(path: Path, text: str) -> None:
    """Write a file that ends with one line end, whole or not at all."""
    write_text(path, text.rstrip("\n") + "\n")


def _print(report: EvaluationReport, folder: Path | None) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    console.print(f"[bold]{escape(report.title)}[/bold]")
    for line in report.caption.splitlines():
        console.print(escape(line))
    console.print(
        f"accuracy {escape(str(report.accuracy))} · always {report.majority}: UAR {100 * report.majority_uar:.1f} %, "
        f"accuracy {100 * report.majority_accuracy:.1f} %"
    )
    if report.calibration_error is not None:
        chance = 100 * (report.calibration_by_chance or 0.0)
        console.print(
            f"calibration error {100 * report.calibration_error:.1f} % (perfect probabilities of so many clips: "
            f"{chance:.1f} %) · no speech {report.n_no_speech:,}"
        )
    for sets in report.sets:
        console.print(
            f"candidates for {100 * sets.promised:g} %: hold the true emotion in {100 * sets.coverage:.1f} %, "
            f"{sets.size:.2f} emotions on average, {100 * sets.single:.1f} % of one alone"
        )
    table = Table("emotion")
    for column in ("precision %", "recall %", "F1 %", "clips", "predicted %"):
        table.add_column(column, justify="right")
    for score in report.by_emotion:
        figures = (score.precision, score.recall, score.f1)
        shown = ("–" if value != value else f"{100 * value:.1f}" for value in figures)
        table.add_row(score.emotion, *shown, f"{score.support:,}", f"{100 * score.share:.1f}")
    console.print(table)
    if (told := report.listening) is not None:
        doubt = told.entropy_correlation
        console.print(
            f"most listeners hear what was meant in {100 * told.listeners_accuracy:.1f} %, the model in "
            f"{100 * told.model_accuracy:.1f} %, what most listeners hear in {100 * told.agreement:.1f} %; divergence "
            f"from the votes {told.divergence:.2f} nats ({told.constant_divergence:.2f} knowing nothing), correlation "
            f"of doubt {'–' if doubt != doubt else f'{doubt:.2f}'}"
        )
    for division in report.divided:
        said = ", ".join(f"{part.name} {100 * part.uar.value:.1f} %" for part in division.parts)
        console.print(escape(f"UAR by {division.by}: {said}; largest gap {100 * division.gap:.1f} points"))
    if report.collapsed:
        top = report.largest_share
        console.print(f"[bold]Collapsed:[/bold] {top.emotion} takes {100 * top.share:.1f} % of the predictions.")
    for note in report.notes:
        console.print(escape(note))
    if folder is not None:
        console.print(f"written to {escape(str(folder))}", soft_wrap=True)


def short(spec: str) -> str:
    """A test set without the folder of its protocol's file."""
    kind, _, value = spec.partition("=")
    return f"fold {value.rpartition('#')[2]} of {Path(value.rpartition('#')[0]).name}" if kind == "folds" else spec
