"""What a search has found: the trials as a table, the best recipe as a file, and what the figure is worth, in words."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vocalics.recipe import Recipe
from vocalics.spreadsheets import cell
from vocalics.tuning.space import Space

COMPLETE, PRUNED, FAILED = "complete", "pruned", "failed"
N_WEIGHED = 4
"""Complete trials that it takes to say which settings mattered."""
NONE_BETTER = "No trial was better than the recipe as it stood; `best.toml` is the recipe."


@dataclass(frozen=True)
class Trial:
    """Settings that were tried.

    Attributes:
        number: From 1 on.
        state: "complete"; "pruned": stopped, being below the median of the others after the same folds; "failed".
        score: Mean UAR over the folds that were scored, a fraction; NaN where it failed.
        scores: UAR of these folds.
        settings: Values by dotted key.
        seconds: How long it took (after a resumption: from there on).
        error: Why it failed.
    """

    number: int
    state: str
    score: float
    scores: tuple[float, ...]
    settings: Mapping[str, Any]
    seconds: float
    error: str = ""


@dataclass(frozen=True, eq=False)
class Found:
    """A search's result.

    Attributes:
        recipe: As it stood before.
        best: With the best trial's settings; the recipe as it stood, where no trial was better.
        space: What was searched.
        trials: In order.
        reference: The inner folds' UAR of the recipe as it stood.
        importance: Share of the scores' variance that each setting explains, largest first; empty where there are too
            few trials to say.
        kept_apart: The test sets that were left out.
        n_speakers: Speakers searched on.
        n_clips: Clips searched on.
        n_folds: Inner folds.
        corpora: Of the clips.
        notes: What is to be said of a corpus's copy, by corpus.
    """

    recipe: Recipe
    best: Recipe
    space: Space
    trials: tuple[Trial, ...]
    reference: tuple[float, ...]
    importance: Mapping[str, float]
    kept_apart: tuple[str, ...]
    n_speakers: int
    n_clips: int
    n_folds: int
    corpora: tuple[str, ...]
    notes: Mapping[str, str]

    @property
    def best_trial(self) -> Trial | None:
        """The complete trial of the highest score; ``None`` where none is complete."""
        complete = [t for t in self.trials if t.state == COMPLETE]
        return max(complete, key=lambda t: t.score, default=None)

    @property
    def reference_score(self) -> float:
        """The recipe's own mean UAR over the inner folds, a fraction."""
        return float(np.mean(self.reference))

    @property
    def better(self) -> bool:
        """Whether a trial was better than the recipe as it stood."""
        return self.best_trial is not None and self.best_trial.score > self.reference_score

    @property
    def caption(self) -> str:
        """Corpora, speakers, folds and what was kept apart, for the foot of a figure."""
        corpora = ", ".join(f"{c} ({self.notes[c]})" if c in self.notes else c for c in self.corpora)
        apart = f"; kept apart: {', '.join(self.kept_apart)}" if self.kept_apart else ""
        return (
            f"{corpora} · {self.n_speakers} speakers, {self.n_clips:,} clips{apart}\n"
            f"{self.n_folds} inner folds by speaker · {len(self.trials)} trials · seed {self.recipe.seed}"
        )

    def to_csv(self) -> str:
        """Return the trials as CSV: number, state, uar, each fold's UAR, the settings, seconds and error."""
        keys = [one.key for one in self.space]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        folds = [f"fold_{k}" for k in range(1, self.n_folds + 1)]
        writer.writerow(["trial", "state", "uar", *folds, *keys, "seconds", "error"])
        for t in self.trials:
            scores = [f"{s:.4f}" for s in t.scores] + [""] * (self.n_folds - len(t.scores))
            score = "" if math.isnan(t.score) else f"{t.score:.4f}"
            values = [cell(t.settings.get(key, "")) for key in keys]
            writer.writerow([t.number, t.state, score, *scores, *values, f"{t.seconds:.1f}", cell(t.error)])
        return text.getvalue()

    def to_toml(self) -> str:
        """Return the best recipe as a file that ``vocalics train`` reads."""
        import tomli_w

        best = self.best_trial
        said = (
            f"Found by vocalics tune: trial {best.number} of {len(self.trials)}, mean UAR {_percent(best.score)} % "
            f"over {self.n_folds} inner folds by speaker"
            if best is not None and self.better
            else f"The recipe as it stood: none of {len(self.trials)} trials of vocalics tune was better than it"
        )
        apart = f"; kept apart: {', '.join(self.kept_apart)}" if self.kept_apart else ""
        return f"# {said}{apart}.\n{tomli_w.dumps(_filled(self.best.as_dict()))}"

    def to_markdown(self) -> str:
        """Return the report as GitHub-flavoured Markdown."""
        best, n = self.best_trial, len(self.trials)
        n_pruned, n_failed = (sum(t.state == state for t in self.trials) for state in (PRUNED, FAILED))
        lines = [f"# Search: {self.recipe.name}", "", _spread(self.caption), ""]
        if self.kept_apart:
            lines += [f"The clips of {', '.join(self.kept_apart)} were no part of the search.", ""]
        lines += [
            "Every trial trains one model per inner fold, on other speakers than the fold's; where an epoch is "
            "chosen, speakers drawn from the training side choose it. A trial's score is the mean UAR of the folds.",
            "",
            "> The figures below are those of inner validation folds, and the best of many is also the luckiest: they "
            "are optimistic. What the settings are worth is told by training with `best.toml` and testing on "
            "speakers that were kept apart.",
            "",
            f"{n} trials: {n - n_pruned - n_failed} complete, {n_pruned} stopped early, {n_failed} failed.",
            "",
            "| | mean UAR % | folds % |",
            "|---|---:|---|",
            f"| the recipe as it stood | {_percent(self.reference_score)} | {_percents(self.reference)} |",
        ]
        if best is not None:
            lines += [f"| best trial ({best.number}) | {_percent(best.score)} | {_percents(best.scores)} |"]
        if best is None or not self.better:
            lines += ["", NONE_BETTER]
        lines += [
            "",
            "## Settings",
            "",
            "| setting | searched | best trial | share of the variance |",
            "|---|---|---|---:|",
        ]
        for one in sorted(self.space, key=lambda one: -self.importance.get(one.key, -1.0)):
            value = _word(best.settings.get(one.key, "–")) if best is not None else "–"
            share = f"{_percent(self.importance[one.key])} %" if one.key in self.importance else "–"
            lines += [f"| {one.key} | {_escape(str(one))} | {_escape(value)} | {share} |"]
        lines += [
            "",
            "Share of the variance: functional ANOVA over the complete trials (Hutter, Hoos and Leyton-Brown, ICML "
            "2014); of few trials it is a hint only."
            if self.importance
            else "There are too few complete trials to say which settings mattered.",
        ]
        if failed := [t for t in self.trials if t.state == FAILED]:
            lines += ["", "## Failed", "", *(f"- trial {t.number}: {t.error}" for t in failed)]
        return "\n".join(lines) + "\n"


def importances(study: Any) -> dict[str, float]:
    """Return each setting's share of the variance of a study's scores, largest first; empty where none can be told."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    complete = [t for t in study.get_trials(deepcopy=False) if t.state.name == "COMPLETE"]
    if len(complete) < N_WEIGHED or len({t.value for t in complete}) < 2:
        return {}
    found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    return {key: float(value) for key, value in found.items()}


def _filled(value: Any) -> Any:
    """TOML has no word for nothing: such a key is left out, and so is an empty table or list."""
    if isinstance(value, Mapping):
        return {k: _filled(v) for k, v in value.items() if v is not None and v != () and v != {}}
    if isinstance(value, list | tuple):
        return [_filled(v) for v in value]
    return value


def _word(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _percents(values: Sequence[float]) -> str:
    return ", ".join(map(_percent, values))


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


def _spread(caption: str) -> str:
    return ". ".join(caption.splitlines()) + "."
