"""What a batch is to do and the pieces that it is divided into: plain values that travel to other processes as JSON."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

MOST_BYTES = 64_000_000
"""A block holds no more of its inputs' bytes than this, but at least one input."""

MOST_INPUTS = 500
"""A block holds no more inputs than this."""

FORMAT = 2
"""How results are told in a folder that is begun now. In the first one, ``emotion`` held what ``label`` holds now."""

_UNKNOWN_BYTES = 1_000_000  # what an input counts whose size is not known before it is fetched
_BLOCKS_EACH = 4  # blocks per worker, at the least, so that all end at about the same time


class Task(StrEnum):
    """What is computed of every input."""

    PREDICT = "predict"
    TIMELINE = "timeline"
    FEATURES = "features"


FOLDERS: dict[Task, str] = {Task.PREDICT: "predictions", Task.TIMELINE: "timeline", Task.FEATURES: "features"}
"""The folder of a task's results."""


class Input(NamedTuple):
    """One recording.

    Attributes:
        path: An absolute path, or a URL.
        size: In bytes; ``None`` where it is not known before it is fetched.
        version: What tells this state of the file from another: the time of its modification in nanoseconds, or what
            the store calls it (ETag); empty where not known.
        digest: SHA-256 of its bytes where inputs are told apart by content, else empty.
    """

    path: str
    size: int | None = None
    version: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Job:
    """What is to be done with every input, and where the results go.

    Attributes:
        output: The folder of the results, absolute.
        task: What is computed.
        model: A bundled model's name or the path of a model file; empty for features.
        model_sha256: Of the model file, which every worker verifies; empty for features.
        feature_set: Its name; empty unless the task is features.
        feature_settings: All that decides the features' numbers, which every worker verifies.
        window: Of a timeline, in seconds; ``None`` for the card's.
        hop: Of a timeline, in seconds; ``None`` for the card's.
        windows: Whether a timeline's rows stand for windows instead of segments.
        mix: Whether a timeline's channels are averaged.
        adapt: Whether a timeline gets used to the voice of each channel.
        by_content: Whether inputs are told apart by content instead of by path, size and version.
        attempts: How often an input is tried that fails for a passing reason, or takes its process with it.
        format: How results are told: a folder keeps the format in which it was begun, so that its files have the same
            columns.
    """

    output: str
    task: Task
    model: str = ""
    model_sha256: str = ""
    feature_set: str = ""
    feature_settings: str = ""
    window: float | None = None
    hop: float | None = None
    windows: bool = False
    mix: bool = False
    by_content: bool = False
    attempts: int = 3
    format: int = FORMAT
    adapt: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """What must not change as long as results go to the same folder."""
        told = dataclasses.asdict(self)
        return {name: value for name, value in told.items() if name not in ("output", "attempts", "model")}

    def to_json(self) -> str:
        """Return the job in one line that :meth:`from_json` reads back."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Return the job that :meth:`to_json` wrote."""
        values = json.loads(text)
        return cls(**{**values, "task": Task(values["task"])})


@dataclass(frozen=True)
class Block:
    """Inputs that are processed by one process and committed at once.

    Attributes:
        inputs: At least one.
        lost: Why its only input is not tried again: what it did to its process; empty for other blocks.
        attempts: How often that input was tried.
        piece: The name under which its results are put aside, for it is a part of a block; empty for a whole one.
        pieces: What was put aside and is to be committed together; the inputs are not judged again.
    """

    inputs: tuple[Input, ...]
    lost: str = ""
    attempts: int = 0
    piece: str = ""
    pieces: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The same for the same inputs, and for no others."""
        told = json.dumps([list(i) for i in self.inputs])
        return hashlib.sha256(told.encode()).hexdigest()[:24]

    def to_json(self) -> str:
        """Return the block in one line that :meth:`from_json` reads back."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Block:
        """Return the block that :meth:`to_json` wrote."""
        values = json.loads(text)
        inputs, pieces = tuple(Input(*i) for i in values["inputs"]), tuple(values["pieces"])
        return cls(**{**values, "inputs": inputs, "pieces": pieces})


@dataclass(frozen=True)
class Report:
    """What became of a block.

    Attributes:
        n_inputs: How many are in the ledger now.
        n_failed: How many of them failed.
        n_bytes: Their size, as far as it is known.
        sound_seconds: Length of the sound that was judged.
        reasons: How many failed, by reason.
        retried: How many were tried again, by reason.
        memory: The peak of the worker's memory, in bytes; 0 where the system does not tell.
    """

    n_inputs: int = 0
    n_failed: int = 0
    n_bytes: int = 0
    sound_seconds: float = 0.0
    reasons: dict[str, int] = field(default_factory=dict)
    retried: dict[str, int] = field(default_factory=dict)
    memory: int = 0

    def __add__(self, other: Report) -> Report:
        return Report(
            self.n_inputs + other.n_inputs,
            self.n_failed + other.n_failed,
            self.n_bytes + other.n_bytes,
            self.sound_seconds + other.sound_seconds,
            dict(Counter(self.reasons) + Counter(other.reasons)),
            dict(Counter(self.retried) + Counter(other.retried)),
            max(self.memory, other.memory),
        )

    def to_json(self) -> str:
        """Return the report in one line that :meth:`from_json` reads back."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Return the report that :meth:`to_json` wrote."""
        return cls(**json.loads(text))


def divided(inputs: Sequence[Input], n_workers: int, most: int = MOST_INPUTS) -> Iterator[Block]:
    """Yield the inputs in blocks, in their order: bounded by number and by bytes.

    With few inputs the blocks are smaller, so that every worker has something to do until the end.

    Args:
        inputs: All of them.
        n_workers: How many work on them at a time.
        most: Inputs per block, at most.
    """
    most = min(most, max(1, -(-len(inputs) // (_BLOCKS_EACH * n_workers))))
    yield from _blocks(inputs, most)


def _blocks(inputs: Iterable[Input], most: int) -> Iterator[Block]:
    held: list[Input] = []
    n_bytes = 0
    for item in inputs:
        size = _UNKNOWN_BYTES if item.size is None else item.size
        if held and (len(held) >= most or n_bytes + size > MOST_BYTES):
            yield Block(tuple(held))
            held, n_bytes = [], 0
        held.append(item)
        n_bytes += size
    if held:
        yield Block(tuple(held))
