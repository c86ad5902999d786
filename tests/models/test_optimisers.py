"""Muon, held against torch's own where there is one, which knows matrices alone."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from vocalics.models.neural import optimiser
from vocalics.models.optimisers import Muon, is_matrix, orthogonal
from vocalics.recipe import Fit


@pytest.mark.parametrize("shape", [(24, 60), (60, 24), (32, 32)])
def test_a_matrix_is_turned_so_that_all_its_directions_count_alike(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape) * torch.logspace(0, -1, shape[1])
    left, before, right = torch.linalg.svd(matrix, full_matrices=False)
    turned = orthogonal(matrix)
    after = torch.linalg.svdvals(turned)
    assert before[0] / before[-1] > 2 and after.min() > 0.6 and after.max() < 1.3
    inner = left.T @ turned @ right.T  # the same singular vectors: nothing but their lengths is left
    assert torch.allclose(inner, torch.diag(inner.diagonal()), atol=1e-4)
    assert orthogonal(torch.zeros(shape)).abs().max() == 0
    assert torch.allclose(orthogonal(matrix, low_precision=True), turned, atol=0.05)


def net() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(2, 16, 3, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 24, 3),
        nn.Flatten(),
        nn.Linear(24 * 16, 4),
    )


def steps(module: nn.Module, how: list[torch.optim.Optimizer], n: int) -> None:
    torch.manual_seed(2)
    for _ in range(n):
        module.zero_grad()
        functional.mse_loss(module(torch.randn(8, 2, 8, 8)), torch.randn(8, 4)).backward()
        for one in how:
            one.step()


def test_matrices_go_as_in_torch_s_muon_and_all_else_as_in_adamw() -> None:
    ours, theirs = net(), net()
    settings = {"lr": 3e-3, "weight_decay": 0.1}
    muon = Muon(ours.parameters(), **settings, low_precision=True)
    matrices = [n for n, p in ours.named_parameters() if is_matrix(p)]
    assert matrices == ["0.weight", "3.weight"]  # 16 by 18 and 24 by 144; four outputs are too few
    # Torch's own takes nothing but matrices: the same numbers, and gradients, seen as such.
    flat = {n: nn.Parameter(p.detach().flatten(1)) for n, p in theirs.named_parameters() if n in matrices}
    reference = torch.optim.Muon(flat.values(), **settings, adjust_lr_fn="match_rms_adamw")
    rest = torch.optim.AdamW([p for n, p in theirs.named_parameters() if n not in matrices], **settings)

    class Flat(torch.optim.Optimizer):
        def __init__(self) -> None: ...

        def step(self) -> None:  # type: ignore[override]
            own = dict(theirs.named_parameters())
            for name, weight in flat.items():
                weight.grad = own[name].grad.flatten(1)
            reference.step()
            for name, weight in flat.items():
                own[name].data.copy_(weight.detach().reshape(own[name].shape))

    steps(ours, [muon], 5)
    steps(theirs, [Flat(), rest], 5)
    start = dict(net().named_parameters())
    for (name, weight), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        moved = (other - start[name]).abs().mean()
        assert moved > 0 and (weight - other).abs().mean() < 0.05 * moved, name  # both round to bfloat16, each its way


def test_its_state_can_be_kept_and_given_back() -> None:
    whole, part = net(), net()
    steps(whole, [Muon(whole.parameters())], 6)
    first = Muon(part.parameters())
    torch.manual_seed(2)
    data = [(torch.randn(8, 2, 8, 8), torch.randn(8, 4)) for _ in range(6)]

    def go(how: Muon, pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        for x, y in pairs:
            part.zero_grad()
            functional.mse_loss(part(x), y).backward()
            how.step()

    go(first, data[:3])
    second = Muon(part.parameters())
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert copy.deepcopy(first).param_groups[0]["smallest"] == 16
    go(second, data[3:])
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), part.parameters(), strict=True))


def test_gradients_are_left_as_they_were_and_a_loss_is_given_back() -> None:
    module = net()
    how = Muon(module.parameters())
    functional.mse_loss(module(torch.randn(8, 2, 8, 8)), torch.randn(8, 4)).backward()
    before = [p.grad.clone() for p in module.parameters() if p.grad is not None]
    assert how.step(lambda: 3.5) == 3.5
    assert all(torch.equal(p.grad, g) for p, g in zip(module.parameters(), before, strict=True))  # type: ignore[arg-type]


def test_a_recipe_names_it() -> None:
    told = optimiser(Fit(optimiser="muon", weight_decay=0.05))
    assert told["optimizer"] is Muon and told["optimizer__low_precision"] is False  # as long as nothing else is
