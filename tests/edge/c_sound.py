"""Compiles the C of sound: parts as a library for ctypes, and whole programs."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from vocalics.edge import front_end, source
from vocalics.modelfile import Card

SOURCES = Path(str(resources.files("vocalics.edge"))) / "c"
STRICT = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic")

FloatArray = npt.NDArray[np.float32]

_NETWORK_H = """#define NETWORK_ROWS {rows}
#define NETWORK_MAX_FRAMES {frames}
#define NETWORK_LEAST_FRAMES 1
#define NETWORK_N_CLASSES {classes}
#define NETWORK_TELLS_STRANGENESS 1
{shared}float *network_input(void);
int network_run(int n_frames, float *probabilities, float *strangeness);
"""
NETWORK_C = """#include "network.h"
#ifndef NETWORK_ARENA_BYTES
#define NETWORK_ARENA_BYTES (4 * NETWORK_ROWS * NETWORK_MAX_FRAMES)
#define NETWORK_INPUT_OFFSET 0
#endif
static double arena[NETWORK_ARENA_BYTES / 8 + 1];
float *network_input(void) { return (float *)(void *)((char *)arena + NETWORK_INPUT_OFFSET); }
int network_run(int n_frames, float *probabilities, float *strangeness)
{
    int i;
    for (i = 0; i < NETWORK_N_CLASSES; i++)
        probabilities[i] = i == 1;
    *strangeness = (float)n_frames;
    return n_frames < 1 ? -1 : 0;
}
"""


def network_h(rows: int, n_frames: int, n_classes: int, shared: str = "") -> str:
    """The header of a network that only counts its frames; shared: lines that tell of its memory."""
    return _NETWORK_H.format(rows=rows, frames=n_frames, classes=n_classes, shared=shared)


def compilers() -> list[str]:
    """Those that are here; the test is skipped where none is."""
    found = [name for name in ("gcc", "clang") if shutil.which(name)]
    if not found:
        pytest.skip("neither gcc nor clang is installed")
    return found


def compiled(folder: Path, name: str, *flags: str, compiler: str | None = None) -> Path:
    """Compile all C files of a folder into a program or, with -shared, a library."""
    files = sorted(p.name for p in folder.glob("*.c"))
    command = [compiler or compilers()[0], *STRICT, *flags, "-o", name, *files]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / name


def write(folder: Path, files: dict[str, str], copied: tuple[str, ...]) -> None:
    """Write generated files and copy others from ``edge/c``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name in copied:
        shutil.copy(SOURCES / name, folder)


class Result(ctypes.Structure):
    """What the library tells of a sound: ``vocalics_result``."""

    _fields_ = (
        ("probabilities", ctypes.c_float * 8),
        ("emotion", ctypes.c_int),
        ("speech_seconds", ctypes.c_float),
        ("strangeness", ctypes.c_float),
    )


class Library:
    """The C library of a card, with a network that only counts its frames."""

    def __init__(
        self,
        card: Card,
        folder: Path,
        rows: int,
        n_frames: int,
        arena_bytes: int = 0,
        seconds: float | None = None,
        is_fixed: bool = False,
    ) -> None:
        shared = f"#define NETWORK_ARENA_BYTES {arena_bytes}\n#define NETWORK_INPUT_OFFSET 64\n" if arena_bytes else ""
        files = {"network.h": network_h(rows, n_frames, len(card.emotions), shared), "network.c": NETWORK_C}
        files |= front_end.write(card, "0" * 64, "a test", seconds, is_fixed)
        files |= source.copied([*front_end.sources(card, is_fixed), "maths.h"], "c")
        write(folder, files, ())
        self.sample: Any = np.int16 if is_fixed else np.float32
        self.path = compiled(folder, "library.so", "-shared", "-fPIC")
        self.c: Any = ctypes.CDLL(str(self.path))
        self.c.speech_finish.restype = ctypes.c_float
        self.c.network_input.restype = ctypes.POINTER(ctypes.c_float)
        self.rows = rows

    def given(self, samples: FloatArray) -> npt.NDArray[Any]:
        """Samples as its front end takes them."""
        return source.sixteen_bits(samples) if self.sample is np.int16 else samples

    def frames(self, samples: FloatArray, piece: int = 997) -> FloatArray:
        """What the front end leaves for the network, (n_frames, rows)."""
        self.c.front_end_start()
        feed(self.c.front_end_feed, self.given(samples), piece)
        n = self.c.front_end_finish()
        return np.ctypeslib.as_array(self.c.network_input(), (n, self.rows)).copy()

    def static_bytes(self) -> int:
        """How much memory its variables take."""
        said = subprocess.run(["size", self.path], capture_output=True, text=True, check=True).stdout
        return int(said.splitlines()[1].split()[2])

    def speech_seconds(self, samples: FloatArray, piece: int = 997) -> float:
        self.c.speech_start()
        feed(self.c.speech_feed, self.given(samples), piece)
        return float(self.c.speech_finish())


def feed(function: Callable[..., int], samples: npt.NDArray[Any], piece: int) -> None:
    for i in range(0, len(samples), piece):
        part = np.ascontiguousarray(samples[i : i + piece])
        function(pointer(part), len(part))


def pointer(array: npt.NDArray[Any]) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)
