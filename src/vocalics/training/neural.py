"""A net: fitted with checkpoints, calibrated, written and compared with its file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vocalics import audio, modelfile
from vocalics.confidence import thresholds
from vocalics.dataset import Data, Progress, draw_weights
from vocalics.encoders import FrontEnd
from vocalics.errors import MissingExtraError, VocalicsError
from vocalics.feature_rows import Rows
from vocalics.features.feature_set import FRAMES, feature_set
from vocalics.features.logmel import LogMel
from vocalics.logmel_bank import TRIM_DB, spectrogram, trim_db
from vocalics.machine import available_cores
from vocalics.models import ModelSpec
from vocalics.preprocess import chain, trim_silence
from vocalics.recipe import Recipe, parse
from vocalics.training.cards import card, feature_card
from vocalics.training.checks import batches
from vocalics.training.folder import finishing
from vocalics.training.inputs import (
    feature_rows,
    known_of_frames,
    labels_of,
    possible,
    row_weights,
    speakers_of,
    spectrograms,
    taught,
)
from vocalics.voices import centres

Report = Callable[[dict[str, Any]], Any]
"""Called with every epoch's record."""
TOLERANCE = 1e-4
"""How far a written model file's probabilities may be from the net's that it was made from."""
N_COMPARED = 16
"""Clips on which the two are compared."""


def train_neural(
    recipe: Recipe,
    spec: ModelSpec,
    data: Data,
    folder: Path,
    target: Path,
    cache: Path,
    threads: int | None,
    progress: Progress | None,
    report: Report | None,
    given: Rows | None,
    device: str = "auto",
) -> Path:
    """Fit a net and write its file; the arguments are those of :func:`vocalics.training.train_on`.

    Raises:
        MissingExtraError: Where torch is missing.
        VocalicsError: When the written file says something else than the net.
    """
    try:
        import torch

        from vocalics.models.calibration import Tempered, temperature, tempered
        from vocalics.models.logmel_batches import LogMelClassifier
        from vocalics.models.logmel_cnn import LEAST_FRAMES
        from vocalics.models.neural import Course, NeuralClassifier, Schedule, device_named, optimiser, restore
        from vocalics.models.rows import RowAugmentation, RowClassifier
    except ModuleNotFoundError as error:
        raise MissingExtraError("training", "train") from error
    torch.set_num_threads(threads or available_cores())
    torch.use_deterministic_algorithms(True)
    names = np.array([u.emotion for u in data.manifest])
    fit = recipe.fit
    settings: dict[str, Any] = {
        "classes": list(data.emotions),
        "autocast": fit.autocast,
        "label_smoothing": fit.label_smoothing,
        "seed": recipe.seed,
        "batch_size": fit.batch_size,
        "lr": fit.rate,
        "device": (place := device_named(device)),
        **optimiser(fit, place),
        **{f"module__{k}": v for k, v in recipe.model_settings.items()},
        "module__n_classes": len(data.emotions),
    }
    scaler: tuple[Any, Any] = (None, None)
    counts: Any = None
    classifier: NeuralClassifier
    rows, validation = list(data.train), list(data.validation)
    course = Course(
        folder,
        Schedule.of(fit),
        None,
        average=fit.average,
        patience=fit.patience,
        keep=fit.keep,
        plateau_of=fit.plateau_of,
        report=report,
    )
    over = bool(course.records) and course.finished
    if spec.uneven:
        inputs, bank_settings = spectrograms(recipe, spec, data, cache, progress, over)
        early, late = batches(recipe, spec)
        settings |= known_of_frames(spec, bank_settings.front_end, inputs[rows[0]][0])
        labels = labels_of(recipe, data)
        if fit.vote_share:
            settings["targets"] = labels
        if recipe.teacher is not None:
            lessons, counts = taught(recipe, recipe.teacher, data, labels, cache, progress, over)
            settings |= lessons
        classifier = LogMelClassifier(
            spec.build,
            augmentation=early,
            late=late,
            late_from=fit.restart or fit.n_epochs,
            weights=draw_weights(data, recipe.shares) if recipe.shares else None,
            draws=fit.draws,
            **settings,
        )
    else:
        table = given or feature_rows(recipe, spec, data, cache, progress)
        raw, scaler, names = table.features, table.scaler, table.emotions
        inputs = (raw - scaler[0]) / scaler[1]
        rows, validation = table.train.tolist(), table.validation.tolist()
        change = parse(RowAugmentation, recipe.batch, f"recipe {recipe.name}: batch")
        voices = {"speakers": speakers_of(data, table), "originals": table.copies[rows] == 0} if change.voice else {}
        classifier = (
            RowClassifier(
                spec.build,
                augmentation=change,
                weights=row_weights(recipe, data, table),
                draws=fit.draws,
                **voices,
                **settings,
            )
            if recipe.shares or recipe.batch or fit.draws
            else NeuralClassifier(spec.build, **settings)
        )
    if validation:
        course.validation = inputs[validation], names[validation]
    classifier.set_params(callbacks=[("course", course)], max_epochs=fit.n_epochs)
    classifier.initialize()
    done = course.load(classifier) if course.path.exists() else 0
    if not over:
        classifier.resume(inputs[rows], names[rows], fit.n_epochs - done)
    restore(classifier.module_, course.best)
    (folder / "history.json").write_text(json.dumps(course.records, indent=1), encoding="utf-8")
    module = classifier.module_.float().eval()
    if recipe.teacher is not None:
        module.forget_hints()
    module.to(memory_format=torch.contiguous_format)
    n_parameters = sum(p.numel() for p in module.parameters())
    cooled, conformal = 1.0, {}
    said = classifier.predict_proba(inputs[validation]) if fit.calibrate and validation else None
    module.to("cpu")
    if said is not None:
        truth = classifier.encode(names[validation])
        validated = validation if spec.uneven else table.clips[table.validation].tolist()
        among = possible(data, validated) if fit.calibrate_among == "corpus" else None
        cooled = temperature(said, truth, counts, among)
        conformal = thresholds(tempered(said, cooled), truth, counts)
        module = Tempered(module, cooled)
    from vocalics.export import card as card_file

    if spec.uneven and isinstance(front_end := bank_settings.front_end, LogMel):
        from vocalics.export import waveform

        graph = waveform.from_torch(module, front_end)
        about = card(
            recipe,
            data,
            input="waveform",
            sample_rate=front_end.sample_rate,
            front_end=dataclasses.asdict(front_end),
            trim_db=TRIM_DB,
            n_parameters=n_parameters,
            temperature=cooled,
            conformal=conformal,
        )
    else:
        from vocalics.export import onnx as onnx_export

        chosen = feature_set(recipe.features + FRAMES if spec.uneven else recipe.features or spec.features)
        graph = onnx_export.from_torch(module, chosen.shape if spec.uneven else tuple(inputs.shape[1:]), *scaler)
        if not spec.uneven and change.voice:
            _learn_voices(graph, data, table)
        n_features = None if spec.uneven else int(np.prod(inputs.shape[1:]))
        about = dataclasses.replace(
            feature_card(recipe, data, chosen, n_features, n_parameters), temperature=cooled, conformal=conformal
        )
    with finishing(target) as (part, found):
        card_file.write(part, graph.SerializeToString(), about)
        if about.input == "waveform":
            _learn_centres(part, data, progress)
            if conformal:
                _learn_strangeness(part, data, recipe.seed, progress)
        clips = [*validation, *rows][:N_COMPARED]
        if spec.uneven:
            pairs = [_pair(data.manifest[i].path, bank_settings.front_end, recipe) for i in clips]
            # Of less the net itself, which is given no mask here, makes nothing.
            pairs = [(given, inner) for given, inner in pairs if inner.shape[-1] >= LEAST_FRAMES]
        else:
            pairs = [(raw[i], inputs[i]) for i in clips]
        found |= _compare(part, module, pairs)
    return target


def _learn_voices(graph: Any, data: Data, table: Rows) -> None:
    """Let a net's graph get used to voices, in place: by the emotions' centres, of the training clips themselves."""
    from vocalics.export import voice

    layer, rows = voice.layer(graph), table.train[table.copies[table.train] == 0]
    assert layer is not None  # checked with the recipe
    truth = [data.emotions.index(str(name)) for name in table.emotions[rows]]
    held = voice.values(graph, layer, table.features[rows])
    voice.add(graph, layer, centres(held, truth, speakers_of(data, table, rows), len(data.emotions)))


def _counted(what: str, progress: Progress | None) -> Callable[[int, int], Any]:
    """What tells of a step's progress, (done, all)."""
    return partial(progress, what) if progress is not None else lambda *_: None


def _learn_centres(target: Path, data: Data, progress: Progress | None) -> None:
    """Let the written net of sound get used to voices, by its training clips."""
    from vocalics.export.voice import learn

    learn(target, data.manifest.take(data.train), _counted("voices", progress))


def _learn_strangeness(target: Path, data: Data, seed: int, progress: Progress | None) -> None:
    """Teach the written net what is strange: from its training clips, of many some, scaled by those that validate."""
    from vocalics.export.recalibration import N_FAMILIAR, teach

    voices = data.manifest.take(data.train).drawn(N_FAMILIAR, np.random.default_rng(seed))
    teach(target, data.manifest.take(data.validation), voices, _counted("strangeness", progress))


def _pair(path: str, front_end: LogMel | FrontEnd, recipe: Recipe) -> tuple[Any, Any]:
    """What the model file takes of a clip, and what the net takes."""
    clip = chain(recipe.preparation, audio.read(path, front_end.sample_rate))
    clip = trim_silence(clip, below_db=trim_db(front_end))
    inner = spectrogram(clip, front_end)
    return (clip.samples if isinstance(front_end, LogMel) else inner), inner


def _compare(target: Path, module: Any, pairs: Sequence[tuple[Any, Any]]) -> dict[str, Any]:
    """Compare the written file's probabilities with the framework's, in float32.

    Args:
        target: The model file.
        module: The net that it was made from.
        pairs: What the file takes, and what the net takes.

    Returns:
        What a finished run's folder says of it.

    Raises:
        VocalicsError: When a probability differs by more than :data:`TOLERANCE`.
    """
    import torch

    model = modelfile.load(target)
    differences = []
    for given, inner in pairs:
        with torch.inference_mode():
            expected = torch.softmax(module(torch.from_numpy(np.asarray(inner, np.float32)[None])), dim=1).numpy()
        differences.append(float(np.abs(expected - model.probabilities(np.asarray(given, np.float32)[None])).max()))
    largest = float(np.max(differences, initial=0.0))
    if not largest <= TOLERANCE:  # NaN is none
        raise VocalicsError(f"{target}: differs from the trained net by {largest:.2g}; report this")
    return {"clips": len(pairs), "largest_difference": largest}
