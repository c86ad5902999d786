"""A block is processed whatever its inputs do to the process."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Protocol

from vocalics.batch.job import Block, Report
from vocalics.batch.slot import Heard, LostError
from vocalics.errors import VocalicsError


class Runs(Protocol):
    """What runs a block: a :class:`vocalics.batch.slot.Slot`."""

    def run(self, block: Block, heard: Heard) -> Report:
        """Process a block, or raise :class:`LostError`."""


def run_guarded(slot: Runs, block: Block, attempts: int, heard: Heard) -> Report:
    """Process a block whatever its inputs do to the process, and return what became of it.

    A block that took its process with it is divided at the input where that happened: what was before it, the input
    alone, what comes after. Alone it is tried until ``attempts`` are used up, and then is a failure; another was
    just there when the process was killed from outside, and goes through. The parts' results are put aside and
    committed together: who is given the same block again, since this process is lost too, commits it whole or not.

    Args:
        slot: Runs blocks.
        block: The inputs.
        attempts: How often an input may take its process with it.
        heard: As for :meth:`Slot.run`.

    Raises:
        VocalicsError: When processes die at no input, again and again.
    """
    token, pieces, told = uuid.uuid4().hex, list[str](), Report()
    waiting = [block]
    n_idle = 0
    while waiting:
        part = waiting.pop()
        if len(part.inputs) < len(block.inputs):
            part = replace(part, piece=f"{token}-{len(pieces)}")
        n_before, seconds_before = told.n_inputs, told.sound_seconds
        try:
            report = slot.run(part, lambda at, s, n=n_before, t=seconds_before: heard(n + at, t + s))  # type: ignore[misc]
        except LostError as lost:
            n_idle += lost.at is None or lost.at >= len(part.inputs) or bool(part.pieces)
            if n_idle >= 2 * attempts:
                raise VocalicsError(f"worker processes die between inputs: {lost.reason}") from None
            waiting += reversed(_divided(part, lost, attempts))
            continue
        if not part.piece:
            return report if not part.pieces else told
        pieces.append(part.piece)
        told += report
        if not waiting:
            waiting.append(Block(block.inputs, pieces=tuple(pieces)))
    raise AssertionError("the last part is the whole block")


def _divided(part: Block, lost: LostError, attempts: int) -> list[Block]:
    """What is to be run instead of a part that took its process with it, in order."""
    n, at = len(part.inputs), lost.at
    if at is None or at >= n or part.pieces:
        return [part]
    if n == 1:
        tried = part.attempts + 1
        return [Block(part.inputs, lost.reason if tried >= attempts else "", tried)]
    alone = Block(part.inputs[at : at + 1], lost.reason if attempts == 1 else "", 1)
    before, after = part.inputs[:at], part.inputs[at + 1 :]
    return [*(Block(b) for b in (before,) if b), alone, *(Block(b) for b in (after,) if b)]
