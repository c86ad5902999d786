"""Whether a compiled program says what the model says: it is run, here or under an emulator, and compared.

The oracle is the project's own path: :class:`vocalics.recognizer.Recognizer` on ONNX Runtime.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics import audio
from vocalics.audio import Clip
from vocalics.edge import front_end
from vocalics.edge.running import LacksInstructionError, finished, lines, runner, said_by, wanted
from vocalics.edge.source import Source, hum, sixteen_bits
from vocalics.edge.targets import Target
from vocalics.machine import usage
from vocalics.recognizer import Recognizer

TOLERANCE = 1e-4
"""How far a probability in float32 may be from ONNX Runtime's."""
TOLERANCE_FEATURES = 0.01
"""The same where C computes the published feature sets: their values span millions, and rounding is felt."""
TOLERANCE_FIXED = 0.02
"""The same with a front end in fixed point: sound is rounded to 16 bits."""
TOLERANCE_INT8 = 0.05
"""The same in eight bits: a rounding that falls the other way goes through all layers after it."""
TOLERANCE_RESAMPLED = 0.01
"""The same where a clip's rate is not the model's: bands above the sound's own end are empty but for what a resampler
leaves, and the program's leaves other traces than the model's. Of cuts of telephone calls the most was 2.9e-3."""
TOLERANCE_RESAMPLED_INT8, TOLERANCE_RESAMPLED_FIXED = 0.1, 0.15
"""The same in eight bits, and with a front end in fixed point: there the most was 5.0e-2 and 7.3e-2."""
Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Check:
    """How a program compares with the model.

    Attributes:
        what: Which program, run by what.
        n_clips: How many clips both judged; 0 where nothing was checked.
        n_same: How often they said the same.
        largest: The largest difference of two probabilities; 1 where one heard speech and the other none.
        largest_at_rate: The same over the clips that have the model's own rate.
        n_other_at_rate: How many of these are given another emotion.
        note: Why nothing was checked.
        said: What the program printed, clip by clip.
    """

    what: str
    n_clips: int = 0
    n_same: int = 0
    largest: float = 0.0
    largest_at_rate: float = 0.0
    n_other_at_rate: int = 0
    note: str = ""
    said: tuple[dict[str, Any], ...] = ()

    def passed(self, tolerance: float = TOLERANCE, resampled: float | None = None) -> bool:
        """Whether the probabilities are as near as asked for and the emotions the same, or nothing was checked.

        Where a clip is resampled its emotion may be another: at that tolerance a near tie may fall either way.

        Args:
            tolerance: How far they may be from the model's.
            resampled: The same where a clip's rate is not the model's; as the other where ``None``.
        """
        near = self.largest_at_rate <= tolerance and self.largest <= (tolerance if resampled is None else resampled)
        return near and not self.n_other_at_rate

    @property
    def text(self) -> str:
        """What was found, in a line."""
        if self.note:
            return f"not checked: {self.note}"
        return (
            f"{self.n_same} of {self.n_clips} clips the same emotion, probabilities within {self.largest:.1e} of ONNX "
            "Runtime"
        )


def examples(folder: Path) -> list[Path]:
    """Return recordings that programs are checked with where no others are named.

    These are the project's example clips; an installed package lacks them, and hums are written into ``folder``.
    """
    found = sorted((Path(__file__).parents[3] / "examples" / "clips").glob("*.wav"))
    if found:
        return found
    for i, pitch in enumerate((110.0, 150.0, 190.0, 240.0)):
        found.append(folder / f"hum-{pitch:.0f}.wav")
        audio.write(found[-1], Clip(hum(16_000, pitch, 1.5 + 0.5 * i), 16_000))
    return found


def check_program(
    target: Target, program: Path, source: Source, recognizer: Recognizer, paths: Sequence[Path], cpu: str = ""
) -> Check:
    """Run a program on clips and compare what it says.

    Args:
        target: That it was compiled for.
        program: The file.
        source: That it was compiled from.
        recognizer: The model.
        paths: Recordings.
        cpu: Another least processor than the target's that it was compiled for; what runs it here may be less.

    Raises:
        CompileError: When the program fails.
    """
    command, name = runner(target)
    what = f"{target.name}{f' for {cpu}' if cpu else ''} on {name}"
    if not name:
        return Check(target.name, note=f"nothing here runs it; {wanted(target)} would")
    with tempfile.TemporaryDirectory(prefix="vocalics-") as folder:
        files, truth, at_rate = _given(source, recognizer, paths, Path(folder))
        try:
            said = said_by(target, [*command, str(program.resolve())], files)
        except LacksInstructionError:
            if not cpu:
                raise
            return Check(what, note=f"{name} lacks what {cpu} has")
    return _compared(what, recognizer, said, truth, at_rate)


def _given(
    source: Source, recognizer: Recognizer, paths: Sequence[Path], folder: Path
) -> tuple[list[Path], list[Probabilities], list[bool]]:
    """The files that a program is given, the model's probabilities, and whether nothing was resampled."""
    files, truth, at_rate = [], [], []
    rate = recognizer.card.sample_rate
    for i, path in enumerate(paths):
        if source.takes_sound:
            # At its own rate: the program's resampling is checked too.
            file = folder / f"{i}.wav"
            own = audio.read(str(path))
            audio.write(file, own)
            heard: Path | Clip = file
            if source.is_fixed:
                # Fixed point takes 16 bits. The model is given them too, or rounding would hide all other differences.
                heard = Clip(_rounded(audio.read(file, rate).samples), rate)
            truth.append(_numbers(recognizer, recognizer.predict(heard).probabilities))
            at_rate.append(own.sample_rate == rate)
        else:
            file = folder / f"{i}.f32"
            clip = audio.read(str(path), rate)
            at_rate.append(True)
            given = recognizer.given(clip)
            # Frame by frame: the graph has time last.
            file.write_bytes(np.ascontiguousarray(given[0].T, "<f4").tobytes())
            truth.append(recognizer.model.probabilities(given)[0].astype(np.float64))
        files.append(file)
    return files, truth, at_rate


def _rounded(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What 16 bits keep of samples."""
    return sixteen_bits(samples).astype(np.float32) / np.float32(32768)


def _numbers(recognizer: Recognizer, probabilities: Any) -> Probabilities:
    return np.array([probabilities[emotion] for emotion in recognizer.emotions], np.float64)


def check_board(target: Target, image: Path, source: Source, recognizer: Recognizer, paths: Sequence[Path]) -> Check:
    """Run a board's image under qemu on windows of sound and compare what it says.

    The first is the sound that it holds itself, which is to be the first path's, the others come from files.

    Args:
        target: That it was compiled for.
        image: The file.
        source: That it was compiled from.
        recognizer: The model.
        paths: Recordings; the first stretch of each is judged.

    Raises:
        CompileError: When the image fails.
    """
    assert target.board is not None
    command, name = runner(target)
    what = f"{target.name} on {target.board.machine} of {name}"
    if not name:
        return Check(target.name, note=f"nothing here runs it; {wanted(target)} would")
    truth: list[Probabilities] = []
    said: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="vocalics-") as folder:
        # Names without blanks or folders: the board is told them in one line.
        shutil.copyfile(image, Path(folder, "emotion.elf"))
        for i, path in enumerate(paths):
            values, probabilities = first_window(recognizer, source.seconds, path)
            truth.append(probabilities)
            Path(folder, f"{i}.f32").write_bytes(values.astype("<f4").tobytes())
        for some in ([], [f"{i}.f32" for i in range(1, len(paths))]):
            if some or not said:
                line = [*command, "emotion.elf", *(["-append", " ".join(some)] if some else [])]
                said += lines(target, *finished(line, Path(folder)), expected=max(1, len(some)))
    return _compared(what, recognizer, said, truth, [True] * len(truth))


def first_window(recognizer: Recognizer, seconds: float, path: Path) -> tuple[npt.NDArray[np.float32], Probabilities]:
    """Return what a board is given of a recording, and the model's probabilities of that.

    Returns:
        Samples as 16 bits tell them, or features, frame by frame: (n,); and (n_emotions,), 0 without speech.
    """
    rate = recognizer.card.sample_rate
    clip = audio.read(str(path), rate)
    if not front_end.kind(recognizer.card):
        given = recognizer.given(clip)
        chances = recognizer.model.probabilities(given)[0].astype(np.float64)
        return np.ascontiguousarray(given[0].T).ravel(), chances
    samples = _rounded(clip.samples[: round(seconds * rate)])
    return samples, _numbers(recognizer, recognizer.judge_window(0, Clip(samples, rate)).probabilities)


def _compared(
    what: str,
    recognizer: Recognizer,
    said: Sequence[dict[str, Any]],
    truth: Sequence[Probabilities],
    at_rate: Sequence[bool],
) -> Check:
    differences, same = [0.0], []
    for line, expected in zip(said, truth, strict=True):
        found = _numbers(recognizer, line["probabilities"])
        is_told = bool(np.isfinite(found).all() and found.any() == expected.any())
        differences.append(float(np.abs(found - expected).max()) if is_told else 1.0)
        same.append(is_told and bool(found.argmax() == expected.argmax()))
    own = max(d for d, is_own in zip(differences, [True, *at_rate], strict=True) if is_own)
    n_other = sum(is_own and not one for one, is_own in zip(same, at_rate, strict=True))
    return Check(what, len(said), sum(same), max(differences), own, n_other, said=tuple(said))


def seconds_per_second(program: Path, source: Source, paths: Sequence[Path], repeats: int = 10) -> float:
    """Return the seconds that this computer's program takes for one of sound: the least of runs, without the start."""
    if not (paths and source.takes_sound):
        return 0.0
    clips = [audio.read(str(path)) for path in paths]
    duration = sum(clip.duration for clip in clips)
    with tempfile.TemporaryDirectory(prefix="vocalics-") as folder:
        # Written anew: a recording may be coded in a way that the program does not read.
        files = [str(Path(folder, f"{i}.wav")) for i in range(len(clips))]
        for file, clip in zip(files, clips, strict=True):
            audio.write(file, clip, "PCM_16")

        def run(n: int) -> float:
            began = _seconds_of_children()
            subprocess.run([str(program.resolve()), *(n * files)], capture_output=True, check=True)
            return _seconds_of_children() - began

        least = [min(run(n) for _ in range(3)) for n in (1, 1 + repeats)]
    return max(0.0, least[1] - least[0]) / repeats / duration


def _seconds_of_children() -> float:
    """The processor's time that programs started here have taken: others' does not count. On Windows the clock's."""
    used = usage(of_children=True)
    return time.perf_counter() if used is None else used.ru_utime + used.ru_stime
