"""What a net is to foretell of every moment, and that it belongs to that moment."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import fakes
import numpy as np
import pytest
import torch

from vocalics import audio, encoders, frame_hints, modelfile, training
from vocalics.audio import Clip
from vocalics.dataset import Data
from vocalics.errors import AudioError, EncoderError, RecipeError
from vocalics.features.feature_set import at_peak, encoded_front_end
from vocalics.frame_hints import FrameHints
from vocalics.manifest import Manifest, Utterance
from vocalics.models.logmel_batches import BatchAugmentation, LogMelClassifier
from vocalics.models.logmel_cnn import LogMelTdnn
from vocalics.preprocess import trim_silence
from vocalics.recipe import Recipe, parse

TOML = {
    "name": "foretelling",
    "description": "a small net for tests",
    "model": "logmel_tdnn",
    "scheme": "three",
    "corpora": ["folder"],
    "validation": 0.0,
    "model_settings": {"n_first": 4, "width": 8, "n_hidden": 8},
    "batch": {"n_frames": 48},
    "fit": {"n_epochs": 2, "batch_size": 6, "rate": 5e-3},
}


def quiet(*_: object) -> None:
    """No progress."""


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(fakes.small_whisper(tmp_path_factory.mktemp("encoders") / "small"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return fakes.three_emotions(tmp_path_factory.mktemp("voices"))


def test_frames_are_the_encoders_of_the_clip_as_the_net_hears_it(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet_ends = np.concatenate([np.zeros(8000), 0.1 * fakes.voice(1.0).samples, np.zeros(4000)]).astype(np.float32)
    rows = []
    for number, clip in enumerate((Clip(quiet_ends, 16_000), fakes.voice(0.8, 200.0), fakes.voice(12.0))):
        audio.write(tmp_path / f"{number}.wav", clip)
        rows.append(Utterance(str(tmp_path / f"{number}.wav"), "folder", "", "", "happy"))
    front_end, clips = encoded_front_end(f"{encoder}@1,2"), Manifest(tuple(rows))
    seen: list[tuple[int, int]] = []
    found = frame_hints.frame_hints(clips, front_end, 5, 0, tmp_path, lambda _, done, n: seen.append((done, n)))
    assert found.n == 5 and 0.3 < found.share <= 1 and seen == [(1, 3), (2, 3), (3, 3)]
    inner = trim_silence(audio.read(rows[0].path), below_db=40.0)
    assert len(inner.samples) < 20_500  # the quiet ends are cut, as those of a spectrogram
    frames = front_end(at_peak(inner))
    assert [len(v) for v in found.values] == [frames.shape[1] // 2, 20, 250]  # of a long clip ten seconds
    whole = np.concatenate([v.astype(np.float32) for v in found.values])
    np.testing.assert_allclose(whole.std(axis=0), 1.0, atol=0.25)
    np.testing.assert_allclose(np.corrcoef(whole[:, :3].T), np.eye(3), atol=0.15)
    # What is kept are means of two of the encoder's own frames, and the components are linear in them.
    (folder,) = tmp_path.glob("small-frames-*")
    (kept,) = (np.load(p) for p in folder.rglob(f"{Manifest(tuple(rows)).with_digests()[0].digest}.npy"))
    pairs = frames[:, : frames.shape[1] // 2 * 2].reshape(len(frames), -1, 2).mean(axis=2).T
    np.testing.assert_allclose(kept, pairs, atol=2e-3 * np.abs(pairs).max())
    long, own = np.load(next(p for p in folder.rglob("*.npy") if len(np.load(p)) == 250)), found.values[2]
    rest = np.column_stack([long.astype(np.float64), np.ones(len(long))])
    left = own - rest @ np.linalg.lstsq(rest, own.astype(np.float64), rcond=None)[0]
    assert rest.shape[1] < len(long) / 4 and np.abs(left).max() < 0.02

    def forgotten(*_: object) -> None:
        raise AssertionError("is in the cache")

    monkeypatch.setattr(encoders, "load", forgotten)
    again = frame_hints.frame_hints(clips, front_end, 5, 0, tmp_path, quiet)
    for one, other in zip(found.values, again.values, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_clip_that_cannot_be_read_is_named(encoder: str, tmp_path: Path) -> None:
    (tmp_path / "no.wav").write_text("no sound", encoding="utf-8")
    clips = Manifest((Utterance(str(tmp_path / "no.wav"), "folder", "", "", "sad"),))
    with pytest.raises(AudioError, match=r"no\.wav.*take the clip out of the manifest"):
        frame_hints.frame_hints(clips, encoded_front_end(f"{encoder}@1"), 2, 0, tmp_path, quiet)
    with pytest.raises(EncoderError, match="there is no encoder"):
        encoded_front_end("whisper-vase@1")


def test_between_two_frames_lies_a_straight_line() -> None:
    ramp = np.arange(10, dtype=np.float16)[:, None]
    hints = FrameHints((np.zeros((1, 1), np.float16), ramp), 1.0)
    told = hints.at(np.array([1, 0]), np.array([[0.0, 1.0, 3.0, 22.0, 99.0]] * 2))
    np.testing.assert_allclose(told[0, :, 0], [0.0, 0.0, 0.5, 5.25, 9.0], atol=1e-6)
    assert not told[1].any()


@pytest.mark.parametrize(("halving", "first"), [("max", 4), ("blur", 0)])
@pytest.mark.parametrize("stretch", [0.0, 0.15])
def test_targets_stand_where_the_net_hears_them(stretch: float, halving: str, first: int) -> None:
    """Of copies at another tempo too: the ramp of the clip's own time is told of every cut, step by step."""
    rng, n = np.random.default_rng(0), 24
    clips, values = np.empty(n, dtype=object), []
    for i in range(n):
        length = int(rng.integers(60, 240))
        # Each frame holds its own time, in frames of the clip as recorded.
        own = np.tile(np.arange(length, dtype=np.float32), (64, 1))
        slow = np.tile(np.linspace(0, length, int(length * 1.25), endpoint=False, dtype=np.float32), (64, 1))
        clips[i] = (own, slow)
        values.append(np.arange(length // 4, dtype=np.float16)[:, None])
    classifier = LogMelClassifier(
        LogMelTdnn, classes=["a", "b"], frame_hints=FrameHints(tuple(values), 1.0), batch_size=8, draws=48,
        augmentation=BatchAugmentation(n_frames=100, stretch=stretch, warp=0.0, colour_db=0.0, noise=0.0,
                                       frequency_masks=0, time_masks=0, mixup=0.0),
        module__n_first=4, module__width=8, module__n_hidden=4, module__n_classes=2, module__n_frame_hints=1,
        module__halving=halving,
    ).initialize()  # fmt: skip
    dataset = classifier.get_dataset(clips, np.array([0, 1] * 12))
    n_checked, n_ended = 0, 0
    for given, target in classifier.get_iterator(dataset, training=True):
        steps = len(classifier.module_.middles(100))
        assert target.shape == (8, 2 + 2 * steps)
        times, there = target[:, 2 : 2 + steps], target[:, 2 + steps :].bool()
        expected = given["log_mel"][:, 0, first::8][:, :steps] / frame_hints.PER_FRAME - 0.25
        inside = there & (expected > 0.5) & (expected < torch.tensor([[14.0]]))
        assert (times - expected)[inside].abs().max() < 0.3
        assert (given["mask"][:, first::8][:, :steps] == there).all()
        assert (times[~there] == 0).all()  # nothing that mixing could add to another clip's
        n_checked, n_ended = n_checked + int(inside.sum()), n_ended + int((~there).sum())
    assert n_checked > 100 and n_ended > 20


def test_a_net_learns_to_foretell_and_forgets_how(
    data: Data, encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = {"features": f"{encoder}@1,2", "n_folds": 3, "n_hints": 2, "hint_weight": 0.2}
    told = {**teacher, "n_frame_hints": 4, "frame_hint_weight": 1.0}
    cards, losses = [], []
    for name, one in (("without", teacher), ("with", told)):
        recipe: Recipe = parse(Recipe, {**TOML, "teacher": one, "fit": {**TOML["fit"], "n_epochs": 12}}, "test")  # type: ignore[dict-item]
        records: list[dict[str, float]] = []
        path = training.train_on(
            data, recipe, tmp_path / name, cache=tmp_path / "cache", threads=1, report=records.append
        )
        cards.append(modelfile.load(path).card)
        losses.append([r["train_loss"] for r in records])
    assert cards[0].n_parameters == cards[1].n_parameters
    assert losses[1][0] > losses[0][0] + 0.5  # what is foretold badly at first counts
    foretelling = np.subtract(losses[1], losses[0])  # about: what both learn besides is the same
    assert foretelling[-1] < foretelling[0] - 0.1
    # What is finished is written again without a teacher.
    monkeypatch.setattr("vocalics.training.inputs.lesson", None)
    monkeypatch.setattr("vocalics.training.inputs.frame_hints", None)
    before = path.read_bytes()
    path.unlink()
    again = training.train_on(data, recipe, tmp_path / "with", True, cache=tmp_path / "cache", threads=1)
    assert again == path and len(path.read_bytes()) == len(before)
    sound = audio.read(data.manifest[0].path).samples[None]
    old = tmp_path / "old.onnx"
    old.write_bytes(before)
    np.testing.assert_array_equal(modelfile.load(path).probabilities(sound), modelfile.load(old).probabilities(sound))


def test_what_frame_hints_cannot_be_of_is_refused(encoder: str) -> None:
    recipe: Recipe = parse(Recipe, {**TOML, "teacher": {"features": "mfcc_pitch_energy_statistics"}}, "test")
    assert recipe.teacher is not None
    with pytest.raises(RecipeError, match="n_frame_hints and frame_hint_weight of at least 0"):
        dataclasses.replace(recipe, teacher=dataclasses.replace(recipe.teacher, n_frame_hints=-1))
    with pytest.raises(RecipeError, match="go together; give both, or neither"):
        dataclasses.replace(recipe, teacher=dataclasses.replace(recipe.teacher, n_frame_hints=8))
    both = dataclasses.replace(recipe.teacher, n_frame_hints=8, frame_hint_weight=1.0)
    with pytest.raises(RecipeError, match="mfcc_pitch_energy_statistics has no encoder"):
        training.check(dataclasses.replace(recipe, teacher=both))
    shifted = ({"name": "time_shift", "seconds": 0.1},)
    with pytest.raises(RecipeError, match="time_shift moves the sound of a copy"):
        encoded = dataclasses.replace(both, features=f"{encoder}@1")
        training.check(dataclasses.replace(recipe, teacher=encoded, augment=shifted, n_copies=1))
    assert "n_frame_hints" not in recipe.as_dict()["teacher"]  # as before there were any, so that runs go on
    assert dataclasses.replace(recipe, teacher=both).as_dict()["teacher"]["n_frame_hints"] == 8
    with pytest.raises(RecipeError, match='unknown key "n_frame_hints"'):
        training.check(dataclasses.replace(recipe, model_settings={"n_frame_hints": 3}))
