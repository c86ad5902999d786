"""A classifier of scikit-learn: fitted, written and compared with its file."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics import modelfile
from vocalics.confidence import thresholds
from vocalics.dataset import Data, Progress
from vocalics.errors import VocalicsError
from vocalics.feature_rows import Positions, Rows
from vocalics.features.feature_set import feature_set
from vocalics.files import write_text
from vocalics.metrics import unweighted_average_recall
from vocalics.models import ModelSpec
from vocalics.recipe import Recipe
from vocalics.training.cards import feature_card
from vocalics.training.folder import finishing
from vocalics.training.inputs import feature_rows, row_weights
from vocalics.training.neural import N_COMPARED, TOLERANCE


def train_classical(
    recipe: Recipe,
    spec: ModelSpec,
    data: Data,
    target: Path,
    cache: Path,
    progress: Progress | None,
    given: Rows | None = None,
) -> Path:
    """Fit a classifier and write its file; the arguments are those of :func:`vocalics.training.train_on`.

    Raises:
        VocalicsError: When the clips give nothing to learn, or the file says something else than the classifier.
    """
    from vocalics.export import card as card_file
    from vocalics.export import onnx as onnx_export
    from vocalics.models.classical import fit, seeded

    table = given or feature_rows(recipe, spec, data, cache, progress)
    raw, (mean, scale) = table.features, table.scaler
    inputs = (raw - mean) / scale
    # scikit-learn sorts its classes; positions keep the scheme's order.
    position = {name: i for i, name in enumerate(data.emotions)}
    truth = np.array([position[str(name)] for name in table.emotions])
    weight = row_weights(recipe, data, table)
    classifier = seeded(spec.build(len(data.emotions), **recipe.model_settings), recipe.seed)
    order = _in_order(recipe, data, table) if given is None else np.arange(len(table.train))
    fitted = table.train[order]
    fit(classifier, inputs[fitted], truth[fitted], None if weight is None else weight[order] / weight.mean())
    present = tuple(data.emotions[int(i)] for i in classifier.classes_)
    graph = onnx_export.from_sklearn(classifier, raw.shape[1:], mean, scale)
    chosen = feature_set(recipe.features or spec.features)
    about = feature_card(
        recipe, dataclasses.replace(data, emotions=present), chosen, raw[0].size, onnx_export.n_parameters(graph)
    )
    if recipe.fit.calibrate and len(table.validation):
        heard = np.isin(truth[table.validation], classifier.classes_)
        said = classifier.predict_proba(inputs[table.validation])[heard]
        among = np.searchsorted(classifier.classes_, truth[table.validation][heard])
        about = dataclasses.replace(about, conformal=thresholds(said, among))
    if len(table.validation):
        record = _validated(classifier, inputs[table.validation], truth[table.validation])
        write_text(target.parent / "history.json", json.dumps([record], indent=1))
    compared = [*table.validation, *table.train][:N_COMPARED]
    with finishing(target) as (part, found):
        card_file.write(part, graph.SerializeToString(), about)
        found |= _compare_classical(part, classifier, raw[compared], inputs[compared])
    return target


def _in_order(recipe: Recipe, data: Data, table: Rows) -> Positions:
    """The order in which the training rows are learned: a speaker's clips behind one another, as corpora list them.

    What divides them into neighbours (:class:`vocalics.models.classical.Folds`) must not depend on a manifest's order.
    """
    place = {corpus: n for n, corpus in enumerate(recipe.corpora)}
    rows = [(data.manifest[int(table.clips[r])], int(table.copies[r])) for r in table.train]
    keys = [(place.get(u.corpus, len(place)), u.corpus, u.speaker, u.path, copy) for u, copy in rows]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)


def _validated(classifier: Any, inputs: Any, truth: npt.NDArray[Any]) -> dict[str, float]:
    """Return a fitted classifier's loss and UAR on validation clips, as the only record of its history."""
    probabilities = np.zeros((len(truth), int(max(truth.max(), classifier.classes_.max())) + 1))
    probabilities[:, classifier.classes_] = classifier.predict_proba(inputs)
    loss = -np.log(probabilities[np.arange(len(truth)), truth] + 1e-9).mean()
    uar = unweighted_average_recall(truth, probabilities.argmax(axis=1))
    return {"epoch": 1, "valid_loss": float(loss), "valid_uar": float(uar)}


def _compare_classical(target: Path, classifier: Any, raw: Any, inputs: Any) -> dict[str, Any]:
    """Compare the written file's probabilities with the classifier's, as nets' :func:`_compare` does."""
    model = modelfile.load(target)
    expected = classifier.predict_proba(inputs)
    got = np.concatenate([model.probabilities(row[None]) for row in raw])
    difference = float(np.abs(expected - got).max())
    equal = int((expected.argmax(axis=1) == got.argmax(axis=1)).sum())
    if not difference <= TOLERANCE:  # NaN is none
        raise VocalicsError(f"{target}: differs from the trained classifier by {difference:.2g}; report this")
    return {"clips": len(raw), "largest_difference": difference, "equal_emotions": equal}
