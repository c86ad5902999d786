"""The bank of spectrograms: cached by content and settings, the same whenever computed."""

from __future__ import annotations

import dataclasses
import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vocalics import audio
from vocalics.augment import Step, chain
from vocalics.errors import FeatureError
from vocalics.features.logmel import LogMel
from vocalics.logmel_bank import BankSettings, bank, compute, spectrogram
from vocalics.manifest import Manifest, Utterance
from vocalics.preprocess import trim_silence

RATE = 16_000
NOISE = Step.parse({"name": "add_noise", "snr_db": [0, 20]})


@pytest.fixture
def utterances(tmp_path: Path) -> list[Utterance]:
    rng = np.random.default_rng(0)
    made = []
    for i in range(3):
        path = tmp_path / f"{i}.wav"
        soundfile.write(path, 0.1 * rng.standard_normal(RATE + 100 * i), RATE)
        made.append(Utterance(str(path), "x", f"x/{i}", "a", "angry"))
    return list(Manifest(tuple(made)).with_digests())


def test_bank_is_computed_once_and_read_again(utterances: list[Utterance], tmp_path: Path) -> None:
    settings = BankSettings(LogMel(), (NOISE,), n_copies=2)
    counts: list[tuple[int, int]] = []
    first = bank(utterances, settings, tmp_path / "cache", workers=1, progress=lambda done, n: counts.append((done, n)))
    assert counts[-1] == (3, 3)
    for u in utterances:
        Path(u.path).unlink()
    again = bank(utterances, settings, tmp_path / "cache", workers=1)
    for one, two in zip(first, again, strict=True):
        assert len(one) == 3
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a, b)
        assert not np.array_equal(one[0], one[1]) and not np.array_equal(one[1], one[2])


def test_a_copy_is_drawn_by_seed_number_and_content(utterances: list[Utterance], tmp_path: Path) -> None:
    """What banks were filled with stays what it is: file by file, bit by bit."""
    settings = BankSettings(LogMel(), (NOISE,), n_copies=2, seed=3)
    found = bank(utterances, settings, tmp_path / "cache", workers=2)
    for u, copies in zip(utterances, found, strict=True):
        clip = trim_silence(audio.read(u.path, RATE))
        drawn = [np.random.default_rng([3, number, int(u.digest[:12], 16)]) for number in range(2)]
        made = [clip, *(chain((NOISE,), clip, rng) for rng in drawn)]
        for copy, one in zip(copies, made, strict=True):
            np.testing.assert_array_equal(copy, spectrogram(one, LogMel()).astype(np.float16))
    assert settings.key == "27430a50bcd71a99" and BankSettings(LogMel()).key == "0321a82247b98609"


def test_a_process_that_is_killed_is_told_and_what_was_computed_is_kept(tmp_path: Path) -> None:
    rng, many = np.random.default_rng(0), []
    for i in range(40):
        path = tmp_path / f"many-{i}.wav"
        soundfile.write(path, 0.1 * rng.standard_normal(RATE), RATE)
        many.append(Utterance(str(path), "x", f"x/{i}", "a", "angry"))
    started = []

    def kill(done: int, n: int) -> None:
        for process in multiprocessing.active_children():
            started.append(type(process).__name__)
            process.kill()
            process.join()

    with pytest.raises(FeatureError, match="spectrograms: a worker process was killed"):
        bank(many, BankSettings(LogMel()), tmp_path / "cache", workers=1, progress=kill)
    # A forked one would inherit the locks of this process's threads and its matrix products on all cores.
    assert started and set(started) == {"SpawnProcess"}
    kept = len([*(tmp_path / "cache").rglob("*.npz")])
    assert 1 <= kept < 40
    counts: list[int] = []
    bank(many, BankSettings(LogMel()), tmp_path / "cache", workers=2, progress=lambda done, n: counts.append(done))
    assert counts == list(range(kept + 1, 41))


def test_clips_without_a_digest_are_not_taken_for_one_another(utterances: list[Utterance], tmp_path: Path) -> None:
    plain = [dataclasses.replace(u, digest="") for u in utterances]
    found = bank(plain, BankSettings(LogMel()), tmp_path / "cache", workers=1)
    assert len({copies[0].tobytes() for copies in found}) == 3


def test_a_file_that_changed_since_it_was_scanned_is_refused(utterances: list[Utterance], tmp_path: Path) -> None:
    bank(utterances, BankSettings(LogMel()), tmp_path / "cache", workers=1)
    Path(utterances[1].path).write_bytes(Path(utterances[0].path).read_bytes())
    with pytest.raises(FeatureError, match=r"1\.wav: changed since it was scanned; scan again$"):
        bank(utterances, BankSettings(LogMel()), tmp_path / "cache", workers=1)


def test_copies_follow_from_seed_and_content(utterances: list[Utterance]) -> None:
    settings = BankSettings(LogMel(), (NOISE,), n_copies=1)
    one, two = compute(utterances[0], settings), compute(utterances[0], settings)
    np.testing.assert_array_equal(one[1], two[1])
    other = compute(utterances[0], BankSettings(LogMel(), (NOISE,), n_copies=1, seed=1))
    np.testing.assert_array_equal(one[0], other[0])
    assert not np.array_equal(one[1], other[1])


def test_every_setting_has_its_own_folder() -> None:
    base = BankSettings(LogMel(), (NOISE,), 1)
    changed = [
        BankSettings(LogMel(n_mels=40), (NOISE,), 1),
        BankSettings(LogMel(), (), 1),
        BankSettings(LogMel(), (NOISE,), 2),
        BankSettings(LogMel(), (NOISE,), 1, seed=3),
        BankSettings(LogMel(), (NOISE,), 1, longest=3.0),
    ]
    assert len({s.key for s in [base, *changed]}) == 6
    assert base.key == BankSettings(LogMel(), (NOISE,), 1).key
    # Without copies nothing is drawn: another seed's are the same.
    assert BankSettings(LogMel(), (), 0, seed=5).key == BankSettings(LogMel()).key


def test_trim_cuts_the_quiet_ends_only() -> None:
    from vocalics.audio import Clip

    samples = np.zeros(3 * RATE, np.float32)
    samples[RATE : RATE + 8000] = 0.2
    samples[RATE + 20000 : RATE + 24000] = 0.2
    cut = trim_silence(Clip(samples, RATE), margin=0.1)
    assert cut.duration == pytest.approx(24000 / RATE + 0.2, abs=0.05)
    assert np.count_nonzero(cut.samples) == 12000
    silent = Clip(np.zeros(RATE, np.float32), RATE)
    assert trim_silence(silent) is silent
