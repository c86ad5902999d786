"""What ONNX's operators on numbers mean here: element by element, sums and the largest along axes, norms, codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from vocalics.edge.operators import Reader, operator
from vocalics.errors import ModelFileError

_UNARY = {
    name: name.lower()
    for name in ("Abs", "Exp", "Log", "Sqrt", "Tanh", "Sigmoid", "Erf", "Relu", "Neg", "Reciprocal", "Floor", "Not")
}
_UNARY |= {"Softplus": "softplus", "Softsign": "softsign", "Sin": "sin", "Cos": "cos", "HardSwish": "hard_swish"}
_BINARY = {"Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "Greater": "greater", "Less": "less"}
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
        try:
            found = name[node.op_type](a, b)
        except TypeError:
            raise ModelFileError(f"{node.op_type} of a length that varies; expected whole steps of it") from None
        reader.constant(node.output[0], np.asarray(found, object))
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
