"""The default net and its batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from vocalics.errors import RecipeError
from vocalics.models.logmel_batches import BatchAugmentation, LogMelClassifier, padded
from vocalics.models.logmel_cnn import HALVINGS, Blur, ClipNormalisation, LogMelCnn, LogMelNet, LogMelTdnn

N_MELS = 64


def voice_like(n_frames: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    envelope = 2 * np.sin(np.arange(n_frames) / 9)[None] + np.linspace(0, -4, N_MELS)[:, None]
    return (envelope + rng.standard_normal((N_MELS, n_frames))).astype(np.float32)


def test_normalisation_ignores_level_and_silence_around() -> None:
    normalise = ClipNormalisation()
    x = torch.from_numpy(voice_like(120))[None]
    out = normalise(x)
    assert out.shape == (1, 2, N_MELS, 120)
    torch.testing.assert_close(normalise(x + 5.0), out, atol=1e-4, rtol=1e-4)
    silent = torch.full((1, N_MELS, 40), -30.0)
    around = normalise(torch.cat([silent, x, silent], dim=2))[..., 40:160]
    torch.testing.assert_close(around, out, atol=1e-4, rtol=1e-4)
    assert out.std() > 0.5


def test_second_channel_ignores_colour_the_first_does_not() -> None:
    normalise = ClipNormalisation()
    x = torch.from_numpy(voice_like(120))[None]
    coloured = x + torch.linspace(-3, 3, N_MELS)[None, :, None]
    plain, changed = normalise(x), normalise(coloured)
    correlation = [np.corrcoef(plain[0, c].flatten(), changed[0, c].flatten())[0, 1] for c in (0, 1)]
    assert correlation[1] > 0.999 > correlation[0]


BUILDS = pytest.mark.parametrize(
    "build",
    [
        lambda **more: LogMelCnn(channels=(4, 8, 8, 8), n_hidden=8, **more),
        lambda **more: LogMelTdnn(width=8, **more),
        lambda **more: LogMelTdnn(width=8, halving="blur", **more),
    ],
    ids=["cnn", "tdnn", "blurred"],
)


@BUILDS
def test_padding_hardly_matters(build: Callable[[], LogMelNet]) -> None:
    torch.manual_seed(0)
    net = build().eval()
    clips = [voice_like(n, n) for n in (80, 133, 200)]
    with torch.inference_mode():
        together = net(*padded(clips))
        alone = torch.cat([net(torch.from_numpy(c)[None]) for c in clips])
    torch.testing.assert_close(together, alone, atol=0.05, rtol=0.0)
    torch.testing.assert_close(together[2], alone[2], atol=1e-4, rtol=1e-4)
    assert (alone[0] - alone[1]).abs().max() > 1e-3


@pytest.mark.parametrize("n_frames", [7, 8, 9, 48, 99, 132, 260, 261, 262, 263, 264])
@BUILDS
def test_steps_of_time_are_as_many_as_are_counted(build: Callable[..., LogMelNet], n_frames: int) -> None:
    net = build(n_hints=3, n_frame_hints=5)
    told = net.train()(torch.randn(2, N_MELS, n_frames), torch.ones(2, n_frames, dtype=torch.bool))
    middles = net.middles(n_frames)
    assert told.shape == (2, 8 + 3 + 5 * len(middles)) and middles.min() >= 0 and middles.max() < n_frames
    net.forget_hints()
    assert net(torch.randn(2, N_MELS, n_frames)).shape == (2, 8)


@BUILDS
def test_a_step_hears_most_of_its_middle(build: Callable[..., LogMelNet]) -> None:
    torch.manual_seed(0)
    net, n, heard = build(n_frame_hints=1).train(), 400, []
    net.normalise = torch.nn.Identity()  # type: ignore[assignment]  # it hears all of the clip
    net.normalise.forward = lambda x, mask: torch.stack([x, x], dim=1)  # type: ignore[method-assign]
    for layer in net.modules():  # as far back as ahead
        if isinstance(layer, torch.nn.Conv2d):
            layer.weight.data = (layer.weight.data + layer.weight.data.flip(3)) / 2
    middles = net.middles(n)
    x = torch.randn(16, N_MELS, n, requires_grad=True)
    told = net(x, torch.ones(16, n, dtype=torch.bool))[:, 8:]
    for step in range(20, 30):  # the ends hear zeros
        (slope,) = torch.autograd.grad(told[:, step].sum(), x, retain_graph=True)
        weight = slope.square().sum(dim=(0, 1)).numpy()
        heard.append(float((weight * np.arange(n)).sum() / weight.sum()) - middles[step])
    # Of the larger ones of pairs it is 8 k + 3, said to be 8 k + 4.
    assert np.mean(heard) == pytest.approx(0.0 if net.halving == "blur" else -1.0, abs=0.6)


def test_what_is_blurred_are_steps_and_their_neighbours() -> None:
    x = torch.randn(2, 3, 5, 7)
    around = torch.nn.functional.pad(x, (1, 1))
    time = (around[..., :-2] + 2 * around[..., 1:-1] + around[..., 2:]) / 4
    torch.testing.assert_close(Blur(1)(x), time[..., ::2])
    around = torch.nn.functional.pad(time, (0, 0, 1, 1))
    both = (around[:, :, :-2] + 2 * around[:, :, 1:-1] + around[:, :, 2:]) / 4
    torch.testing.assert_close(Blur(2)(x), both[:, :, ::2, ::2])


def test_a_blurred_net_minds_less_where_a_clip_begins() -> None:
    moved = []
    for halving in HALVINGS:
        torch.manual_seed(0)
        net = LogMelTdnn(width=16, halving=halving).eval()
        x = torch.from_numpy(np.stack([voice_like(208, s) for s in range(16)]))
        with torch.inference_mode():
            said = torch.stack([net(x[:, :, k : k + 200]) for k in range(8)])
        moved.append(float(said.std(dim=0).mean() / said.mean(dim=0).std()))
    largest, blurred = moved
    assert blurred < 0.7 * largest


def test_an_unknown_halving_is_refused() -> None:
    with pytest.raises(RecipeError, match=r'halving = blurr; did you mean "blur"\? Known: max, blur'):
        LogMelTdnn(halving="blurr")


def test_cut_without_changes_is_the_clip() -> None:
    plain = BatchAugmentation(n_frames=100, stretch=0.0, warp=0.0)
    clips = [voice_like(100, 1), voice_like(60, 2), voice_like(180, 3)]
    x, mask, places = plain.cut(clips, np.random.default_rng(0))
    np.testing.assert_allclose(x[0], clips[0], atol=1e-3)
    for clip, part, place in zip((clips[0], clips[2]), (x[0], x[2]), (places[0], places[2]), strict=True):
        np.testing.assert_allclose(part, clip[:, place.astype(int)], atol=1e-3)
    assert places[2, 0] > 0  # cut out of the longest
    assert mask.sum(dim=1).tolist() == pytest.approx([100, 60, 100], abs=1)
    assert (x[1][:, ~mask[1]] == clips[1].min()).all()
    starts = [np.abs(clips[2][:, k : k + 100] - x[2].numpy()).max() for k in range(81)]
    assert min(starts) < 1e-3 < max(starts)


def test_noise_has_about_the_asked_ratio() -> None:
    noisy = BatchAugmentation(noise=1.0, noise_snr_db=(0.0, 0.0), colour_db=0.0, frequency_masks=0, time_masks=0)
    x = torch.from_numpy(np.stack([voice_like(100, s) for s in range(32)]))
    out = noisy.colour(x, torch.ones(32, 100, dtype=torch.bool), np.random.default_rng(0))
    added = (out.exp() - x.exp()).mean() / x.exp().mean()
    assert 10 * np.log10(float(added)) == pytest.approx(0.0, abs=1.0)


def test_masks_and_mixup_do_something() -> None:
    rng = np.random.default_rng(0)
    x = torch.from_numpy(np.stack([voice_like(100, s) for s in range(4)]))
    mask = torch.ones(4, 100, dtype=torch.bool)
    masked = BatchAugmentation(noise=0.0, colour_db=0.0, n_frames=100).colour(x, mask, rng)
    share = float((masked != x).float().mean())
    assert 0.01 < share < 0.9
    target = torch.eye(4)
    mixed, _, soft = BatchAugmentation(mixup=1.0, mixup_share=1.0).mix(x, mask, target, rng)
    assert not torch.equal(mixed, x)
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(4))
    assert (soft.max(dim=1).values >= 0.5).all()


def test_classifier_learns_and_follows_its_seed() -> None:
    rng = np.random.default_rng(0)
    clips = np.empty(40, dtype=object)
    names = np.array(["low", "high"] * 20)
    for i in range(40):
        tilt = np.linspace(3, -3, N_MELS) * (1 if names[i] == "low" else -1)
        rise = np.linspace(-3, 3, 60) * (1 if names[i] == "low" else -1)
        noise = rng.standard_normal((N_MELS, 60))
        clips[i] = ((tilt[:, None] + rise[None] + noise).astype(np.float32),)
    settings = {
        "module__n_classes": 2,
        "module__channels": (4, 8, 8, 8),
        "module__n_hidden": 8,
        "max_epochs": 12,
        "lr": 5e-3,
        "batch_size": 10,
    }
    change = BatchAugmentation(n_frames=64, mixup=0.0)
    first, again, other = (
        LogMelClassifier(LogMelCnn, classes=["low", "high"], augmentation=change, seed=s, **settings).fit(clips, names)
        for s in (0, 0, 1)
    )
    assert (first.predict(clips) == names).mean() > 0.9
    assert list(first.classes_) == ["low", "high"]
    np.testing.assert_array_equal(first.predict_proba(clips), again.predict_proba(clips))
    assert not np.array_equal(first.predict_proba(clips), other.predict_proba(clips))
