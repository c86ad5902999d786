"""Recurrent layers as calls of their kernels: the products with the input all at once, then step by step."""

from __future__ import annotations

import numpy as np

from vocalics.edge import layers
from vocalics.edge.arena import Step
from vocalics.edge.graph import Node
from vocalics.edge.layers import BLOCK, Constants, code
from vocalics.edge.loops import Buffer, Leaf
from vocalics.edge.sizes import Shape, at


def steps(
    node: Node,
    direction: int,
    shape: Shape,
    source: Leaf,
    out: Leaf,
    constants: Constants,
    max_frames: int,
    number: int,
) -> list[Step]:
    """Return the two steps of one direction of a recurrent layer.

    Args:
        node: With the weights in ONNX's order of gates.
        direction: Which.
        shape: Of the input: (steps, 1, numbers).
        source: The input.
        out: The output, (steps, directions, 1, width); this direction's part is written.
        constants: Where weights are kept.
        max_frames: The most frames.
        number: Of the first step, for its names.
    """
    settings = node.settings
    width, lstm = settings["width"], settings["cell"] == "lstm"
    forward, recurrent = settings["forward"][direction], settings["recurrent"][direction]
    n_gates = forward.shape[0]
    bias = settings["bias"][direction].reshape(2, n_gates)
    after = not lstm and settings["reset_after"]
    given = bias[0] + bias[1]
    if after:
        given[2 * width :] = bias[0][2 * width :]
    gates = Buffer(f"gates{number}", "float", (shape[0], n_gates))
    there = Leaf(gates, gates.shape, (n_gates, 1))
    sizes = layers.Geometry(forward.shape[1], 1, shape[0], n_gates, 1, shape[0])
    way = "backwards" if settings["backwards"][direction] else "forwards"
    title = f"{node.output}, {way}"
    weights = forward.reshape(n_gates, 1, 1, -1)
    first = layers.convolution(
        sizes, weights, given, False, source, None, there, constants, f"{title}: inputs", max_frames, number
    )
    before = len(constants.arrays)

    def pack(matrix: np.ndarray) -> str:  # type: ignore[type-arg]
        return constants.add(layers.blocks(np.ascontiguousarray(matrix)[:, None, None, :]), "weights")

    directions = len(settings["backwards"])
    extra = "" if lstm else (constants.add(bias[1][2 * width :], "bias") if after else "NULL")
    names = [pack(recurrent)] if lstm else [pack(recurrent[: 2 * width]), pack(recurrent[2 * width :]), extra]
    scratch = Buffer(f"scratch{number}", "float", ((6 if lstm else 5) * width + 2 * BLOCK,))
    start = f"{out.buffer.name} + {direction * width}" if direction else out.buffer.name
    lines = [
        f"recur_{settings['cell']}({code(shape[0])}, {width}, {int(settings['backwards'][direction])}, {gates.name},"
        f" {', '.join(names)}, {start}, {directions * width}, {scratch.name});"
    ]
    macs = at(shape[0], max_frames) * recurrent.size
    reads = [gates] if direction == 0 else [gates, out.buffer]
    second = Step(title, lines, reads, [out.buffer], [scratch], [], macs, constants.n_bytes(before))
    return [first, second]
