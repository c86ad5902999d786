"""A model file -> a folder of C: the network, the front end, a program around them, how to build it and what it takes.

The folder needs nothing but a C99 compiler. For a board without an operating system it holds start-up code, a linker
script and a sound to judge instead of the desktop program.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vocalics import modelfile
from vocalics.edge import front_end, network, readme, tables, toolchain
from vocalics.edge.targets import Board, Target
from vocalics.errors import CompileError, UsageError
from vocalics.modelfile import Card
from vocalics.registry import some

_BOARD_FILES = ("board.h", "semihosting.h", "semihosting.c", "memory.c", "board_main.c")
_FLASH_FOR_WEIGHTS = 3 * 1024**2
"""Of the boards' 4 MB; code and tables need the rest."""
_OURS = "#define VOCALICS_MODEL "
"""Stands in the file settings.h that we write: others may have files of that name too."""
_INCLUDED = re.compile(r'^#include "([^"]+)"', re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """A folder of C.

    Attributes:
        folder: Where it lies.
        card: Of the model.
        facts: The network's sizes.
        compiled: The names of the files that a compiler is given.
        seconds: Of sound that are judged in one piece, at most.
        is_fixed: Whether the front end computes in fixed point.
    """

    folder: Path
    card: Card
    facts: network.Facts
    compiled: tuple[str, ...]
    seconds: float
    is_fixed: bool = False

    @property
    def takes_sound(self) -> bool:
        """Whether the program takes sound; else it takes features."""
        return bool(front_end.kind(self.card))


def piece_seconds(card: Card, board: Board | None, seconds: float | None = None) -> float:
    """Return how much sound is judged in one piece, at most, in seconds.

    Args:
        card: Of the model.
        board: A board judges a window at a time; a program (``None``) a recording as ``vocalics predict`` does.
        seconds: What was asked for.

    Raises:
        UsageError: For a length that no model or no program can have.
        CompileError: For one that this model cannot have.
    """
    if seconds is None:
        return front_end.longest(card) if board is None else card.window_seconds
    if board is None:
        raise UsageError(
            f"--seconds {seconds:g} is for microcontrollers; a program judges up to {front_end.longest(card):g} s in "
            "one piece, as vocalics predict does"
        )
    if front_end.kind(card) != front_end.LOG_MEL:
        raise CompileError(
            f"--seconds {seconds:g}: {card.name} always takes the same stretch of sound; leave the option out"
        )
    if not 0.25 <= seconds <= 60:
        raise UsageError(f"--seconds {seconds:g}: expected 0.25 to 60")
    return seconds


def sizes(model: Path, card: Card, target: Target | None, seconds: float) -> network.Facts:
    """Return what a model's network takes on a target, for pieces of so many seconds, without writing it."""
    is_board = target is not None and target.board is not None
    return network.facts(model, front_end.n_frames(card, seconds), fast=not is_board)


def write(
    model: Path,
    folder: Path,
    target: Target | None = None,
    seconds: float | None = None,
    command: str = "",
    sound: npt.NDArray[np.float32] | None = None,
    is_fixed: bool = False,
    cpu: str = "",
    compiler: str = toolchain.ZIG,
) -> Source:
    """Write a model's C into a folder, which is made where it is missing.

    Args:
        model: A model file.
        folder: Files of the same names are replaced where an earlier export wrote them.
        target: With a board: its start-up code and linker script are written instead of the desktop program.
        seconds: Of sound that are judged in one piece, see :func:`piece_seconds`.
        command: What wrote it, for the files' first lines.
        sound: What a board judges where its host gives nothing: (n,) samples at the card's rate, or features frame
            by frame where there is no front end in C; a hum of 1 s where ``None``.
        is_fixed: Whether the front end computes in fixed point.
        cpu: Another least processor than the target's, for the commands that the folder tells.
        compiler: Whose word that is, one of :data:`vocalics.edge.toolchain.COMPILERS`.

    Raises:
        MissingExtraError: Where the onnx package is not installed.
        ModelFileError: For a model that has no C.
        CompileError: For a length that cannot be, and a folder that holds other files of these names.
    """
    loaded = modelfile.load(model)
    board = None if target is None else target.board
    card, length = loaded.card, piece_seconds(loaded.card, board, seconds)
    n_frames = front_end.n_frames(card, length)
    texts = {
        # Flash is dear where there is no operating system; elsewhere speed is.
        **network.write(model, n_frames, command, fast=board is None),
        **front_end.write(card, loaded.sha256, command, length, is_fixed),
    }
    texts |= copied([*network.KERNELS, *front_end.sources(card, is_fixed)], "c")
    if board is None:
        texts |= copied(front_end.program_sources(card), "c")
    else:
        texts |= copied([*_BOARD_FILES, board.startup], "boards")
        texts["bare/string.h"] = _text("boards", "bare/string.h")
        texts |= _sound(card, sound, command)
    facts = sizes(model, card, target, length)
    if board is not None:
        texts["board.ld"] = linker_script(board, facts.weight_bytes)
    compiled = tuple(sorted(name for name in texts if name.endswith(".c")))
    source = Source(folder, card, facts, compiled, length, is_fixed)
    texts["README.md"] = readme.page(card, loaded.sha256, facts, length, compiled, target, command, cpu, compiler)
    texts["Makefile"] = readme.makefile(compiled, target, cpu, compiler)
    _refuse_foreign(folder, texts)
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    return source


def _refuse_foreign(folder: Path, names: Iterable[str]) -> None:
    """Refuse a folder whose own files would be written over.

    Raises:
        CompileError: When it holds files of these names, and none of an earlier export.
    """
    settings = folder / "settings.h"
    if settings.is_file() and _OURS in settings.read_text(encoding="utf-8", errors="replace"):  # of an earlier export
        return
    if theirs := sorted(name for name in names if (folder / name).exists()):
        raise CompileError(f"{folder}: holds {some(theirs)} already, which are not ours; choose another folder")


def linker_script(board: Board, weight_bytes: int = 0) -> str:
    """Return where a board's memory lies and what goes where: weights that are too many for its flash lie elsewhere."""
    text = _text("boards", "board.ld")
    values = {
        "MACHINE": board.machine,
        "FLASH_ORIGIN": board.flash[0],
        "FLASH_LENGTH": board.flash[1],
        "RAM_ORIGIN": board.ram[0],
        "RAM_LENGTH": board.ram[1],
        "MORE_ORIGIN": board.more[0],
        "MORE_LENGTH": board.more[1],
        "CONSTANTS": "FLASH" if weight_bytes < _FLASH_FOR_WEIGHTS else "MORE",
        "STACK_BYTES": str(board.stack_bytes),
    }
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _sound(card: Card, values: npt.NDArray[np.float32] | None, command: str) -> dict[str, str]:
    """The sound that a board's program judges, as 16-bit numbers (features as they are)."""
    takes_sound = bool(front_end.kind(card))
    if values is None:
        if not takes_sound:
            raise CompileError(f"{card.name} takes features; give some that its program is tried on")
        values = hum(card.sample_rate)
    kind = "short" if takes_sound else "float"
    numbers = sixteen_bits(values) if takes_sound else values
    what = "The sound" if takes_sound else "The features"
    head = tables.heading(f"{what} that the program judges where its host names no file.", [f"Written by: {command}"])
    value = "((float)(v) / 32768.0f)" if takes_sound else "(v)"
    header = (
        f"{head}#ifndef SOUND_H\n#define SOUND_H\n\n#define SOUND_VALUE(v) {value}\n\n"
        f"extern const {kind} sound[];\nextern const int sound_n;\n\n#endif\n"
    )
    array = tables.array(kind, "sound", numbers)
    body = f'{head}#include "sound.h"\n\n__attribute__((section(".sound")))\n{array}'
    return {"sound.h": header, "sound.c": f"{body}\nconst int sound_n = {len(values)};\n"}


def sixteen_bits(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """Return samples as they are compiled in, full scale 32,768."""
    numbers: npt.NDArray[np.int16] = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
    return numbers


def hum(sample_rate: int, pitch: float = 140.0, seconds: float = 1.0) -> npt.NDArray[np.float32]:
    """Return a voice-like hum, (n,): it rises and falls, so that the voicing gate lets it pass.

    Args:
        sample_rate: In Hz.
        pitch: In Hz, on average.
        seconds: Its length.
    """
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.1 * np.sin(2 * np.pi * 1.3 * t))) / sample_rate
    highest = int(sample_rate / 2 / (1.2 * pitch))
    tones = sum(np.sin(k * phase) / (1 + ((k * pitch - 500) / 300) ** 2) for k in range(1, min(24, highest)))
    sound = np.asarray(tones) * (0.55 + 0.45 * np.sin(2 * np.pi * 4 * t))
    return np.asarray(0.3 * sound / np.abs(sound).max(), np.float32)


def copied(names: Iterable[str], folder: str) -> dict[str, str]:
    """Return files of a folder of the package, and its headers that they include, by name."""
    found: dict[str, str] = {}
    left = list(names)
    while left:
        name = left.pop()
        if name in found:
            continue
        found[name] = _text(folder, name)
        left += [other for other in _INCLUDED.findall(found[name]) if _path(folder, other).is_file()]
    return found


def _path(folder: str, name: str) -> Path:
    return Path(str(resources.files("vocalics.edge"))) / folder / name


def _text(folder: str, name: str) -> str:
    return _path(folder, name).read_text(encoding="utf-8")
