"""What models are given of clips, from the features that their training has computed.

Features are the same in every fold and for every seed; what takes long is not done again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics import audio, recognizer
from vocalics.dataset import Progress
from vocalics.feature_rows import compute
from vocalics.features.feature_set import SEPARATOR, encoded_front_end, feature_set
from vocalics.logmel_bank import BankSettings, bank
from vocalics.manifest import Manifest
from vocalics.recipe import Recipe
from vocalics.recognizer import Recognizer
from vocalics.segment import speech_seconds


def probabilities(
    model: Recognizer, recipe: Recipe, clips: Manifest, cache: Path, progress: Progress
) -> npt.NDArray[np.float64] | None:
    """Return what a model says of clips, or ``None`` where it takes none of the features that are kept.

    Clip by clip it is what :meth:`Recognizer.predict` says, to rounding: an encoder's frames are kept as float16.

    Args:
        model: The model.
        recipe: That it was trained by.
        clips: The clips.
        cache: Folder of computed features.
        progress: Called with (what, done, all).

    Returns:
        Shape (n_clips, n_emotions); a row of NaN is "no speech".
    """
    rows: Any
    if model.card.input != "features" or model.card.preprocess:
        return None
    if model.card.n_features is not None:
        rows = compute(clips, feature_set(recipe.features or model.card.feature_set), (), 0, cache, progress)[:, 0]
    elif SEPARATOR in recipe.features:
        settings = BankSettings(encoded_front_end(recipe.features), (), 0, recipe.seed)
        kept = bank(list(clips), settings, cache, progress=lambda done, n: progress("frames", done, n))
        rows = [copies[0].astype(np.float32) for copies in kept]
    else:
        return None
    said = np.full((len(clips), len(model.emotions)), np.nan)
    for n, (utterance, row) in enumerate(zip(clips, rows, strict=True)):
        clip = audio.read(utterance.path, model.card.sample_rate)
        if clip.duration > recognizer.WHOLE_SECONDS:
            prediction = model.predict(utterance.path)
            if prediction.confidence > 0:
                said[n] = list(prediction.probabilities.values())
        elif speech_seconds(clip):
            said[n] = model.model.probabilities(row[None])[0]
        progress("judging", n + 1, len(clips))
    return said
