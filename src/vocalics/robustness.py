"""What is left of a model's figures when the sound is not as it was recorded: noise, rooms, lines, codecs, less of it.

Every clip is judged again under every condition, through the same path as any recording. What is random (which noise,
which room) follows from the clip and the family of the condition, so that 20 and 0 dB are the same noise, and two
models hear the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vocalics import audio, judgements
from vocalics.audio import Clip
from vocalics.augment import Step, chain
from vocalics.dataset import Progress
from vocalics.emotions import Scheme
from vocalics.evaluation import EvaluationReport
from vocalics.judgements import Judgements, chances_of, truth_in
from vocalics.manifest import Manifest, Utterance
from vocalics.recognizer import Recognizer

CLEAN = "as recorded"

FAMILIES = (
    CLEAN, "white noise", "recorded noise", "room", "recorded room", "telephone", "MP3", "Opus", "gain", "clipped",
    "speed", "length",
)  # fmt: skip
"""What can happen to the sound: each draws by its place here, whichever of the others are measured too."""


@dataclass(frozen=True)
class Condition:
    """One thing that happens to the sound.

    Attributes:
        family: What kind of thing, "white noise".
        name: How much of it, "10 dB".
        steps: Augmentations, with one value each.
        seconds: How much of the middle of a clip is heard; 0 is all of it.
    """

    family: str
    name: str
    steps: tuple[Step, ...] = ()
    seconds: float = 0.0

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        """Return the clip as it is under this condition."""
        if self.seconds:
            n_samples = min(len(clip.samples), round(self.seconds * clip.sample_rate))
            start = (len(clip.samples) - n_samples) // 2
            clip = Clip(clip.samples[start : start + n_samples], clip.sample_rate)
        return chain(self.steps, clip, rng)

    @property
    def title(self) -> str:
        """Family and name in one."""
        return f"{self.family}, {self.name}" if self.name else self.family


def conditions(noises: str = "", rooms: str = "") -> tuple[Condition, ...]:
    """Return every condition, the clip as it was recorded first.

    Args:
        noises: A folder of recorded noise; without one, noise is white alone.
        rooms: A folder of impulse responses; without one, rooms are drawn at random.

    Raises:
        RecipeError: When a folder is not there, or holds no audio.
    """

    def one(family: str, name: str, *tables: Mapping[str, Any]) -> Condition:
        return Condition(family, name, tuple(Step.parse(table) for table in tables))

    found = [Condition(CLEAN, "")]
    for snr in (20, 10, 5, 0):
        found.append(one("white noise", f"{snr} dB", {"name": "add_noise", "snr_db": snr}))
    if noises:
        for snr in (20, 10, 5, 0):
            table = {"name": "recorded_noise", "folder": noises, "snr_db": snr}
            found.append(one("recorded noise", f"{snr} dB", table))
    for time, direct in ((0.3, 6.0), (0.6, 0.0), (1.0, -6.0)):
        table = {"name": "room", "reverberation_time": time, "direct_db": direct}
        found.append(one("room", f"{time:g} s", table))
    if rooms:
        found.append(one("recorded room", "", {"name": "recorded_room", "folder": rooms}))
    found.append(one("telephone", "µ-law", {"name": "telephone"}))
    # 26 and 22 kbit/s of MP3, 33 and 9 of Opus, at 16 kHz.
    for kind, title, rates in (("mp3", "MP3", ((0.9, 26), (1.0, 22))), ("opus", "Opus", ((0.9, 33), (1.0, 9)))):
        for compression, rate in rates:
            table = {"name": "codec", "kind": kind, "compression": compression}
            found.append(one(title, f"{rate} kbit/s", table))
    found += [one("gain", f"{gain:+d} dB", {"name": "gain", "gain_db": gain}) for gain in (-20, 20)]
    found += [one("clipped", f"by {db} dB", {"name": "overdrive", "clipped_db": db}) for db in (6, 12)]
    found += [one("speed", f"{100 * (f - 1):+.0f} %", {"name": "speed", "factor": f}) for f in (0.9, 1.1)]
    found += [Condition("length", f"{seconds:g} s", seconds=seconds) for seconds in (0.5, 1.0, 2.0, 4.0, 8.0)]
    return tuple(found)


@dataclass(frozen=True)
class Row:
    """A model's figures under one condition.

    Attributes:
        condition: What happened to the sound.
        report: The figures.
        n_changed: Clips that it happened to: of a length, those that are longer.
    """

    condition: Condition
    report: EvaluationReport
    n_changed: int


def measure(
    model: Recognizer, clips: Manifest, classes: Scheme, under: Sequence[Condition], seed: int, progress: Progress
) -> tuple[Row, ...]:
    """Judge clips under conditions.

    Args:
        model: The model.
        clips: The scheme has a class for each one's emotion.
        classes: The scheme.
        under: See :func:`conditions`.
        seed: Of what is random.
        progress: Called with ("judging", done, all), clip by clip.

    Returns:
        A row per condition. Where it leaves no voiced sound, that is "no speech", and counts as a miss.

    Raises:
        VocalicsError: When the scheme drops a clip's emotion, before anything is judged.
        AudioError: When a clip is no usable sound.
    """
    truth = truth_in(classes, clips)
    said = np.zeros((len(under), len(clips), len(classes.emotions)))
    changed = np.zeros((len(under), len(clips)), bool)
    for i, utterance in enumerate(clips):
        clip = audio.read(utterance.path, model.card.sample_rate)
        for k, condition in enumerate(under):
            rng = np.random.default_rng([seed, _number(utterance), _place(condition.family)])
            heard = condition(clip, rng)
            changed[k, i] = heard is not clip and not np.array_equal(heard.samples, clip.samples)
            # The same sound needs no second judgement.
            same = k > 0 and not changed[k, i] and not changed[0, i]
            said[k, i] = said[0, i] if same else chances_of(model.predict(heard), classes)
        progress("judging", i + 1, len(clips))
    rows = []
    for condition, chances, touched in zip(under, said, changed, strict=True):
        told = Judgements.of(clips, truth, classes.emotions, chances)
        rng = np.random.default_rng(seed)
        report = judgements.report(told, rng, model=model.card.name, protocol=condition.title)
        rows.append(Row(condition, report, int(touched.sum())))
    return tuple(rows)


def _place(family: str) -> int:
    return FAMILIES.index(family) if family in FAMILIES else len(FAMILIES)


def _number(utterance: Utterance) -> int:
    return int(utterance.digest[:12] or "0", 16)


def to_markdown(rows: Sequence[Row], title: str, notes: Sequence[str]) -> str:
    """Return the table of all conditions.

    Args:
        rows: Of :func:`measure`; the first is the sound as it was recorded.
        title: What was judged.
        notes: Sentences below the heading.
    """
    first = rows[0].report
    lines = [
        f"# {title}",
        "",
        f"{', '.join(first.corpora)}; {len(first.emotions)} emotions, {first.n_speakers} speakers, {first.n_clips:,} "
        f"clips. UAR and accuracy with 95 % intervals, bootstrapped over {first.uar.interval.unit}; what is random is "
        "the same for every model and, but for the colour of made-up rooms, for every strength.",
        "",
        *(f"- {note}" for note in notes),
        *([""] if notes else []),
        "| condition | UAR | points lost | accuracy | no speech % | calibration error % | most frequent prediction | "
        "clips changed |",
        "|---|---:|---:|---:|---:|---:|---|---:|",
    ]
    for row in rows:
        report, top = row.report, row.report.largest_share
        error = "–" if report.calibration_error is None else f"{100 * report.calibration_error:.1f}"
        lost = 100 * (first.uar.value - report.uar.value)
        lines.append(
            f"| {row.condition.title} | {report.uar} | {lost + 0.0:.1f} | {report.accuracy} | "
            f"{100 * report.n_no_speech / report.n_clips:.1f} | {error} | {top.emotion} {100 * top.share:.1f} % | "
            f"{row.n_changed:,} |"
        )
    return "\n".join([*lines, ""])
