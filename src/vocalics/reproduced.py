"""The runs of :mod:`vocalics.reproduction` as one table: what was printed, what comes of it, and what it is worth."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vocalics import judgements
from vocalics.emotions import scheme
from vocalics.evaluation import EvaluationReport, Score
from vocalics.judgements import Judgements
from vocalics.recipe import Publication, Recipe
from vocalics.reproduction import DEFAULT, Run, Way, drawn, plan, publication, systems

DEFAULT_CURVES = "Validation: clips drawn at random, speakers shared, none of them tested. The last epoch is kept."
"""What is told below the default net's learning curves."""

DefaultOf = Callable[[Way], Judgements | None]


@dataclass(frozen=True, eq=False)
class Side:
    """One way's figures.

    Attributes:
        report: Over the judgements of all seeds; its interval is a bootstrap over speakers.
        accuracies: Of every seed.
        precision: At a probability of one half, as Keras prints it: of the clips given an emotion with more than that,
            the share that is right.
        recall: Likewise, of all clips the share that is given its own emotion with more than that.
        runs: What each seed's ``run.json`` holds.
    """

    report: EvaluationReport
    accuracies: tuple[float, ...]
    precision: float
    recall: float
    runs: tuple[Mapping[str, Any], ...]

    @property
    def minutes(self) -> float:
        """Minutes of one processor, of all seeds, features not counted where the cache had them."""
        names = ("training_processor_minutes", "features_processor_minutes")
        return float(sum(run[name] for run in self.runs for name in names))


@dataclass(frozen=True, eq=False)
class Line:
    """A system in one emotion scheme.

    Attributes:
        name: The recipe's.
        recipe: As published.
        scheme: Its classes.
        published: As published; ``None`` where it was not run.
        alike: The same on those corpora that are tested in the honest way too.
        honest: On new speakers.
        default_published: The default net on a random split of the same clips.
        default_honest: A model of recipe default that heard none of them on the same new speakers.
    """

    name: str
    recipe: Recipe
    scheme: str
    published: Side | None
    alike: EvaluationReport | None
    honest: Side | None
    default_published: EvaluationReport | None
    default_honest: EvaluationReport | None

    @property
    def title(self) -> str:
        """The name, with the number of emotions where there are several schemes."""
        n = len(scheme(self.scheme).emotions)
        return f"{self.name} ({n} emotions)" if self.publication.schemes else self.name

    @property
    def printed(self) -> float | None:
        """The published accuracy, of the recipe's own scheme only."""
        return self.publication.accuracy or None if self.scheme == self.recipe.scheme else None

    @property
    def publication(self) -> Publication:
        """What is known of the published system."""
        return publication(self.recipe)

    @property
    def leak(self) -> Score | None:
        """How much accuracy the random split adds on the same corpora; the interval takes both as independent."""
        if self.alike is None or self.honest is None:
            return None
        ours, theirs = self.alike.accuracy, self.honest.report.accuracy
        value = ours.value - theirs.value
        below = np.hypot(ours.value - ours.interval.low, theirs.interval.high - theirs.value)
        above = np.hypot(ours.interval.high - ours.value, theirs.value - theirs.interval.low)
        interval = dataclasses.replace(theirs.interval, low=value - float(below), high=value + float(above))
        return Score(value, interval)


def collect(folder: Path, default: DefaultOf) -> tuple[Line, ...]:
    """Return the figures of every system that has a finished run.

    Args:
        folder: Of all runs.
        default: Gives the default net's judgements of a way's test clips in eight emotions, or ``None``.
    """
    said = {way: default(way) for way in ("published", "honest")}
    lines = []
    for name, recipe in systems().items():
        for kind in (recipe.scheme, *publication(recipe).schemes):
            sides = {way: _side(folder, name, kind, way) for way in ("published", "honest")}
            if sides["published"] is None and sides["honest"] is None:
                continue
            published, honest = sides["published"], sides["honest"]
            tested = set() if honest is None else set(honest[1].corpora)
            lines.append(
                Line(
                    name,
                    recipe,
                    kind,
                    published and published[0],
                    _report(_of(published[1], tested), name) if published and tested else None,
                    honest and honest[0],
                    _default(said["published"], kind, published and published[1], recipe),
                    _default(said["honest"], kind, honest and honest[1], recipe),
                )
            )
    return tuple(lines)


def own_side(folder: Path, name: str = DEFAULT) -> Side | None:
    """Return the figures of one of the project's recipes on all clips that its random split tests.

    Args:
        folder: Of all runs.
        name: One of :data:`vocalics.reproduction.OWN`.

    Returns:
        ``None`` where it was not run.
    """
    found = _side(folder, name, "eight", "published")
    return found and found[0]


@dataclass(frozen=True)
class Comparison:
    """How the default net does beside the published systems, on the same clips.

    Attributes:
        ahead: Of how many lines its accuracy is above the system's, by way.
        compared: Lines in which both were measured, by way.
    """

    ahead: Mapping[Way, int]
    compared: Mapping[Way, int]


def compared(lines: Sequence[Line]) -> Comparison:
    """Count the lines in which the default net's accuracy is above the system's."""
    pairs: dict[Way, list[tuple[Side | None, EvaluationReport | None]]] = {
        "published": [(line.published, line.default_published) for line in lines],
        "honest": [(line.honest, line.default_honest) for line in lines],
    }
    above = {
        way: [ours.accuracy.value > theirs.report.accuracy.value for theirs, ours in both if theirs and ours]
        for way, both in pairs.items()
    }
    return Comparison({w: sum(a) for w, a in above.items()}, {w: len(a) for w, a in above.items()})


def in_scheme(said: Judgements, name: str) -> Judgements:
    """Return judgements in another scheme's classes: probabilities merged, others' left out, clips dropped."""
    classes = scheme(name)
    chances = np.zeros((len(said), len(classes.emotions)))
    for column, emotion in enumerate(said.emotions):
        merged = classes.emotion(emotion)
        if merged is not None:
            chances[:, classes.emotions.index(merged)] += said.probabilities[:, column]
    with np.errstate(invalid="ignore"):
        chances /= chances.sum(axis=1, keepdims=True)
    truth = [classes.emotion(t) for t in said.truth]
    kept = [i for i, t in enumerate(truth) if t is not None]
    taken = _take(said, kept)
    return dataclasses.replace(
        taken, truth=tuple(str(truth[i]) for i in kept), emotions=classes.emotions, probabilities=chances[kept]
    )


def _side(folder: Path, name: str, kind: str, way: Way) -> tuple[Side, Judgements] | None:
    """One way's figures over its finished seeds, and the judgements of all of them."""
    own = [r for r in plan([name]) if (r.scheme, r.way) == (kind, way)]
    done = [folder / r.folder for r in own if (folder / r.folder / "run.json").exists()]
    if not done:
        return None
    parts = [judgements.read(d / "predictions.csv") for d in done]
    whole = _joined(parts)
    hits = [float(np.mean([t == p for t, p in zip(j.truth, j.prediction, strict=True)])) for j in parts]
    precision, recall = _at_half(whole)
    runs = tuple(json.loads((d / "run.json").read_text(encoding="utf-8")) for d in done)
    return Side(_report(whole, name), tuple(hits), precision, recall, runs), whole


def _default(said: Judgements | None, kind: str, theirs: Judgements | None, recipe: Recipe) -> EvaluationReport | None:
    """The default net on a system's test clips: the very same; where it tests rows, clips drawn by the same share."""
    if said is None or theirs is None:
        return None
    if any("#" in path for path in theirs.paths):
        share = publication(recipe).test
        kept = [
            i
            for i, (path, c) in enumerate(zip(said.paths, said.corpora, strict=True))
            if c in recipe.corpora and drawn(path, c) < share
        ]
    else:
        clips = set(theirs.paths)
        kept = [i for i, path in enumerate(said.paths) if path in clips]
    return _report(in_scheme(_take(said, kept), kind), DEFAULT) if kept else None


def _of(said: Judgements, corpora: set[str]) -> Judgements:
    return _take(said, [i for i, c in enumerate(said.corpora) if c in corpora])


def _take(said: Judgements, positions: Sequence[int]) -> Judgements:
    def of(values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(values[i] for i in positions)

    rest = {f: of(getattr(said, f)) for f in ("paths", "corpora", "speakers", "truth")}
    return dataclasses.replace(said, **rest, probabilities=said.probabilities[list(positions)])


def _joined(parts: Sequence[Judgements]) -> Judgements:
    """Several seeds' judgements, one below the other: the same clips come once per seed."""
    first = parts[0]
    columns = {f: tuple(v for p in parts for v in getattr(p, f)) for f in ("paths", "corpora", "speakers", "truth")}
    return dataclasses.replace(first, **columns, probabilities=np.concatenate([p.probabilities for p in parts]))


def _at_half(said: Judgements) -> tuple[float, float]:
    chances = np.nan_to_num(said.probabilities)
    sure = chances.max(axis=1) > 0.5
    right = np.array([t == p for t, p in zip(said.truth, said.prediction, strict=True)]) & sure
    return float(right.sum() / max(1, sure.sum())), float(right.mean())


def _report(said: Judgements, name: str) -> EvaluationReport:
    return judgements.report(said, np.random.default_rng(0), model=name)


def runs_left(folder: Path, names: Sequence[str] = ()) -> tuple[Run, ...]:
    """Return the planned runs that are not finished."""
    return tuple(r for r in plan(names) if not (folder / r.folder / "run.json").exists())


def history(folder: Path, run: Run) -> list[Mapping[str, Any]]:
    """Return the epochs of a run; none where it has not begun."""
    path = folder / run.folder / "history.json"
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []


def curve_caption(line: Line, way: str) -> str:
    """Return what a learning curve's validation was."""
    if way == "honest":
        return "Validation: speakers who are neither in training nor tested; they chose the epoch. First seed."
    if line.publication.validation:
        return "Validation: clips drawn at random, speakers shared. First seed; the last epoch is kept."
    return "Validation on the test part itself, as published. First seed; the last epoch is kept."
