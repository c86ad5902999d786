"""What a setting is scored on: inner folds by speaker, a model trained for each, its file judged on the fold."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vocalics import cached_inputs, metrics, recognizer, training
from vocalics.dataset import Data, Progress, divisions
from vocalics.manifest import Manifest
from vocalics.recipe import Recipe


def inner_folds(data: Data, recipe: Recipe, n_folds: int) -> list[Data]:
    """Divide what is not tested into folds by speaker; in each, validation speakers are drawn from the training side.

    Args:
        data: A run's data; its test clips are left out altogether.
        recipe: Gives the seed and the share of validation speakers.
        n_folds: At least 2.

    Raises:
        LeakageError: When a copy of a clip stands in two folds.
        ManifestError: When there are fewer speakers than folds, or a clip's speaker is not known.
    """
    known = data.manifest.take(sorted((*data.train, *data.validation)))
    folds = divisions(known, recipe, f"speaker-folds={n_folds}")
    return [dataclasses.replace(fold, notes=data.notes) for fold in folds]


@dataclass(frozen=True)
class Bench:
    """What every trial is scored on and with.

    Attributes:
        folds: The inner folds.
        folder: Where runs stand while they train; each is removed when it is scored.
        cache: Folder of computed features, shared by all runs.
        threads: Of the computation.
        progress: Called with (what, done, all).
    """

    folds: Sequence[Data]
    folder: Path
    cache: Path
    threads: int | None = None
    progress: Progress | None = None

    def score(self, recipe: Recipe, number: int) -> float:
        """Train one fold's model and return its UAR on the fold, judged by the written file.

        The epoch is chosen by validation speakers, who are none of the fold's.
        """
        data, folder = self.folds[number], self.folder / f"fold-{number + 1}"
        model = training.train_on(data, recipe, folder, True, self.cache, self.threads, self.progress)
        ((_, tested),) = data.tests.items()
        value = uar(model, recipe, data.manifest.take(tested), data.emotions, self.cache)
        shutil.rmtree(folder)
        return value


def uar(model: Path, recipe: Recipe, clips: Manifest, emotions: Sequence[str], cache: Path) -> float:
    """Return a model file's UAR on clips as the recogniser has it: from cached features where it takes such.

    Raises:
        ModelFileError: When a probability is not finite.
    """
    judge = recognizer.load(model)
    position = {emotion: i for i, emotion in enumerate(emotions)}
    truth = [position[u.emotion] for u in clips]
    chances = cached_inputs.probabilities(judge, recipe, clips, cache, lambda *_: None)
    if chances is None:
        said = [judge.predict(u.path).emotion for u in clips]
    else:
        silent = np.asarray(np.isnan(chances).any(axis=1))
        best = np.nan_to_num(chances).argmax(axis=1)
        said = [None if none else judge.emotions[i] for i, none in zip(best, silent, strict=True)]
    return metrics.unweighted_average_recall(
        truth, [metrics.NO_SPEECH if emotion is None else position[emotion] for emotion in said]
    )
