"""From a graph to steps in C: what is computed when, in which order it lies in memory, what never gets there."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from vocalics.edge import eight, layers, recurrent
from vocalics.edge.arena import Step
from vocalics.edge.graph import Graph, Node
from vocalics.edge.layers import Constants
from vocalics.edge.loops import (
    Buffer,
    Call,
    Expr,
    Leaf,
    Number,
    View,
    find_leaves,
    leaves,
    map_code,
    place,
    reduce_code,
)
from vocalics.edge.sizes import Shape, Size, count
from vocalics.errors import ModelFileError

ARGUMENTS = ("probabilities", "strangeness")
"""Where the outputs of a network go: arguments of its function."""

_CHEAP = 4  # what is computed again rather than kept, in additions per number


def contiguous(buffer: Buffer, shape: Shape, order: Sequence[int]) -> Leaf:
    """Return a whole buffer as an array whose axes lie in an order, outermost first.

    Raises:
        ModelFileError: When the shape has two lengths that vary, or one that is not the outermost.
    """
    strides, stride = [0] * len(shape), 1
    for axis in reversed(order):
        if shape[axis] == 1:
            continue
        if stride < 0:
            raise ModelFileError("holds two lengths that vary; expected one")
        strides[axis] = stride
        dim = shape[axis]
        stride = -1 if isinstance(dim, Size) else stride * dim
    return Leaf(buffer, shape, tuple(strides))


def channels_last(rank: int) -> tuple[int, ...]:
    """Return the order of images and signals for kernels: along time, along rows, channels."""
    return (0, *range(rank - 1, 1, -1), 1) if rank > 2 else tuple(range(rank))


class Lowering:
    """Turns the nodes of a graph into steps.

    Attributes:
        steps: In the order in which they run.
        constants: Arrays that the steps read.
        source: The buffer of the input, [frame][row].
    """

    def __init__(self, graph: Graph, max_frames: int, fast: bool = True) -> None:
        self.graph, self.max_frames, self.fast = graph, max_frames, fast
        self.steps: list[Step] = []
        self.constants = Constants()
        shape = graph.values[graph.source].shape
        self.source = Buffer("input", "float", shape)
        order = (0, 2, 1) if len(shape) == 3 else (0, 1)
        self.known: dict[str, Expr] = {graph.source: contiguous(self.source, shape, order)}

    def run(self) -> None:
        """Turn all nodes into steps; the outputs go to the function's arguments, in the graph's order."""
        for node in self.graph.nodes:
            try:
                getattr(self, f"_{node.kind}")(node)
            except ModelFileError as error:
                raise ModelFileError(f'"{node.output}": {error}') from None
        for i, name in enumerate(self.graph.outputs):
            shape = self.graph.values[name].shape
            buffer = Buffer(ARGUMENTS[i], "float", shape, "argument")
            self._write(self.expr(name), contiguous(buffer, shape, range(len(shape))), name)

    def expr(self, name: str) -> Expr:
        """Return what a name stands for; constants become numbers or arrays in flash."""
        if name not in self.known:
            data = self.graph.values[name].data
            assert data is not None, name
            try:
                data = np.asarray(data, np.float32)
            except TypeError:
                raise ModelFileError("is a length that varies, which values are computed with") from None
            if data.size == 1:
                self.known[name] = Number(float(data.ravel()[0]), data.shape)
            else:
                buffer = Buffer(self.constants.add(data, "constant"), "float", data.shape, "constant")
                self.known[name] = contiguous(buffer, data.shape, range(data.ndim))
        return self.known[name]

    def order(self, expr: Expr) -> tuple[int, ...]:
        """Return the order of an expression's axes in which its largest part lies in memory, outermost first."""
        env = tuple((a, 1, 0) for a in range(len(expr.shape)))
        strides: dict[int, int] = {}
        found = [(leaf, where) for leaf, where in leaves(expr, env) if leaf.buffer.where != "constant"]
        for _, where in sorted(found, key=lambda f: -count(f[0].shape, self.max_frames)):
            for axis, factor in where.factors:
                strides.setdefault(axis, factor)
        return tuple(
            sorted(range(len(expr.shape)), key=lambda a: (not isinstance(expr.shape[a], Size), -strides.get(a, 0), a))
        )

    def buffer(self, shape: Shape, kind: str = "float") -> Buffer:
        """Return a new part of the arena."""
        return Buffer(f"t{len(self.steps)}", kind, shape)

    def memory(self, expr: Expr, order: Sequence[int] | None = None, title: str = "", kind: str = "float") -> Leaf:
        """Return an expression's numbers in memory, computed or moved there where they are not.

        Args:
            expr: Any.
            order: Axes from the outermost to the innermost that the memory is to have, without gaps; ``None``: any.
            title: For a comment.
            kind: "float" or "u8".
        """
        leaf = _as_leaf(expr)
        if leaf is not None:
            wanted = leaf if order is None else contiguous(leaf.buffer, leaf.shape, order)
            if _same_places(wanted, leaf):
                return leaf
            kind = leaf.buffer.kind
        out = contiguous(self.buffer(expr.shape, kind), expr.shape, self.order(expr) if order is None else order)
        self._write(expr, out, title)
        return out

    def _write(self, expr: Expr, out: Leaf, title: str, whole: bool = True) -> None:
        reads = {leaf.buffer: None for leaf in find_leaves(expr)}
        if out.buffer.where == "argument" and out.buffer.name != ARGUMENTS[0]:
            lines = [
                f"if ({out.buffer.name} != NULL) {{",
                *(f"    {t}" for t in map_code(expr, out, self.max_frames)),
                "}",
            ]
        else:
            lines = map_code(expr, out, self.max_frames)
        step = Step(title, lines, list(reads), [out.buffer])
        if whole:
            step.in_place = [(out.buffer, b) for b in reads if self._in_step(expr, out, b)]
        self.steps.append(step)

    def _in_step(self, expr: Expr, out: Leaf, buffer: Buffer) -> bool:
        """Whether a buffer's numbers are each read only when the output's number in the same place is written."""
        env = tuple((None, 0, 0) if dim == 1 else (a, 1, 0) for a, dim in enumerate(out.shape))
        inside = tuple(
            (None, 0, 0) if d == 1 else e for d, e in zip(expr.shape, env[len(env) - len(expr.shape) :], strict=True)
        )
        target = place(out, env)
        return buffer.kind == out.buffer.kind and all(
            w == target for x, w in leaves(expr, inside) if x.buffer is buffer
        )

    # The kinds of nodes.

    def _map(self, node: Node) -> None:
        args = tuple(self.expr(name) for name in node.inputs)
        self._keep(node, Call(node.settings["function"], args, self.graph.values[node.output].shape))

    def _dequantise(self, node: Node) -> None:
        arg = self.expr(node.inputs[0])
        self._keep(node, Call("dequantise", (arg,), arg.shape, (node.settings["scale"], node.settings["zero"])))

    def _quantise(self, node: Node) -> None:
        arg = self.expr(node.inputs[0])
        call = Call("quantise", (arg,), arg.shape, (node.settings["scale"], node.settings["zero"]))
        users = self.graph.uses(node.output)
        if len(users) == 1 and users[0].kind == "concat":
            self.known[node.output] = call
            return
        order = channels_last(len(arg.shape)) if any(u.kind in ("conv", "pool") for u in users) else None
        self.known[node.output] = self.memory(call, order, node.output, "u8")

    def _keep(self, node: Node, call: Call) -> None:
        """Let a call stand for itself where it is cheap or used once, else compute it into memory."""
        users = {id(user): user for user in self.graph.uses(node.output)}.values()
        cost = call.cost
        own = count(call.shape, self.max_frames)
        spread = any(count(self._domain(user), self.max_frames) > own for user in users)
        again = len(users) > 1 or node.output in self.graph.outputs or spread
        if (spread and cost > 2) or (again and cost > _CHEAP):
            self.known[node.output] = self.memory(call, None, node.output)
        else:
            self.known[node.output] = call

    def _domain(self, user: Node) -> Shape:
        return self.graph.values[user.output if user.kind == "map" else user.inputs[0]].shape

    def _view(self, node: Node) -> None:
        arg, shape = self.expr(node.inputs[0]), self.graph.values[node.output].shape
        if not isinstance(arg, Leaf) and len(self.graph.uses(node.output)) > 1 and getattr(arg, "cost", 0) > _CHEAP:
            arg = self.memory(arg, None, node.inputs[0])
        axes: list[int | None] = [None] * len(arg.shape)
        for mine, theirs in enumerate(node.settings["axes"]):
            if theirs is not None:
                axes[theirs] = mine
        nothing, one = (0,) * len(axes), (1,) * len(axes)
        self.known[node.output] = View(arg, shape, tuple(axes), nothing, one)

    def _slice(self, node: Node) -> None:
        arg, shape = self.expr(node.inputs[0]), self.graph.values[node.output].shape
        axis, rank = node.settings["axis"], len(shape)
        starts = tuple(node.settings["start"] if a == axis else 0 for a in range(rank))
        steps = tuple(node.settings["step"] if a == axis else 1 for a in range(rank))
        if getattr(arg, "cost", 0) > _CHEAP and len(self.graph.uses(node.inputs[0])) > 1:
            arg = self.memory(arg, None, node.inputs[0])
        axes = tuple(range(rank))
        self.known[node.output] = View(arg, shape, axes, starts, steps)

    def _reshape(self, node: Node) -> None:
        shape = self.graph.values[node.output].shape
        arg = self.expr(node.inputs[0])
        leaf = self.memory(arg, range(len(arg.shape)), node.inputs[0], self.graph.values[node.inputs[0]].kind)
        self.known[node.output] = contiguous(leaf.buffer, shape, range(len(shape)))

    def _reduce(self, node: Node) -> None:
        arg, shape = self.expr(node.inputs[0]), self.graph.values[node.output].shape
        order, axes, keep = self.order(arg), node.settings["axes"], node.settings["keep"]
        left = [a for a in range(len(arg.shape)) if keep or a not in axes]
        out = contiguous(self.buffer(shape), shape, [left.index(a) for a in order if a in left])
        lines = reduce_code(node.settings["function"], arg, axes, keep, out, order, self.max_frames)
        reads = {leaf.buffer: None for leaf in find_leaves(arg)}
        self.steps.append(Step(node.output, lines, list(reads), [out.buffer]))
        self.known[node.output] = out

    def _matmul(self, node: Node) -> None:
        a, b = (self.expr(name) for name in node.inputs)
        a, b = (self.memory(x, None, n) for x, n in zip((a, b), node.inputs, strict=True))
        rank, n = max(len(a.shape), len(b.shape)) + 1, self.graph.values[node.output].shape
        first = View(a, (*a.shape, 1), tuple(range(len(a.shape))), (0,) * len(a.shape), (1,) * len(a.shape))
        r = len(b.shape)
        second = View(b, (*b.shape[:-2], 1, *b.shape[-2:]), (*range(r - 2), r - 1, r), (0,) * r, (1,) * r)
        product = Call("mul", (first, second), (*n[:-1], a.shape[-1], n[-1]))
        out = contiguous(self.buffer(n), n, range(len(n)))
        lines = reduce_code("sum", product, [rank - 2], False, out, range(rank), self.max_frames)
        self.steps.append(
            Step(node.output, lines, [a.buffer, b.buffer], [out.buffer], macs=count(product.shape, self.max_frames))
        )
        self.known[node.output] = out

    def _concat(self, node: Node) -> None:
        shape, axis = self.graph.values[node.output].shape, node.settings["axis"]
        parts = [self.expr(name) for name in node.inputs]
        users = self.graph.uses(node.output)
        fixed = any(user.kind in ("conv", "pool") for user in users)
        largest = max(parts, key=lambda part: count(part.shape, self.max_frames))
        order = channels_last(len(shape)) if fixed else self.order(largest)
        kind = self.graph.values[node.output].kind
        out = contiguous(self.buffer(shape, kind), shape, order)
        at = 0
        for name, part in zip(node.inputs, parts, strict=True):
            here = dataclasses.replace(out, shape=part.shape, offset=at * out.strides[axis])
            self._write(part, here, name, whole=False)
            length = part.shape[axis]
            if isinstance(length, Size) and name != node.inputs[-1]:
                raise ModelFileError("joins something behind a length that varies")
            at += length if isinstance(length, int) else 0
        self.known[node.output] = out

    def _pad(self, node: Node) -> None:
        shape, before = self.graph.values[node.output].shape, node.settings["before"]
        arg = self.expr(node.inputs[0])
        kind = self.graph.values[node.output].kind
        out = contiguous(self.buffer(shape, kind), shape, self.order(arg))
        self._write(Number(node.settings["value"]), out, f"{node.output}: around", whole=False)
        offset = sum(b * s for b, s in zip(before, out.strides, strict=True))
        self._write(arg, dataclasses.replace(out, shape=arg.shape, offset=offset), node.output, whole=False)
        self.known[node.output] = out

    def _conv(self, node: Node) -> None:
        shape = self.graph.values[node.inputs[0]].shape
        order = channels_last(len(shape))
        source = self.memory(self.expr(node.inputs[0]), order, node.inputs[0])
        out_shape = self.graph.values[node.output].shape
        residual = self.memory(self.expr(node.inputs[1]), order, node.inputs[1]) if len(node.inputs) > 1 else None
        sizes, settings = layers.geometry(node, shape, out_shape), node.settings
        weights = settings["eight"][0] if "codes_in" in settings else settings["weights"]
        group = settings["group"]
        if group == sizes.channels == sizes.out_channels and group > 1 and "codes_in" not in settings:
            out = contiguous(self.buffer(out_shape), out_shape, order)
            spread = layers.spread(weights)
            relu = bool(settings.get("relu"))
            self.steps.append(
                layers.each(
                    sizes, spread, settings["bias"], relu, source, out, self.constants, node.output, self.max_frames
                )
            )
            self.known[node.output] = out
            return
        weights = layers.spread(layers.ungrouped(weights, group) if group > 1 else weights)
        self._convolve(node, sizes, weights, source, residual, order)

    def _pool(self, node: Node) -> None:
        shape, out_shape = (self.graph.values[name].shape for name in (node.inputs[0], node.output))
        order = channels_last(len(shape))
        source = self.memory(self.expr(node.inputs[0]), order, node.inputs[0])
        out = contiguous(self.buffer(out_shape, source.buffer.kind), out_shape, order)
        self.steps.append(layers.pooling(node, shape, source, out))
        self.known[node.output] = out

    def _recurrent(self, node: Node) -> None:
        shape, out_shape = (self.graph.values[name].shape for name in (node.inputs[0], node.output))
        source = self.memory(self.expr(node.inputs[0]), range(3), node.inputs[0])
        out = contiguous(self.buffer(out_shape), out_shape, range(4))
        self.known[node.output] = out
        for direction in range(len(node.settings["backwards"])):
            self.steps += recurrent.steps(
                node, direction, shape, source, out, self.constants, self.max_frames, len(self.steps)
            )

    def _dense(self, node: Node) -> None:
        shape, weights = self.graph.values[node.inputs[0]].shape, node.settings["weights"]
        source = self.memory(self.expr(node.inputs[0]), range(len(shape)), node.inputs[0])
        n_in, n_out = weights.shape
        weights = node.settings["eight"][0] if "codes_in" in node.settings else weights
        rows: list[int | Size] = [dim for dim in shape[:-1] if dim != 1]
        fixed = 1
        for dim in rows:
            fixed *= dim if isinstance(dim, int) else 1
        varying = [dim for dim in rows if isinstance(dim, Size)]
        if varying and fixed != 1:
            sizes = layers.Geometry(n_in, fixed, varying[0], n_out, fixed, varying[0])
        else:
            n = varying[0] if varying else fixed
            sizes = layers.Geometry(n_in, 1, n, n_out, 1, n)
        self._convolve(node, sizes, weights.T.reshape(n_out, 1, 1, n_in), source, None, range(len(shape)))

    def _convolve(
        self,
        node: Node,
        sizes: layers.Geometry,
        weights: np.ndarray,  # type: ignore[type-arg]
        source: Leaf,
        residual: Leaf | None,
        order: Sequence[int],
    ) -> None:
        shape, settings, title = self.graph.values[node.output].shape, node.settings, node.output
        out = contiguous(self.buffer(shape, "u8" if "codes_out" in settings else "float"), shape, order)
        ends = (source, residual, out, self.constants, title, self.max_frames, len(self.steps))
        if "codes_in" in settings:
            self.steps.append(eight.convolution(sizes, weights, settings, *ends))
        else:
            relu = bool(settings.get("relu"))
            self.steps.append(layers.convolution(sizes, weights, settings["bias"], relu, *ends, self.fast))
        self.known[node.output] = out


def _as_leaf(expr: Expr) -> Leaf | None:
    """Return memory seen through views as memory; ``None`` for what has to be computed."""
    if isinstance(expr, Leaf):
        return expr
    if not isinstance(expr, View):
        return None
    leaf = _as_leaf(expr.arg)
    if leaf is None:
        return None
    strides, offset = [0] * len(expr.shape), leaf.offset
    for axis, start, step, stride in zip(expr.axes, expr.starts, expr.steps, leaf.strides, strict=True):
        offset += start * stride
        if axis is not None:
            strides[axis] = step * stride
    return Leaf(leaf.buffer, expr.shape, tuple(strides), offset)


def _same_places(a: Leaf, b: Leaf) -> bool:
    strides = ([s for s, d in zip(x.strides, x.shape, strict=True) if d != 1] for x in (a, b))
    return a.offset == b.offset and next(strides) == next(strides)
