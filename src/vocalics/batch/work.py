"""What is done with a block: the same function whatever the engine."""

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

import vocalics
from vocalics import audio
from vocalics.audio import Clip
from vocalics.batch import remote, store, tables
from vocalics.batch.job import Block, Input, Job, Report, Task
from vocalics.errors import AudioError, MissingExtraError, ModelFileError, VocalicsError
from vocalics.features.feature_set import FeatureSet
from vocalics.recognizer import Prediction, Recognizer, load

LONGEST_FEATURES_SECONDS = 600.0
"""A longer recording has no features: a set takes a clip as a whole, and memory would grow with it."""

_FIRST_PAUSE = 0.5  # seconds before the second attempt; doubled for every one after it
_LONGEST_REASON = 500

Row = Mapping[str, Any]
_LONG_BYTES = 256 * 1024  # a smaller file is judged in a few seconds, however its sound is packed
_SLOWEST = 0.2  # seconds of work per second of sound that are no hang

Heard = Callable[[int, float, float], None]
"""Called with the position of the input that is begun or still worked on, the seconds of sound judged before, and the
seconds that this input may take more than another, since it is long."""


@dataclass(frozen=True)
class _Done:
    """What became of one input: rows, or the reason why there are none."""

    rows: tuple[Row, ...]
    sound_seconds: float
    reason: str
    attempts: int


class Worker:
    """Holds the model and processes blocks.

    Raises:
        VocalicsError: When the model or feature set is not the one that the job names, or a library is missing.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._judge = _judge(job)
        self._schema = self._judge.schema()

    def process(self, block: Block, heard: Heard = lambda _at, _seconds, _more: None) -> Report:
        """Judge a block's inputs and commit them.

        Args:
            block: The inputs.
            heard: Called when an input is begun, now and then while it takes, and before the commit, with the number of
                inputs then.

        Raises:
            MissingExtraError: When nothing can be judged for want of a library.
            OSError: When the results cannot be written.
        """
        rows: list[Row] = []
        failed: list[Row] = []
        done: list[Row] = []
        reasons: Counter[str] = Counter()
        retried: Counter[str] = Counter()
        seconds = 0.0
        for i, item in enumerate(block.inputs):
            heard(i, seconds, 0.0)
            key = tables.key(item, self._job.by_content)
            if block.lost:
                one = _Done((), 0.0, block.lost, block.attempts)
            else:
                # Said again while a long recording is listened to, so that nobody takes it for stuck.
                one = self._attempted(item, retried, lambda m, i=i, s=seconds: heard(i, s, m))  # type: ignore[misc]
            seconds += one.sound_seconds
            rows += [{**key, **row} for row in one.rows]
            if one.reason:
                reasons[kind_of(one.reason)] += 1
                failed.append({**key, "reason": one.reason, "attempts": one.attempts})
            done.append(
                {**key, "failed": bool(one.reason), "sound_seconds": one.sound_seconds, "attempts": one.attempts}
            )
        heard(len(block.inputs), seconds, 0.0)
        store.commit(self._job, block.name, rows, failed, done, self._schema)
        n_bytes = sum(item.size or 0 for item in block.inputs)
        return Report(len(done), len(failed), n_bytes, seconds, dict(reasons), dict(retried))

    def _attempted(self, item: Input, retried: Counter[str], still: Callable[[float], None]) -> _Done:
        for attempt in range(1, self._job.attempts + 1):
            local = item.path
            try:
                with remote.fetched(item.path) as local:
                    _refuse_special(local)
                    more = _more_seconds(local)
                    still(more)
                    return _Done(*self._judge.judged(local, lambda more=more: still(more)), "", attempt)  # type: ignore[misc]
            except MissingExtraError:
                raise
            except Exception as fault:  # one input, whatever is wrong with it, costs itself alone
                error = _of_the_disk(fault, local) or fault
                reason = _reason(error, local, item.path)
                if not remote.is_passing(error) or attempt == self._job.attempts:
                    return _Done((), 0.0, reason, attempt)
                retried[kind_of(reason)] += 1
                time.sleep(_FIRST_PAUSE * 2 ** (attempt - 1))
        raise AssertionError("attempts is at least 1")


def _refuse_special(path: str) -> None:
    """Refuse what may never end or never begin: a pipe, a device."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - what cannot be a path is told when it is opened
    except (OSError, ValueError):
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise AudioError(f"{path}: is no file but a pipe or a device; expected an audio file")


def _of_the_disk(fault: Exception, path: str) -> OSError | None:
    """The disk's own error where that is why sound could not be decoded: to a decoder it looks like an early end."""
    if isinstance(fault, AudioError) and not isinstance(fault.__cause__, OSError) and Path(path).is_file():
        try:
            with Path(path).open("rb") as file:
                while file.read(1 << 20):
                    pass
        except OSError as error:
            return error
    return None


def _more_seconds(path: str) -> float:
    """What a long recording may take besides what any may; its header tells."""
    try:
        long = Path(path).stat().st_size >= _LONG_BYTES
        return _SLOWEST * float(soundfile.info(path).duration) if long else 0.0
    except (OSError, ValueError, soundfile.SoundFileError):
        return 0.0  # whatever it is, it is told when it is judged


def _reason(error: Exception, local: str, path: str) -> str:
    """An error in one line, without the path that stands beside it in its row."""
    text = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, VocalicsError):
        text = f"{type(error).__name__}: {text}"
    for name in (local, path, tables.text(path)):
        text = text.removeprefix(f"{' '.join(name.split())}: ")
    return text.encode("utf-8", "backslashreplace").decode()[:_LONGEST_REASON]


def kind_of(reason: str) -> str:
    """Return what a reason is counted by: its words up to the first particulars.

    >>> kind_of("is truncated (its header promises 9 bytes, 3 are there); expected a complete file")
    'is truncated'
    """
    return reason.split(" (")[0].split("; ")[0].split(", ")[0][:80]


class _Predictions:
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
            return ({"sound_seconds": prediction.end, **_columns(prediction)},), prediction.end
        from vocalics import timeline

        job = self._job
        found = timeline.build(self._recognizer, path, job.window, job.hop, job.mix, lambda _share: still())
        rows = tuple(
            {"channel": channel.name, "start": part.start, "end": part.end, **_columns(part)}
            for channel in found.channels
            for part in (channel.windows if job.windows else channel.segments)
        )
        return rows, found.duration


def _columns(prediction: Prediction) -> Row:
    return {
        "emotion": prediction.label,
        "confidence": prediction.confidence,
        **prediction.probabilities,
        "strangeness": prediction.strangeness,
    }


class _Features:
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


def _judge(job: Job) -> _Predictions | _Features:
    if job.task is Task.FEATURES:
        try:
            from vocalics.features.feature_set import feature_set
        except ModuleNotFoundError:
            raise MissingExtraError("computing features", "features") from None
        features = feature_set(job.feature_set)
        if features.settings != job.feature_settings:
            raise VocalicsError(
                f"the feature set {job.feature_set} is another one here ({features.settings}) than where the batch "
                f"was started ({job.feature_settings}); install the same version everywhere"
            )
        return _Features(job, features)
    recognizer = load(job.model, threads=1)
    if recognizer.model.sha256 != job.model_sha256:
        raise ModelFileError(
            f"the model {job.model} is another file (sha256 {recognizer.model.sha256[:12]}) than when the batch was "
            f"started ({job.model_sha256[:12]}); put that one back"
        )
    return _Predictions(job, recognizer)
