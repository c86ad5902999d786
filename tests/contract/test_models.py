"""What every model keeps to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from vocalics.errors import RecipeError
from vocalics.models import ModelSpec, model_spec, models
from vocalics.models.keras_layers import n_parameters

SPECS = models()
LENGTHS = {
    "zcr_chroma_mfcc_rms_mel": (162,),
    "mfcc_chroma_mel": (268,),
    "mfcc_chroma_mel_contrast_tonnetz": (193,),
    "mfcc_frames": (25, 216),
    "mfcc_pitch_energy_fixed": (29, 300),
    "mfcc_pitch_energy_statistics": (148,),
    "whisper-base@2,3": (2048,),
}
PRINTED_CLASSES = {"cnn1d_deep": 7, "cnn1d": 8, "cnn2d": 8}
NEURAL = [name for name, spec in SPECS.items() if spec.neural]


def batch(spec: ModelSpec, net: Any, n: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    # A net over inputs of uneven length takes bands × frames, or the rows of an encoder × frames.
    shape = {"waveform": (64, 150), "encoder": (512, 60)}[spec.features] if spec.uneven else net.shape
    return torch.randn(n, *shape, generator=generator)


def seeded(spec: ModelSpec, n_classes: int, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return spec.build(n_classes).eval()


@pytest.mark.parametrize("name", sorted(SPECS))
def test_the_table_names_the_model_and_its_features(name: str) -> None:
    spec = SPECS[name]
    assert spec.name == name
    assert spec.summary
    assert spec.uneven == (spec.features in ("waveform", "encoder")) and (spec.uneven or spec.features in LENGTHS)
    if spec.neural and not spec.uneven:
        assert spec.build(4).shape == LENGTHS[spec.features]


@pytest.mark.parametrize("name", NEURAL)
@pytest.mark.parametrize("n_classes", [3, 8])
def test_logits_are_finite_and_of_the_classes_number(name: str, n_classes: int) -> None:
    net = seeded(SPECS[name], n_classes)
    with torch.no_grad():
        logits = net(batch(SPECS[name], net))
    assert logits.shape == (3, n_classes)
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()
    assert logits.std() > 0


@pytest.mark.parametrize("name", NEURAL)
def test_a_seed_fixes_the_net_and_another_changes_it(name: str) -> None:
    spec = SPECS[name]
    first, again, other = (seeded(spec, 5, seed) for seed in (1, 1, 2))
    features = batch(spec, first)
    with torch.no_grad():
        assert torch.equal(first(features), again(features))
        assert not torch.allclose(first(features), other(features))


@pytest.mark.parametrize("name", NEURAL)
def test_a_clip_is_judged_alike_alone_and_in_a_batch(name: str) -> None:
    net = seeded(SPECS[name], 5)
    features = batch(SPECS[name], net)
    with torch.no_grad():
        np.testing.assert_allclose(net(features)[1:2], net(features[1:2]), atol=1e-4)


@pytest.mark.parametrize("name", NEURAL)
def test_every_weight_learns(name: str) -> None:
    torch.manual_seed(0)
    net = SPECS[name].build(5).train()
    torch.nn.functional.cross_entropy(net(batch(SPECS[name], net, 4)), torch.tensor([0, 1, 2, 3])).backward()
    idle = [n for n, p in net.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.isfinite().all())]
    assert idle == []


@pytest.mark.parametrize("name", sorted(PRINTED_CLASSES))
def test_the_parameter_count_is_the_printed_one(name: str) -> None:
    spec = SPECS[name]
    assert n_parameters(spec.build(PRINTED_CLASSES[name])) == spec.n_parameters
    assert n_parameters(spec.build(PRINTED_CLASSES[name] - 1)) != spec.n_parameters


@pytest.mark.parametrize("name", [name for name in SPECS if name not in NEURAL])
def test_a_classical_model_fits_and_gives_probabilities(name: str) -> None:
    rng = np.random.default_rng(0)
    features, truth = rng.normal(size=(60, 5)), np.repeat(np.arange(3), 20)
    classifier = SPECS[name].build(3).fit(features, truth)
    probabilities = classifier.predict_proba(features)
    assert classifier.classes_.tolist() == [0, 1, 2]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)


def test_an_unknown_model_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(RecipeError, match=r'unknown model "cnn1".*did you mean "cnn1d"'):
        model_spec("cnn1")
