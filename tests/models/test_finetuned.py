"""An encoder's last blocks, trained on: nothing changes at first, what is published stays, and it ships without it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import fakes
import numpy as np
import pytest

from vocalics import benchmark, encoders, modelfile, named_models, recognizer, training
from vocalics.dataset import Data
from vocalics.emotions import scheme
from vocalics.errors import EncoderError, ModelFileError, RecipeError
from vocalics.export import card
from vocalics.export import encoder as export
from vocalics.export.half import halved
from vocalics.export.thin import thin
from vocalics.recipe import Recipe, parse

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
onnx = pytest.importorskip("onnx")

from vocalics.models.finetuned import TunedEncoder  # noqa: E402 - needs torch
from vocalics.models.logmel_batches import padded  # noqa: E402
from vocalics.models.transfer import FrameAugmentation  # noqa: E402

TABLE = {
    "name": "tuned",
    "description": "two blocks for tests",
    "model": "tuned_encoder",
    "scheme": "three",
    "corpora": ["folder"],
    "validation": 0.0,
    "model_settings": {"n_tuned": 2, "rank": 2, "n_hidden": 8},
    "batch": {"n_frames": 30, "fill": "nothing", "noise": 0.0, "time_mask": 6},
    "fit": {"n_epochs": 3, "batch_size": 6, "rate": 5e-3, "average": 0.5, "calibrate": True},
}


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fakes.small_whisper(tmp_path_factory.mktemp("encoder") / "whisper", width=32, n_blocks=3, seed=2)


@pytest.fixture(autouse=True)
def _known(whisper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(encoders.FOLDER_VARIABLE, str(whisper.parent))  # a card names the encoder without its folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return fakes.three_emotions(tmp_path_factory.mktemp("voices"))


@pytest.fixture(scope="module")
def trained(whisper: Path, data: Data, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recipe, Path]:
    recipe = parse(Recipe, {**TABLE, "features": f"{whisper}@1"}, "tuned")
    training.check(recipe)
    folder, cache = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("cache")
    return training.train_on(data, recipe, folder / "run", False, cache, threads=1), recipe, cache


def tuned(whisper: Path, **settings: int) -> TunedEncoder:
    torch.manual_seed(0)
    return TunedEncoder(3, block_width=32, encoder=str(whisper), after=1, n_hidden=8, **{"rank": 2, **settings}).eval()


@pytest.mark.parametrize("rank", [2, 0])
def test_before_training_the_blocks_say_what_the_encoder_says(whisper: Path, rank: int) -> None:
    clip = fakes.voice(0.6)
    frames = torch.from_numpy(encoders.load(str(whisper), 3).frames(clip))
    net, heard = tuned(whisper, rank=rank), frames[1].T[None]
    with torch.inference_mode():
        for block, expected in zip(net.blocks, frames[2:], strict=True):
            out = block(heard, attention_mask=None)
            heard = out[0] if isinstance(out, tuple) else out
            torch.testing.assert_close(heard[0].T, expected, atol=2e-4, rtol=1e-3)
    assert float((frames[1] - frames[2]).abs().max()) > 0.01  # the blocks do something


@pytest.mark.parametrize("rank", [2, 0])
def test_only_what_is_beside_the_published_weights_learns(whisper: Path, rank: int) -> None:
    net = tuned(whisper, rank=rank).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    optimiser = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=1e-2, weight_decay=0.05)
    for _ in range(3):
        loss = torch.nn.functional.cross_entropy(net(torch.randn(6, 32, 20)), torch.arange(6) % 3)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    published = {k for k in before if ".dense." in k or "layer_norm" in k}
    changed = {k for k, v in net.state_dict().items() if not torch.equal(v, before[k])}
    assert published and not changed & published
    learned = {k for k in before if k.endswith((".up", ".change")) and "blocks.0" in k}
    assert len(learned) == 6 and learned <= changed
    thin_weights = sum(p.numel() for p in net.parameters() if p.requires_grad)
    assert (thin_weights < 7_000) == (rank == 2)  # of two blocks with 8,500 weights each


def test_what_fills_a_batch_up_does_not_count(whisper: Path) -> None:
    net, rng = tuned(whisper), np.random.default_rng(0)
    clips = [rng.standard_normal((32, n)).astype(np.float32) for n in (11, 25)]
    x, mask = padded(clips)
    with torch.inference_mode():
        together = net(x, mask)
        alone = torch.cat([net(torch.from_numpy(c[None])) for c in clips])
        junk = x.clone()
        junk[0, :, 11:] = 100.0
        torch.testing.assert_close(net(junk, mask), together, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
    assert float((together[0] - together[1]).abs().max()) > 1e-3


def test_a_short_clip_is_filled_with_nothing_where_that_is_asked_for() -> None:
    clips = [np.ones((3, 4), np.float32), np.ones((3, 20), np.float32)]
    x, mask, _ = FrameAugmentation(n_frames=8, fill="nothing").cut(clips, np.random.default_rng(0))
    assert x.shape == (2, 3, 8) and mask.sum(dim=1).tolist() == [4, 8] and float(x[0, :, 4:].abs().max()) == 0
    masked = FrameAugmentation(n_frames=8, fill="nothing", time_mask=50, noise=0.0)
    for seed in range(20):
        left = mask.clone()
        masked.colour(x, left, np.random.default_rng(seed))
        assert left[0].sum() >= 3 and left[1].sum() >= 6 and not left[0, 4:].any()
    with pytest.raises(RecipeError, match=r'fill = "zeros" is no way to fill a clip up; expected again or nothing'):
        FrameAugmentation(fill="zeros")


def test_it_trains_and_the_file_says_the_same(trained: tuple[Path, Recipe, Path], data: Data) -> None:
    path, recipe, cache = trained
    about = modelfile.load(path).card
    assert about.input == "features" and about.n_features is None and about.temperature != 1
    clips = data.manifest.take(data.validation)
    said = benchmark._judged(path, recognizer.load(path), recipe, clips, scheme("three"), cache, lambda *_: None)
    straight = [[*recognizer.load(path).predict(u.path).probabilities.values()] for u in clips]
    np.testing.assert_allclose(said.probabilities, straight, atol=0.01)  # cached frames are float16
    assert np.ptp(said.probabilities, axis=0).max() > 1e-3


def test_it_ships_without_the_encoders_weights_and_joins_them_again(
    trained: tuple[Path, Recipe, Path], whisper: Path, data: Data, tmp_path: Path
) -> None:
    path, _, _ = trained
    about = modelfile.load(path).card
    small = halved(thin(path.read_bytes(), whisper))
    assert len(small) < 0.6 * path.stat().st_size
    card.write(tmp_path / "head.onnx", small, about)
    export.join(path, str(whisper), tmp_path / "whole.onnx")
    export.join(tmp_path / "head.onnx", str(whisper), tmp_path / "filled.onnx")
    models = [recognizer.load(tmp_path / f"{name}.onnx") for name in ("whole", "filled")]
    assert modelfile.LEFT_OUT_KEY not in {p.key for p in onnx.load(str(tmp_path / "filled.onnx")).metadata_props}
    for utterance in data.manifest.take(data.validation):
        expected, *said = (
            [*m.predict(utterance.path).probabilities.values()] for m in (recognizer.load(path), *models)
        )
        for one in said:
            np.testing.assert_allclose(one, expected, atol=5e-3)
    with pytest.raises(ModelFileError, match=r"lacks weights of its encoder; vocalics models join .* puts them back"):
        recognizer.load(tmp_path / "head.onnx").predict(data.manifest[0].path)


def test_what_does_not_fit_is_said(whisper: Path, trained: tuple[Path, Recipe, Path], tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"goes on behind one block; the recipe's features name 2"):
        TunedEncoder(3, n_blocks=2, block_width=32, encoder=str(whisper), after=1)
    with pytest.raises(EncoderError, match=r"has 3 blocks; block 4 is none of them"):
        tuned(whisper, n_tuned=3)
    recipe = dataclasses.replace(trained[1], model_settings={"after": 1})
    with pytest.raises(RecipeError, match=r'model_settings: unknown key "after"'):
        training.check(recipe)
    with pytest.raises(EncoderError, match=r"the model holds none of its weights"):
        thin(named_models.model_path("default").read_bytes(), whisper)
