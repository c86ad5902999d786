"""From a model file to a short list of what is computed: constants worked out, one clip at a time, no ONNX left.

The graph is cut at the log-mel spectrogram where the model has its front end inside. Everything that does not depend
on the input is computed here, shapes included; a length that follows from the number of frames stays a formula
(:class:`vocalics.edge.sizes.Size`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from vocalics.edge.sizes import Shape, Size
from vocalics.errors import ModelFileError

CUT = "log_mel"
"""The tensor behind a front end inside a graph: where its C counterpart takes over."""


@dataclass
class Value:
    """What a name in a graph stands for.

    Attributes:
        shape: Its axes' lengths; the batch is 1.
        data: Its numbers where they are known; an array of whole numbers may hold :class:`Size`.
        eight: For weights in eight bits: whole numbers, scales, zero points and the axis of the scales, beside the
            floats in ``data``.
        kind: "float", "u8" (codes of eight bits) or "int".
    """

    shape: Shape
    data: npt.NDArray[Any] | None = None
    eight: tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], int] | None = None
    kind: str = "float"


@dataclass
class Node:
    """One step of a graph.

    Attributes:
        kind: What it does: "map" (elementwise), "reduce", "view", "reshape", "concat", "slice", "pad", "conv", "dense",
            "matmul", "pool", "recurrent", "quantise", "dequantise".
        inputs: Names of what it takes.
        output: Name of what it gives.
        settings: By name, what belongs to the kind.
    """

    kind: str
    inputs: list[str]
    output: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass
class Graph:
    """Steps in an order in which they can be computed, and what their names stand for."""

    source: str
    outputs: list[str]
    nodes: list[Node] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)

    def uses(self, name: str) -> list[Node]:
        """Return the nodes that read a value, one for every time that they read it."""
        return [node for node in self.nodes for read in node.inputs if read == name]

    def maker(self, name: str) -> Node | None:
        """Return the node that makes a value; ``None`` for constants and the input."""
        return next((node for node in self.nodes if node.output == name), None)


def only_use(graph: Graph, name: str) -> Node | None:
    """Return the one node that reads a value; ``None`` where several do, or it is an output."""
    uses = graph.uses(name)
    return uses[0] if len(uses) == 1 and name not in graph.outputs else None


def take_over(graph: Graph, node: Node, last: Node) -> None:
    """Let a node stand for itself and the last one behind it, at the last one's place."""
    graph.nodes.remove(node)
    graph.nodes[graph.nodes.index(last)] = node
    node.output = last.output


def read(model: Any, max_frames: int) -> Graph:
    """Return what a model's graph computes of one clip.

    Args:
        model: An ``onnx.ModelProto`` with one input of floats.
        max_frames: Frames that will be given at most, where their number varies.

    Raises:
        ModelFileError: For a graph that holds what is not known here, with its name and what is known.
    """
    from vocalics.edge import arrangement, elementwise, powers, weighted  # noqa: F401  (enter their operators)
    from vocalics.edge.operators import Reader

    proto = model.graph
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
    made_by = {name: node for node in proto.node for name in node.output}
    source = CUT if CUT in made_by else proto.input[0].name
    reader = Reader(Graph(source, [output.name for output in proto.output]), opset, max_frames, proto.node)
    reader.take_constants(proto.initializer)
    reader.graph.values[source] = Value(_input_shape(proto, source, reader))
    needed = _needed(proto, source)
    for node in proto.node:
        if id(node) not in needed:
            continue
        try:
            reader.add(node)
        except ModelFileError as error:
            raise ModelFileError(f'{node.op_type} (node "{node.name or node.output[0]}"): {error}') from None
    return reader.graph


def _needed(proto: Any, source: str) -> set[int]:
    """Return the identities of the nodes that the outputs depend on, from the source on."""
    made_by = {name: node for node in proto.node for name in node.output}
    wanted, found = [output.name for output in proto.output], set()
    while wanted:
        name = wanted.pop()
        node = made_by.get(name)
        if name != source and node is not None and id(node) not in found:
            found.add(id(node))
            wanted.extend(node.input)
    return found


def _input_shape(proto: Any, source: str, reader: Any) -> Shape:
    """Return the shape of what is given: (1, numbers), or (1, rows, frames) with frames that may vary."""
    if source == CUT:
        bands = next(node for node in proto.node if node.output[0] == "fe_bands")
        return (1, int(reader.graph.values[bands.input[0]].shape[0]), Size())
    dims = proto.input[0].type.tensor_type.shape.dim[1:]
    fixed = [int(d.dim_value) for d in dims]
    if len(fixed) == 1 and not fixed[0]:
        # A waveform, and no log-mel spectrogram in the graph to cut it at: an encoder.
        raise ModelFileError(
            "takes the sound itself, through a front end of its own, as models on pre-trained encoders do; ONNX "
            "Runtime runs these, devices the nets (default, tiny)"
        )
    if len(fixed) not in (1, 2) or fixed[0] < 1:
        raise ModelFileError(f"the input has {len(fixed) + 1} axes; expected (batch, numbers) or (batch, rows, frames)")
    return (1, fixed[0]) if len(fixed) == 1 else (1, fixed[0], fixed[1] or Size())
