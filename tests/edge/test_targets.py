"""Boards start, count and print under qemu, with either compiler; sizes are what binutils say."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocalics.edge import running, toolchain
from vocalics.edge.limits import Limits, n_bytes
from vocalics.edge.source import hum, linker_script, sixteen_bits
from vocalics.edge.targets import TARGETS, Target, target
from vocalics.errors import CompileError, MissingExtraError, UsageError

EDGE = Path(str(resources.files("vocalics.edge")))
BOARDS = [t for t in TARGETS.values() if t.board is not None]

LIBRARY = """
#include <string.h>
#include "vocalics.h"
const char *const vocalics_emotions[2] = {"calm", "angry"};
static float sum = 0.0f, before[2] = {0.25f, 0.75f};
static int n_all;
void vocalics_start(void) { n_all = 0; }
int vocalics_feed(const float *samples, int n)
{
    volatile float here[300]; /* some stack */
    int i;
    for (i = 0; i < n; i++)
        sum += here[i] = samples[i];
    n_all += n;
    return n;
}
int vocalics_finish(vocalics_result *result)
{
    memset(result, 0, sizeof *result);
    if (n_all == 0)
        return -1;
    result->probabilities[0] = sum / (float)n_all; /* .bss was cleared */
    result->probabilities[1] = before[1];          /* .data was copied */
    result->emotion = result->probabilities[1] > result->probabilities[0];
    return 0;
}
"""
"""A library that tells the mean of what it was fed."""

SOUND_H = "#define SOUND_VALUE(v) ((float)(v) / 32768.0f)\nextern const short sound[];\nextern const int sound_n;\n"
SOUND_C = '#include "sound.h"\n__attribute__((section(".sound"))) const short sound[3] = {16384, 8192, 24576};\n'


def stand_in(folder: Path, wanted: Target) -> list[str]:
    """Write the stand-in library and all of a board's own files; return what is compiled."""
    assert wanted.board is not None
    shutil.copy(EDGE / "c" / "vocalics.h", folder)
    own = ["board_main.c", "semihosting.c", "memory.c", wanted.board.startup]
    for name in [*own, "board.h", "semihosting.h"]:
        shutil.copy(EDGE / "boards" / name, folder)
    shutil.copytree(EDGE / "boards" / "bare", folder / "bare", dirs_exist_ok=True)
    texts = {
        "settings.h": "#define VOCALICS_N_EMOTIONS 2\n#define VOCALICS_RATE 16000\n",
        "library.c": LIBRARY,
        "sound.h": SOUND_H,
        "sound.c": SOUND_C + "const int sound_n = 3;\n",
        "board.ld": linker_script(wanted.board),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return ["library.c", "sound.c", *own]


def image(folder: Path, wanted: Target, compiler: str) -> Path:
    """Compile the stand-in with all warnings as errors."""
    try:
        toolchain.require(compiler, wanted)
    except (CompileError, MissingExtraError) as error:
        pytest.skip(str(error))
    files = stand_in(folder, wanted)
    line = toolchain.command(wanted, compiler, files, folder / "emotion.elf")
    done = subprocess.run([*line, "-Werror"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "emotion.elf"


def said(wanted: Target, path: Path, *files: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and lines of an image under qemu."""
    command, name = running.runner(wanted)
    if not name:
        pytest.skip(f"{running.wanted(wanted)} is not installed")
    line = [*command, path.name, *(["-append", " ".join(files)] if files else [])]
    done = subprocess.run(line, cwd=path.parent, capture_output=True, text=True, timeout=120)
    return done.returncode, [json.loads(text) for text in done.stdout.splitlines()]


def test_every_target_of_the_issue_is_known() -> None:
    programs = {"x86_64", "aarch64", "armv7", "riscv64", "windows-x86_64", "wasm32-wasi"}
    assert {t.name for t in TARGETS.values() if t.board is None} == programs
    assert {t.name for t in BOARDS} == {"cortex-m4", "cortex-m7", "cortex-m33", "rv32"}


def test_a_wrong_name_is_answered_with_the_closest() -> None:
    with pytest.raises(CompileError, match='unknown target "cortx-m4"; did you mean "cortex-m4"'):
        target("cortx-m4")


@pytest.mark.parametrize("wanted", TARGETS.values(), ids=lambda t: t.name)
@pytest.mark.parametrize("compiler", toolchain.COMPILERS)
def test_no_program_is_compiled_with_arithmetic_of_its_own(wanted: Target, compiler: str) -> None:
    flags = toolchain.flags(wanted, compiler)
    assert "-std=c99" in flags
    assert not {"-ffast-math", "-Ofast", "-funsafe-math-optimizations", "-fassociative-math"} & set(flags)


@pytest.mark.parametrize("compiler", toolchain.COMPILERS)
@pytest.mark.parametrize("wanted", BOARDS, ids=lambda t: t.name)
def test_a_board_starts_judges_counts_and_prints(wanted: Target, compiler: str, tmp_path: Path) -> None:
    if compiler == toolchain.ZIG and wanted.name not in ("cortex-m4", "rv32"):
        pytest.skip("one image of each start-up code by Zig is enough; the others are compiled by gcc")
    path = image(tmp_path, wanted, compiler)
    code, (line,) = said(wanted, path)
    assert code == 0
    assert line["emotion"] == line["label"] == "angry"
    assert line["probabilities"] == {"calm": 0.5, "angry": 0.75}
    assert line["fed"] == 3
    # 300 floats of the library, and a little more; far from all.
    assert 1200 < line["stack_used"] < 2400 < line["stack_bytes"]
    few = line["ticks_feeding"]
    n = 60_000
    sound = np.random.default_rng(0).uniform(0, 0.5, n).astype("<f4")
    (tmp_path / "a.f32").write_bytes(sound.tobytes())
    (tmp_path / "empty.f32").write_bytes(b"")
    code, lines = said(wanted, path, "a.f32", "none.f32", "empty.f32")
    assert code == 1
    assert "too short" in lines[2]["error"]
    assert "cannot be opened" in lines[1]["error"]
    assert lines[0]["fed"] == n
    assert lines[0]["probabilities"]["calm"] == pytest.approx(sound.mean(), abs=1e-4)
    # Each sample takes a few instructions: read, stored, added, the loop.
    assert wanted.board is not None
    each = (lines[0]["ticks_feeding"] - few) * wanted.board.instructions_per_tick / n
    assert 2 < each < 20


@pytest.mark.parametrize("wanted", BOARDS, ids=lambda t: t.name)
def test_sizes_are_those_that_binutils_tell(wanted: Target, tmp_path: Path) -> None:
    path = image(tmp_path, wanted, toolchain.GCC)
    tool = shutil.which(wanted.gcc[0].replace("gcc", "size"))
    assert tool is not None
    out = subprocess.run([tool, "-A", str(path)], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in out.splitlines() if line.startswith(".")]
    section = {name: int(size) for name, size, _ in rows}
    found = toolchain.sizes(path)
    assert found.file == path.stat().st_size
    assert found.flash == section[".text"] + section[".rodata"] + section[".data"]
    assert found.ram == section[".stack"] + section[".data"] + section[".bss"]
    assert section[".sound"] == 6
    assert section[".bss"] > 1000


def test_sizes_of_what_is_no_elf_are_the_files(tmp_path: Path) -> None:
    (tmp_path / "a.exe").write_bytes(b"MZ" + bytes(98))
    assert toolchain.sizes(tmp_path / "a.exe") == toolchain.Sizes(100)


def test_a_compiler_that_fails_is_quoted(tmp_path: Path) -> None:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    (tmp_path / "a.c").write_text("int main(void) { return nothing; }\n")
    with pytest.raises(CompileError, match=r"gcc cannot compile for cortex-m4: .*nothing"):
        toolchain.build(TARGETS["cortex-m4"], tmp_path, ["a.c"], tmp_path / "a.elf", toolchain.GCC)


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(toolchain.shutil, "which", lambda name: None)
    with pytest.raises(
        MissingExtraError, match=r"needs the extra 'edge'; install it with: pip install 'vocalics\[edge"
    ):
        toolchain.require(toolchain.ZIG, TARGETS["rv32"])
    with pytest.raises(CompileError, match="Debian: gcc-aarch64-linux-gnu"):
        toolchain.require(toolchain.GCC, TARGETS["aarch64"])
    with pytest.raises(UsageError, match="no gcc for it is known"):
        toolchain.require(toolchain.GCC, TARGETS["wasm32-wasi"])
    assert running.runner(TARGETS["rv32"]) == ([], "")
    assert "qemu-system-misc" in running.wanted(TARGETS["rv32"])


def test_sizes_are_read_and_told() -> None:
    assert n_bytes("256K", "--ram-limit") == n_bytes("262144", "--ram-limit") == 2**18
    assert n_bytes("1.5 MiB", "--flash-limit") == 3 * 2**19
    for wrong in ("", "much", "-1", "0", "5 T"):
        with pytest.raises(CompileError, match=r"--ram-limit .* is no size; expected bytes"):
            n_bytes(wrong, "--ram-limit")
    assert Limits(flash=1024).broken(2048, 10**9) == ["flash 2.0 KB of 1.0 KB"]
    assert Limits(ram=1024).broken(None, 1024) == []


def test_what_is_compiled_in_is_the_sound_in_16_bits() -> None:
    samples = hum(16_000)
    numbers = sixteen_bits(samples)
    assert np.abs(numbers / 32768 - samples).max() <= 0.5 / 32768
    assert 0.2 < np.abs(samples).max() <= 0.3
    assert sixteen_bits(np.array([2.0, -2.0], np.float32)).tolist() == [32767, -32768]


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The board's memory functions as a library of this computer."""
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("neither gcc nor clang is installed")
    folder = tmp_path_factory.mktemp("memory")
    renamed = [f"-D{name}=board_{name}" for name in ("memcpy", "memmove", "memset", "memcmp", "strlen")]
    line = [compiler, "-std=c99", "-O2", "-ffreestanding", "-shared", "-fPIC", *renamed, "-I", EDGE / "boards" / "bare"]
    subprocess.run([*line, EDGE / "boards" / "memory.c", "-o", folder / "memory.so"], check=True)
    return ctypes.CDLL(str(folder / "memory.so"))


@settings(deadline=None)
@given(start=st.integers(0, 9), to=st.integers(0, 9), n=st.integers(0, 40), value=st.integers(0, 255))
def test_the_boards_memory_functions_are_the_librarys(memory: Any, start: int, to: int, n: int, value: int) -> None:
    before = bytes(np.random.default_rng(n).integers(0, 256, 64, np.uint8))

    def after(name: str, *arguments: int) -> bytes:
        block = ctypes.create_string_buffer(before, 64)
        base = ctypes.addressof(block)
        places = [base + a if i < 2 and not (name == "memset" and i) else a for i, a in enumerate(arguments)]
        getattr(memory, f"board_{name}")(*(ctypes.c_size_t(a) for a in places))
        return block.raw

    moved = before[:to] + before[start : start + n] + before[to + n :]
    assert after("memmove", to, start, n) == moved
    assert (
        after("memcpy", 20 + to, 0, min(n, 20))
        == before[: 20 + to] + before[: min(n, 20)] + before[20 + to + min(n, 20) :]
    )
    assert after("memset", to, value, n) == before[:to] + bytes([value]) * n + before[to + n :]
    memory.board_memcmp.restype = ctypes.c_int
    other = before[:30] + b"\xff" + before[31:]
    order = memory.board_memcmp(before, other, 64)
    assert (order < 0) == (before < other)
    assert memory.board_memcmp(before, other, 30) == 0
    assert memory.board_strlen(before) == len(before.split(b"\0")[0])
    assert memory.board_strlen(b"emotion") == 7


@pytest.mark.parametrize("compiler", toolchain.COMPILERS)
@pytest.mark.parametrize("wanted", [t for t in BOARDS if t.name.startswith("cortex")], ids=lambda t: t.name)
def test_a_cortex_m_multiplies_pairs_and_has_floats(wanted: Target, compiler: str) -> None:
    try:
        toolchain.require(compiler, wanted)
    except (CompileError, MissingExtraError) as error:
        pytest.skip(str(error))
    files = ["-dM", "-E", "-x", "c", "-"]
    line = [word for word in toolchain.command(wanted, compiler, files, "-") if not word.startswith("-Wl")]
    done = subprocess.run(line, input="", capture_output=True, text=True, check=True)
    defined = {words[1] for text in done.stdout.splitlines() if len(words := text.split()) == 3}
    assert {"__ARM_FEATURE_DSP", "__ARM_FEATURE_SIMD32", "__ARM_FP", "__ARM_FEATURE_FMA"} <= defined
    assert "__ARM_NEON" not in defined
