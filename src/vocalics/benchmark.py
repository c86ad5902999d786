"""Published test protocols, all that keep speakers apart and some that do not: the runs, and their figures.

Every fold of a protocol that does not leak is a test set whose speakers are held out of training altogether, whatever
else is trained on: all corpora, or the tested one alone. What is chosen (the epoch, a temperature) is chosen by
training speakers. A run is a folder like any other; what is finished is not run again.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vocalics import audio, dataset, encoders, ensembles, judgements, metrics, recognizer, splits, training
from vocalics.audio import Clip
from vocalics.dataset import Data, Progress
from vocalics.emotions import Scheme, scheme
from vocalics.errors import ManifestError
from vocalics.evaluation import EvaluationReport, Score, groups_of
from vocalics.features.feature_set import SEPARATOR, encoded_front_end, encoded_kind
from vocalics.judgements import Judgements
from vocalics.manifest import Manifest, Utterance
from vocalics.recipe import Recipe
from vocalics.recognizer import Recognizer
from vocalics.registry import lookup
from vocalics.reproduction import judged

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
class Reference:
    """A published figure on the protocol.

    Attributes:
        system: Who, in words.
        value: A fraction.
        parameters: Of the whole system, in millions; 0 where not known.
    """

    system: str
    value: float
    parameters: float = 0.0


@dataclass(frozen=True)
class Protocol:
    """A published way to test.

    Attributes:
        name: On the command line.
        title: In words.
        corpus: The corpus that is tested; empty for all, one after the other.
        scheme: The classes.
        metric: The figure that is printed for it: "uar" or "accuracy".
        folds: "speakers" or "corpora" (one after the other), or the name of a file of folds.
        parts: Those of the file's folds that are tested; empty for all of them.
        leaky: Whether speakers stand on both sides, as published.
        closed: Whether the classes of the corpus are taken as known: what a model says of others is left out.
        references: Published figures.
    """

    name: str
    title: str
    corpus: str
    scheme: str
    metric: str
    folds: str
    parts: tuple[str, ...] = ()
    leaky: bool = False
    closed: bool = True
    references: tuple[Reference, ...] = ()


PROTOCOLS: Mapping[str, Protocol] = {
    p.name: p
    for p in (
        Protocol(
            "ravdess-emobox",
            "RAVDESS, 6 folds of EmoBox",
            "ravdess",
            "eight",
            "uar",
            "ravdess_emobox.csv",
            references=(Reference("Whisper large v3, frozen", 0.7532, 1550),),
        ),
        Protocol(
            "ravdess-luna",
            "RAVDESS, 5 folds of Luna-Jiménez",
            "ravdess",
            "eight",
            "accuracy",
            "ravdess_luna.csv",
            references=(Reference("xlsr, fine-tuned", 0.8182, 317), Reference("best net under 100k (UAR)", 0.623, 0.1)),
        ),
        Protocol(
            "savee-loso",
            "SAVEE, leave one speaker out",
            "savee",
            "seven",
            "uar",
            "speakers",
            references=(Reference("data2vec 2.0 large, frozen", 0.758, 314),),
        ),
        Protocol(
            "emodb-loso",
            "EMO-DB, leave one speaker out, with boredom",
            "emodb",
            "emodb",
            "uar",
            "speakers",
            references=(Reference("wav2vec 2.0 large and SVC", 0.9338, 317),),
        ),
        Protocol(
            "crema_d-tfds",
            "CREMA-D, test part of TFDS",
            "crema_d",
            "six",
            "accuracy",
            "crema_d_tfds.csv",
            ("test",),
            references=(Reference("Dasheng 1.2B, frozen", 0.769, 1200),),
        ),
        Protocol("tess-cross", "TESS, one speaker to the other", "tess", "seven", "uar", "speakers"),
        Protocol(
            "leave-one-corpus-out", "every corpus left out in turn", "", "eight", "uar", "corpora", closed=False
        ),
        Protocol(
            "emodb-emobox-leaky", "EMO-DB, 5 folds of EmoBox, speakers shared", "emodb", "emodb", "uar",
            "emodb_emobox.csv", leaky=True,
        ),
        Protocol(
            "crema_d-emobox-leaky", "CREMA-D, EmoBox, speakers shared", "crema_d", "six", "uar", "crema_d_emobox.csv",
            leaky=True,
        ),
        Protocol(
            "tess-emobox-leaky", "TESS, EmoBox, speakers shared", "tess", "seven", "uar", "tess_emobox.csv", leaky=True
        ),
    )
}  # fmt: skip
"""Every protocol by name."""


def protocol(name: str) -> Protocol:
    """Return a protocol by name, with a suggestion where there is none."""
    return lookup(PROTOCOLS, name, "protocol", ManifestError)


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


def plan(known: Sequence[Protocol], recipe: Recipe, corpora: Sequence[str], scope: Scope, seeds: int) -> list[Run]:
    """Return the runs of a recipe.

    Args:
        known: The protocols.
        recipe: What is trained.
        corpora: Those that are there; "all" trains on each of them.
        scope: What is trained on. Where every corpus is left out in turn, that is always all others; where speakers
            are shared, as published, the tested corpus alone.
        seeds: How many seeds, from 0 on.

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
        for seed in range(seeds):
            changed = dataclasses.replace(recipe, scheme=one.scheme, corpora=trained, shares=shares, seed=seed)
            found.append(Run(one, changed, own, seed))
    return found


def divisions(run: Run, manifest: Manifest, files: Path) -> dict[str, Data]:
    """Return every fold's data by the fold's name.

    Args:
        run: The run.
        manifest: The clips of its corpora; others are left out.
        files: Folder of the protocols' files.

    Raises:
        VocalicsError: When a file is not there, or does not fit the clips.
    """
    clips = manifest.where(lambda u: u.corpus in run.recipe.corpora)
    one = run.protocol
    if one.leaky:
        every = dataset.divisions(
            clips.where(lambda u: u.corpus == one.corpus), run.recipe, f"folds-leaky={files / one.folds}"
        )
        return {str(number): data for number, data in enumerate(every, start=1)}
    return {_fold_name(spec): dataset.divide(clips, run.recipe, [spec]) for spec in _hold_outs(one, clips, files)}


def _hold_outs(one: Protocol, clips: Manifest, files: Path) -> list[str]:
    """Every fold of a protocol that does not leak, as :func:`vocalics.splits.hold_out` takes it."""
    if one.folds == "speakers":
        return [f"speaker={s}" for s in clips.where(lambda u: u.corpus == one.corpus).speakers]
    if one.folds == "corpora":
        return [f"corpus={c}" for c in clips.corpora]
    file = files / one.folds
    return [f"folds={file}#{part}" for part in one.parts or splits.fold_names(clips, file)]


def _fold_name(spec: str) -> str:
    kind, _, rest = spec.partition("=")
    return (rest.rpartition("#")[2] if kind == "folds" else rest).replace("/", "-")


def execute(
    run: Run,
    manifest: Manifest,
    files: Path,
    folder: Path,
    cache: Path,
    notes: Mapping[str, str],
    threads: int | None = None,
    progress: Progress | None = None,
    report: training.Report | None = None,
    part: tuple[int, int] = (1, 1),
) -> None:
    """Train and judge every fold of a run, or go on with it; ``fold-NAME.csv`` in its folder holds what was said.

    The other arguments are those of :func:`vocalics.reproduction.execute`.

    Args:
        run: Which.
        manifest: Clips of all corpora.
        files: Folder of the protocols' files.
        folder: Of all runs.
        cache: Folder of computed features.
        notes: What is to be said of a corpus's copy, by corpus.
        threads: Of the computation.
        progress: Called with (what, done, all).
        report: Called with every epoch's record.
        part: (k, n): only every n-th fold, from the k-th on, so that n processes share the work.
    """
    own = folder / run.folder
    counted: Progress = progress or (lambda *_: None)
    every = divisions(run, manifest, files)
    config = {
        "recipe": {k: v for k, v in run.recipe.as_dict().items() if k != "publication"},
        "clips": training.digest(manifest.where(lambda u: u.corpus in run.recipe.corpora)),
        "folds": list(every),
    }
    training.freeze(own, config, True, "benchmark", "--runs")
    for name, divided in list(every.items())[part[0] - 1 :: part[1]]:
        target = own / f"fold-{name}.csv"
        if target.exists():
            continue
        data = dataclasses.replace(divided, notes={c: t for c, t in notes.items() if c in run.recipe.corpora})
        model = training.train_on(data, run.recipe, own / f"fold-{name}", True, cache, threads, counted, report)
        (test,) = data.tests.values()
        _measure(model, run, data.manifest, data.manifest.take(test), cache, target, counted)


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
        for spec in _hold_outs(run.protocol, manifest, files):
            of_corpus.setdefault(run.protocol.corpus, []).append((run, spec))
    models: list[list[tuple[Run, str]]] = [[] for _ in range(max(len(folds) for folds in of_corpus.values()))]
    for folds in sorted(of_corpus.values(), key=len, reverse=True):
        # The models that have the fewest folds so far, so that none lacks a speaker of every corpus.
        free = sorted(range(len(models)), key=lambda k: len(models[k]))[: len(folds)]
        for k, fold in zip(sorted(free), folds, strict=True):
            models[k].append(fold)
    return models


def execute_together(
    runs: Sequence[Run],
    manifest: Manifest,
    files: Path,
    folder: Path,
    cache: Path,
    notes: Mapping[str, str],
    threads: int | None = None,
    progress: Progress | None = None,
    report: training.Report | None = None,
    part: tuple[int, int] = (1, 1),
) -> None:
    """Do what :func:`execute` does for every run, with one model for folds of several, see :func:`together`.

    The models know the classes of all protocols (:data:`JOINT_SCHEME`). The other arguments are those of
    :func:`execute`.

    Args:
        runs: Of one recipe and seed, all corpora trained on.
        part: (k, n): only every n-th model, from the k-th on, so that n processes share the work.
    """
    counted: Progress = progress or (lambda *_: None)
    recipe = dataclasses.replace(runs[0].recipe, scheme=JOINT_SCHEME)
    models = together(runs, manifest, files)
    plain = {k: v for k, v in recipe.as_dict().items() if k != "publication"}
    clips = training.digest(manifest.where(lambda u: u.corpus in recipe.corpora))
    whole = {"recipe": plain, "clips": clips}
    named = [[f"{run.protocol.name} {_fold_name(spec)}" for run, spec in model] for model in models]
    own = folder / TOGETHER / recipe.name / str(recipe.seed)
    training.freeze(own, {**whole, "models": named}, True, "benchmark", "--runs")
    for run in runs:
        folds = [_fold_name(spec) for model in models for r, spec in model if r is run]
        config = {**whole, "folds": folds, TOGETHER: True}
        training.freeze(folder / run.folder, config, True, "benchmark", "--runs")
    for k, model in list(enumerate(models, start=1))[part[0] - 1 :: part[1]]:
        targets = [folder / run.folder / f"fold-{_fold_name(spec)}.csv" for run, spec in model]
        if all(target.exists() for target in targets):
            continue
        divided = dataset.divide(
            manifest.where(lambda u: u.corpus in recipe.corpora), recipe, [spec for _, spec in model]
        )
        data = dataclasses.replace(divided, notes={c: t for c, t in notes.items() if c in recipe.corpora})
        path = training.train_on(data, recipe, own / f"model-{k:02}", True, cache, threads, counted, report)
        for (run, _), target, test in zip(model, targets, data.tests.values(), strict=True):
            if not target.exists():
                classes = classes_of(run.protocol, data.manifest)
                tested = Manifest(tuple(u for u in data.manifest.take(test) if classes.emotion(u.emotion) is not None))
                _measure(path, run, data.manifest, tested, cache, target, counted)


def _measure(
    path: Path, run: Run, known: Manifest, clips: Manifest, cache: Path, target: Path, progress: Progress
) -> None:
    """Judge a fold's clips; write what was said, and beside it what the model costs.

    Args:
        path: The model file.
        run: Its protocol and recipe.
        known: All clips, for the classes that the tested corpus has.
        clips: The fold's.
        cache: Folder of computed features.
        target: The table that is written.
        progress: Called with ("judging", done, all).
    """
    judge = recognizer.load(path)
    said = _judged(path, judge, run.recipe, clips, classes_of(run.protocol, known), cache, progress)
    timed = clips.drawn(N_TIMED, np.random.default_rng(0))
    judge.predict(timed[0].path)  # what is loaded once is no part of the time of a clip
    began = time.process_time()
    judge.predict_clips(audio.read(u.path) for u in timed)
    about = {
        "clips": len(clips),
        "processor_seconds": time.process_time() - began,
        "audio_seconds": sum(_seconds(u) for u in timed),
        "parameters": judge.card.n_parameters + _of_encoder(judge),
        "macs_per_second": _macs(path, judge),
        "size": path.stat().st_size,
    }
    target.with_suffix(".json").write_text(json.dumps(about), encoding="utf-8")
    part = target.with_suffix(".part")
    part.write_text(said.to_csv(), encoding="utf-8")
    part.replace(target)


def _judged(
    path: Path,
    model: Recognizer,
    recipe: Recipe,
    clips: Manifest,
    classes: Scheme,
    cache: Path,
    progress: Progress,
) -> Judgements:
    """Return what :func:`vocalics.reproduction.judged` does, from the features that the training has computed.

    See :mod:`vocalics.cached_inputs`.
    """
    said = ensembles.said_of(path, recipe, clips, cache, progress)
    if said is None:
        return judged(model, clips, classes, progress)
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


def _of_encoder(model: Recognizer) -> int:
    """Weights of the encoder whose blocks a model takes."""
    if SEPARATOR not in model.card.feature_set:
        return 0
    front_end = encoded_front_end(encoded_kind(model.card.feature_set)[0])
    return encoders.n_parameters(encoders.find(front_end.name), max(front_end.blocks))


def classes_of(one: Protocol, clips: Manifest) -> Scheme:
    """Return the classes that judgements are given in.

    They are the protocol's; of a closed one, less those that the tested corpus does not have at all (a single fold's
    clips must not narrow them: what they are is not known).
    """
    whole = scheme(one.scheme)
    if not one.closed:
        return whole
    present = {u.emotion for u in clips if u.corpus == one.corpus}
    kept = tuple(e for e in whole.emotions if e in present)
    return dataclasses.replace(whole, emotions=kept) if len(kept) > 1 else whole


@dataclass(frozen=True, eq=False)
class Result:
    """The figures of one recipe under one protocol.

    Attributes:
        protocol: The protocol.
        recipe: The recipe's name.
        scope: What was trained on.
        by_seed: The protocol's figure with every seed: the mean over folds.
        pooled: The report on all folds' and seeds' judgements together; its interval is a bootstrap over speakers.
        by_fold: Mean over seeds of each fold's figure.
        named_most: The emotion that was named most in each fold, and its share of all that was named.
        n_parameters: Of one model, with the blocks of the encoder that it sits on.
        macs: Multiply-accumulate operations per second of sound, with those of the encoder.
        real_time: Seconds of sound per second of one processor, over :data:`N_TIMED` clips of every fold: reading,
            front end and model together.
        size: Of one model file, in bytes, without the encoder.
        together: Whether one model was tested on folds of several protocols, trained without the speakers of them all.
    """

    protocol: Protocol
    recipe: str
    scope: str
    by_seed: tuple[float, ...]
    pooled: EvaluationReport
    by_fold: Mapping[str, float]
    named_most: Mapping[str, tuple[str, float]]
    n_parameters: int
    macs: float
    real_time: float
    size: int
    together: bool = False

    @property
    def value(self) -> float:
        """Mean over seeds."""
        return float(np.mean(self.by_seed))

    @property
    def score(self) -> Score:
        """The pooled figure with its interval."""
        return self.pooled.uar if self.protocol.metric == "uar" else self.pooled.accuracy


def result(runs: Sequence[Run], folder: Path, clips: Manifest) -> Result | None:
    """Return the figures of a recipe under one protocol, over the seeds that are finished; ``None`` for none.

    Args:
        runs: The same recipe, protocol and scope with several seeds.
        folder: Of all runs.
        clips: What is known of the tested speakers: sex, age and language, by which the figures are divided.
    """
    first, tables, about, joint = runs[0], [], [], False
    for run in runs:
        config = folder / run.folder / "config.json"
        frozen = json.loads(config.read_text(encoding="utf-8")) if config.exists() else {}
        names, joint = frozen.get("folds", []), joint or bool(frozen.get(TOGETHER))
        files = [folder / run.folder / f"fold-{name}.csv" for name in names]
        if files and all(f.exists() for f in files):
            tables.append({f.stem.removeprefix("fold-"): judgements.read(f) for f in files})
            about += [json.loads(f.with_suffix(".json").read_text(encoding="utf-8")) for f in files]
    if not tables:
        return None
    by_seed, by_fold = [], dict.fromkeys(tables[0], 0.0)
    for table in tables:
        figures = {name: _figure(said, first.protocol.metric) for name, said in table.items()}
        by_seed.append(float(np.mean(list(figures.values()))))
        for name, value in figures.items():
            by_fold[name] = by_fold.get(name, 0.0) + value / len(tables)
    named_most = {name: _named_most([table[name] for table in tables]) for name in by_fold}
    whole = _together([said for table in tables for said in table.values()], scheme(first.protocol.scheme))
    return Result(
        first.protocol, first.recipe.name, first.scope, tuple(by_seed), _report(whole, first, clips), by_fold,
        named_most, max(a["parameters"] for a in about), max(a["macs_per_second"] for a in about),
        sum(a["audio_seconds"] for a in about) / max(sum(a["processor_seconds"] for a in about), 1e-9),
        max(a["size"] for a in about), joint,
    )  # fmt: skip


def _named_most(seeds: Sequence[Judgements]) -> tuple[str, float]:
    """The emotion that was named most of a fold's clips, and its share of what was named, over all seeds."""
    named = Counter(emotion for said in seeds for emotion in said.prediction if emotion is not None)
    ((emotion, n),) = named.most_common(1) or [("", 0)]
    return emotion, n / max(named.total(), 1)


def _together(parts: Sequence[Judgements], classes: Scheme) -> Judgements:
    """All judgements in a protocol's classes, one below the other; a clip comes once per seed."""
    rows = []
    for part in parts:
        wide = np.zeros((len(part), len(classes.emotions)))
        wide[:, [classes.emotions.index(e) for e in part.emotions]] = part.probabilities
        wide[~np.isfinite(part.probabilities).all(axis=1)] = np.nan
        rows.append(wide)

    def joined(name: str) -> tuple[Any, ...]:
        return tuple(value for part in parts for value in getattr(part, name))

    return Judgements(
        joined("paths"), joined("corpora"), joined("speakers"), joined("truth"), classes.emotions, np.concatenate(rows)
    )


def _figure(said: Judgements, metric: str) -> float:
    if metric == "accuracy":
        return float(np.mean([t == p for t, p in zip(said.truth, said.prediction, strict=True)]))
    position = {e: i for i, e in enumerate(said.emotions)}
    given = [metrics.NO_SPEECH if p is None else position[p] for p in said.prediction]
    return float(metrics.unweighted_average_recall([position[t] for t in said.truth], given))


def _report(said: Judgements, run: Run, clips: Manifest) -> EvaluationReport:
    leak = "speakers of the test clips were in training" if run.protocol.leaky else ""
    known = {u.path: u for u in clips}
    unknown = Utterance("", "", "", "", "neutral")
    groups = groups_of(known.get(path, unknown) for path in said.paths)
    rng = np.random.default_rng(0)
    return judgements.report(said, rng, model=run.recipe.name, protocol=run.protocol.title, leak=leak, groups=groups)
