"""One-dimensional convolutional nets that run along the 162 feature values as if they were a signal."""

from __future__ import annotations

import torch
from torch import nn

from vocalics.models import ModelSpec
from vocalics.models.keras_layers import SameConv1d, SameMaxPool1d, batch_norm, initialise


class Cnn1d(nn.Module):
    """A stack of layers over (n, 1, n_features), given (n, n_features).

    Attributes:
        shape: The shape of one input.
    """

    def __init__(self, layers: list[nn.Module], n_features: int) -> None:
        super().__init__()
        self.shape = (n_features,)
        self.layers = nn.Sequential(*layers)
        initialise(self)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map float32 (n, n_features) to logits (n, n_classes)."""
        logits: torch.Tensor = self.layers(features.unsqueeze(1))
        return logits


def cnn1d_deep(n_classes: int = 7, n_features: int = 162, dropout: float = 0.25) -> Cnn1d:
    """Return the deep net: eight convolutions of kernel 8, two poolings by 8, 1,283,591 parameters for 7 classes.

    Batch norm stands before the activation of the second and the sixth convolution. Keras's count::

        conv 1 -> 256        8·1·256 + 256         2,304
        conv 256 -> 256      8·256·256 + 256     524,544
        batch norm           4·256                 1,024   162 -> 20 by the pooling
        conv 256 -> 128      8·256·128 + 128     262,272
        3 conv 128 -> 128    3·(8·128·128 + 128) 393,600
        batch norm           4·128                   512   20 -> 2 by the pooling
        conv 128 -> 64       8·128·64 + 64        65,600
        conv 64 -> 64        8·64·64 + 64         32,832
        dense 2·64 -> 7      128·7 + 7               903
                                               1,283,591

    Args:
        n_classes: Size of the output.
        n_features: Length of the input, at least 64.
        dropout: Share of values dropped behind the second, fourth and sixth convolution.
    """
    layers: list[nn.Module] = [
        SameConv1d(1, 256, 8),
        nn.ReLU(),
        SameConv1d(256, 256, 8),
        batch_norm(256, 1),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.MaxPool1d(8),
        SameConv1d(256, 128, 8),
        nn.ReLU(),
        SameConv1d(128, 128, 8),
        nn.ReLU(),
        nn.Dropout(dropout),
        SameConv1d(128, 128, 8),
        nn.ReLU(),
        SameConv1d(128, 128, 8),
        batch_norm(128, 1),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.MaxPool1d(8),
        SameConv1d(128, 64, 8),
        nn.ReLU(),
        SameConv1d(64, 64, 8),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * (n_features // 8 // 8), n_classes),
    ]
    return Cnn1d(layers, n_features)


def cnn1d(n_classes: int = 8, n_features: int = 162, dropout: float = 0.2, dense_dropout: float = 0.3) -> Cnn1d:
    """Return the notebook's net: four blocks of kernel 5 and pooling 5 by 2, 557,288 parameters for 8 classes.

    The first dropout stands once, behind the third block's pooling. Keras's count::

        conv 1 -> 256        5·1·256 + 256         1,536   162 -> 81 by the pooling
        conv 256 -> 256      5·256·256 + 256     327,936   -> 41
        conv 256 -> 128      5·256·128 + 128     163,968   -> 21
        conv 128 -> 64       5·128·64 + 64        41,024   -> 11
        dense 11·64 -> 32    704·32 + 32          22,560
        dense 32 -> 8        32·8 + 8                264
                                                 557,288

    Args:
        n_classes: Size of the output.
        n_features: Length of the input.
        dropout: Share dropped behind the third block.
        dense_dropout: Share dropped behind the dense layer.
    """
    layers: list[nn.Module] = []
    width, length = 1, n_features
    for block, n_filters in enumerate((256, 256, 128, 64), start=1):
        layers += [SameConv1d(width, n_filters, 5), nn.ReLU(), SameMaxPool1d(5, 2)]
        if block == 3:
            layers.append(nn.Dropout(dropout))
        width, length = n_filters, -(-length // 2)
    layers += [nn.Flatten(), nn.Linear(width * length, 32), nn.ReLU(), nn.Dropout(dense_dropout)]
    return Cnn1d([*layers, nn.Linear(32, n_classes)], n_features)


MODELS: dict[str, ModelSpec] = {
    "cnn1d_deep": ModelSpec(
        name="cnn1d_deep",
        features="zcr_chroma_mfcc_rms_mel",
        build=cnn1d_deep,
        neural=True,
        summary="deep 1-D CNN on 162 features, published for edge devices; seven classes",
        n_parameters=1_283_591,
    ),
    "cnn1d": ModelSpec(
        name="cnn1d",
        features="zcr_chroma_mfcc_rms_mel",
        build=cnn1d,
        neural=True,
        summary="1-D CNN on 162 features, published as a notebook on the four English corpora; eight classes",
        n_parameters=557_288,
    ),
}
