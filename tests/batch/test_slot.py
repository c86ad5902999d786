"""A block is divided where its process died: against a made slot that loses what it is told to lose."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocalics.batch.guard import run_guarded
from vocalics.batch.job import Block, Input, Report
from vocalics.batch.slot import LostError
from vocalics.errors import VocalicsError


class DriverError(Exception):
    """The process that guards is killed too."""


class Made:
    """A slot in which inputs kill their process as often as they are said to, before a store that outlives it."""

    def __init__(self, deadly: dict[str, int]) -> None:
        self.deadly = dict(deadly)
        self.committed: dict[str, list[tuple[str, str]]] = {}
        self.aside: dict[str, list[tuple[str, str]]] = {}
        self.n_deaths = 0
        self.n_runs_left = 10**6

    def run(self, block: Block, heard: Callable[[int, float], None]) -> Report:
        """Commit a block or put a piece of it aside, or die at an input."""
        self.n_runs_left -= 1
        if self.n_runs_left < 0:
            raise DriverError
        if block.pieces:
            rows = [row for piece in block.pieces for row in self.aside[piece]]
        else:
            for i, item in enumerate(block.inputs):
                heard(i, 0.0)
                if not block.lost and self.deadly.get(item.path, 0) > 0:
                    self.deadly[item.path] -= 1
                    self.n_deaths += 1
                    raise LostError(i, "SIGSEGV")
            rows = [(item.path, block.lost) for item in block.inputs]
        if block.piece:
            self.aside[block.piece] = rows
        else:
            self.committed.setdefault(block.name, rows)
        return Report(len(rows), sum(bool(lost) for _, lost in rows))

    @property
    def rows(self) -> list[tuple[str, str]]:
        """All that is committed."""
        return [row for rows in self.committed.values() for row in rows]


DEATHS = st.lists(st.sampled_from([0, 0, 0, 1, 2, 99]), min_size=1, max_size=12)


@given(deaths=DEATHS, attempts=st.integers(1, 4))
def test_every_input_is_committed_once_and_only_the_deadly_fail(deaths: list[int], attempts: int) -> None:
    slot = Made({str(i): n for i, n in enumerate(deaths)})
    block = Block(tuple(Input(str(i)) for i in range(len(deaths))))
    report = run_guarded(slot, block, attempts, lambda *_: None)
    assert [int(path) for path, _ in slot.rows] == list(range(len(deaths)))
    failed = {int(path) for path, lost in slot.rows if lost}
    assert failed == {i for i, n in enumerate(deaths) if n >= attempts}
    assert (report.n_inputs, report.n_failed) == (len(deaths), len(failed))
    assert slot.n_deaths == sum(min(n, attempts) for n in deaths)


@given(deaths=DEATHS, kills=st.lists(st.integers(0, 8), max_size=4))
def test_who_guards_may_be_killed_too(deaths: list[int], kills: list[int]) -> None:
    """An engine gives the same block to another, wherever the first one was: nothing is there twice."""
    slot = Made({str(i): n for i, n in enumerate(deaths)})
    block = Block(tuple(Input(str(i)) for i in range(len(deaths))))
    for slot.n_runs_left in [*kills, 10**6]:
        with contextlib.suppress(DriverError):
            run_guarded(slot, block, 3, lambda *_: None)
    assert [int(path) for path, _ in slot.rows] == list(range(len(deaths)))


def test_processes_that_die_at_no_input_end_the_job() -> None:
    class Dying:
        def run(self, _block: Block, _heard: object) -> Report:
            raise LostError(None, "SIGKILL")

    with pytest.raises(VocalicsError, match="die between inputs: SIGKILL"):
        run_guarded(Dying(), Block((Input("a"),)), 3, lambda *_: None)
