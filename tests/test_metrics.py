"""Metrics against scikit-learn, against arithmetic by hand, and against what must hold for any input."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from vocalics import metrics
from vocalics.errors import VocalicsError
from vocalics.metrics import NO_SPEECH


def clips(n_classes: int = 8, n: int = 500, seed: int = 0, skewed: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """A truth with unequal classes, and predictions that are right half of the time."""
    rng = np.random.default_rng(seed)
    weights = np.arange(1, n_classes + 1, dtype=float) if skewed else np.ones(n_classes)
    truth = rng.choice(n_classes, n, p=weights / weights.sum())
    return truth, np.where(rng.random(n) < 0.5, truth, rng.integers(0, n_classes, n))


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_scikit_learn(seed: int) -> None:
    truth, prediction = clips(seed=seed)
    macro = {"average": "macro", "zero_division": 0}
    assert metrics.confusion(truth, prediction)[:, :-1].tolist() == oracle.confusion_matrix(truth, prediction).tolist()
    assert metrics.accuracy(truth, prediction) == pytest.approx(oracle.accuracy_score(truth, prediction))
    uar = metrics.unweighted_average_recall(truth, prediction)
    assert uar == pytest.approx(oracle.balanced_accuracy_score(truth, prediction))
    assert metrics.macro_f1(truth, prediction) == pytest.approx(oracle.f1_score(truth, prediction, **macro))
    p, r, f, _ = oracle.precision_recall_fscore_support(truth, prediction)
    np.testing.assert_allclose(metrics.precision(truth, prediction), p)
    np.testing.assert_allclose(metrics.recall(truth, prediction), r)
    np.testing.assert_allclose(metrics.f1(truth, prediction), f)
    # The figures are not equal for want of difference: classes are unequal, so the averages differ.
    assert abs(uar - metrics.accuracy(truth, prediction)) > 1e-3
    assert np.ptp(r) > 0.02


def test_a_clip_without_an_answer_is_a_miss_and_no_prediction() -> None:
    truth, prediction = clips(4)
    prediction = np.where(np.arange(len(truth)) % 5 == 0, NO_SPEECH, prediction)
    labels = {"labels": range(4), "average": None, "zero_division": 0}
    np.testing.assert_allclose(metrics.recall(truth, prediction), oracle.recall_score(truth, prediction, **labels))
    np.testing.assert_allclose(
        metrics.precision(truth, prediction), oracle.precision_score(truth, prediction, **labels)
    )
    counts = metrics.confusion(truth, prediction)
    assert counts[:, -1].sum() == (prediction == NO_SPEECH).sum() > 0
    assert counts.sum() == len(truth)


def test_uar_by_hand() -> None:
    # Class 0: 3 of 4 found; class 1: 1 of 2; class 2 is in no truth and does not count.
    truth, prediction = [0, 0, 0, 0, 1, 1], [0, 0, 0, 2, 1, 0]
    assert metrics.unweighted_average_recall(truth, prediction) == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert metrics.accuracy(truth, prediction) == pytest.approx(4 / 6)
    assert metrics.precision(truth, prediction).tolist() == [0.75, 1.0, 0.0]
    assert np.isnan(metrics.recall(truth, prediction)[2])


def test_always_the_majority_is_at_chance_for_uar_only() -> None:
    truth, _ = clips(4)
    majority = np.full_like(truth, np.bincount(truth).argmax())
    assert metrics.unweighted_average_recall(truth, majority) == pytest.approx(1 / 4)
    assert metrics.accuracy(truth, majority) > 0.35


indices = st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 4), st.integers(0, 2)), min_size=1, max_size=60)


@settings(max_examples=150, deadline=None)
@given(indices, st.permutations(range(5)))
def test_what_holds_for_every_prediction(rows: list[tuple[int, int, int]], renaming: list[int]) -> None:
    truth, prediction = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    uar = metrics.unweighted_average_recall(truth, prediction)
    assert 0 <= uar <= 1
    assert metrics.unweighted_average_recall(truth, truth) == 1
    renamed = np.array([*renaming, NO_SPEECH])
    assert metrics.unweighted_average_recall(renamed[truth], renamed[prediction]) == pytest.approx(uar)
    assert metrics.unweighted_average_recall(truth[::-1], prediction[::-1]) == pytest.approx(uar)
    counts = metrics.confusion(truth, prediction, 5)
    assert counts.shape == (5, 6)
    assert counts.sum() == len(truth)
    interval = metrics.bootstrap_interval(
        metrics.uar_of, truth, prediction, [str(r[2]) for r in rows], np.random.default_rng(0), n=50
    )
    assert 0 <= interval.low <= interval.high <= 1


def test_bootstrap_equals_a_loop_over_resampled_speakers() -> None:
    truth, prediction = clips(4, 600)
    speakers = [f"s{i % 7}" for i in range(len(truth))]
    # Speaker 0 is understood better, so that speakers matter.
    prediction = np.where(np.arange(len(truth)) % 7 == 0, truth, prediction)
    got = metrics.bootstrap_interval(metrics.uar_of, truth, prediction, speakers, np.random.default_rng(1), n=4000)
    rng, rows = np.random.default_rng(2), [np.arange(len(truth))[i::7] for i in range(7)]
    draws = []
    for _ in range(1500):
        index = np.concatenate([rows[s] for s in rng.integers(0, 7, 7)])
        draws.append(metrics.unweighted_average_recall(truth[index], prediction[index]))
    low, high = np.quantile(draws, [0.025, 0.975])
    assert (got.unit, got.n_units) == ("speakers", 7)
    assert got.low == pytest.approx(low, abs=0.01)
    assert got.high == pytest.approx(high, abs=0.01)
    assert got.low < metrics.unweighted_average_recall(truth, prediction) < got.high


def test_who_is_not_known_is_no_second_speaker() -> None:
    truth, prediction = [0, 1] * 40, [0, 1, 1, 0] * 20
    rng = np.random.default_rng
    one = metrics.bootstrap_interval(metrics.uar_of, truth, prediction, ["a"] * 40 + [""] * 40, rng(1))
    assert (one.unit, one.n_units) == ("clips", 80)
    two = metrics.bootstrap_interval(metrics.uar_of, truth, prediction, ["a", "b"] * 20 + [""] * 40, rng(1))
    assert (two.unit, two.n_units) == ("speakers", 2)


def test_a_clip_that_comes_once_per_seed_is_drawn_as_one() -> None:
    truth, prediction = clips(4, 300)
    names, rng = [f"{i}.wav" for i in range(300)], np.random.default_rng
    plain = metrics.bootstrap_interval(metrics.uar_of, truth, prediction, ["one"] * 300, rng(1))
    one = metrics.bootstrap_interval(metrics.uar_of, truth, prediction, ["one"] * 300, rng(1), clips=names)
    assert one == plain  # the same draws
    # Four seeds that say the same tell no more than one.
    four = metrics.bootstrap_interval(
        metrics.uar_of, np.tile(truth, 4), np.tile(prediction, 4), ["one"] * 1200, rng(2), n=4000, clips=names * 4
    )
    assert (four.unit, four.n_units) == ("clips", 300)
    assert four.high - four.low == pytest.approx(plain.high - plain.low, rel=0.1)
    # Seeds that differ: as a loop over resampled clips.
    other = np.where(rng(5).uniform(size=300) < 0.3, (prediction + 1) % 4, prediction)
    both, twice = np.concatenate([prediction, other]), np.tile(truth, 2)
    got = metrics.bootstrap_interval(metrics.uar_of, twice, both, [""] * 600, rng(3), n=4000, clips=names * 2)
    draws = []
    for _ in range(1500):
        index = rng(4 + len(draws)).integers(0, 300, 300)
        index = np.concatenate([index, index + 300])
        draws.append(metrics.unweighted_average_recall(twice[index], both[index]))
    assert (got.low, got.high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=0.01)
    with pytest.raises(VocalicsError, match="2 names for 300 clips"):
        metrics.bootstrap_interval(metrics.uar_of, truth, prediction, ["one"] * 300, rng(1), clips=["a", "b"])


def test_bootstrap_over_speakers_is_wider_than_over_clips_where_speakers_differ() -> None:
    truth, prediction = clips(4, 600)
    known = np.arange(len(truth)) % 6 < 3
    prediction = np.where(known, truth, (truth + 1) % 4)
    rng = np.random.default_rng(0)
    by_speaker = metrics.bootstrap_interval(
        metrics.accuracy_of, truth, prediction, [str(i % 6) for i in range(len(truth))], rng
    )
    by_clip = metrics.bootstrap_interval(metrics.accuracy_of, truth, prediction, ["one"] * len(truth), rng)
    assert (by_clip.unit, by_clip.n_units) == ("clips", 600)
    assert by_speaker.high - by_speaker.low > 3 * (by_clip.high - by_clip.low) > 0
    # Clips are a binomial draw, whose 95 % interval is known.
    assert by_clip.high - by_clip.low == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 600), rel=0.1)


def test_bootstrap_is_repeatable_and_narrows_with_its_level() -> None:
    truth, prediction = clips()
    speakers = [str(i % 9) for i in range(len(truth))]

    def interval(seed: int, level: float = 0.95) -> metrics.Interval:
        rng = np.random.default_rng(seed)
        return metrics.bootstrap_interval(metrics.macro_f1_of, truth, prediction, speakers, rng, level=level)

    assert interval(3) == interval(3) != interval(4)
    assert interval(3, 0.5).high - interval(3, 0.5).low < interval(3).high - interval(3).low


def test_a_model_that_knows_its_chances_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1.0, 40_000)
    truth = (rng.random(40_000) > sure).astype(int)
    probabilities = np.stack([sure, 1 - sure], axis=1)
    assert metrics.expected_calibration_error(probabilities, truth) < 0.01
    overconfident = np.stack([np.full(40_000, 0.99), np.full(40_000, 0.01)], axis=1)
    assert metrics.expected_calibration_error(overconfident, truth) == pytest.approx(0.99 - (truth == 0).mean())


def test_the_error_of_perfect_probabilities_is_what_chance_makes_of_so_few_clips() -> None:
    rng = np.random.default_rng(1)

    def by_chance(n: int) -> tuple[float, float]:
        chances = np.stack([sure := rng.uniform(0.5, 1.0, n), 1 - sure], axis=1)
        drawn = [
            metrics.expected_calibration_error(chances, (rng.random(n) > sure).astype(int)) for _ in range(400)
        ]  # of models that are perfectly calibrated
        return metrics.calibration_error_by_chance(chances), float(np.mean(drawn))

    for n in (50, 500):
        said, measured = by_chance(n)
        assert said == pytest.approx(measured, rel=0.05)
    assert by_chance(500)[0] < by_chance(50)[0] / 2.5
    # One clip, said to be half sure: right or wrong, the accuracy is half off.
    assert metrics.calibration_error_by_chance([[0.5, 0.5]]) == 0.5


def test_a_clip_that_several_seeds_judged_counts_once_in_what_chance_does() -> None:
    sure = np.random.default_rng(2).uniform(0.5, 1.0, 200)
    once = np.stack([sure, 1 - sure], axis=1)
    thrice, names = np.tile(once, (3, 1)), [str(i) for i in range(200)] * 3
    alone = metrics.calibration_error_by_chance(once)
    assert metrics.calibration_error_by_chance(thrice, names) == pytest.approx(alone, rel=0.05)
    assert metrics.calibration_error_by_chance(thrice) < alone / 1.5


def test_reliability_counts_every_clip_once() -> None:
    bins = metrics.reliability([[1.0, 0.0], [0.55, 0.45], [0.5, 0.5], [0.2, 0.8]], [0, 1, 0, 1], n_bins=5)
    assert bins.n.tolist() == [0, 0, 2, 1, 1]
    assert bins.accuracy[2:].tolist() == [0.5, 1.0, 1.0]
    assert bins.confidence[2] == pytest.approx(0.525)
    assert np.isnan(bins.accuracy[:2]).all()


def test_no_warning_where_a_class_is_missing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert metrics.f1([0, 0], [0, 0], 3).tolist()[0] == 1.0


@pytest.mark.parametrize(
    ("truth", "prediction", "words"),
    [
        ([], [], "at least one clip"),
        ([0, 1], [0], "two equal lengths"),
        ([0.0, 1.0], [0, 1], "integer class indices"),
        ([-1, 0], [0, 0], "expected indices from 0"),
        ([0, 1], [0, -2], "expected indices from 0"),
    ],
)
def test_what_cannot_be_scored_is_said(truth: list[float], prediction: list[int], words: str) -> None:
    with pytest.raises(VocalicsError, match=words):
        metrics.accuracy(truth, prediction)


def test_wrong_arguments_are_said() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(VocalicsError, match="one per clip"):
        metrics.bootstrap_interval(metrics.uar_of, [0, 1], [0, 1], ["a"], rng)
    with pytest.raises(VocalicsError, match="3 names for 2 clips; expected one per clip"):
        metrics.calibration_error_by_chance([[0.5, 0.5]] * 2, ["a", "b", "c"])
    with pytest.raises(VocalicsError, match="between 0 and 1"):
        metrics.bootstrap_interval(metrics.uar_of, [0, 1], [0, 1], ["a", "b"], rng, level=95)
    with pytest.raises(VocalicsError, match="out of range"):
        metrics.expected_calibration_error([[1.5, -0.5]], [0])
    with pytest.raises(VocalicsError, match=r"expected \(n, n_classes\)"):
        metrics.expected_calibration_error([0.5, 0.5], [0, 1])
