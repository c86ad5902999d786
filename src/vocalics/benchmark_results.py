"""Recipes under published test protocols: the figures of their runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vocalics import judgements, metrics
from vocalics.benchmark import TOGETHER, Run, table_name
from vocalics.emotions import Scheme, scheme
from vocalics.evaluation import EvaluationReport, Score, groups_of
from vocalics.judgements import Judgements
from vocalics.manifest import Manifest, Utterance
from vocalics.protocols import Protocol


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
        real_time: Seconds of sound per second of one processor, over a few clips of every fold:
            reading, front end and model together.
        size: Of one model file, in bytes, without the encoder.
        together: Whether one model was tested on folds of several protocols, trained without the speakers of them all.
        voice: How many other clips of each one's voice were heard before, see :func:`vocalics.voices.apart`.
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
    voice: int = 0

    @property
    def value(self) -> float:
        """Mean over seeds."""
        return float(np.mean(self.by_seed))

    @property
    def score(self) -> Score:
        """The pooled figure with its interval."""
        return self.pooled.uar if self.protocol.metric == "uar" else self.pooled.accuracy


def result(runs: Sequence[Run], folder: Path, clips: Manifest, voice: int = 0) -> Result | None:
    """Return the figures of a recipe under one protocol, over the seeds that are finished; ``None`` for none.

    Args:
        runs: The same recipe, protocol and scope with several seeds.
        folder: Of all runs.
        clips: What is known of the tested speakers: sex, age and language, by which the figures are divided.
        voice: How many other clips of a voice were heard before.
    """
    first, tables, about, joint = runs[0], [], [], False
    for run in runs:
        config = folder / run.folder / "config.json"
        frozen = json.loads(config.read_text(encoding="utf-8")) if config.exists() else {}
        names, joint = frozen.get("folds", []), joint or bool(frozen.get(TOGETHER))
        files = {name: folder / run.folder / table_name(name, voice) for name in names}
        if files and all(f.exists() for f in files.values()):
            tables.append({name: judgements.read(f) for name, f in files.items()})
            costs = [folder / run.folder / table_name(name) for name in names]
            about += [json.loads(f.with_suffix(".json").read_text(encoding="utf-8")) for f in costs]
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
        max(a["size"] for a in about), joint, voice,
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
