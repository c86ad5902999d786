"""vocalics compile and export --to c: what is made says what the model says, and what cannot be made is told."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import fakes
import numpy as np
import pytest
import torch

from vocalics import audio
from vocalics.edge import checking, compilation, figures, limits, running, source, toolchain
from vocalics.edge.limits import Limits
from vocalics.edge.targets import TARGETS
from vocalics.emotions import EMOTIONS
from vocalics.errors import CompileError
from vocalics.export import waveform
from vocalics.export.card import with_card
from vocalics.features.logmel import LogMel
from vocalics.models.logmel_cnn import LogMelTdnn
from vocalics.named_models import bundled
from vocalics.recognizer import load

Run = Callable[..., tuple[int, str, str]]
NEEDS_ZIG = pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="needs ziglang (extra edge)")
M4, RV32, ARM64 = TARGETS["cortex-m4"], TARGETS["rv32"], TARGETS["aarch64"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small net of the default's kind with random weights."""
    torch.manual_seed(0)
    net = LogMelTdnn(n_first=4, width=8, n_hidden=8)
    net.train()
    for _ in range(3):  # so that batch norm's statistics are not their initial ones
        net(5 * torch.randn(8, 64, 80) - 10)
    with torch.no_grad():  # so that clips are told apart
        [*net.modules()][-1].weight *= 30
    data = waveform.from_torch(net.eval(), LogMel()).SerializeToString()
    path = tmp_path_factory.mktemp("model") / "small.onnx"
    card = fakes.card(name="small", front_end=dataclasses.asdict(LogMel()), trim_db=40.0)
    path.write_bytes(with_card(data, card))
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A voice with quiet ends, a longer one at another rate, and nobody."""
    folder = tmp_path_factory.mktemp("clips")
    quiet = np.zeros(8_000, np.float32)
    padded = np.concatenate([quiet, fakes.voice(1.2).samples, quiet])
    sounds = [audio.Clip(padded, 16_000), fakes.voice(3.6, 200, 22_050), fakes.noise(1.0)]
    paths = [folder / f"{i}.wav" for i in range(len(sounds))]
    for path, sound in zip(paths, sounds, strict=True):
        audio.write(path, sound)
    return paths


@pytest.fixture(scope="module")
def on_m4(model: Path, clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> compilation.Compiled:
    """The net for a Cortex-M4, checked on this computer and, where qemu is, there."""
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("needs ziglang (extra edge)")
    folder = tmp_path_factory.mktemp("m4") / "out"
    return compilation.compile(model, M4, folder, clips, command="vocalics compile small")


def test_the_clips_are_told_apart(model: Path, clips: list[Path]) -> None:
    said = [load(model).predict(path) for path in clips]
    assert [p.emotion is None for p in said] == [False, False, True]
    first, second = (np.array([*p.probabilities.values()]) for p in said[:2])
    assert np.abs(first - second).max() > 100 * checking.TOLERANCE


def test_a_board_says_what_the_model_says(on_m4: compilation.Compiled) -> None:
    host, board = on_m4.checks
    assert host.passed() and host.n_clips == 3
    if board.note:
        pytest.skip(board.note)
    assert board.passed() and board.n_clips == 3
    assert board.largest > 0  # another order of additions: the comparison is not with itself
    told = [(line["emotion"], line["label"]) for line in board.said]
    assert told[2] == (None, "no speech") and told[0][0] == told[0][1] in EMOTIONS
    assert 0 < on_m4.stack_bytes < 8192
    assert 1 < on_m4.instructions / (on_m4.source.facts.macs / on_m4.source.seconds) < 100


def test_a_board_holds_the_first_clip_itself(on_m4: compilation.Compiled, model: Path, clips: list[Path]) -> None:
    command, name = running.runner(M4)
    if not name:
        pytest.skip(f"{running.wanted(M4)} is not installed")
    out, _, code = running.finished([*command, on_m4.program.name], on_m4.program.parent)
    values, truth = checking.first_window(load(model), 3.0, clips[0])
    assert code == 0
    line = json.loads(out)
    assert line["fed"] == len(values)
    assert list(line["probabilities"].values()) == pytest.approx(truth, abs=1e-5)


def test_the_figures_are_told_with_where_they_come_from(on_m4: compilation.Compiled) -> None:
    rows = figures.rows(on_m4)
    told = dict(rows)
    assert "weights" in told["flash"] and "nothing is allocated" in told["RAM"]
    assert "for 3 s of sound" in told["MACs"]
    assert "at 168 MHz (an STM32F407)" in told["time"]
    assert sum(name == "check" for name, _ in rows) == 2
    slow, fast = (figures.estimate(on_m4, clock)[0] for clock in (84, 168))
    assert slow == pytest.approx(2 * fast)
    without = dataclasses.replace(on_m4, checks=(), host_seconds=0.0)
    assert "as the default model takes on a Cortex-M4" in figures.estimate(without)[1]
    assert dict(figures.rows(without))["check"] == "nothing was checked (--no-check)"
    assert on_m4.sizes.flash is not None and on_m4.sizes.ram is not None
    assert on_m4.sizes.flash > on_m4.source.facts.weight_bytes
    assert on_m4.sizes.ram > on_m4.source.facts.arena_bytes + 8192


def test_the_folder_of_a_board_says_what_it_is(on_m4: compilation.Compiled, model: Path) -> None:
    folder = on_m4.source.folder
    page = (folder / "README.md").read_text()
    sha256 = load(model).model.sha256
    for name in ("network.h", "network.c", "weights.c", "settings.h", "tables.c"):
        head = (folder / name).read_text()[:400]
        assert sha256 in head, name
        assert "vocalics compile small" in head, name
    assert sha256 in page and "thumb-freestanding-eabihf" in page
    assert {"vocalics.h", "board.ld", "Makefile", "emotion.elf"} <= {p.name for p in folder.iterdir()}


def test_the_library_neither_allocates_nor_prints(on_m4: compilation.Compiled) -> None:
    forbidden = re.compile(r"\b(malloc|calloc|realloc|free|alloca|printf|puts|fopen|fread)\s*\(|<stdio.h>|<stdlib.h>")
    seen = 0
    for path in [*on_m4.source.folder.glob("*.c"), *on_m4.source.folder.glob("*.h")]:
        assert not forbidden.search(path.read_text()), path.name
        seen += 1
    assert seen > 10
    assert forbidden.search("p = malloc (3);")


@pytest.mark.slow
@NEEDS_ZIG
@pytest.mark.parametrize("name", ["aarch64", "wasm32-wasi"])
def test_a_program_for_another_processor_says_what_the_model_says(
    name: str, model: Path, clips: list[Path], tmp_path: Path
) -> None:
    target = TARGETS[name]
    if not running.runner(target)[1]:
        pytest.skip(f"{running.wanted(target)} is not installed")
    found = compilation.compile(model, target, tmp_path / f"emotion{target.suffix}", clips)
    assert [check.n_clips for check in found.checks] == [3, 3]
    assert all(check.passed(1e-5) for check in found.checks)
    assert found.program.stat().st_size == found.sizes.file > 10_000


@pytest.mark.slow
@NEEDS_ZIG
def test_eight_bits_say_nearly_the_same_and_take_less(
    model: Path, clips: list[Path], on_m4: compilation.Compiled, tmp_path: Path
) -> None:
    small = compilation.eight_bits(model, [*clips[:2]] * 8, tmp_path)
    found = compilation.compile(small, RV32, tmp_path / "out", clips)
    assert found.int8 and not on_m4.int8
    assert all(check.passed(found.tolerance) for check in found.checks)
    assert found.source.facts.weight_bytes < 0.6 * on_m4.source.facts.weight_bytes  # layers of few weights stay
    card = load("default").card
    whole, eight = (source.sizes(bundled()[name], card, M4, 3.0) for name in ("default", "default-int8"))
    assert eight.weight_bytes < 0.3 * whole.weight_bytes
    assert eight.arena_bytes < 0.4 * whole.arena_bytes


def test_what_does_not_fit_is_refused_before_it_is_compiled(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CompileError) as told:
        limits.require_room(model, M4, Limits(flash=3000, ram=20_000), None)
    said = str(told.value)
    assert re.search(r"small does not fit cortex-m4: flash [\d.,]+ KB of 2\.9 KB, RAM [\d.,]+ KB of 20 KB", said)
    assert re.search(r"Most weights: blocks\.\d/\w+, [\d.,]+ KB\. Most memory: \w+", said)
    assert "No bundled model would fit." in said
    limits.require_room(model, M4, Limits(flash=2**20, ram=2**20), None)


def test_fewer_seconds_are_offered_where_they_help(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = source.sizes(model, load(model).card, M4, 3.0).arena_bytes
    limit = Limits(ram=needed * 2 // 3)
    monkeypatch.setattr(limits, "_BOARD", (1000, 1000))
    with pytest.raises(CompileError) as told:
        limits.require_room(model, M4, limit, None)
    offered = re.search(r"--seconds ([\d.]+) \(RAM about", str(told.value))
    assert offered is not None and 1.5 < float(offered[1]) <= 2
    limits.require_room(model, M4, limit, float(offered[1]))
    with pytest.raises(CompileError):
        limits.require_room(model, M4, limit, 2.9)


def test_a_smaller_bundled_model_is_offered() -> None:
    with pytest.raises(CompileError, match=r"What would fit: .*the model default-int8 \(flash about"):
        limits.require_room(bundled()["default"], M4, Limits(flash=2**20, ram=2**18), None)
    limits.require_room(bundled()["default-int8"], M4, Limits(flash=2**20, ram=2**18), None)


def test_more_than_the_linked_program_may_take_is_refused_too(
    model: Path, clips: list[Path], tmp_path: Path, on_m4: compilation.Compiled
) -> None:
    # More than the weights alone: only the compiled program tells.
    limit = Limits(flash=on_m4.source.facts.weight_bytes + 1000)
    limits.require_room(model, M4, limit, None)
    compiler = toolchain.GCC if shutil.which(M4.gcc[0]) else toolchain.ZIG
    with pytest.raises(CompileError, match="small does not fit cortex-m4: flash"):
        compilation.compile(model, M4, tmp_path / "out", clips, limit=limit, compiler=compiler, check=False)


@pytest.mark.parametrize(("front_end", "within"), [("float", 1e-5), ("fixed", 5e-3)])
def test_exported_c_is_built_by_any_compiler(
    front_end: str, within: float, model: Path, clips: list[Path], tmp_path: Path, run: Run
) -> None:
    code, out, _ = run("export", str(model), "--to", "c", "-o", str(tmp_path / "c"), "--front-end", front_end)
    assert code == 0
    assert "million MACs; make -C" in out
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("needs make and a C compiler")
    strict = "CFLAGS=-O2 -Werror -pedantic"
    subprocess.run(["make", "-s", "-C", str(tmp_path / "c"), strict], check=True, capture_output=True)
    said = subprocess.run([tmp_path / "c" / "emotion", *clips], capture_output=True, text=True, check=True).stdout
    recognizer = load(model)
    for line, path in zip(map(json.loads, said.splitlines()), clips, strict=True):
        truth = recognizer.predict(path)
        assert (line["emotion"], line["label"]) == (truth.emotion, truth.label)
        assert line["probabilities"] == pytest.approx(dict(truth.probabilities), abs=within)
    assert (tmp_path / "c" / f"mel{'_fixed' if front_end == 'fixed' else ''}.c").is_file()
    assert f"make -C {tmp_path / 'c'}" in out
    head = (tmp_path / "c" / "network.c").read_text()[:400]
    assert f"vocalics export {model} --to c" in head


def test_fixed_point_is_for_c(model: Path, tmp_path: Path, run: Run) -> None:
    code, _, err = run("export", str(model), "-o", str(tmp_path / "a.onnx"), "--front-end", "fixed")
    assert code == 2
    assert "--front-end is for C; add --to c" in " ".join(err.split())
    assert not [*tmp_path.iterdir()]


@NEEDS_ZIG
def test_a_processor_without_floating_point_is_served(model: Path, clips: list[Path], tmp_path: Path) -> None:
    options = {"cpu": "generic_rv32+m+a+c", "is_fixed": True}
    made = compilation.compile(model, RV32, tmp_path / "out", clips, **options)
    host, board = made.checks
    assert host.n_clips == 3 and all(check.passed(made.tolerance) for check in made.checks)
    if board.note:
        pytest.skip(board.note)
    assert board.n_clips == 3 and board.largest > 0
    assert (board.said[2]["emotion"], board.said[2]["label"]) == (None, "no speech")
    assert board.said[0]["emotion"] == board.said[0]["label"] in EMOTIONS


@NEEDS_ZIG
def test_the_command_prints_sizes_and_checks(model: Path, clips: list[Path], tmp_path: Path, run: Run) -> None:
    output = tmp_path / "board"
    code, out, err = run(
        "compile", str(model), "--target", "cortex-m4", "-o", str(output), "--no-check", "--clock", "100", "--seconds",
        "1.5", "--clips", str(clips[0]),
    )  # fmt: skip
    assert code == 0, err
    words = " ".join(out.split())
    assert "small for cortex-m4" in words and f"written to {output / 'emotion.elf'}" in out.replace("\n", "")
    assert "for 1.5 s of sound" in words and "at 100 MHz" in words and "nothing was checked (--no-check)" in words


@NEEDS_ZIG
def test_a_program_that_differs_is_told_and_fails(
    model: Path, clips: list[Path], tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = (checking.Check("x86_64 on this computer", 3, 2, 0.4),)

    def compiled(model: Path, target: object, output: Path, clips: object, **_: object) -> compilation.Compiled:
        written = source.write(model, tmp_path / "c", M4)
        return compilation.Compiled(M4, written, output, toolchain.Sizes(1), wrong, 0.0, False)

    monkeypatch.setattr(compilation, "compile", compiled)
    code, out, err = run("compile", str(model), "--target", "cortex-m4", "-o", str(tmp_path / "o"))
    assert code == 1
    assert "2 of 3 clips the same emotion" in " ".join(out.split())
    assert "differs from the model: x86_64 on this computer: 2 of 3" in err


REFUSED = {
    "an unknown target": (["--target", "aarch46"], 'unknown target "aarch46"; did you mean "aarch64"?'),
    "no calibration": (["--target", "rv32", "--int8"], "--int8 needs calibration clips; name some with --clips"),
    "no size": (["--target", "rv32", "--ram-limit", "little"], '--ram-limit "little" is no size; expected bytes'),
    "no clock": (["--target", "rv32", "--clock", "0"], "--clock 0: expected the processor's MHz"),
    "no folder": (["--target", "rv32", "-o", "nowhere/out"], "nowhere: no such folder; make it first"),
    "a folder": (["--target", "aarch64", "-o", "."], "is a folder; expected the program's file"),
    "seconds of a program": (["--target", "aarch64", "--seconds", "3"], "--seconds 3 is for microcontrollers"),
    "too few seconds": (["--target", "rv32", "--seconds", "0.1"], "--seconds 0.1: expected 0.25 to 60"),
    "no compiler": (["--target", "wasm32-wasi", "--compiler", "gcc"], "no gcc for it is known"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_compiled_is_one_line(
    case: str, model: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: object())
    arguments, expected = REFUSED[case]
    code, _, err = run("compile", str(model), *arguments)
    assert code == (1 if case in ("an unknown target", "no folder", "a folder") else 2)
    assert expected in " ".join(err.split())


def test_without_the_extra_it_is_named(model: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)
    code, _, err = run("compile", str(model), "--target", "rv32")
    assert code == 1
    assert "compiling for a device needs the extra 'edge'; install it with: pip install 'vocalics[edge]'" in err
    assert not [*tmp_path.iterdir()]


def test_hums_check_where_there_are_no_example_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(checking.examples(tmp_path)) == 4
    assert not [*tmp_path.iterdir()]
    monkeypatch.setattr(checking, "__file__", str(tmp_path / "a" / "b" / "c" / "d.py"))
    found = checking.examples(tmp_path)
    assert len(found) == 4 and all(p.parent == tmp_path for p in found)
    said = {load("default").predict(path).emotion for path in found}
    assert None not in said
