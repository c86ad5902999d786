"""A convolutional net whose layers, filters and activation are settings: for a search, and for any feature set."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from vocalics.errors import RecipeError
from vocalics.models import ModelSpec
from vocalics.models.classical import choice, count, share

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
"""What stands behind every layer, by name."""


class Cnn(nn.Module):
    """Blocks of convolution, batch norm, activation, pooling by 2 and dropout; one dense layer; the output.

    One-dimensional along the values of a vector, two-dimensional over a matrix.

    Args:
        n_classes: Size of the output.
        shape: Of one input: the number of features, or of features and of frames.
        n_layers: Blocks, at least 1; each halves every side of the input, which has to stand that.
        n_filters: Of every convolution, at least 1.
        filter_size: Length of a filter along every side; of an even one the odd sample is padded at the end.
        activation: "relu", "elu", "gelu", "silu" or "tanh".
        n_hidden: Size of the dense layer.
        dropout: Share dropped behind each block and the dense layer, from 0 to below 1.

    Attributes:
        shape: The shape of one input.

    Raises:
        RecipeError: For a setting that cannot be.
    """

    def __init__(
        self,
        n_classes: int = 8,
        shape: Sequence[int] = (162,),
        n_layers: int = 3,
        n_filters: int = 64,
        filter_size: int = 5,
        activation: str = "relu",
        n_hidden: int = 64,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        sides = tuple(count("shape", n, 1) for n in shape)
        if len(sides) not in (1, 2):
            raise RecipeError(f"model_settings.shape = {list(shape)}; expected [n_features] or [n_features, n_frames]")
        if min(sides) < 2 ** count("n_layers", n_layers, 1):
            raise RecipeError(
                f"model_settings.n_layers = {n_layers} halves {min(sides)} values {n_layers} times, which leaves "
                f"nothing; expected at most {min(sides).bit_length() - 1} for an input of {' x '.join(map(str, sides))}"
            )
        self.shape = sides
        flat = len(sides) == 1
        convolution, norm, pool = (
            (nn.Conv1d, nn.BatchNorm1d, nn.MaxPool1d) if flat else (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d)
        )
        act = ACTIVATIONS[choice("activation", activation, tuple(ACTIVATIONS))]
        width, size, dropped = (
            count("n_filters", n_filters, 1),
            count("filter_size", filter_size, 1),
            share("dropout", dropout),
        )
        before, behind = (size - 1) // 2, size // 2
        pad = nn.ConstantPad1d((before, behind), 0.0) if flat else nn.ConstantPad2d((before, behind) * 2, 0.0)
        layers: list[nn.Module] = []
        for n_in in (1, *[width] * (n_layers - 1)):
            layers += [
                pad,
                convolution(n_in, width, size, bias=False),
                norm(width),
                act(),
                pool(2),
                nn.Dropout(dropped),
            ]
            sides = tuple(n // 2 for n in sides)
        n_flat = width * int(torch.Size(sides).numel())
        n_hidden = count("n_hidden", n_hidden, 1)
        layers += [
            nn.Flatten(),
            nn.Linear(n_flat, n_hidden),
            act(),
            nn.Dropout(dropped),
            nn.Linear(n_hidden, n_classes),
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map float32 (n, *shape) to logits (n, n_classes)."""
        logits: torch.Tensor = self.layers(features.unsqueeze(1))
        return logits


MODELS: dict[str, ModelSpec] = {
    "cnn": ModelSpec(
        name="cnn",
        features="zcr_chroma_mfcc_rms_mel",
        build=Cnn,
        neural=True,
        summary="1-D or 2-D CNN whose layers, filters and activation are settings, for vocalics tune",
    )
}
