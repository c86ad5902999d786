"""From a recipe and a manifest to a model file: features, fit, checkpoint, export.

Split first (:mod:`vocalics.dataset`), augment after, and only the training part. The run's folder holds the frozen
configuration, the checkpoint, the history with its curves, and in the end ``NAME.onnx`` with its card.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import vocalics
from vocalics import audio, encoders, ensembles, modelfile
from vocalics.confidence import thresholds
from vocalics.corpora import corpora, corpus
from vocalics.dataset import Data, Progress, divide, draw_weights, short
from vocalics.distillation import check_teacher, lesson
from vocalics.emotions import scheme
from vocalics.encoders import FrontEnd
from vocalics.errors import MissingExtraError, RecipeError, VocalicsError
from vocalics.feature_rows import Rows, divided
from vocalics.features.feature_set import FRAMES, SEPARATOR, FeatureSet, encoded_front_end, feature_set
from vocalics.features.logmel import LogMel
from vocalics.listening import soft_labels, votes_in
from vocalics.logmel_bank import TRIM_DB, BankSettings, bank, spectrogram, trim_db
from vocalics.manifest import Manifest, Utterance
from vocalics.metrics import unweighted_average_recall
from vocalics.modelfile import Card
from vocalics.models import ENCODER, WAVEFORM, ModelSpec, model_spec
from vocalics.preprocess import chain, trim_silence
from vocalics.recipe import Recipe, Teacher, parse
from vocalics.registry import suggestion

TOLERANCE = 1e-4
"""How far a written model file's probabilities may be from the net's that it was made from."""
N_COMPARED = 16
"""Clips on which the two are compared."""
Report = Callable[[dict[str, Any]], Any]


COMPARISON = "comparison.json"
"""How far the written file is from the trained model: the last that a run writes."""
_GIVEN = ("n_blocks", "block_width", "encoder", "after")
"""What training tells a net over an encoder's frames; no recipe does."""


def check(recipe: Recipe) -> ModelSpec:
    """Check what a recipe says of its model and batches, before anything is read or computed; return the model.

    Raises:
        RecipeError: For an unknown model, model setting or batch setting.
        MissingExtraError: Where torch or scikit-learn is missing.
    """
    if recipe.members:
        specs = [check(member) for member in ensembles.members(recipe)]
        return specs[0]
    spec = model_spec(recipe.model)
    given = ("n_classes", "n_hints", *_GIVEN) if spec.uneven else ("n_classes",)
    known = [name for name in inspect.signature(spec.build).parameters if name not in given]
    for name in recipe.model_settings:
        if name not in known:
            raise RecipeError(
                f'recipe {recipe.name}: model_settings: unknown key "{name}"{suggestion(name, known) or "."} '
                f"Known: {', '.join(known) or 'none'}."
            )
    if spec.uneven:
        _batches(recipe, spec)
        if spec.features == ENCODER:
            encoded_front_end(recipe.features)
        if recipe.teacher is not None:
            check_teacher(recipe.teacher)
        if recipe.teacher is not None and spec.features == ENCODER:
            raise RecipeError(f"recipe {recipe.name}: a net on an encoder learns from no teacher here; leave it out")
        if recipe.variants:
            raise RecipeError(
                f"recipe {recipe.name}: variants are for models of features; {spec.name} takes n_copies and augment"
            )
    else:
        if recipe.fit.vote_share:
            raise RecipeError(f"recipe {recipe.name}: {spec.name} learns from labels alone; leave fit.vote_share out")
        _check_features(recipe, spec)
        if recipe.late_batch or (recipe.batch and not spec.neural):
            key = "batch" if recipe.batch and not spec.neural else "late_batch"
            raise RecipeError(f"recipe {recipe.name}: {spec.name} has no {key}; leave it out")
        if spec.neural and recipe.batch:
            from vocalics.models.rows import RowAugmentation

            parse(RowAugmentation, recipe.batch, f"recipe {recipe.name}: batch")
        if recipe.teacher is not None:
            raise RecipeError(f"recipe {recipe.name}: only nets over spectrograms learn from a teacher; leave it out")
    return spec


def _check_features(recipe: Recipe, spec: ModelSpec) -> None:
    """Refuse a feature set whose shape is not what the model takes."""
    chosen = feature_set(recipe.features or spec.features)
    model = spec.build(len(scheme(recipe.scheme).emotions), **recipe.model_settings)
    if spec.neural:
        takes = tuple(model.shape)
    else:
        fits = chosen.is_vector or (spec.takes_frames and None not in chosen.shape)
        takes = chosen.shape if fits else ("n",)
    if chosen.shape != takes:
        sizes = [" x ".join("any" if n is None else str(n) for n in shape) for shape in (chosen.shape, takes)]
        raise RecipeError(
            f"recipe {recipe.name}: the features {chosen.name} are {sizes[0]} numbers, the model {spec.name} takes "
            f"{sizes[1]}; it is made for {spec.features}"
        )


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

    Raises:
        VocalicsError: When the folder holds a run and ``resume`` is not asked for, or holds another configuration.
        MissingExtraError: Where torch or scikit-learn is missing.
    """
    check(recipe)
    data = dataclasses.replace(divide(manifest, recipe, hold_outs, protocol, fold), notes=notes or {})
    return train_on(data, recipe, folder, resume, cache, threads, progress, report)


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
) -> Path:
    """Train on what is divided already; the other arguments, the path returned and the errors are :func:`train`'s.

    Args:
        data: Divided already.
        recipe: As for :func:`train`, like all that follow but the last.
        folder: Of this run.
        resume: Go on from the folder's checkpoint.
        cache: Folder of computed features.
        threads: Of the computation.
        progress: Called with (what, done, all).
        report: Called with every epoch's record.
        rows: What a net of features is fitted to, where that does not follow from ``data`` alone.
    """
    spec = check(recipe)
    _settle(folder, recipe, data, resume)
    target = folder / f"{recipe.name}.onnx"
    cache = cache or folder / "cache"
    if recipe.members:
        for member in ensembles.members(recipe):
            own = folder / member.name
            if (own / COMPARISON).exists():  # written last: nothing to do but to see that it is the same run
                _settle(own, member, data, True)
            else:
                told = partial(_report_of, report, member.fit.n_epochs) if report else None
                train_on(data, member, own, True, cache, threads, progress, told)
        return ensembles.average(recipe, data, target, cache, progress, card)
    if not spec.neural:
        return _train_classical(recipe, spec, data, target, cache, progress, rows)
    return _train_neural(recipe, spec, data, folder, target, cache, threads, progress, report, rows)


def _report_of(report: Report, n_epochs: int, record: Mapping[str, Any]) -> None:
    """Tell a member's epoch, and of how many it is: the ensemble's own number means nothing."""
    report({**record, "of": n_epochs})


def card(recipe: Recipe, data: Data, **values: Any) -> Card:
    """Return the card of a run's model, but for what only its export knows."""
    trained = [data.manifest[i] for i in (*data.train, *data.validation)]
    held_out = f"; apart: {', '.join(map(short, data.tests))}" if data.tests else ""
    rows = tuple(_corpus_row(name, trained, data.notes) for name in sorted({u.corpus for u in trained}))
    said = "chose the epoch" if recipe.fit.keep == "best" else "watched the training, the last epoch was kept"
    if recipe.members:
        said = "gave its members their weights"
    elif not model_spec(recipe.model).neural:
        said = "watched" if data.validation else ""
    if recipe.fit.calibrate or (recipe.members and data.validation):
        said += ", the temperature is theirs"
    share = f"{len(data.speakers(data.validation))} speakers apart {said}" if data.validation else "none apart"
    return Card(
        name=recipe.name,
        description=recipe.description,
        emotions=data.emotions,
        excluded=data.excluded,
        corpora=rows,
        commercial=all(row["commercial"] for row in rows),
        licence="Apache-2.0 for the weights as software; the corpora's licences bind their use"
        + ("" if all(row["commercial"] for row in rows) else ", and some of them forbid commercial use"),
        protocol=f"{len(data.speakers(data.train))} training speakers, {share}{held_out}",
        seed=recipe.seed,
        preprocess=recipe.preprocess,
        intended_use=recipe.intended_use,
        limits=recipe.limits,
        training_speakers=data.speakers(data.train),
        validation_speakers=data.speakers(data.validation),
        recipe=recipe.as_dict(),
        created=datetime.now(UTC).date().isoformat(),
        vocalics_version=vocalics.__version__,
        **values,
    )


def _corpus_row(name: str, trained: Sequence[Utterance], notes: Mapping[str, str]) -> dict[str, Any]:
    own = [u for u in trained if u.corpus == name]
    known = corpus(name) if name in corpora() else None
    return {
        "name": name,
        "licence": known.licence if known else "the user's own",
        "commercial": known.commercial if known else False,
        "clips": len(own),
        "speakers": len({u.speaker for u in own}),
        **({"note": notes[name]} if name in notes else {}),
    }


def _settle(folder: Path, recipe: Recipe, data: Data, resume: bool) -> None:
    """Write the run's frozen configuration, or check that the folder holds this very one."""
    # What is told of a publication decides nothing of the training.
    config = {
        "recipe": {k: v for k, v in recipe.as_dict().items() if k != "publication"},
        "hold_outs": [short(s) for s in data.tests],
        "n_train": len(data.train),
        "n_validation": len(data.validation),
        "n_test": {short(k): len(v) for k, v in data.tests.items()},
        "training_speakers": data.speakers(data.train),
        "validation_speakers": data.speakers(data.validation),
        "clips": digest(data.manifest),
        "notes": dict(data.notes),
    }
    names = [recipe.features, recipe.teacher.features if recipe.teacher is not None else ""]
    if keys := {name: encoded_front_end(name).key for name in names if SEPARATOR in name}:
        config["encoders"] = keys
    freeze(folder, config, resume, "run")


def freeze(folder: Path, config: Mapping[str, Any], resume: bool, what: str, option: str = "-o") -> None:
    """Write a configuration into a new folder, or check that a folder that is gone on with holds this very one.

    Args:
        folder: Made where it does not exist.
        config: Plain values that JSON can hold.
        resume: Whether to go on with what the folder holds.
        what: It holds, for the message: "run", "study".
        option: With which another folder is chosen, for the message.

    Raises:
        VocalicsError: When the folder holds one and ``resume`` is not asked for, or holds another configuration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.json"
    text = json.dumps(config, indent=1, sort_keys=True)
    if path.exists():
        if not resume:
            raise VocalicsError(
                f"{folder}: holds a {what} already; go on with --resume, or choose another folder with {option}"
            )
        if path.read_text(encoding="utf-8") != text:
            raise VocalicsError(
                f"{folder}: holds a {what} of another configuration (recipe, corpora or hold-outs differ, see "
                f"{path.name}); choose another folder with {option}"
            )
    else:
        part = path.with_suffix(".part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)


def digest(manifest: Manifest) -> str:
    """Return a number that stands for these clips and their emotions, in this order."""
    return hashlib.sha256("".join(f"{u.digest}{u.emotion}" for u in manifest).encode()).hexdigest()


def _train_neural(
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
) -> Path:
    try:
        import torch

        from vocalics.models.calibration import Tempered, temperature, tempered
        from vocalics.models.logmel_batches import LogMelClassifier
        from vocalics.models.neural import Course, NeuralClassifier, Schedule, optimiser
        from vocalics.models.rows import RowAugmentation, RowClassifier
    except ModuleNotFoundError as error:
        raise MissingExtraError("training", "train") from error
    torch.set_num_threads(threads or os.cpu_count() or 1)
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
        **optimiser(fit),
        **{f"module__{k}": v for k, v in recipe.model_settings.items()},
        "module__n_classes": len(data.emotions),
    }
    scaler: tuple[Any, Any] = (None, None)
    classifier: NeuralClassifier
    rows, validation = list(data.train), list(data.validation)
    if spec.uneven:
        inputs, bank_settings = _bank(recipe, spec, data, cache, progress)
        early, late = _batches(recipe, spec)
        settings |= _given(spec, bank_settings.front_end, inputs[rows[0]][0])
        labels = _labels(recipe, data)
        if fit.vote_share:
            settings["targets"] = labels
        if recipe.teacher is not None:
            settings |= _taught(recipe, recipe.teacher, data, labels, cache, progress)
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
        classifier = (
            RowClassifier(
                spec.build,
                augmentation=parse(RowAugmentation, recipe.batch, f"recipe {recipe.name}: batch"),
                weights=_row_weights(recipe, data, table),
                draws=fit.draws,
                **settings,
            )
            if recipe.shares or recipe.batch or fit.draws
            else NeuralClassifier(spec.build, **settings)
        )
    course = Course(
        folder,
        Schedule.of(fit),
        (inputs[validation], names[validation]) if validation else None,
        average=fit.average,
        patience=fit.patience,
        keep=fit.keep,
        plateau_of=fit.plateau_of,
        report=report,
    )
    classifier.set_params(callbacks=[("course", course)], max_epochs=fit.n_epochs)
    classifier.initialize()
    done = course.load(classifier) if course.path.exists() else 0
    if not (done and course.finished):
        classifier.resume(inputs[rows], names[rows], fit.n_epochs - done)
    classifier.module_.load_state_dict(course.best)
    (folder / "history.json").write_text(json.dumps(course.records, indent=1), encoding="utf-8")
    module = classifier.module_.float().eval()
    if recipe.teacher is not None:
        module.hints = None
    module.to(memory_format=torch.contiguous_format)
    n_parameters = sum(p.numel() for p in module.parameters())
    cooled, conformal = 1.0, {}
    if fit.calibrate and validation:
        said, truth = classifier.predict_proba(inputs[validation]), classifier.encode(names[validation])
        cooled = temperature(said, truth)
        conformal = thresholds(tempered(said, cooled), truth)
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
        n_features = None if spec.uneven else int(np.prod(inputs.shape[1:]))
        about = dataclasses.replace(
            _feature_card(recipe, data, chosen, n_features, n_parameters), temperature=cooled, conformal=conformal
        )
    card_file.write(target, graph.SerializeToString(), about)
    if conformal and about.input == "waveform":
        _learn_strangeness(target, data, recipe.seed, progress)
    clips = [*validation, *rows][:N_COMPARED]
    if spec.uneven:
        pairs = [_pair(data.manifest[i].path, bank_settings.front_end, recipe) for i in clips]
    else:
        pairs = [(raw[i], inputs[i]) for i in clips]
    _compare(target, module, pairs)
    return target


def _learn_strangeness(target: Path, data: Data, seed: int, progress: Progress | None) -> None:
    """Teach the written net what is strange: from its training clips, of many some, scaled by those that validate."""
    from vocalics.export.recalibration import N_FAMILIAR, teach

    def step(done: int, n: int) -> None:
        if progress is not None:
            progress("strangeness", done, n)

    voices = data.manifest.take(data.train).drawn(N_FAMILIAR, np.random.default_rng(seed))
    teach(target, data.manifest.take(data.validation), voices, step)


def _labels(recipe: Recipe, data: Data) -> npt.NDArray[np.float32]:
    """The training clips' labels: what the actors meant, mixed with listeners' votes where the recipe says so."""
    clips = data.manifest.take(data.train)
    truth = np.array([data.emotions.index(u.emotion) for u in clips])
    return soft_labels(truth, votes_in([u.ratings for u in clips], scheme(recipe.scheme)), recipe.fit.vote_share)


def _taught(
    recipe: Recipe,
    teacher: Teacher,
    data: Data,
    labels: npt.NDArray[np.float32],
    cache: Path,
    progress: Progress | None,
) -> dict[str, Any]:
    """Settings of the classifier: the teacher's targets, and as many hints as they hold."""
    told = lesson(teacher, data, recipe.seed, cache, progress or (lambda *_: None))
    return {
        "targets": told.targets(labels, teacher.share),
        "hint_weight": teacher.hint_weight,
        "module__n_hints": told.hints.shape[1],
    }


def _given(spec: ModelSpec, front_end: LogMel | FrontEnd, example: Any) -> dict[str, Any]:
    """What a net over an encoder's frames has to know of them."""
    if isinstance(front_end, LogMel):
        return {}
    n = len(front_end.blocks)
    told = dict(zip(_GIVEN, (n, example.shape[0] // n, front_end.name, max(front_end.blocks)), strict=True))
    return {f"module__{k}": v for k, v in told.items() if k in inspect.signature(spec.build).parameters}


def _pair(path: str, front_end: LogMel | FrontEnd, recipe: Recipe) -> tuple[Any, Any]:
    """What the model file takes of a clip, and what the net takes."""
    clip = chain(recipe.preparation, audio.read(path, front_end.sample_rate))
    clip = trim_silence(clip, below_db=trim_db(front_end))
    inner = spectrogram(clip, front_end)
    return (clip.samples if isinstance(front_end, LogMel) else inner), inner


def _compare(target: Path, module: Any, pairs: Sequence[tuple[Any, Any]]) -> None:
    """Compare the written file's probabilities with the framework's, in float32.

    Args:
        target: The model file.
        module: The net that it was made from.
        pairs: What the file takes, and what the net takes.

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
    found = {"clips": len(pairs), "largest_difference": max(differences)}
    (target.parent / COMPARISON).write_text(json.dumps(found), encoding="utf-8")
    if max(differences) > TOLERANCE:
        raise VocalicsError(f"{target}: differs from the trained net by {max(differences):.2g}; report this")


def _train_classical(
    recipe: Recipe,
    spec: ModelSpec,
    data: Data,
    target: Path,
    cache: Path,
    progress: Progress | None,
    given: Rows | None = None,
) -> Path:
    from vocalics.export import card as card_file
    from vocalics.export import onnx as onnx_export
    from vocalics.models.classical import seeded

    _check_classes(recipe, data)
    table = given or feature_rows(recipe, spec, data, cache, progress)
    raw, (mean, scale) = table.features, table.scaler
    inputs = (raw - mean) / scale
    # scikit-learn sorts its classes; positions keep the scheme's order.
    position = {name: i for i, name in enumerate(data.emotions)}
    truth = np.array([position[str(name)] for name in table.emotions])
    weights: dict[str, Any] = {}
    if (weight := _row_weights(recipe, data, table)) is not None:
        weights["sample_weight"] = weight / weight.mean()
    classifier = seeded(spec.build(len(data.emotions), **recipe.model_settings), recipe.seed)
    classifier.fit(inputs[table.train], truth[table.train], **weights)
    present = tuple(data.emotions[int(i)] for i in classifier.classes_)
    graph = onnx_export.from_sklearn(classifier, raw.shape[1:], mean, scale)
    chosen = feature_set(recipe.features or spec.features)
    about = _feature_card(
        recipe, dataclasses.replace(data, emotions=present), chosen, raw[0].size, onnx_export.n_parameters(graph)
    )
    if recipe.fit.calibrate and len(table.validation):
        heard = np.isin(truth[table.validation], classifier.classes_)
        said = classifier.predict_proba(inputs[table.validation])[heard]
        among = np.searchsorted(classifier.classes_, truth[table.validation][heard])
        about = dataclasses.replace(about, conformal=thresholds(said, among))
    card_file.write(target, graph.SerializeToString(), about)
    if len(table.validation):
        record = _validated(classifier, inputs[table.validation], truth[table.validation])
        (target.parent / "history.json").write_text(json.dumps([record], indent=1), encoding="utf-8")
    compared = [*table.validation, *table.train][:N_COMPARED]
    _compare_classical(target, classifier, raw[compared], inputs[compared])
    return target


def _row_weights(recipe: Recipe, data: Data, table: Rows) -> npt.NDArray[np.float64] | None:
    """The weight of every training row, which is its clip's; ``None`` where the recipe names no shares."""
    if not recipe.shares:
        return None
    by_clip = dict(zip(data.train, draw_weights(data, recipe.shares), strict=True))
    return np.array([by_clip[int(i)] for i in table.clips[table.train]])


def _check_classes(recipe: Recipe, data: Data) -> None:
    """Refuse training clips of which nothing can be learned, or too few of an emotion to divide."""
    clips = Counter(data.manifest[i].emotion for i in data.train)
    if len(clips) < 2:
        raise VocalicsError(
            f"recipe {recipe.name}: every training clip is {next(iter(clips), 'left out')}; expected two emotions or "
            f"more of the scheme {recipe.scheme} ({', '.join(data.emotions)})"
        )
    if few := sorted(name for name, n in clips.items() if n < 2):
        raise VocalicsError(
            f"recipe {recipe.name}: only one training clip is {', one is '.join(few)}; expected two or more of every "
            "emotion; add recordings, or choose a scheme that merges or drops it"
        )


def _validated(classifier: Any, inputs: Any, truth: npt.NDArray[Any]) -> dict[str, float]:
    """Return a fitted classifier's loss and UAR on validation clips, as the only record of its history."""
    probabilities = np.zeros((len(truth), int(max(truth.max(), classifier.classes_.max())) + 1))
    probabilities[:, classifier.classes_] = classifier.predict_proba(inputs)
    loss = -np.log(probabilities[np.arange(len(truth)), truth] + 1e-9).mean()
    uar = unweighted_average_recall(truth, probabilities.argmax(axis=1))
    return {"epoch": 1, "valid_loss": float(loss), "valid_uar": float(uar)}


def _compare_classical(target: Path, classifier: Any, raw: Any, inputs: Any) -> None:
    """Compare the written file's probabilities with the classifier's; the errors are :func:`_compare`'s."""
    model = modelfile.load(target)
    expected = classifier.predict_proba(inputs)
    got = np.concatenate([model.probabilities(row[None]) for row in raw])
    difference = float(np.abs(expected - got).max())
    equal = int((expected.argmax(axis=1) == got.argmax(axis=1)).sum())
    found = {"clips": len(raw), "largest_difference": difference, "equal_emotions": equal}
    (target.parent / COMPARISON).write_text(json.dumps(found), encoding="utf-8")
    if difference > TOLERANCE:
        raise VocalicsError(f"{target}: differs from the trained classifier by {difference:.2g}; report this")


def _encoder_of(chosen: FeatureSet) -> dict[str, Any]:
    """What a card says of the encoder that a model's features come from."""
    folder = encoders.find(encoded_front_end(chosen.name).name)
    return {"encoder": chosen.source, "weights": encoders.identity(folder)}


def _feature_card(recipe: Recipe, data: Data, chosen: Any, n_features: int | None, n_parameters: int) -> Card:
    return card(
        recipe,
        data,
        input="features",
        sample_rate=chosen.sample_rate,
        feature_set=chosen.card_name or chosen.name,
        front_end=_encoder_of(chosen) if chosen.source else {},
        n_features=n_features,
        n_parameters=n_parameters,
    )


def _batches(recipe: Recipe, spec: ModelSpec) -> tuple[Any, Any]:
    """What is done to batches before and after ``fit.restart``."""
    from vocalics.models.logmel_batches import BatchAugmentation
    from vocalics.models.transfer import FrameAugmentation

    kind = BatchAugmentation if spec.features == WAVEFORM else FrameAugmentation
    late = {**recipe.batch, **recipe.late_batch}
    return (
        parse(kind, recipe.batch, f"recipe {recipe.name}: batch"),
        parse(kind, late, f"recipe {recipe.name}: late_batch"),
    )


def _bank(
    recipe: Recipe, spec: ModelSpec, data: Data, cache: Path, progress: Progress | None
) -> tuple[Any, BankSettings]:
    """Spectrograms of all clips, or an encoder's frames; only training clips get augmented copies."""
    front_end = LogMel() if spec.features == WAVEFORM else encoded_front_end(recipe.features)

    def step(done: int, n: int) -> None:
        if progress is not None:
            progress("spectrograms" if spec.features == WAVEFORM else "frames", done, n)

    settings = BankSettings(front_end, recipe.steps, recipe.n_copies, recipe.seed, preparation=recipe.preparation)
    plain = dataclasses.replace(settings, steps=(), n_copies=0)
    rows, others = list(data.train), list(data.validation)
    inputs = np.empty(len(data.manifest), dtype=object)
    inputs[rows] = bank([data.manifest[i] for i in rows], settings, cache, progress=step)
    if others:
        inputs[others] = bank([data.manifest[i] for i in others], plain, cache, progress=step)
    return inputs, settings


def feature_rows(recipe: Recipe, spec: ModelSpec, data: Data, cache: Path, progress: Progress | None) -> Rows:
    """Return the rows that a model of features is fitted to: clips, and the recipe's copies of those that train."""
    chosen = feature_set(recipe.features or spec.features)
    return divided(data, chosen, recipe.copies, recipe.seed, cache, progress or (lambda *_: None), recipe.preparation)
