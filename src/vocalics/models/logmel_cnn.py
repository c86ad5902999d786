"""Compact log-mel nets with attentive pooling: a CNN, and one that soon convolves along time alone.

Residual 3×3 convolutions (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016) over a log-mel
spectrogram that is normalised per clip, then attentive statistics pooling over time (Okabe, Koshinaka and Shinoda,
"Attentive Statistics Pooling for Deep Speaker Embedding", Interspeech 2018). Where all bands are folded into channels
after a few of them (a time-delay net behind a convolutional front, as Desplanques et al., "Integrating Frequency
Translational Invariance in TDNNs", 2021), three times fewer operations do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from vocalics.errors import RecipeError
from vocalics.models import WAVEFORM, ModelSpec
from vocalics.registry import suggestion

DECIBEL = math.log(10.0) / 10.0
"""One decibel as a difference of natural logarithms of power."""


class ClipNormalisation(nn.Module):
    """Make a log-mel spectrogram independent of level, and in one of its two channels of a fixed colouring.

    Statistics are taken over the active frames, those within ``active_db`` of the loudest, so that silence around
    the words does not count; everything is limited to ``range_db`` below the loudest band of the clip.

    Maps (n, n_mels, n_frames), natural log of power, to (n, 2, n_mels, n_frames): channel 0 is shifted and scaled by
    the clip's mean and deviation; channel 1 has each band's own mean removed (cepstral mean normalisation carried
    out on bands), which takes away microphone and room colour.
    """

    def __init__(self, active_db: float = 35.0, range_db: float = 60.0) -> None:
        super().__init__()
        self.active = active_db * DECIBEL
        self.range = range_db * DECIBEL

    def forward(self, log_mel: Tensor, mask: Tensor | None = None) -> Tensor:
        level = log_mel.mean(dim=1, keepdim=True)
        loudest_band = log_mel.amax(dim=1, keepdim=True)
        if mask is not None:
            level = level.masked_fill(~mask[:, None], -1e4)
            loudest_band = loudest_band.masked_fill(~mask[:, None], -1e4)
        active = (level > level.amax(dim=2, keepdim=True) - self.active).to(log_mel.dtype)
        x = torch.maximum(log_mel, loudest_band.amax(dim=2, keepdim=True) - self.range)
        n_active = active.sum(dim=2, keepdim=True)
        band_mean = (x * active).sum(dim=2, keepdim=True) / n_active
        mean = band_mean.mean(dim=1, keepdim=True)
        variance = ((x - mean).square() * active).sum(dim=2, keepdim=True).mean(dim=1, keepdim=True) / n_active
        deviation = (variance + 0.01).sqrt()
        out = torch.stack([(x - mean) / deviation, (x - band_mean) / deviation], dim=1)
        return out if mask is None else out * mask[:, None, None].to(out.dtype)


class ResidualBlock(nn.Module):
    """Two convolutions over three frames and ``rows`` bands with batch norm, a 1×1 shortcut where the width changes."""

    def __init__(self, n_in: int, n_out: int, rows: int = 3) -> None:
        super().__init__()
        around = (rows // 2, 1)
        self.conv1 = nn.Conv2d(n_in, n_out, (rows, 3), padding=around, bias=False)
        self.norm1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, (rows, 3), padding=around, bias=False)
        self.norm2 = nn.BatchNorm2d(n_out)
        self.shortcut = nn.Conv2d(n_in, n_out, 1, bias=False) if n_in != n_out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(out)) + self.shortcut(x))


class Blur(nn.Sequential):
    """Every second step of time, or of bands and time, blurred before by 1, 2, 1.

    What is higher than the new steps can tell is left out, so that it matters less where a clip begins (Zhang, "Making
    Convolutional Networks Shift-Invariant Again", ICML 2019). Two means of two make the blur; outside are zeros.

    Args:
        sides: 1 for time alone, 2 for bands and time.
    """

    def __init__(self, sides: int) -> None:
        two = (2 if sides == 2 else 1, 2)
        super().__init__(nn.AvgPool2d(two, stride=1, padding=(two[0] // 2, 1)), nn.AvgPool2d(two))


class AttentiveStatistics(nn.Module):
    """Mean and deviation over time, weighted by attention: (n, n_channels, n_frames) to (n, 2·n_channels)."""

    def __init__(self, n_channels: int, n_hidden: int) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Conv1d(n_channels, n_hidden, 1), nn.Tanh(), nn.Conv1d(n_hidden, n_channels, 1))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        score = self.score(x)
        if mask is not None:
            score = score.masked_fill(~mask[:, None], -1e4)
        weight = torch.softmax(score, dim=2)
        mean = (weight * x).sum(dim=2)
        variance = (weight * x.square()).sum(dim=2) - mean.square()
        return torch.cat([mean, variance.clamp(min=1e-5).sqrt()], dim=1)


HALVINGS = ("max", "blur")
"""How a net halves time: the larger of every two steps, an odd last one left out; or every second, blurred before."""


LEAST_FRAMES = 7
"""Of which the nets here, that halve time three times, make a step; what is shorter is filled up."""


class LogMelNet(nn.Module):
    """Log-mel spectrogram to logits: what all nets here have in common.

    Args:
        stem: From two channels; halves time.
        blocks: Halve time twice, as ``halving`` says.
        halving: One of :data:`HALVINGS`.
        width: Channels that come out of the blocks.
        n_classes: Width of the output.
        n_hidden: Width of the attention and of the last hidden layer.
        dropout: Share of pooled features dropped while training.
        n_hints: Numbers foretold from the pooled features while training, behind the logits: a teacher's hints.
        n_frame_hints: Numbers foretold of every step of time while training, behind those, step by step.
    """

    STEP = 8
    """Frames per step of time."""

    def __init__(
        self,
        stem: nn.Module,
        blocks: nn.Module,
        halving: str,
        width: int,
        n_classes: int,
        n_hidden: int,
        dropout: float,
        n_hints: int,
        n_frame_hints: int,
    ) -> None:
        super().__init__()
        self.halving = halving
        self.normalise = ClipNormalisation()
        self.stem = stem
        self.blocks = blocks
        self.pool = AttentiveStatistics(width, n_hidden)
        self.head = nn.Sequential(
            nn.BatchNorm1d(2 * width),
            nn.Dropout(dropout),
            nn.Linear(2 * width, n_hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(n_hidden, n_classes),
        )
        self.hints: nn.Linear | None = nn.Linear(2 * width, n_hints) if n_hints else None
        self.frame_hints: nn.Conv1d | None = nn.Conv1d(width, n_frame_hints, 1) if n_frame_hints else None

    def forward(self, log_mel: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map (n, n_mels, n_frames) to logits (n, n_classes), while training with the hints behind them.

        Args:
            log_mel: Natural log of power.
            mask: (n, n_frames), true where a frame exists.
        """
        x = self.normalise(log_mel.float(), mask)
        x = self.blocks(self.stem(x.contiguous(memory_format=torch.channels_last)))
        if mask is not None:
            # The same three halvings of time as the stem and the blocks make.
            mask = mask[:, ::2]
            for _ in range(2):
                mask = mask[:, ::2] if self.halving == "blur" else mask[:, : mask.shape[1] // 2 * 2 : 2]
        steps = x.mean(dim=2)
        pooled = self.pool(steps.float(), mask)
        logits: Tensor = self.head(pooled)
        if not self.training:
            return logits
        told = [logits]
        if self.hints is not None:
            told.append(self.hints(pooled))
        if self.frame_hints is not None:
            told.append(self.frame_hints(steps).transpose(1, 2).flatten(1))
        return torch.cat(told, dim=1)

    def middles(self, n_frames: int) -> npt.NDArray[np.int64]:
        """Return which frame what is foretold of each step is of, shape (n_steps,).

        Blurred, that is the middle of what a step hears; of larger ones it is a frame later, as the bundled nets were
        taught.

        Args:
            n_frames: Of the spectrogram.
        """
        if self.halving == "blur":
            return np.arange(0, n_frames, self.STEP)
        return np.minimum(np.arange((n_frames + 1) // self.STEP) * self.STEP + self.STEP // 2, n_frames - 1)

    def forget_hints(self) -> None:
        """Leave out what only training needs."""
        self.hints = self.frame_hints = None


class LogMelCnn(LogMelNet):
    """Residual 3×3 convolutions over bands and time.

    Args:
        n_classes: Width of the output.
        n_mels: Number of mel bands; the front end makes 64.
        channels: Width of the four blocks.
        n_hidden: Width of the attention and of the last hidden layer.
        dropout: Share of pooled features dropped while training.
        n_hints: As of :class:`LogMelNet`.
        n_frame_hints: As of :class:`LogMelNet`.
    """

    def __init__(
        self,
        n_classes: int = 8,
        n_mels: int = 64,
        channels: Sequence[int] = (16, 64, 112, 128),
        n_hidden: int = 96,
        dropout: float = 0.3,
        n_hints: int = 0,
        n_frame_hints: int = 0,
    ) -> None:
        first, second, third, fourth = channels
        stem = _stem(first)
        blocks = nn.Sequential(
            ResidualBlock(first, first),
            nn.MaxPool2d(2),
            ResidualBlock(first, second),
            nn.MaxPool2d(2),
            ResidualBlock(second, third),
            nn.MaxPool2d((2, 1)),
            ResidualBlock(third, fourth),
        )
        super().__init__(stem, blocks, "max", fourth, n_classes, n_hidden, dropout, n_hints, n_frame_hints)


class LogMelTdnn(LogMelNet):
    """A few convolutions over bands and time, then along time alone.

    Args:
        n_classes: Width of the output.
        n_mels: Number of mel bands; the front end makes 64.
        n_first: Width of what goes over bands.
        width: Of what goes along time.
        depth: Residual blocks along time; the first at 40 ms a step, the others at 80.
        halving: Of time from 20 ms a step on, and of bands with it: "max", the larger of every two steps, or "blur",
            every second, blurred before.
        n_hidden: Width of the attention and of the last hidden layer.
        dropout: Share of pooled features dropped while training.
        n_hints: As of :class:`LogMelNet`.
        n_frame_hints: As of :class:`LogMelNet`.
    """

    def __init__(
        self,
        n_classes: int = 8,
        n_mels: int = 64,
        n_first: int = 16,
        width: int = 144,
        depth: int = 3,
        halving: str = "max",
        n_hidden: int = 96,
        dropout: float = 0.3,
        n_hints: int = 0,
        n_frame_hints: int = 0,
    ) -> None:
        if halving not in HALVINGS:
            raise RecipeError(
                f"halving = {halving}{suggestion(str(halving), HALVINGS) or '.'} Known: {', '.join(HALVINGS)}"
            )
        blurred = halving == "blur"
        stem, n_rows = _stem(n_first), -(-n_mels // 2)
        n_rows = -(-n_rows // 2) if blurred else n_rows // 2
        blocks = nn.Sequential(
            ResidualBlock(n_first, n_first),
            Blur(2) if blurred else nn.MaxPool2d(2),
            # Over all bands at once: from here on there is one row.
            nn.Conv2d(n_first, width, (n_rows, 3), padding=(0, 1), bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            ResidualBlock(width, width, 1),
            Blur(1) if blurred else nn.MaxPool2d((1, 2)),
            *(ResidualBlock(width, width, 1) for _ in range(depth - 1)),
        )
        super().__init__(stem, blocks, halving, width, n_classes, n_hidden, dropout, n_hints, n_frame_hints)


def _stem(n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(2, n_out, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(n_out), nn.ReLU())


MODELS = {
    "logmel_cnn": ModelSpec(
        name="logmel_cnn",
        features=WAVEFORM,
        uneven=True,
        build=LogMelCnn,
        neural=True,
        summary="Compact log-mel CNN with attentive pooling",
    ),
    "logmel_tdnn": ModelSpec(
        name="logmel_tdnn",
        features=WAVEFORM,
        uneven=True,
        build=LogMelTdnn,
        neural=True,
        summary="Convolutions over a log-mel spectrogram, soon along time alone, with attentive pooling",
    ),
}
