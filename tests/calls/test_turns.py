"""Who has the floor, by the clock."""

from __future__ import annotations

import pytest

from vocalics.calls import turns
from vocalics.calls.turns import Utterance
from vocalics.recognizer import Prediction


def said(*spans: tuple[float, float]) -> list[Utterance]:
    """Utterances at these times."""
    return [Utterance(Prediction("x", a, b, "sad", 0.5, {"sad": 0.5}, "fake"), 0.01) for a, b in spans]


def times(found: list[tuple[str, list[Utterance]]]) -> list[tuple[str, float, float]]:
    """Whose each turn is, its start and its end."""
    return [(role, us[0].span[0], us[-1].span[1]) for role, us in found]


def test_a_short_pause_ends_no_turn_and_a_long_one_does() -> None:
    assert times(turns.turns({"agent": said((0, 2), (3, 4), (5.6, 6))})) == [("agent", 0, 4), ("agent", 5.6, 6)]


def test_the_other_takes_the_floor_in_a_pause_and_a_backchannel_does_not() -> None:
    agent = said((0, 2), (3.3, 5))
    taken = turns.turns({"agent": agent, "customer": said((2.1, 3.2))})
    assert times(taken) == [("agent", 0, 2), ("customer", 2.1, 3.2), ("agent", 3.3, 5)]
    mhm = turns.turns({"agent": agent, "customer": said((2.3, 2.9))})
    assert times(mhm) == [("agent", 0, 5), ("customer", 2.3, 2.9)]


def test_of_several_others_what_they_take_together_counts() -> None:
    first, second = said((0, 5), (6.2, 8)), said((4, 6.3))
    assert times(turns.turns({"1": first, "2": second}))[0] == ("1", 0, 5)
    # A third that was over long before the pause changes nothing.
    assert times(turns.turns({"1": first, "2": second, "3": said((4.1, 4.3))}))[0] == ("1", 0, 5)


def test_a_monologue_is_cut_and_nothing_is_lost() -> None:
    spans = [(i * 6.0, i * 6.0 + 5.5) for i in range(20)]
    found = turns.turns({"speaker": said(*spans)})
    assert len(found) == 7 and all(end - start <= turns.LONGEST_TURN for _, start, end in times(found))
    assert [u.span for _, us in found for u in us] == spans
    assert turns.turns({"speaker": said((0, 25))})[0][1][0].seconds == 25


def test_interruptions_are_those_who_outlast_the_other() -> None:
    def found(agent: tuple[float, float], customer: tuple[float, float]) -> list[tuple[str, float, float]]:
        cuts = turns.interruptions({"agent": said(agent), "customer": said(customer)})
        return [(c.party, c.start, c.end) for c in cuts]

    assert found((0, 5), (4, 8)) == [("customer", 4, 5)]
    assert found((4, 8), (0, 5)) == [("agent", 4, 5)]
    assert found((0, 5), (3, 4.5)) == [], "who gives up has not interrupted"
    assert found((0, 5), (4.7, 8)) == [], "so short an overlap is the padding's"
    assert found((0, 5), (4.5, 5.3)) == [], "a backchannel"
    assert found((0, 5), (5.1, 8)) == [] and found((0, 5), (0.1, 8)) == []


def test_speech_without_a_pause_interrupts_and_is_interrupted_as_one() -> None:
    """Voice activity cuts what is longer than ten seconds; a cut is no end and no beginning."""
    whole, cut = said((0, 15)), said((0, 7.5), (7.5, 15))
    assert turns.interruptions({"agent": said((6, 8.5)), "customer": cut}) == []
    assert turns.interruptions({"agent": said((6, 8.5)), "customer": whole}) == []
    for customer, agent in ((said((0, 7.5), (7.5, 9)), said((7.6, 14))), (said((0, 9)), said((7.6, 8), (8, 14)))):
        (found,) = turns.interruptions({"agent": agent, "customer": customer})
        assert (found.party, found.start, found.end) == ("agent", 7.6, 9)


def test_overlap_and_silence_add_up() -> None:
    parties = {"agent": said((1, 4), (6, 9)), "customer": said((3, 7), (12, 13))}
    assert turns.overlap(parties) == pytest.approx(2.0)
    pauses = turns.silences(parties, 20.0)
    assert pauses == [(0, 1), (9, 12), (13, 20)]
    speech = sum(u.seconds for us in parties.values() for u in us)
    assert speech - turns.overlap(parties) + sum(b - a for a, b in pauses) == pytest.approx(20.0)
    assert turns.silences({"agent": []}, 5.0) == [(0, 5)] and turns.overlap({"agent": []}) == 0
