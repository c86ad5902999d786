"""From a recipe and a manifest to a model file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vocalics import ensembles
from vocalics.dataset import Data, Progress, check_shares, divide
from vocalics.feature_rows import Rows
from vocalics.manifest import Manifest
from vocalics.recipe import Recipe
from vocalics.training.cards import card
from vocalics.training.checks import check, check_classes
from vocalics.training.classical import train_classical
from vocalics.training.folder import COMPARISON, settle
from vocalics.training.neural import Report, train_neural


def train(
    recipe: Recipe,
    manifest: Manifest,
    folder: Path,
    hold_outs: Sequence[str] = (),
    protocol: str = "",
    fold: int = 1,
    resume: bool = False,
    cache: Path | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    report: Report | None = None,
    notes: Mapping[str, str] | None = None,
    device: str = "auto",
) -> Path:
    """Train a recipe's model and return the path of its model file.

    Args:
        recipe: What to train.
        manifest: Utterances, see :func:`vocalics.dataset.gather`.
        folder: Of this run; made where it does not exist.
        hold_outs: Test sets whose speakers are kept out, see :func:`vocalics.splits.hold_out`.
        protocol: Instead of hold-outs, see :func:`vocalics.dataset.divide`.
        fold: See :func:`vocalics.dataset.divide`.
        resume: Go on from the folder's checkpoint; without it, a folder that holds a run is refused.
        cache: Folder of computed features, shared by runs; inside the run's folder where ``None``.
        threads: Of the computation; all cores where ``None``. Another number may change the last digits.
        progress: Called with (what, done, all).
        report: Called with every epoch's record.
        notes: What is to be said of a corpus's copy in the card ("resynthesised"), by corpus.
        device: Where a net is trained: "cpu", "cuda", or "auto" for a graphics processor where torch finds one.
            Another device changes the last digits.

    Raises:
        VocalicsError: When the folder holds a run and ``resume`` is not asked for, or holds another configuration.
        MissingExtraError: Where torch or scikit-learn is missing.
    """
    check(recipe)
    data = dataclasses.replace(divide(manifest, recipe, hold_outs, protocol, fold), notes=notes or {})
    return train_on(data, recipe, folder, resume, cache, threads, progress, report, device=device)


def train_on(
    data: Data,
    recipe: Recipe,
    folder: Path,
    resume: bool = False,
    cache: Path | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    report: Report | None = None,
    rows: Rows | None = None,
    device: str = "auto",
) -> Path:
    """Train on what is divided already; the other arguments, the path returned and the errors are :func:`train`'s.

    Args:
        data: Divided already.
        recipe: As for :func:`train`, like all that follow but ``rows``.
        folder: Of this run.
        resume: Go on from the folder's checkpoint.
        cache: Folder of computed features.
        threads: Of the computation.
        progress: Called with (what, done, all).
        report: Called with every epoch's record.
        rows: What a net of features is fitted to, where that does not follow from ``data`` alone.
        device: Where a net is trained.
    """
    spec = check(recipe)
    check_shares(data, recipe.shares)
    check_classes(recipe, data)
    settle(folder, recipe, data, resume)
    target = folder / f"{recipe.name}.onnx"
    cache = cache or folder / "cache"
    if recipe.members:
        for member in ensembles.members(recipe):
            own = folder / member.name
            if (own / COMPARISON).exists():  # written last: nothing to do but to see that it is the same run
                settle(own, member, data, True)
            else:
                told = partial(_report_of, report, member.fit.n_epochs) if report else None
                train_on(data, member, own, True, cache, threads, progress, told, device=device)
        return ensembles.average(recipe, data, target, cache, progress, card)
    if not spec.neural:
        return train_classical(recipe, spec, data, target, cache, progress, rows)
    return train_neural(recipe, spec, data, folder, target, cache, threads, progress, report, rows, device)


def _report_of(report: Report, n_epochs: int, record: Mapping[str, Any]) -> None:
    """Tell a member's epoch, and of how many it is: the ensemble's own number means nothing."""
    report({**record, "of": n_epochs})
