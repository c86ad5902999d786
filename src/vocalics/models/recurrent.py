"""Recurrent nets over frames: an LSTM, and one behind convolutions, both read out by attention over time."""

from __future__ import annotations

import torch
from torch import nn

from vocalics.errors import RecipeError
from vocalics.models import ModelSpec
from vocalics.models.classical import count, flag, share
from vocalics.models.keras_layers import initialise

FRAMES = "mfcc_pitch_energy_fixed"
"""The feature set that these nets are made for; ``shape`` makes them fit another."""


class Recurrent(nn.Module):
    """Convolutions (none, or some) over frames, LSTM layers, attention over time, dense.

    The state starts at zero for every clip (Hochreiter and Schmidhuber, "Long short-term memory", 1997), and the gates
    of forgetting start open (Jozefowicz, Zaremba and Sutskever, ICML 2015). A learned score per step, softmax over
    time, weighs the states that are summed up (Mirsamadi, Barsoum and Zhang, "Automatic speech emotion recognition
    using recurrent neural networks with local attention", ICASSP 2017).

    Args:
        n_classes: Size of the output.
        shape: Rows and frames of one input.
        channels: Widths of the convolutions of 5 frames; batch norm, ReLU and max pooling by 2 follow each.
        width: Size of the LSTM's state, per direction.
        n_layers: LSTM layers on top of one another.
        bidirectional: Whether the frames are also read backwards.
        dropout: Share dropped behind the convolutions, between LSTM layers and before the output.

    Attributes:
        shape: The shape of one input.
    """

    def __init__(
        self,
        n_classes: int,
        shape: tuple[int, int],
        channels: tuple[int, ...],
        width: int,
        n_layers: int,
        bidirectional: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        n_rows, n_frames = (count("shape", n, 1) for n in shape)
        self.shape = (n_rows, n_frames)
        if n_frames < 2 ** len(channels):
            raise RecipeError(
                f"model_settings.channels = {list(channels)} halve {n_frames} frames {len(channels)} times; expected "
                "fewer convolutions, or more frames"
            )
        layers: list[nn.Module] = [] if channels else [nn.BatchNorm1d(n_rows)]
        n_in = n_rows
        for n_out in channels:
            n_out = count("channels", n_out, 1)
            layers += [nn.Conv1d(n_in, n_out, 5, padding=2, bias=False), nn.BatchNorm1d(n_out), nn.ReLU()]
            layers += [nn.MaxPool1d(2)]
            n_in = n_out
        left_out = share("dropout", dropout)
        self.front = nn.Sequential(*layers, nn.Dropout(left_out))
        self.lstm = nn.LSTM(
            n_in,
            count("width", width, 1),
            count("n_layers", n_layers, 1),
            batch_first=True,
            bidirectional=flag("bidirectional", bidirectional),
            dropout=left_out if n_layers > 1 else 0.0,
        )
        n_states = width * (2 if bidirectional else 1)
        self.score = nn.Sequential(nn.Linear(n_states, width), nn.Tanh(), nn.Linear(width, 1))
        self.head = nn.Sequential(nn.Dropout(left_out), nn.Linear(n_states, n_classes))
        initialise(self)
        _initialise_lstm(self.lstm)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map float32 (n, n_rows, n_frames) to logits (n, n_classes)."""
        states, _ = self.lstm(self.front(features).transpose(1, 2))
        weight = torch.softmax(self.score(states), dim=1)
        logits: torch.Tensor = self.head((weight * states).sum(dim=1))
        return logits


def _initialise_lstm(lstm: nn.LSTM) -> None:
    """Glorot-uniform from the input, orthogonal from state to state, biases zero but for forgetting, in place."""
    n = lstm.hidden_size
    for name, weight in lstm.named_parameters():
        if name.startswith("weight_ih"):
            nn.init.xavier_uniform_(weight)
        elif name.startswith("weight_hh"):
            for gate in torch.split(weight.data, n):
                nn.init.orthogonal_(gate)
        else:
            nn.init.zeros_(weight)
            if name.startswith("bias_ih"):
                nn.init.ones_(weight.data[n : 2 * n])  # torch's order of gates: input, forget, cell, output


def lstm(
    n_classes: int = 8,
    shape: tuple[int, int] = (29, 300),
    width: int = 64,
    n_layers: int = 1,
    bidirectional: bool = True,
    dropout: float = 0.3,
) -> Recurrent:
    """Return an LSTM that reads every frame, see :class:`Recurrent`.

    Args:
        n_classes: Size of the output.
        shape: Rows and frames of one input.
        width: Size of the LSTM's state, per direction, at least 1.
        n_layers: LSTM layers on top of one another, at least 1.
        bidirectional: Whether the frames are also read backwards.
        dropout: Share dropped before the LSTM, between LSTM layers and before the output, from 0 to below 1.
    """
    return Recurrent(n_classes, shape, (), width, n_layers, bidirectional, dropout)


def cnn_lstm(
    n_classes: int = 8,
    shape: tuple[int, int] = (29, 300),
    channels: tuple[int, ...] = (64, 96),
    width: int = 64,
    n_layers: int = 1,
    bidirectional: bool = True,
    dropout: float = 0.3,
) -> Recurrent:
    """Return convolutions and an LSTM over what they make of four frames each, see :class:`Recurrent`.

    Args:
        n_classes: Size of the output.
        shape: Rows and frames of one input.
        channels: Widths of the convolutions of 5 frames; max pooling by 2 follows each.
        width: Size of the LSTM's state, per direction, at least 1.
        n_layers: LSTM layers on top of one another, at least 1.
        bidirectional: Whether the frames are also read backwards.
        dropout: Share dropped behind the convolutions, between LSTM layers and before the output, from 0 to below 1.
    """
    return Recurrent(n_classes, shape, tuple(channels), width, n_layers, bidirectional, dropout)


MODELS: dict[str, ModelSpec] = {
    "lstm": ModelSpec(
        name="lstm",
        features=FRAMES,
        build=lstm,
        neural=True,
        summary="bidirectional LSTM over 3 s of MFCC, pitch and level, attention over time",
    ),
    "cnn_lstm": ModelSpec(
        name="cnn_lstm",
        features=FRAMES,
        build=cnn_lstm,
        neural=True,
        summary="two convolutions and a bidirectional LSTM over 3 s of MFCC, pitch and level, attention over time",
    ),
}
