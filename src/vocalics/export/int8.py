"""A net's weights and activations as whole numbers of eight bits, in ONNX's own terms (QDQ).

Weights get one scale per output channel, activations one scale and zero point each, from the least and the largest
value on calibration clips (Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018). What makes sound into features stays in float32: its numbers span more
than eight bits hold. So does the last softmax.
"""

from __future__ import annotations

import dataclasses
import logging
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.errors import MissingExtraError, ModelFileError
from vocalics.export import voice
from vocalics.modelfile import STRANGENESS, Card, load

_LEAST = 64  # weights: a layer with fewer gains nothing
_WEIGHTED = ("Conv", "Gemm", "MatMul")
_PASSED = ("Relu", "MaxPool", "AveragePool", "Add")
FEWEST = 16
"""Calibration clips: the range of fewer says little."""


def quantised(source: Path, batches: Iterable[npt.NDArray[np.float32]]) -> tuple[bytes, Card]:
    """Return a model's graph with its layers in eight bits, and its card; the measured figures are no longer its own.

    Args:
        source: The model file.
        batches: What the graph is given of calibration clips, see :meth:`vocalics.recognizer.Recognizer.given`.

    Raises:
        MissingExtraError: Where the onnx package is not installed.
        ModelFileError: When the graph has no layer of weights, has eight bits already, or the clips are fewer than
            :data:`FEWEST`.
    """
    require()
    import onnx
    from onnxruntime import quantization

    about = load(source).card
    graph = onnx.load_model_from_string(source.read_bytes())
    if any(node.op_type == "DequantizeLinear" for node in graph.graph.node):
        raise ModelFileError(f"{source}: its weights are in eight bits already")
    # A voice is told and taken away in floats, of what the layer gives before it becomes codes.
    told = voice.take_away(graph)
    layers = _layers(graph)
    if not layers:
        raise ModelFileError(f"{source}: has no convolution and no dense layer; {about.name} gains nothing from 8 bits")
    given = list(batches)
    if len(given) < FEWEST:
        raise ModelFileError(f"{len(given)} calibration clips are too few; expected {FEWEST} of several voices")

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        """What ONNX Runtime asks its calibration inputs from."""

        def __init__(self) -> None:
            self.left = iter(given)

        def get_next(self) -> dict[str, Any] | None:
            batch = next(self.left, None)
            return None if batch is None else {graph.graph.input[0].name: batch}

    with tempfile.TemporaryDirectory() as folder, _quiet():
        named, written = Path(folder, "named.onnx"), Path(folder, "int8.onnx")
        onnx.save(graph, str(named))
        quantization.quantize_static(
            str(named),
            str(written),
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=[*_WEIGHTED, *_PASSED],
            nodes_to_quantize=layers,
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            activation_type=quantization.QuantType.QUInt8,
            # Seven bits: of eight, processors without VNNI add pairs of products in sixteen bits, and cut the sum off.
            reduce_range=True,
        )
        small = _read_floats(onnx.load(str(written)), graph)
    if told:
        layer, centres, spared = told
        maker = next(node.name for node in graph.graph.node if layer in node.output)
        voice.add(small, next(node.output[0] for node in small.graph.node if node.name == maker), centres, spared)
    named_card = dataclasses.replace(
        about, name=f"{about.name}-int8", description=f"{about.description} In eight bits.", figures=()
    )
    return small.SerializeToString(), named_card


def require() -> None:
    """Raise :class:`MissingExtraError` where the onnx package is not installed; for use before long work."""
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise MissingExtraError("a model in eight bits", "export") from None


def _layers(model: Any) -> list[str]:
    """Name every node of a graph, in place; return those that are to compute in eight bits.

    These are the layers with weights, and between them what passes their output on.
    """
    big = {tensor.name for tensor in model.graph.initializer if np.prod(tensor.dims) >= _LEAST}
    chosen: list[str] = []
    made: set[str] = set()
    for i, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{i}"
        weighted = node.op_type in _WEIGHTED and node.input[1] in big and not _keeps_digits(node.input[1])
        if weighted or (node.op_type in _PASSED and made.intersection(node.input)):
            chosen.append(node.name)
            made.update(node.output)
    return chosen


def _read_floats(small: Any, whole: Any) -> Any:
    """Let the layers that stay in floats read floats, in place, where the quantiser gave them its codes."""
    read = {node.name: node.input for node in whole.graph.node if len(node.input) > 1 and _keeps_digits(node.input[1])}
    for node in small.graph.node:
        if node.name in read:
            node.input[:] = read[node.name]
    return small


def _keeps_digits(weights: str) -> bool:
    """Return whether a layer stays in floats, by the name of its weights.

    What is expected of a voice is computed from the probabilities, which keep their digits; what is strange lies
    outside the range of the calibration clips, where codes end.
    """
    return weights.endswith((voice.CENTRES, voice.ACROSS, voice.ALONG)) or weights.startswith(f"{STRANGENESS}_")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice that the quantiser logs at every call: our graphs are folded when they are written."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
