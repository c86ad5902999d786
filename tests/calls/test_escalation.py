"""Calls with a known course of emotions, by speakers that the model, tiny, has never heard."""

from __future__ import annotations

from pathlib import Path

import mixed
import pytest

from vocalics import recognizer
from vocalics.calls.analysis import Settings, analyse
from vocalics.calls.call import CUSTOMER, Kind
from vocalics.calls.questions import anger_rose
from vocalics.calls.storage import Storage

pytestmark = [pytest.mark.corpus, pytest.mark.slow]

# What is found of a customer is the same (test_analysis.py), and half of the model's work is spared.
SETTINGS = Settings(customer_only=True)


def unheard(shared: Path) -> recognizer.Recognizer:
    """A bundled model that heard none of the speakers: the default was trained on everybody."""
    model = recognizer.load("tiny")
    assert not set(mixed.untrained(shared)) & {*model.card.training_speakers, *model.card.validation_speakers}
    return model


def places(call: object, kind: Kind) -> list[int]:
    """Which of the customer's turns, from 0, begin a moment of a kind."""
    own = [turn.number for turn in call.turns if turn.party == CUSTOMER]  # type: ignore[attr-defined]
    return [own.index(m.turn) for m in call.moments if m.kind is kind and m.party == CUSTOMER]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("seed", "least"), [(0, (14, 17, 9)), (1, (14, 17, 10))])
def test_escalations_are_found_in_the_right_turn(
    seed: int, least: tuple[int, int, int], shared: Path, tmp_path: Path
) -> None:
    """Measured, see docs/calls.md; what is asked for here leaves room for one call."""
    model = unheard(shared)
    scripts = mixed.scripts(shared, rise=True, seed=seed)
    found = []
    with Storage(str(tmp_path / "calls.db")) as storage:
        for script in scripts:
            call = analyse(model, mixed.write(script, tmp_path), SETTINGS)
            assert call.parties[1].n_turns == len(script.customer) and call.parties[0].n_turns == len(script.agent)
            storage.put(call)
            found.append(call)
        risen = {r.digest for r in anger_rose(storage)}
    exact = [script.rises in places(call, Kind.ESCALATION) for script, call in zip(scripts, found, strict=True)]
    near = [
        any(abs(place - (script.rises or 0)) <= 1 for place in places(call, Kind.ESCALATION))
        for script, call in zip(scripts, found, strict=True)
    ]
    back = [(s, c) for s, c in zip(scripts, found, strict=True) if s.falls is not None]
    fell = [any(abs(place - (s.falls or 0)) <= 1 for place in places(c, Kind.RECOVERY)) for s, c in back]
    there = [script.falls in places(call, Kind.RECOVERY) for script, call in back]
    print(f"escalation: exact {sum(exact)}, within a turn {sum(near)} of {len(near)}", end="; ")
    print(f"recovery: exact {sum(there)}, within a turn {sum(fell)} of {len(fell)}")
    assert len(scripts) == 23 and len(back) == 11
    assert sum(exact) >= least[0] and sum(near) >= least[1] and sum(fell) >= least[2]
    if seed:
        return
    stayed = [c for s, c in zip(scripts, found, strict=True) if s.falls is None]
    assert sum(c.digest in risen for c in stayed) >= 10, "who ends angry, ends angrier than at the beginning"
    assert not risen & {c.digest for _, c in back}


def test_nothing_is_found_in_calls_without_one(shared: Path, tmp_path: Path) -> None:
    model = unheard(shared)
    for script in mixed.scripts(shared, rise=False):
        call = analyse(model, mixed.write(script, tmp_path), SETTINGS)
        assert places(call, Kind.ESCALATION) == [] and call.parties[1].course.n_turns >= 10
