"""Models that are averaged: their recipes, what each counts, and what they say together."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics import audio, cached_inputs, modelfile, recognizer
from vocalics.confidence import mixture_weights, thresholds
from vocalics.dataset import Data, Progress
from vocalics.errors import RecipeError
from vocalics.manifest import Manifest
from vocalics.modelfile import Card
from vocalics.models import WAVEFORM, model_spec
from vocalics.recipe import Recipe, read
from vocalics.voices import PRIOR, Parts, apart

ENSEMBLE_FILE = "ensemble.json"
"""In an ensemble's run: its members, their weights and the temperature of their mean."""


def members(recipe: Recipe) -> list[Recipe]:
    """Return the recipes of an ensemble's members, as they are trained: its classes, corpora, seed and division.

    Where it names no corpora, each is trained on its own's.
    """
    found = []
    for name in recipe.members:
        member = read(name)
        corpora = recipe.corpora or member.corpora
        found.append(
            dataclasses.replace(
                member,
                scheme=recipe.scheme,
                corpora=corpora,
                shares={c: s for c, s in member.shares.items() if c in corpora},
                seed=recipe.seed,
                validation=recipe.validation,
            )
        )
    return found


def of_voices(recipe: Recipe) -> bool:
    """Return whether a recipe's model gets used to voices: trained for it, a net of sound, or by one of its members."""
    if recipe.members:
        return any(of_voices(member) for member in members(recipe))
    return bool(recipe.batch.get("voice")) or model_spec(recipe.model).features == WAVEFORM


def said_of(
    path: Path,
    recipe: Recipe,
    clips: Manifest,
    cache: Path,
    progress: Progress | None = None,
    parts: Parts | None = None,
    kept: dict[Path, npt.NDArray[np.float64] | None] | None = None,
) -> npt.NDArray[np.float64] | None:
    """Return what a run's model says of clips, from cached features; ``None`` where there are none that it takes.

    Args:
        path: The model file in its run's folder.
        recipe: That it was trained by.
        clips: The clips.
        cache: Folder of computed features.
        progress: Called with (what, done, all).
        parts: Which clips are judged with a known voice; ``None``: with none.
        kept: What models that get used to no voice said of the same clips before; filled.

    Returns:
        Shape (n_clips, n_emotions); a row of NaN is "no speech".
    """
    counted: Progress = progress or (lambda *_: None)
    if not recipe.members:
        model = recognizer.load(path)
        if model.model.voice_width or kept is None:
            return cached_inputs.probabilities(model, recipe, clips, cache, counted, parts)
        if path not in kept:
            kept[path] = cached_inputs.probabilities(model, recipe, clips, cache, counted)
        return kept[path]
    found = [
        said_of(path.parent / member.name / f"{member.name}.onnx", member, clips, cache, progress, parts, kept)
        for member in members(recipe)
    ]
    told = [part for part in found if part is not None]
    if len(told) < len(found):
        return None
    known = json.loads((path.parent / ENSEMBLE_FILE).read_text(encoding="utf-8"))
    mean = _mean(told, known["weights"], known["temperature"])
    reweighed = parts is not None and "known_weights" in known
    in_windows = _in_windows(clips)
    if not reweighed and not in_windows:
        return mean
    whole = recognizer.load(path)
    if parts is not None and reweighed:
        # The share is one of n_clips + PRIOR, so that the graph has it from the voice itself.
        counts = {i: whole.told(clips[i].path) for i in {i for _, heard in parts for i in heard}}
        for judged, heard in parts:
            n = sum(counts[i] for i in heard)
            share = n / (n + PRIOR)
            pairs = zip(known["weights"], known["known_weights"], strict=True)
            weights = [(1 - share) * a + share * b for a, b in pairs]
            factor = (1 - share) * known["temperature"] + share * known["known_temperature"]
            mean[judged] = _mean([part[judged] for part in told], weights, factor)
    # The file takes the mean of windows, which is not that of the members' own means.
    for judged, heard in parts or [(range(len(clips)), ())]:
        if cut := in_windows.intersection(judged):
            knowing = whole.knowing(clips[i].path for i in heard) if heard else whole
            for i in cut:
                said = knowing.predict(clips[i].path)
                mean[i] = [*said.probabilities.values()] if said.confidence > 0 else np.nan
    return mean


def _in_windows(clips: Manifest) -> set[int]:
    """Positions of the clips that are too long to be judged in one piece."""
    seconds = (audio.read(u.path).duration if u.duration is None else u.duration for u in clips)
    return {i for i, length in enumerate(seconds) if length > recognizer.WHOLE_SECONDS}


def _mean(said: Sequence[npt.NDArray[np.float64]], weights: Sequence[float], factor: float) -> npt.NDArray[np.float64]:
    """Mean of probabilities, sharpened or softened by a temperature."""
    mean = np.tensordot(np.asarray(weights), np.array(said), axes=1)
    powered = np.maximum(mean, 1e-12) ** (1 / factor)
    result: npt.NDArray[np.float64] = powered / powered.sum(axis=1, keepdims=True)
    return result


def average(
    recipe: Recipe, data: Data, target: Path, cache: Path, progress: Progress | None, card: Callable[..., Card]
) -> Path:
    """Write the mean of an ensemble's members; weights and temperature are those of its validation speakers.

    Args:
        recipe: The ensemble's.
        data: That the members were trained on.
        target: The model file that is written; each member has a folder of its name beside it.
        cache: Folder of computed features.
        progress: Called with (what, done, all).
        card: Makes a card of a recipe, data and what only the export knows.
    """
    from vocalics.export import average as graphs
    from vocalics.export import card as card_file
    from vocalics.export.average import Mixture
    from vocalics.models.calibration import temperature

    listed = members(recipe)
    paths = [target.parent / member.name / f"{member.name}.onnx" for member in listed]
    mixture, conformal = Mixture.of([1 / len(listed)] * len(listed)), {}
    clips, kept = data.manifest.take(data.validation), dict[Path, Any]()
    if len(clips):
        truth = np.array([data.emotions.index(u.emotion) for u in clips])
        judged, heard = _of_members(listed, paths, clips, cache, progress, kept)
        if not len(heard):
            raise RecipeError(
                f"recipe {recipe.name}: in no validation clip do all members hear speech; their weights cannot be found"
            )
        weights = mixture_weights(judged, truth[heard])
        factor = temperature(_mean(judged, weights, 1.0), truth[heard])
        conformal = thresholds(_mean(judged, weights, factor), truth[heard])
        mixture = Mixture.of(weights, factor)
        if any(modelfile.load(path).voice_width for path in paths):
            # Known as well as a validation speaker's other clips allow: nearly all there is to know.
            others = apart(clips, len(clips), np.random.default_rng(recipe.seed))
            judged, heard = _of_members(listed, paths, clips, cache, progress, kept, others)
            weights = mixture_weights(judged, truth[heard])
            known = temperature(_mean(judged, weights, 1.0), truth[heard])
            mixture = dataclasses.replace(mixture, known_weights=tuple(weights), known_temperature=known)
    found = {"members": [m.name for m in listed], **dataclasses.asdict(mixture)}
    (target.parent / ENSEMBLE_FILE).write_text(json.dumps(found), encoding="utf-8")
    files = [path.read_bytes() for path in paths]
    graph, taken = graphs.average(files, mixture)
    cards = [modelfile.load(data).card for data in files]
    about = card(
        recipe,
        data,
        input=cards[0].input,
        sample_rate=cards[0].sample_rate,
        feature_set=taken,
        front_end=cards[0].front_end,
        trim_db=cards[0].trim_db,
        n_features=cards[0].n_features if taken == cards[0].feature_set else None,
        n_parameters=sum(c.n_parameters for c in cards),
        temperature=mixture.temperature,
        conformal=conformal,
    )
    card_file.write(target, graph, dataclasses.replace(about, preprocess=cards[0].preprocess))
    return target


def _of_members(
    listed: Sequence[Recipe],
    paths: Sequence[Path],
    clips: Manifest,
    cache: Path,
    progress: Progress | None,
    kept: dict[Path, Any],
    parts: Parts | None = None,
) -> tuple[list[npt.NDArray[np.float64]], npt.NDArray[np.int64]]:
    """What each member says of the clips in which all of them hear somebody, and the positions of those."""
    said = [said_of(p, m, clips, cache, progress, parts, kept) for p, m in zip(paths, listed, strict=True)]
    judged = [
        np.nan_to_num(_predicted(path, clips, parts) if one is None else one)
        for path, one in zip(paths, said, strict=True)
    ]
    heard = np.flatnonzero(np.all([one.sum(axis=1) > 0 for one in judged], axis=0))
    return [one[heard] for one in judged], heard


def _predicted(path: Path, clips: Manifest, parts: Parts | None) -> npt.NDArray[np.float64]:
    """What a model says of clips, from their files, as :func:`said_of` does."""
    model = recognizer.load(path)
    said = np.zeros((len(clips), len(model.emotions)))
    for together, heard in parts if parts is not None and model.model.voice_width else [(range(len(clips)), ())]:
        knowing = model.knowing(clips[i].path for i in heard) if heard else model
        for i in together:
            said[i] = [*knowing.predict(clips[i].path).probabilities.values()]
    return said
