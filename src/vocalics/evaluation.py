"""What a model is worth on clips whose emotions are known: one frozen report, as Markdown, JSON and numbers to plot."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics import metrics, sentences
from vocalics.confidence import candidates
from vocalics.errors import VocalicsError
from vocalics.listening import Listening, compare
from vocalics.manifest import Utterance
from vocalics.metrics import NO_SPEECH, Bins, Interval
from vocalics.registry import suggestion

COLLAPSE = 0.6
"""A model that gives one emotion to more than this share of the clips has stopped listening."""

AGES = (30, 45, 60)
"""Where one age group ends and the next begins, in years."""

FEW_SPEAKERS = 10
"""With fewer speakers a bootstrap interval comes out too narrow."""


@dataclass(frozen=True)
class EmotionScore:
    """One emotion's figures, fractions.

    Attributes:
        emotion: The class.
        precision: Share of its predictions that are right; 0 where it is never predicted.
        recall: Share of its clips that were found; NaN where there are none.
        f1: Their harmonic mean; NaN where the emotion is neither true nor predicted.
        support: Clips whose truth it is.
        share: Share of all clips that were given it.
    """

    emotion: str
    precision: float
    recall: float
    f1: float
    support: int
    share: float


@dataclass(frozen=True)
class GroupScore:
    """One corpus's or one speaker's figures; UAR is over the emotions that occur in the group's truth."""

    name: str
    uar: float
    accuracy: float
    n_clips: int
    n_emotions: int


@dataclass(frozen=True)
class Score:
    """A figure and its 95 % interval."""

    value: float
    interval: Interval

    @property
    def ends(self) -> tuple[float, float, float]:
        """The figure and both ends of its interval."""
        return self.value, self.interval.low, self.interval.high

    def __str__(self) -> str:
        return f"{_percent(self.value)} % [{_percent(self.interval.low)}, {_percent(self.interval.high)}]"


@dataclass(frozen=True)
class PartScore:
    """The figures of the clips that have something in common: the speakers' sex, age group, language or corpus, or the
    kind of sentence.

    Attributes:
        name: "female".
        uar: Over the emotions that occur in it.
        accuracy: Share of its clips that were given their emotion.
        n_clips: Clips.
        n_speakers: Speakers known.
        n_emotions: Emotions that occur.
    """

    name: str
    uar: Score
    accuracy: Score
    n_clips: int
    n_speakers: int
    n_emotions: int


@dataclass(frozen=True)
class Parts:
    """All clips, divided by one thing.

    Attributes:
        by: What they are divided by: "sex".
        parts: By name; clips of which it is not known are in none.
    """

    by: str
    parts: tuple[PartScore, ...]

    @property
    def gap(self) -> float:
        """The largest difference of UAR between two parts, a fraction."""
        values = [part.uar.value for part in self.parts]
        return max(values) - min(values)

    @property
    def worst(self) -> PartScore:
        """The part of the lowest UAR."""
        return min(self.parts, key=lambda part: part.uar.value)


@dataclass(frozen=True)
class SetScore:
    """What sets of candidates are worth, see :mod:`vocalics.confidence`.

    Attributes:
        promised: How often they are to hold the true emotion.
        coverage: How often they do.
        size: Emotions in a set, on average.
        single: Share of the sets that hold one emotion alone.
    """

    promised: float
    coverage: float
    size: float
    single: float


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """The figures of one model on one set of clips; built by :func:`evaluate`.

    Attributes:
        model: The model's name.
        protocol: How the clips were kept from the training, in words.
        leak: What the model knew of these clips' speakers beforehand; empty where nothing.
        emotions: The classes in output order.
        corpora: The corpora, sorted.
        n_clips: Clips evaluated, those without speech among them.
        n_speakers: Speakers known.
        n_no_speech: Clips that were given no emotion; each counts as a miss.
        counts: Confusion counts, shape (n_emotions, n_emotions + 1), truth by row; the last column is "no speech".
        uar: Unweighted average recall.
        accuracy: Share of clips that were given their emotion.
        macro_f1: Mean F1 of the emotions that occur.
        by_emotion: In output order.
        by_corpus: By name.
        by_speaker: By name; speakers that are not known are left out.
        listening: Listeners beside the model, where clips have votes.
        divided: UAR and accuracy by sex, age group and so on, where there are two parts or more of one.
        majority: The emotion that occurs most; always naming it gives ``majority_accuracy`` and ``majority_uar``.
        majority_uar: One over the number of emotions that occur.
        majority_accuracy: That emotion's share of the clips.
        calibration_error: Expected calibration error over ten bins; ``None`` where no probabilities were given.
        bins: The reliability diagram's numbers; ``None`` where no probabilities were given.
        calibration_by_chance: The calibration error that perfect probabilities would have on as few clips, on average.
        sets: Sets of candidates, by promised coverage; empty where the model knows none.
        notes: Further sentences for the reader: what was dropped, which files failed.
    """

    model: str
    protocol: str
    leak: str
    emotions: tuple[str, ...]
    corpora: tuple[str, ...]
    n_clips: int
    n_speakers: int
    n_no_speech: int
    counts: npt.NDArray[np.int64]
    uar: Score
    accuracy: Score
    macro_f1: Score
    by_emotion: tuple[EmotionScore, ...]
    by_corpus: tuple[GroupScore, ...]
    by_speaker: tuple[GroupScore, ...]
    majority: str
    majority_uar: float
    majority_accuracy: float
    calibration_error: float | None
    bins: Bins | None
    calibration_by_chance: float | None = None
    sets: tuple[SetScore, ...] = ()
    listening: Listening | None = None
    divided: tuple[Parts, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The report's heading; it says so where the figures leak."""
        return f"{self.model} on {', '.join(self.corpora)}" + (f" (LEAKING: {self.leak})" if self.leak else "")

    @property
    def largest_share(self) -> EmotionScore:
        """The emotion that was given most often."""
        return max(self.by_emotion, key=lambda score: score.share)

    @property
    def collapsed(self) -> bool:
        """Whether one emotion takes more than ``COLLAPSE`` of the clips though the truth does not."""
        top = self.largest_share
        return top.share > COLLAPSE and top.support / self.n_clips <= COLLAPSE

    @property
    def row_percent(self) -> npt.NDArray[np.float64]:
        """The confusion counts as percentages of each row; NaN in the row of an emotion that does not occur."""
        rows = self.counts.sum(axis=1, keepdims=True)
        full = np.full(self.counts.shape, np.nan)
        np.divide(100.0 * self.counts, rows, out=full, where=rows > 0)
        return full

    @property
    def caption(self) -> str:
        """Corpus, protocol, classes, speakers and interval in two lines, for the foot of a figure."""
        leak = f" · LEAKING: {self.leak}" if self.leak else ""
        sample = f"{len(self.emotions)} emotions · {_speakers(self.n_speakers)} · {self.n_clips:,} clips"
        return f"{', '.join(self.corpora)} · {self.protocol}{leak}\n{sample} · UAR {self.uar}, {_basis(self)}"

    def to_markdown(self) -> str:
        """Return the whole report as GitHub-flavoured Markdown."""
        return _markdown(self)

    def to_json(self) -> dict[str, Any]:
        """Return the whole report as JSON's own types; fractions, and ``None`` for what does not exist."""
        values = {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}
        top = self.largest_share
        return {
            "title": self.title,
            **values,
            "row_percent": _plain(self.row_percent),
            "largest_share": {"emotion": top.emotion, "share": top.share},
            "collapsed": self.collapsed,
        }


def evaluate(
    truth: Sequence[str],
    prediction: Sequence[str | None] | None,
    emotions: Sequence[str],
    *,
    speakers: Sequence[str],
    corpora: Sequence[str],
    rng: np.random.Generator,
    probabilities: npt.ArrayLike | None = None,
    model: str = "model",
    protocol: str = "protocol not stated",
    leak: str = "",
    conformal: Mapping[str, float] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    votes: npt.ArrayLike | None = None,
    notes: Sequence[str] = (),
    n_draws: int = 1000,
    clips: Sequence[str] | None = None,
) -> EvaluationReport:
    """Compare predictions with the truth.

    Args:
        truth: One emotion per clip.
        prediction: One emotion per clip, ``None`` for "no speech"; or ``None`` altogether to take each row's largest
            probability.
        emotions: The classes, in the order of the probabilities' columns.
        speakers: One name per clip; empty where unknown.
        corpora: One name per clip.
        rng: Source of randomness for the intervals.
        probabilities: Shape (n_clips, n_emotions); a row of NaN or zeros is "no speech".
        model: The model's name.
        protocol: How the clips were kept from the training, in words.
        leak: What the model knew of these speakers beforehand.
        conformal: The least probability of a candidate, by promised coverage, as a card holds it.
        groups: What else the clips are divided by, one name per clip, empty where unknown: see :func:`groups_of`.
        votes: Listeners' votes, shape (n_clips, n_emotions): see :func:`vocalics.listening.votes_in`.
        notes: Further sentences for the reader.
        n_draws: Bootstrap draws per interval.
        clips: The clip that each row is of, where one may come several times, once per seed: see
            :func:`vocalics.metrics.bootstrap_interval`.

    Raises:
        VocalicsError: For no clips, unequal lengths, or an emotion that is not among the classes.
    """
    classes = tuple(emotions)
    t = _indices(truth, classes, "truth")
    chances = None if probabilities is None else np.asarray(probabilities, dtype=np.float64)
    if chances is not None and chances.shape != (len(t), len(classes)):
        raise VocalicsError(f"probabilities of shape {chances.shape}; expected ({len(t)}, {len(classes)})")
    heard: npt.NDArray[np.bool_] = np.ones(len(t), dtype=np.bool_)
    if chances is not None:
        heard = np.asarray(np.nan_to_num(chances).sum(axis=1) > 0, dtype=np.bool_) & np.isfinite(chances).all(axis=1)
    if prediction is not None:
        p = _indices(prediction, classes, "prediction")
    elif chances is not None:
        p = np.where(heard, np.where(heard[:, None], chances, 0.0).argmax(axis=1), NO_SPEECH)
    else:
        raise VocalicsError("neither predictions nor probabilities are given; expected one of them")
    if not len(t) == len(p) == len(speakers) == len(corpora):
        raise VocalicsError(
            f"{len(t)} truths, {len(p)} predictions, {len(speakers)} speakers, {len(corpora)} corpora; expected one "
            "of each per clip"
        )
    counts = metrics.confusion(t, p, len(classes))
    support = counts.sum(axis=1)

    def score(metric: Any) -> Score:
        interval = metrics.bootstrap_interval(metric, t, p, list(speakers), rng, n_draws, clips=clips)
        return Score(float(metric(counts)), interval)

    heard = heard & (p != NO_SPEECH)
    shown = chances[heard] if chances is not None and heard.any() else None
    return EvaluationReport(
        model=model,
        protocol=protocol,
        leak=leak,
        emotions=classes,
        corpora=tuple(sorted(set(corpora))),
        n_clips=len(t),
        n_speakers=len({s for s in speakers if s}),
        n_no_speech=int((p == NO_SPEECH).sum()),
        counts=counts,
        uar=score(metrics.uar_of),
        accuracy=score(metrics.accuracy_of),
        macro_f1=score(metrics.macro_f1_of),
        by_emotion=_by_emotion(counts, classes),
        by_corpus=_by_group(t, p, corpora, len(classes)),
        by_speaker=_by_group(t, p, speakers, len(classes)),
        majority=classes[int(support.argmax())],
        majority_uar=1.0 / int((support > 0).sum()),
        majority_accuracy=float(support.max() / support.sum()),
        calibration_error=None if shown is None else metrics.expected_calibration_error(shown, t[heard]),
        bins=None if shown is None else metrics.reliability(shown, t[heard]),
        calibration_by_chance=None
        if shown is None
        else metrics.calibration_error_by_chance(
            shown, None if clips is None else [c for c, is_heard in zip(clips, heard, strict=True) if is_heard]
        ),
        sets=() if shown is None else _sets(shown, t[heard], conformal or {}),
        listening=None if votes is None or chances is None else compare(t, chances, votes),
        divided=_divided(t, p, speakers, {**(groups or {}), "corpus": corpora}, len(classes), rng, n_draws, clips),
        notes=tuple(notes),
    )


def groups_of(clips: Iterable[Utterance]) -> dict[str, tuple[str, ...]]:
    """Return what figures are divided by: sex, age group, language and sentence.

    One name per clip; empty where it is not known, and of sentences where the corpus says all in every emotion.

    >>> groups_of([Utterance("a.wav", "x", "x/1", "", "sad", sex="female", age=31)])
    {'sex': ('female',), 'age': ('30 to 44',), 'language': ('',), 'sentence': ('',)}
    """
    listed = list(clips)
    return {
        "sex": tuple(u.sex for u in listed),
        "age": tuple(_age_group(u.age) for u in listed),
        "language": tuple(u.language for u in listed),
        "sentence": tuple(sentences.kind(u) for u in listed),
    }


def _age_group(age: int | None) -> str:
    if age is None:
        return ""
    limits = (0, *AGES, 1000)
    low, high = next((a, b) for a, b in itertools.pairwise(limits) if age < b)
    return f"below {high}" if low == 0 else f"{low} and above" if high == limits[-1] else f"{low} to {high - 1}"


def _divided(
    truth: npt.NDArray[np.int64],
    given: npt.NDArray[np.int64],
    speakers: Sequence[str],
    groups: Mapping[str, Sequence[str]],
    n_classes: int,
    rng: np.random.Generator,
    n_draws: int,
    clips: Sequence[str] | None,
) -> tuple[Parts, ...]:
    found, who = [], np.asarray(speakers, dtype=str)
    which = None if clips is None else np.asarray(clips, dtype=str)
    for by, words in groups.items():
        names = np.asarray(words, dtype=str)
        if len(names) != len(truth):
            raise VocalicsError(f"{len(names)} names of {by} for {len(truth)} clips; expected one per clip")
        parts = []
        for name in sorted(set(words) - {""}, key=lambda n: (not n.startswith("below"), n)):
            own = names == name
            t, p, voices = truth[own], given[own], who[own]
            counts = metrics.confusion(t, p, n_classes)
            listed = None if which is None else which[own].tolist()
            uar, accuracy = (
                Score(
                    float(m(counts)), metrics.bootstrap_interval(m, t, p, voices.tolist(), rng, n_draws, clips=listed)
                )
                for m in (metrics.uar_of, metrics.accuracy_of)
            )
            known, present = set(voices.tolist()) - {""}, int((counts.sum(axis=1) > 0).sum())
            parts.append(PartScore(name, uar, accuracy, len(t), len(known), present))
        if len(parts) > 1:
            found.append(Parts(by, tuple(parts)))
    return tuple(found)


def _sets(
    chances: npt.NDArray[np.float64], truth: npt.NDArray[np.int64], conformal: Mapping[str, float]
) -> tuple[SetScore, ...]:
    """The sets of clips in which speech was heard; a clip without gets none."""
    found = []
    for promised, least in sorted((float(c), p) for c, p in conformal.items()):
        held = candidates(chances, least)
        sizes = held.sum(axis=1)
        hit = float(held[np.arange(len(truth)), truth].mean())
        found.append(SetScore(promised, hit, float(sizes.mean()), float((sizes == 1).mean())))
    return tuple(found)


def _indices(words: Sequence[str | None], classes: tuple[str, ...], what: str) -> npt.NDArray[np.int64]:
    order: dict[str | None, int] = {emotion: i for i, emotion in enumerate(classes)}
    if what == "prediction":
        order[None] = NO_SPEECH
    try:
        return np.array([order[word] for word in words], dtype=np.int64)
    except KeyError as error:
        word = str(error.args[0])
        hint = suggestion(word, classes) or "."
        raise VocalicsError(
            f'{what} "{word}" is not among the classes{hint} Expected one of: {", ".join(classes)}'
        ) from None


def _by_emotion(counts: npt.NDArray[np.int64], classes: tuple[str, ...]) -> tuple[EmotionScore, ...]:
    precision, recall, f1 = metrics.precision_of(counts), metrics.recall_of(counts), metrics.f1_of(counts)
    support, given = counts.sum(axis=1), counts[:, :-1].sum(axis=0) / counts.sum()
    return tuple(
        EmotionScore(e, float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]), float(given[i]))
        for i, e in enumerate(classes)
    )


def _by_group(
    t: npt.NDArray[np.int64], p: npt.NDArray[np.int64], groups: Sequence[str], n_classes: int
) -> tuple[GroupScore, ...]:
    names = np.asarray(groups, dtype=str)
    scores = []
    for name in sorted({g for g in groups if g}):
        counts = metrics.confusion(t[names == name], p[names == name], n_classes)
        present = int((counts.sum(axis=1) > 0).sum())
        scores.append(
            GroupScore(
                name, float(metrics.uar_of(counts)), float(metrics.accuracy_of(counts)), int(counts.sum()), present
            )
        )
    return tuple(scores)


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def _speakers(n: int) -> str:
    return "speakers unknown" if n == 0 else f"{n} speaker{'s' if n > 1 else ''}"


def _basis(report: EvaluationReport) -> str:
    unit, n = report.uar.interval.unit, report.uar.interval.n_units
    reason = " (one speaker only)" if report.n_speakers else " (speakers unknown)"
    return f"95 % over {n:,} {unit}" + (reason if unit == "clips" else "")


def _caution(report: EvaluationReport) -> str:
    interval = report.uar.interval
    if interval.unit == "clips":
        return ", which says nothing about other speakers"
    return ", too few to trust its width" if interval.n_units < FEW_SPEAKERS else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = "|" + "|".join(["---"] + ["---:"] * (len(head) - 1)) + "|"
    return ["| " + " | ".join(head) + " |", rule, *("| " + " | ".join(row) + " |" for row in rows), ""]


def _markdown(report: EvaluationReport) -> str:
    top = report.largest_share
    lines = [f"# {report.title}", ""]
    if report.leak:
        lines += [f"> **These figures leak:** {report.leak}. They do not say how the model does on new voices.", ""]
    lines += [
        f"Protocol: {report.protocol}. {len(report.emotions)} emotions, {_speakers(report.n_speakers)}, "
        f"{report.n_clips:,} clips, {report.n_no_speech} of them taken for no speech (each counts as a miss). "
        f"Intervals: bootstrap, {_basis(report)}{_caution(report)}.",
        "",
    ]
    lines += _table(
        ("figure", "model", "majority baseline"),
        [
            ("UAR", str(report.uar), f"{_percent(report.majority_uar)} %"),
            ("accuracy", str(report.accuracy), f"{_percent(report.majority_accuracy)} %"),
            ("macro F1", str(report.macro_f1), ""),
            (
                "calibration error",
                "–" if report.calibration_error is None else f"{_percent(report.calibration_error)} %",
                "",
            ),
            *(
                []
                if report.calibration_by_chance is None
                else [("perfect probabilities' error, by chance", f"{_percent(report.calibration_by_chance)} %", "")]
            ),
            (f"most frequent prediction ({top.emotion})", f"{_percent(top.share)} %", ""),
        ],
    )
    lines += [f"The baseline always says {report.majority}.", ""]
    if report.sets:
        lines += ["## Sets of candidates", ""]
        lines += _table(
            ("true emotion promised in", "is in, %", "emotions per set", "of one emotion, %"),
            [
                (f"{_percent(s.promised)} %", _percent(s.coverage), f"{s.size:.2f}", _percent(s.single))
                for s in report.sets
            ],
        )
    if report.collapsed:
        lines += [f"> **Collapsed:** {top.emotion} takes {_percent(top.share)} % of the predictions.", ""]
    lines += ["## Per emotion", ""]
    lines += _table(
        ("emotion", "precision %", "recall %", "F1 %", "clips", "predicted %"),
        [
            (s.emotion, _percent(s.precision), _percent(s.recall), _percent(s.f1), f"{s.support:,}", _percent(s.share))
            for s in report.by_emotion
        ],
    )
    head = ("truth \\ prediction", *report.emotions, "no speech")
    lines += ["## Confusion, clips", ""]
    lines += _table(head, [(e, *map(str, row)) for e, row in zip(report.emotions, report.counts, strict=True)])
    lines += ["## Confusion, % of the truth", ""]
    lines += _table(
        head,
        [
            (e, *(_percent(value / 100) for value in row))
            for e, row in zip(report.emotions, report.row_percent, strict=True)
        ],
    )
    if report.listening is not None:
        lines += _listening(report.listening)
    for division in report.divided:
        lines += [f"## By {division.by}", ""]
        lines += _table(
            (division.by, "UAR", "accuracy", "clips", "speakers", "emotions"),
            [
                (p.name, str(p.uar), str(p.accuracy), f"{p.n_clips:,}", str(p.n_speakers), str(p.n_emotions))
                for p in division.parts
            ],
        )
        lines += [f"Largest gap: {_percent(division.gap)} points of UAR, lowest for {division.worst.name}.", ""]
    for what, groups in (("corpus", report.by_corpus), ("speaker", report.by_speaker)):
        lines += [f"## Per {what}", ""]
        rows = [(g.name, _percent(g.uar), _percent(g.accuracy), f"{g.n_clips:,}", str(g.n_emotions)) for g in groups]
        lines += _table((what, "UAR %", "accuracy %", "clips", "emotions"), rows) if rows else ["None is known.", ""]
    if report.notes:
        lines += ["## Notes", "", *(f"- {note}" for note in report.notes), ""]
    return "\n".join(lines)


def _listening(told: Listening) -> list[str]:
    doubt = told.entropy_correlation
    rows = [
        ("what the actor meant: accuracy", _percent(told.listeners_accuracy), _percent(told.model_accuracy)),
        ("what the actor meant: UAR", _percent(told.listeners_uar), _percent(told.model_uar)),
    ]
    return [
        "## Listeners",
        "",
        f"{told.n_votes:,} votes on {told.n_clips:,} of the clips; of the listeners the class with most votes counts.",
        "",
        *_table(("agreement with, %", "listeners", "model"), rows),
        f"The model says what most listeners heard in {_percent(told.agreement)} %. Its probabilities are "
        f"{told.divergence:.2f} nats from the shares of the votes (Kullback-Leibler, mean; always saying the mean "
        f"shares: {told.constant_divergence:.2f}); its doubt goes with the listeners' by r = "
        f"{'–' if math.isnan(doubt) else f'{doubt:.2f}'}.",
        "",
    ]


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
