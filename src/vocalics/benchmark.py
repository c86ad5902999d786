"""Recipes under published test protocols: the runs.

Every fold of a protocol that does not leak is a test set whose speakers are held out of training altogether, whatever
else is trained on: all corpora, or the tested one alone. What is chosen (the epoch, a temperature) is chosen by
training speakers. A run is a folder like any other; what is finished is not run again.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vocalics import audio, dataset, encoders, ensembles, judgements, recognizer, sentences, splits, training
from vocalics.audio import Clip
from vocalics.dataset import Data, Progress
from vocalics.emotions import Scheme
from vocalics.errors import EncoderError, ManifestError, RecipeError
from vocalics.export.thin import left_out, thin
from vocalics.features.feature_set import SEPARATOR, encoded_front_end, encoded_kind
from vocalics.files import write_text
from vocalics.judgements import Judgements
from vocalics.manifest import Manifest, Utterance
from vocalics.protocols import Protocol, classes_of, fold_name, hold_outs
from vocalics.recipe import Recipe
from vocalics.recognizer import Recognizer
from vocalics.voices import Parts, apart

N_TIMED = 20
"""Test clips of a fold that are judged from their files, to tell the real-time factor."""
SECONDS = 3.0
"""Length of the sound whose operations are counted."""

TOGETHER = "together"
"""The folder of models that are tested under several protocols; what a run's configuration says of them."""
JOINT_SCHEME = "nine"
"""The classes of models that are tested under several protocols."""

Scope = Literal["all", "own"]
"""What is trained on: all corpora of the recipe, or the tested one alone."""


@dataclass(frozen=True)
class Run:
    """One recipe under one protocol with one seed: a training per fold.

    Attributes:
        protocol: The protocol.
        recipe: As it is trained: with the protocol's classes and the scope's corpora.
        scope: What is trained on.
        seed: Of split, weights, order and augmentation.
    """

    protocol: Protocol
    recipe: Recipe
    scope: Scope
    seed: int

    @property
    def folder(self) -> Path:
        """Where it is kept, below the folder of all runs."""
        return Path(self.protocol.name, self.recipe.name, self.scope, str(self.seed))


def plan(
    known: Sequence[Protocol], recipe: Recipe, corpora: Sequence[str], scope: Scope, seeds: int, first_seed: int = 0
) -> list[Run]:
    """Return the runs of a recipe.

    Args:
        known: The protocols.
        recipe: What is trained.
        corpora: Those that are there; "all" trains on each of them.
        scope: What is trained on. Where every corpus is left out in turn, that is always all others; where speakers
            are shared, as published, the tested corpus alone.
        seeds: How many seeds.
        first_seed: The first of them.

    Raises:
        ManifestError: When the corpus of a protocol is not there.
    """
    found = []
    for one in known:
        if one.corpus and one.corpus not in corpora:
            raise ManifestError(
                f"protocol {one.name} tests {one.corpus}; name its folder with --corpus {one.corpus}=FOLDER"
            )
        own: Scope = "own" if one.leaky else scope if one.corpus else "all"
        trained = (one.corpus,) if own == "own" else tuple(corpora)
        shares = {c: s for c, s in recipe.shares.items() if c in trained}
        for seed in range(first_seed, first_seed + seeds):
            changed = dataclasses.replace(recipe, scheme=one.scheme, corpora=trained, shares=shares, seed=seed)
            _check_shares(changed)
            found.append(Run(one, changed, own, seed))
    return found


def _check_shares(recipe: Recipe) -> None:
    """Refuse corpora of which nothing would be learned."""
    every = [one.shares for one in (recipe, *ensembles.members(recipe)) if one.shares]
    if missing := sorted(
        {corpus for shares in every for corpus in recipe.corpora if dataset.drawn_as(corpus, shares) not in shares}
    ):
        raise RecipeError(
            f"recipe {recipe.name}: its shares leave out {', '.join(missing)}, of which nothing would be learned; give "
            "every corpus a share (--set shares.NAME=NUMBER), or train on the tested one alone (--own-corpus)"
        )


def divisions(run: Run, manifest: Manifest, files: Path) -> dict[str, Data]:
    """Return every fold's data by the fold's name.

    Args:
        run: The run.
        manifest: The clips of its corpora; others are left out.
        files: Folder of the protocols' files.

    Raises:
        VocalicsError: When a file is not there, or does not fit the clips.
    """
    clips = dataset.of_recipe(manifest, run.recipe)
    one = run.protocol
    if one.leaky:
        every = dataset.divisions(
            clips.where(lambda u: u.corpus == one.corpus), run.recipe, f"folds-leaky={files / one.folds}"
        )
        return {str(number): data for number, data in enumerate(every, start=1)}
    return {fold_name(spec): dataset.divide(clips, run.recipe, [spec]) for spec in hold_outs(one, clips, files)}


def absent(one: Protocol, clips: Manifest, files: Path) -> int:
    """Return how many clips a protocol's folds list that the manifest does not hold."""
    specs = [] if one.leaky else hold_outs(one, clips, files)
    return splits.absent(clips, specs[0]) if specs else 0


def by_sentence(one: Protocol, manifest: Manifest, files: Path) -> float | None:
    """Return the UAR of a judge who knows nothing of a protocol's test clips but which sentence each is.

    He has learned from the other speakers of the corpus, see :mod:`vocalics.sentences`; ``None`` for a protocol of
    several corpora, or one that shares speakers, and for clips that do not name their sentences.

    Args:
        one: The protocol.
        manifest: Clips of all corpora.
        files: Folder of the protocols' files.
    """
    if one.leaky or not one.corpus:
        return None
    classes = classes_of(one, manifest)
    named = ((u, classes.emotion(u.emotion)) for u in manifest if u.corpus == one.corpus)
    clips = Manifest(tuple(dataclasses.replace(u, emotion=e) for u, e in named if e is not None))
    folds = []
    for spec in hold_outs(one, clips, files):
        tested = {*splits.tested(clips, spec)}
        voices = {clips[i].speaker for i in tested}
        train = [u for i, u in enumerate(clips) if i not in tested and u.speaker not in voices]
        folds.append((train, [clips[i] for i in sorted(tested)]))
    found = sentences.told(folds).get(one.corpus)
    return None if found is None else found.uar


@dataclass(frozen=True, eq=False)
class Work:
    """What runs are made of and where they are kept.

    Attributes:
        manifest: Clips of all corpora.
        files: Folder of the protocols' files.
        folder: Of all runs.
        cache: Folder of computed features.
        notes: What is to be said of a corpus's copy, by corpus.
        threads: Of the computation; one per core where ``None``.
        progress: Called with (what, done, all).
        report: Called with every epoch's record.
        voices: How many other clips of a voice are heard before it is judged, besides none; of models that get used to
            voices.
        part: (k, n): only every n-th model is trained, from the k-th on, so that n processes share the work.
        device: Where nets are trained, see :func:`vocalics.training.train`.
    """

    manifest: Manifest
    files: Path
    folder: Path
    cache: Path
    notes: Mapping[str, str]
    threads: int | None = None
    progress: Progress = lambda *_: None
    report: training.Report | None = None
    voices: tuple[int, ...] = ()
    part: tuple[int, int] = (1, 1)
    device: str = "auto"

    def trained(self, data: Data, recipe: Recipe, folder: Path) -> Path:
        """Train a model, or go on with it, and return its file."""
        told = dataclasses.replace(data, notes={c: t for c, t in self.notes.items() if c in recipe.corpora})
        return training.train_on(
            told,
            recipe,
            folder,
            True,
            self.cache,
            self.threads,
            self.progress,
            self.report,
            device=self.device,
        )

    def targets(self, run: Run, fold: str) -> dict[int, Path]:
        """The tables of a fold that are not there yet, by how many other clips of a voice are heard."""
        # Known before any training, but for a net of sound whose clips tell of no voice (see _measure).
        voices = self.voices if ensembles.of_voices(run.recipe) else ()
        every = {n: self.folder / run.folder / table_name(fold, n) for n in (0, *voices)}
        return {n: path for n, path in every.items() if not path.exists()}

    def shared(self, every: list[Any]) -> list[Any]:
        """Those of all models or folds that are this process's part."""
        return every[self.part[0] - 1 :: self.part[1]]


def execute(run: Run, work: Work) -> None:
    """Train and judge every fold of a run, or go on with it; tables in its folder hold what was said.

    Raises:
        VocalicsError: When its folder holds a run of other settings.
    """
    own = work.folder / run.folder
    every = divisions(run, work.manifest, work.files)
    # Names of folds say nothing of who is in them: a protocol's file may have been corrected.
    tested = {name: training.digest(_tested(data)) for name, data in every.items()}
    decided = {**settings(run.recipe, work.manifest), "folds": list(every), "tested": tested}
    training.freeze(own, decided, True, "benchmark", "--runs")
    for name in work.shared(list(every)):
        targets = work.targets(run, name)
        if not targets:
            continue
        data = every[name]
        model = work.trained(data, run.recipe, own / f"fold-{name}")
        (test,) = data.tests.values()
        _measure(model, run, data.manifest, data.manifest.take(test), targets, work)


def _tested(data: Data) -> Manifest:
    """The clips that a fold's model is judged on."""
    (test,) = data.tests.values()
    return data.manifest.take(test)


def settings(recipe: Recipe, clips: Manifest) -> dict[str, Any]:
    """Return what decides a run's figures.

    Args:
        recipe: As it is trained.
        clips: Of these, those of the recipe's corpora count.
    """
    plain = {k: v for k, v in recipe.as_dict().items() if k != "publication"}
    found: dict[str, Any] = {"recipe": plain, "clips": training.digest(dataset.of_recipe(clips, recipe))}
    if recipe.members:  # names alone: what they stand for may change
        found["members"] = [member.as_dict() for member in ensembles.members(recipe)]
    return found


def jointly(recipe: Recipe) -> Recipe:
    """Return a recipe as it is trained for several protocols: its models know the classes of them all."""
    return dataclasses.replace(recipe, scheme=JOINT_SCHEME)


def together(runs: Sequence[Run], manifest: Manifest, files: Path) -> list[list[tuple[Run, str]]]:
    """Return which folds of several protocols one model is to be tested on: of each corpus at most one.

    A model is trained without the speakers of all its folds. That is a little less to learn from than a fold by itself
    leaves, and a fraction of the trainings.

    Args:
        runs: Of one recipe and seed; each protocol tests one corpus, speakers apart.
        manifest: Clips of all corpora.
        files: Folder of the protocols' files.

    Returns:
        By model, its folds as run and hold-out.
    """
    of_corpus: dict[str, list[tuple[Run, str]]] = {}
    for run in runs:
        for spec in hold_outs(run.protocol, manifest, files):
            of_corpus.setdefault(run.protocol.corpus, []).append((run, spec))
    models: list[list[tuple[Run, str]]] = [[] for _ in range(max(len(folds) for folds in of_corpus.values()))]
    for folds in sorted(of_corpus.values(), key=len, reverse=True):
        # The models that have the fewest folds so far, so that none lacks a speaker of every corpus.
        free = sorted(range(len(models)), key=lambda k: len(models[k]))[: len(folds)]
        for k, fold in zip(sorted(free), folds, strict=True):
            models[k].append(fold)
    return models


def execute_together(runs: Sequence[Run], work: Work) -> None:
    """Do what :func:`execute` does for every run, with one model for folds of several, see :func:`together`.

    The models know the classes of all protocols (:data:`JOINT_SCHEME`).

    Args:
        runs: Of one recipe and seed, all corpora trained on.
        work: What they are made of.

    Raises:
        VocalicsError: When a folder holds a run of other settings.
    """
    recipe = jointly(runs[0].recipe)
    models = together(runs, work.manifest, work.files)
    decided = settings(recipe, work.manifest)
    clips = dataset.whole(dataset.of_recipe(work.manifest, recipe), recipe).manifest
    specs = [spec for model in models for _, spec in model]
    digests = {dataset.short(spec): training.digest(clips.take(splits.tested(clips, spec))) for spec in specs}
    named = [[f"{run.protocol.name} {fold_name(spec)}" for run, spec in model] for model in models]
    own = work.folder / TOGETHER / recipe.name / str(recipe.seed)
    training.freeze(
        own,
        {**decided, "models": named, "tested": digests},
        True,
        "benchmark",
        "--runs",
    )
    for run in runs:
        folds = [fold_name(spec) for model in models for r, spec in model if r is run]
        training.freeze(
            work.folder / run.folder, {**decided, "folds": folds, TOGETHER: True}, True, "benchmark", "--runs"
        )
    for k, model in work.shared(list(enumerate(models, start=1))):
        missing = [work.targets(run, fold_name(spec)) for run, spec in model]
        if not any(missing):
            continue
        data = dataset.divide(dataset.of_recipe(work.manifest, recipe), recipe, [spec for _, spec in model])
        path = work.trained(data, recipe, own / f"model-{k:02}")
        for (run, _), targets, test in zip(model, missing, data.tests.values(), strict=True):
            if targets:
                classes = classes_of(run.protocol, data.manifest)
                tested = Manifest(tuple(u for u in data.manifest.take(test) if classes.emotion(u.emotion) is not None))
                _measure(path, run, data.manifest, tested, targets, work)


def table_name(fold: str, voice: int = 0) -> str:
    """The file of what was said of a fold's clips, ``voice`` other clips of each one's voice heard before."""
    return f"fold-{fold}.voice-{voice}.csv" if voice else f"fold-{fold}.csv"


def _measure(path: Path, run: Run, known: Manifest, clips: Manifest, targets: Mapping[int, Path], work: Work) -> None:
    """Judge a fold's clips; write what was said, and beside it what the model costs.

    Args:
        path: The model file.
        run: Its protocol and recipe.
        known: All clips, for the classes that the tested corpus has.
        clips: The fold's.
        targets: The tables that are written, by how many other clips of a voice are heard.
        work: Of the run.
    """
    judge = recognizer.load(path)
    kept: dict[Path, npt.NDArray[np.float64] | None] = {}
    for n, target in targets.items():
        if n and not judge.model.voice_width:  # its training clips told of none
            continue
        parts = apart(clips, n, np.random.default_rng(run.seed)) if n else None
        classes = classes_of(run.protocol, known)
        said = _judged(path, judge, run.recipe, clips, classes, work.cache, work.progress, parts, kept)
        if not n:
            _weigh(path, judge, clips, target.with_suffix(".json"))
        write_text(target, said.to_csv())


def _weigh(path: Path, judge: Recognizer, clips: Manifest, target: Path) -> None:
    """Write what a model costs: time over some clips, operations, weights."""
    timed = clips.drawn(N_TIMED, np.random.default_rng(0))
    judge.predict(timed[0].path)  # what is loaded once is no part of the time of a clip
    began = time.process_time()
    judge.predict_clips(audio.read(u.path) for u in timed)
    n_parameters, n_bytes = _weights(path, judge)
    about = {
        "clips": len(clips),
        "processor_seconds": time.process_time() - began,
        "audio_seconds": sum(_seconds(u) for u in timed),
        "parameters": n_parameters,
        "macs_per_second": _macs(path, judge),
        "size": n_bytes,
    }
    target.write_text(json.dumps(about), encoding="utf-8")


def _judged(
    path: Path,
    model: Recognizer,
    recipe: Recipe,
    clips: Manifest,
    classes: Scheme,
    cache: Path,
    progress: Progress,
    parts: Parts | None = None,
    kept: dict[Path, npt.NDArray[np.float64] | None] | None = None,
) -> Judgements:
    """Return what :func:`vocalics.judgements.judged` does, from the features that the training has computed.

    See :mod:`vocalics.cached_inputs`.
    """
    said = ensembles.said_of(path, recipe, clips, cache, progress, parts, kept)
    if said is None:
        return judgements.judged(model, clips, classes, progress, parts)
    chances = np.full((len(clips), len(classes.emotions)), np.nan)
    for n, row in enumerate(said):
        if np.isfinite(row).all():
            chances[n] = judgements.chances(dict(zip(model.emotions, row.tolist(), strict=True)), classes)
    truth = [str(classes.emotion(u.emotion)) for u in clips]
    return Judgements.of(clips, truth, classes.emotions, chances)


def _seconds(utterance: Utterance) -> float:
    if utterance.duration is not None:
        return utterance.duration
    clip = audio.read(utterance.path)
    return len(clip.samples) / clip.sample_rate


def _macs(path: Path, model: Recognizer) -> float:
    """Multiply-accumulate operations per second of sound, with those of the encoder that the model sits on."""
    from vocalics.export.cost import macs

    noise = np.random.default_rng(0).standard_normal(round(SECONDS * model.card.sample_rate), dtype=np.float32)
    count = macs(path, model.given(Clip(0.1 * noise, model.card.sample_rate)))
    if SEPARATOR in model.card.feature_set:
        front_end = encoded_front_end(encoded_kind(model.card.feature_set)[0])
        count += encoders.macs(encoders.find(front_end.name), max(front_end.blocks), SECONDS)
    return count / SECONDS


def _weights(path: Path, model: Recognizer) -> tuple[int, int]:
    """How many different weights a model and the encoder below it have, and the bytes of its file without those.

    A model that adapts an encoder's blocks holds those that it did not change: they are the encoder's, once.
    """
    own = model.card.n_parameters
    if SEPARATOR not in model.card.feature_set:
        return own, path.stat().st_size
    front_end = encoded_front_end(encoded_kind(model.card.feature_set)[0])
    folder = encoders.find(front_end.name)
    below = encoders.sizes(folder, max(front_end.blocks))
    try:
        data = thin(path.read_bytes(), folder)
    except EncoderError:  # it holds none of them
        return own + sum(below.values()), path.stat().st_size
    every = encoders.sizes(folder)
    # The file calls a tensor "encoder.layers.0...", the encoder itself "layers.0...".
    held = [next(known for known in every if known.endswith(name)) for name in {*left_out(data)}]
    return own - sum(every[name] for name in held) + sum(every[name] for name in {*below, *held}), len(data)
