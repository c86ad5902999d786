"""Where anger changes is found, and hardly ever where it does not."""

from __future__ import annotations

import numpy as np
import pytest

from vocalics.calls.call import Trend
from vocalics.calls.course import LEAST_CHANGE, LEAST_TURNS, MOST_TURNS, changes, course

CALM, ANGRY = (0.05, 0.1, 0.02, 0.08, 0.12, 0.04), (0.8, 0.6, 0.9, 0.7, 0.85, 0.75)


def test_a_rise_is_found_in_its_turn() -> None:
    (rise,) = changes(CALM + ANGRY)
    assert (rise.position, rise.end) == (6, 12) and rise.strength == pytest.approx(np.mean(ANGRY) - np.mean(CALM))
    assert rise.confidence >= 0.95
    (fall,) = changes(ANGRY + CALM)
    assert (fall.position, fall.strength) == (6, pytest.approx(-rise.strength))


def test_up_and_down_again_are_two() -> None:
    found = changes(CALM + ANGRY + CALM)
    assert [c.position for c in found] == [6, 12] and found[0].strength > 0 > found[1].strength


def test_nothing_is_named_on_few_turns_or_small_changes() -> None:
    few = (CALM + ANGRY)[3 : 2 + LEAST_TURNS]
    assert len(few) == LEAST_TURNS - 1 and changes(few) == [] and course(few).trend is Trend.TOO_FEW
    assert course(few).change is None and course(few).n_turns == LEAST_TURNS - 1
    small = [0.1] * 10 + [0.1 + LEAST_CHANGE - 0.01] * 10
    assert changes(small) == [] and course(small).trend is Trend.LEVEL
    assert len(changes([0.1] * 10 + [0.1 + LEAST_CHANGE + 0.01] * 10)) == 1
    assert changes([0.3] * 30) == [] and changes([]) == []


def test_one_loud_turn_is_no_change() -> None:
    assert changes([*CALM, 0.95, *CALM]) == []


def test_trends_with_their_interval() -> None:
    rose, fell = course(CALM + ANGRY), course(ANGRY + CALM)
    assert (rose.trend, fell.trend) == (Trend.ROSE, Trend.FELL)
    assert rose.low is not None and rose.high is not None and rose.change is not None
    assert 0 < rose.low < rose.change < rose.high and rose.beginning == pytest.approx(np.mean(CALM[:4]))
    assert fell.change == pytest.approx(np.mean(CALM[2:]) - np.mean(ANGRY[:4]))
    assert course([0.1, 0.9] * 8).trend is Trend.LEVEL


def test_chance_alone_is_seldom_named() -> None:
    """Of calls in which nothing changes, about one in twenty is named: what the intervals and orders promise."""
    rng = np.random.default_rng(5)
    calls = [rng.beta(0.4, 1.2, int(rng.integers(LEAST_TURNS, 30))) for _ in range(150)]
    assert np.mean([np.std(c) for c in calls]) > 0.2
    changed = np.mean([bool(changes(c.tolist())) for c in calls])
    trends = np.mean([course(c.tolist()).trend is not Trend.LEVEL for c in calls])
    print(f"of {len(calls)} calls in which nothing changes, {changed:.1%} are given a change, {trends:.1%} a trend")
    assert changed < 0.1 and trends < 0.15


def test_what_is_noisy_is_still_found_more_often_than_not() -> None:
    rng = np.random.default_rng(6)
    found = 0
    for _ in range(40):
        steps = changes([*rng.beta(0.3, 2.5, 10), *rng.beta(1.5, 0.7, 10)])
        found += any(c.strength > 0 and abs(c.position - 10) <= 1 for c in steps)
    assert found > 24


def test_many_turns_are_averaged_first() -> None:
    rng = np.random.default_rng(7)
    n = 3 * MOST_TURNS
    values = np.concatenate([rng.beta(1, 8, n), rng.beta(8, 1, n)])
    (rise,) = changes(values.tolist())
    assert abs(rise.position - n) <= 6 and rise.end == 2 * n


def test_the_same_turns_say_the_same() -> None:
    values = np.random.default_rng(8).random(30).tolist()
    assert course(values) == course(values) and changes(values) == changes(values)
