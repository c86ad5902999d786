"""Knowledge distillation: what a larger model, fitted to the training part alone, tells a net besides the labels.

A teacher is a classifier or a dense net on features, most of all on a pre-trained encoder's. Its probabilities are
better targets than the labels alone (Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015):
they say which emotions a clip resembles. A clip's own are given by a teacher that was fitted without it, since one that
knows a clip says of it what the label says. The *hints* are its features' leading components, which the net is to
foretell from what it pools (Romero et al., "FitNets", ICLR 2015).

A teacher can tell, too, whether a net's few validation speakers are easier than others: how well it judges them beside
how well it judges speakers of the training part that it was not fitted to. What is calibrated on them is too sure
otherwise, or not sure enough, by the luck of the draw.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vocalics.dataset import Data, Progress
from vocalics.errors import RecipeError
from vocalics.feature_rows import compute, divisors
from vocalics.features.feature_set import SEPARATOR, feature_set
from vocalics.files import replacing
from vocalics.manifest import Manifest
from vocalics.models import ModelSpec, model_spec
from vocalics.preprocess import Preparation
from vocalics.recipe import Teacher
from vocalics.voices import recordings

Floats = npt.NDArray[np.float32]
Judge = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]

STEEPEST = 1.0
"""Logarithm of the most that a clip counts, beside one whose loss is smaller by 1."""
_VERSION = 1  # of what is kept
_FEW = 10  # Of fewer than one eigenvector in so many, only these are computed.
_NOISE = 1e-12  # An eigenvalue so small beside the largest is what rounding left.


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a teacher says of every training clip, in the order of ``Data.train``.

    Attributes:
        probabilities: float32, shape (n_train, n_classes), rows sum to 1.
        hints: float32, shape (n_train, n_hints), every column of mean 0 and deviation 1.
        counts: What every validation clip is to count in a calibration, in the order of ``Data.validation``, 1 on
            average in every corpus; ``None`` where the teacher was not asked.
    """

    probabilities: Floats
    hints: Floats
    counts: npt.NDArray[np.float64] | None = None

    def targets(self, labels: Floats, share: float) -> Floats:
        """Return what a net is to say of every clip: label and teacher mixed, then the hints.

        Args:
            labels: Shape (n_train, n_classes), rows sum to 1.
            share: The teacher's, from 0 to 1.

        Returns:
            float32, shape (n_train, n_classes + n_hints).
        """
        mixed = (1 - share) * labels + share * self.probabilities
        return np.concatenate([mixed, self.hints], axis=1).astype(np.float32)


def lesson(
    teacher: Teacher,
    data: Data,
    seed: int,
    cache: Path,
    progress: Progress,
    preparation: tuple[Preparation, ...] = (),
) -> Lesson:
    """Fit a teacher to the training part, fold by fold, and return what it says of the clips it was not fitted to.

    Args:
        teacher: Its features, classifier and folds.
        data: Divided already; only its training part is heard, and what validates where the teacher calibrates.
        seed: Of the folds and the classifier.
        cache: Folder of computed features; what teachers said is kept there, too: another net that is told the same, or
            a run that goes on, need not wait for it.
        progress: Called with ("features", done, all).
        preparation: Preprocessing of every clip: the teacher hears what the net hears.

    Raises:
        RecipeError: For a model that is no classifier, or too few groups for the folds.
        EncoderError: When the features' encoder is not there.
    """
    spec = check_teacher(teacher)

    def features(clips: Manifest) -> npt.NDArray[np.float64]:
        found = compute(clips, feature_set(teacher.features), (), seed, cache, progress, preparation)[:, 0]
        return found.reshape(len(clips), -1).astype(np.float64)

    clips = data.manifest.take(data.train)
    values = features(clips)
    truth, of = _known(clips, data.emotions)
    # Clips whose speaker is not known may all be of one: they stay together, corpus by corpus.
    groups = [u.speaker or f"{u.corpus}/" for u in clips] if teacher.apart == "speakers" else _by_recording(clips)
    others = data.manifest.take(data.validation if teacher.calibrates else [])
    asked = features(others) if len(others) else values[:0]
    theirs, also = _known(others, data.emotions)

    def judgements() -> dict[str, npt.NDArray[np.float64]]:
        said, losses = np.zeros((len(clips), len(data.emotions))), np.zeros(len(others))
        for part in folds(of.tolist(), groups, teacher.n_folds, seed):
            rest = np.setdiff1d(np.arange(len(clips)), part)
            mean, scale = _scaler(values[rest])
            judge = _fitted(teacher, spec, (values[rest] - mean) / scale, truth[rest], data.emotions, seed)
            said[part] = judge((values[part] - mean) / scale)
            if len(others):
                # As much of every corpus as the teacher judges of it: who never heard one says most of its speakers.
                shares = [np.sum(of[part] == corpus) / max(1, np.sum(of == corpus)) for corpus in also]
                losses += _losses(judge((asked - mean) / scale), theirs) * shares
        return {"said": said, "losses": losses}

    how = [teacher.model, dict(teacher.settings), asdict(teacher.fit), teacher.n_folds, seed, data.emotions]
    whose = [groups, of.tolist(), truth.tolist(), also.tolist(), theirs.tolist()]
    told = json.dumps([_VERSION, how, whose]).encode() + values.tobytes() + asked.tobytes()
    kept = _kept(cache / f"teacher-{hashlib.sha256(told).hexdigest()[:16]}.npz", judgements)
    counts = np.ones(len(others))
    if len(others):
        expected = _losses(kept["said"], truth)
        for corpus in sorted({*of.tolist()}):
            own = also == corpus
            counts[own] = tilted(kept["losses"][own], expected[of == corpus].mean())
    hints = components(values, teacher.n_hints)
    return Lesson(kept["said"].astype(np.float32), hints, counts if teacher.calibrates else None)


def _known(clips: Manifest, emotions: tuple[str, ...]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.str_]]:
    """Positions of the clips' emotions, and their corpora."""
    return np.array([emotions.index(u.emotion) for u in clips], np.int64), np.array([u.corpus for u in clips], np.str_)


def _kept(path: Path, compute: Callable[[], dict[str, npt.NDArray[np.float64]]]) -> dict[str, npt.NDArray[np.float64]]:
    """Read arrays that were computed before, or compute and keep them."""
    damaged = (ValueError, EOFError, zipfile.BadZipFile)
    with contextlib.suppress(OSError, *damaged), path.open("rb") as file, np.load(file) as kept:
        return dict(kept)
    found = compute()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, keep_suffix=True) as part:
        np.savez(part, **found)  # type: ignore[arg-type]
    return found


def _by_recording(clips: Manifest) -> list[str]:
    """The path of the first clip of each one's recording: a clip without copies is dealt by its own."""
    first = {i: copies[0] for copies in recordings(clips) for i in copies}
    return [clips[first[i]].path for i in range(len(clips))]


def _losses(said: npt.NDArray[np.float64], truth: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Negative log-likelihood of the truth, a single clip's at most that of one in a thousand."""
    losses: npt.NDArray[np.float64] = -np.log(np.maximum(said[np.arange(len(truth)), truth], 1e-3))
    return losses


def tilted(losses: npt.NDArray[np.float64], mean: float) -> npt.NDArray[np.float64]:
    """Return weights, 1 on average, by which losses have a mean, or come as near to it as :data:`STEEPEST` allows.

    Of all weights that bring it about these are the nearest to equal ones (exponential tilting, as in Hainmueller,
    "Entropy Balancing for Causal Effects", Political Analysis 2012).

    Args:
        losses: Of clips, shape (n,), in nats.
        mean: What their weighted mean is to be, in nats.

    Returns:
        Shape (n,), above 0; all 1 where the losses are alike.

    >>> tilted(np.array([0.0, 1.0, 2.0]), 1.2).round(2).tolist()
    [0.72, 0.97, 1.32]
    """
    if not len(losses):
        return np.ones(0)

    def at(slope: float) -> npt.NDArray[np.float64]:
        steps = slope * losses
        weights = np.exp(steps - steps.max())
        out: npt.NDArray[np.float64] = weights / weights.mean()
        return out

    low, high = -STEEPEST, STEEPEST
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if np.mean(at(middle) * losses) < mean else (low, middle)
    return at((low + high) / 2)


def _scaler(rows: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and deviation of the columns; a deviation of next to 0 counts as 1."""
    mean = rows.mean(axis=0)
    # The addition guards nothing any more; it keeps every teacher what it was, to the last bit.
    return mean, divisors(mean, rows.std(axis=0)) + 1e-8


def _fitted(
    teacher: Teacher,
    spec: ModelSpec,
    values: npt.NDArray[np.float64],
    truth: npt.NDArray[np.int64],
    emotions: tuple[str, ...],
    seed: int,
) -> Judge:
    """Fit a teacher to scaled rows and return what tells it of others: (n, n_features) to (n, n_classes)."""
    if not spec.neural:
        from vocalics.models.classical import seeded  # needs scikit-learn, which a check or a message does not

        classifier = seeded(spec.build(len(emotions), **teacher.settings), seed)
        classifier.fit(values, truth)

        def judge(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
            said = np.zeros((len(rows), len(emotions)))
            said[:, classifier.classes_] = classifier.predict_proba(rows)
            return said

        return judge
    from vocalics.models.neural import Course, NeuralClassifier, Schedule, optimiser, restore

    fit = teacher.fit
    net = NeuralClassifier(
        spec.build,
        classes=list(emotions),
        autocast=fit.autocast,
        label_smoothing=fit.label_smoothing,
        seed=seed,
        batch_size=fit.batch_size,
        lr=fit.rate,
        max_epochs=fit.n_epochs,
        module__n_classes=len(emotions),
        module__n_features=values.shape[1],
        **{f"module__{k}": v for k, v in teacher.settings.items()},
        **optimiser(fit),
    )
    with tempfile.TemporaryDirectory() as folder:
        course = Course(Path(folder), Schedule.of(fit), None, average=fit.average, keep="last")
        net.set_params(callbacks=[("course", course)])
        net.fit(values.astype(np.float32), truth)
        restore(net.module_, course.best)
    return lambda rows: np.asarray(net.predict_proba(rows.astype(np.float32)), np.float64)


def check_teacher(teacher: Teacher) -> ModelSpec:
    """Check what a recipe says of its teacher, before anything is computed; return its model.

    Raises:
        RecipeError: For a net that takes no vector of any length, or features that are no vector.
        FeatureError: For features that there are not.
        EncoderError: When their encoder is not there.
    """
    spec = model_spec(teacher.model)
    if spec.neural and "n_features" not in inspect.signature(spec.build).parameters:
        raise RecipeError(
            f"teacher.model = {teacher.model} takes no vector; expected a classifier or a dense net, e.g. "
            "logistic_regression or dense_head"
        )
    if teacher.n_frame_hints and SEPARATOR not in teacher.features:
        raise RecipeError(
            f"teacher.n_frame_hints are of an encoder's frames; teacher.features = {teacher.features} has no encoder: "
            f"expected e.g. whisper-base{SEPARATOR}2,3"
        )
    spec.check_settings(teacher.settings, ("n_classes", "n_features"), "teacher.settings")
    if not feature_set(teacher.features).is_vector:
        raise RecipeError(f"teacher.features = {teacher.features} are no vector; expected e.g. whisper-base@2,3")
    return spec


def folds(corpora: list[str], groups: list[str], n: int, seed: int) -> list[npt.NDArray[np.int64]]:
    """Deal groups (speakers, or recordings) into ``n`` folds, corpus by corpus, and return the positions in each.

    Args:
        corpora: Of every clip.
        groups: Of every clip; all of a group are in one fold, and one of several corpora is dealt with the first.
        n: Number of folds.
        seed: Of the order in which they are dealt.

    Raises:
        RecipeError: When there are fewer groups than folds.
    """
    rng, of_group, dealt = np.random.default_rng(seed), dict[str, int](), 0
    for corpus in dict.fromkeys(corpora):
        own = {g for g, c in zip(groups, corpora, strict=True) if c == corpus}
        for group in rng.permutation(sorted(own - of_group.keys())):
            of_group[str(group)] = dealt % n
            dealt += 1
    if dealt < n:
        raise RecipeError(
            f"teacher.n_folds = {n}, but there are only {dealt} speakers, or clips without their copies, to divide"
        )
    place = np.array([of_group[g] for g in groups])
    return [np.flatnonzero(place == k) for k in range(n)]


def _leading(product: npt.NDArray[np.float64], n: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The n largest eigenvalues of a symmetric matrix, falling, and their vectors, as columns."""
    if 0 < n < len(product) / _FEW:
        from scipy.sparse.linalg import ArpackError, eigsh  # comes with scikit-learn

        start = np.random.default_rng(0).standard_normal(len(product))  # else the last bits would differ every time
        with contextlib.suppress(ArpackError):  # it has not converged: some are as large as others
            size, vectors = eigsh(product, n, v0=start)
            order = np.argsort(size)[::-1]
            return size[order], vectors[:, order]
    size, vectors = np.linalg.eigh(product)
    return size[::-1][:n], vectors[:, ::-1][:, :n]


def components(values: npt.NDArray[np.float64], n: int) -> Floats:
    """Return the leading principal components of standardised rows, each of mean 0 and deviation 1: (n_rows, n)."""
    n = min(n, *values.shape)
    mean, scale = _scaler(values)
    scaled = (values - mean) / scale
    # The smaller of the two products has the same components.
    if scaled.shape[0] < scaled.shape[1]:
        size, left = _leading(scaled @ scaled.T, n)
        scores = left * np.sqrt(np.maximum(size, 0))
    else:
        size, right = _leading(scaled.T @ scaled, n)
        scores = scaled @ right
    scores[:, size <= _NOISE * size.max(initial=0.0)] = 0.0
    scores *= np.sign(scores[np.abs(scores).argmax(axis=0), np.arange(n)])  # a component has no sign of its own
    out: Floats = ((scores - scores.mean(axis=0)) / (scores.std(axis=0) + 1e-8)).astype(np.float32)
    return out
