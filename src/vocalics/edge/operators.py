"""The table of ONNX operators, and the reader that takes a graph in: the few kinds of steps that all is made of.

What each operator means stands in :mod:`vocalics.edge.elementwise`, :mod:`vocalics.edge.powers`,
:mod:`vocalics.edge.arrangement` and :mod:`vocalics.edge.weighted`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.edge.graph import Graph, Node, Value
from vocalics.edge.sizes import Shape, broadcast
from vocalics.errors import ModelFileError

OPERATORS: dict[str, Callable[[Reader, Any, dict[str, Any]], None]] = {}
"""By ONNX name: how an operator is read. Called with the reader, the node and its attributes."""


def operator(*names: str) -> Callable[..., Any]:
    """Enter a function into :data:`OPERATORS`."""

    def enter(function: Callable[[Reader, Any, dict[str, Any]], None]) -> Callable[[Reader, Any, dict[str, Any]], None]:
        OPERATORS.update(dict.fromkeys(names, function))
        return function

    return enter


class Reader:
    """Takes an ONNX graph node by node into a :class:`vocalics.edge.graph.Graph`."""

    def __init__(self, graph: Graph, opset: int, max_frames: int, onnx_nodes: Any = ()) -> None:
        self.graph = graph
        self.onnx_nodes = onnx_nodes
        self.opset = opset
        self.max_frames = max_frames

    def take_constants(self, tensors: Any) -> None:
        """Keep a graph's stored tensors."""
        from onnx import numpy_helper

        for tensor in tensors:
            self.constant(tensor.name, numpy_helper.to_array(tensor))

    def constant(self, name: str, data: npt.NDArray[Any]) -> str:
        """Keep known numbers under a name; return it."""
        kind = "float" if data.dtype.kind in "fb" else "int"
        self.graph.values[name] = Value(tuple(data.shape), data, kind=kind)
        return name

    def add(self, node: Any) -> None:
        """Take a node in: compute it where its inputs are known, else add the steps that it stands for."""
        from onnx import helper

        known = node.op_type in OPERATORS and node.domain in ("", "ai.onnx")
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        given = [self.graph.values[name] for name in node.input if name]
        if all(v.data is not None and v.data.dtype != object for v in given) and node.op_type != "Constant":
            self._compute(node, given)
        elif not known:
            raise ModelFileError(f"is not known. Known: {', '.join(sorted(OPERATORS))}")
        else:
            OPERATORS[node.op_type](self, node, attributes)

    def _compute(self, node: Any, given: list[Value]) -> None:
        from onnx.reference import ReferenceEvaluator

        inputs = {name: self.graph.values[name].data for name in node.input if name}
        computed = ReferenceEvaluator(node).run(None, inputs)
        for name, data in zip(node.output, computed, strict=False):
            self.constant(name, np.asarray(data))
        if node.op_type == "DequantizeLinear" and given[0].data is not None and given[0].data.dtype.kind == "i":
            axis = next((int(a.i) for a in node.attribute if a.name == "axis"), 1)
            codes, scale = given[0].data, np.asarray(given[1].data)
            zero = np.zeros_like(scale, np.int32) if len(given) < 3 else np.asarray(given[2].data)
            self.graph.values[node.output[0]].eight = (codes, scale, zero, axis)

    def known(self, name: str) -> npt.NDArray[Any]:
        """Return the numbers of a constant.

        Raises:
            ModelFileError: When it depends on the input.
        """
        data = self.graph.values[name].data
        if data is None:
            raise ModelFileError(f'"{name}" depends on the input; expected a constant')
        return data

    def shape(self, name: str) -> Shape:
        """Return a value's shape."""
        return self.graph.values[name].shape

    def step(self, kind: str, inputs: Sequence[str], output: str, shape: Shape, **settings: Any) -> str:
        """Add a step; return its output's name."""
        self.graph.nodes.append(Node(kind, list(inputs), output, settings))
        self.graph.values[output] = Value(shape, kind="u8" if kind == "quantise" else "float")
        return output

    def map(self, function: str, inputs: Sequence[str], output: str) -> str:
        """Add an elementwise step."""
        shape = broadcast(*(self.shape(name) for name in inputs))
        return self.step("map", inputs, output, shape, function=function)

    def reduce(self, function: str, source: str, output: str, axes: Sequence[int], keep: bool) -> str:
        """Add a reduction."""
        shape = self.shape(source)
        positive = sorted({axis % len(shape) for axis in axes})
        left = tuple(1 if a in positive else dim for a, dim in enumerate(shape) if keep or a not in positive)
        return self.step("reduce", [source], output, left, function=function, axes=positive, keep=keep)

    def number(self, name: str, value: float) -> str:
        """Keep one float under a name; return it."""
        return self.constant(name, np.array(value, np.float32))

    def view(self, source: str, output: str, axes: Sequence[int | None]) -> str:
        """Add a step that only reorders axes, adds or takes away axes of length 1.

        Args:
            source: What is viewed.
            output: The view's name.
            axes: For each axis of the view the source's; ``None`` for a new one.
        """
        value = self.graph.values[source]
        shape = tuple(1 if axis is None else value.shape[axis] for axis in axes)
        self.step("view", [source], output, shape, axes=list(axes))
        self.graph.values[output].kind = value.kind
        return output
