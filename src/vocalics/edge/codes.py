"""Rewrites of a graph in eight bits (QDQ): layers, poolings and pads work on codes, with no floats between them.

"quantise" makes codes of floats, "dequantise" floats of codes. What keeps the order of numbers, or only moves them,
may as well be done to the codes.
"""

from __future__ import annotations

import numpy as np

from vocalics.edge.graph import Graph, Node, only_use, take_over

_WEIGHTED = ("conv", "dense")


def _codes_in(graph: Graph, node: Node) -> bool:
    """A layer of eight-bit weights behind "dequantise" reads the codes themselves."""
    if node.kind not in _WEIGHTED or "codes_in" in node.settings:
        return False
    before, user = graph.maker(node.inputs[0]), only_use(graph, node.output)
    given = before is not None and before.kind == "dequantise"
    if node.settings["eight"] is None:
        if not given or user is None or user.kind != "quantise":
            return False
        assert before is not None
        node.settings["eight"] = _eight(
            node, before.settings["scale"]
        )  # few weights between codes, which the quantiser left as floats
    codes, _, zero, _ = node.settings["eight"]
    if before is None or not given or codes.dtype != np.int8 or np.any(zero):
        node.settings["eight"] = None  # floats in: the weights are floats, too
        return False
    node.settings["codes_in"] = (before.settings["scale"], before.settings["zero"])
    node.inputs[0] = before.inputs[0]
    return True


def _eight(node: Node, scale_in: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:  # type: ignore[type-arg]
    """Return a layer's weights in eight bits, as the quantiser would have made them.

    Where next to nothing but its bias is left of a channel, the bias stays a whole number of 32 bits.
    """
    weights, axis = node.settings["weights"], 0 if node.kind == "conv" else 1
    others = tuple(a for a in range(weights.ndim) if a != axis)
    scale = np.maximum(np.abs(weights).max(axis=others), 1e-12) / 127
    if node.settings["bias"] is not None:
        scale = np.maximum(scale, np.abs(node.settings["bias"].ravel()) / (float(scale_in) * 2.0**30))
    sides = tuple(-1 if a == axis else 1 for a in range(weights.ndim))
    codes = np.rint(weights / scale.reshape(sides)).astype(np.int8)
    return codes, scale.astype(np.float32), np.zeros(len(scale), np.int32), axis


def _codes_out(graph: Graph, node: Node) -> bool:
    """A layer of eight-bit weights before "quantise" gives the codes themselves."""
    if "codes_in" not in node.settings or "codes_out" in node.settings:
        return False
    user = only_use(graph, node.output)
    if user is None or user.kind != "quantise":
        return False
    node.settings["codes_out"] = (user.settings["scale"], user.settings["zero"])
    take_over(graph, node, user)
    return True


def _before_quantise(graph: Graph, node: Node) -> bool:
    """Codes of floats that are codes, of joined parts, of something with zeros around."""
    if node.kind != "quantise":
        return False
    before = graph.maker(node.inputs[0])
    if before is None:
        return False
    if before.kind == "dequantise" and before.settings == node.settings:
        graph.nodes.remove(node)
        for user in graph.nodes:
            user.inputs = [before.inputs[0] if name == node.output else name for name in user.inputs]
        return True
    if only_use(graph, before.output) is None:
        return False
    moved = before.kind == "concat" or (before.kind == "pad" and before.settings["value"] == 0.0)
    if not moved:
        return False
    at = graph.nodes.index(before)
    parts = []
    for i, name in enumerate(before.inputs):
        part = Node("quantise", [name], f"{node.output}:{i}", dict(node.settings))
        graph.values[part.output] = type(graph.values[name])(graph.values[name].shape, kind="u8")
        parts.append(part)
    graph.nodes[at:at] = parts
    before.inputs = [part.output for part in parts]
    if before.kind == "pad":
        before.settings["value"] = float(node.settings["zero"])
    take_over(graph, before, node)
    return True


def _behind_dequantise(graph: Graph, node: Node) -> bool:
    """The largest of floats that are codes is that of the codes; other shapes of them are those of the codes."""
    largest = node.kind == "pool" and node.settings["function"] == "max"
    if not largest and node.kind != "reshape":
        return False
    before = graph.maker(node.inputs[0])
    if before is None or before.kind != "dequantise":
        return False
    if largest:
        node.settings["codes"] = True
    floats, node.inputs[0] = node.output, before.inputs[0]
    node.output = f"{floats}:codes"
    graph.values[node.output] = type(graph.values[floats])(graph.values[floats].shape, kind="u8")
    after = Node("dequantise", [node.output], floats, dict(before.settings))
    graph.nodes.insert(graph.nodes.index(node) + 1, after)
    return True


def _mean_of_codes(graph: Graph, node: Node) -> bool:
    """The mean of floats that are codes, between codes of the same scale, is that of the codes."""
    if node.kind != "pool" or node.settings["function"] != "mean" or "codes" in node.settings:
        return False
    before, user = graph.maker(node.inputs[0]), only_use(graph, node.output)
    if before is None or before.kind != "dequantise" or user is None or user.kind != "quantise":
        return False
    if before.settings != user.settings:
        return False
    node.settings |= {"codes": True, "zero": int(before.settings["zero"])}
    node.inputs[0] = before.inputs[0]
    take_over(graph, node, user)
    return True


RULES = (_codes_in, _codes_out, _before_quantise, _behind_dequantise, _mean_of_codes)
"""Each is given a graph and one of its nodes, changes the graph in place and says whether it did."""
