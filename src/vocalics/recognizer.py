"""From audio to emotion: the only path.

A recording of up to :data:`WHOLE_SECONDS` goes through the model in one piece. A longer one is read in blocks and cut
into consecutive windows; the probabilities of those that hold speech are averaged, each weighted by how much speech it
holds. Memory does not grow with length, and the result does not depend on how the recording was read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics import audio, confidence, modelfile
from vocalics.audio import Clip
from vocalics.errors import AudioError, FeatureError, ModelFileError, UsageError, VocalicsError
from vocalics.modelfile import Card, LoadedModel
from vocalics.named_models import DEFAULT, model_path
from vocalics.preprocess import Preparation, chain, trim_silence
from vocalics.segment import speech_seconds
from vocalics.voices import Voice
from vocalics.windows import Windows, cut

NO_SPEECH = "no speech"
"""The label of a prediction that names no emotion, since nobody speaks."""

UNSURE = "unsure"
"""The label of a prediction that names no emotion, since none is probable enough."""

UNFAMILIAR = "unfamiliar"
"""The label of a prediction that names no emotion, since the sound is too strange."""

WHOLE_SECONDS = 10.0
"""A recording of at most this length is judged in one piece."""

Source = str | os.PathLike[str] | bytes | Clip | npt.ArrayLike
"""What can be judged: a path, the bytes of an audio file, a clip, or an array (with its sample rate)."""


@dataclass(frozen=True)
class Prediction:
    """What a model says about a stretch of sound.

    Attributes:
        path: The file; "-" for bytes, empty for a clip or an array.
        start: In seconds from the recording's beginning.
        end: In seconds.
        emotion: The most probable emotion, or ``None`` where the sound holds no speech, or the recognizer abstains.
        confidence: The highest probability, 0 where there is no speech.
        probabilities: Of every emotion of the model, in its order; their sum is 1, or 0 where there is no speech.
        model: The model's name.
        candidates: The emotions among which the true one is as often as the recognizer's ``coverage`` says, the most
            probable first; empty where no coverage was asked for, or nobody speaks.
        strangeness: How far the sound is from the voices that the model knows; below 1 for 95 of 100 of them. ``None``
            where the model does not tell, or nobody speaks.
        unfamiliar: Whether it is stranger than the recognizer allows.
    """

    path: str
    start: float
    end: float
    emotion: str | None
    confidence: float
    probabilities: Mapping[str, float] = field(hash=False)
    model: str
    candidates: tuple[str, ...] = ()
    strangeness: float | None = None
    unfamiliar: bool = False

    @property
    def label(self) -> str:
        """The emotion, or "no speech", "unfamiliar" or "unsure"."""
        if self.emotion is not None:
            return self.emotion
        return UNFAMILIAR if self.unfamiliar else UNSURE if self.confidence > 0 else NO_SPEECH


@dataclass(frozen=True, eq=False)
class Recognizer:
    """A model that turns sound into predictions; it holds no state between calls.

    It can be pickled, for a pool of processes say, and keeps its settings. A model file of up to 8 MB travels along; of
    a larger one, as ``accurate`` with its encoder, path and hash do, so that the same file must be where it arrives.
    Unpickling loads the model, which takes a moment: hand it to a process once, not with every recording.

    Attributes:
        model: The verified model file.
        abstain_below: A prediction whose highest probability is below this names no emotion.
        coverage: How often a prediction's candidates are to hold the true emotion, one of those that the model's card
            knows (0.8, 0.9 or 0.95); ``None`` asks for no candidates.
        unfamiliar_above: A prediction whose strangeness is above this names no emotion; ``None`` allows any.
        voice: What is known of the voice that is judged, see :meth:`learn`; ``None`` is nothing.

    Raises:
        VocalicsError: For a probability that is none, a coverage that the card does not know, a limit of strangeness
            where the model does not tell it, or a voice that another model learned.
    """

    model: LoadedModel
    abstain_below: float = 0.0
    coverage: float | None = None
    unfamiliar_above: float | None = None
    voice: Voice | None = None

    def __post_init__(self) -> None:
        if self.voice is not None:
            self._own(self.voice)
        if self.unfamiliar_above is not None and not self.unfamiliar_above > 0:
            raise UsageError(f"unfamiliar_above = {self.unfamiliar_above:g}: expected above 0")
        if self.unfamiliar_above is not None and not self.model.tells_strangeness:
            raise VocalicsError(
                f"unfamiliar_above = {self.unfamiliar_above:g}: the model {self.card.name} does not tell it; vocalics "
                "models calibrate adds it to a net that ends in a linear layer, which accurate does not"
            )
        if not 0 <= self.abstain_below <= 1:
            raise UsageError(f"abstain_below = {self.abstain_below:g} is no probability; expected 0 to 1")
        if self.coverage is not None and not 0 < self.coverage < 1:
            raise UsageError(f"coverage = {self.coverage:g}: expected above 0 and below 1")
        if self.coverage is not None and confidence.chosen(self.card.conformal, self.coverage) is None:
            known = ", ".join(self.card.conformal)
            what = (
                f"knows the coverages {known}"
                if known
                else "was not calibrated for sets of candidates; vocalics models calibrate adds some"
            )
            raise VocalicsError(f"coverage = {self.coverage:g}: the model {self.card.name} {what}")

    @property
    def card(self) -> Card:
        """What is known about the model."""
        return self.model.card

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions in the order of the probabilities."""
        return self.model.card.emotions

    @property
    def offset(self) -> npt.NDArray[np.float32] | None:
        """What the model's graph is given of the voice."""
        return None if self.voice is None else self.voice.offset

    def unknown_voice(self) -> Voice:
        """Return a voice of which nothing is known.

        Raises:
            VocalicsError: For a model that gets used to none.
        """
        if not self.model.voice_width:
            raise VocalicsError(
                f"the model {self.card.name} gets used to no voice; expected one that does: a bundled one, or a "
                "net of sound of vocalics train (one that is older: vocalics models voices)"
            )
        return Voice.unknown(self.model.sha256, self.model.voice_width)

    def _own(self, voice: Voice) -> Voice:
        """Return a voice that this very model learned.

        Raises:
            VocalicsError: For another one.
        """
        if not isinstance(voice, Voice):
            raise VocalicsError(f"the voice is a {type(voice).__name__}; expected a Voice, as Voice.read(path) gives")
        if not self.model.voice_width:
            raise VocalicsError(
                f"the model {self.card.name} gets used to no voice; the voice is for another one: name that (--model)"
            )
        if voice.model != self.model.sha256:
            raise VocalicsError(
                f"the voice was learned by another model, or another version of it ({voice.model[:12]}), than this "
                f"{self.card.name} ({self.model.sha256[:12]}); name that one, or learn the voice again (vocalics voice)"
            )
        if len(voice.total) != self.model.voice_width:
            raise VocalicsError(
                f"the voice holds {len(voice.total)} numbers, {self.card.name} takes {self.model.voice_width}"
            )
        return voice

    def follow(self, voice: Voice | None = None) -> Follower:
        """Return what judges windows of one voice in their order, and gets used to it.

        Args:
            voice: What is known already; the recognizer's own where ``None``.

        Raises:
            VocalicsError: For a model that gets used to none, or a voice that another one learned.
        """
        known = voice or self.voice
        return Follower(self, self.unknown_voice() if known is None else self._own(known))

    def learn(self, source: Source, sample_rate: int | None = None, voice: Voice | None = None) -> Voice:
        """Get used to a voice from a recording of it, whatever it expresses there.

        Args:
            source: As for :meth:`predict`; one voice, as it will be judged: microphone, room and line are learned too.
            sample_rate: As for :meth:`predict`.
            voice: What is known already; the recognizer's own where ``None``.

        Returns:
            What is known then: dataclasses.replace(recognizer, voice=...) judges by it.

        Raises:
            AudioError: When the source is not usable sound.
            VocalicsError: For a model that gets used to none, or a voice that another one learned.
        """
        follower = self.follow(voice)
        for start, clip in self._pieces(source, sample_rate):
            follower.judge(start, clip, _name(source))
        return follower.voice

    def knowing(self, sources: Iterable[Source]) -> Recognizer:
        """Return this recognizer, used to the voice of some recordings besides what it knew of it.

        A single path is one recording. The errors are those of :meth:`learn`.
        """
        voice = self.voice or self.unknown_voice()
        if isinstance(sources, (str, os.PathLike, bytes)):
            sources = (sources,)
        for source in sources:
            voice = self.learn(source, voice=voice)
        return replace(self, voice=voice)

    def told(self, source: Source, sample_rate: int | None = None) -> float:
        """Return how much a recording tells of its voice, in clips: what :meth:`learn` counts it for.

        The arguments and errors are those of :meth:`predict`.
        """
        return sum(voice_weight(speech_seconds(clip)) for _, clip in self._pieces(source, sample_rate))

    def _pieces(self, source: Source, sample_rate: int | None) -> Iterator[tuple[int, Clip]]:
        """A recording in one piece, or a long one's consecutive windows, each with its first sample's position."""
        windows = Windows(self.card.window_seconds, self.card.window_seconds, self.card.sample_rate, WHOLE_SECONDS)
        for start, samples in cut(windows, self._blocks(source, sample_rate)):
            yield start, Clip(samples, self.card.sample_rate)

    def predict(self, source: Source, sample_rate: int | None = None) -> Prediction:
        """Judge a recording as a whole.

        Args:
            source: A path, the bytes of an audio file, a clip, or an array of shape (n,) or (n, n_channels).
            sample_rate: Of an array, in Hz; needed there, and an error elsewhere.

        Raises:
            AudioError: When the source is not usable sound; a file object is none, nor are integers whose full scale
                nobody knows (lists, 64 bits).
        """
        mean, weight, strange, n_samples = np.zeros(len(self.emotions)), 0.0, 0.0, 0
        for start, clip in self._pieces(source, sample_rate):
            n_samples = start + len(clip.samples)
            seconds = speech_seconds(clip)
            if seconds > 0:
                chances, how_strange = self._judged(clip, _name(source))
                weight += seconds
                mean += seconds * chances
                strange += seconds * (how_strange or 0.0)
        if not weight:
            return self._prediction(_name(source), 0, n_samples, None)
        told = strange / weight if self.model.tells_strangeness else None
        return self._prediction(_name(source), 0, n_samples, mean / weight, told)

    def timeline(
        self,
        source: Source,
        sample_rate: int | None = None,
        window: float | None = None,
        hop: float | None = None,
        adapt: bool = False,
    ) -> Iterator[Prediction]:
        """Judge a recording window by window, in bounded memory.

        A rest of less than half a window belongs to the last window.

        Args:
            source: As for :meth:`predict`.
            sample_rate: As for :meth:`predict`.
            window: Length of a window in seconds; the card's where ``None``.
            hop: Distance from window to window in seconds, at most ``window``; the card's where ``None`` (or a whole
                window where that is shorter).
            adapt: Get used to the voice: each window is judged with what those before it told of it. For recordings of
                one voice.

        Raises:
            AudioError: When the source is not usable sound.
            VocalicsError: For a window shorter than 0.25 s, a hop that is not above 0 and at most a window, or a model
                that gets used to no voice.
        """
        windows = self.windows(window, hop)
        judge = self.follow().judge if adapt else self.judge_window
        return self._timeline(windows, self._blocks(source, sample_rate), _name(source), judge)

    def windows(self, window: float | None = None, hop: float | None = None) -> Windows:
        """Return what cuts a stream of samples at the model's rate into the windows of a timeline.

        The arguments and errors are those of :meth:`timeline`.
        """
        window = self.card.window_seconds if window is None else window
        hop = min(self.card.hop_seconds, window) if hop is None else hop
        windows = Windows(window, hop, self.card.sample_rate)
        if windows.longest > (longest := float(self.card.front_end.get("longest_seconds", float("inf")))):
            last = (
                ""
                if windows.longest < window + 0.001
                else f" every {hop:g} s, the last up to {windows.longest:.1f} s long,"
            )
            raise UsageError(f"a window of {window:g} s{last} is more than {self.card.name} hears, {longest:g} s")
        return windows

    def _timeline(
        self, windows: Windows, blocks: Iterator[Clip], name: str, judge: Callable[[int, Clip, str], Prediction]
    ) -> Iterator[Prediction]:
        for start, samples in cut(windows, blocks):
            yield judge(start, Clip(samples, self.card.sample_rate), name)

    def judge_window(self, start: int, clip: Clip, name: str = "") -> Prediction:
        """Return the prediction for one window of a timeline.

        Args:
            start: Position of its first sample in the recording.
            clip: At the model's rate.
            name: What the prediction calls the recording.
        """
        values, strange = self._judged(clip, name) if speech_seconds(clip) else (None, None)
        return self._prediction(name, start, start + len(clip.samples), values, strange)

    def hear_window(
        self, start: int, clip: Clip, voice: Voice, name: str = ""
    ) -> tuple[Prediction, npt.NDArray[np.float32] | None, float]:
        """Return the prediction for a window, made with what is known of the voice, and what it tells of that.

        Args:
            start: Position of its first sample in the recording.
            clip: At the model's rate.
            voice: What is known, of :meth:`unknown_voice` or :meth:`learn`.
            name: What the prediction calls the recording.

        Returns:
            The prediction; what the window left, (voice_width,), ``None`` where nobody speaks; how much that counts.
        """
        seconds = speech_seconds(clip)
        if not seconds:
            return self._prediction(name, start, start + len(clip.samples), None), None, 0.0
        chances, strange, left = self.model.hear(self.given(clip, name), voice.offset)
        how_strange = None if strange is None else float(strange[0])
        prediction = self._prediction(name, start, start + len(clip.samples), self._checked(chances), how_strange)
        return prediction, left[0], voice_weight(seconds)

    def predict_clips(self, clips: Iterable[Clip]) -> list[Prediction]:
        """Judge many clips; each result is that of :meth:`predict`."""
        return [self.predict(clip) for clip in clips]

    def _blocks(self, source: Source, sample_rate: int | None) -> Iterator[Clip]:
        """The source's blocks at the model's rate; faults of an argument are raised here and now."""
        rate = self.card.sample_rate
        if isinstance(source, (bytearray, memoryview)):
            source = bytes(source)
        if hasattr(source, "read") and not isinstance(source, os.PathLike):
            raise AudioError("a file object is no sound; expected its path, or what its read() returns")
        if isinstance(source, (str, os.PathLike, bytes)):
            if sample_rate is not None:
                raise AudioError(
                    f"{_name(source)}: sample_rate={sample_rate} is for arrays; a file carries its own, leave it out"
                )
            return audio.stream(source, rate)
        if not isinstance(source, Clip):
            if sample_rate is None:
                raise AudioError(
                    "an array needs its sample rate; expected predict(samples, sample_rate), e.g. "
                    "predict(samples, 16000)"
                )
            source = Clip.from_array(source, sample_rate)
        elif sample_rate not in (None, source.sample_rate):
            raise AudioError(f"the clip's sample rate is {source.sample_rate} Hz, not {sample_rate}; leave it out")
        if not len(source.samples):
            raise AudioError("the clip holds no samples; expected sound")
        return iter((audio.resample(source, rate),))

    def given(self, clip: Clip, name: str = "") -> npt.NDArray[np.float32]:
        """Return what the model's graph is given of a clip: a batch of one.

        Args:
            clip: At the model's rate.
            name: For messages.

        Raises:
            AudioError: When its features cannot be computed.
        """
        clip = chain([Preparation.parse(table) for table in self.card.preprocess], clip)
        if self.card.trim_db is not None:
            clip = trim_silence(clip, below_db=self.card.trim_db)
        values = clip.samples if self.card.input == "waveform" else self._features(clip, name)
        return np.asarray(values, np.float32)[None]

    def _judged(self, clip: Clip, name: str) -> tuple[npt.NDArray[np.float64], float | None]:
        """Probabilities, and how strange the clip is where the model tells that."""
        chances, strange = self.model.judge(self.given(clip, name), self.offset)
        return self._checked(chances), None if strange is None else float(strange[0])

    def _checked(self, chances: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        result: npt.NDArray[np.float64] = chances[0].astype(np.float64)
        if result.shape != (len(self.emotions),) or not np.isfinite(result).all():
            raise ModelFileError(
                f"the model {self.card.name} gave {result} instead of {len(self.emotions)} probabilities"
            )
        return result

    def _features(self, clip: Clip, name: str) -> npt.NDArray[np.float32]:
        from vocalics.features.feature_set import feature_set

        chosen = feature_set(self.card.feature_set)
        if self.model.is_thin:
            raise ModelFileError(
                f"the model {self.card.name} lacks weights of its encoder; vocalics models join FILE -o FILE puts them "
                "back"
            )
        # All that the card knows of it decides, not the key alone, of which somebody could make another one.
        known = self.card.front_end.get("encoder") or self.card.front_end.get("weights")
        if known and not self._same_encoder():
            raise ModelFileError(
                f"the model {self.card.name} was trained on another encoder ({known}) than {self.card.feature_set} is "
                f"here ({chosen.source})"
            )
        try:
            values: npt.NDArray[np.float32] = chosen.extract(clip)
        except FeatureError as error:
            raise AudioError(f"{name or 'the clip'}: {error}") from None
        if self.card.n_features is not None and values.size != self.card.n_features:
            raise ModelFileError(
                f"the model {self.card.name} expects {self.card.n_features} features, "
                f"{self.card.feature_set} gives {values.size}; train it again"
            )
        return values

    def _same_encoder(self) -> bool:
        from vocalics import encoders
        from vocalics.features.feature_set import encoded_front_end

        folder = encoders.find(encoded_front_end(self.card.feature_set).name)
        return encoders.same(folder, self.card.front_end)

    def _prediction(
        self,
        name: str,
        first: int,
        last: int,
        values: npt.NDArray[np.float64] | None,
        strangeness: float | None = None,
    ) -> Prediction:
        rate, best = self.card.sample_rate, None
        among: tuple[str, ...] = ()
        limit = self.unfamiliar_above
        unfamiliar = limit is not None and strangeness is not None and strangeness > limit
        if values is None:
            values = np.zeros(len(self.emotions))
        else:
            if values.max() >= self.abstain_below and not unfamiliar:
                best = self.emotions[int(values.argmax())]
            among = self._candidates(values)
        return Prediction(
            path=name,
            start=first / rate,
            end=last / rate,
            emotion=best,
            confidence=float(values.max()),
            probabilities=dict(zip(self.emotions, values.tolist(), strict=True)),
            model=self.card.name,
            candidates=among,
            strangeness=strangeness,
            unfamiliar=unfamiliar,
        )

    def _candidates(self, values: npt.NDArray[np.float64]) -> tuple[str, ...]:
        if self.coverage is None:
            return ()
        held = confidence.candidates(values, confidence.chosen(self.card.conformal, self.coverage) or 0.0)
        return tuple(self.emotions[i] for i in np.argsort(-values, kind="stable") if held[i])


def load(
    name: str | os.PathLike[str] = DEFAULT,
    threads: int = 1,
    abstain_below: float = 0.0,
    coverage: float | None = None,
    unfamiliar_above: float | None = None,
    voice: Voice | None = None,
) -> Recognizer:
    """Load a model by its bundled name or from a file.

    Args:
        name: "default", another name that ``vocalics models`` lists, or the path of a model file.
        threads: How many the runtime may use for one clip.
        abstain_below: See :class:`Recognizer`.
        coverage: See :class:`Recognizer`.
        unfamiliar_above: See :class:`Recognizer`.
        voice: See :class:`Recognizer`.

    Raises:
        ModelFileError: When there is no such model, or its file is damaged or foreign.
        VocalicsError: For a probability that is none, or a coverage that the model does not know.
    """
    return Recognizer(modelfile.load(model_path(name), threads), abstain_below, coverage, unfamiliar_above, voice)


@dataclass(eq=False)
class Follower:
    """Windows of one voice, judged in their order, each with what is known of it by then.

    Attributes:
        recognizer: Judges.
        voice: What is known by now.
    """

    recognizer: Recognizer
    voice: Voice
    _heard: int = field(default=0, init=False, repr=False)

    def judge(self, start: int, clip: Clip, name: str = "") -> Prediction:
        """Return the prediction for a window, and take in what it tells: what was heard twice counts once.

        The arguments are those of :meth:`Recognizer.judge_window`.
        """
        prediction, left, weight = self.recognizer.hear_window(start, clip, self.voice, name)
        if left is not None:
            end = start + len(clip.samples)
            self.voice = self.voice.heard(left, weight * (end - max(start, self._heard)) / len(clip.samples))
            self._heard = end
        return prediction


def voice_weight(seconds: float) -> float:
    """Return how much a clip with so much speech tells of a voice: less than a second of it less than a sentence."""
    return min(1.0, seconds)


def _name(source: Any) -> str:
    if isinstance(source, bytes):
        return "-"
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) else ""
