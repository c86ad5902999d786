"""A graph that also says how strange a sound is: the distance of its last layers from where voices put them.

The layer is the one that the last two linear maps read (or the last one, where there is no second): what a net has made
of a whole clip. See :func:`vocalics.confidence.density`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics import audio
from vocalics.confidence import Density
from vocalics.modelfile import OUTPUT, STRANGENESS, LoadedModel, load
from vocalics.recognizer import WHOLE_SECONDS, Recognizer
from vocalics.segment import speech_seconds

_ELEMENTWISE = frozenset(
    ("Relu", "Identity", "Dropout", "Div", "Mul", "Add", "Sub", "Erf", "Tanh", "Sigmoid", "LeakyRelu", "Gelu", "Elu")
)
LINEAR = ("Gemm", "MatMul")


def layer(graph: Any) -> str | None:
    """Return the name of the value that tells most of a clip; ``None`` where the graph ends in no linear map."""
    maps = last_maps(graph)
    return str(maps[-1].input[0]) if maps else None


def last_maps(graph: Any) -> list[Any]:
    """Return the nodes of the linear maps in which a graph ends, two at most, the last one first."""
    made_by = {name: node for node in graph.graph.node for name in node.output}
    constants = {value.name for value in graph.graph.initializer}
    node = made_by.get(OUTPUT)
    if node is None or node.op_type != "Softmax":
        return []
    found: list[Any] = []
    while len(found) < 2:
        node = made_by.get(node.input[0])
        while node is not None and node.op_type in _ELEMENTWISE:
            node = made_by.get(next(i for i in node.input if i not in constants))
        if node is None or node.op_type not in LINEAR or node.input[0] in constants:
            break
        found.append(node)
    return found


def values(
    graph: Any, name: str, paths: Sequence[str], progress: Callable[[int, int], Any]
) -> tuple[npt.NDArray[np.float32], list[int]]:
    """Return what a layer holds for recordings of at most ten seconds; of longer ones, for their first ten.

    Args:
        graph: An ONNX model with its card.
        name: The layer's.
        paths: Audio files.
        progress: Called with (done, all).

    Returns:
        Shape (n_heard, n_values), and the positions of the recordings in which there is speech.
    """
    import onnx
    from onnx import helper

    exposed = onnx.ModelProto()
    exposed.CopyFrom(graph)
    exposed.graph.output.append(helper.make_empty_tensor_value_info(name))
    loaded: LoadedModel = load(exposed.SerializeToString())
    recognizer, found, heard = Recognizer(loaded), [], []
    for i, path in enumerate(paths):
        clip = audio.excerpt(audio.read(path, loaded.card.sample_rate), 0.0, WHOLE_SECONDS)
        if speech_seconds(clip) > 0:
            given = recognizer.given(clip, path)
            found.append(loaded.session.run([name], {loaded.card.input: given})[0].ravel())
            heard.append(i)
        progress(i + 1, len(paths))
    return np.array(found, np.float32), heard


def add(graph: Any, name: str, where: Density) -> None:
    """Give a graph the output :data:`vocalics.modelfile.STRANGENESS`, in place; one that it has is replaced."""
    from onnx import TensorProto, helper, numpy_helper

    _remove(graph)
    prefix = f"{STRANGENESS}_"
    version = next(o.version for o in graph.opset_import if o.domain in ("", "ai.onnx"))
    constants = {
        "projection": where.projection,
        "centres": where.centres[None],
        "one": np.array([1], np.int64),
        "two": np.array([2], np.int64),
    }
    graph.graph.initializer.extend(numpy_helper.from_array(value, prefix + key) for key, value in constants.items())
    least: dict[str, Any] = {"axes": [1]} if version < 18 else {}
    graph.graph.node.extend(
        helper.make_node(kind, inputs, [output], name=output, **settings)
        for kind, inputs, output, settings in (
            ("MatMul", [name, prefix + "projection"], prefix + "at", {}),
            ("Unsqueeze", [prefix + "at", prefix + "one"], prefix + "row", {}),
            ("Sub", [prefix + "row", prefix + "centres"], prefix + "from", {}),
            ("Mul", [prefix + "from", prefix + "from"], prefix + "square", {}),
            ("ReduceSum", [prefix + "square", prefix + "two"], prefix + "distance", {"keepdims": 0}),
            (
                "ReduceMin",
                [prefix + "distance", *([] if least else [prefix + "one"])],
                STRANGENESS,
                {**least, "keepdims": 0},
            ),
        )
    )
    graph.graph.output.append(helper.make_tensor_value_info(STRANGENESS, TensorProto.FLOAT, ["batch"]))


def _remove(graph: Any) -> None:
    for listed in (graph.graph.node, graph.graph.initializer, graph.graph.output):
        for item in [i for i in listed if i.name.startswith(STRANGENESS)]:
            listed.remove(item)
