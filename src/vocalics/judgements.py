"""What a model said of every clip, as a table: the raw material of a report, and of a figure over several folds."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.dataset import Progress
from vocalics.emotions import EMOTIONS, OTHER_EMOTIONS, Scheme
from vocalics.errors import AudioError, ManifestError, VocalicsError
from vocalics.evaluation import EvaluationReport, evaluate
from vocalics.manifest import Manifest, Utterance, csv_rows
from vocalics.recognizer import Prediction, Recognizer
from vocalics.spreadsheets import escaped, plain
from vocalics.voices import Parts

COLUMNS = ("path", "corpus", "speaker", "truth", "prediction")
PREFIX = "probability_"
"""Before an emotion in the name of a column."""
_ROUNDING = 1e-6  # above 1, as metrics.reliability allows it


@dataclass(frozen=True, eq=False)
class Judgements:
    """One row per clip.

    Attributes:
        paths: The audio files.
        corpora: Their corpora.
        speakers: Their speakers; empty where unknown.
        truth: The emotion of each.
        emotions: The classes, in the order of the probabilities' columns.
        probabilities: Shape (n_clips, n_emotions); a row of NaN is "no speech".
    """

    paths: tuple[str, ...]
    corpora: tuple[str, ...]
    speakers: tuple[str, ...]
    truth: tuple[str, ...]
    emotions: tuple[str, ...]
    probabilities: npt.NDArray[np.float64]

    @classmethod
    def of(
        cls, clips: Manifest, truth: Sequence[str], emotions: Sequence[str], probabilities: npt.ArrayLike
    ) -> Judgements:
        """Return the judgements of a manifest's clips.

        Args:
            clips: The clips.
            truth: The class of each.
            emotions: The classes.
            probabilities: Shape (n_clips, n_emotions); a row of NaN is "no speech".
        """
        chances = np.asarray(probabilities, dtype=np.float64)
        if not (len(clips) == len(truth) == len(chances)) or chances.shape[1:] != (len(emotions),):
            raise VocalicsError(
                f"{len(clips)} clips, {len(truth)} truths, probabilities of shape {chances.shape}; expected "
                f"({len(clips)}, {len(emotions)})"
            )
        return cls(
            tuple(u.path for u in clips),
            tuple(u.corpus for u in clips),
            tuple(u.speaker for u in clips),
            tuple(truth),
            tuple(emotions),
            chances,
        )

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def prediction(self) -> tuple[str | None, ...]:
        """The most probable emotion of each clip; ``None`` where no speech was heard."""
        best = np.nan_to_num(self.probabilities).argmax(axis=1)
        heard = np.asarray(np.isfinite(self.probabilities).all(axis=1))
        return tuple(self.emotions[i] if known else None for i, known in zip(best, heard, strict=True))

    def to_csv(self) -> str:
        """Return the table as CSV: path, corpus, speaker, truth, prediction and each emotion's probability.

        Where no speech was heard, prediction and probabilities are empty. No cell is a formula to a spreadsheet;
        :func:`read` brings every text back as it was.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*COLUMNS, *(PREFIX + e for e in self.emotions)])
        columns = zip(self.paths, self.corpora, self.speakers, self.truth, self.prediction, strict=True)
        for row, chances in zip(columns, self.probabilities, strict=True):
            silent = row[-1] is None
            texts = (escaped(text or "") for text in row)
            writer.writerow([*texts, *("" if silent else f"{p:.9g}" for p in chances)])
        return text.getvalue()


def judged(
    model: Recognizer,
    clips: Manifest,
    classes: Scheme,
    progress: Progress,
    parts: Parts | None = None,
    failed: Callable[[int, AudioError], None] | None = None,
) -> Judgements:
    """Return what a model says of clips, from their audio files as a user would have it, in a scheme's classes.

    Args:
        model: Knows these classes, or others that the scheme merges into them; what it says of further ones is left
            out and the rest scaled to 1.
        clips: The scheme has a class for each one's emotion.
        classes: The scheme.
        progress: Called with ("judging", done, all).
        parts: Which clips are judged with a known voice; ``None``: with none.
        failed: Called with the position of a clip that is no usable sound, whose row is NaN then; a voice is known by
            the others. Where ``None``, the first such clip is an error.

    Raises:
        VocalicsError: When the scheme drops a clip's emotion, before anything is judged.
        AudioError: When a clip is no usable sound, unless ``failed`` is called.
    """
    truth = truth_in(classes, clips)
    rows, done = np.full((len(clips), len(classes.emotions)), np.nan), 0
    for together, heard in parts or [(range(len(clips)), ())]:
        knowing = model
        for i in heard:
            try:
                knowing = knowing.knowing([clips[i].path])
            except AudioError:
                if failed is None:
                    raise
        for i in together:
            try:
                rows[i] = chances_of(knowing.predict(clips[i].path), classes)
            except AudioError as error:
                if failed is None:
                    raise
                failed(i, error)
            done += 1
            progress("judging", done, len(clips))
    return Judgements.of(clips, truth, classes.emotions, rows)


def truth_in(classes: Scheme, clips: Iterable[Utterance]) -> list[str]:
    """Return each clip's emotion in a scheme's classes.

    Raises:
        VocalicsError: For a clip whose emotion the scheme drops.
    """
    found = []
    for clip in clips:
        truth = classes.emotion(clip.emotion)
        if truth is None:
            raise VocalicsError(
                f'{clip.path}: {clip.emotion} is dropped by the scheme "{classes.name}"; leave such clips out, or '
                "judge in a scheme that has them"
            )
        found.append(truth)
    return found


def report(said: Judgements, rng: np.random.Generator, **values: Any) -> EvaluationReport:
    """Return the report on judgements.

    Args:
        said: One row per clip; the same clip may come once per seed.
        rng: Source of randomness for the intervals.
        **values: Model, protocol, leak and the rest of :func:`vocalics.evaluation.evaluate`.
    """
    return evaluate(
        said.truth,
        said.prediction,
        said.emotions,
        speakers=said.speakers,
        corpora=said.corpora,
        rng=rng,
        probabilities=said.probabilities,
        clips=said.paths,
        **values,
    )


def chances_of(prediction: Prediction, classes: Scheme) -> npt.NDArray[np.float64]:
    """Return a prediction in a scheme's classes, see :func:`chances`; where no speech was heard, every value is NaN."""
    return chances(prediction.probabilities, classes)


def chances(probabilities: Mapping[str, float], classes: Scheme) -> npt.NDArray[np.float64]:
    """Return emotions' probabilities in a scheme's classes: merged, what is outside left out, scaled to 1.

    Returns:
        Shape (n_emotions,); all NaN where everything is outside, or 0.
    """
    row = dict.fromkeys(classes.emotions, 0.0)
    for emotion, probability in probabilities.items():
        merged = classes.emotion(emotion)
        if merged is not None:
            row[merged] += probability
    values = np.array(list(row.values()))
    silent = values.sum() <= 0
    return np.full(len(values), np.nan) if silent else values / values.sum()


def read(path: Path) -> Judgements:
    """Read a ``predictions.csv``.

    Raises:
        ManifestError: When the file is missing, or is not such a table; for a value that is no probability, with its
            row and column.
    """
    if not path.is_file():
        raise ManifestError(f"{path}: no such file; vocalics evaluate MODEL MANIFEST -o FOLDER writes it")
    rows = csv_rows(path)
    emotions = tuple(name.removeprefix(PREFIX) for name in (rows[0] if rows else ()) if name.startswith(PREFIX))
    if not rows or not emotions or any(c not in rows[0] for c in COLUMNS):
        raise ManifestError(f"{path}: expected the columns {', '.join(COLUMNS)} and {PREFIX}EMOTION, and a row")
    chances = np.full((len(rows), len(emotions)), np.nan)
    for i, row in enumerate(rows):
        if None in row.values():
            raise ManifestError(f"{path}:{i + 2}: fewer cells than columns; expected a whole row")
        if row["prediction"]:
            chances[i] = [_probability(row[PREFIX + e], f"{path}:{i + 2}: {PREFIX}{e}") for e in emotions]

    def column(name: str) -> tuple[str, ...]:
        return tuple(plain(row[name]) for row in rows)

    return Judgements(column("path"), column("corpus"), column("speaker"), column("truth"), emotions, chances)


def _probability(cell: str, where: str) -> float:
    with contextlib.suppress(ValueError):
        value = float(cell)
        if 0 <= value <= 1 + _ROUNDING:
            return value
    raise ManifestError(f'{where} is "{cell}"; expected a probability, a number from 0 to 1')


def pooled(parts: Sequence[Judgements]) -> Judgements:
    """Return several models' judgements as one table; an emotion that a model did not know gets 0 from it.

    Raises:
        VocalicsError: For no judgements, or a clip that two of them judged.
    """
    if not parts:
        raise VocalicsError("no judgements to pool; expected at least one")
    known = {e for part in parts for e in part.emotions}
    emotions = tuple(e for e in EMOTIONS + OTHER_EMOTIONS if e in known)
    paths = [path for part in parts for path in part.paths]
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise VocalicsError(f"{twice}: was judged in two folds; expected every clip in one")

    def wide(part: Judgements) -> npt.NDArray[np.float64]:
        chances = np.zeros((len(part), len(emotions)))
        chances[:, [emotions.index(e) for e in part.emotions]] = part.probabilities
        chances[~np.isfinite(part.probabilities).all(axis=1)] = np.nan
        return chances

    def joined(name: str) -> tuple[Any, ...]:
        return tuple(value for part in parts for value in getattr(part, name))

    return Judgements(
        joined("paths"),
        joined("corpora"),
        joined("speakers"),
        joined("truth"),
        emotions,
        np.concatenate([wide(part) for part in parts]),
    )
