"""Figures over folds: the mean of the folds, the figure of all clips together, and how far apart the two can be."""

from __future__ import annotations

import numpy as np
import pytest

from vocalics.cross_validation import summarise
from vocalics.errors import VocalicsError
from vocalics.judgements import Judgements
from vocalics.manifest import Manifest, Utterance

EMOTIONS = ("happy", "sad")


def fold(name: str, truth: str, said: str) -> Judgements:
    """Judgements of clips of one speaker; h is happy and s is sad."""
    word = {"h": "happy", "s": "sad"}
    clips = Manifest(tuple(Utterance(f"/{name}{i}.wav", "c", f"c/{name}", t, word[t]) for i, t in enumerate(truth)))
    chances = [[0.9, 0.1] if s == "h" else [0.1, 0.9] for s in said]
    return Judgements.of(clips, [word[t] for t in truth], EMOTIONS, chances)


FOLDS = {"a": fold("a", "hhss", "hhsh"), "b": fold("b", "hhhs", "hsss"), "c": fold("c", "hs", "sh")}


def test_mean_and_deviation_are_over_folds_and_the_pooled_figure_over_clips() -> None:
    found = summarise("m", "p", FOLDS, np.random.default_rng(0))
    assert [f.name for f in found.folds] == ["a", "b", "c"]
    assert [f.uar for f in found.folds] == pytest.approx([0.75, (1 / 3 + 1) / 2, 0.0])
    assert [f.accuracy for f in found.folds] == pytest.approx([0.75, 0.5, 0.0])
    assert found.mean_uar == pytest.approx((0.75 + 2 / 3 + 0) / 3)
    assert found.deviation_uar == pytest.approx(np.std([0.75, 2 / 3, 0.0], ddof=1))
    assert found.mean_accuracy == pytest.approx(1.25 / 3)
    # Happy: 3 of 6, sad: 2 of 4.
    assert found.pooled.uar.value == pytest.approx((3 / 6 + 2 / 4) / 2)
    assert found.pooled.uar.value != pytest.approx(found.mean_uar)
    assert found.pooled.accuracy.value == pytest.approx(5 / 10)
    assert found.pooled.uar.interval.unit == "speakers"
    assert found.pooled.uar.interval.n_units == 3
    assert found.pooled.uar.interval.low < found.pooled.uar.value < found.pooled.uar.interval.high


def test_the_report_holds_every_fold_and_both_figures() -> None:
    found = summarise("m", "speaker-independent: p", FOLDS, np.random.default_rng(0), notes=["c is resynthesised."])
    text = found.to_markdown()
    assert text.startswith("# 3 folds of m on c\n")
    for line in (
        "| a | 75.0 | 75.0 | 4 | 1 |",
        "| b | 66.7 | 50.0 | 4 | 1 |",
        "| **mean ± deviation** | **47.2 ± 41.1** | **41.7 ± 38.2** | | |",
        "- c is resynthesised.",
    ):
        assert line in text.splitlines()
    assert "| **all folds together** | **50.0 % [" in text
    data = found.to_json()
    assert data["mean"]["uar"] == found.mean_uar
    assert len(data["folds"]) == 3
    assert "leak" not in text


def test_figures_that_leak_say_so_in_the_title() -> None:
    found = summarise("m", "p", FOLDS, np.random.default_rng(0), leak="speakers were heard in training in 3 of 3 folds")
    assert "LEAKING: speakers were heard in training in 3 of 3 folds" in found.title
    assert found.to_markdown().count("**These figures leak:**") == 1


def test_one_fold_has_no_deviation() -> None:
    with pytest.raises(VocalicsError, match="1 fold; expected at least two"):
        summarise("m", "p", {"a": FOLDS["a"]}, np.random.default_rng(0))
