"""A block is divided where its process died: against a made slot that loses what it is told to lose."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocalics.batch.guard import run_guarded
from vocalics.batch.job import Block, Input, Report
from vocalics.batch.slot import LostError
from vocalics.errors import VocalicsError


class Made:
    """A slot in which inputs kill their process as often as they are said to."""

    def __init__(self, deadly: dict[str, int]) -> None:
        self.deadly = dict(deadly)
        self.committed: list[tuple[str, str]] = []
        self.n_deaths = 0

    def run(self, block: Block, heard: Callable[[int, float], None]) -> Report:
        """Commit a block, or die at an input."""
        if not block.lost:
            for i, item in enumerate(block.inputs):
                heard(i, 0.0)
                if self.deadly.get(item.path, 0) > 0:
                    self.deadly[item.path] -= 1
                    self.n_deaths += 1
                    raise LostError(i, "SIGSEGV")
        self.committed += [(item.path, block.lost) for item in block.inputs]
        return Report(len(block.inputs), len(block.inputs) if block.lost else 0)


@given(deaths=st.lists(st.sampled_from([0, 0, 0, 1, 2, 99]), min_size=1, max_size=12), attempts=st.integers(1, 4))
def test_every_input_is_committed_once_and_only_the_deadly_fail(deaths: list[int], attempts: int) -> None:
    slot = Made({str(i): n for i, n in enumerate(deaths)})
    block = Block(tuple(Input(str(i)) for i in range(len(deaths))))
    reports = list(run_guarded(slot, block, attempts, lambda *_: None))
    assert sorted(int(path) for path, _ in slot.committed) == list(range(len(deaths)))
    failed = {int(path) for path, lost in slot.committed if lost}
    assert failed == {i for i, n in enumerate(deaths) if n >= attempts}
    assert sum(r.n_inputs for r in reports) == len(deaths) and sum(r.n_failed for r in reports) == len(failed)
    assert slot.n_deaths == sum(min(n, attempts) for n in deaths)


def test_processes_that_die_at_no_input_end_the_job() -> None:
    class Dying:
        def run(self, _block: Block, _heard: object) -> Report:
            raise LostError(None, "SIGKILL")

    with pytest.raises(VocalicsError, match="die between inputs: SIGKILL"):
        list(run_guarded(Dying(), Block((Input("a"),)), 3, lambda *_: None))
