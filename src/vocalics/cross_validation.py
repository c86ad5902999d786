"""A figure over all folds of a protocol.

Every clip is judged once, by the model that did not train on its fold. Two figures are told: the mean over folds, as
publications print it, and the figure of all judgements together, whose interval is a bootstrap over speakers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vocalics import judgements
from vocalics.errors import VocalicsError
from vocalics.evaluation import EvaluationReport
from vocalics.judgements import Judgements


@dataclass(frozen=True)
class FoldScore:
    """One fold's figures, fractions; UAR is over the emotions that occur in the fold.

    Attributes:
        name: Of the fold, as its protocol calls it.
        uar: Unweighted average recall.
        accuracy: Share of clips that were given their emotion.
        n_clips: Clips tested.
        n_speakers: Speakers tested, those known.
    """

    name: str
    uar: float
    accuracy: float
    n_clips: int
    n_speakers: int


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """The figures of one recipe over all folds of a protocol; built by :func:`summarise`.

    Attributes:
        folds: In the protocol's order.
        pooled: The report on all folds' judgements together.
    """

    folds: tuple[FoldScore, ...]
    pooled: EvaluationReport

    @property
    def mean_uar(self) -> float:
        """Mean over folds, each counting alike."""
        return float(np.mean([f.uar for f in self.folds]))

    @property
    def mean_accuracy(self) -> float:
        """Mean over folds, each counting alike."""
        return float(np.mean([f.accuracy for f in self.folds]))

    @property
    def deviation_uar(self) -> float:
        """Standard deviation over folds, of a sample (n - 1)."""
        return float(np.std([f.uar for f in self.folds], ddof=1))

    @property
    def deviation_accuracy(self) -> float:
        """Standard deviation over folds, of a sample (n - 1)."""
        return float(np.std([f.accuracy for f in self.folds], ddof=1))

    @property
    def title(self) -> str:
        """The report's heading; it says so where the figures leak."""
        return f"{len(self.folds)} folds of {self.pooled.title}"

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON's own types; fractions."""
        return {
            "title": self.title,
            "protocol": self.pooled.protocol,
            "leak": self.pooled.leak,
            "folds": [dataclasses.asdict(f) for f in self.folds],
            "mean": {"uar": self.mean_uar, "accuracy": self.mean_accuracy},
            "deviation": {"uar": self.deviation_uar, "accuracy": self.deviation_accuracy},
            "pooled": self.pooled.to_json(),
        }

    def to_markdown(self) -> str:
        """Return the whole report as GitHub-flavoured Markdown."""
        pooled, lines = self.pooled, [f"# {self.title}", ""]
        if pooled.leak:
            lines += [
                f"> **These figures leak:** {pooled.leak}. They do not say how the recipe does on new voices.",
                "",
            ]
        lines += [
            f"Protocol: {pooled.protocol}. One model per fold, tested on the clips that the fold names; every clip is "
            "judged once. The deviation is that of a sample of folds; the interval is a bootstrap over "
            f"{pooled.uar.interval.n_units:,} {pooled.uar.interval.unit}.",
            "",
            "| fold | UAR % | accuracy % | clips | speakers |",
            "|---|---:|---:|---:|---:|",
            *(
                f"| {f.name} | {_percent(f.uar)} | {_percent(f.accuracy)} | {f.n_clips:,} | {f.n_speakers} |"
                for f in self.folds
            ),
            f"| **mean ± deviation** | **{_percent(self.mean_uar)} ± {_percent(self.deviation_uar)}** | "
            f"**{_percent(self.mean_accuracy)} ± {_percent(self.deviation_accuracy)}** | | |",
            f"| **all folds together** | **{pooled.uar}** | **{pooled.accuracy}** | {pooled.n_clips:,} | "
            f"{pooled.n_speakers} |",
            "",
            "# All folds together",
            "",
        ]
        # The report's own heading and warning stand above already.
        rest = pooled.to_markdown().splitlines()
        rest = rest[next(i for i, line in enumerate(rest) if line.startswith("Protocol: ")) :]
        return "\n".join([*lines, *rest]).rstrip() + "\n"


def summarise(
    name: str,
    protocol: str,
    folds: Mapping[str, Judgements],
    rng: np.random.Generator,
    leak: str = "",
    notes: Sequence[str] = (),
) -> CrossValidation:
    """Return the figures over all folds.

    Args:
        name: The recipe's.
        protocol: In words, for the reader.
        folds: What each fold's model said of its test clips, by the fold's name.
        rng: Source of randomness for the intervals.
        leak: What the models knew of the tested speakers; empty where nothing.
        notes: Further sentences for the reader.

    Raises:
        VocalicsError: For fewer than two folds, or a clip that two of them judged.
    """
    if len(folds) < 2:
        raise VocalicsError(f"{len(folds)} fold; expected at least two to take a mean and a deviation over")
    whole = judgements.pooled(list(folds.values()))
    return CrossValidation(
        tuple(_score(fold, part, rng) for fold, part in folds.items()),
        judgements.report(whole, rng, model=name, protocol=protocol, leak=leak, notes=notes),
    )


def _score(name: str, part: Judgements, rng: np.random.Generator) -> FoldScore:
    report = judgements.report(part, rng, n_draws=1)
    return FoldScore(name, report.uar.value, report.accuracy.value, report.n_clips, report.n_speakers)


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"
