"""What a setting is scored on: inner folds by speaker, a model trained for each, its file judged on the fold."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vocalics import feature_rows, metrics, modelfile, recognizer, training
from vocalics.dataset import Data, Progress, divisions
from vocalics.errors import VocalicsError
from vocalics.features.feature_set import feature_set
from vocalics.manifest import Manifest
from vocalics.preprocess import Preparation
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
        value = uar(model, data.manifest.take(tested), data.emotions, self.cache)
        shutil.rmtree(folder)
        return value


def uar(model: Path, clips: Manifest, emotions: Sequence[str], cache: Path) -> float:
    """Return a model file's UAR on clips: from cached features, or through the recogniser where sizes vary.

    Raises:
        VocalicsError: When a probability is not finite.
    """
    loaded = modelfile.load(model)
    position = {emotion: i for i, emotion in enumerate(emotions)}
    truth = [position[u.emotion] for u in clips]
    if loaded.card.input == "waveform" or loaded.card.n_features is None:
        judge = recognizer.Recognizer(loaded)
        said = [judge.predict(u.path).emotion for u in clips]
        return metrics.unweighted_average_recall(
            truth, [metrics.NO_SPEECH if emotion is None else position[emotion] for emotion in said]
        )
    features, before = feature_set(loaded.card.feature_set), tuple(map(Preparation.parse, loaded.card.preprocess))
    chances = loaded.probabilities(feature_rows.compute(clips, features, (), 0, cache, lambda *_: None, before)[:, 0])
    if not np.isfinite(chances).all():
        raise VocalicsError("its probabilities are not finite; the training diverged")
    order = np.array([position[e] for e in loaded.card.emotions])
    return metrics.unweighted_average_recall(truth, order[chances.argmax(axis=1)])
