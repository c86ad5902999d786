"""The last blocks of a pre-trained speech encoder, trained on: with few weights beside its own, or all of them anew.

What the blocks before make of a clip never changes, so it is computed once and cached: the net takes the frames of one
block and goes on from there. With a rank, every dense map of the blocks gets a product of two thin matrices beside it
(Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022); without one, a whole matrix of changes.
Either way the encoder's own weights stay as they were published, and a model file need not hold them
(:mod:`vocalics.export.thin`).
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vocalics import encoders
from vocalics.errors import RecipeError
from vocalics.models import ENCODER, ModelSpec

_STRENGTH = 2.0
"""What the product of the thin matrices counts: their learning rate, in effect."""
_CAUTION = 0.1
"""What a whole matrix of changes counts: a tenth of the head's learning rate."""


class LowRank(nn.Module):
    """A dense map that stays as it is, and a product of two thin matrices beside it; nothing at first.

    Args:
        dense: The map.
        rank: The inner width of the product.
    """

    def __init__(self, dense: nn.Linear, rank: int) -> None:
        super().__init__()
        self.dense = dense.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(rank, dense.in_features) / dense.in_features**0.5)
        self.up = nn.Parameter(torch.zeros(dense.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., n_in) to (..., n_out)."""
        aside: Tensor = functional.linear(functional.linear(x, self.down), _STRENGTH * self.up)
        known: Tensor = self.dense(x)
        return known + aside


class Changed(nn.Module):
    """A dense map that stays as it is, and changes of all its weights; nothing at first."""

    def __init__(self, dense: nn.Linear) -> None:
        super().__init__()
        self.dense = dense.requires_grad_(False)
        self.change = nn.Parameter(torch.zeros_like(dense.weight))

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., n_in) to (..., n_out)."""
        return functional.linear(x, self.dense.weight + _CAUTION * self.change, self.dense.bias)


class TunedEncoder(nn.Module):
    """Frames of one block, through the blocks behind it, to logits.

    The blocks' frames are mixed by learned weights (Yang et al., "SUPERB", Interspeech 2021), and pooled over time to
    mean and deviation, each frame as much as an attention over all says.

    Args:
        n_classes: Width of the output.
        n_blocks: Number of blocks in the input: one.
        block_width: Numbers per frame.
        encoder: The encoder's name, see :func:`vocalics.encoders.find`.
        after: The number of the block whose frames are given.
        n_tuned: How many blocks behind the one whose frames are given are computed and trained.
        rank: Of what is learned beside each dense map of these blocks; 0 learns changes of all their weights.
        n_hidden: Width of the attention.
        dropout: Share of the pooled features dropped while training.

    Raises:
        RecipeError: For frames of several blocks, or an encoder whose blocks cannot be taken apart.
        EncoderError: When the encoder is not there, or has fewer blocks.
    """

    def __init__(
        self,
        n_classes: int = 8,
        n_blocks: int = 1,
        block_width: int = 512,
        encoder: str = "whisper-base",
        after: int = 2,
        n_tuned: int = 2,
        rank: int = 16,
        n_hidden: int = 128,
        dropout: float = 0.4,
    ) -> None:
        super().__init__()
        if n_blocks != 1:
            raise RecipeError(
                f"tuned_encoder goes on behind one block; the recipe's features name {n_blocks}. Name one, e.g. "
                f'"{encoder}@{after}"'
            )
        loaded = encoders.load(encoder, after + n_tuned)
        if loaded.about.kind == "wavlm":
            raise RecipeError("tuned_encoder: WavLM's blocks share what they know of positions; take another encoder")
        self.blocks = nn.ModuleList(copy.deepcopy(block) for block in loaded.blocks[after:]).requires_grad_(False)
        for block in self.blocks:
            _adapt(block, rank)
        self.mixture = nn.Parameter(torch.zeros(n_tuned + 1))
        self.normalise = nn.LayerNorm(block_width)
        self.attention = nn.Sequential(nn.Linear(block_width, n_hidden), nn.Tanh(), nn.Linear(n_hidden, 1))
        self.head = nn.Sequential(
            nn.BatchNorm1d(2 * block_width), nn.Dropout(dropout), nn.Linear(2 * block_width, n_classes)
        )

    def forward(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map (n, block_width, n_frames) to logits (n, n_classes).

        Args:
            frames: What the encoder's block gives.
            mask: (n, n_frames), true where a frame exists.
        """
        hidden = frames.float().transpose(1, 2)
        hears = None if mask is None else torch.where(mask[:, None, None, :], 0.0, -1e9).to(hidden.dtype)
        found = [hidden]
        for block in self.blocks:
            out = block(found[-1], attention_mask=hears)
            found.append(out[0] if isinstance(out, tuple) else out)
        share = torch.softmax(self.mixture, dim=0)
        mixed = self.normalise(sum(share[i] * one for i, one in enumerate(found)))
        score = self.attention(mixed)
        if mask is not None:
            score = score.masked_fill(~mask[:, :, None], -1e9)
        weight = torch.softmax(score, dim=1)
        mean = (weight * mixed).sum(dim=1)
        variance = (weight * (mixed - mean[:, None]) ** 2).sum(dim=1)
        pooled = torch.cat([mean, torch.sqrt(variance + 1e-5)], dim=1)
        logits: Tensor = self.head(pooled.float())
        return logits


def _adapt(module: Any, rank: int) -> None:
    """Put every dense map below a module behind one that learns."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, LowRank(child, rank) if rank else Changed(child))
        else:
            _adapt(child, rank)


MODELS = {
    "tuned_encoder": ModelSpec(
        name="tuned_encoder",
        features=ENCODER,
        uneven=True,
        build=TunedEncoder,
        neural=True,
        summary="the blocks of a speech encoder behind the one that the recipe names, trained on: low-rank, or whole",
    )
}
