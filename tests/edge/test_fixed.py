"""The front end in fixed point against that in floats, NumPy and Python: the same sound, in whole numbers."""

from __future__ import annotations

import ctypes
import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest

from vocalics import audio
from vocalics.audio import Clip
from vocalics.edge import front_end, source
from vocalics.errors import ModelFileError
from vocalics.features.logmel import LogMel
from vocalics.preprocess import trim_silence
from vocalics.segment import speech_seconds

sys.path.insert(0, str(Path(__file__).parent))
import c_sound
from c_sound import FloatArray, Library, Result, pointer

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise")
EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "clips").glob("*.wav"))
FIXED_FILES = ("log_mel.c", "mel_fixed.c", "fft_fixed.c", "speech_fixed.c")


def log_mel_card(**changes: Any) -> Any:
    settings = dataclasses.asdict(LogMel())
    return fakes.card(**{"emotions": EMOTIONS, "front_end": settings, "trim_db": 40.0, **changes})


@pytest.fixture(scope="session")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """The library of the default net's front end in fixed point."""
    return Library(log_mel_card(), tmp_path_factory.mktemp("fixed"), 64, 998, is_fixed=True)


@pytest.fixture(scope="session")
def floats(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """The same in floats."""
    return Library(log_mel_card(), tmp_path_factory.mktemp("floats"), 64, 998)


def in_steps(samples: FloatArray) -> FloatArray:
    """What 16 bits keep of samples."""
    return source.sixteen_bits(samples).astype(np.float32) / np.float32(32768)


def python_log_mel(samples: FloatArray, trim_db: float | None = 40.0) -> FloatArray:
    clip = Clip(samples, 16_000)
    inner = clip.samples if trim_db is None else trim_silence(clip, below_db=trim_db).samples
    return LogMel()(Clip(inner / max(np.abs(inner).max(), 1e-9), 16_000)).T


# ---- Arithmetic ----

_DRIVER = r"""
#include "fixed.h"
#include "fft_fixed.h"
int bits(uint64_t x);
int32_t log2_of(uint64_t x);
void to_float(int32_t x, int n_fraction, float *number);
void power_of(const int32_t *samples, uint64_t *power);
int bits(uint64_t x) { return fixed_bits(x); }
int32_t log2_of(uint64_t x) { return fixed_log2(x); }
void to_float(int32_t x, int n_fraction, float *number) { fixed_to_float(x, n_fraction, number); }
void power_of(const int32_t *samples, uint64_t *power)
{
    static int32_t parts[2 * FFT_SIZE];
    int i;
    for (i = 0; i < FFT_SIZE; i++)
        parts[i / 2 + i % 2 * (FFT_SIZE / 2)] = samples[i];
    fft_power_fixed(parts, power);
}
"""


@pytest.fixture(scope="session")
def arithmetic(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Its functions for themselves; an overflow ends the process."""
    folder = tmp_path_factory.mktemp("arithmetic")
    files = {"driver.c": _DRIVER, **front_end.write(log_mel_card(), is_fixed=True)}
    c_sound.write(folder, {**files, **source.copied(["fft_fixed.c", "vocalics.h"], "c")}, ())
    c: Any = ctypes.CDLL(str(c_sound.compiled(folder, "arithmetic.so", "-shared", "-fPIC", "-ftrapv")))
    c.bits.argtypes = c.log2_of.argtypes = (ctypes.c_uint64,)
    return c


def test_logarithms_are_near_to_the_true_ones(arithmetic: Any) -> None:
    rng = np.random.default_rng(0)
    numbers = [1, 2, 3, 2**32 - 1, 2**32, 2**63 - 1, *(int(2.0**x) for x in rng.uniform(0, 63, 2000))]
    got = np.array([arithmetic.log2_of(x) for x in numbers]) / 2**22
    np.testing.assert_allclose(got, np.log2(np.array(numbers, np.float64)), atol=5e-5)
    assert [arithmetic.bits(x) for x in (0, 1, 255, 256, 2**32, 2**63)] == [0, 1, 8, 9, 33, 64]


def test_floats_are_made_of_their_bits(arithmetic: Any) -> None:
    number = ctypes.c_float()
    for x in (0, 1, -1, 3, -77_777, 2**24 - 1, 2**31 - 1, -(2**31)):
        for n_fraction in (0, 22, 30):
            arithmetic.to_float(x, n_fraction, ctypes.byref(number))
            assert number.value == pytest.approx(x / 2**n_fraction, rel=2**-23, abs=0)


def loudest_allowed() -> list[np.ndarray[Any, Any]]:
    """Signals whose magnitudes are just below 2^30 together: in one sample, everywhere, at once in one bin."""
    rng = np.random.default_rng(0)
    one = np.zeros(512)
    one[3] = 1
    shapes = [one, np.ones(512), (-1.0) ** np.arange(512), np.sign(np.sin(np.arange(512) * 0.7)), rng.normal(size=512)]
    return [np.trunc(s / np.abs(s).sum() * (2**30 - 1)).astype(np.int32) for s in shapes]


@pytest.mark.parametrize("samples", loudest_allowed(), ids=["click", "level", "fastest", "square", "noise"])
def test_the_transform_is_numpys_up_to_the_loudest_sound(arithmetic: Any, samples: Any) -> None:
    power = np.zeros(257, np.uint64)
    arithmetic.power_of(pointer(samples), pointer(power))
    expected = np.abs(np.fft.rfft(samples.astype(np.float64)))
    np.testing.assert_allclose(np.sqrt(power.astype(np.float64)), expected, atol=40)
    assert expected.max() > 2**24


# ---- Log-mel frames ----


def quiet_ends(level: float) -> FloatArray:
    samples = np.concatenate([np.zeros(8_000), fakes.voice(1.2, level=level).samples, np.zeros(8_077)])
    return (samples + level * 1e-3 * fakes.noise(len(samples) / 16_000).samples).astype(np.float32)


CLIPS = {
    "voice": fakes.voice(2.0).samples,
    "loud": np.clip(9 * fakes.voice(1.0).samples, -1, 1),
    "quiet ends": quiet_ends(0.3),
    "faint": quiet_ends(3e-3),
    "three steps": quiet_ends(1e-4),
    "noise": fakes.noise(0.5).samples,
    "short": fakes.voice(0.02).samples,
    "silence": np.zeros(4_000, np.float32),
}


@pytest.mark.parametrize("samples", CLIPS.values(), ids=CLIPS)
def test_frames_are_those_of_floats_and_of_python(fixed: Library, floats: Library, samples: FloatArray) -> None:
    heard = in_steps(samples)
    got, expected = fixed.frames(samples), python_log_mel(heard)
    assert got.shape == expected.shape
    for other in (expected, floats.frames(heard)):
        assert np.abs(got - other).mean() < 2e-3  # bands of nothing but the rounding to 16 bits differ most
        assert np.abs(got - other).max() < 0.05
    np.testing.assert_array_equal(got, fixed.frames(samples, piece=100))
    if samples.any():
        assert np.ptp(expected) > 5


def test_frames_of_recorded_voices_are_the_same_to_a_hundredth(fixed: Library, floats: Library) -> None:
    assert len(EXAMPLES) == 4
    for path in EXAMPLES:
        heard = in_steps(audio.read(path, 16_000).samples)
        apart = np.abs(fixed.frames(heard) - floats.frames(heard))
        assert apart.max() < 0.02
        assert apart.mean() < 5e-5
        assert np.ptp(floats.frames(heard)) > 10


def test_without_trimming_all_frames_are_there(tmp_path: Path) -> None:
    samples = in_steps(quiet_ends(0.3))
    whole = Library(log_mel_card(trim_db=None), tmp_path, 64, 998, is_fixed=True)
    expected = python_log_mel(samples, None)
    assert whole.frames(samples).shape == expected.shape != python_log_mel(samples).shape
    assert np.abs(whole.frames(samples) - expected).mean() < 2e-3


@pytest.mark.corpus
def test_frames_and_gate_on_clips_of_corpora(fixed: Library, floats: Library, shared: Path) -> None:
    clips = sorted((shared / "corpora/emodb/wav").iterdir())[::8]
    clips += sorted((shared / "corpora/ravdess").glob("*/*"))[::30]
    largest, means, equal = 0.0, [], []
    for path in clips:
        heard = in_steps(audio.excerpt(audio.read(path, 16_000), 0, 8).samples)
        got, expected = fixed.frames(heard), floats.frames(heard)
        assert got.shape == expected.shape
        largest = max(largest, float(np.abs(got - expected).max()))
        means.append(np.abs(got - expected).mean())
        equal.append(abs(fixed.speech_seconds(heard) - floats.speech_seconds(heard)) < 1e-3)
    assert len(clips) > 100
    assert largest < 0.05
    assert np.mean(means) < 1e-4
    assert np.mean(equal) > 0.99


# ---- The gate ----

TIME = np.arange(32_000) / 16_000
RUMBLE = (0.8 * np.sin(2 * np.pi * 30 * TIME)).astype(np.float32)
SOUNDS = {
    "voice": fakes.voice(2.0).samples,
    "quiet ends": quiet_ends(0.3),
    "too short": fakes.voice(0.2).samples,
    "hiss": fakes.noise(2.0).samples,
    "tone": (0.3 * np.sin(2 * np.pi * 220 * TIME)).astype(np.float32),
    "clicks": np.where(np.arange(32_000) % 4_000 == 0, np.float32(0.9), np.float32(0)),
    "silence": np.zeros(32_000, np.float32),
    "faint": fakes.voice(1.5, 90.0, level=1e-3).samples,
    "in rumble": fakes.voice(2.0, level=0.1).samples + RUMBLE,
}


@pytest.mark.parametrize("samples", SOUNDS.values(), ids=SOUNDS)
def test_the_gate_says_what_floats_and_python_say(fixed: Library, floats: Library, samples: FloatArray) -> None:
    heard = in_steps(samples)
    got = fixed.speech_seconds(samples)
    assert got == pytest.approx(floats.speech_seconds(heard), abs=0.021)
    expected = speech_seconds(Clip(heard, 16_000))
    assert (got > 0) == (expected > 0)
    assert got == pytest.approx(expected, abs=0.1)
    assert got == fixed.speech_seconds(samples, piece=160)


def test_voices_pass_the_gate_and_noise_does_not(fixed: Library) -> None:
    assert fixed.speech_seconds(SOUNDS["voice"]) > 1
    assert fixed.speech_seconds(SOUNDS["in rumble"]) > 0.5
    assert not any(fixed.speech_seconds(s) for s in (RUMBLE, *(SOUNDS[name] for name in ("hiss", "tone", "silence"))))


# ---- The library as a whole ----


@pytest.mark.parametrize("kind", ["fixed", "floats"])
def test_floats_and_sixteen_bits_are_judged_alike(kind: str, request: pytest.FixtureRequest) -> None:
    library = request.getfixturevalue(kind)
    heard = in_steps(fakes.voice(1.5).samples)
    said = []
    for function, samples in (
        (library.c.vocalics_feed, heard),
        (library.c.vocalics_feed_16, source.sixteen_bits(heard)),
    ):
        result = Result()
        library.c.vocalics_start()
        c_sound.feed(function, samples, 777)
        assert library.c.vocalics_finish(ctypes.byref(result)) == 0
        frames = np.ctypeslib.as_array(library.c.network_input(), (int(result.strangeness), 64)).copy()
        said.append((result.speech_seconds, frames))
    assert said[0][0] == said[1][0] > 0.5
    np.testing.assert_array_equal(said[0][1], said[1][1])
    assert np.ptp(said[0][1]) > 5


def test_no_more_is_taken_than_is_judged_in_one_piece(fixed: Library) -> None:
    samples = fakes.noise(12.0).samples
    fixed.c.vocalics_start()
    assert fixed.c.vocalics_feed(pointer(samples), len(samples)) == 160_000
    assert fixed.c.front_end_finish() == 998


def test_what_is_beyond_full_scale_is_cut_off(fixed: Library) -> None:
    voice = fakes.voice(1.0).samples
    loud = (20 * voice).astype(np.float32)
    fixed.c.vocalics_start()
    c_sound.feed(fixed.c.vocalics_feed, loud, 500)
    n = fixed.c.front_end_finish()
    got = np.ctypeslib.as_array(fixed.c.network_input(), (n, 64)).copy()
    expected = python_log_mel(in_steps(np.clip(loud, -1, 1)))
    assert np.abs(got - expected).mean() < 2e-3
    assert abs(python_log_mel(in_steps(voice)).mean() - expected.mean()) > 0.1


SOFT = {
    "riscv64-unknown-elf": ("-march=rv32imac", "-mabi=ilp32"),
    "arm-none-eabi": ("-mthumb", "-mcpu=cortex-m3", "-mfloat-abi=soft"),
}


def wanted_by(prefix: str, folder: Path, name: str) -> set[str]:
    """What an object file wants of others, compiled for a processor without floating point."""
    flags = [*c_sound.STRICT, *SOFT[prefix], "-ffreestanding", "-fbuiltin", "-Ibare", "-I."]
    subprocess.run([f"{prefix}-gcc", *flags, "-c", name, "-o", "one.o"], cwd=folder, check=True)
    said = subprocess.run(
        [f"{prefix}-nm", "-u", "one.o"], cwd=folder, capture_output=True, text=True, check=True
    ).stdout
    return {line.split()[-1] for line in said.splitlines()}


@pytest.mark.parametrize("prefix", SOFT)
def test_nothing_is_computed_in_floats(prefix: str, tmp_path: Path) -> None:
    if not shutil.which(f"{prefix}-gcc"):
        pytest.skip(f"{prefix}-gcc is not installed")
    card, network_h = log_mel_card(), c_sound.network_h(64, 298, 8)
    folders = {}
    for is_fixed in (True, False):
        folders[is_fixed] = tmp_path / str(is_fixed)
        files = {"network.h": network_h, **front_end.write(card, longest_seconds=3.0, is_fixed=is_fixed)}
        files |= source.copied([*front_end.sources(card, is_fixed), "maths.h"], "c")
        files["bare/string.h"] = (c_sound.SOURCES.parent / "boards/bare/string.h").read_text(encoding="utf-8")
        (folders[is_fixed] / "bare").mkdir(parents=True)
        c_sound.write(folders[is_fixed], files, ())
    arithmetic = {"__aeabi_ldivmod", "__aeabi_uldivmod", "__divdi3", "__udivdi3", "__ashldi3", "__lshrdi3", "__ashrdi3"}
    arithmetic |= {"__aeabi_llsl", "__aeabi_llsr", "__aeabi_lasr", "__aeabi_lmul", "__muldi3", "__clzsi2", "__clzdi2"}
    own = {"network_input", "memcpy", "memmove", "memset", "fft_power_fixed"}
    own |= {"mel_measure", "mel_is_loud", "mel_frame", "mel_finish", "fixed_logarithms", "fft_cosines"}
    own |= {f"front_end_{t}" for t in ("window", "first", "count", "weights")}
    own |= {"gate_rows", "gate_rumble", "gate_between"}
    for name in FIXED_FILES:
        assert wanted_by(prefix, folders[True], name) <= own | arithmetic, name
    multiply = "__mulsf3" if "riscv" in prefix else "__aeabi_fmul"
    for name in ("mel.c", "fft.c", "speech.c"):
        assert multiply in wanted_by(prefix, folders[False], name)


@pytest.mark.parametrize("compiler", c_sound.compilers() if shutil.which("gcc") or shutil.which("clang") else [])
def test_every_compiler_takes_it_and_finds_no_undefined_arithmetic(
    compiler: str, fixed: Library, tmp_path: Path
) -> None:
    """Sounds at the limits, in a program that ends at the first overflow."""
    main = r"""
#include <stdio.h>
#include "network.h"
#include "vocalics.h"
int main(void)
{
    static int16_t sound[32000];
    vocalics_result result;
    int kind, i;
    for (kind = 0; kind < 5; kind++) {
        for (i = 0; i < 32000; i++)
            sound[i] = (int16_t)(kind == 0 ? -32768 : kind == 1 ? (i % 2 ? 32767 : -32768) : kind == 2 ? 0
                       : kind == 3 ? (i / 40 % 2 ? 1 : -1) * (i / 2000 % 2 ? 32767 : 8000) : (i == 9999));
        vocalics_start();
        vocalics_feed_16(sound, 32000);
        if (vocalics_finish(&result) != 0)
            return 1;
        printf("%d ", result.emotion);
    }
    return 0;
}
"""
    card = log_mel_card()
    files = {"network.h": c_sound.network_h(64, 998, 8), "network.c": c_sound.NETWORK_C, "main.c": main}
    files |= front_end.write(card, is_fixed=True)
    files |= source.copied([*front_end.sources(card, True), "maths.h"], "c")
    c_sound.write(tmp_path, files, ())
    flags = ("-fsanitize=undefined,address", "-fno-sanitize-recover=all", "-g")
    program = c_sound.compiled(tmp_path, "limits", *flags, compiler=compiler)
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.split()) == 5
    assert "1" in done.stdout.split(), "the gate let nothing through"


def test_a_card_is_refused_that_has_no_front_end_in_fixed_point() -> None:
    assert "speech_fixed.c" in front_end.sources(log_mel_card(), True)
    features = fakes.card(input="features", feature_set="mfcc_frames", sample_rate=22_050, trim_db=None)
    for card, words in (
        (features, "takes features; a front end in fixed point is there for models that take the waveform"),
        (log_mel_card(sample_rate=11_000, front_end={**dataclasses.asdict(LogMel()), "sample_rate": 11_000,
                                                     "hop_length": 110}), "a multiple of 4000 Hz is expected"),
        (log_mel_card(trim_db=80.0), "cuts what is 80 dB down; in fixed point 3 to 72 are expected"),
        (log_mel_card(trim_db=1.5), "cuts what is 1.5 dB down; in fixed point 3 to 72 are expected"),
        (log_mel_card(front_end={**dataclasses.asdict(LogMel()), "floor": 0.0}), "adds no power before the logarithm"),
    ):  # fmt: skip
        with pytest.raises(ModelFileError, match=words):
            front_end.write(card, is_fixed=True)
        assert "tables.c" in front_end.write(card)
