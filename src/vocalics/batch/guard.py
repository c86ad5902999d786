"""A block is processed whatever its inputs do to the process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from vocalics.batch.job import Block, Report
from vocalics.batch.slot import Heard, LostError
from vocalics.errors import VocalicsError


class Runs(Protocol):
    """What runs a block: a :class:`vocalics.batch.slot.Slot`."""

    def run(self, block: Block, heard: Heard) -> Report:
        """Process a block, or raise :class:`LostError`."""


def run_guarded(slot: Runs, block: Block, attempts: int, heard: Heard) -> Iterator[Report]:
    """Process a block whatever its inputs do to the process; yields what became of its parts.

    A block that took its process with it is divided at the input where that happened: what was before it, the input
    alone, what comes after. Alone it is tried until ``attempts`` are used up, and then is a failure; another was
    just there when the process was killed from outside, and goes through.

    Args:
        slot: Runs blocks.
        block: The inputs.
        attempts: How often an input may take its process with it.
        heard: As for :meth:`Slot.run`.

    Raises:
        VocalicsError: When processes die at no input, again and again.
    """
    waiting = [block]
    n_idle = 0
    while waiting:
        part = waiting.pop()
        try:
            yield slot.run(part, heard)
            continue
        except LostError as lost:
            at, reason = lost.at, lost.reason
        n = len(part.inputs)
        if at is None or at >= n:
            n_idle += 1
            if n_idle >= 2 * attempts:
                raise VocalicsError(f"worker processes die between inputs: {reason}")
            waiting.append(part)
        elif n == 1:
            tried = part.attempts + 1
            waiting.append(Block(part.inputs, reason if tried >= attempts else "", tried))
        else:
            before, after = part.inputs[:at], part.inputs[at + 1 :]
            waiting += [Block(inputs) for inputs in (after,) if inputs]
            waiting.append(Block(part.inputs[at : at + 1], reason if attempts == 1 else "", 1))
            waiting += [Block(inputs) for inputs in (before,) if inputs]
