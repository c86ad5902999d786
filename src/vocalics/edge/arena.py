"""Where every value of a network lies in one block of memory, and which of them share a place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vocalics.edge.loops import Buffer
from vocalics.edge.sizes import count

_ALIGNMENT = 16
_BYTES = {"float": 4, "u8": 1}


@dataclass
class Step:
    """One step of the network in C.

    Attributes:
        title: What it is, for a comment.
        lines: Its C.
        reads: Buffers that it reads.
        writes: Buffers that it writes.
        scratch: Buffers that it needs only for itself.
        in_place: Pairs (written, read): the one may lie where the other is, when that is not needed afterwards.
        macs: Multiply-accumulate operations at the most frames.
        weight_bytes: Of its constants.
    """

    title: str
    lines: list[str]
    reads: list[Buffer]
    writes: list[Buffer]
    scratch: list[Buffer] = field(default_factory=list)
    in_place: list[tuple[Buffer, Buffer]] = field(default_factory=list)
    macs: int = 0
    weight_bytes: int = 0


@dataclass(frozen=True)
class Plan:
    """Offsets in bytes by the buffer's name, which names mean the same place, and how much that takes."""

    offsets: Mapping[str, int]
    same: Mapping[str, str]
    n_bytes: int
    in_use: Sequence[int]
    """By step: the bytes that are in use while it runs."""


def n_bytes(buffer: Buffer, max_frames: int) -> int:
    """Return how many bytes a buffer takes, at the most frames."""
    return count(buffer.shape, max_frames) * _BYTES[buffer.kind]


def plan(source: Buffer, steps: Sequence[Step], max_frames: int) -> Plan:
    """Give every buffer of the arena a place; those that are never needed together may share it.

    The largest come first, each at the lowest place that is free for as long as it lives.

    Args:
        source: The input, which is there before the first step.
        steps: In the order in which they run.
        max_frames: The most frames.
    """
    first: dict[str, int] = {source.name: -1}
    last: dict[str, int] = {source.name: -1}
    sizes: dict[str, int] = {source.name: n_bytes(source, max_frames)}
    for i, step in enumerate(steps):
        for buffer in (*step.reads, *step.writes, *step.scratch):
            if buffer.where == "arena":
                sizes[buffer.name] = n_bytes(buffer, max_frames)
                first.setdefault(buffer.name, i)
                last[buffer.name] = i
    same = {name: name for name in sizes}
    for i, step in enumerate(steps):
        for written, read in step.in_place:
            if written.where != "arena" or read.where != "arena" or first[written.name] != i:
                continue
            place = same[read.name]
            if last[place] == i and sizes[place] >= sizes[written.name] and same[written.name] == written.name:
                same[written.name] = place
                last[place] = last[written.name]
    offsets: dict[str, int] = {}
    own = [name for name in sizes if same[name] == name]
    for name in sorted(own, key=lambda n: (-sizes[n], first[n])):
        taken = sorted(
            (offsets[other], offsets[other] + sizes[other])
            for other in offsets
            if first[other] <= last[name] and first[name] <= last[other]
        )
        at = 0
        for start, end in taken:
            if at + sizes[name] <= start:
                break
            at = max(at, -(-end // _ALIGNMENT) * _ALIGNMENT)
        offsets[name] = at
    total = max(offsets[name] + sizes[name] for name in own)
    in_use = [sum(sizes[name] for name in own if first[name] <= i <= last[name]) for i in range(len(steps))]
    return Plan(offsets, same, -(-total // _ALIGNMENT) * _ALIGNMENT, in_use)
