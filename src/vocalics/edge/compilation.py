"""A model file -> a program for a target: room is looked for, C is written, compiled, measured and checked."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vocalics import audio
from vocalics.edge import checking, front_end, limits, source, toolchain
from vocalics.edge.checking import Check
from vocalics.edge.limits import Limits
from vocalics.edge.readme import PROGRAM
from vocalics.edge.source import Source
from vocalics.edge.targets import Target
from vocalics.edge.toolchain import Sizes
from vocalics.edge.untuned import reference
from vocalics.errors import CompileError
from vocalics.export import card, int8
from vocalics.files import replacing
from vocalics.recognizer import Recognizer, load

MOST_CLIPS = 20
"""Of the clips that a program is checked with."""
MOST_WINDOWS = 4
"""The same of a board, whose emulator is slow."""


@dataclass(frozen=True)
class Compiled:
    """A program, and what is known about it.

    Attributes:
        target: That it is for.
        source: What it was compiled from.
        program: The file.
        sizes: What it takes.
        checks: How it compares with the model: this computer's program, the target's.
        host_seconds: What this computer takes for a second of sound; 0 where that was not measured.
        int8: Whether the network computes in eight bits.
    """

    target: Target
    source: Source
    program: Path
    sizes: Sizes
    checks: tuple[Check, ...]
    host_seconds: float
    int8: bool

    @property
    def tolerance(self) -> float:
        """How far its probabilities may be from the model's."""
        if self.int8:
            return checking.TOLERANCE_INT8
        if self.source.is_fixed:
            return checking.TOLERANCE_FIXED
        exact = front_end.kind(self.source.card) in (front_end.LOG_MEL, front_end.FEATURES)
        return checking.TOLERANCE if exact else checking.TOLERANCE_FEATURES

    @property
    def resampled_tolerance(self) -> float:
        """The same for clips whose rate is not the model's."""
        if self.source.is_fixed:
            return checking.TOLERANCE_RESAMPLED_FIXED
        return checking.TOLERANCE_RESAMPLED_INT8 if self.int8 else checking.TOLERANCE_RESAMPLED

    @property
    def wrong(self) -> tuple[Check, ...]:
        """The checks that it did not pass."""
        return tuple(one for one in self.checks if not one.passed(self.tolerance, self.resampled_tolerance))

    @property
    def instructions(self) -> float:
        """Instructions of a board's processor for a second of sound, counted by qemu; 0 where none were."""
        if self.target.board is None:
            return 0.0
        lines = [line for check in self.checks for line in check.said if "ticks_judging" in line]
        judged = [line for line in lines if line["speech_seconds"] or not self.source.takes_sound]
        ticks = sum(line["ticks_feeding"] + line["ticks_judging"] for line in judged)
        rate = self.source.card.sample_rate
        seconds = sum(line["fed"] / rate if self.source.takes_sound else self.source.seconds for line in judged)
        return ticks * self.target.board.instructions_per_tick / seconds if seconds else 0.0

    @property
    def stack_bytes(self) -> int:
        """The most of its stack that a board used; 0 where that is not known."""
        return max((line["stack_used"] for c in self.checks for line in c.said if "stack_used" in line), default=0)


def compile(
    model: Path,
    target: Target,
    output: Path,
    clips: Sequence[Path],
    *,
    seconds: float | None = None,
    limit: Limits | None = None,
    compiler: str = toolchain.ZIG,
    cpu: str = "",
    check: bool = True,
    is_fixed: bool = False,
    command: str = "",
    tell: Callable[[str], None] = lambda _: None,
) -> Compiled:
    """Compile a model.

    Args:
        model: A model file.
        target: What for.
        output: The program's file; for a board a folder, which gets its C too.
        clips: Recordings that it is checked with; a board holds the first stretch of the first.
        seconds: Of sound in one piece, see :func:`vocalics.edge.source.piece_seconds`.
        limit: The device's memory.
        compiler: One of :data:`vocalics.edge.toolchain.COMPILERS`.
        cpu: Another least processor than the target's.
        check: Whether the program is run and compared.
        is_fixed: Whether the front end computes in fixed point.
        command: What asked for it, for the files' first lines.
        tell: Called with what is done next, which may take minutes.

    Raises:
        MissingExtraError: Where Zig or the onnx package is not installed.
        ModelFileError: For a model that has no C.
        CompileError: For what does not fit or does not compile.
    """
    limit = limit or Limits()
    toolchain.require(compiler, target)
    limits.require_room(model, target, limit, seconds)
    recognizer = reference(load(model))
    in_eight = _is_int8(model)
    is_board = target.board is not None
    with tempfile.TemporaryDirectory(prefix="vocalics-") as temporary:
        folder = output if is_board else Path(temporary, "source")
        # A program takes the place of an older one when it fits.
        program = Path(temporary, f"built{target.suffix}")
        tell("writing C")
        sound = _sound(recognizer, target, seconds, clips) if is_board else None
        written = source.write(model, folder, target, seconds, command, sound, is_fixed, cpu, compiler)
        tell(f"compiling for {target.name}; the first time Zig makes a C library, which takes minutes")
        toolchain.build(target, folder, written.compiled, program, compiler, cpu)
        sizes = toolchain.sizes(program)
        if broken := limit.broken(sizes.flash if is_board else sizes.file, sizes.ram):
            said = limits.does_not_fit(recognizer.card, target, broken)
            raise CompileError(f"{said} {limits.hint(model, recognizer.card, target, limit, written.facts)}")
        program = _kept(program, output / f"{PROGRAM}{target.suffix}" if is_board else output)
        compiled = Compiled(target, written, program, sizes, (), 0.0, in_eight)
        return _checked(compiled, model, recognizer, Path(temporary), clips, cpu, tell, compiler) if check else compiled


def _kept(program: Path, output: Path) -> Path:
    """Move a program to its place, whole; it can be run whatever lay there."""
    with replacing(output, mode=stat.S_IMODE(program.stat().st_mode)) as part:
        shutil.copyfile(program, part)
    return output


def _sound(
    recognizer: Recognizer, target: Target, seconds: float | None, clips: Sequence[Path]
) -> npt.NDArray[np.float32] | None:
    """What a board's image holds: the first stretch of the first clip."""
    if not clips:
        return None
    length = source.piece_seconds(recognizer.card, target.board, seconds)
    values, _ = checking.first_window(recognizer, length, clips[0])
    return values


def _checked(
    compiled: Compiled,
    model: Path,
    recognizer: Recognizer,
    temporary: Path,
    clips: Sequence[Path],
    cpu: str,
    tell: Callable[[str], None],
    compiler: str,
) -> Compiled:
    """Run this computer's program and the target's, and compare both with the model."""
    host = toolchain.host()
    program, written = compiled.program, compiled.source
    # A program for another processor than the target's least one may have instructions that this computer lacks.
    if cpu or not toolchain.runs_here(compiled.target):
        tell("compiling for this computer, to check what was written")
        program = temporary / f"host{host.suffix}"
        written = source.write(model, temporary / "host-source", is_fixed=written.is_fixed)
        toolchain.build(host, written.folder, written.compiled, program, compiler)
    tell("checking")
    checks = [checking.check_program(host, program, written, recognizer, clips[:MOST_CLIPS])]
    seconds = checking.seconds_per_second(program, written, clips[:1])
    if compiled.target.board is not None:
        windows = clips[:MOST_WINDOWS]
        checks.append(checking.check_board(compiled.target, compiled.program, compiled.source, recognizer, windows))
    elif program != compiled.program:
        given = clips[:MOST_CLIPS]
        checks.append(
            checking.check_program(compiled.target, compiled.program, compiled.source, recognizer, given, cpu)
        )
    return replace(compiled, checks=tuple(checks), host_seconds=seconds)


def _is_int8(model: Path) -> bool:
    import onnx

    graph = onnx.load_model_from_string(model.read_bytes()).graph
    return any(node.op_type == "DequantizeLinear" for node in graph.node)


def eight_bits(model: Path, clips: Sequence[Path], folder: Path) -> Path:
    """Write a model with its layers in eight bits into a folder; return the file.

    Args:
        model: A model file in float32.
        clips: Recordings that the ranges are taken from.
        folder: Where it goes.

    Raises:
        ModelFileError: See :func:`vocalics.export.int8.quantised`.
    """
    recognizer = load(model)
    rate = recognizer.card.sample_rate
    data, about = int8.quantised(model, [recognizer.given(audio.read(str(clip), rate)) for clip in clips])
    path = folder / f"{about.name}.onnx"
    card.write(path, data, about)
    return path
