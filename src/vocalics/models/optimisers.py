"""Muon, an optimiser that turns a weight matrix in all its directions alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
                matrices = [w for w in group["params"] if w.grad is not None and is_matrix(w, group["smallest"])]
                self._turn(matrices, group)
                for weight in matrices:
                    put_aside.append((weight, weight.grad))
                    weight.grad = None  # AdamW passes over it
            super().step()
        finally:
            for weight, gradient in put_aside:
                weight.grad = gradient
        return loss

    def _turn(self, weights: Sequence[Tensor], group: dict[str, Any]) -> None:
        momentum, rate = group["momentum"], group["lr"]
        # Those of one shape together: one by one, small matrices take three times as long.
        of_shape: dict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = {}
        for weight in weights:
            gradient, state = weight.grad, self.state[weight]
            assert gradient is not None
            if not state:
                # AdamW looks for a number of steps in every state that it is given back.
                state |= {"step": torch.zeros(()), "momentum": torch.zeros_like(gradient)}
            state["step"] += 1
            state["momentum"].lerp_(gradient, 1 - momentum)
            ahead = gradient.lerp(state["momentum"], momentum).flatten(1)
            of_shape.setdefault(tuple(ahead.shape), []).append((weight, ahead))
        for shape, found in of_shape.items():
            size: float = 0.2 * max(shape) ** 0.5
            turned = orthogonal(torch.stack([ahead for _, ahead in found]), group["low_precision"])
            for (weight, _), step in zip(found, turned, strict=True):
                weight.mul_(1 - rate * group["weight_decay"])
                weight.add_(step.reshape(weight.shape), alpha=-rate * size)


def is_matrix(weight: Tensor, smallest: int = 16) -> bool:
    """Whether a weight is changed as a matrix."""
    return weight.ndim > 1 and min(len(weight), weight.numel() // max(1, len(weight))) >= smallest


def orthogonal(matrices: Tensor, low_precision: bool = False) -> Tensor:
    """Return matrices of the same singular vectors with all singular values near 1 (.7 to 1.2), (..., rows, columns).

    Args:
        matrices: (..., rows, columns); of zeros, zeros come back.
        low_precision: Whether to compute in bfloat16.
    """
    x = matrices.bfloat16() if low_precision else matrices
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for a, b, c in _STEPS:
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    turned: Tensor = (x.mT if tall else x).to(matrices.dtype)
    return turned
