"""Elementwise steps and reductions as loops in C: chains of them become one loop and leave nothing in memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.edge.sizes import Shape, Size, count
from vocalics.errors import ModelFileError


@dataclass(frozen=True, eq=False)
class Buffer:
    """A place in memory: part of the arena, an argument of the function, or constants."""

    name: str
    kind: str  # "float" or "u8"
    shape: Shape = ()
    where: str = "arena"  # "arena", "constant", "argument"


@dataclass(frozen=True, eq=False)
class Leaf:
    """Numbers in memory: where the number at an index is.

    Attributes:
        buffer: Where.
        shape: Axes' lengths.
        strides: Numbers between neighbours along each axis.
        offset: Of the first number.
    """

    buffer: Buffer
    shape: Shape
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def order(self) -> tuple[int, ...]:
        """The axes from the outermost to the innermost; axes of length 1 come first."""
        return tuple(sorted(range(len(self.shape)), key=lambda a: (self.shape[a] != 1, -self.strides[a])))


@dataclass(frozen=True, eq=False)
class Number:
    """One constant."""

    value: float
    shape: Shape = ()


@dataclass(frozen=True, eq=False)
class Call:
    """A function of other expressions, element by element."""

    function: str
    args: tuple[Expr, ...]
    shape: Shape
    extra: tuple[float, ...] = ()

    @cached_property
    def cost(self) -> int:
        """How much it is to compute it again, in additions."""
        return _COST.get(self.function, 1) + sum(a.cost for a in self.args if isinstance(a, Call | View))


@dataclass(frozen=True, eq=False)
class View:
    """Another expression with its axes in another order, cut, or with axes of length 1.

    Attributes:
        arg: The other one.
        shape: Of the view.
        axes: For each axis of the other one: the view's axis, or ``None`` where it is fixed.
        starts: For each axis of the other one, where the view begins.
        steps: For each axis of the other one, the step of the view.
    """

    arg: Expr
    shape: Shape
    axes: tuple[int | None, ...]
    starts: tuple[int, ...]
    steps: tuple[int, ...]

    @property
    def cost(self) -> int:
        """As of what is viewed."""
        return self.arg.cost if isinstance(self.arg, Call | View) else 0


Expr = Leaf | Number | Call | View

_COST = {"div": 3, "sqrt": 5, "exp": 12, "log": 15, "tanh": 25, "sigmoid": 15, "erf": 30, "pow": 30, "quantise": 8}
_COST |= {"dequantise": 2, "copy": 0, "elu": 14, "softplus": 30, "sin": 12, "cos": 12, "reciprocal": 3}

CODE = {
    "copy": "{0}",
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "max": "math_max({0}, {1})",
    "min": "math_min({0}, {1})",
    "pow": "math_pow({0}, {1})",
    "greater": "({0} > {1} ? 1.0f : 0.0f)",
    "less": "({0} < {1} ? 1.0f : 0.0f)",
    "at_least": "({0} >= {1} ? 1.0f : 0.0f)",
    "at_most": "({0} <= {1} ? 1.0f : 0.0f)",
    "equal": "({0} == {1} ? 1.0f : 0.0f)",
    "and": "{0} * {1}",
    "or": "math_max({0}, {1})",
    "not": "1.0f - {0}",
    "true": "({0} != 0.0f ? 1.0f : 0.0f)",
    "where": "({0} != 0.0f ? {1} : {2})",
    "abs": "math_abs({0})",
    "neg": "-{0}",
    "reciprocal": "1.0f / {0}",
    "floor": "math_floor({0})",
    "exp": "math_exp({0})",
    "log": "math_log({0})",
    "sqrt": "math_sqrt({0})",
    "tanh": "math_tanh({0})",
    "sigmoid": "math_sigmoid({0})",
    "erf": "math_erf({0})",
    "sin": "math_sin({0})",
    "cos": "math_cos({0})",
    "relu": "math_max({0}, 0.0f)",
    "prelu": "({0} < 0.0f ? {0} * {1} : {0})",
    "elu": "({0} < 0.0f ? {1} * (math_exp({0}) - 1.0f) : {0})",
    "softplus": "math_max({0}, 0.0f) + math_log(1.0f + math_exp(-math_abs({0})))",
    "softsign": "{0} / (1.0f + math_abs({0}))",
    "hard_sigmoid": "math_max(math_min({0} * {1} + {2}, 1.0f), 0.0f)",
    "hard_swish": "{0} * math_max(math_min({0} * 0.166666667f + 0.5f, 1.0f), 0.0f)",
    "dequantise": "dequantise({0}, {x0}, {x1})",
    "quantise": "quantise({0}, {x0}, {x1})",
}
"""By function: its text in C."""


def literal(value: float) -> str:
    """Return a float as C text that reads back as the same float."""
    return literals(np.array([value], np.float32))[0]


def literals(values: npt.NDArray[np.float32]) -> list[str]:
    """Return floats as C text, see :func:`literal`.

    Raises:
        ModelFileError: Where one is not finite.
    """
    if not np.isfinite(values).all():
        raise ModelFileError("holds a constant that is not finite; expected numbers")
    texts = map("{:.9g}".format, values.tolist())
    return [f"{text}f" if "." in text or "e" in text else f"{text}.0f" for text in texts]


@dataclass
class Loop:
    """One loop: its variable and how often it runs."""

    variable: int
    size: Shape  # the product of these
    reduced: bool = False


@dataclass(frozen=True)
class Place:
    """An index into memory: a sum of loop variables times numbers."""

    factors: tuple[tuple[int, int], ...]
    constant: int

    def code(self, gone: frozenset[int] = frozenset()) -> str:
        """Return it as C text, without variables that were merged into others."""
        parts = [f"i{v}" if f == 1 else f"i{v} * {f}" for v, f in self.factors if v not in gone]
        return " + ".join([*parts, *([str(self.constant)] if self.constant or not parts else [])])


Env = tuple[tuple[int | None, int, int], ...]
"""For each axis of an expression: the loop variable, its factor and an offset."""


def place(leaf: Leaf, env: Env) -> Place:
    """Return where an index of a leaf is in memory."""
    factors: dict[int, int] = {}
    constant = leaf.offset
    for (variable, factor, offset), stride, dim in zip(env, leaf.strides, leaf.shape, strict=True):
        if dim == 1:
            continue
        constant += offset * stride
        if variable is not None:
            factors[variable] = factors.get(variable, 0) + factor * stride
    return Place(tuple(sorted((v, f) for v, f in factors.items() if f)), constant)


def inner_env(view: View, env: Env) -> Env:
    """Return what an index of a view is for what is viewed."""
    found: list[tuple[int | None, int, int]] = []
    for axis, start, step in zip(view.axes, view.starts, view.steps, strict=True):
        variable, factor, offset = (None, 0, 0) if axis is None else env[axis]
        found.append((variable, factor * step, offset * step + start))
    return tuple(found)


def args_env(arg: Expr, env: Env) -> Env:
    """Return what an index of a call is for one of its arguments, by NumPy's rules."""
    rank = len(arg.shape)
    last = env[len(env) - rank :] if rank else ()
    return tuple((None, 0, 0) if dim == 1 else e for dim, e in zip(arg.shape, last, strict=True))


def leaves(expr: Expr, env: Env) -> Iterator[tuple[Leaf, Place]]:
    """Yield every place in memory that an expression reads."""
    if isinstance(expr, Leaf):
        yield expr, place(expr, env)
    elif isinstance(expr, View):
        yield from leaves(expr.arg, inner_env(expr, env))
    elif isinstance(expr, Call):
        for arg in expr.args:
            yield from leaves(arg, args_env(arg, env))


def find_leaves(expr: Expr) -> Iterator[Leaf]:
    """Yield the leaves of an expression."""
    yield from (leaf for leaf, _ in leaves(expr, ((None, 0, 0),) * len(expr.shape)))


def merge(loops: list[Loop], places: Sequence[Place], n_frames: int) -> tuple[list[Loop], frozenset[int]]:
    """Make one loop of two neighbours where every index steps on evenly from one to the other.

    Returns:
        The loops that are left, and the variables that are gone.
    """
    result: list[Loop] = []
    gone: set[int] = set()
    for loop in loops:
        if result and result[-1].reduced == loop.reduced and not any(isinstance(d, Size) for d in loop.size):
            outer, length = result[-1], count(loop.size, n_frames)
            factors = [dict(p.factors) for p in places]
            if all(f.get(outer.variable, 0) == f.get(loop.variable, 0) * length for f in factors):
                gone.add(outer.variable)
                result[-1] = Loop(loop.variable, (*outer.size, *loop.size), loop.reduced)
                continue
        result.append(loop)
    return result, frozenset(gone)


@dataclass
class Writer:
    """Writes the statements of an expression into the loops that they depend on, each once."""

    gone: frozenset[int]
    level_of: dict[int, int]
    statements: dict[int, list[str]] = field(default_factory=dict)
    known: dict[Any, tuple[str, int]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def value(self, expr: Expr, env: Env) -> tuple[str, int]:
        """Return an expression's text and the depth of the innermost loop that it depends on."""
        if isinstance(expr, Number):
            text = literal(expr.value)
            return (f"({text})" if text.startswith("-") else text), 0
        if isinstance(expr, Leaf):
            where = place(expr, env)
            levels = [self.level_of[v] for v, _ in where.factors if v not in self.gone]
            return f"{expr.buffer.name}[{where.code(self.gone)}]", max(levels, default=0)
        if isinstance(expr, View):
            return self.value(expr.arg, inner_env(expr, env))
        key = (id(expr), env)
        if key not in self.known:
            args = [self.value(arg, args_env(arg, env)) for arg in expr.args]
            level = max((depth for _, depth in args), default=0)
            extra = {f"x{i}": (literal(v) if i == 0 else str(int(v))) for i, v in enumerate(expr.extra)}
            text = CODE[expr.function].format(*(text for text, _ in args), **extra)
            if expr.function == "copy":
                self.known[key] = (text, level)
            else:
                name = f"v{next(self.numbers)}"
                kind = "uint8_t" if expr.function == "quantise" else "float"
                self.statements.setdefault(level, []).append(f"const {kind} {name} = {text};")
                self.known[key] = (name, level)
        return self.known[key]


def _size_code(size: Shape) -> str:
    fixed = 1
    parts = []
    for dim in size:
        if isinstance(dim, Size):
            parts.append(f"({dim.code('n_frames')})" if dim != Size() else "n_frames")
        else:
            fixed *= dim
    return " * ".join([*parts, *([str(fixed)] if fixed != 1 or not parts else [])])


def _nest(loops: Sequence[Loop], first_level: int, writer: Writer | None, body: list[str], indent: int) -> list[str]:
    """Return loops around a body, with a writer's statements at their depths."""
    lines: list[str] = []
    for depth, loop in enumerate(loops):
        tab = "    " * (indent + depth)
        v = f"i{loop.variable}"
        lines.append(f"{tab}for (int {v} = 0; {v} < {_size_code(loop.size)}; {v}++) {{")
        if writer is not None:
            lines += [f"{tab}    {line}" for line in writer.statements.get(first_level + depth, [])]
    lines += ["    " * (indent + len(loops)) + line for line in body]
    lines += ["    " * (indent + depth) + "}" for depth in reversed(range(len(loops)))]
    return lines


def _axes_of(leaf: Leaf, shape: Shape, axes: Sequence[int]) -> list[int]:
    return [a for a in axes if shape[a] != 1]


def map_code(expr: Expr, out: Leaf, n_frames: int) -> list[str]:
    """Return C that writes an expression to memory.

    Args:
        expr: What is written; broadcast to the shape of ``out``.
        out: Where to.
        n_frames: The most frames.
    """
    shape = out.shape
    loops = [Loop(a, (shape[a],)) for a in out.order if shape[a] != 1]
    env: Env = tuple((None, 0, 0) if dim == 1 else (a, 1, 0) for a, dim in enumerate(shape))
    inside = args_env(expr, env)
    target = place(out, env)
    loops, gone = merge(loops, [target, *(p for _, p in leaves(expr, inside))], n_frames)
    writer = Writer(gone, {loop.variable: depth for depth, loop in enumerate(loops, start=1)})
    text, _ = writer.value(expr, inside)
    body = [f"{out.buffer.name}[{target.code(gone)}] = {text};"]
    return [*writer.statements.get(0, []), *_nest(loops, 1, writer, body, 0)]


_START = {"sum": "0.0f", "mean": "0.0f", "max": "-3.40282347e38f", "min": "3.40282347e38f"}
_STEP = {"sum": "{0} + {1}", "mean": "{0} + {1}", "max": "math_max({0}, {1})", "min": "math_min({0}, {1})"}


def reduce_code(
    function: str, expr: Expr, axes: Sequence[int], keep: bool, out: Leaf, order: Sequence[int], n_frames: int
) -> list[str]:
    """Return C that reduces an expression along axes and writes the result to memory.

    Args:
        function: "sum", "mean", "max" or "min".
        expr: What is reduced.
        axes: Along which axes.
        keep: Whether these stay, with length 1.
        out: Where to.
        order: The axes of the expression from the outermost loop to the innermost.
        n_frames: The most frames.
    """
    shape = expr.shape
    env: Env = tuple((None, 0, 0) if dim == 1 else (a, 1, 0) for a, dim in enumerate(shape))
    out_env = tuple((None, 0, 0) if a in axes else env[a] for a in range(len(shape)) if keep or a not in axes)
    target = place(out, out_env)
    loops = [Loop(a, (shape[a],), a in axes) for a in order if shape[a] != 1]
    loops, gone = merge(loops, [target, *(p for _, p in leaves(expr, env))], n_frames)
    first = next((i for i, loop in enumerate(loops) if loop.reduced), len(loops))
    inner_kept = [loop for loop in loops[first:] if not loop.reduced]
    writer = Writer(gone, {loop.variable: depth for depth, loop in enumerate(loops, start=1)})
    text, _ = writer.value(expr, env)
    there = f"{out.buffer.name}[{target.code(gone)}]"
    total = there if inner_kept else "total"
    tabs = "    " * first
    size = _size_code(tuple(shape[a] for a in axes))
    inside: list[str] = []
    start = f"{total} = {_START[function]};"
    inside += _nest(inner_kept, 0, None, [start], 0) if inner_kept else [f"float {start}"]
    inside += _nest(loops[first:], first + 1, writer, [f"{total} = {_STEP[function].format(total, text)};"], 0)
    if function == "mean":
        scaled = f"{there} = {total} / (float)({size});"
        inside += _nest(inner_kept, 0, None, [scaled], 0) if inner_kept else [scaled]
    elif not inner_kept:
        inside.append(f"{there} = {total};")
    before = writer.statements.get(0, [])
    around = _nest(loops[:first], 1, writer, [], 0)
    opening, closing = around[: len(around) - first], around[len(around) - first :]
    return [*before, *opening, *(tabs + line for line in inside), *closing]
