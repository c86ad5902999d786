"""What ONNX's Pow means here: products and roots where they are the same, a logarithm only of what is not below 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from vocalics.edge.graph import Graph
from vocalics.edge.operators import Reader, operator
from vocalics.edge.sizes import broadcast
from vocalics.errors import ModelFileError

_STEPS = {
    1.0: ("copy",),
    2.0: ("mul",),
    3.0: ("mul", "mul"),
    0.5: ("sqrt",),
    -1.0: ("reciprocal",),
    -0.5: ("sqrt", "reciprocal"),
}
"""By exponent: what it is made of, for numbers of either sign; a root of what is below 0 is no number in ONNX, too."""

_NEVER = frozenset(("abs", "exp", "relu", "sqrt", "sigmoid", "softplus", "hard_sigmoid", "pow"))
_NEVER |= {"greater", "less", "at_least", "at_most", "equal", "true", "not", "and", "or"}
_LIKE_INPUTS = frozenset(("copy", "add", "mul", "div", "min", "floor", "tanh", "erf", "softsign"))
_LIKE_FIRST = frozenset(("prelu", "elu", "hard_swish"))
_PASSED = frozenset(("view", "reshape", "concat", "slice", "reduce", "pool"))


@operator("Pow")
def _power(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    base, exponent = node.input
    if reader.graph.values[base].kind != "float":
        raise ModelFileError("of whole numbers; expected floats")
    by = reader.graph.values[exponent].data
    constant = float(by.flat[0]) if by is not None and by.dtype != object and np.unique(by).size == 1 else None
    if constant in _STEPS and broadcast(reader.shape(base), reader.shape(exponent)) == reader.shape(base):
        _product(reader, _STEPS[constant], base, node.output[0])
        return
    if not never_negative(reader.graph, base):
        what = "what depends on the input" if by is None else "several numbers" if constant is None else f"{constant:g}"
        known = ", ".join(f"{e:g}" for e in sorted(_STEPS))
        raise ModelFileError(
            f"of what may be below 0, to the power of {what}; expected one of {known}, or Abs, Relu or Clip before it"
        )
    if by is not None and by.dtype != np.float32:
        exponent = reader.constant(f"{node.output[0]}:exponent", by.astype(np.float32))
    reader.map("pow", [base, exponent], node.output[0])


def _product(reader: Reader, steps: tuple[str, ...], base: str, output: str) -> None:
    name = base
    for i, step in enumerate(steps):
        made = output if i == len(steps) - 1 else f"{output}:{i}"
        name = reader.map(step, [name, base] if step == "mul" else [name], made)


def never_negative(graph: Graph, name: str) -> bool:
    """Return whether a value is known to be 0 or more, whatever the input is."""
    known: dict[str, bool] = {}

    def of(name: str) -> bool:
        if name not in known:
            known[name] = _never_negative(graph, name, of)
        return known[name]

    return of(name)


def _never_negative(graph: Graph, name: str, of: Callable[[str], bool]) -> bool:
    """Return the same of one value, from what is known ``of`` those that it is made of."""
    data, node = graph.values[name].data, graph.maker(name)
    if data is not None:
        return data.dtype != object and bool(np.all(data >= 0))
    if node is None:
        return False
    inputs = node.inputs
    if node.kind in _PASSED:
        return all(map(of, inputs))
    if node.kind == "pad":
        return node.settings["value"] >= 0 and of(inputs[0])
    if node.kind == "dequantise":
        return bool(node.settings["zero"] == 0)
    if node.kind != "map":
        return False
    function = node.settings["function"]
    if function in _NEVER or (function == "mul" and inputs[0] == inputs[1]):
        return True
    if function == "max":
        return any(map(of, inputs))
    if function == "where":
        return all(map(of, inputs[1:]))
    if function in _LIKE_FIRST:
        return of(inputs[0])
    return function in _LIKE_INPUTS and all(map(of, inputs))
