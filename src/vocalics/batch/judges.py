"""What becomes of one input, by task: rows, and how long its sound is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import vocalics
from vocalics import audio
from vocalics.audio import Clip
from vocalics.batch import tables
from vocalics.batch.job import Job, Task
from vocalics.errors import AudioError, ModelFileError, VocalicsError
from vocalics.features.feature_set import FeatureSet, feature_set
from vocalics.recognizer import Prediction, Recognizer, load

LONGEST_FEATURES_SECONDS = 600.0
"""A longer recording has no features: a set takes a clip as a whole, and memory would grow with it."""

Row = Mapping[str, Any]


class Predictions:
    """The emotion of every recording as a whole, or of the parts of its channels."""

    def __init__(self, job: Job, recognizer: Recognizer) -> None:
        self._job, self._recognizer = job, recognizer

    def schema(self) -> Any:
        """The type of the rows."""
        card = self._recognizer.card
        about = {"model": card.name, "model_sha256": self._recognizer.model.sha256, **_version()}
        return tables.results(self._job, card.emotions, False, about)

    def judged(self, path: str, still: Callable[[], None]) -> tuple[tuple[Row, ...], float]:
        """The rows of a recording, and its length in seconds."""
        if self._job.task is Task.PREDICT:
            prediction = self._recognizer.predict(path)
            return ({"sound_seconds": prediction.end, **self._columns(prediction)},), prediction.end
        from vocalics import timeline

        job = self._job
        found = timeline.build(
            self._recognizer, path, job.window, job.hop, job.mix, lambda _share: still(), adapt=job.adapt
        )
        rows = tuple(
            {"channel": channel.name, "start": part.start, "end": part.end, **self._columns(part)}
            for channel in found.channels
            for part in (channel.windows if job.windows else channel.segments)
        )
        return rows, found.duration

    def _columns(self, prediction: Prediction) -> Row:
        return {
            "emotion": prediction.label if self._job.format == 1 else prediction.emotion,
            "label": prediction.label,  # a format without the column leaves it out
            "confidence": prediction.confidence,
            **prediction.probabilities,
            "strangeness": prediction.strangeness,
        }


class Features:
    """A feature set of every recording."""

    def __init__(self, job: Job, features: FeatureSet) -> None:
        self._job, self._features = job, features

    def schema(self) -> Any:
        """The type of the rows."""
        about = {"feature_set": self._features.settings, **_version()}
        return tables.results(self._job, self._features.columns, not self._features.is_vector, about)

    def judged(self, path: str, still: Callable[[], None]) -> tuple[tuple[Row, ...], float]:
        """The row of a recording, and its length in seconds."""
        pieces, seconds = [], 0.0
        for block in audio.stream(path):
            still()
            pieces.append(block.samples)
            seconds += block.duration
            if seconds > LONGEST_FEATURES_SECONDS:
                raise AudioError(
                    f"{path}: lasts more than {LONGEST_FEATURES_SECONDS:g} s, too long to be taken as a whole; cut it "
                    "first: vocalics prepare --segment"
                )
            rate = block.sample_rate
        values = self._features.extract(Clip(np.concatenate(pieces), rate))
        row = dict(zip(self._features.columns, values.tolist(), strict=True))
        return ({"sound_seconds": seconds, **row},), seconds


def _version() -> dict[str, str]:
    return {"vocalics_version": vocalics.__version__}


def judge_of(job: Job) -> Predictions | Features:
    """Return what judges an input of a job.

    Raises:
        VocalicsError: When the model or feature set is not the one that the job names.
        MissingExtraError: When a library is missing.
    """
    if job.task is Task.FEATURES:
        features = feature_set(job.feature_set)
        if features.settings != job.feature_settings:
            raise VocalicsError(
                f"the feature set {job.feature_set} is another one here ({features.settings}) than where the batch "
                f"was started ({job.feature_settings}); install the same version everywhere"
            )
        return Features(job, features)
    recognizer = load(job.model, threads=1)
    if recognizer.model.sha256 != job.model_sha256:
        raise ModelFileError(
            f"the model {job.model} is another file (sha256 {recognizer.model.sha256[:12]}) than when the batch was "
            f"started ({job.model_sha256[:12]}); put that one back"
        )
    return Predictions(job, recognizer)
