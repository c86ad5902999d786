"""A head over the frames of a frozen speech encoder's blocks, and what is done to its batches.

The blocks are mixed by learned weights (Yang et al., "SUPERB", Interspeech 2021), projected, and pooled over time by
attentive statistics as in :mod:`vocalics.models.logmel_cnn`. What a frozen encoder makes of a clip cannot be coloured
or stretched any more: a batch is cut, blurred a little, masked in time, and mixed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from vocalics.errors import RecipeError
from vocalics.models import ENCODER, ModelSpec
from vocalics.models.logmel_batches import LogMels, Rng
from vocalics.models.logmel_cnn import AttentiveStatistics

FILLS = ("again", "nothing")


class EncoderHead(nn.Module):
    """Frames of some blocks to logits.

    Args:
        n_classes: Width of the output.
        n_blocks: Number of blocks, one below the other in the input.
        block_width: Numbers per frame of one block.
        n_channels: What the mixed frames are projected to.
        n_hidden: Width of the attention and of the last hidden layer.
        dropout: Share of projected channels, and of pooled features, dropped while training.
    """

    def __init__(
        self,
        n_classes: int = 8,
        n_blocks: int = 1,
        block_width: int = 512,
        n_channels: int = 192,
        n_hidden: int = 96,
        dropout: float = 0.4,
    ) -> None:
        super().__init__()
        self.n_blocks, self.width = n_blocks, block_width
        self.mixture = nn.Parameter(torch.zeros(n_blocks))
        self.normalise = nn.BatchNorm1d(block_width)
        self.project = nn.Sequential(nn.Conv1d(block_width, n_channels, 1), nn.GELU())
        self.drop = nn.Dropout1d(dropout / 2)
        self.pool = AttentiveStatistics(n_channels, n_hidden)
        self.head = nn.Sequential(
            nn.BatchNorm1d(2 * n_channels),
            nn.Dropout(dropout),
            nn.Linear(2 * n_channels, n_hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(n_hidden, n_classes),
        )
        self.hints: nn.Linear | None = None

    def forward(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map (n, n_blocks · block_width, n_frames) to logits (n, n_classes).

        Args:
            frames: The blocks one below the other.
            mask: (n, n_frames), true where a frame exists.
        """
        blocks = frames.float().reshape(frames.shape[0], self.n_blocks, self.width, frames.shape[2])
        mixed = (torch.softmax(self.mixture, dim=0)[None, :, None, None] * blocks).sum(dim=1)
        projected = self.drop(self.project(self.normalise(mixed)))
        logits: Tensor = self.head(self.pool(projected, mask))
        return logits


@dataclass(frozen=True)
class FrameAugmentation:
    """How a batch of an encoder's frames is changed; a strength of 0 turns a change off.

    Attributes:
        n_frames: Length that training clips are cut or filled up to; 50 frames are a second.
        fill: What a shorter clip is filled with: "again", itself over and over, which keeps its statistics; or
            "nothing", which the mask says.
        noise: Deviation of what is added to every number, as a share of the batch's own deviation.
        time_masks: Number of stretches of time that are left out.
        time_mask: Their largest length, in frames.
        mixup: The parameter of mixup's beta distribution.
        mixup_share: Share of batches that are mixed.
    """

    n_frames: int = 150
    fill: str = "again"
    noise: float = 0.1
    time_masks: int = 1
    time_mask: int = 20
    mixup: float = 0.3
    mixup_share: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what is no way to fill."""
        if self.fill not in FILLS:
            raise RecipeError(f'fill = "{self.fill}" is no way to fill a clip up; expected {" or ".join(FILLS)}')

    def cut(self, clips: LogMels, rng: Rng) -> tuple[Tensor, Tensor, npt.NDArray[np.float64]]:
        """Cut clips to one length, or fill them up.

        Returns:
            (n, n_rows, n_frames) float32, a mask (n, n_frames) of what is there, and each frame's place in its clip.
        """
        x = np.zeros((len(clips), clips[0].shape[0], self.n_frames), np.float32)
        mask = np.ones((len(clips), self.n_frames), bool)
        places = np.tile(np.arange(self.n_frames, dtype=np.float64), (len(clips), 1))
        for i, clip in enumerate(clips):
            n = clip.shape[1]
            if n < self.n_frames and self.fill == "nothing":
                x[i, :, :n], mask[i, n:] = clip, False
                continue
            start = int(rng.integers(0, n if n < self.n_frames else n - self.n_frames + 1))
            places[i] = (start + np.arange(self.n_frames)) % n
            x[i] = clip[:, places[i].astype(np.int64)]
        return torch.from_numpy(x), torch.from_numpy(mask), places

    def colour(self, x: Tensor, mask: Tensor, rng: Rng) -> Tensor:
        """Add noise; leave stretches of time out of the mask, in place, at most a quarter of a clip at once."""
        if self.noise:
            x = x + self.noise * float(x.std()) * torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32))
        for i in range(len(x)):
            for _ in range(self.time_masks):
                n = int(mask[i].sum())
                length = int(rng.integers(0, min(self.time_mask, n // 4) + 1))
                start = int(rng.integers(0, n - length + 1))
                mask[i, start : start + length] = False
        return x

    def mix(self, x: Tensor, mask: Tensor, target: Tensor, rng: Rng) -> tuple[Tensor, Tensor, Tensor]:
        """Mix each clip and its target with another one's, in some batches."""
        if not self.mixup or rng.uniform() >= self.mixup_share:
            return x, mask, target
        share = float(rng.beta(self.mixup, self.mixup))
        share = max(share, 1 - share)
        other = torch.from_numpy(rng.permutation(len(x)))
        return share * x + (1 - share) * x[other], mask | mask[other], share * target + (1 - share) * target[other]


MODELS = {
    "encoder_head": ModelSpec(
        name="encoder_head",
        features=ENCODER,
        uneven=True,
        build=EncoderHead,
        neural=True,
        summary="attentive pooling over the frames of a frozen speech encoder's blocks, which the recipe names",
    )
}
