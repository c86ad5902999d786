"""What compile and export write over and leave alone, what a folder says of itself, and what a check allows."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes
import pytest

from vocalics import audio
from vocalics.edge import checking, compilation, limits, network, source, toolchain
from vocalics.edge.checking import Check
from vocalics.edge.limits import Limits
from vocalics.edge.targets import TARGETS, Target
from vocalics.edge.toolchain import Sizes
from vocalics.errors import CompileError, ModelFileError
from vocalics.named_models import bundled
from vocalics.recognizer import load

Run = Callable[..., tuple[int, str, str]]
X86, M4, RV32, WASM = (TARGETS[name] for name in ("x86_64", "cortex-m4", "rv32", "wasm32-wasi"))
TINY, TINY_INT8 = bundled()["tiny"], bundled()["tiny-int8"]
EXAMPLES = Path(__file__).parents[2] / "examples" / "clips"
KB = 1024


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Compilers stand still: every program is three words. The targets and processors that they were asked for."""
    asked = []

    def build(target: Target, folder: Path, files: Any, output: Path, compiler: str = "zig", cpu: str = "") -> None:
        asked.append((target.name, cpu))
        output.write_bytes(b"a new program")

    monkeypatch.setattr(toolchain, "require", lambda *_: None)
    monkeypatch.setattr(toolchain, "build", build)
    monkeypatch.setattr(toolchain, "sizes", lambda path: Sizes(path.stat().st_size, 700 * KB, 150 * KB))
    return asked


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A model of the user's own."""
    return Path(shutil.copyfile(TINY_INT8, tmp_path / "my.onnx"))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A recording of the user's own."""
    audio.write(tmp_path / "clip.wav", fakes.voice(1.2))
    return tmp_path / "clip.wav"


def words(text: str) -> str:
    return " ".join(text.split())


# ---- What is read is not written over ----


@pytest.mark.parametrize("read", ["model", "clip", "a clip of a folder"])
def test_a_program_does_not_replace_what_it_is_made_from(
    read: str, mine: Path, clip: Path, run: Run, built: Any
) -> None:
    output = mine if read == "model" else clip
    before = output.read_bytes()
    clips = clip.parent if "folder" in read else clip
    code, _, err = run(
        "compile", str(mine), "--target", "x86_64", "-o", str(output), "--clips", str(clips), "--no-check"
    )
    assert code == 1 and not built
    assert f"{output}: is what is read; choose another name to write to" in words(err)
    assert output.read_bytes() == before


@pytest.mark.parametrize("read", ["model", "clip"])
def test_eight_bits_do_not_replace_what_they_are_made_from(read: str, clip: Path, run: Run) -> None:
    model = Path(shutil.copyfile(TINY, clip.parent / "my.onnx"))
    output = model if read == "model" else clip
    before = output.read_bytes()
    code, _, err = run("export", str(model), "--to", "onnx-int8", "-o", str(output), "--clips", str(clip))
    assert code == 1
    assert f"{output}: is what is read; choose another name to write to" in words(err)
    assert output.read_bytes() == before


def test_the_model_is_read_before_the_program_takes_its_place(mine: Path, clip: Path, built: Any) -> None:
    made = compilation.compile(mine, X86, mine, [clip], check=False)
    assert made.int8 and mine.read_bytes() == b"a new program"


def test_a_board_needs_a_folder(mine: Path, run: Run, built: Any) -> None:
    code, _, err = run("compile", str(mine), "--target", "rv32", "-o", str(mine))
    assert code == 1
    assert f"{mine}: is a file; expected a folder for the C and its image" in words(err)


def test_an_image_that_does_not_fit_leaves_the_one_that_did(tmp_path: Path, clip: Path, built: Any) -> None:
    old = tmp_path / "board" / "emotion.elf"
    old.parent.mkdir()
    old.write_bytes(b"the old program")
    with pytest.raises(CompileError, match=r"does not fit cortex-m4: flash 700 KB of 600 KB"):
        compilation.compile(TINY_INT8, M4, old.parent, [clip], limit=Limits(flash=600 * KB), check=False)
    assert built and old.read_bytes() == b"the old program"
    made = compilation.compile(TINY_INT8, M4, old.parent, [clip], limit=Limits(flash=800 * KB), check=False)
    assert made.program == old and old.read_bytes() == b"a new program"


@pytest.mark.parametrize("theirs", ["network.h", "settings.h"])
def test_a_folder_of_others_is_refused_whatever_its_files_are_called(theirs: str, tmp_path: Path) -> None:
    (tmp_path / theirs).write_text("/* sockets */\n")
    (tmp_path / "Makefile").write_text("all: mine\n")
    with pytest.raises(CompileError, match=r"Makefile.*already, which are not ours; choose another folder"):
        source.write(TINY_INT8, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {theirs, "Makefile"}
    assert (tmp_path / "Makefile").read_text() == "all: mine\n"


def test_the_readme_builds_what_was_written_last(tmp_path: Path) -> None:
    source.write(TINY_INT8, tmp_path, is_fixed=True)
    written = source.write(TINY_INT8, tmp_path)
    line = next(x for x in (tmp_path / "README.md").read_text().splitlines() if x.startswith("cc "))
    named = {word for word in line.split() if word.endswith(".c")}
    assert named == set(written.compiled)
    assert {path.name for path in tmp_path.glob("*.c")} > named  # the front end in fixed point lies there still
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    subprocess.run(line.replace("-O3", "-O0"), shell=True, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "emotion").is_file()


# ---- The processor ----


def test_a_folder_tells_how_it_is_compiled_for_the_processor_asked_for(tmp_path: Path, clip: Path, built: Any) -> None:
    cpu = "generic_rv32+m+a+c"
    compilation.compile(TINY_INT8, RV32, tmp_path / "zig", [clip], cpu=cpu, check=False)
    page, make = ((tmp_path / "zig" / name).read_text() for name in ("README.md", "Makefile"))
    assert f"-mcpu={cpu} " in page and f"-mcpu={RV32.cpu} " not in page
    assert f"`riscv64-unknown-elf-gcc` for the usual processor of rv32, or with Zig for {cpu}:" in page
    assert make.startswith("# Compiles for the usual processor of rv32.\n") and "-march=rv32imafc -mabi=ilp32f" in make
    compilation.compile(TINY_INT8, RV32, tmp_path / "gcc", [clip], cpu="rv32imac", compiler="gcc", check=False)
    page, make = ((tmp_path / "gcc" / name).read_text() for name in ("README.md", "Makefile"))
    assert "-march=rv32imac -misa-spec=2.2 -mabi=ilp32 " in make and make.startswith("# Compiles for rv32imac.\n")
    assert f"-mcpu={RV32.cpu} " in page
    compilation.compile(TINY_INT8, RV32, tmp_path / "usual", [clip], check=False)
    assert (tmp_path / "usual" / "Makefile").read_text().startswith("emotion.elf:")


@pytest.mark.parametrize(
    ("march", "abi"),
    [("rv32imac", "ilp32"), ("rv32imafc_zicsr", "ilp32f"), ("rv32imc_zfinx", "ilp32"), ("rv64gc", "lp64d")],
)
def test_gcc_hands_numbers_over_in_the_registers_that_there_are(march: str, abi: str, tmp_path: Path) -> None:
    line = toolchain.flags(RV32, toolchain.GCC, march)
    assert [word for word in line if word.startswith("-mabi=")] == [f"-mabi={abi}"]
    if march == "rv32imac" and shutil.which(RV32.gcc[0]):
        written = source.write(TINY_INT8, tmp_path / "c", RV32, is_fixed=True)
        toolchain.build(RV32, written.folder, written.compiled, tmp_path / "image.elf", toolchain.GCC, march)
        assert toolchain.sizes(tmp_path / "image.elf").flash


def test_with_another_processor_this_computers_program_is_checked_too(
    clip: Path, tmp_path: Path, built: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchain, "runs_here", lambda target: target.name == "x86_64")
    monkeypatch.setattr(toolchain, "host", lambda: X86)
    monkeypatch.setattr(checking, "check_program", lambda target, *_: Check(target.name))
    monkeypatch.setattr(checking, "seconds_per_second", lambda *_: 0.0)
    made = compilation.compile(TINY_INT8, X86, tmp_path / "out", [clip], cpu="sapphirerapids")
    assert built == [("x86_64", "sapphirerapids"), ("x86_64", "")]
    assert len(made.checks) == 2
    assert len(compilation.compile(TINY_INT8, X86, tmp_path / "out", [clip]).checks) == 1


def scripted(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, source.Source]:
    """A program in the shell's words, and what it says that it was made from."""
    if sys.platform == "win32":
        pytest.skip("needs a shell")
    monkeypatch.setattr(toolchain, "runs_here", lambda target: True)
    program = folder / "program"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    recognizer = load(TINY_INT8)
    facts = source.sizes(TINY_INT8, recognizer.card, None, 10.0)
    return program, source.Source(folder, recognizer.card, facts, (), 10.0)


def test_a_processor_that_this_computer_is_not_is_no_fault(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, written = scripted(tmp_path, "kill -ILL $$", monkeypatch)
    check = checking.check_program(X86, program, written, load(TINY_INT8), [clip], "sapphirerapids")
    assert check.text == "not checked: this computer lacks what sapphirerapids has"
    assert check.what == "x86_64 for sapphirerapids on this computer" and check.passed(0.0)
    with pytest.raises(CompileError, match="x86_64 failed: what runs it lacks one of its instructions; name"):
        checking.check_program(X86, program, written, load(TINY_INT8), [clip])


# ---- What fits ----


def test_what_would_fit_counts_what_a_program_takes_beside_its_network() -> None:
    card = load(TINY).card
    facts = source.sizes(TINY, card, X86, source.piece_seconds(card, None))

    def said(limit: Limits) -> str:
        return limits.hint(TINY, card, X86, limit, facts)

    small = source.sizes(TINY_INT8, load(TINY_INT8).card, X86, source.piece_seconds(card, None))
    # As measured: beside its weights a file takes 101 to 112 KB, beside the network's memory a program 1,351 to 1,353.
    assert "the model tiny-int8 (flash about" in said(Limits(flash=small.weight_bytes + 113 * KB))
    assert "No bundled model would fit." in said(Limits(flash=small.weight_bytes + 100 * KB))
    assert "the model tiny-int8 (flash about" in said(Limits(ram=small.arena_bytes + 1400 * KB))
    assert "No bundled model would fit." in said(Limits(ram=small.arena_bytes + 1350 * KB))


def test_what_would_fit_a_board_is_what_its_image_took() -> None:
    default = bundled()["default"]
    card = load(default).card
    facts = source.sizes(default, card, M4, card.window_seconds)
    small = source.sizes(TINY_INT8, load(TINY_INT8).card, M4, card.window_seconds)

    def said(flash: int, ram: int) -> str:
        limit = Limits(small.weight_bytes + flash * KB, small.arena_bytes + ram * KB)
        return limits.hint(default, card, M4, limit, facts)

    # As measured: up to 54 KB of flash beside the weights, 26 KB of RAM beside the network's.
    assert "the model tiny-int8 (flash about" in said(57, 29)
    assert "tiny-int8" not in said(53, 29)
    assert "tiny-int8" not in said(57, 26)


@pytest.mark.parametrize(("target", "ram", "told"), [(WASM, None, True), (X86, 1800 * KB, False)])
def test_a_limit_that_cannot_be_told_is_said(
    target: Target, ram: int | None, told: bool, clip: Path, tmp_path: Path, run: Run, built: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(toolchain, "sizes", lambda path: Sizes(200 * KB, None, ram))
    arguments = ("compile", "tiny-int8", "--target", target.name, "-o", str(tmp_path / "out"), "--no-check")
    code, out, _ = run(*arguments, "--ram-limit", "2M", "--clips", str(clip))
    line = f"--ram-limit: met by the network alone; what else a program for {target.name} takes cannot be told"
    assert code == 0
    assert (line in words(out)) == told
    assert "--ram-limit" not in run(*arguments, "--clips", str(clip))[1]


# ---- What a check allows ----


def test_other_rates_may_stray_further() -> None:
    assert Check("a", 3, 3, largest=0.005, largest_at_rate=1e-5).passed(1e-4, 0.01)
    assert Check("a", 3, 2, largest=0.005, largest_at_rate=1e-5).passed(1e-4, 0.01)  # a near tie
    assert not Check("a", 3, 3, largest=0.005, largest_at_rate=0.005).passed(1e-4, 0.01)
    assert not Check("a", 3, 3, largest=0.02, largest_at_rate=1e-5).passed(1e-4, 0.01)
    assert not Check("a", 3, 3, largest=0.005, largest_at_rate=1e-5).passed(1e-4)
    # At the model's own rate the emotions are the same, however near the probabilities.
    assert not Check("a", 3, 2, largest=1e-5, largest_at_rate=1e-5, n_other_at_rate=1).passed(1e-4, 0.01)


@pytest.mark.parametrize("probability", ["NaN", "0.0"])
def test_a_program_that_hears_nothing_or_nonsense_is_wrong(
    probability: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer = load(TINY_INT8)
    line = json.dumps({"probabilities": dict.fromkeys(recognizer.emotions, 0.0)}).replace("0.0", probability)
    program, written = scripted(tmp_path, f"echo '{line}'", monkeypatch)
    check = checking.check_program(X86, program, written, recognizer, [clip])
    assert check.largest == check.largest_at_rate == 1 and check.n_same == 0 and check.n_other_at_rate == 1
    assert not check.passed(0.5)


@pytest.mark.parametrize("is_fixed", [False, True])
def test_a_right_program_passes_on_telephone_sound(is_fixed: bool, tmp_path: Path) -> None:
    host = toolchain.host()
    if not host.gcc or shutil.which(host.gcc[0]) is None or not EXAMPLES.is_dir():
        pytest.skip("needs gcc and the example clips")
    model = TINY_INT8 if is_fixed else TINY
    written = source.write(model, tmp_path / "c", is_fixed=is_fixed)
    toolchain.build(host, written.folder, written.compiled, tmp_path / "program", toolchain.GCC)
    made = compilation.Compiled(host, written, tmp_path / "program", Sizes(1), (), 0.0, is_fixed)
    telephone = tmp_path / "telephone.wav"
    audio.write(telephone, audio.resample(audio.read(EXAMPLES / "high_fast.wav"), 8_000))
    check = checking.check_program(host, made.program, written, load(model), [telephone, EXAMPLES / "high_fast.wav"])
    # The bands above 4 kHz hold what the resamplers leave: in floats nothing else differs as much.
    assert check.largest > (0 if is_fixed else 10 * check.largest_at_rate)
    assert not dataclasses.replace(made, checks=(check,)).wrong
    half = dataclasses.replace(check, largest_at_rate=2 * made.tolerance)
    assert dataclasses.replace(made, checks=(half,)).wrong


# ---- What is no network ----


@pytest.mark.skipif(importlib.util.find_spec("onnx") is None, reason="needs onnx")
def test_a_classifier_that_is_no_network_is_told(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    node = helper.make_node("TreeEnsembleClassifier", ["x"], ["label", "y"], domain="ai.onnx.ml")
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])
    told = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])
    path = tmp_path / "forest.onnx"
    path.write_bytes(helper.make_model(helper.make_graph([node], "forest", [given], [told])).SerializeToString())
    for ask in (network.facts, network.write):
        with pytest.raises(ModelFileError) as refused:
            ask(path, 10)
        assert str(refused.value) == f"{path}: is a classifier that is no network; it stays with ONNX Runtime"
