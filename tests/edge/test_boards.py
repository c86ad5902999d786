"""The published nets and the bundled model in eight bits, on boards under qemu: what they say, and what they take."""

from __future__ import annotations

from pathlib import Path

import fakes
import numpy as np
import pytest
import torch

from vocalics import audio
from vocalics.edge import checking, compilation, running, source, toolchain
from vocalics.edge.limits import Limits
from vocalics.edge.targets import TARGETS, Target
from vocalics.edge.untuned import Untuned, reference
from vocalics.emotions import scheme
from vocalics.errors import CompileError
from vocalics.export.card import with_card
from vocalics.export.onnx import from_torch
from vocalics.features.feature_set import feature_set
from vocalics.models import model_spec
from vocalics.named_models import bundled
from vocalics.recipe import read
from vocalics.recognizer import load

PUBLISHED = ("mfcc_cnn2d", "augmented_cnn1d", "cainvas_cnn1d", "dense_268", "dense_193", "cnn_lstm")
M4, RV32 = TARGETS["cortex-m4"], TARGETS["rv32"]
ROOM = Limits(flash=1024**2, ram=256 * 1024)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two voices, long enough for the sets that begin after half a second."""
    folder = tmp_path_factory.mktemp("voices")
    paths = [folder / "low.wav", folder / "high.wav"]
    for path, pitch in zip(paths, (120, 230), strict=True):
        audio.write(path, fakes.voice(3.2, pitch))
    return paths


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, clips: list[Path]) -> dict[str, Path]:
    """The published systems' nets with random weights, scaled as trained ones are."""
    folder = tmp_path_factory.mktemp("published")
    found = {}
    for name in PUBLISHED:
        recipe = read(name)
        spec = model_spec(recipe.model)
        chosen = feature_set(recipe.features or spec.features)
        emotions = scheme(recipe.scheme).emotions
        rows = np.stack([chosen.extract(audio.read(path, chosen.sample_rate)) for path in clips])
        axes = (0, 2) if rows.ndim == 3 else (0,)
        mean, scale = rows.mean(axis=axes), rows.std(axis=axes) + 0.1 * np.abs(rows.mean(axis=axes)) + 1e-3
        if rows.ndim == 3:
            mean, scale = mean[:, None], scale[:, None]
        torch.manual_seed(0)
        net = spec.build(len(emotions), **dict(recipe.model_settings))
        net.train()
        for _ in range(5):  # so that batch norm's statistics are not their initial ones
            net(torch.randn(8, *rows.shape[1:]))
        with torch.no_grad():  # so that voices are told apart
            [m for m in net.modules() if isinstance(m, torch.nn.Linear)][-1].weight *= 20
        card = fakes.card(
            name=name, input="features", feature_set=chosen.name, emotions=emotions, sample_rate=chosen.sample_rate,
            n_features=rows[0].size,
        )  # fmt: skip
        found[name] = folder / f"{name}.onnx"
        model = from_torch(net.eval(), rows.shape[1:], mean, scale)
        found[name].write_bytes(with_card(model.SerializeToString(), card))
    return found


def on_board(
    model: Path, target: Target, folder: Path, clips: list[Path]
) -> tuple[source.Source, toolchain.Sizes, checking.Check]:
    """Compile a model for a board with Debian's compiler and run it under qemu."""
    try:
        toolchain.require(toolchain.GCC, target)
    except CompileError as error:
        pytest.skip(str(error))
    if not running.runner(target)[1]:
        pytest.skip(f"{running.wanted(target)} is not installed")
    recognizer = reference(load(model))
    sound, _ = checking.first_window(recognizer, recognizer.card.window_seconds, clips[0])
    written = source.write(model, folder, target, sound=sound)
    image = folder / "emotion.elf"
    toolchain.build(target, folder, written.compiled, image, toolchain.GCC)
    check = checking.check_board(target, image, written, recognizer, clips)
    return written, toolchain.sizes(image), check


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_nets_say_on_a_board_what_they_say_here(
    name: str, published: dict[str, Path], clips: list[Path], tmp_path: Path
) -> None:
    written, sizes, check = on_board(published[name], M4, tmp_path, clips)
    assert check.n_clips == 2 and check.passed(1e-3), check.text
    assert sizes.flash is not None and sizes.flash > written.facts.weight_bytes
    said = np.array([[*line["probabilities"].values()] for line in check.said])
    assert np.abs(said[0] - said[1]).max() > 5e-3, "the two voices are not told apart"
    assert written.takes_sound == (name not in ("dense_193", "cnn_lstm"))


def test_the_set_of_means_is_compared_without_a_search_for_the_tuning(
    published: dict[str, Path], clips: list[Path]
) -> None:
    plain = load(published["augmented_cnn1d"])
    untuned = reference(plain)
    assert isinstance(untuned, Untuned)
    sound = audio.read(clips[0], 22_050)
    before, after = plain.given(sound)[0], untuned.given(sound)[0]
    changed = np.flatnonzero(np.abs(before - after) > 1e-3 * np.abs(before))
    assert len(changed) and set(changed) <= set(range(1, 13))
    assert reference(load(published["mfcc_cnn2d"])) is not untuned
    assert not isinstance(reference(load("default")), Untuned)


@pytest.mark.parametrize("target", [M4, RV32], ids=lambda t: t.name)
def test_the_2d_net_in_eight_bits_fits_a_small_board(
    target: Target, published: dict[str, Path], clips: list[Path], tmp_path: Path
) -> None:
    small = compilation.eight_bits(published["mfcc_cnn2d"], clips * 8, tmp_path)
    _, sizes, check = on_board(small, target, tmp_path / "out", clips)
    assert check.passed(checking.TOLERANCE_INT8), check.text
    assert not ROOM.broken(sizes.flash, sizes.ram)


@pytest.mark.parametrize("target", [M4, RV32], ids=lambda t: t.name)
def test_the_smallest_bundled_model_fits_a_small_board(target: Target, clips: list[Path], tmp_path: Path) -> None:
    known = bundled()
    smallest = min((path for path in known.values()), key=lambda path: path.stat().st_size)
    _, sizes, check = on_board(smallest, target, tmp_path, clips)
    assert check.passed(checking.TOLERANCE_INT8), check.text
    assert not ROOM.broken(sizes.flash, sizes.ram)
    assert Limits(flash=1000).broken(sizes.flash, sizes.ram)
