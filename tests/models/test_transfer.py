"""Heads on a frozen encoder: what pads a clip does not count, and what is done to batches."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import fakes
import numpy as np
import pytest

from vocalics import audio, encoders, modelfile, recognizer, training
from vocalics.dataset import Data
from vocalics.errors import FeatureError, RecipeError
from vocalics.export import encoder as export
from vocalics.recipe import Recipe, parse

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from vocalics.models.logmel_batches import padded  # noqa: E402 - needs torch
from vocalics.models.transfer import EncoderHead, FrameAugmentation  # noqa: E402

TABLE = {
    "name": "head",
    "description": "a small head for tests",
    "model": "encoder_head",
    "scheme": "three",
    "corpora": ["folder"],
    "validation": 0.0,
    "n_copies": 1,
    "augment": [{"name": "add_noise", "snr_db": [10.0, 30.0]}],
    "model_settings": {"n_channels": 8, "n_hidden": 8},
    "batch": {"n_frames": 40, "time_mask": 8},
    "fit": {"n_epochs": 3, "batch_size": 8, "rate": 5e-3, "average": 0.5, "calibrate": True},
}


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fakes.small_whisper(tmp_path_factory.mktemp("encoder") / "whisper")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return fakes.three_emotions(tmp_path_factory.mktemp("voices"))


def test_what_fills_a_batch_up_does_not_count() -> None:
    torch.manual_seed(0)
    net = EncoderHead(3, n_blocks=2, block_width=4, n_channels=6, n_hidden=5).eval()
    rng = np.random.default_rng(0)
    clips = [rng.normal(size=(8, n)).astype(np.float32) for n in (30, 50)]
    x, mask = padded(clips)
    with torch.inference_mode():
        both = net(x, mask)
        for i, clip in enumerate(clips):
            alone = net(torch.from_numpy(clip[None]))
            np.testing.assert_allclose(both[i], alone[0], atol=1e-5)
    assert (both[0] - both[1]).abs().max() > 1e-3


def test_blocks_are_mixed_by_weights_that_sum_to_one() -> None:
    net = EncoderHead(3, n_blocks=2, block_width=4, n_channels=6, n_hidden=5).eval()
    x = torch.randn(1, 4, 20)
    with torch.inference_mode():
        same = net(torch.cat([x, x], dim=1))
        net.mixture[0] = 50.0
        np.testing.assert_allclose(net(torch.cat([x, torch.randn(1, 4, 20)], dim=1)), same, atol=1e-5)


def test_short_clips_are_repeated_and_long_ones_cut() -> None:
    augmentation, rng = FrameAugmentation(n_frames=10), np.random.default_rng(0)
    short, long = np.arange(4, dtype=np.float32)[None], np.arange(30, dtype=np.float32)[None]
    x, mask, _ = augmentation.cut([short, long], rng)
    assert x.shape == (2, 1, 10) and mask.all()
    assert (np.diff(x[0, 0].numpy()) % 4 == 1).all()
    assert (np.diff(x[1, 0].numpy()) == 1).all()


def test_noise_is_a_share_of_the_deviation_and_masks_leave_most() -> None:
    augmentation, rng = (
        FrameAugmentation(n_frames=200, noise=0.2, time_masks=1, time_mask=500),
        np.random.default_rng(0),
    )
    x, mask = 3 * torch.randn(16, 8, 200), torch.ones(16, 200, dtype=torch.bool)
    changed = augmentation.colour(x, mask, rng)
    assert float((changed - x).std()) == pytest.approx(0.2 * float(x.std()), rel=0.02)
    assert 150 <= int(mask.sum(dim=1).min()) < 200
    still = FrameAugmentation(noise=0.0, time_masks=0).colour(x, torch.ones_like(mask), rng)
    assert still is x


def test_a_head_is_trained_and_joined_to_one_file(
    whisper: Path, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(encoders.FOLDER_VARIABLE, str(whisper.parent))
    recipe: Recipe = parse(Recipe, {**TABLE, "features": f"{whisper}@1,2"}, "test")
    path = training.train_on(data, recipe, tmp_path / "run", cache=tmp_path / "cache", threads=1)
    card = modelfile.load(path).card
    assert card.input == "features" and card.feature_set == "whisper@1,2:frames" and card.n_features is None
    assert card.temperature != 1  # found on the fourth speaker
    target = tmp_path / "joined.onnx"
    export.join(path, str(whisper), target)
    one, two = recognizer.load(path), recognizer.load(target)
    assert two.card.input == "waveform" and two.card.trim_db == encoders.TRIM_DB
    said = []
    for clip in (audio.read(data.manifest[0].path), audio.read(data.manifest[5].path), fakes.voice(3.0)):
        apart, joined = (np.array(list(r.predict(clip).probabilities.values())) for r in (one, two))
        np.testing.assert_allclose(joined, apart, atol=1e-4)
        said.append(joined)
        quiet = dataclasses.replace(clip, samples=clip.samples / 30)
        np.testing.assert_allclose(list(two.predict(quiet).probabilities.values()), joined, atol=1e-4)
    assert np.abs(said[0] - said[1]).max() > 1e-3


def test_what_cannot_be_is_refused_before_anything_is_computed(whisper: Path, data: Data) -> None:
    def check(**changes: object) -> None:
        training.check(parse(Recipe, {**TABLE, "features": f"{whisper}@1,2", **changes}, "test"))

    check()
    with pytest.raises(FeatureError, match="has the blocks 1 to 2"):
        check(features=f"{whisper}@7")
    with pytest.raises(FeatureError, match="names no blocks of an encoder"):
        check(features="")
    with pytest.raises(RecipeError, match='unknown key "warp"'):
        check(batch={"warp": 0.1})
    with pytest.raises(RecipeError, match='unknown key "n_blocks"'):
        check(model_settings={"n_blocks": 2})
    with pytest.raises(RecipeError, match="learns from no teacher"):
        check(teacher={"features": "mfcc_pitch_energy_statistics"})
