"""What ONNX's operators with weights and windows mean here: convolutions, dense layers, pooling, recurrent layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from vocalics.edge.operators import Reader, operator
from vocalics.edge.sizes import Dim, Shape, broadcast
from vocalics.errors import ModelFileError


def _sides(node: Any, attributes: dict[str, Any], kernel: list[int]) -> dict[str, list[int]]:
    """Return strides, dilations and pads of a window."""
    rank = len(kernel)
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise ModelFileError(f"auto_pad {attributes['auto_pad'].decode()}; expected pads in numbers")
    pads = list(attributes.get("pads", [0] * 2 * rank))
    return {
        "kernel": kernel,
        "strides": list(attributes.get("strides", [1] * rank)),
        "dilations": list(attributes.get("dilations", [1] * rank)),
        "before": pads[:rank],
        "after": pads[rank:],
    }


def windows(dims: Shape, sides: dict[str, list[int]], ceil: bool = False) -> Shape:
    """Return how many places a window has along each side."""
    result: list[Dim] = []
    for i, dim in enumerate(dims):
        reach = (sides["kernel"][i] - 1) * sides["dilations"][i] + 1
        room = dim + (sides["before"][i] + sides["after"][i] - reach)
        stride = sides["strides"][i]
        if ceil and not isinstance(dim, int) and stride + sides["after"][i] > reach:
            # Whether a window would begin behind the input depends on the length: no formula of ours says so.
            raise ModelFileError(
                f"with ceil_mode over a length that varies, kernel {reach}, stride {stride} and pads of "
                f"{sides['after'][i]} behind; expected a kernel as long as both together, or ceil_mode = 0"
            )
        places = (room + (stride - 1 if ceil else 0)) // stride + 1
        if (
            ceil
            and isinstance(dim, int)
            and isinstance(places, int)
            and (places - 1) * stride >= dim + sides["before"][i]
        ):
            places -= 1  # a window that would begin in the padding behind
        result.append(places)
    return tuple(result)


@operator("Conv")
def _conv(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    weights, shape = reader.known(node.input[1]), reader.shape(node.input[0])
    sides = _sides(node, attributes, list(weights.shape[2:]))
    if len(shape) not in (3, 4):
        raise ModelFileError(f"over {len(shape) - 2} sides; expected 1 or 2")
    bias = reader.known(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    reader.step(
        "conv",
        node.input[:1],
        node.output[0],
        (1, weights.shape[0], *windows(shape[2:], sides)),
        weights=weights.astype(np.float32),
        eight=reader.graph.values[node.input[1]].eight,
        bias=None if bias is None else bias.astype(np.float32),
        group=attributes.get("group", 1),
        **sides,
    )


@operator("MaxPool", "AveragePool")
def _pool(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    shape = reader.shape(node.input[0])
    sides = _sides(node, attributes, list(attributes["kernel_shape"]))
    if set(sides["dilations"]) != {1}:
        raise ModelFileError("with dilations; expected none")
    ceil = bool(attributes.get("ceil_mode"))
    padded = bool(attributes.get("count_include_pad")) and any(sides["before"] + sides["after"])
    if node.op_type == "AveragePool" and ceil and padded:
        raise ModelFileError("with ceil_mode, pads and count_include_pad; expected one of them to be left out")
    reader.step(
        "pool",
        node.input[:1],
        node.output[0],
        (*shape[:2], *windows(shape[2:], sides, ceil)),
        function="max" if node.op_type == "MaxPool" else "mean",
        padded=padded,
        **sides,
    )


@operator("GlobalAveragePool", "GlobalMaxPool")
def _global(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    function = "mean" if node.op_type == "GlobalAveragePool" else "max"
    reader.reduce(function, node.input[0], node.output[0], range(2, len(reader.shape(node.input[0]))), True)


@operator("Pad")
def _pad(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    shape = reader.shape(node.input[0])
    pads = [int(p) for p in (reader.known(node.input[1]) if len(node.input) > 1 else attributes["pads"])]
    if attributes.get("mode", b"constant") != b"constant" or min(pads) < 0:
        raise ModelFileError("expected a constant around the input")
    value = reader.known(node.input[2]) if len(node.input) > 2 and node.input[2] else attributes.get("value", 0.0)
    before, after = pads[: len(shape)], pads[len(shape) :]
    padded = tuple(d + (b + a) for d, b, a in zip(shape, before, after, strict=True))
    value = float(np.ravel(value)[0])
    reader.step("pad", node.input[:1], node.output[0], padded, before=before, after=after, value=value)


@operator("Gemm")
def _gemm(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    if attributes.get("transA"):
        raise ModelFileError("with its first factor transposed; expected transA = 0")
    value = reader.graph.values[node.input[1]]
    weights = reader.known(node.input[1]).astype(np.float32) * np.float32(attributes.get("alpha", 1.0))
    eight = value.eight
    if attributes.get("transB"):
        weights = weights.T
        eight = None if eight is None else (eight[0].T, eight[1], eight[2], 1 - eight[3] if eight[1].ndim else 1)
    bias = None
    if len(node.input) > 2 and node.input[2]:
        bias = reader.known(node.input[2]).astype(np.float32) * np.float32(attributes.get("beta", 1.0))
        bias = np.broadcast_to(bias.reshape(-1), weights.shape[1:])
    _dense(reader, node, weights, bias, eight if attributes.get("alpha", 1.0) == 1.0 else None)


def _dense(reader: Reader, node: Any, weights: Any, bias: Any, eight: Any) -> None:
    shape = (*reader.shape(node.input[0])[:-1], weights.shape[1])
    settings = {"weights": weights, "bias": bias, "eight": eight}
    reader.step("dense", node.input[:1], node.output[0], shape, **settings)


@operator("MatMul")
def _matmul(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    first, second = (reader.graph.values[name] for name in node.input)
    if second.data is not None and second.data.ndim == 2:
        _dense(reader, node, second.data.astype(np.float32), None, second.eight)
        return
    if min(len(first.shape), len(second.shape)) < 2:
        raise ModelFileError("of a vector; expected matrices")
    shape = (*broadcast(first.shape[:-2], second.shape[:-2]), first.shape[-2], second.shape[-1])
    reader.step("matmul", node.input, node.output[0], shape)


@operator("LSTM", "GRU")
def _recurrent(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    inputs = [*node.input, *[""] * (8 - len(node.input))]
    x = reader.shape(inputs[0])
    if inputs[4] or inputs[7] or attributes.get("layout") or attributes.get("activations"):
        default = attributes.get("activations") in (None, [b"Sigmoid", b"Tanh", b"Tanh"] * 2, [b"Sigmoid", b"Tanh"] * 2)
        default = default or attributes.get("activations") in ([b"Sigmoid", b"Tanh", b"Tanh"], [b"Sigmoid", b"Tanh"])
        if inputs[4] or inputs[7] or attributes.get("layout") or not default:
            raise ModelFileError("with lengths, peepholes, another layout or other activations; expected none of them")
    if attributes.get("clip") or attributes.get("input_forget"):
        raise ModelFileError("with clip or input_forget; expected neither")
    for name in inputs[5:7]:
        value = reader.graph.values[name] if name else None
        if value is not None and (value.data is None or np.any(value.data)):
            raise ModelFileError("begins with a state that is not zero; expected none")
    forward, recurrent = (reader.known(name).astype(np.float32) for name in inputs[1:3])
    n_directions, n_gates, width = len(forward), recurrent.shape[1], attributes["hidden_size"]
    bias = reader.known(inputs[3]) if inputs[3] else np.zeros((n_directions, 2 * n_gates))
    direction = attributes.get("direction", b"forward").decode()
    outputs = [*node.output, *[""] * (3 - len(node.output))]
    if any(outputs[1:]) and any(name in n.input for name in outputs[1:] for n in reader.onnx_nodes if name):
        raise ModelFileError("its last state is read; expected only its states over time")
    reader.step(
        "recurrent",
        [inputs[0]],
        outputs[0],
        (x[0], n_directions, 1, width),
        cell=node.op_type.lower(),
        forward=forward,
        recurrent=recurrent,
        bias=bias.astype(np.float32),
        backwards=[direction == "reverse"] if n_directions == 1 else [False, True],
        width=width,
        reset_after=bool(attributes.get("linear_before_reset")),
    )
