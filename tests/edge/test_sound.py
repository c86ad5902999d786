"""The C of sound against what it stands for: libsndfile, soxr, and the front ends and the gate in Python."""

from __future__ import annotations

import ctypes
import dataclasses
import io
import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest
import soundfile
import soxr

from vocalics import audio
from vocalics.audio import Clip
from vocalics.edge import front_end, tables
from vocalics.errors import AudioError, ModelFileError
from vocalics.features import chroma
from vocalics.features.feature_set import feature_set
from vocalics.features.logmel import LogMel
from vocalics.preprocess import trim_silence
from vocalics.segment import has_speech, speech_seconds

sys.path.insert(0, str(Path(__file__).parent))
import c_sound
from c_sound import FloatArray, Library, Result, pointer

EIGHT = ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise")


def log_mel_card(**changes: Any) -> Any:
    settings = dataclasses.asdict(LogMel())
    return fakes.card(**{"emotions": EIGHT, "front_end": settings, "trim_db": 40.0, **changes})


def features_card(name: str) -> Any:
    rate = feature_set(name).sample_rate
    return fakes.card(input="features", feature_set=name, sample_rate=rate, trim_db=None)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """The library of the default net's front end."""
    return Library(log_mel_card(), tmp_path_factory.mktemp("log_mel"), 64, 998)


# ---- wav ----

_WAV_DRIVER = r"""
#include <string.h>
#include "wav.h"
typedef struct { const unsigned char *bytes; int left; } memory;
static int take(void *source, unsigned char *bytes, int n)
{
    memory *from = source;
    n = n < from->left ? n : from->left;
    memcpy(bytes, from->bytes, (size_t)n);
    from->bytes += n;
    from->left -= n;
    return n;
}
int decode(const unsigned char *bytes, int n, int piece, float *samples, int room, int *rate, const char **fault);
int decode(const unsigned char *bytes, int n, int piece, float *samples, int room, int *rate, const char **fault)
{
    memory from = {bytes, n};
    wav w;
    int total = 0, got;
    *fault = "";
    if (wav_open(&w, take, &from)) {
        *fault = w.fault;
        return -1;
    }
    *rate = (int)w.rate;
    while (total < room && (got = wav_read(&w, samples + total, piece < room - total ? piece : room - total)) != 0) {
        if (got < 0) {
            *fault = w.fault;
            return -1;
        }
        total += got;
    }
    return total;
}
"""


class Wav:
    """The wav reader."""

    def __init__(self, folder: Path) -> None:
        c_sound.write(folder, {"driver.c": _WAV_DRIVER}, ("wav.h", "wav.c"))
        self.c: Any = ctypes.CDLL(str(c_sound.compiled(folder, "wav.so", "-shared", "-fPIC")))

    def __call__(self, data: bytes, piece: int = 333) -> tuple[int, FloatArray, str]:
        """Rate, samples and fault."""
        samples, rate, fault = np.zeros(100_000, np.float32), ctypes.c_int(), ctypes.c_char_p()
        n = self.c.decode(
            data, len(data), piece, pointer(samples), len(samples), ctypes.byref(rate), ctypes.byref(fault)
        )
        return rate.value, samples[: max(n, 0)], (fault.value or b"").decode()


@pytest.fixture(scope="session")
def wav(tmp_path_factory: pytest.TempPathFactory) -> Wav:
    return Wav(tmp_path_factory.mktemp("wav"))


def wav_bytes(subtype: str = "PCM_16", n_channels: int = 1, kind: str = "WAV", n: int = 50) -> bytes:
    samples = np.random.default_rng(n_channels).uniform(-1, 1, (n, n_channels)).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, samples, 22_050, subtype=subtype, format=kind)
    return file.getvalue()


CODINGS = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW")


@pytest.mark.parametrize("n_channels", [1, 2, 9])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize("coding", CODINGS)
def test_wav_is_read_as_libsndfile_reads_it(wav: Wav, coding: str, kind: str, n_channels: int) -> None:
    if kind == "RF64" and coding in ("ALAW", "ULAW"):
        pytest.skip("libsndfile writes no such file")
    data = wav_bytes(coding, n_channels, kind)
    rate, samples, fault = wav(data)
    expected = audio.read(data)
    assert (rate, fault) == (22_050, "")
    np.testing.assert_allclose(samples, expected.samples, atol=1e-7)
    assert np.ptp(expected.samples) > 0.2
    np.testing.assert_array_equal(samples, wav(data, piece=7)[1])


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A wav file after something has happened to it."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2))):
        what, place = rng.random(), rng.randrange(min(len(changed), 100))
        if what < 0.5:
            changed[place] = rng.choice((0, 1, 255, rng.randrange(256)))
        elif what < 0.65:
            del changed[rng.randrange(1, len(changed)) :]
        elif what < 0.85:
            number = rng.choice((0, 1, 16, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, len(changed), rng.randrange(200)))
            changed[place : place + 4] = struct.pack("<I", number)
        else:
            changed[place:place] = b"LIST" + struct.pack("<I", 4) + b"abcd"
    return bytes(changed)


def test_what_both_read_of_broken_wav_files_is_the_same(wav: Wav) -> None:
    rng, both, refused = random.Random(0), 0, 0
    seeds = [wav_bytes(c, n, k) for c in CODINGS[:6] for n in (1, 2) for k in ("WAV", "WAVEX")]
    for _ in range(600):
        data = mutated(rng.choice(seeds), rng)
        rate, samples, fault = wav(data)
        try:
            expected = audio.read(data)
        except AudioError:
            refused += bool(fault)
            continue
        if not fault:
            both += 1
            assert rate == expected.sample_rate
            np.testing.assert_allclose(samples, expected.samples, atol=1e-7)
    assert both > 150
    assert refused > 100


WRONG = {
    "nothing": (b"", "is empty"),
    "a few bytes": (b"RIFF", "ends within its header"),
    "FLAC": (b"fLaC" + bytes(40), "is FLAC"),
    "text": (b"Once upon a time there was", "is no wav file"),
    "another byte order": (b"RIFX" + bytes(40), "byte order"),
    "a film": (b"RIFF\x20\0\0\0AVI " + bytes(32), "without sound"),
    "truncated": (wav_bytes()[:-9], "is truncated (# bytes"),
    "header only": (wav_bytes()[:36], "holds no sound|ends within its header"),
    "compressed": (wav_bytes("MS_ADPCM", n=600), "is a compressed wav file"),
    "slow": (wav_bytes().replace(struct.pack("<I", 22_050), struct.pack("<I", 100), 1), "sample rate of # Hz"),
    "not finite": (wav_bytes("FLOAT")[:-4] + struct.pack("<f", np.nan), "not a finite number"),
    "absurd": (wav_bytes("FLOAT")[:-4] + struct.pack("<f", 1e30), "above 1e15"),
}


@pytest.mark.parametrize(("data", "words"), WRONG.values(), ids=WRONG)
def test_what_is_no_usable_wav_is_refused_with_a_reason(wav: Wav, data: bytes, words: str) -> None:
    assert wav(wav_bytes())[2] == ""
    fault = wav(data)[2]
    assert any(word in fault for word in words.split("|")), fault


def test_a_length_that_a_writer_to_a_pipe_left_is_no_promise(wav: Wav) -> None:
    data = wav_bytes()
    streamed = data.replace(b"data" + struct.pack("<I", 100), b"data\xff\xff\xff\xff")
    assert streamed != data
    np.testing.assert_array_equal(wav(streamed)[1], wav(data)[1])


@pytest.mark.slow
def test_fuzzing_finds_nothing_in_the_wav_reader(tmp_path: Path) -> None:
    clang = shutil.which("clang")
    if clang is None:
        pytest.skip("clang, which brings libFuzzer, is not installed")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for coding in CODINGS:
        (corpus / coding).write_bytes(wav_bytes(coding, 2, "WAVEX", 20))
    program = tmp_path / "fuzz"
    sanitizers = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
    files = [str(Path(__file__).parent / "fuzz_wav.c"), str(c_sound.SOURCES / "wav.c"), "-I", str(c_sound.SOURCES)]
    build = subprocess.run([clang, "-O1", *sanitizers, *files, "-o", str(program)], capture_output=True, text=True)
    if build.returncode and "fuzzer" in build.stderr:
        pytest.skip("this clang lacks libFuzzer")
    assert build.returncode == 0, build.stderr
    run = [str(program), "-runs=20000", "-seed=1", "-max_len=2048", f"-artifact_prefix={tmp_path}/", str(corpus)]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done 20000 runs" in done.stderr


# ---- Rates ----

_RESAMPLER = r"""
#include "resample.h"
int convert(int from, int to, const float *in, int n, int piece, float *out, int room);
int convert(int from, int to, const float *in, int n, int piece, float *out, int room)
{
    static float rows[131072], held[40000];
    resampler r;
    int total = 0, got;
    r.held = held;
    r.size = 40000;
    if (resample_design(&r, from, to, rows, 131072))
        return -1;
    resample_start(&r);
    while (n > 0) {
        const int taken = resample_take(&r, in, piece < n ? piece : n);
        in += taken;
        n -= taken;
        while ((got = resample_give(&r, out + total, room - total < piece ? room - total : piece)) > 0)
            total += got;
    }
    while ((got = resample_rest(&r, out + total, room - total)) > 0)
        total += got;
    return total;
}
"""


@pytest.fixture(scope="session")
def resampler(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("resample")
    c_sound.write(folder, {"driver.c": _RESAMPLER}, ("resample.h", "resample.c"))
    library = ctypes.CDLL(str(c_sound.compiled(folder, "resample.so", "-shared", "-fPIC")))

    def convert(samples: FloatArray, source: int, rate: int, piece: int = 1000) -> FloatArray:
        out = np.zeros(int(len(samples) * rate / source) + 100, np.float32)
        n = library.convert(source, rate, pointer(samples), len(samples), piece, pointer(out), len(out))
        assert n >= 0
        return out[:n]

    return convert


RATES = [
    (8_000, 16_000),
    (11_025, 16_000),
    (22_050, 16_000),
    (44_100, 16_000),
    (48_000, 16_000),
    (96_000, 16_000),
    (192_000, 16_000),
    (44_101, 16_000),
    (15_999, 16_000),
    (16_000, 22_050),
    (16_000, 44_100),
    (48_000, 44_100),
]


@pytest.mark.parametrize(("source", "rate"), RATES)
def test_sines_at_another_rate_are_what_they_are_and_what_soxr_makes_of_them(
    resampler: Any, source: int, rate: int
) -> None:
    rng = np.random.default_rng(0)
    frequency, phase = rng.uniform(50, 0.9 * min(source, rate) / 2, 12), rng.uniform(0, 2 * np.pi, 12)

    def sines(rate: int) -> FloatArray:
        time = np.arange(rate)[:, None] / rate
        return np.sin(2 * np.pi * frequency * time + phase).mean(axis=1).astype(np.float32)

    def apart_db(a: FloatArray, b: FloatArray) -> float:
        inner = slice(rate // 10, -rate // 10)  # a sudden start has sidelobes beyond the pass band
        difference = np.square(a[inner] - b[inner], dtype=np.float64).mean()
        return float(10 * np.log10(np.square(b[inner]).mean() / difference))

    samples = sines(source)
    got, theirs = resampler(samples, source, rate), soxr.resample(samples, source, rate)
    assert len(got) == len(theirs)
    assert apart_db(got, sines(rate)) > 115
    # Where rates are no multiples, soxr itself is some 75 dB from the sines, whatever its quality.
    assert apart_db(got, theirs) > (120 if max(source, rate) % min(source, rate) == 0 else 70)
    np.testing.assert_array_equal(got, resampler(samples, source, rate, piece=77))


@pytest.mark.parametrize("source", [48_000, 44_100])
def test_what_is_above_half_the_rate_does_not_come_through(resampler: Any, source: int) -> None:
    time = np.arange(source) / source
    tone = np.sin(2 * np.pi * 9_000 * time).astype(np.float32)
    kept = np.sin(2 * np.pi * 7_000 * time).astype(np.float32)
    inner = slice(2_000, -2_000)
    assert np.abs(resampler(tone, source, 16_000)[inner]).max() < 3e-6
    assert np.abs(resampler(kept, source, 16_000)[inner]).max() == pytest.approx(1, abs=1e-3)


def test_the_length_is_that_of_soxr(resampler: Any) -> None:
    for n in (1, 2, 3, 100, 4_001, 12_345):
        samples = np.ones(n, np.float32)
        assert len(resampler(samples, 44_100, 16_000)) == len(soxr.resample(samples, 44_100, 16_000)), n


# ---- Front ends ----


def spoken(seconds: float = 1.2, quiet: float = 0.5, level: float = 0.3) -> Clip:
    """A voice between quiet ends, in faint noise."""
    voice = fakes.voice(seconds, level=level).samples
    samples = np.concatenate([np.zeros(round(quiet * 16_000)), voice, np.zeros(round(quiet * 16_000) + 77)])
    return Clip((samples + level * 1e-3 * fakes.noise(len(samples) / 16_000).samples).astype(np.float32), 16_000)


def expected_log_mel(clip: Clip) -> FloatArray:
    inner = trim_silence(clip, below_db=40.0).samples
    return LogMel()(Clip(inner / np.abs(inner).max(), 16_000)).T


def assert_equal_power(got: FloatArray, expected: FloatArray) -> None:
    """Equal to rounding in single precision, which is relative to a frame's loudest band."""
    power = np.exp(expected.astype(np.float64))
    rounding = np.sqrt(power * power.max(axis=1, keepdims=True))
    assert (np.abs(np.exp(got.astype(np.float64)) - power) < 1e-6 * rounding + 1e-5 * power).all()


@pytest.mark.parametrize(
    "clip",
    [spoken(), spoken(0.3, 0.02), spoken(level=1e-4), fakes.voice(2.0), fakes.noise(0.5), spoken(3.0, 2.0)],
    ids=["trimmed", "short", "faint", "whole", "noise", "long"],
)
def test_log_mel_frames_are_those_of_python(library: Library, clip: Clip) -> None:
    expected = expected_log_mel(clip)
    got = library.frames(clip.samples)
    assert got.shape == expected.shape
    assert_equal_power(got, expected)
    assert np.median(np.abs(got - expected)) < 1e-5
    np.testing.assert_array_equal(got, library.frames(clip.samples, piece=100))


def test_quiet_ends_are_cut_and_level_does_not_matter(library: Library) -> None:
    clip = spoken()
    n_whole = 1 + (len(clip.samples) - 400) // 160
    frames = library.frames(clip.samples)
    assert len(frames) < n_whole - 60
    np.testing.assert_allclose(library.frames(clip.samples * np.float32(0.25)), frames, atol=1e-5)


def test_frames_do_not_remember_the_clip_before(library: Library) -> None:
    first, second = spoken(1.0), fakes.voice(0.8, 220.0)
    alone = library.frames(second.samples)
    library.frames(first.samples)
    np.testing.assert_array_equal(library.frames(second.samples), alone)
    assert alone.shape != library.frames(first.samples).shape


def test_no_more_is_taken_than_is_judged_in_one_piece(library: Library) -> None:
    library.c.front_end_start()
    samples = fakes.noise(12.0).samples
    assert library.c.front_end_feed(pointer(samples), len(samples)) == 160_000
    assert library.c.front_end_finish() == 998


def test_without_trimming_all_frames_are_there(tmp_path: Path) -> None:
    clip = spoken()
    whole = Library(log_mel_card(trim_db=None), tmp_path, 64, 998)
    expected = LogMel()(Clip(clip.samples / np.abs(clip.samples).max(), 16_000)).T
    assert whole.frames(clip.samples).shape == expected.shape
    assert_equal_power(whole.frames(clip.samples), expected)


SETS = {"mfcc_frames": (25, 216), "zcr_chroma_mfcc_rms_mel": (162, 1), "mfcc_chroma_mel": (268, 1)}


@pytest.fixture(scope="session", params=SETS)
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Library]:
    """The libraries of the published systems' front ends."""
    rows, n_frames = SETS[request.param]
    return request.param, Library(features_card(request.param), tmp_path_factory.mktemp("set"), rows, n_frames)


def test_published_feature_sets_are_those_of_python_without_tuning(
    published: tuple[str, Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, library = published
    chosen = feature_set(name)
    offset = round(chosen.offset * chosen.sample_rate)
    monkeypatch.setattr(chroma, "tuning_of", lambda sound, bins_per_octave=12: 0.0)
    voice = audio.resample(fakes.voice(4.0), chosen.sample_rate).samples
    voice = voice + fakes.noise(4.0, chosen.sample_rate, 0.003).samples[: len(voice)]
    for n in (len(voice), offset + 2048, offset + 2047, 6_000, offset + 2 * chosen.sample_rate):
        samples = voice[:n]
        expected = chosen.extract(Clip(samples, chosen.sample_rate))
        expected = expected.T if expected.ndim == 2 else expected[None]
        for piece in (997, n):
            got = library.frames(samples, piece)
            assert got.shape == expected.shape
            np.testing.assert_allclose(got, expected, rtol=2e-3, atol=8e-3)
        assert np.ptp(expected) > 100


def test_frames_are_the_same_where_the_networks_memory_is_used(published: tuple[str, Library], tmp_path: Path) -> None:
    name, library = published
    rows, n_frames = SETS[name]
    sharing = Library(features_card(name), tmp_path, rows, n_frames, arena_bytes=200_000)
    voice = audio.resample(fakes.voice(3.5), feature_set(name).sample_rate).samples
    for samples in (voice, voice[:8_000]):
        np.testing.assert_array_equal(sharing.frames(samples), library.frames(samples))
    # The arena is there either way: what the front end takes besides is less.
    besides = sharing.static_bytes() - 200_000, library.static_bytes() - 4 * rows * n_frames
    assert besides[1] - besides[0] > 50_000


def test_a_card_says_which_front_end_it_has() -> None:
    assert front_end.kind(log_mel_card()) == front_end.LOG_MEL
    assert front_end.kind(features_card("mfcc_frames")) == front_end.MFCC
    assert front_end.kind(features_card("mfcc_chroma_mel_contrast_tonnetz")) == front_end.FEATURES
    assert (front_end.n_frames(log_mel_card()), front_end.n_frames(log_mel_card(), 3.0)) == (998, 298)
    assert front_end.n_frames(features_card("mfcc_frames")) == 216
    with pytest.raises(ModelFileError, match="a hop of 150 samples"):
        front_end.kind(log_mel_card(front_end={**dataclasses.asdict(LogMel()), "hop_length": 150}))
    with pytest.raises(
        ModelFileError, match="prepares sound by normalise_peak, which is not there in C; export it to ONNX"
    ):
        front_end.kind(log_mel_card(preprocess=({"name": "normalise_peak"},)))


def test_text_and_numbers_come_back_from_c_as_they_were(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=300).astype(np.float32) * np.float32(1e-3)
    said = 'née "x"\\ ??/'
    source = tables.array("float", "values", values) + f"const char said[] = {tables.text(said)};\n"
    c_sound.write(tmp_path, {"a.c": source}, ())
    library = ctypes.CDLL(str(c_sound.compiled(tmp_path, "a.so", "-shared", "-fPIC")))
    np.testing.assert_array_equal(np.frombuffer((ctypes.c_float * 300).in_dll(library, "values"), np.float32), values)
    assert bytes((ctypes.c_char * len(said.encode())).in_dll(library, "said")) == said.encode()


# ---- The gate ----

CLICKS = np.zeros(32_000, np.float32)
CLICKS[::4_000] = 0.9
TONE = (0.3 * np.sin(2 * np.pi * 220 * np.arange(32_000) / 16_000)).astype(np.float32)
SILENT = np.full(32_000, 1e-6, np.float32)


@pytest.mark.parametrize(
    "samples",
    [
        fakes.voice(2.0).samples,
        spoken().samples,
        fakes.voice(0.2).samples,
        fakes.noise(2.0).samples,
        TONE,
        CLICKS,
        SILENT,
        fakes.voice(1.5, 90.0, level=1e-4).samples,
    ],
    ids=["voice", "quiet ends", "too short", "hiss", "tone", "clicks", "silence", "faint"],
)
def test_the_gate_says_what_python_says(library: Library, samples: FloatArray) -> None:
    expected = speech_seconds(Clip(samples, 16_000))
    got = library.speech_seconds(samples)
    assert (got > 0) == (expected > 0)
    assert got == pytest.approx(expected, abs=0.021)
    assert got == library.speech_seconds(samples, piece=160)


def test_a_voice_in_rumble_is_heard(library: Library) -> None:
    rumble = 0.8 * np.sin(2 * np.pi * 30 * np.arange(32_000) / 16_000)
    samples = (fakes.voice(2.0, level=0.1).samples + rumble).astype(np.float32)
    assert library.speech_seconds(rumble.astype(np.float32)) == 0
    assert library.speech_seconds(samples) == pytest.approx(speech_seconds(Clip(samples, 16_000)), abs=0.1)
    assert library.speech_seconds(samples) > 0.5


def test_the_gate_at_the_published_rates(published: tuple[str, Library]) -> None:
    name, library = published
    rate = feature_set(name).sample_rate
    voice = audio.resample(fakes.voice(2.0), rate)
    assert library.speech_seconds(voice.samples) == pytest.approx(speech_seconds(voice), abs=0.041)
    assert library.speech_seconds(voice.samples) > 1
    assert library.speech_seconds(fakes.noise(2.0, rate).samples) == 0


@pytest.fixture(scope="session")
def light(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """The library as a board has it: of 5 s, with a lighter gate."""
    return Library(log_mel_card(), tmp_path_factory.mktemp("light"), 64, 498, seconds=5.0)


def test_a_boards_gate_is_smaller_and_hears_nearly_the_same(library: Library, light: Library) -> None:
    assert light.static_bytes() < library.static_bytes() - 4 * 64 * 500 - 9_000
    for clip in (fakes.voice(2.0), spoken(), fakes.noise(2.0), Clip(TONE, 16_000)):
        expected = speech_seconds(clip)
        assert (light.speech_seconds(clip.samples) > 0) == (expected > 0)
        assert light.speech_seconds(clip.samples) == pytest.approx(expected, abs=0.061)


@pytest.mark.corpus
@pytest.mark.parametrize(("kind", "equal"), [("library", 0.97), ("light", 0.9)])
def test_the_gate_agrees_on_clips_and_noises(
    kind: str, equal: float, request: pytest.FixtureRequest, shared: Path
) -> None:
    library = request.getfixturevalue(kind)
    clips = (
        sorted((shared / "corpora/emodb/wav").iterdir())[::12] + sorted((shared / "corpora/ravdess").glob("*/*"))[::50]
    )
    noises = sorted(p for p in (shared / "audio/noise").rglob("*") if p.suffix in (".flac", ".ogg", ".wav"))
    said: list[tuple[float, float]] = []
    for path in [*clips, *noises]:
        clip = audio.excerpt(audio.read(path, 16_000), 0, 5)
        said.append((library.speech_seconds(clip.samples), speech_seconds(clip)))
    got, expected = np.array(said).T
    assert np.mean((got > 0) == (expected > 0)) >= 0.99
    assert np.mean(np.abs(got - expected) < 0.001) > equal
    assert np.abs(got - expected).max() < 0.25
    assert (expected[: len(clips)] > 0).mean() > 0.9
    assert not all(expected[len(clips) :])


# ---- The library as a whole ----


def judged(library: Library, samples: FloatArray) -> Result:
    result = Result()
    library.c.vocalics_start()
    c_sound.feed(library.c.vocalics_feed, samples, 480)
    assert library.c.vocalics_finish(ctypes.byref(result)) == 0
    return result


def test_a_window_is_judged_where_there_is_speech(library: Library) -> None:
    clip = spoken()
    assert has_speech(clip)
    result = judged(library, clip.samples)
    assert (result.emotion, list(result.probabilities)) == (1, [0, 1, 0, 0, 0, 0, 0, 0])
    assert result.strangeness == len(expected_log_mel(clip))  # what this network tells: how many frames it got
    assert result.speech_seconds == pytest.approx(speech_seconds(clip), abs=0.021)
    silent = judged(library, fakes.noise(1.0).samples)
    assert (silent.emotion, silent.speech_seconds, sum(silent.probabilities)) == (-1, 0, 0)


def test_emotions_are_named_in_order(library: Library) -> None:
    names = (ctypes.c_char_p * 8).in_dll(library.c, "vocalics_emotions")
    assert tuple(name.decode() for name in names) == EIGHT
