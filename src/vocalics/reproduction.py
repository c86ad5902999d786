"""Published systems, in the published way and in an honest one: what is trained and tested on, run by run.

The *published way* draws the test part at random, so that every speaker stands on both sides; where the publication
makes its augmented copies first, copies of one clip do too. The *honest way* tests on speakers that no model has heard,
those that the project holds out of training for its own figures, splits first, augments the training part alone and
chooses the epoch by other speakers still.

What is drawn at random follows from a clip's name, so that the test parts of all systems lie within one another and one
run of the default net can be measured on each of them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vocalics import judgements, recognizer, splits, training
from vocalics.corpora import canonical_name
from vocalics.dataset import Data, Progress, of_recipe, whole
from vocalics.emotions import EMOTIONS, scheme
from vocalics.errors import ManifestError, RecipeError, VocalicsError
from vocalics.feature_rows import Rows, compute
from vocalics.features.feature_set import feature_set
from vocalics.files import write_text
from vocalics.judgements import Judgements
from vocalics.machine import processor_seconds
from vocalics.manifest import Manifest, Utterance
from vocalics.modelfile import load
from vocalics.models import model_spec
from vocalics.recipe import Publication, Recipe, parse, read, recipes
from vocalics.recognizer import Recognizer
from vocalics.registry import lookup, some

Way = Literal["published", "honest"]
WAYS: tuple[Way, ...] = ("published", "honest")

DEFAULT = "default"
"""The project's own net, measured beside the published systems."""
ENCODED = "whisper_dense"
"""A net on a pre-trained encoder, on the same random split: what it costs the default net to do without one."""
OWN = (DEFAULT, ENCODED)
"""The project's recipes among the runs, on one random split."""

_CREMA_D = (1001, 1004, 1017, 1019, 1020, 1025, 1026, 1029, 1033, 1035, 1042, 1044, 1050, 1053, 1056, 1058, 1060)
HELD_OUT: tuple[str, ...] = (
    *(f"ravdess/{n:02d}" for n in (1, 11, 20, 21)),
    *(f"crema_d/{n}" for n in (*_CREMA_D, 1069, 1083)),
    "savee/KL",
)
"""Who is tested in the honest way: fold 1 of EmoBox on RAVDESS, the test part of TFDS on CREMA-D, a speaker of SAVEE.

The default net that is measured beside the systems was trained without them. It has heard both speakers of TESS, who
therefore train only. (The bundled file has heard them all.)
"""

RANDOM_SETTINGS: Mapping[str, Any] = {
    "corpora": ["ravdess", "crema_d", "tess", "savee"],
    "shares": {},
    "validation": 0.03,
    "n_copies": 0,
    "augment": [],
    "batch": {
        "n_frames": 208,
        "stretch": 0.08,
        "warp": 0.06,
        "colour_db": 1.5,
        "noise": 0.15,
        "noise_snr_db": [10.0, 40.0],
        "frequency_masks": 2,
        "frequency_mask": 6,
        "time_masks": 2,
        "time_mask": 16,
        "mixup": 0.4,
        "mixup_share": 0.6,
    },
    "late_batch": {},
    "fit.n_epochs": 80,
    "fit.restart": 0,
    "fit.draws": 0,
    "fit.label_smoothing": 0.0,
    "fit.calibrate": False,
    # The net that these settings were chosen for; the recipe itself has another by now.
    "model": "logmel_cnn",
    "model_settings": {"channels": [16, 64, 112, 128], "n_hidden": 96, "dropout": 0.2},
    "teacher": {
        "features": "whisper-base@2,3",
        "model": "dense_head",
        "fit": {
            "optimiser": "adamw",
            "rate": 1e-3,
            "weight_decay": 0.05,
            "schedule": "cosine",
            "n_epochs": 30,
            "label_smoothing": 0.1,
        },
        "share": 0.5,
        "n_folds": 5,
        "apart": "clips",
        "n_hints": 64,
        "hint_weight": 0.5,
    },
}
"""What of the recipe ``default`` is another where speakers are shared: no corpus is favoured, no voice made
strange, and a teacher on a pre-trained encoder, fitted to the training clips alone, tells more than the labels do."""


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        system: The recipe's name.
        way: "published" or "honest".
        scheme: The emotion scheme.
        seed: Of weights, order and copies; the split does not depend on it.
    """

    system: str
    way: Way
    scheme: str
    seed: int

    @property
    def folder(self) -> Path:
        """Where it is kept, below the folder of all runs."""
        return Path(self.system, self.scheme, self.way, str(self.seed))


def systems() -> dict[str, Recipe]:
    """Return the bundled recipes that follow a publication, by name."""
    read_all = {name: read(name) for name in recipes()}
    return {name: recipe for name, recipe in read_all.items() if recipe.publication is not None}


def publication(recipe: Recipe) -> Publication:
    """Return what is known of the system that a recipe follows.

    Raises:
        RecipeError: When it follows none.
    """
    if recipe.publication is None:
        raise RecipeError(f"recipe {recipe.name} follows no publication; those that do: {', '.join(systems())}")
    return recipe.publication


def plan(names: Sequence[str] = ()) -> tuple[Run, ...]:
    """Return the runs of some systems (of all, where none is named), the project's own first.

    Raises:
        RecipeError: For a name that is no system, with a suggestion.
    """
    known = systems()
    for name in names:
        lookup({**known, **{own: read(own) for own in OWN}}, name, "system", RecipeError)
    found = [Run(own, "published", "eight", 0) for own in OWN if not names or own in names]
    for name, recipe in known.items():
        if names and name not in names:
            continue
        about = publication(recipe)
        for way in WAYS:
            for kind in (recipe.scheme, *about.schemes):
                found += [Run(name, way, kind, seed) for seed in range(about.seeds)]
    return tuple(found)


def recipe_of(run: Run) -> Recipe:
    """Return the recipe of a run: as published, or with the epoch chosen by validation speakers."""
    if run.system == DEFAULT:
        return dataclasses.replace(read(DEFAULT, RANDOM_SETTINGS), seed=run.seed)
    if run.system == ENCODED:
        shared = {key: RANDOM_SETTINGS[key] for key in ("corpora", "validation", "shares")}
        return dataclasses.replace(read(ENCODED, shared), seed=run.seed)
    recipe = dataclasses.replace(read(run.system), scheme=run.scheme, seed=run.seed)
    if run.way == "published":
        return dataclasses.replace(recipe, fit=dataclasses.replace(recipe.fit, keep="last"))
    fit = dataclasses.replace(recipe.fit, keep="best", patience=publication(recipe).patience)
    return dataclasses.replace(recipe, fit=fit)


def chance(*words: object) -> float:
    """Return a number from 0 to below 1 that follows from the words, as good as drawn at random.

    >>> 0 <= chance("ravdess", "03-01-01-01-01-01-01") < 1
    True
    """
    return int(hashlib.sha256("/".join(map(str, words)).encode()).hexdigest()[:12], 16) / 16**12


def drawn(path: str, corpus: str) -> float:
    """Return a clip's number: it is tested where this is below the tested share."""
    return chance("random split", corpus, _name(path, corpus))


def tested_shares() -> dict[str, float]:
    """Return the share of each corpus's clips that any system tests: what the default net must not hear."""
    shares: dict[str, float] = {}
    for recipe in systems().values():
        for corpus in recipe.corpora:
            shares[corpus] = max(shares.get(corpus, 0.0), publication(recipe).test)
    return shares


def divided(run: Run, recipe: Recipe, manifest: Manifest) -> Data:
    """Return what a run trains, validates and is tested on.

    Args:
        run: The run.
        recipe: Its recipe.
        manifest: The clips of the recipe's corpora; others are left out.

    Raises:
        VocalicsError: When nothing is left to train or to test on.
    """
    own = whole(of_recipe(manifest, recipe), recipe)
    if run.way == "honest":
        specs = [f"speaker={s}" for s in HELD_OUT if s in own.manifest.speakers]
        rng = np.random.default_rng(recipe.seed)
        train, validation, parts = splits.hold_out(own.manifest, specs, rng, recipe.validation)
        test = tuple(sorted(i for part in parts.values() for i in part))
        return dataclasses.replace(own, train=train, validation=validation, tests={"honest": test})
    numbers = [drawn(u.path, u.corpus) for u in own.manifest]
    if run.system in OWN:
        shares = tested_shares()
        limits = [shares[u.corpus] for u in own.manifest]
        test = tuple(i for i, n in enumerate(numbers) if n < limits[i])
        train = tuple(i for i, n in enumerate(numbers) if limits[i] <= n < 1 - recipe.validation)
        return dataclasses.replace(
            own,
            train=train,
            validation=tuple(i for i, n in enumerate(numbers) if n >= 1 - recipe.validation),
            tests={"random": test},
        )
    about = publication(recipe)
    if about.rows:
        copies = range(1 + len(recipe.copies))
        rows = [[_row_number(u, copy) < about.test for copy in copies] for u in own.manifest]
        test = tuple(i for i, row in enumerate(rows) if any(row))
        train = tuple(i for i, row in enumerate(rows) if not all(row))
        return dataclasses.replace(own, train=train, validation=test, tests={"random rows": test})
    until = about.test + (1 - about.test) * about.validation
    test = tuple(i for i, n in enumerate(numbers) if n < about.test)
    return dataclasses.replace(
        own,
        train=tuple(i for i, n in enumerate(numbers) if n >= until),
        validation=tuple(i for i, n in enumerate(numbers) if about.test <= n < until) or test,
        tests={"random": test},
    )


def _row_number(utterance: Utterance, copy: int) -> float:
    return chance("random rows", utterance.corpus, _name(utterance.path, utterance.corpus), copy)


def _name(path: str, corpus: str) -> str:
    """A clip's name in every layout of its corpus."""
    return canonical_name(Utterance(path, corpus, "", "", EMOTIONS[0]))


def rows_of(recipe: Recipe, data: Data, cache: Path, progress: Progress) -> Rows:
    """Return the rows of a system that copies first and draws rows at random; the test rows are those that validate."""
    spec = model_spec(recipe.model)
    chosen = feature_set(recipe.features or spec.features)
    features = compute(data.manifest, chosen, recipe.copies, recipe.seed, cache, progress)
    n_clips, n_copies = features.shape[:2]
    clips, copies = (a.ravel() for a in np.indices((n_clips, n_copies)))
    test = publication(recipe).test
    tested = np.array(
        [_row_number(data.manifest[i], k) < test for i, k in zip(clips.tolist(), copies.tolist(), strict=True)]
    )
    names = np.array([u.emotion for u in data.manifest])
    flat = features.reshape(-1, *features.shape[2:])
    return Rows(flat, names[clips], clips, copies, np.flatnonzero(~tested), np.flatnonzero(tested))


def execute(
    run: Run,
    manifest: Manifest,
    folder: Path,
    cache: Path,
    notes: Mapping[str, str],
    threads: int | None = None,
    progress: Progress | None = None,
    report: training.Report | None = None,
) -> None:
    """Train and judge one run, or go on with it; nothing is done where ``run.json`` is there already.

    The run's folder then holds what every run of ``vocalics train`` does, ``predictions.csv`` (of rows: one line each)
    and ``run.json``: epochs and times.

    Args:
        run: Which.
        manifest: Clips of all corpora.
        folder: Of all runs.
        cache: Folder of computed features.
        notes: What is to be said of a corpus's copy, by corpus.
        threads: Of the computation.
        progress: Called with (what, done, all).
        report: Called with every epoch's record.
    """
    own = folder / run.folder
    if finished(run, folder):
        return
    counted: Progress = progress or (lambda *_: None)
    recipe = recipe_of(run)
    data = dataclasses.replace(divided(run, recipe, manifest), notes=dict(notes))
    began, computed = time.monotonic(), processor_seconds()
    by_rows = run.way == "published" and run.system not in OWN and publication(recipe).rows
    rows = rows_of(recipe, data, cache, counted) if by_rows else None
    model, epochs = own / f"{recipe.name}.onnx", []

    def counting(record: dict[str, Any]) -> None:
        epochs.append(record)
        if report is not None:
            report(record)

    training.train_on(data, recipe, own, True, cache, threads, progress, counting, rows)
    prepared = processor_seconds() - computed - sum(r["processor_seconds"] for r in epochs)
    history = json.loads((own / "history.json").read_text(encoding="utf-8"))
    if rows is not None:
        said = _judged_rows(model, data, rows)
    else:
        (test,) = data.tests.values()
        clips = data.manifest.take(test)
        said = judgements.judged(recognizer.load(model), clips, scheme(recipe.scheme), counted)
    (own / "predictions.csv").write_text(said.to_csv(), encoding="utf-8")
    about = {
        "epochs": len(history),
        "epoch_kept": 1 + _best(history) if recipe.fit.keep == "best" else len(history),
        "training_processor_minutes": sum(r.get("processor_seconds", r["seconds"]) for r in history) / 60,
        "features_processor_minutes": prepared / 60,
        "minutes": (time.monotonic() - began) / 60,
        "n_train": len(data.train) if rows is None else len(rows.train),
        "n_training_speakers": len(data.speakers(data.train)),
        "n_validation_speakers": 0 if run.way == "published" else len(data.speakers(data.validation)),
        "notes": {c: notes[c] for c in data.manifest.corpora if c in notes},
    }
    write_text(own / "run.json", json.dumps(about, indent=1))


def finished(run: Run, folder: Path) -> bool:
    """Return whether a run is done.

    Raises:
        VocalicsError: When it was done with other settings than the recipe has now.
    """
    own = folder / run.folder
    if not (own / "run.json").exists():
        return False
    frozen = json.loads((own / "config.json").read_text(encoding="utf-8"))["recipe"]
    made = parse(Recipe, {k: v for k, v in frozen.items() if v is not None and k != "publication"}, str(own))
    if settings_of(made) != settings_of(recipe_of(run)):
        raise VocalicsError(
            f"{own}: was trained with other settings than recipe {run.system} has now; remove it, or choose another "
            "folder with --runs"
        )
    return True


def settings_of(recipe: Recipe) -> Recipe:
    """Return a recipe without what decides nothing of the training: what is told of it."""
    return dataclasses.replace(recipe, publication=None, description="", intended_use="", limits="")


def default_judgements(
    way: Way, folder: Path, manifest: Manifest, progress: Progress, held_out: Path | None = None
) -> Judgements:
    """Return what the default net says of all that any system tests in this way, in eight emotions.

    In the published way, that is a net of its recipe trained for it; in the honest way a model of the recipe that was
    trained without :data:`HELD_OUT`, asked once and kept in the folder of all runs.

    Args:
        way: Published or honest.
        folder: Of all runs.
        manifest: Holds the clips of who is held out.
        progress: Called with ("judging", done, all).
        held_out: The model file for the honest way; where none is named, what was kept last is read.

    Raises:
        ManifestError: When the net was not trained, or none was named, yet.
        VocalicsError: When the model has heard one of them, or the manifest lacks them.
    """
    if way == "published":
        return judgements.read(folder / plan([DEFAULT])[0].folder / "predictions.csv")
    own = folder / DEFAULT
    if held_out is None:
        every = sorted(own.glob("honest-*.csv"), key=lambda file: file.stat().st_mtime)
        if not every:
            raise ManifestError(f"{own}: no model of recipe {DEFAULT} was asked yet; name one with --default")
        return judgements.read(every[-1])
    model = unheard(held_out)
    kept = own / f"honest-{model.model.sha256[:12]}.csv"
    if not kept.exists():
        clips = manifest.where(lambda u: u.speaker in HELD_OUT)
        if missing := sorted(set(HELD_OUT) - set(clips.speakers)):
            raise VocalicsError(f"--default: the manifest lacks {some(missing)}; name all corpora with --corpus")
        own.mkdir(parents=True, exist_ok=True)
        write_text(kept, judgements.judged(model, clips, scheme("eight"), progress).to_csv())
    return judgements.read(kept)


def unheard(path: Path) -> Recognizer:
    """Return a model of the default recipe that heard none of :data:`HELD_OUT`.

    Raises:
        ModelFileError: For what is no model file.
        VocalicsError: When it is of another recipe, has heard one of them, or does not say whom it heard.
    """
    model = recognizer.load(path)
    if model.card.name != DEFAULT:
        raise VocalicsError(f"{path}: is a model of {model.card.name}; expected one of {DEFAULT}")
    if not model.card.training_speakers:
        raise VocalicsError(f"{path}: its card does not say whom it was trained on; expected a model of vocalics train")
    if heard := sorted({*model.card.training_speakers, *model.card.validation_speakers} & set(HELD_OUT)):
        raise VocalicsError(f"{path}: was trained with {some(heard)}; expected a model that heard none of them")
    return model


def _judged_rows(model: Path, data: Data, rows: Rows) -> Judgements:
    loaded = load(model)
    clips = data.manifest.take(rows.clips[rows.validation])
    chances = np.concatenate(
        [loaded.probabilities(rows.features[rows.validation][i : i + 256]) for i in range(0, len(clips), 256)]
    )
    said = Judgements.of(clips, rows.emotions[rows.validation].tolist(), data.emotions, chances)
    copies = rows.copies[rows.validation].tolist()
    return dataclasses.replace(said, paths=tuple(f"{p}#{c}" for p, c in zip(said.paths, copies, strict=True)))


def _best(history: Sequence[Mapping[str, Any]]) -> int:
    scores = [r.get("valid_uar", r["epoch"]) for r in history]
    return scores.index(max(scores))
