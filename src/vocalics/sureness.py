"""A model calibrated for corpora that it never heard: what others of its recipe said of them is what it learns from.

A net is surer of a new voice from a corpus that it knows than of one from elsewhere, and it is right less often there.
A model that is trained on every corpus has none left to find that out with; models that left out one each have
(``vocalics benchmark leave-one-corpus-out``). Logits are divided by one more temperature, and the sets of candidates
are found anew; every corpus counts alike, however many clips it has. What that is worth is measured on each corpus
with what the others tell, never with its own clips.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics import metrics
from vocalics.confidence import candidates, chosen, thresholds
from vocalics.errors import ModelFileError
from vocalics.export.recalibration import CALIBRATED, FEWEST, calibrated_by, write_cooled
from vocalics.judgements import Judgements
from vocalics.modelfile import Card, load

FEWEST_CORPORA = 2
"""Each is measured with what the others tell."""

COVERAGE = 0.9
"""Of the sets that are measured."""


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What models said of clips of corpora that they never heard.

    Attributes:
        probabilities: In the order of the model that is to be calibrated, shape (n, n_emotions).
        truth: Positions of the clips' emotions, shape (n,).
        corpora: The clips' corpora, shape (n,).
        speakers: Those of the clips.
    """

    probabilities: npt.NDArray[np.float64]
    truth: npt.NDArray[np.int64]
    corpora: npt.NDArray[np.str_]
    speakers: tuple[str, ...]

    @classmethod
    def of(cls, said: Judgements, emotions: tuple[str, ...]) -> LeftOut:
        """Take what is usable of judgements: clips with speech, of emotions that the model knows.

        Args:
            said: The judgements of all left-out corpora.
            emotions: Those of the model that is to be calibrated.

        Raises:
            ModelFileError: When others were judged, of fewer corpora than :data:`FEWEST_CORPORA`, or of fewer clips
                than are needed.
        """
        if {*said.emotions} != {*emotions}:
            raise ModelFileError(
                f"the left-out corpora were judged for {', '.join(said.emotions)}, and the model knows "
                f"{', '.join(emotions)}; calibrate it with what models of its own recipe say"
            )
        heard = np.isfinite(said.probabilities).all(axis=1)
        usable = [i for i in np.flatnonzero(heard).tolist() if said.truth[i] in emotions]
        corpora = np.array([said.corpora[i] for i in usable], dtype=np.str_)
        if len({*corpora.tolist()}) < FEWEST_CORPORA:
            raise ModelFileError(
                f"clips of {', '.join(sorted({*corpora.tolist()})) or 'no corpus'} alone do not tell how sure to be of "
                f"others; expected {FEWEST_CORPORA} corpora at least, each left out by a model"
            )
        for corpus in sorted({*corpora.tolist()}):
            if (n := int((corpora == corpus).sum())) < FEWEST:
                raise ModelFileError(f"{n} clips with speech of {corpus} are too few; expected {FEWEST}")
        return cls(
            said.probabilities[usable][:, [said.emotions.index(e) for e in emotions]],
            np.array([emotions.index(said.truth[i]) for i in usable], dtype=np.int64),
            corpora,
            tuple(sorted({said.speakers[i] for i in usable if said.speakers[i]})),
        )

    @property
    def names(self) -> list[str]:
        """The corpora."""
        return sorted({*self.corpora.tolist()})

    def where(self, kept: npt.NDArray[np.bool_]) -> LeftOut:
        """Return some of the clips."""
        return LeftOut(self.probabilities[kept], self.truth[kept], self.corpora[kept], self.speakers)

    def calibration(self) -> tuple[float, dict[str, float]]:
        """Return the temperature of highest likelihood, and the sets' thresholds with it; corpora count alike."""
        from vocalics.models.calibration import temperature, tempered

        weights = np.empty(len(self.truth))
        for corpus in self.names:
            own = self.corpora == corpus
            weights[own] = 1 / own.sum()
        factor = temperature(self.probabilities, self.truth, weights)
        return factor, thresholds(tempered(self.probabilities, factor), self.truth, weights)


@dataclass(frozen=True)
class Sureness:
    """How sure models are of clips, and how sure they may be.

    Attributes:
        corpus: Whose clips; empty: all together.
        n: Their number.
        factor: By which the logits were divided; 1 before, ``None`` where it differs.
        correct: Share of the clips whose most probable emotion is the true one.
        confidence: Mean probability of the most probable emotion.
        error: Expected calibration error.
        held: How often the sets promised for :data:`COVERAGE` hold the truth; ``None`` where there are none.
        size: Mean number of emotions in them; ``None`` where there are none.
    """

    corpus: str
    n: int
    factor: float | None
    correct: float
    confidence: float
    error: float
    held: float | None
    size: float | None


def measured(said: LeftOut, known: Mapping[str, Any]) -> list[tuple[Sureness, Sureness]]:
    """Return how sure the models are of each corpus, before, and calibrated by what the others tell; all at the end.

    Args:
        said: The judgements.
        known: The thresholds of the sets before, as a card holds them.
    """
    from vocalics.models.calibration import tempered

    after = np.empty_like(said.probabilities)
    least = np.empty(len(said.truth))
    factors = {}
    for corpus in said.names:
        own = said.corpora == corpus
        factors[corpus], found = said.where(~own).calibration()
        after[own] = tempered(said.probabilities[own], factors[corpus])
        least[own] = chosen(found, COVERAGE)
    before = np.full(len(said.truth), np.nan if (given := chosen(known, COVERAGE)) is None else given)

    def sureness(corpus: str, kept: npt.NDArray[np.bool_], new: bool) -> Sureness:
        chances, truth = (after if new else said.probabilities)[kept], said.truth[kept]
        limits = (least if new else before)[kept]
        sets = None
        if np.isfinite(limits).all():
            sets = np.stack([candidates(c, float(x)) for c, x in zip(chances, limits, strict=True)])
        return Sureness(
            corpus,
            len(truth),
            (factors.get(corpus) if new else 1.0),
            float((chances.argmax(axis=1) == truth).mean()),
            float(chances.max(axis=1).mean()),
            metrics.expected_calibration_error(chances, truth),
            None if sets is None else float(sets[np.arange(len(truth)), truth].mean()),
            None if sets is None else float(sets.sum(axis=1).mean()),
        )

    parts = [(corpus, said.corpora == corpus) for corpus in said.names]
    parts.append(("", np.ones(len(said.truth), bool)))
    return [(sureness(c, kept, False), sureness(c, kept, True)) for c, kept in parts]


HEAD = ("corpus", "clips", "right %", "sure %", "error", "sets hold %", "of emotions")
"""Of a table of :func:`rows`."""


def rows(found: Sequence[tuple[Sureness, Sureness]]) -> list[list[str]]:
    """Return what was measured as a table's rows, under :data:`HEAD`: before and after."""

    def both(name: str, form: str, by: float = 1.0) -> str:
        values = [getattr(one, name) for one in pair]
        return "→".join("–" if value is None else format(by * value, form) for value in values)

    made = []
    for pair in found:
        was = pair[0]
        shown = [both("confidence", ".1f", 100), both("error", ".3f"), both("held", ".1f", 100), both("size", ".1f")]
        made.append([was.corpus or "all", f"{was.n:,}", f"{100 * was.correct:.1f}", *shown])
    return made


def to_markdown(name: str, about: Card, before: Card, found: Sequence[tuple[Sureness, Sureness]]) -> str:
    """Return a page on how sure a model is where it never was.

    Args:
        name: The model's.
        about: Its card.
        before: Its card as it was trained.
        found: What was measured.
    """
    promised = ", ".join(f"{float(c):.0%} from {100 * float(p):.1f} % on" for c, p in about.conformal.items())
    return "\n".join(
        [
            f"# How sure `{name}` is of a corpus that it never heard",
            "",
            "Written by `vocalics models calibrate --left-out`. What is judged are whole corpora, each by a model "
            f"of the recipe `{name}` that was trained on all others: as a user's recordings are to a model that is "
            "trained on all. Before the arrow: with the temperature of speakers apart, from the corpora that were "
            "trained on, and the sets of candidates that this file knew. Behind it: calibrated by what was said "
            "of the *other* corpora of the table, each counting alike. *Right*: share of the clips whose most "
            "probable emotion is the true one; *sure*: its mean probability; *error*: expected calibration error, "
            f"ten bins; *sets hold*: how often the sets that promise {COVERAGE:.0%} hold the true emotion, and how "
            "many emotions are in one.",
            "",
            f"| {' | '.join(HEAD)} |",
            "|---|" + "---:|" * (len(HEAD) - 1),
            *(f"| {' | '.join(row)} |" for row in rows(found)),
            "",
            f"The file itself is calibrated by all of them: temperature {about.temperature:.3f}, before "
            f"{before.temperature:.3f}; candidates: {promised}. Of new speakers *from these corpora* it is less sure "
            "than it might be.",
            "",
        ]
    )


def calibrate_elsewhere(source: Path, said: LeftOut, target: Path) -> Card:
    """Write a copy of a model that is as sure of a corpus it never heard as it may be, and return its card.

    Args:
        source: The model file.
        said: What models of its recipe said of corpora that they never heard.
        target: The model file that is written.

    Raises:
        ModelFileError: When the graph ends in no softmax, or the model is calibrated so already.
        MissingExtraError: Where the onnx package or torch is not installed.
    """
    known = load(source).card
    if CALIBRATED in known.protocol:  # the judgements are of models that were not
        raise ModelFileError(f"{source}: was calibrated after its training; start from the file as it was trained")
    factor, conformal = said.calibration()
    about = dataclasses.replace(
        known,
        temperature=known.temperature * factor,
        conformal=conformal,
        protocol=calibrated_by(
            known.protocol,
            f"for corpora never heard, by what models of its recipe without {', '.join(said.names)} said of these",
        ),
        validation_speakers=tuple(sorted({*known.validation_speakers, *said.speakers} - {*known.training_speakers})),
    )
    write_cooled(source, target, factor, about)
    return about
