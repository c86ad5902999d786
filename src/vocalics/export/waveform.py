"""The default net as one graph from waveform to probabilities: the log-mel front end in ONNX, before the net.

The transform's matrix is not stored: the graph computes it from its few settings when it is loaded, so that the file
holds the net's weights and little else. Angles are reduced in whole numbers first, which keeps them exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.errors import MissingExtraError
from vocalics.export.onnx import IR_VERSION, OPSET, OUTPUT, trace
from vocalics.features.logmel import LogMel

INPUT = "waveform"
SILENCE = 1e-9
"""The peak that a waveform is taken to have at least when its level is brought to 1."""


def front_end(settings: LogMel) -> Any:
    """Return the front end as an ONNX model: "waveform" (n, n_samples) to "log_mel" (n, n_mels, n_frames).

    The waveform's peak is brought to 1 first, so that level cannot matter; a waveform shorter than a frame is padded
    with zeros. Equal to :func:`vocalics.logmel_bank.spectrogram` but for rounding.
    """
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        raise MissingExtraError("exporting a net", "train") from None
    transform, matrices = power_spectrum(
        "fe_padded", "fe_power", settings.window(), settings.hop_length, settings.n_fft
    )
    constants = {
        "fe_silence": np.array(SILENCE, np.float32),
        "fe_zero": np.array([0], np.int64),
        "fe_frame_length": np.array([settings.frame_length], np.int64),
        "fe_filterbank": settings.filterbank(),
        "fe_floor": np.array(settings.floor, np.float32),
        **matrices,
    }
    node = helper.make_node
    nodes = [
        # Level: divide by the peak.
        node("Abs", ["waveform"], ["fe_abs"]),
        node("ReduceMax", ["fe_abs"], ["fe_peak"], axes=[1], keepdims=1),
        node("Max", ["fe_peak", "fe_silence"], ["fe_divisor"]),
        node("Div", ["waveform", "fe_divisor"], ["fe_scaled"]),
        # Length: at least one frame.
        node("Shape", ["fe_scaled"], ["fe_length"], start=1, end=2),
        node("Sub", ["fe_frame_length", "fe_length"], ["fe_lacking"]),
        node("Max", ["fe_lacking", "fe_zero"], ["fe_pad"]),
        node("Concat", ["fe_zero", "fe_zero", "fe_zero", "fe_pad"], ["fe_pads"], axis=0),
        node("Pad", ["fe_scaled", "fe_pads"], ["fe_padded"]),
        *transform,
        # Bands, logarithm.
        node("MatMul", ["fe_filterbank", "fe_power"], ["fe_bands"]),
        node("Add", ["fe_bands", "fe_floor"], ["fe_floored"]),
        node("Log", ["fe_floored"], ["log_mel"]),
    ]
    graph = helper.make_graph(
        nodes,
        "front_end",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", "n_samples"])],
        [helper.make_tensor_value_info("log_mel", TensorProto.FLOAT, ["n", settings.n_mels, "n_frames"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model


def power_spectrum(
    signal: str, power: str, window: npt.NDArray[np.float32], hop_length: int, n_fft: int
) -> tuple[list[Any], dict[str, Any]]:
    """Return nodes that compute windowed frames' power, and their constants.

    Args:
        signal: Name of the input, (n, n_samples) with at least one frame's samples.
        power: Name of the output, (n, n_fft // 2 + 1, n_frames).
        window: Of a frame, shape (frame_length,).
        hop_length: In samples.
        n_fft: Length of the transform, at least that of a frame.
    """
    from onnx import TensorProto, helper

    frame_length, n_bins = len(window), n_fft // 2 + 1
    constants: dict[str, Any] = {
        "fe_axis": np.array([1], np.int64),
        "fe_first": np.array(0, np.int64),
        "fe_step": np.array(1, np.int64),
        "fe_n_samples": np.array(frame_length, np.int64),
        "fe_n_bins": np.array(n_bins, np.int64),
        "fe_n_fft": np.array(n_fft, np.int64),
        "fe_turn": np.array(2 * np.pi / n_fft, np.float32),
        "fe_column": np.array([1, frame_length], np.int64),
        "fe_row": np.array([n_bins, 1], np.int64),
        "fe_kernel": np.array([n_bins, 1, frame_length], np.int64),
        "fe_window": window.reshape(1, -1),
    }
    node = helper.make_node
    nodes = [
        # The windowed transform's matrices, from their indices.
        node("Range", ["fe_first", "fe_n_samples", "fe_step"], ["fe_t"]),
        node("Range", ["fe_first", "fe_n_bins", "fe_step"], ["fe_k"]),
        node("Reshape", ["fe_t", "fe_column"], ["fe_t_row"]),
        node("Reshape", ["fe_k", "fe_row"], ["fe_k_column"]),
        node("Mul", ["fe_t_row", "fe_k_column"], ["fe_tk"]),
        node("Mod", ["fe_tk", "fe_n_fft"], ["fe_steps"]),
        node("Cast", ["fe_steps"], ["fe_steps_float"], to=TensorProto.FLOAT),
        node("Mul", ["fe_steps_float", "fe_turn"], ["fe_angle"]),
        node("Cos", ["fe_angle"], ["fe_cos"]),
        node("Sin", ["fe_angle"], ["fe_sin"]),
        node("Mul", ["fe_cos", "fe_window"], ["fe_cos_windowed"]),
        node("Mul", ["fe_sin", "fe_window"], ["fe_sin_windowed"]),
        node("Reshape", ["fe_cos_windowed", "fe_kernel"], ["fe_cos_kernel"]),
        node("Reshape", ["fe_sin_windowed", "fe_kernel"], ["fe_sin_kernel"]),
        # Power.
        node("Unsqueeze", [signal, "fe_axis"], ["fe_signal"]),
        node("Conv", ["fe_signal", "fe_cos_kernel"], ["fe_real"], strides=[hop_length]),
        node("Conv", ["fe_signal", "fe_sin_kernel"], ["fe_imaginary"], strides=[hop_length]),
        node("Mul", ["fe_real", "fe_real"], ["fe_real2"]),
        node("Mul", ["fe_imaginary", "fe_imaginary"], ["fe_imaginary2"]),
        node("Add", ["fe_real2", "fe_imaginary2"], [power]),
    ]
    return nodes, constants


def from_torch(module: Any, settings: LogMel) -> Any:
    """Return a net of log-mel spectrograms as an ONNX model from "waveform" to "probabilities".

    Args:
        module: Maps (n, n_mels, n_frames) to logits (n, n_classes); its state is not changed.
        settings: The front end that it was trained with.

    Raises:
        MissingExtraError: Where torch or onnx is not installed.
    """
    try:
        import onnx
        import torch
        from onnx import compose, helper
    except ImportError:
        raise MissingExtraError("exporting a net", "train") from None

    class Probabilities(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
            return torch.softmax(self.module(log_mel).float(), dim=1)

    axes = {"log_mel": {0: "n", 2: "n_frames"}, OUTPUT: {0: "n"}}
    example = torch.zeros(2, settings.n_mels, 300)
    net = onnx.load_from_string(trace(Probabilities(), example, "log_mel", OUTPUT, axes))
    first = front_end(settings)
    net.ir_version = first.ir_version = min(net.ir_version, IR_VERSION)
    net = compose.add_prefix(net, "net_", rename_inputs=False, rename_outputs=False)
    model = compose.merge_models(first, net, io_map=[("log_mel", "log_mel")])
    model.ir_version, model.producer_name = min(model.ir_version, IR_VERSION), "vocalics"
    del model.opset_import[:]
    model.opset_import.extend([helper.make_opsetid("", OPSET)])
    model.graph.name = "waveform_to_probabilities"
    onnx.checker.check_model(model)
    return model
