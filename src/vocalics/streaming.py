"""Emotions of sound as it comes in: samples are fed in pieces of any size, predictions come out as windows fill.

A stream holds its own state (a resampler's tail, the samples that the next window needs) over a model that any number
of streams share. What comes out is what :meth:`vocalics.recognizer.Recognizer.timeline` says of the same samples,
however they are cut into pieces, and memory does not grow with the stream.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from vocalics.audio import Clip, Resampler, Samples
from vocalics.errors import AudioError, VocalicsError
from vocalics.recognizer import NO_SPEECH, Prediction, Recognizer
from vocalics.voices import Voice
from vocalics.windows import Windows

HOP_SECONDS = 0.5
"""Between two predictions of a stream, where nothing else is asked for."""


def default_hop(recognizer: Recognizer, window: float | None) -> float:
    """Return the seconds from one prediction of a stream to the next where nobody says."""
    return min(HOP_SECONDS, recognizer.card.window_seconds if window is None else window)


class StreamingRecognizer:
    """One stream of sound over a shared model.

    Args:
        recognizer: The model; nothing of it is changed.
        sample_rate: Of what is fed, in Hz.
        window: Length of a window in seconds; the card's where ``None``.
        hop: Seconds from one prediction to the next, at most ``window``; see :func:`default_hop` where ``None``.
        name: What the predictions call the stream.
        adapt: Get used to the voice: each window is judged with what those before it told of it.

    Raises:
        AudioError: For a rate that is none.
        VocalicsError: For a window or hop as in :meth:`Recognizer.timeline`, or a model that gets used to no voice.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        sample_rate: int,
        window: float | None = None,
        hop: float | None = None,
        name: str = "",
        adapt: bool = False,
    ) -> None:
        self._follower = recognizer.follow() if adapt else None
        self.recognizer, self.sample_rate, self.name = recognizer, sample_rate, name
        self._resampler = Resampler(sample_rate, recognizer.card.sample_rate, name or "the stream")
        hop = default_hop(recognizer, window) if hop is None else hop
        self._windows: Windows | None = recognizer.windows(window, hop)
        self._n_fed = 0

    @property
    def voice(self) -> Voice | None:
        """What is known of the voice by now; ``None`` where the stream does not get used to it."""
        return None if self._follower is None else self._follower.voice

    @property
    def seconds(self) -> float:
        """How much sound was fed."""
        return self._n_fed / self.sample_rate

    def feed(self, samples: npt.ArrayLike) -> list[Prediction]:
        """Take samples in; return a prediction for every window that they complete, in order, mostly none.

        Args:
            samples: float in -1 to 1, or integers at their full scale; (n,) or (n, n_channels), which are averaged.

        Raises:
            AudioError: For values that are not finite, or of another kind; the stream goes on without them.
            VocalicsError: When the stream has ended.
        """
        return [self.judge(clip) for clip in self.cut(samples)]

    def flush(self) -> list[Prediction]:
        """End the stream; return predictions of what was left.

        Raises:
            AudioError: When nothing was fed at all.
        """
        return [self.judge(clip) for clip in self.rest()]

    def cut(self, samples: npt.ArrayLike) -> list[tuple[int, Clip]]:
        """Do what :meth:`feed` does without asking the model: return the windows that are complete.

        For a server, which cuts here and judges (:meth:`judge`) elsewhere.

        Returns:
            Each window with the position of its first sample, at the model's rate.
        """
        if self._windows is None:
            raise VocalicsError(f"{self.name or 'the stream'} has ended; open another one")
        given = Clip.from_array(samples, self.sample_rate, self.name or "the stream").samples
        self._n_fed += len(given)
        return self._clips(self._windows.feed(self._resampler.feed(given)))

    def rest(self) -> list[tuple[int, Clip]]:
        """Do what :meth:`flush` does without asking the model."""
        if self._windows is None:
            return []
        windows, self._windows = self._windows, None
        if not self._n_fed:
            raise AudioError(f"{self.name or 'the stream'}: holds no samples; expected sound")
        clips = self._clips(windows.feed(self._resampler.feed(np.zeros(0, np.float32), last=True)))
        return clips + self._clips(windows.flush())

    def judge(self, window: tuple[int, Clip]) -> Prediction:
        """Return the prediction for a window of :meth:`cut`.

        Nothing of the stream's state is touched, but for what is known of the voice where it gets used to one: windows
        are to be judged in their order then.
        """
        judge = self.recognizer.judge_window if self._follower is None else self._follower.judge
        return judge(*window, self.name)

    def _clips(self, windows: Iterable[tuple[int, Samples]]) -> list[tuple[int, Clip]]:
        rate = self.recognizer.card.sample_rate
        return [(start, Clip(samples, rate)) for start, samples in windows]


class Backlog:
    """Windows of a stream that are cut and not judged yet, in order.

    Args:
        rate: Samples a second of the windows.
        max_lag: A window whose end lies further behind what was heard, in seconds of sound, is left out as soon as a
            later one is there: who watches live wants the newest. ``None`` keeps all.

    Attributes:
        n_skipped: Windows that were left out so far.
    """

    def __init__(self, rate: int, max_lag: float | None = None) -> None:
        self.rate, self.max_lag, self.n_skipped = rate, max_lag, 0
        self._windows: deque[tuple[int, Clip]] = deque()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._windows)

    def extend(self, windows: Iterable[tuple[int, Clip]]) -> None:
        """Take windows in, as :meth:`StreamingRecognizer.cut` gives them."""
        self._windows.extend(windows)

    def take(self, heard: float) -> tuple[int, Clip]:
        """Return the window to be judged next, and leave out those that are too old for it.

        May be called from another thread than :meth:`extend`, by one at a time.

        Args:
            heard: Seconds of the stream that have come in.

        Raises:
            IndexError: When none waits.
        """
        window = self._windows.popleft()
        while self.max_lag is not None and self._windows and heard - self._end(window) > self.max_lag:
            window = self._windows.popleft()
            self.n_skipped += 1
        return window

    def _end(self, window: tuple[int, Clip]) -> float:
        start, clip = window
        return (start + len(clip.samples)) / self.rate


@dataclass(frozen=True)
class Shown:
    """What a display shows at one moment.

    Attributes:
        prediction: The window's own prediction, as it is.
        emotion: What is shown: the emotion that has been in front for long enough; ``None`` while nobody speaks, or
            the recognizer abstains.
        since: When it came, in seconds of the stream.
        probabilities: Smoothed; all 0 while nobody speaks.
        changed: Whether something else was shown before.
        label: What is shown in words: the emotion, "no speech", "unfamiliar" or "unsure".
    """

    prediction: Prediction
    emotion: str | None
    since: float
    probabilities: Mapping[str, float]
    changed: bool
    label: str

    @property
    def confidence(self) -> float:
        """The smoothed probability of the emotion that is shown; 0 where none is."""
        return self.probabilities.get(self.emotion or "", 0.0)


@dataclass
class Display:
    """Predictions made steady for the eye: smoothed, and slow to change, without a change to the predictions.

    Probabilities follow an exponential average. What is shown changes when another emotion's average is ahead by a
    margin, or has been ahead at all for a while; and when speech begins or ends. What the recognizer leaves open
    ("unsure", "unfamiliar") is shown once it has done so for the same while, or where nothing else is shown.

    Attributes:
        smoothing: Time constant of the average in seconds; 0 is none.
        margin: How far another emotion has to be ahead to be shown at once.
        patience: Seconds after which any lead is enough.
        quiet: Seconds without speech after which nothing is shown.
    """

    smoothing: float = 1.5
    margin: float = 0.1
    patience: float = 2.0
    quiet: float = 2.0
    _mean: npt.NDArray[np.float64] | None = dataclasses.field(default=None, init=False, repr=False)
    _shown: str | None = dataclasses.field(default=None, init=False, repr=False)
    _since: float = dataclasses.field(default=0.0, init=False, repr=False)
    _rival: tuple[str, float] | None = dataclasses.field(default=None, init=False, repr=False)
    _open: float | None = dataclasses.field(default=None, init=False, repr=False)
    _heard: float = dataclasses.field(default=0.0, init=False, repr=False)
    _end: float = dataclasses.field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name in ("smoothing", "margin", "patience", "quiet"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise VocalicsError(f"{name} = {getattr(self, name):g}; expected 0 or more")

    def update(self, prediction: Prediction) -> Shown:
        """Take the next prediction of a stream in; return what is to be shown."""
        emotions, end = tuple(prediction.probabilities), prediction.end
        before, passed = self._shown, max(0.0, end - self._end)
        self._end = end
        if prediction.confidence > 0:
            values = np.array(list(prediction.probabilities.values()))
            keep = float(np.exp(-passed / self.smoothing)) if self.smoothing and self._mean is not None else 0.0
            self._mean = values if self._mean is None else keep * self._mean + (1 - keep) * values
            self._heard = end
            if prediction.emotion is None:
                self._leave_open(prediction.label, emotions, end)
            else:
                self._open = None
                self._choose(emotions, end)
        elif end - self._heard >= self.quiet:
            self._mean = self._shown = self._rival = self._open = None
        if self._shown != before:
            self._since = end
        held = np.zeros(len(emotions)) if self._mean is None else self._mean
        smoothed = MappingProxyType(dict(zip(emotions, held.tolist(), strict=True)))
        emotion = self._shown if self._shown in smoothed else None
        changed = self._shown != before
        return Shown(prediction, emotion, self._since, smoothed, changed, self._shown or NO_SPEECH)

    def _leave_open(self, label: str, emotions: tuple[str, ...], end: float) -> None:
        self._open = end if self._open is None else self._open
        if self._shown not in emotions or end - self._open >= self.patience:
            self._shown, self._rival = label, None

    def _choose(self, emotions: tuple[str, ...], end: float) -> None:
        assert self._mean is not None
        first = emotions[int(self._mean.argmax())]
        if self._shown not in emotions:
            self._shown = first
        if first == self._shown:
            self._rival = None
            return
        if self._rival is None or self._rival[0] != first:
            self._rival = (first, end)
        lead = float(self._mean.max() - self._mean[emotions.index(self._shown)])
        if lead >= self.margin or end - self._rival[1] >= self.patience:
            self._shown, self._rival = first, None
