"""Whether a model fits a device, before anything is compiled; and what would fit where it does not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from vocalics import modelfile
from vocalics.edge import front_end, network
from vocalics.edge.readme import in_kilobytes, layer_name
from vocalics.edge.source import piece_seconds, sizes
from vocalics.edge.targets import Target
from vocalics.errors import CompileError
from vocalics.modelfile import Card
from vocalics.named_models import bundled

_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_KB = 1024
_BOARD = (56 * _KB, 28 * _KB)
"""What code, tables, stack and front end took of a board's flash and RAM beside a network's weights and memory."""
_PROGRAM = (112 * _KB, 1360 * _KB)
"""The same of a program's file and memory, which holds a recording besides: up to 10 s are judged in one piece."""
_FILES = {"aarch64": 132 * _KB, "windows-x86_64": 148 * _KB}
"""Files for systems that take more."""


def n_bytes(text: str, option: str) -> int:
    """Return the bytes that an option's value stands for: "262144", "256K", "1M".

    >>> n_bytes("256K", "--ram-limit")
    262144

    Raises:
        CompileError: For anything else.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if not match or not float(match[1]):
        raise CompileError(f'{option} "{text}" is no size; expected bytes, or a number with K or M, as in 256K')
    return int(float(match[1]) * _UNITS[match[2].upper()])


@dataclass(frozen=True)
class Limits:
    """What a device has for the program; ``None`` is not limited.

    Attributes:
        flash: In bytes; of a program, the size of its file.
        ram: In bytes, of variables and stack.
    """

    flash: int | None = None
    ram: int | None = None

    def broken(self, flash: int | None, ram: int | None) -> list[str]:
        """Return what is exceeded, in words."""
        return [
            f"{name} {in_kilobytes(taken)} of {in_kilobytes(limit)}"
            for name, taken, limit in (("flash", flash, self.flash), ("RAM", ram, self.ram))
            if limit is not None and taken is not None and taken > limit
        ]


def require_room(model: Path, target: Target, limits: Limits, seconds: float | None) -> None:
    """Raise an error when a model cannot fit, before it is compiled.

    Args:
        model: A model file.
        target: That it would be compiled for.
        limits: The device's.
        seconds: Of sound in one piece, see :func:`vocalics.edge.source.piece_seconds`.

    Raises:
        CompileError: With the numbers, the layers that need most, and what would fit.
    """
    if limits == Limits():
        return
    card = modelfile.load(model).card
    facts = _facts(model, card, target, seconds)
    broken = limits.broken(facts.weight_bytes, facts.arena_bytes)
    if broken:
        raise CompileError(f"{does_not_fit(card, target, broken)} {hint(model, card, target, limits, facts)}")


def does_not_fit(card: Card, target: Target, broken: list[str]) -> str:
    """Return the sentence that says so."""
    return f"{card.name} does not fit {target.name}: {', '.join(broken)}."


def _facts(model: Path, card: Card, target: Target, seconds: float | None) -> network.Facts:
    return sizes(model, card, target, piece_seconds(card, target.board, seconds))


def hint(model: Path, card: Card, target: Target, limits: Limits, facts: network.Facts) -> str:
    """Return which layers need most, and what would fit."""
    heaviest = max(facts.layers, key=lambda layer: layer.weight_bytes)
    widest = max(facts.layers, key=lambda layer: layer.ram_bytes)
    said = []
    if limits.flash is not None:
        said.append(f"Most weights: {layer_name(heaviest)}, {in_kilobytes(heaviest.weight_bytes)}.")
    if limits.ram is not None:
        said.append(f"Most memory: {layer_name(widest)}, {in_kilobytes(widest.ram_bytes)}.")
    ways = [
        way for way in (_shorter(model, card, target, limits, facts), *_smaller(model, target, limits, facts)) if way
    ]
    said.append(f"What would fit: {'; '.join(ways)}." if ways else "No bundled model would fit.")
    return " ".join(said)


def _rest(target: Target) -> tuple[int, int]:
    """What a target takes beside a network's weights and memory, about."""
    if target.board is not None:
        return _BOARD
    return _FILES.get(target.name, _PROGRAM[0]), _PROGRAM[1]


def _room(target: Target, limits: Limits) -> Limits:
    """What is left for the network beside everything else."""
    flash, ram = _rest(target)
    return Limits(
        None if limits.flash is None else limits.flash - flash, None if limits.ram is None else limits.ram - ram
    )


def _shorter(model: Path, card: Card, target: Target, limits: Limits, facts: network.Facts) -> str:
    """Fewer seconds at once, where a window's length decides about the memory."""
    room = _room(target, limits)
    if target.board is None or front_end.kind(card) != front_end.LOG_MEL or limits.ram is None:
        return ""
    if room.flash is not None and facts.weight_bytes > room.flash:
        return ""
    assert room.ram is not None
    # Memory grows evenly with the frames: what is a little too long is caught by asking again.
    share = room.ram / facts.arena_bytes
    for seconds in (round(card.window_seconds * share * f, 1) for f in (1.0, 0.9, 0.75)):
        if 0.5 <= seconds < card.window_seconds:
            shorter = _facts(model, card, target, seconds)
            if not room.broken(shorter.weight_bytes, shorter.arena_bytes):
                return f"--seconds {seconds:g} (RAM about {in_kilobytes(shorter.arena_bytes + _rest(target)[1])})"
    return ""


def _smaller(model: Path, target: Target, limits: Limits, facts: network.Facts) -> list[str]:
    """Eight bits, or another bundled model."""
    found = []
    room = _room(target, limits)
    rest_flash, rest_ram = _rest(target)
    known = bundled()
    eight = known.get(f"{model.stem}-int8")
    if eight is None and not model.stem.endswith("int8"):
        # A weight takes a quarter; values between layers do too, but for the first and the last.
        flash, ram = facts.weight_bytes * 0.28, facts.arena_bytes * 0.4
        if not room.broken(round(flash), round(ram)):
            found.append(f"--int8 (flash about {in_kilobytes(flash + rest_flash)})")
    for name, path in known.items():
        if path == model:
            continue
        other = modelfile.load(path).card
        if front_end.kind(other) == front_end.FEATURES:
            continue
        needed = _facts(path, other, target, None)
        if needed.weight_bytes < facts.weight_bytes and not room.broken(needed.weight_bytes, needed.arena_bytes):
            flash, ram = needed.weight_bytes + rest_flash, needed.arena_bytes + rest_ram
            found.append(f"the model {name} (flash about {in_kilobytes(flash)}, RAM {in_kilobytes(ram)})")
    return found
