"""A graph that can get used to a voice: see :mod:`vocalics.voices`.

The layer is what the first linear map gives. To take an offset away there is to take it away from the features, which
is what nets are trained for (:mod:`vocalics.models.rows`), in fewer numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.export.familiarity import LINEAR
from vocalics.modelfile import OUTPUT, VOICE, VOICE_LEFT
from vocalics.voices import Values

PREFIX = f"{VOICE}_"
CENTRES = PREFIX + "centres"
"""The name of the constant that holds the emotions' centres."""


_AFFINE = frozenset(("Sub", "Add", "Mul", "Div", "BatchNormalization", "Identity"))
"""What may stand between the features and the first linear map: an offset stays an offset."""


def layer(graph: Any) -> str | None:
    """Return the name of the value from which a voice is taken away; ``None`` where there is none that tells it.

    That is what the first linear map gives, if it reads nothing but the features, scaled.
    """
    constants = {value.name for value in graph.graph.initializer}
    reached = {graph.graph.input[0].name}
    for node in graph.graph.node:
        own = [name for name in node.input if name not in constants]
        if not own or not reached.issuperset(own):
            continue
        if node.op_type in LINEAR and len(own) == 1:
            return str(node.output[0])
        if node.op_type not in _AFFINE or len(own) > 1:
            return None
        reached |= {*node.output}
    return None


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
        numpy_helper.from_array(value, key) for key, value in ((VOICE, np.zeros(width, np.float32)), (CENTRES, centres))
    )
    graph.graph.node.insert(made + 1, helper.make_node("Sub", [name, VOICE], [PREFIX + "without"]))
    graph.graph.node.extend(
        (
            helper.make_node("MatMul", [OUTPUT, CENTRES], [PREFIX + "expected"]),
            helper.make_node("Sub", [name, PREFIX + "expected"], [VOICE_LEFT]),
        )
    )
    graph.graph.output.append(helper.make_tensor_value_info(VOICE_LEFT, TensorProto.FLOAT, ["n", width]))


def values(graph: Any, name: str, rows: npt.NDArray[np.float32]) -> Values:
    """Return what a layer holds for rows of features, shape (n_rows, n).

    Args:
        graph: An ONNX model of features.
        name: The layer's.
        rows: What the graph takes, shape (n_rows, ...).
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
    result: Values = np.concatenate(found)
    return result
