"""Rewrites of a graph: what follows a layer with weights moves into it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.edge.codes import RULES as CODE_RULES
from vocalics.edge.graph import Graph, Node, only_use, take_over

_WEIGHTED = ("conv", "dense")


def fold(graph: Graph) -> None:
    """Rewrite a graph in place until nothing changes.

    - Pads move into the convolution or pooling behind them.
    - A product with, or a sum of, a number per channel behind a layer moves into its weights and bias: batch norm.
    - A layer in eight bits takes and gives codes instead of floats.
    - The sum with a shortcut, ReLU and a pooling without overlap become a layer's own last steps.
    """
    _forget_same_views(graph)
    rules = (_pad_into_window, _constant_into_weights, *CODE_RULES, _relu_in, _residual_in)
    changed = True
    while changed:
        changed = any(rule(graph, node) for node in list(graph.nodes) for rule in rules if node in graph.nodes)
        _drop_unused(graph)
    for node in list(graph.nodes):
        if node in graph.nodes:
            _pool_in(graph, node)
    _drop_unused(graph)


def _forget_same_views(graph: Graph) -> None:
    for node in list(graph.nodes):
        same = node.kind == "view" and node.settings["axes"] == list(range(len(graph.values[node.inputs[0]].shape)))
        if same and node.output not in graph.outputs:
            graph.nodes.remove(node)
            for user in graph.nodes:
                user.inputs = [node.inputs[0] if name == node.output else name for name in user.inputs]


def _drop_unused(graph: Graph) -> None:
    while True:
        used = {name for node in graph.nodes for name in node.inputs} | set(graph.outputs)
        kept = [node for node in graph.nodes if node.output in used]
        if len(kept) == len(graph.nodes):
            return
        graph.nodes = kept


def _pad_into_window(graph: Graph, node: Node) -> bool:
    if node.kind not in ("conv", "pool") or any(node.settings["before"]) or any(node.settings["after"]):
        return False
    pad = graph.maker(node.inputs[0])
    if pad is None or pad.kind != "pad":
        return False
    value, before, after = (pad.settings[key] for key in ("value", "before", "after"))
    if node.kind == "conv":
        fits = value == node.settings.get("codes_in", (1.0, 0.0))[1]
    else:
        fits = value < -1e30 and node.settings["function"] == "max"
    if not fits or any(before[:2]) or any(after[:2]):
        return False
    node.settings["before"], node.settings["after"] = before[2:], after[2:]
    node.inputs[0] = pad.inputs[0]
    return True


def _constant_into_weights(graph: Graph, node: Node) -> bool:
    """Mul, Add, Sub or Div by a number per channel, behind a layer of floats."""
    if node.kind not in _WEIGHTED or node.settings.get("eight") is not None or node.settings.get("relu"):
        return False
    user = only_use(graph, node.output)
    if user is None or user.kind != "map" or user.settings["function"] not in ("mul", "add", "sub", "div"):
        return False
    function, settings = user.settings["function"], node.settings
    other = user.inputs[1 - user.inputs.index(node.output)]
    data = graph.values[other].data
    if data is None or (function in ("sub", "div") and user.inputs[0] != node.output) or "residual" in settings:
        return False
    shape = graph.values[node.output].shape
    channel = 1 if node.kind == "conv" else len(shape) - 1
    per_channel = _per_channel(data, len(shape), channel, int(str(shape[channel])))
    if per_channel is None or graph.values[user.output].shape != shape:
        return False
    bias = np.zeros(len(per_channel)) if settings["bias"] is None else settings["bias"].astype(np.float64)
    if function in ("mul", "div"):
        factor = per_channel if function == "mul" else 1.0 / per_channel
        sides = (-1, *(1,) * (settings["weights"].ndim - 1)) if node.kind == "conv" else (1, -1)
        settings["weights"] = (settings["weights"] * factor.reshape(sides)).astype(np.float32)
        bias = bias * factor
    else:
        bias = bias + (per_channel if function == "add" else -per_channel)
    settings["bias"] = bias.astype(np.float32)
    take_over(graph, node, user)
    return True


def _per_channel(data: npt.NDArray[Any], rank: int, channel: int, n: int) -> npt.NDArray[np.float64] | None:
    sides = (1,) * (rank - data.ndim) + data.shape
    if len(sides) != rank or any(side != 1 for axis, side in enumerate(sides) if axis != channel):
        return None
    return np.broadcast_to(data.reshape(-1).astype(np.float64), (n,))


def _relu_in(graph: Graph, node: Node) -> bool:
    if node.kind not in _WEIGHTED or node.settings.get("relu") or "codes_out" in node.settings:
        return False
    user = only_use(graph, node.output)
    if user is None or user.kind != "map" or user.settings["function"] != "relu":
        return False
    node.settings["relu"] = True
    take_over(graph, node, user)
    return True


def _residual_in(graph: Graph, node: Node) -> bool:
    """The sum of a convolution and something of the same shape, floats or codes."""
    settings = node.settings
    if node.kind != "conv" or settings["group"] != 1 or "residual" in settings:
        return False
    codes = "codes_in" in settings
    if codes != ("codes_out" in settings) or (settings.get("relu") and not codes):
        return False
    between = only_use(graph, node.output)
    if codes:  # codes, floats, sum, codes again
        if between is None or between.kind != "dequantise":
            return False
        total = only_use(graph, between.output)
    else:
        between, total = node, between
    if total is None or total.kind != "map" or total.settings["function"] != "add":
        return False
    other = next(name for name in (*total.inputs, "") if name != between.output)
    shape = graph.values[node.output].shape
    if not other or graph.values[other].data is not None or graph.values[other].shape != shape:
        return False
    rest = graph.maker(other)
    later = rest is not None and graph.nodes.index(node) < graph.nodes.index(rest)
    if later and rest is not None and _may_carry(graph, rest):
        return False  # the other one comes later: it adds this one
    if not codes:
        settings["residual"] = True
        node.inputs.append(other)
        take_over(graph, node, total)
        return True
    last = only_use(graph, total.output)
    if last is not None and last.kind == "map" and last.settings["function"] == "relu":
        settings["relu_after"] = True
        last = only_use(graph, last.output)
    if rest is None or rest.kind != "dequantise" or last is None or last.kind != "quantise":
        settings.pop("relu_after", None)
        return False
    settings["residual"] = (rest.settings["scale"], rest.settings["zero"])
    settings["codes_between"] = settings["codes_out"]
    settings["codes_out"] = (last.settings["scale"], last.settings["zero"])
    node.inputs.append(rest.inputs[0])
    for gone in {id(n): n for n in (between, total, graph.maker(last.inputs[0]))}.values():
        if gone is not None and gone in graph.nodes:
            graph.nodes.remove(gone)
    take_over(graph, node, last)
    return True


def _may_carry(graph: Graph, rest: Node) -> bool:
    """Whether the maker of the other summand is a convolution that can take this sum in."""
    source: Node | None = rest
    if rest.kind == "dequantise":
        source = graph.maker(rest.inputs[0])
    return source is not None and source.kind == "conv" and only_use(graph, source.output) is not None


def _pool_in(graph: Graph, node: Node) -> bool:
    """Max pooling without overlap or padding becomes a convolution's last step, and its input is never held whole."""
    if node.kind != "conv" or "pool" in node.settings or node.settings["group"] != 1:
        return False
    user = only_use(graph, node.output)
    if user is None or user.kind != "pool" or user.settings["function"] != "max":
        return False
    if ("codes_out" in node.settings) != ("codes" in user.settings):
        return False
    if "codes_in" in node.settings and "codes_out" not in node.settings:
        return False  # codes in and floats out: those are written as they come
    kernel = user.settings["kernel"]
    whole, pooled = (graph.values[name].shape[-len(kernel) :] for name in (node.output, user.output))
    if any(one // by != other for one, other, by in zip(whole, pooled, kernel, strict=True)):
        return False  # a last, shorter window (ceil_mode)
    if kernel != user.settings["strides"] or any(user.settings["before"]) or any(user.settings["after"]):
        return False
    node.settings["pool"] = kernel
    node.settings["unpooled"] = graph.values[node.output].shape
    take_over(graph, node, user)
    return True
