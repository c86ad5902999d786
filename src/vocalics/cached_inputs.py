"""What models are given of clips, from the features that their training has computed.

Features are the same in every fold and for every seed; what takes long is not done again.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics import audio, recognizer
from vocalics.dataset import Progress
from vocalics.errors import ModelFileError
from vocalics.feature_rows import compute
from vocalics.features.feature_set import SEPARATOR, encoded_front_end, feature_set
from vocalics.logmel_bank import BankSettings, bank
from vocalics.manifest import Manifest
from vocalics.recipe import Recipe
from vocalics.recognizer import Recognizer
from vocalics.segment import speech_seconds
from vocalics.voices import Parts, Voice


def probabilities(
    model: Recognizer, recipe: Recipe, clips: Manifest, cache: Path, progress: Progress, parts: Parts | None = None
) -> npt.NDArray[np.float64] | None:
    """Return what a model says of clips, or ``None`` where it takes none of the features that are kept.

    Clip by clip it is what :meth:`Recognizer.predict` says, to rounding: an encoder's frames are kept as float16.

    Args:
        model: The model.
        recipe: That it was trained by.
        clips: The clips.
        cache: Folder of computed features.
        progress: Called with (what, done, all).
        parts: Which clips are judged with a known voice, where the model gets used to one; ``None``: with none.

    Returns:
        Shape (n_clips, n_emotions); a row of NaN is "no speech".

    Raises:
        ModelFileError: When a probability is not finite.
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
    every = range(len(clips))
    spoken, long, done = np.zeros(len(clips)), np.zeros(len(clips), bool), 0
    for i, utterance in enumerate(clips):
        clip = audio.read(utterance.path, model.card.sample_rate)
        spoken[i], long[i] = speech_seconds(clip), clip.duration > recognizer.WHOLE_SECONDS
    for judged, heard in parts if parts is not None and model.model.voice_width else [(every, ())]:
        voice = Voice.unknown(model.model.sha256, model.model.voice_width)
        for i in heard:
            if long[i]:  # cut into windows, each of which tells of the voice
                voice = model.learn(clips[i].path, voice=voice)
            elif spoken[i]:
                left = model.model.hear(rows[i][None], voice.offset)[-1][0]
                voice = voice.heard(left, recognizer.voice_weight(float(spoken[i])))
        known = dataclasses.replace(model, voice=voice) if voice.n_clips else model
        for i in judged:
            if long[i]:
                prediction = known.predict(clips[i].path)
                if prediction.confidence > 0:
                    said[i] = list(prediction.probabilities.values())
            elif spoken[i]:
                said[i] = known.model.judge(rows[i][None], known.offset)[0][0]
                if not np.isfinite(said[i]).all():  # would be taken for "no speech"
                    raise ModelFileError(
                        f"{clips[i].path}: the model {model.card.name} gave {said[i]} instead of "
                        f"{len(model.emotions)} probabilities; train it again, at a lower rate where it is a net"
                    )
            done += 1
            progress("judging", done, len(clips))
    return said
