"""The report: figures by hand, Markdown and JSON that hold them, leaks and collapse that are said."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from vocalics.emotions import EMOTIONS
from vocalics.errors import VocalicsError
from vocalics.evaluation import EvaluationReport, evaluate, groups_of
from vocalics.manifest import Utterance

CLASSES = ("neutral", "happy", "sad")
TRUTH = ("neutral", "neutral", "happy", "happy", "sad", "sad", "sad", "sad")
PREDICTION = ("neutral", "happy", "happy", "happy", "sad", None, "sad", "neutral")
SPEAKERS = ("a/1", "a/1", "a/1", "a/2", "a/2", "b/1", "b/1", "b/1")


def report(**changes: Any) -> EvaluationReport:
    values: dict[str, Any] = {
        "truth": TRUTH,
        "prediction": PREDICTION,
        "emotions": CLASSES,
        "speakers": SPEAKERS,
        "corpora": [s[0] for s in SPEAKERS],
        "rng": np.random.default_rng(0),
        "model": "net",
        "protocol": "fold 1",
    }
    values.update(changes)
    return evaluate(**values)


def noisy(n: int = 400, seed: int = 0) -> EvaluationReport:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 8, n)
    logits = rng.normal(size=(n, 8))
    logits[np.arange(n), truth] += 1.5
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    chances[:5] = np.nan
    chances[5:7] = 0.0
    return evaluate(
        [EMOTIONS[i] for i in truth],
        None,
        EMOTIONS,
        speakers=[f"s/{i % 12}" for i in range(n)],
        corpora=["s"] * n,
        rng=rng,
        probabilities=chances,
    )


def test_figures_by_hand() -> None:
    got = report()
    assert got.uar.value == pytest.approx((1 / 2 + 1 + 1 / 2) / 3)
    assert got.accuracy.value == pytest.approx(5 / 8)
    assert (got.n_clips, got.n_speakers, got.n_no_speech) == (8, 3, 1)
    assert got.counts.tolist() == [[1, 1, 0, 0], [0, 2, 0, 0], [1, 0, 2, 1]]
    np.testing.assert_allclose(got.row_percent[2], [25, 0, 50, 25])
    happy = got.by_emotion[1]
    assert (happy.emotion, happy.support) == ("happy", 2)
    assert (happy.precision, happy.recall, happy.share) == pytest.approx((2 / 3, 1.0, 3 / 8))
    assert (got.majority, got.majority_accuracy, got.majority_uar) == ("sad", 0.5, pytest.approx(1 / 3))
    assert [(g.name, g.n_clips) for g in got.by_corpus] == [("a", 5), ("b", 3)]
    assert [(g.name, round(g.uar, 3), g.n_emotions) for g in got.by_speaker] == [
        ("a/1", 0.75, 2),
        ("a/2", 1.0, 2),
        ("b/1", 0.333, 1),
    ]
    assert (got.uar.interval.unit, got.uar.interval.n_units) == ("speakers", 3)
    assert got.calibration_error is None


def test_probabilities_alone_give_the_predictions_and_the_calibration() -> None:
    got = noisy()
    assert got.n_no_speech == 7
    assert got.bins is not None
    assert got.bins.n.sum() == 393
    assert 0 < (got.calibration_error or 0) < 0.5
    assert got.uar.interval.low < got.uar.value < got.uar.interval.high


def test_json_is_json_and_holds_the_figures() -> None:
    got = noisy()
    read = json.loads(json.dumps(got.to_json(), allow_nan=False))
    assert read["uar"]["value"] == got.uar.value
    assert read["uar"]["interval"]["n_units"] == 12
    assert np.sum(read["counts"]) == 400
    assert read["by_emotion"][3]["emotion"] == "sad"
    assert report().to_json()["calibration_error"] is None


def test_an_emotion_that_is_absent_has_no_recall() -> None:
    got = report(emotions=(*CLASSES, "fear"))
    assert np.isnan(got.by_emotion[3].recall)
    assert got.to_json()["by_emotion"][3]["recall"] is None
    assert got.uar.value == report().uar.value
    assert "| fear | 0.0 | – | – | 0 | 0.0 |" in got.to_markdown()


def test_markdown_holds_every_part() -> None:
    text = report(notes=["2 clips dropped."]).to_markdown()
    assert text.startswith("# net on a, b\n")
    for words in (
        "Protocol: fold 1. 3 emotions, 3 speakers, 8 clips, 1 of them taken for no speech",
        "| UAR | 66.7 % [",
        "| sad | 1 | 0 | 2 | 1 |",
        "| sad | 25.0 | 0.0 | 50.0 | 25.0 |",
        "The baseline always says sad.",
        "| b/1 | 33.3 | 33.3 | 3 | 1 |",
        "- 2 clips dropped.",
    ):
        assert words in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert all(row.endswith(" |") for row in rows)
    assert "leak" not in text.lower()


def test_a_leak_stands_in_the_title_and_the_caption() -> None:
    leaking = report(leak="1 of 3 speakers was heard in training")
    assert "LEAKING" in leaking.title
    assert "LEAKING" in leaking.caption
    assert "These figures leak" in leaking.to_markdown()
    assert "LEAKING" not in report().title + report().caption


def test_the_caption_names_corpus_protocol_classes_speakers_and_interval() -> None:
    for words in ("a, b", "fold 1", "3 emotions", "3 speakers", "UAR 66.7 % [", "95 % over 3 speakers"):
        assert words in report().caption
    one = report(speakers=["a/1"] * 8)
    assert "95 % over 8 clips (one speaker only)" in one.caption
    unknown = report(speakers=[""] * 8)
    assert "95 % over 8 clips (speakers unknown)" in unknown.caption
    assert "one speaker" not in unknown.caption + unknown.to_markdown()
    assert unknown.by_speaker == ()


def test_an_interval_over_few_speakers_is_cautioned() -> None:
    assert "95 % over 3 speakers, too few to trust its width." in report().to_markdown()
    assert "95 % over 12 speakers." in noisy().to_markdown()
    assert "which says nothing about other speakers." in report(speakers=["a/1"] * 8).to_markdown()


def test_a_model_that_names_one_emotion_has_collapsed() -> None:
    collapsed = report(prediction=["neutral"] * 8)
    assert collapsed.collapsed
    assert collapsed.largest_share.emotion == "neutral"
    assert "**Collapsed:** neutral takes 100.0 %" in collapsed.to_markdown()
    assert not report().collapsed
    # Where the truth itself is one emotion, naming it is no collapse.
    assert not report(truth=["neutral"] * 8, prediction=["neutral"] * 8).collapsed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"truth": ["joy", *TRUTH[1:]]}, 'truth "joy" is not among the classes'),
        ({"truth": ["hapy", *TRUTH[1:]]}, 'did you mean "happy"'),
        ({"prediction": None}, "neither predictions nor probabilities"),
        ({"probabilities": np.ones((8, 2))}, r"expected \(8, 3\)"),
        ({"speakers": ["a"]}, "one of each per clip|expected one of each"),
    ],
)
def test_what_cannot_be_evaluated_is_said(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(VocalicsError, match=words):
        report(**changes)


def test_the_figures_are_divided_by_what_the_speakers_are() -> None:
    sexes = ("female",) * 5 + ("male",) * 2 + ("",)
    got = report(groups={"sex": sexes, "language": ("en",) * 8})
    (by_sex, by_corpus) = got.divided  # one language is no division
    assert (by_sex.by, by_corpus.by) == ("sex", "corpus")
    female, male = by_sex.parts
    assert (female.name, female.n_clips, female.n_speakers, female.n_emotions) == ("female", 5, 2, 3)
    assert female.uar.value == pytest.approx((1 / 2 + 1 + 1) / 3) and female.accuracy.value == pytest.approx(4 / 5)
    assert male.uar.value == male.accuracy.value == pytest.approx(1 / 2)  # one of two is "no speech"
    assert male.uar.interval.unit == "clips" and female.uar.interval.unit == "speakers"
    assert by_sex.gap == pytest.approx(female.uar.value - 0.5) and by_sex.worst is male
    assert "Largest gap: 33.3 points of UAR, lowest for male." in got.to_markdown()
    assert got.to_json()["divided"][0]["parts"][1]["name"] == "male"
    assert [p.n_clips for p in by_corpus.parts] == [5, 3]
    with pytest.raises(VocalicsError, match="2 names of sex for 8 clips"):
        report(groups={"sex": ["female", "male"]})


def test_age_groups_are_those_of_their_limits() -> None:
    clips = [Utterance("a.wav", "x", "x/1", "", "sad", age=age) for age in (8, 29, 30, 44, 45, 59, 60, 91, None)]
    expected = ["below 30"] * 2 + ["30 to 44"] * 2 + ["45 to 59"] * 2 + ["60 and above"] * 2 + [""]
    assert groups_of(clips)["age"] == tuple(expected)
