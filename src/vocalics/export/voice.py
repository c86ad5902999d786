"""A graph that can get used to a voice: see :mod:`vocalics.voices`.

The layer is what the last linear map but one gives (or the last one, where there is no second). To take an offset away
there is to take it away from all that this map reads, which a net may have been trained for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.export.familiarity import linear_maps
from vocalics.modelfile import OUTPUT, VOICE, VOICE_LEFT
from vocalics.voices import Values

PREFIX = f"{VOICE}_"


def layer(graph: Any) -> str | None:
    """Return the name of the value from which a voice is taken away; ``None`` where a graph ends in no linear map."""
    found = linear_maps(graph, frozenset(("BatchNormalization",)))
    return str(found[-1].output[0]) if found else None


def add(graph: Any, name: str, centres: Values) -> None:
    """Give a graph the input :data:`vocalics.modelfile.VOICE` and the output that tells of it, in place.

    Args:
        graph: An ONNX model.
        name: The layer, (batch, n).
        centres: Of every emotion in that layer, see :func:`vocalics.voices.centres`.
    """
    from onnx import TensorProto, helper, numpy_helper

    width = centres.shape[1]
    for node in graph.graph.node:
        node.input[:] = [PREFIX + "without" if i == name else i for i in node.input]
    made = next(k for k, node in enumerate(graph.graph.node) if name in node.output)
    # Inputs with a value in the graph are those that may be left out.
    graph.graph.input.append(helper.make_tensor_value_info(VOICE, TensorProto.FLOAT, [width]))
    graph.graph.initializer.extend(
        numpy_helper.from_array(value, key)
        for key, value in ((VOICE, np.zeros(width, np.float32)), (PREFIX + "centres", centres))
    )
    graph.graph.node.insert(made + 1, helper.make_node("Sub", [name, VOICE], [PREFIX + "without"]))
    graph.graph.node.extend(
        (
            helper.make_node("MatMul", [OUTPUT, PREFIX + "centres"], [PREFIX + "expected"]),
            helper.make_node("Sub", [name, PREFIX + "expected"], [VOICE_LEFT]),
        )
    )
    graph.graph.output.append(helper.make_tensor_value_info(VOICE_LEFT, TensorProto.FLOAT, ["n", width]))


def values(
    graph: Any, name: str, rows: npt.NDArray[np.float32], progress: Callable[[int, int], Any] = lambda *_: None
) -> Values:
    """Return what a layer holds for rows of features, shape (n_rows, n).

    Args:
        graph: An ONNX model of features.
        name: The layer's.
        rows: What the graph takes, shape (n_rows, ...).
        progress: Called with (done, all).
    """
    import onnx
    import onnxruntime
    from onnx import helper

    exposed = onnx.ModelProto()
    exposed.CopyFrom(graph)
    exposed.graph.output.append(helper.make_empty_tensor_value_info(name))
    session = onnxruntime.InferenceSession(exposed.SerializeToString(), providers=["CPUExecutionProvider"])
    found = []
    for start in range(0, len(rows), 256):
        found.append(session.run([name], {session.get_inputs()[0].name: rows[start : start + 256]})[0])
        progress(min(start + 256, len(rows)), len(rows))
    result: Values = np.concatenate(found)
    return result
