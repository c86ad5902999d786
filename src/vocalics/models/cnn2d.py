"""A small two-dimensional convolutional net over MFCC frames."""

from __future__ import annotations

import torch
from torch import nn

from vocalics.models import ModelSpec
from vocalics.models.keras_layers import batch_norm, initialise


class Cnn2d(nn.Module):
    """Four blocks of 32 filters of 3×3, batch norm, pooling by 2, dropout; dense 64; 56,040 parameters for 8 classes.

    Batch norm stands before each activation; the dropout shares are ours, the publication leaves them open. Keras's
    count::

        conv 1 -> 32            9·1·32 + 32           320
        3 conv 32 -> 32         3·(9·32·32 + 32)   27,744
        4 batch norm            4·4·32                512   25×216 -> 12×108 -> 6×54 -> 3×27 -> 1×13
        dense 1·13·32 -> 64     416·64 + 64        26,688
        batch norm              4·64                  256
        dense 64 -> 8           64·8 + 8              520
                                                   56,040

    Args:
        n_classes: Size of the output.
        shape: Coefficients and frames of one input, each at least 16.
        dropout: Share dropped behind each block and behind the dense layer.

    Attributes:
        shape: The shape of one input.
    """

    def __init__(self, n_classes: int = 8, shape: tuple[int, int] = (25, 216), dropout: float = 0.2) -> None:
        super().__init__()
        self.shape = (int(shape[0]), int(shape[1]))
        layers: list[nn.Module] = []
        for n_in in (1, 32, 32, 32):
            layers += [nn.Conv2d(n_in, 32, 3, padding=1), batch_norm(32, 2), nn.ReLU()]
            layers += [nn.MaxPool2d(2), nn.Dropout(dropout)]
        n_flat = 32 * (self.shape[0] // 16) * (self.shape[1] // 16)
        layers += [nn.Flatten(), nn.Linear(n_flat, 64), batch_norm(64, 0), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(64, n_classes))
        initialise(self)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map float32 (n, n_coefficients, n_frames) to logits (n, n_classes)."""
        logits: torch.Tensor = self.layers(features.unsqueeze(1))
        return logits


MODELS: dict[str, ModelSpec] = {
    "cnn2d": ModelSpec(
        name="cnn2d",
        features="mfcc_frames",
        build=Cnn2d,
        neural=True,
        summary="small 2-D CNN on 25 MFCC × 216 frames; eight classes",
        n_parameters=56_040,
    ),
}
