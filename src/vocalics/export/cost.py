"""What a model computes: multiply-accumulate operations of a graph, counted where it runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

_COUNTED = ("Conv", "Gemm", "MatMul")
_WEIGHTS = ("coefficients", "support_vectors")
"""Where the classifiers of ONNX-ML keep theirs: each is used once per clip."""


def macs(path: str | os.PathLike[str], batch: npt.NDArray[np.float32]) -> int:
    """Count the multiply-accumulate operations of convolutions and matrix products for one input.

    Sizes are those that the graph has when it runs: nothing is guessed of a graph whose sizes depend on its input. What
    is elementwise, and recurrent layers, are not counted.

    Args:
        path: A model file.
        batch: What the graph is given.
    """
    import onnx
    from onnx import helper

    model = onnx.load_model_from_string(Path(path).read_bytes())
    sizes = {value.name: tuple(value.dims) for value in model.graph.initializer}
    sizes[model.graph.input[0].name] = batch.shape
    nodes = [node for node in model.graph.node if node.op_type in _COUNTED]
    wanted = {name for node in nodes for name in (*node.input[:2], *node.output)} - set(sizes)
    given = {output.name for output in model.graph.output}
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in sorted(wanted - given))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = sorted(wanted)
    # No names at all would mean all outputs.
    found = session.run(names, {session.get_inputs()[0].name: batch}) if names else []
    for name, value in zip(names, found, strict=True):
        sizes[name] = value.shape
    weights = sum(len(a.floats) for node in model.graph.node for a in node.attribute if a.name in _WEIGHTS)
    return sum(_of_node(node, sizes) for node in nodes) + len(batch) * weights


def _of_node(node: Any, sizes: dict[str, tuple[int, ...]]) -> int:
    first, second, out = sizes[node.input[0]], sizes[node.input[1]], sizes[node.output[0]]
    if node.op_type == "Conv":
        return int(np.prod(out, dtype=np.int64) * np.prod(second[1:], dtype=np.int64))
    turned = any(a.name == "transA" and a.i for a in node.attribute)
    return int(np.prod(out, dtype=np.int64)) * first[0 if turned else -1]
