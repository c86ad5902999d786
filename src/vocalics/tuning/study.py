"""The search itself: trials one after another, each scored on the inner folds, kept in a database after every step.

A trial's settings follow from the seed, the trial's number and the trials before it. So a search that was killed and
resumed ends as an undisturbed one; the trial that was under way is done again, and folds that it had finished are not.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vocalics import training
from vocalics.dataset import Data, Progress, short
from vocalics.errors import MissingExtraError, VocalicsError
from vocalics.recipe import Recipe
from vocalics.tuning.report import COMPLETE, FAILED, PRUNED, Found, Trial, importances
from vocalics.tuning.scoring import Bench
from vocalics.tuning.space import Choice, Range, Space, changed, literal

N_RANDOM = 10
"""Trials drawn at random before the sampler learns from those done."""
N_UNPRUNED = 5
"""Complete trials before a trial is stopped early."""
N_FAILURES = 5
"""A search whose first trials all fail ends after this many."""
Report = Callable[[Trial, Trial | None], Any]


class _PrunedError(Exception):
    """A trial was below the median of the others after the same folds."""


def require() -> None:
    """Raise :class:`MissingExtraError` where Optuna is not installed; for use before long work."""
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise MissingExtraError("tuning", "tune") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def search(
    recipe: Recipe,
    data: Data,
    folds: Sequence[Data],
    space: Space,
    folder: Path,
    n_trials: int,
    timeout: float | None = None,
    resume: bool = False,
    cache: Path | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    report: Report | None = None,
) -> Found:
    """Search a recipe's settings; first the recipe is scored as it stands.

    Args:
        recipe: What is searched.
        data: Of the run that the settings are for: says what is kept apart.
        folds: Of :func:`inner_folds`.
        space: Of :func:`vocalics.tuning.space.search_space`.
        folder: Of the study: ``config.json`` and ``study.db``.
        n_trials: In all, those done before among them.
        timeout: Seconds after which no further trial is begun.
        resume: Go on with the study that the folder holds.
        cache: Folder of computed features; inside the folder where ``None``.
        threads: Of the computation.
        progress: Called with (what, done, all).
        report: Called with every trial as it ends, and with the best so far.

    Raises:
        VocalicsError: When the folder holds a study and ``resume`` is not asked for, or holds one of another recipe,
            of other clips or of another space, or when every one of the first trials fails.
        KeyboardInterrupt: As it came; the study can be gone on with.
    """
    require()
    import optuna

    training.freeze(folder, _as_begun(_config(recipe, data, folds, space), space, folder), resume, "study")
    began = time.monotonic()
    cache = cache or folder / "cache"
    storage = _storage(folder / "study.db")
    try:
        pruner = optuna.pruners.MedianPruner(n_startup_trials=N_UNPRUNED)
        study = optuna.create_study(
            storage=storage, study_name="study", direction="maximize", pruner=pruner, load_if_exists=True
        )
        _check_drawn(study, space, folder)
        started = _settle_interrupted(study)
        reference = _reference(study, recipe, Bench(folds, folder / "work" / "recipe", cache, threads, progress))
        trials = _trials(study)
        while len(trials) < n_trials and (timeout is None or time.monotonic() - began < timeout):
            number = len(trials) + 1
            bench = Bench(folds, folder / "work" / f"trial-{number}", cache, threads, progress)
            study.sampler = optuna.samplers.TPESampler(
                seed=(recipe.seed * 100_003 + number) % 2**32,
                n_startup_trials=N_RANDOM,
                multivariate=False,
                constant_liar=False,
            )
            trial = _run(study, recipe, space, bench, started)
            trials.append(trial)
            if report is not None:
                report(trial, _best(trials))
            if len(trials) >= N_FAILURES and all(t.state == FAILED for t in trials):
                raise VocalicsError(f"every one of {len(trials)} trials failed, the last with: {trial.error}")
        shutil.rmtree(folder / "work", ignore_errors=True)
        return found(recipe, data, folds, space, study, trials, reference)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _storage(path: Path) -> Any:
    """The data base of trials.

    Raises:
        VocalicsError: When there is a file of that name that is none, or a damaged one.
    """
    import optuna

    if path.exists():
        with contextlib.closing(sqlite3.connect(path)) as there:
            try:
                damage = there.execute("PRAGMA quick_check").fetchone()[0]
            except sqlite3.DatabaseError as error:
                damage = str(error)
        if damage != "ok":
            raise VocalicsError(f"{path}: is no study's, or damaged ({damage}); choose another folder with -o")
    return optuna.storages.RDBStorage(f"sqlite:///{path}")


def found(
    recipe: Recipe,
    data: Data,
    folds: Sequence[Data],
    space: Space,
    study: Any,
    trials: Sequence[Trial],
    reference: Sequence[float],
) -> Found:
    """Return what a study has found so far."""
    best = _best(trials)
    better = best is not None and best.score > float(np.mean(reference))
    return Found(
        recipe=recipe,
        best=changed(recipe, best.settings) if best is not None and better else recipe,
        space=space,
        trials=tuple(trials),
        reference=tuple(reference),
        importance=importances(study),
        kept_apart=tuple(short(spec) for spec in data.tests),
        n_speakers=len(data.speakers((*data.train, *data.validation))),
        n_clips=len(data.train) + len(data.validation),
        n_folds=len(folds),
        corpora=data.manifest.take((*data.train, *data.validation)).corpora,
        notes=dict(data.notes),
    )


def _run(study: Any, recipe: Recipe, space: Space, bench: Bench, started: Mapping[str, Sequence[float]]) -> Trial:
    """One trial: settings asked for, scored fold by fold, told."""
    import optuna

    began = time.monotonic()
    trial = study.ask()
    settings = _suggested(trial, space)
    done = list(started.get(_key(settings), ()))
    scores: list[float] = []
    try:
        tried = changed(recipe, settings)
        for number in range(len(bench.folds)):
            scores.append(done[number] if number < len(done) else bench.score(tried, number))
            trial.set_user_attr("scores", scores)
            trial.report(float(np.mean(scores)), number)
            if number + 1 < len(bench.folds) and trial.should_prune():
                raise _PrunedError
        trial.set_user_attr("seconds", time.monotonic() - began)
        study.tell(trial, float(np.mean(scores)))
    except _PrunedError:
        trial.set_user_attr("seconds", time.monotonic() - began)
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    except (VocalicsError, ValueError, RuntimeError, ArithmeticError) as error:
        trial.set_user_attr("seconds", time.monotonic() - began)
        trial.set_user_attr("error", f"{error}" or type(error).__name__)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    except KeyboardInterrupt:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        raise
    shutil.rmtree(bench.folder, ignore_errors=True)
    return _trials(study)[-1]


def _suggested(trial: Any, space: Space) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for one in space:
        if isinstance(one, Choice):
            settings[one.key] = literal(trial.suggest_categorical(one.key, one.words))
        elif one.whole:
            settings[one.key] = trial.suggest_int(one.key, int(one.low), int(one.high), log=one.log)
        else:
            settings[one.key] = trial.suggest_float(one.key, one.low, one.high, log=one.log)
    trial.set_user_attr("settings", settings)
    return settings


def _key(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)


def _reference(study: Any, recipe: Recipe, bench: Bench) -> list[float]:
    """The folds' scores of the recipe as it stands, kept in the study."""
    scores: list[float] = list(study.user_attrs.get("reference", ()))
    for number in range(len(scores), len(bench.folds)):
        scores.append(bench.score(recipe, number))
        study.set_user_attr("reference", scores)
    shutil.rmtree(bench.folder, ignore_errors=True)
    return scores


def _settle_interrupted(study: Any) -> dict[str, list[float]]:
    """Mark trials that a killed search left running as failed; return what folds of interrupted ones had scored."""
    import optuna

    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    interrupted = (t for t in study.get_trials(deepcopy=False) if _interrupted(t))
    return {
        _key(t.user_attrs["settings"]): t.user_attrs.get("scores", [])
        for t in interrupted
        if "settings" in t.user_attrs
    }


def _interrupted(trial: Any) -> bool:
    return trial.state.name == "FAIL" and "error" not in trial.user_attrs


def _trials(study: Any) -> list[Trial]:
    """The trials that ended by themselves, in order."""
    states = {"COMPLETE": COMPLETE, "PRUNED": PRUNED, "FAIL": FAILED}
    ended = [t for t in study.get_trials(deepcopy=False) if t.state.name in states and not _interrupted(t)]
    return [
        Trial(
            number=number,
            state=states[t.state.name],
            score=float(np.mean(t.user_attrs["scores"])) if t.state.name != "FAIL" else float("nan"),
            scores=tuple(t.user_attrs.get("scores", ())),
            settings=t.user_attrs.get("settings", {}),
            seconds=float(t.user_attrs.get("seconds", 0.0)),
            error=t.user_attrs.get("error", ""),
        )
        for number, t in enumerate(ended, start=1)
    ]


def _best(trials: Sequence[Trial]) -> Trial | None:
    complete = [t for t in trials if t.state == COMPLETE]
    return max(complete, key=lambda t: t.score, default=None)


def _as_begun(config: dict[str, Any], space: Space, folder: Path) -> dict[str, Any]:
    """A configuration with the ranges as the study in the folder notes them, if that noted them in six digits.

    These may be another range's, too: what its trials drew from tells (:func:`_check_drawn`).
    """
    if not (folder / "config.json").exists():
        return config
    kept = training.frozen(folder, "study").get("space", {})
    rounded = {r.key: r.rounded for r in space if isinstance(r, Range) and kept.get(r.key) == r.rounded}
    return {**config, "space": {**config["space"], **rounded}}


def _check_drawn(study: Any, space: Space, folder: Path) -> None:
    """Refuse a study whose trials drew from other ranges."""
    from optuna.distributions import IntDistribution

    for trial in study.get_trials(deepcopy=False):
        for one in space:
            drawn = trial.distributions.get(one.key)
            if drawn is None or isinstance(one, Choice):
                continue
            there = Range(one.key, drawn.low, drawn.high, isinstance(drawn, IntDistribution), drawn.log)
            if there != one:
                raise VocalicsError(
                    f"{folder}: holds a study of another configuration (space.{one.key} is {there} there, not {one}); "
                    "choose another folder with -o"
                )


def _config(recipe: Recipe, data: Data, folds: Sequence[Data], space: Space) -> dict[str, Any]:
    return {
        "recipe": json.loads(json.dumps(recipe.as_dict())),
        "kept_apart": [short(spec) for spec in data.tests],
        "clips": training.digest(folds[0].manifest),
        "folds": [fold.speakers(next(iter(fold.tests.values()))) for fold in folds],
        "space": {one.key: str(one) for one in space},
        "notes": dict(data.notes),
    }
