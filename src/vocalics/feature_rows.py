"""The rows that a model of features is fitted to: clips, and the augmented copies of those that train.

A copy is made from the excerpt that the feature set hears, at its rate: so the published systems do it. The features of
a clip and its copies are one file in the cache, named by the clip's content in a folder named by all settings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics import audio
from vocalics.augment import Step, material
from vocalics.augment.copies import augmented
from vocalics.dataset import Data, Progress
from vocalics.errors import AudioError, FeatureError, VocalicsError
from vocalics.features.cache import CHANGED, extract_manifest, here_or_in_processes, processes, with_own_digests
from vocalics.features.feature_set import FeatureSet, feature_set
from vocalics.files import replacing
from vocalics.manifest import Manifest, Utterance
from vocalics.preprocess import Preparation
from vocalics.preprocess import chain as prepare

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]
Chains = tuple[tuple[Step, ...], ...]


@dataclass(frozen=True, eq=False)
class Rows:
    """Features with their emotions, and which of them train and validate.

    Attributes:
        features: float32, shape (n_rows, ...), not scaled.
        emotions: The class of each row, shape (n_rows,).
        clips: Of which clip of the manifest each row is, shape (n_rows,).
        copies: 0 for the clip itself, else the number of the copy, shape (n_rows,).
        train: Positions of the rows that train.
        validation: Positions of the rows that validate.
    """

    features: Floats
    emotions: npt.NDArray[np.str_]
    clips: Positions
    copies: Positions
    train: Positions
    validation: Positions

    @property
    def scaler(self) -> tuple[Floats, Floats]:
        """Mean and deviation of the training rows, of the shape of one row; a deviation of next to 0 counts as 1."""
        rows = self.features[self.train]
        # Sums of float32 are off by more than a column that hardly varies deviates.
        mean = rows.mean(axis=0, dtype=np.float64)
        squares = sum(np.square(some - mean).sum(axis=0) for some in np.array_split(rows, len(rows) // 256 + 1))
        scale = np.sqrt(squares / len(rows))
        return mean.astype(np.float32), divisors(mean, scale).astype(np.float32)


def divisors(mean: Doubles, deviation: Doubles) -> Doubles:
    """Return what columns are divided by to bring them to a deviation of 1: their own, but for 1 where it is next to 0.

    What hardly varies in the rows that are known would be blown up in others that are off by as little.

    Args:
        mean: Of the columns, in float64: sums of float32 are off by more than a column that hardly varies deviates.
        deviation: Of the columns.
    """
    return np.where(deviation < 1e-6 * (np.abs(mean) + 1e-2), 1.0, deviation)


def divided(
    data: Data,
    features: FeatureSet,
    copies: Chains,
    seed: int,
    cache: Path,
    progress: Progress,
    preparation: tuple[Preparation, ...] = (),
) -> Rows:
    """Return the rows of a run: every training and validation clip, and the copies of the training clips.

    Args:
        data: Divided already: what is augmented is the training part alone.
        features: What is computed.
        copies: The chain of steps of every copy.
        seed: Of the copies.
        cache: Folder of computed features.
        progress: Called with ("features", done, all).
        preparation: Preprocessing of every clip.

    Raises:
        AudioError: For a clip that cannot be read.
    """
    train, validation = np.array(data.train, np.int64), np.array(data.validation, np.int64)
    both = [compute(data.manifest.take(part), features, chains, seed, cache, progress, preparation)
            for part, chains in ((data.train, copies), (data.validation, ())) if part]  # fmt: skip
    n_copies = len(copies) + 1
    names = np.array([u.emotion for u in data.manifest])
    clips = np.concatenate([np.repeat(train, n_copies), validation])
    return Rows(
        np.concatenate([part.reshape(-1, *part.shape[2:]) for part in both]),
        names[clips],
        clips,
        np.concatenate([np.tile(np.arange(n_copies), len(train)), np.zeros(len(validation), np.int64)]),
        np.arange(len(train) * n_copies),
        np.arange(len(validation)) + len(train) * n_copies,
    )


def compute(
    manifest: Manifest,
    features: FeatureSet,
    copies: Chains,
    seed: int,
    cache: Path,
    progress: Progress,
    preparation: tuple[Preparation, ...] = (),
) -> Floats:
    """Return the features of every clip and its copies, shape (n_clips, n_copies + 1, ...).

    Args:
        manifest: Whose clips.
        features: A set of fixed size.
        copies: The chain of steps of every copy; the randomness of a copy follows from seed, number and content.
        seed: Of the copies.
        cache: Folder of computed features.
        progress: Called with ("features", done, all).
        preparation: Preprocessing of every clip, at the set's rate, before it is cut and copied.

    Raises:
        AudioError: For a clip that cannot be read.
        FeatureError: For a set whose size follows the clip's length, and a file that changed since it was scanned.
    """
    shape = tuple(n for n in features.shape if n is not None)
    if len(shape) < len(features.shape):
        raise FeatureError(f"{features.name}: its size follows the clip's length; expected a set of fixed size")
    if not copies and not preparation:
        plain = extract_manifest(manifest, features, cache, progress=lambda done, n: progress("features", done, n))
        found = []
        for row in plain:
            if row.values is None:
                if row.error.endswith(CHANGED):
                    raise FeatureError(row.error)
                raise AudioError(f"{row.error}; take the clip out of the manifest")
            found.append(row.values)
        return np.stack(found)[:, None].astype(np.float32)
    manifest = with_own_digests(manifest)
    settings = f"{features.settings} {copies!r} {seed}" + (f" {preparation!r}" if preparation else "")
    settings += material(step for steps in copies for step in steps)
    folder = cache / f"{features.folder_name}-copies-{hashlib.sha256(settings.encode()).hexdigest()[:12]}"
    work = partial(_stored, name=features.name, copies=copies, seed=seed, preparation=preparation, folder=folder)
    out = np.empty((len(manifest), len(copies) + 1, *shape), np.float32)
    workers = processes(sum(not _file(folder, u).is_file() for u in manifest))
    rows = here_or_in_processes(work, manifest, workers, features.name)
    for i, values in enumerate(rows):
        if isinstance(values, str):
            raise AudioError(f"{values}; take the clip out of the manifest")
        out[i] = values
        progress("features", i + 1, len(manifest))
    return out


def _file(folder: Path, utterance: Utterance) -> Path:
    return folder / utterance.digest[:2] / f"{utterance.digest}.npy"


def _stored(
    utterance: Utterance, name: str, copies: Chains, seed: int, preparation: tuple[Preparation, ...], folder: Path
) -> Floats | str:
    """A clip's features and its copies', from the cache where it has them; or why they cannot be computed."""
    path = _file(folder, utterance)
    try:
        kept: Any = np.load(path, allow_pickle=False)
        return np.asarray(kept, np.float32)
    except (OSError, ValueError, EOFError):
        pass
    try:
        values = _with_copies(utterance, feature_set(name), copies, seed, preparation)
    except VocalicsError as error:
        text = str(error)
        return text if utterance.path in text else f"{utterance.path}: {text}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, keep_suffix=True) as part:
        np.save(part, values, allow_pickle=False)
    return values


def _with_copies(
    utterance: Utterance,
    features: FeatureSet,
    copies: Sequence[Sequence[Step]],
    seed: int,
    preparation: Sequence[Preparation],
) -> Floats:
    clip = audio.read(utterance.path)
    if preparation:  # as before a prediction
        clip = prepare(preparation, audio.resample(clip, features.sample_rate))
    excerpt = features.excerpt(clip)
    found = [features.of_excerpt(excerpt)]
    for number, steps in enumerate(copies):
        found.append(features.of_excerpt(augmented(excerpt, steps, seed, number, utterance.digest)))
    return np.stack(found).astype(np.float32)
