"""The net whose layers are settings: every setting does what it says."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vocalics.errors import RecipeError
from vocalics.models.cnn import ACTIVATIONS, Cnn


def parts(net: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    return [m for m in net.modules() if isinstance(m, kind)]


@pytest.mark.parametrize("n_layers", [1, 2, 4])
@pytest.mark.parametrize("shape", [(162,), (25, 216)])
def test_layers_and_filters_are_as_many_as_asked_for(n_layers: int, shape: tuple[int, ...]) -> None:
    net = Cnn(5, shape, n_layers, n_filters=6, filter_size=4).eval()
    convolutions = parts(net, nn.Conv1d if len(shape) == 1 else nn.Conv2d)
    assert len(convolutions) == n_layers
    assert {c.out_channels for c in convolutions} == {6}
    assert net(torch.randn(2, *shape)).shape == (2, 5)


def test_a_block_keeps_the_length_and_its_pooling_halves_it() -> None:
    for size in (1, 2, 3, 8):
        net = Cnn(3, (40,), n_layers=2, n_filters=2, filter_size=size).eval()
        lengths = []
        x = torch.randn(1, 1, 40)
        for part in net.layers:
            x = part(x)
            if isinstance(part, nn.Conv1d | nn.MaxPool1d):
                lengths.append(x.shape[-1])
        assert lengths == [40, 20, 20, 10]


def test_the_activation_is_the_one_that_was_named() -> None:
    kinds = {name: type(make()) for name, make in ACTIVATIONS.items()}
    assert len(set(kinds.values())) == len(kinds) == 5
    for name, kind in kinds.items():
        assert len(parts(Cnn(3, activation=name, n_layers=2), kind)) == 3


def test_parameters_are_counted_by_hand() -> None:
    net = Cnn(3, (16,), n_layers=2, n_filters=4, filter_size=3, n_hidden=5)
    by_hand = (3 * 1 * 4 + 2 * 4) + (3 * 4 * 4 + 2 * 4) + (4 * 4 * 5 + 5) + (5 * 3 + 3)
    assert sum(p.numel() for p in net.parameters()) == by_hand == 179


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_layers": 8}, r"halves 162 values 8 times, which leaves nothing; expected at most 7 for an input of 162"),
        ({"n_layers": 5, "shape": (25, 216)}, r"expected at most 4 for an input of 25 x 216"),
        ({"n_layers": 0}, r"n_layers = 0; expected a whole number from 1 on"),
        ({"activation": "reluu"}, r'activation = \'reluu\' is unknown; did you mean "relu"'),
        ({"shape": (2, 3, 4)}, r"expected \[n_features\] or \[n_features, n_frames\]"),
        ({"dropout": 1.0}, r"dropout = 1.0; expected a share"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Cnn(8, **settings)  # type: ignore[arg-type]
    assert Cnn(8, n_layers=7)(torch.randn(2, 162)).shape == (2, 8)
