"""What nets and classifiers are fitted to: spectrograms, frames and rows, targets and weights."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.dataset import Data, Progress, draw_weights
from vocalics.distillation import lesson
from vocalics.emotions import scheme
from vocalics.encoders import FrontEnd, about, find
from vocalics.feature_rows import Rows, divided
from vocalics.features.feature_set import encoded_front_end, feature_set
from vocalics.features.logmel import LogMel
from vocalics.frame_hints import frame_hints
from vocalics.listening import soft_labels, votes_in
from vocalics.logmel_bank import BankSettings, bank
from vocalics.models import WAVEFORM, ModelSpec
from vocalics.recipe import Recipe, Teacher

GIVEN = ("n_blocks", "block_width", "encoder", "after")
"""What training tells a net over an encoder's frames; no recipe does."""


def spectrograms(
    recipe: Recipe, spec: ModelSpec, data: Data, cache: Path, progress: Progress | None, over: bool = False
) -> tuple[Any, BankSettings]:
    """Spectrograms of all clips, or an encoder's frames; only training clips get augmented copies.

    Once training is over, those of its clips are not needed any more, but for the first: its size is known by it.
    """
    front_end = LogMel() if spec.features == WAVEFORM else encoded_front_end(recipe.features)

    def step(done: int, n: int) -> None:
        if progress is not None:
            progress("spectrograms" if spec.features == WAVEFORM else "frames", done, n)

    settings = BankSettings(front_end, recipe.steps, recipe.n_copies, recipe.seed, preparation=recipe.preparation)
    plain = dataclasses.replace(settings, steps=(), n_copies=0)
    rows, others = list(data.train), list(data.validation)
    inputs = np.empty(len(data.manifest), dtype=object)
    if over:
        rows, settings = rows[:1], plain
    inputs[rows] = bank([data.manifest[i] for i in rows], settings, cache, progress=step)
    if others:
        inputs[others] = bank([data.manifest[i] for i in others], plain, cache, progress=step)
    return inputs, settings


def feature_rows(recipe: Recipe, spec: ModelSpec, data: Data, cache: Path, progress: Progress | None) -> Rows:
    """Return the rows that a model of features is fitted to: clips, and the recipe's copies of those that train."""
    chosen = feature_set(recipe.features or spec.features)
    return divided(data, chosen, recipe.copies, recipe.seed, cache, progress or (lambda *_: None), recipe.preparation)


def labels_of(recipe: Recipe, data: Data) -> npt.NDArray[np.float32]:
    """The training clips' labels: what the actors meant, mixed with listeners' votes where the recipe says so."""
    clips = data.manifest.take(data.train)
    truth = np.array([data.emotions.index(u.emotion) for u in clips])
    return soft_labels(truth, votes_in([u.ratings for u in clips], scheme(recipe.scheme)), recipe.fit.vote_share)


def possible(data: Data, clips: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Return which classes clips may be of: those that their corpora have among the clips that train and validate.

    Args:
        data: Divided already.
        clips: Positions of clips of these in the manifest.

    Returns:
        Shape (n_clips, n_classes).
    """
    known: dict[str, set[str]] = {}
    for i in (*data.train, *data.validation):
        known.setdefault(data.manifest[i].corpus, set()).add(data.manifest[i].emotion)
    return np.array([[e in known[data.manifest[i].corpus] for e in data.emotions] for i in clips])


def taught(
    recipe: Recipe,
    teacher: Teacher,
    data: Data,
    labels: npt.NDArray[np.float32],
    cache: Path,
    progress: Progress | None,
    over: bool = False,
) -> tuple[dict[str, Any], npt.NDArray[np.float64] | None]:
    """Settings of the classifier: the teacher's targets, and as many hints as they hold; what validation clips count.

    Of a training that is over, only how many there were: nobody learns from them any more, and a teacher is asked only
    where it calibrates.
    """
    step = progress or (lambda *_: None)
    if over:
        calibrates = teacher.calibrates and len(data.validation) > 0
        told = lesson(teacher, data, recipe.seed, cache, step, recipe.preparation) if calibrates else None
        (n_features,) = feature_set(teacher.features).shape
        sizes = {"module__n_hints": min(teacher.n_hints, len(data.train), n_features or 0)}
        if teacher.n_frame_hints:
            front_end = encoded_front_end(teacher.features)
            n_numbers = about(find(front_end.name)).width * len(front_end.blocks)
            sizes["module__n_frame_hints"] = min(teacher.n_frame_hints, n_numbers)
        return sizes, told.counts if told else None
    told = lesson(teacher, data, recipe.seed, cache, step, recipe.preparation)
    settings: dict[str, Any] = {
        "targets": told.targets(labels, teacher.share),
        "hint_weight": teacher.hint_weight,
        "module__n_hints": told.hints.shape[1],
    }
    if teacher.n_frame_hints:
        front_end, clips = encoded_front_end(teacher.features), data.manifest.take(data.train)
        hints = frame_hints(
            clips, front_end, teacher.n_frame_hints, recipe.seed, cache, step, preparation=recipe.preparation
        )
        settings |= {
            "frame_hints": hints,
            "frame_hint_weight": teacher.frame_hint_weight,
            "module__n_frame_hints": hints.n,
        }
    return settings, told.counts


def known_of_frames(spec: ModelSpec, front_end: LogMel | FrontEnd, example: Any) -> dict[str, Any]:
    """What a net over an encoder's frames has to know of them."""
    if isinstance(front_end, LogMel):
        return {}
    n = len(front_end.blocks)
    told = dict(zip(GIVEN, (n, example.shape[0] // n, front_end.name, max(front_end.blocks)), strict=True))
    return {f"module__{k}": v for k, v in told.items() if k in inspect.signature(spec.build).parameters}


def row_weights(recipe: Recipe, data: Data, table: Rows) -> npt.NDArray[np.float64] | None:
    """The weight of every training row, which is its clip's; ``None`` where the recipe names no shares."""
    if not recipe.shares:
        return None
    by_clip = dict(zip(data.train, draw_weights(data, recipe.shares), strict=True))
    return np.array([by_clip[int(i)] for i in table.clips[table.train]])


def speakers_of(data: Data, table: Rows, rows: npt.NDArray[np.int64] | None = None) -> npt.NDArray[np.str_]:
    """Whose each row is, "" where that is not known; of the training rows where no others are named."""
    return np.array([data.manifest[int(i)].speaker for i in table.clips[table.train if rows is None else rows]])
