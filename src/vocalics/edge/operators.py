"""What each ONNX operator means here: shapes, and the few kinds of steps that everything is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.edge.graph import Graph, Node, Value
from vocalics.edge.sizes import Dim, Shape, Size, broadcast, text
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


_UNARY = {
    name: name.lower()
    for name in ("Abs", "Exp", "Log", "Sqrt", "Tanh", "Sigmoid", "Erf", "Relu", "Neg", "Reciprocal", "Floor", "Not")
}
_UNARY |= {"Softplus": "softplus", "Softsign": "softsign", "Sin": "sin", "Cos": "cos", "HardSwish": "hard_swish"}
_BINARY = {"Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "Pow": "pow", "Greater": "greater", "Less": "less"}
_BINARY |= {"GreaterOrEqual": "at_least", "LessOrEqual": "at_most", "Equal": "equal", "And": "and", "Or": "or"}
_BINARY |= {"PRelu": "prelu"}


@operator(*_UNARY)
def _unary(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    reader.map(_UNARY[node.op_type], node.input, node.output[0])


@operator(*_BINARY)
def _binary(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    values = [reader.graph.values[name] for name in node.input]
    if all(v.data is not None for v in values):  # whole numbers, some of which depend on the number of frames
        a, b = (np.asarray(v.data, object) for v in values)
        name = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.floor_divide}
        if node.op_type not in name:
            raise ModelFileError("a comparison of lengths that vary")
        reader.constant(node.output[0], np.asarray(name[node.op_type](a, b), object))
        return
    reader.map(_BINARY[node.op_type], node.input, node.output[0])


@operator("Max", "Min", "Sum")
def _several(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    function = {"Max": "max", "Min": "min", "Sum": "add"}[node.op_type]
    names, result = list(node.input), node.input[0]
    for i, name in enumerate(names[1:], start=1):
        result = reader.map(
            function, [result, name], node.output[0] if i == len(names) - 1 else f"{node.output[0]}:{i}"
        )
    if len(names) == 1:
        reader.map("copy", names, node.output[0])


@operator("Identity", "Dropout")
def _same(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    value = reader.graph.values[node.input[0]]
    if value.data is not None:
        reader.graph.values[node.output[0]] = value
    else:
        reader.view(node.input[0], node.output[0], range(len(value.shape)))


@operator("Cast")
def _cast(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    from onnx import TensorProto

    value = reader.graph.values[node.input[0]]
    if value.data is not None:
        reader.graph.values[node.output[0]] = value
    elif attributes["to"] in (TensorProto.FLOAT, TensorProto.FLOAT16):
        reader.view(node.input[0], node.output[0], range(len(value.shape)))  # truth values are floats here already
    elif attributes["to"] == TensorProto.BOOL:
        reader.map("true", [node.input[0]], node.output[0])
    else:
        raise ModelFileError(f"a cast to {TensorProto.DataType.Name(attributes['to'])}; expected FLOAT or BOOL")


@operator("Clip")
def _clip(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    limits = [(f, node.input[i]) for f, i in (("max", 1), ("min", 2)) if len(node.input) > i and node.input[i]]
    for function, key in (("max", "min"), ("min", "max")):
        if key in attributes:
            limits.append((function, reader.number(f"{node.output[0]}:{key}", attributes[key])))
    name = node.input[0]
    for i, (function, limit) in enumerate(limits):
        name = reader.map(function, [name, limit], node.output[0] if i == len(limits) - 1 else f"{node.output[0]}:{i}")
    if not limits:
        reader.map("copy", [name], node.output[0])


@operator("LeakyRelu", "Elu", "HardSigmoid")
def _bent(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    alpha = {"LeakyRelu": 0.01, "Elu": 1.0, "HardSigmoid": 0.2}[node.op_type]
    name = node.output[0]
    inputs = [node.input[0], reader.number(f"{name}:alpha", attributes.get("alpha", alpha))]
    if node.op_type == "HardSigmoid":
        inputs.append(reader.number(f"{name}:beta", attributes.get("beta", 0.5)))
    reader.map({"LeakyRelu": "prelu", "Elu": "elu", "HardSigmoid": "hard_sigmoid"}[node.op_type], inputs, name)


@operator("Where")
def _where(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    reader.map("where", node.input, node.output[0])


_REDUCTIONS = {"ReduceMax": "max", "ReduceMin": "min", "ReduceMean": "mean", "ReduceSum": "sum"}


@operator(*_REDUCTIONS, "ReduceSumSquare", "ReduceL2")
def _reduction(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    axes = attributes.get("axes")
    if len(node.input) > 1 and node.input[1]:
        axes = [int(a) for a in reader.known(node.input[1]).ravel()]
    if not axes:
        if attributes.get("noop_with_empty_axes"):
            reader.view(node.input[0], node.output[0], range(len(reader.shape(node.input[0]))))
            return
        axes = list(range(len(reader.shape(node.input[0]))))
    source, output, keep = node.input[0], node.output[0], bool(attributes.get("keepdims", 1))
    if node.op_type in _REDUCTIONS:
        reader.reduce(_REDUCTIONS[node.op_type], source, output, axes, keep)
        return
    square = reader.map("mul", [source, source], f"{output}:square")
    total = f"{output}:sum" if node.op_type == "ReduceL2" else output
    reader.reduce("sum", square, total, axes, keep)
    if node.op_type == "ReduceL2":
        reader.map("sqrt", [total], output)


@operator("Softmax", "LogSoftmax")
def _softmax(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    source, name = node.input[0], node.output[0]
    axis = attributes.get("axis", -1 if reader.opset >= 13 else 1)
    if reader.opset < 13 and axis % len(reader.shape(source)) != len(reader.shape(source)) - 1:
        raise ModelFileError("over several axes (before opset 13); expected one axis")
    top = reader.reduce("max", source, f"{name}:top", [axis], True)
    below = reader.map("sub", [source, top], f"{name}:below")
    power = reader.map("exp", [below], f"{name}:exp")
    total = reader.reduce("sum", power, f"{name}:total", [axis], True)
    if node.op_type == "Softmax":
        reader.map("div", [power, total], name)
    else:
        reader.map("sub", [below, reader.map("log", [total], f"{name}:log")], name)


@operator("BatchNormalization")
def _batch_norm(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    gain, offset, mean, variance = (reader.known(name).astype(np.float64) for name in node.input[1:5])
    scale = gain / np.sqrt(variance + attributes.get("epsilon", 1e-5))
    sides = (1, -1, *(1,) * (len(reader.shape(node.input[0])) - 2))
    name = node.output[0]
    by = reader.constant(f"{name}:scale", scale.reshape(sides).astype(np.float32))
    plus = reader.constant(f"{name}:offset", (offset - mean * scale).reshape(sides).astype(np.float32))
    reader.map("add", [reader.map("mul", [node.input[0], by], f"{name}:scaled"), plus], name)


@operator("LayerNormalization")
def _layer_norm(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    source, name = node.input[0], node.output[0]
    rank = len(reader.shape(source))
    axes = range(attributes.get("axis", -1) % rank, rank)
    mean = reader.reduce("mean", source, f"{name}:mean", axes, True)
    from_mean = reader.map("sub", [source, mean], f"{name}:from_mean")
    square = reader.map("mul", [from_mean, from_mean], f"{name}:square")
    variance = reader.reduce("mean", square, f"{name}:variance", axes, True)
    epsilon = reader.number(f"{name}:epsilon", attributes.get("epsilon", 1e-5))
    deviation = reader.map("sqrt", [reader.map("add", [variance, epsilon], f"{name}:floored")], f"{name}:deviation")
    affine = [n for n in node.input[1:3] if n]
    result = reader.map("div", [from_mean, deviation], f"{name}:normal" if affine else name)
    for i, constant in enumerate(affine):
        last = i == len(affine) - 1
        result = reader.map("add" if i else "mul", [result, constant], name if last else f"{name}:scaled")


@operator("Transpose")
def _transpose(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    rank = len(reader.shape(node.input[0]))
    reader.view(node.input[0], node.output[0], attributes.get("perm", range(rank - 1, -1, -1)))


def _listed(reader: Reader, node: Any, attributes: dict[str, Any], key: str, place: int) -> list[int] | None:
    if len(node.input) > place and node.input[place]:
        return [int(v) for v in reader.known(node.input[place]).ravel()]
    return [int(v) for v in attributes[key]] if key in attributes else None


@operator("Squeeze", "Unsqueeze")
def _squeeze(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    value = reader.graph.values[node.input[0]]
    rank, axes = len(value.shape), _listed(reader, node, attributes, "axes", 1)
    if node.op_type == "Unsqueeze":
        new = {axis % (rank + len(axes or [])) for axis in axes or []}
        old = iter(range(rank))
        order: list[int | None] = [None if a in new else next(old) for a in range(rank + len(new))]
    else:
        gone = [a for a, d in enumerate(value.shape) if d == 1] if axes is None else [a % rank for a in axes]
        order = [a for a in range(rank) if a not in gone]
    if value.data is not None:
        sides = [1 if a is None else value.data.shape[a] for a in order]
        reader.constant(node.output[0], value.data.reshape(sides))
    else:
        reader.view(node.input[0], node.output[0], order)


@operator("Reshape", "Flatten")
def _reshape(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    value = reader.graph.values[node.input[0]]
    before = value.shape
    if node.op_type == "Flatten":
        axis = attributes.get("axis", 1) % (len(before) + 1)
        wanted: list[Any] = [_product(before[:axis]), _product(before[axis:])]
    else:
        wanted = list(reader.known(node.input[1]).ravel())
        if not attributes.get("allowzero"):
            wanted = [before[i] if isinstance(w, int | np.integer) and w == 0 else w for i, w in enumerate(wanted)]
    after = _filled(before, [w if isinstance(w, Size) else int(w) for w in wanted])
    if value.data is not None:
        reader.constant(node.output[0], value.data.reshape([int(a) for a in after if isinstance(a, int)]))
        return
    rest = [a for a, dim in enumerate(before) if dim != 1]
    if [before[a] for a in rest] == [dim for dim in after if dim != 1]:
        left = iter(rest)
        reader.view(node.input[0], node.output[0], [None if dim == 1 else next(left) for dim in after])
    elif any(isinstance(dim, Size) for dim in before):
        raise ModelFileError(f"from {text(before)} to {text(after)}: frames that vary cannot be regrouped")
    else:
        reader.step("reshape", [node.input[0]], node.output[0], after)
        reader.graph.values[node.output[0]].kind = value.kind


def _product(dims: Shape) -> Dim:
    others = 1
    varying = [dim for dim in dims if isinstance(dim, Size)]
    for dim in dims:
        others *= 1 if isinstance(dim, Size) else dim
    if len(varying) > 1 or (varying and others != 1):
        raise ModelFileError(f"{text(dims)} cannot become one axis while the number of frames varies")
    return varying[0] if varying else others


def _filled(before: Shape, wanted: list[Dim]) -> Shape:
    """Return a wanted shape with its -1 worked out."""
    if -1 not in wanted:
        return tuple(wanted)
    missing = list(before)
    for dim in wanted:
        if isinstance(dim, Size) and dim in missing:
            missing.remove(dim)
    fixed = 1
    for dim in wanted:
        fixed *= dim if isinstance(dim, int) and dim != -1 else 1
    varying = [dim for dim in missing if isinstance(dim, Size)]
    total = 1
    for dim in missing:
        total *= dim if isinstance(dim, int) else 1
    if len(varying) > 1 or (varying and total != fixed):
        raise ModelFileError(f"{text(before)} cannot be regrouped while the number of frames varies")
    left: Dim = varying[0] if varying else total // fixed
    return tuple(left if isinstance(dim, int) and dim == -1 else dim for dim in wanted)


@operator("Shape")
def _shape(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    dims = reader.shape(node.input[0])[attributes.get("start", 0) : attributes.get("end")]
    exact = all(isinstance(dim, int) for dim in dims)
    reader.constant(node.output[0], np.array(dims, np.int64 if exact else object))


@operator("Constant")
def _constant(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    from onnx import numpy_helper

    key, value = next(iter(attributes.items()))
    kinds = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    if key != "value" and key not in kinds:
        raise ModelFileError(f"{key}; expected numbers")
    reader.constant(node.output[0], numpy_helper.to_array(value) if key == "value" else np.array(value, kinds[key]))


@operator("Concat")
def _concat(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    values = [reader.graph.values[name] for name in node.input]
    if all(v.data is not None for v in values):
        reader.constant(node.output[0], np.concatenate([np.asarray(v.data, object) for v in values]))
        return
    axis = attributes["axis"] % len(values[0].shape)
    lengths = [v.shape[axis] for v in values]
    total: Dim = sum(length for length in lengths if isinstance(length, int))
    varying = [length for length in lengths if isinstance(length, Size)]
    if varying:
        if len(varying) > 1:
            raise ModelFileError("joins two lengths that vary")
        total = varying[0] + total if isinstance(total, int) else total
    shape = tuple(total if a == axis else dim for a, dim in enumerate(values[0].shape))
    reader.step("concat", node.input, node.output[0], shape, axis=axis)


def _cut(reader: Reader, source: str, output: str, axis: int, start: int, length: Dim, step: int = 1) -> str:
    shape = tuple(length if a == axis else dim for a, dim in enumerate(reader.shape(source)))
    return reader.step("slice", [source], output, shape, axis=axis, start=start, step=step)


@operator("Slice")
def _slice(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    value = reader.graph.values[node.input[0]]
    starts, ends = (_listed(reader, node, attributes, k, i) or [] for k, i in (("starts", 1), ("ends", 2)))
    axes = _listed(reader, node, attributes, "axes", 3) or list(range(len(starts)))
    steps = _listed(reader, node, attributes, "steps", 4) or [1] * len(starts)
    if value.data is not None:
        cuts = [slice(None)] * value.data.ndim
        for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
            cuts[axis] = slice(start, end if abs(end) < 2**31 else None, step)
        reader.constant(node.output[0], value.data[tuple(cuts)])
        return
    name = node.input[0]
    for i, (axis, start, end, step) in enumerate(zip(axes, starts, ends, steps, strict=True)):
        axis %= len(value.shape)
        dim = value.shape[axis]
        output = node.output[0] if i == len(axes) - 1 else f"{node.output[0]}:{i}"
        if isinstance(dim, int):
            cut = range(dim)[slice(start, end, step)]
            name = _cut(reader, name, output, axis, cut.start, len(cut), step)
        elif start >= 0 and step > 0 and (end < 0 or end > reader.max_frames):
            stop = dim if end > 0 else dim + end
            name = _cut(reader, name, output, axis, start, (stop - start + (step - 1)) // step, step)
        else:
            raise ModelFileError(f"cuts {start}:{end} out of a length that varies")


@operator("Split")
def _split(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    shape = reader.shape(node.input[0])
    axis = attributes.get("axis", 0) % len(shape)
    whole = shape[axis]
    if not isinstance(whole, int):
        raise ModelFileError("parts of a length that varies")
    size = -(-whole // len(node.output))
    parts = _listed(reader, node, attributes, "split", 1) or [
        min(size, whole - i * size) for i in range(len(node.output))
    ]
    start = 0
    for name, length in zip(node.output, parts, strict=True):
        _cut(reader, node.input[0], name, axis, start, length)
        start += length


@operator("Gather")
def _gather(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    value, index = reader.graph.values[node.input[0]], reader.known(node.input[1])
    axis = attributes.get("axis", 0) % len(value.shape)
    if value.data is not None:
        reader.constant(node.output[0], np.asarray(value.data.take(index.astype(np.int64), axis=axis), object))
        return
    dim = value.shape[axis]
    if index.size != 1 or not isinstance(dim, int):
        raise ModelFileError("takes several places, or one of a length that varies; expected one of a fixed length")
    cut = _cut(reader, node.input[0], f"{node.output[0]}:cut", axis, int(index.ravel()[0]) % dim, 1)
    axes: list[int | None] = list(range(len(value.shape)))
    axes[axis : axis + 1] = [] if index.ndim == 0 else [axis, *[None] * (index.ndim - 1)]
    reader.view(cut, node.output[0], axes)


@operator("Expand", "ConstantOfShape")
def _expand(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    from onnx import numpy_helper

    wanted = tuple(d if isinstance(d, Size) else int(d) for d in reader.known(node.input[-1]).ravel())
    if node.op_type == "ConstantOfShape":
        number = float(numpy_helper.to_array(attributes["value"]).ravel()[0]) if "value" in attributes else 0.0
        source = reader.number(f"{node.output[0]}:number", number)
    else:
        source = node.input[0]
    shape = broadcast(wanted, reader.shape(source))
    reader.step("map", [source], node.output[0], shape, function="copy")


@operator("QuantizeLinear", "DequantizeLinear")
def _eight(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    scale = reader.known(node.input[1])
    zero = reader.known(node.input[2]) if len(node.input) > 2 else np.zeros(scale.shape, np.uint8)
    if scale.size != 1 or zero.dtype != np.uint8:
        raise ModelFileError("expected one scale and a zero point of kind uint8 for what depends on the input")
    reader.step(
        "quantise" if node.op_type == "QuantizeLinear" else "dequantise",
        node.input[:1],
        node.output[0],
        reader.shape(node.input[0]),
        scale=float(np.float32(scale.ravel()[0])),
        zero=int(zero.ravel()[0]),
    )
