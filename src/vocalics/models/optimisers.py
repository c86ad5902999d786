"""Muon, an optimiser that turns a weight matrix in all its directions alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

_STEPS = ((3.4445, -4.7750, 2.0315),) * 5
"""Coefficients of the iteration that brings all singular values near 1 (Jordan et al., 2024)."""


class Muon(torch.optim.AdamW):
    """Momentum made orthogonal for matrices, AdamW for all else: biases, norms, and what gives a few numbers.

    Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024); its step is scaled to the size of
    AdamW's, so that both take one rate (Liu et al., "Muon is Scalable for LLM Training", 2025). A convolution's weight
    is a matrix of as many rows as it has outputs. It takes such nets further in as many epochs (docs/results/notes.md).

    Args:
        params: As for any optimiser.
        lr: The rate.
        weight_decay: Decoupled, as AdamW's.
        momentum: Of matrices.
        smallest: Rows and columns that make a matrix; what has fewer goes to AdamW.
        low_precision: Whether matrices are made orthogonal in bfloat16.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.05,
        momentum: float = 0.95,
        smallest: int = 16,
        low_precision: bool = True,
    ) -> None:
        super().__init__(params, lr=lr, weight_decay=weight_decay)
        own = {"momentum": momentum, "smallest": smallest, "low_precision": low_precision}
        self.defaults |= own
        for group in self.param_groups:
            for key, value in own.items():
                group.setdefault(key, value)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Change the weights once; ``closure`` computes the loss and is called first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        put_aside = []
        try:
            for group in self.param_groups:
                for weight in group["params"]:
                    if weight.grad is not None and is_matrix(weight, group["smallest"]):
                        self._turn(weight, weight.grad, group)
                        put_aside.append((weight, weight.grad))
                        weight.grad = None  # AdamW passes over it
            super().step()
        finally:
            for weight, gradient in put_aside:
                weight.grad = gradient
        return loss

    def _turn(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        momentum, rate = group["momentum"], group["lr"]
        state = self.state[weight]
        if not state:
            # AdamW looks for a number of steps in every state that it is given back.
            state |= {"step": torch.zeros(()), "momentum": torch.zeros_like(gradient)}
        state["step"] += 1
        state["momentum"].lerp_(gradient, 1 - momentum)
        ahead = gradient.lerp(state["momentum"], momentum).flatten(1)
        size: float = 0.2 * max(ahead.shape) ** 0.5
        weight.mul_(1 - rate * group["weight_decay"])
        weight.add_(orthogonal(ahead, group["low_precision"]).reshape(weight.shape), alpha=-rate * size)


def is_matrix(weight: Tensor, smallest: int = 16) -> bool:
    """Whether a weight is changed as a matrix."""
    return weight.ndim > 1 and min(len(weight), weight.numel() // max(1, len(weight))) >= smallest


def orthogonal(matrix: Tensor, low_precision: bool = False) -> Tensor:
    """Return a matrix of the same singular vectors with all singular values near 1 (.7 to 1.2), (rows, columns).

    Args:
        matrix: (rows, columns); of zeros, zeros come back.
        low_precision: Whether to compute in bfloat16.
    """
    x = matrix.bfloat16() if low_precision else matrix
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for a, b, c in _STEPS:
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    turned: Tensor = (x.T if tall else x).to(matrix.dtype)
    return turned
