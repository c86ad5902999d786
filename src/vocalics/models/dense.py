"""Dense nets on feature vectors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn

from vocalics.models import ModelSpec
from vocalics.models.keras_layers import initialise


class Dense(nn.Module):
    """Dense layers with ReLU, dropout behind each hidden one.

    Args:
        n_classes: Size of the output.
        n_features: Length of the input.
        widths: Sizes of the hidden layers.
        dropout: Share dropped behind each hidden layer.

    Attributes:
        shape: The shape of one input.
    """

    def __init__(self, n_classes: int, n_features: int, widths: Sequence[int], dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = (n_features,)
        sizes = [n_features, *widths]
        layers: list[nn.Module] = []
        for n_in, n_out in itertools.pairwise(sizes):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], n_classes))
        initialise(self)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map float32 (n, n_features) to logits (n, n_classes)."""
        logits: torch.Tensor = self.layers(features)
        return logits


class PenalisedDense(Dense):
    """A :class:`Dense` whose last four hidden layers are held small.

    Args:
        n_classes: Size of the output.
        n_features: Length of the input.
        widths: Sizes of the hidden layers.
        dropout: Share dropped behind each hidden layer.
        l2: Weight of the penalty; the publication leaves it open, 0.01 is Keras's own default.
    """

    def __init__(
        self, n_classes: int, n_features: int, widths: Sequence[int], dropout: float = 0.0, l2: float = 0.01
    ) -> None:
        super().__init__(n_classes, n_features, widths, dropout)
        self.l2 = l2

    def l2_penalty(self) -> torch.Tensor:
        """Return ``l2`` times the sum of squared weights (biases aside) of the last four hidden layers, a scalar."""
        linear = [part for part in self.layers if isinstance(part, nn.Linear)]
        return self.l2 * torch.stack([(part.weight**2).sum() for part in linear[-5:-1]]).sum()


def dense_128(n_classes: int = 6, n_features: int = 268, dropout: float = 0.0, l2: float = 0.01) -> PenalisedDense:
    """Return two layers of 128 and three of 64 on 268 features, the last four with an L2 penalty.

    268·128 + 128, 128·128 + 128, 128·64 + 64, 2·(64·64 + 64) and 64·6 + 6 make 67,910 parameters for 6 classes.

    Args:
        n_classes: Size of the output.
        n_features: Length of the input.
        dropout: Share dropped behind each hidden layer.
        l2: Weight of the penalty; the publication leaves it open, 0.01 is Keras's own default.
    """
    return PenalisedDense(n_classes, n_features, (128, 128, 64, 64, 64), dropout, l2)


def dense_wide(
    n_classes: int = 8, n_features: int = 193, dropout: float = 0.2, widths: Sequence[int] = (400, 200, 100)
) -> Dense:
    """Return three layers of about twice, once and half the input's size, dropout behind each.

    193·400 + 400, 400·200 + 200, 200·100 + 100 and 100·8 + 8 make 178,708 parameters for 8 classes.

    Args:
        n_classes: Size of the output.
        n_features: Length of the input.
        dropout: Share dropped behind each hidden layer.
        widths: Sizes of the hidden layers.
    """
    return Dense(n_classes, n_features, tuple(widths), dropout)


class DenseHead(nn.Module):
    """Dense layers with batch norm (Ioffe and Szegedy, ICML 2015), ReLU and dropout on a long vector.

    Args:
        n_classes: Size of the output.
        n_features: Length of the input.
        widths: Sizes of the hidden layers.
        dropout: Share dropped behind each hidden layer.
        input_dropout: Share of the input dropped.

    Attributes:
        shape: The shape of one input.
    """

    def __init__(
        self, n_classes: int, n_features: int, widths: Sequence[int], dropout: float, input_dropout: float
    ) -> None:
        super().__init__()
        self.shape = (n_features,)
        sizes = [n_features, *widths]
        layers: list[nn.Module] = [nn.Dropout(input_dropout)]
        for n_in, n_out in itertools.pairwise(sizes):
            layers += [nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], n_classes))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map float32 (n, n_features) to logits (n, n_classes)."""
        logits: torch.Tensor = self.layers(features)
        return logits


def dense_head(
    n_classes: int = 8,
    n_features: int = 2048,
    widths: Sequence[int] = (512, 512),
    dropout: float = 0.5,
    input_dropout: float = 0.3,
) -> DenseHead:
    """Return two wide layers for the means and deviations of two blocks of a pre-trained encoder.

    Args:
        n_classes: Size of the output.
        n_features: Length of the input; another number of blocks, or their course, has another.
        widths: Sizes of the hidden layers.
        dropout: Share dropped behind each hidden layer.
        input_dropout: Share of the input dropped.
    """
    return DenseHead(n_classes, n_features, tuple(widths), dropout, input_dropout)


MODELS: dict[str, ModelSpec] = {
    "dense_head": ModelSpec(
        name="dense_head",
        features="whisper-base@2,3",
        build=dense_head,
        neural=True,
        summary="dense layers with batch norm and dropout on a pre-trained encoder's statistics",
    ),
    "dense_128": ModelSpec(
        name="dense_128",
        features="mfcc_chroma_mel",
        build=dense_128,
        neural=True,
        summary="five dense layers with L2 on 268 features; six classes",
    ),
    "dense_wide": ModelSpec(
        name="dense_wide",
        features="mfcc_chroma_mel_contrast_tonnetz",
        build=dense_wide,
        neural=True,
        summary="three dense layers with dropout on 193 features; RAVDESS, three or eight classes",
    ),
}
