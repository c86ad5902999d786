"""Layers with the arithmetic of Keras, in which the published networks were printed.

What differs from torch's own: 'same' padding puts the odd sample on the right, batch norm adds 1e-3 to the variance
and forgets at 0.01 per batch, weights start Glorot-uniform and biases at zero, and the printed parameter count
includes batch norm's moving mean and variance.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class SameConv1d(nn.Conv1d):
    """Convolution (n, n_in, time) to (n, n_out, time); an even kernel is padded by one more on the right."""

    def __init__(self, n_in: int, n_out: int, kernel: int) -> None:
        super().__init__(n_in, n_out, kernel)
        self.before, self.after = (kernel - 1) // 2, kernel // 2

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(F.pad(input, (self.before, self.after)))


class SameMaxPool1d(nn.Module):
    """Max pooling (n, channels, time) to (n, channels, ceil(time / stride)); the odd pad goes to the right."""

    def __init__(self, size: int, stride: int) -> None:
        super().__init__()
        self.size, self.stride = size, stride

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        n = int(input.shape[-1])
        missing = max((-(-n // self.stride) - 1) * self.stride + self.size - n, 0)
        padded = F.pad(input, (missing // 2, missing - missing // 2), value=float("-inf"))
        return F.max_pool1d(padded, self.size, self.stride)


def batch_norm(n: int, n_dimensions: int) -> nn.Module:
    """Return batch norm over ``n`` channels of (n, channels), (n, channels, time) or (n, channels, rows, time) input.

    Args:
        n: Channels.
        n_dimensions: Dimensions behind the channels: 0 or 1, or 2.
    """
    kind = nn.BatchNorm2d if n_dimensions == 2 else nn.BatchNorm1d
    return kind(n, eps=1e-3, momentum=0.01)


def initialise(module: nn.Module) -> None:
    """Set weights Glorot-uniform (Glorot and Bengio, 2010) and biases zero, from torch's random state, in place."""
    for part in module.modules():
        if isinstance(part, nn.Conv1d | nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def n_parameters(module: nn.Module) -> int:
    """Count parameters as Keras prints them: weights, and the moving mean and variance of batch norm."""
    moving = (b for name, b in module.named_buffers() if name.endswith(("running_mean", "running_var")))
    return sum(p.numel() for p in module.parameters()) + sum(b.numel() for b in moving)
