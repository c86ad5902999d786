"""Layers with weights and windows as calls of the kernels: packed weights, descriptions, scratch memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.edge.arena import Step
from vocalics.edge.graph import Node
from vocalics.edge.loops import Buffer, Leaf
from vocalics.edge.sizes import Dim, Shape, Size, at
from vocalics.errors import ModelFileError

BLOCK = 16
"""Output channels that kernels compute together."""


@dataclass
class Constants:
    """Arrays that go into the program as constants, by name; equal ones are kept once."""

    arrays: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def add(self, data: npt.NDArray[Any], what: str) -> str:
        """Keep an array; return its name."""
        for name, kept in self.arrays.items():
            if kept.dtype == data.dtype and kept.shape == data.shape and np.array_equal(kept, data):
                return name
        name = f"{what}_{len(self.arrays)}"
        self.arrays[name] = data
        return name

    def n_bytes(self, first: int = 0) -> int:
        """Return how many bytes the arrays take, from a place in the list on."""
        return sum(array.nbytes for array in list(self.arrays.values())[first:])


def code(dim: Dim) -> str:
    """Return a length as C text."""
    if isinstance(dim, int):
        return str(dim)
    return "n_frames" if dim == Size() else f"({dim.code('n_frames')})"


def blocks(weights: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return weights (out, step, row, channel) as (block, step, row, channel, BLOCK), filled up with zeros."""
    n_out = weights.shape[0]
    filled = np.zeros((-(-n_out // BLOCK) * BLOCK, *weights.shape[1:]), weights.dtype)
    filled[:n_out] = weights
    return np.ascontiguousarray(np.moveaxis(filled.reshape(-1, BLOCK, *weights.shape[1:]), 1, -1))


_SPREAD = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
"""Winograd's F(4, 3): from a kernel's three steps to six."""


def spread_steps(weights: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return weights (out, 3 steps, row, channel) with six steps, for the kernel that computes four at a time."""
    spread: npt.NDArray[np.float64] = np.einsum("is,osrc->oirc", _SPREAD, weights.astype(np.float64))
    return spread.astype(np.float32)


def filled(bias: npt.NDArray[Any] | None, n_out: int) -> npt.NDArray[np.float32]:
    """Return a bias filled up with zeros to whole blocks."""
    result = np.zeros(-(-n_out // BLOCK) * BLOCK, np.float32)
    if bias is not None:
        result[:n_out] = bias
    return result


@dataclass
class Geometry:
    """A convolution's sizes, steps (along time) first: a signal has one row."""

    channels: int
    rows: int
    in_steps: Dim
    out_channels: int
    out_rows: int
    out_steps: Dim
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)
    pool: tuple[int, int] = (1, 1)

    @property
    def padded_rows(self) -> int:
        """Rows that windows reach over."""
        return (self.out_rows - 1) * self.stride[1] + (self.kernel[1] - 1) * self.dilation[1] + 1

    @property
    def copies(self) -> bool:
        """Whether some window reaches beyond the input, so that a tile is copied with zeros around it."""
        if any(self.pad) or self.padded_rows > self.rows:
            return True
        reach = (self.kernel[0] - 1) * self.dilation[0] + 1
        behind = (self.out_steps - 1) * self.stride[0] + reach if isinstance(self.out_steps, int) else None
        if behind is None or not isinstance(self.in_steps, int):
            return self.kernel[0] > 1
        return behind > self.in_steps

    @property
    def by_four(self) -> bool:
        """Whether four steps at a time take half the products, and that pays: Winograd's F(4, 3) along time."""
        simple = self.kernel[0] == 3 and self.stride == (1, 1) and self.dilation == (1, 1)
        long = not isinstance(self.out_steps, int) or self.out_steps >= 4
        return simple and long and 12 % self.pool[0] == 0 and self.kernel[1] * self.channels >= 24

    def scratch_by_four(self) -> int:
        """Return how many numbers of scratch memory that takes: padded lines, spread ones, sums, the output's tile."""
        line, pixels = self.padded_rows * self.channels, 3 * self.out_rows
        tile = 12 * self.out_rows * self.out_channels if self.pool != (1, 1) else 0
        return (6 + 18) * line + pixels * 6 * BLOCK + tile

    @property
    def tile(self) -> int:
        """Steps that are computed together: enough pixels to fill the registers of any machine."""
        if not self.copies and self.pool == (1, 1):
            return 4096  # no memory depends on it
        wanted = 12 if self.out_rows == 1 else max(1, -(-48 // self.out_rows))
        wanted = -(-wanted // self.pool[0]) * self.pool[0]
        most = self.out_steps
        return min(wanted, -(-most // self.pool[0]) * self.pool[0]) if isinstance(most, int) else wanted

    def scratch(self) -> int:
        """Return how many numbers of scratch memory the kernel needs: an input tile, and one of the output."""
        lines = (self.tile - 1) * self.stride[0] + (self.kernel[0] - 1) * self.dilation[0] + 1
        copied = lines * self.padded_rows * self.channels if self.copies else 0
        return copied + (self.tile * self.out_rows * self.out_channels if self.pool != (1, 1) else 0)

    def text(self, relu: bool) -> str:
        """Return the kernel's description of it, a C initialiser."""
        sizes = [self.channels, self.rows, self.out_channels, self.out_rows, *self.kernel, *self.stride]
        sizes += [*self.dilation, *self.pad, *self.pool, self.tile, int(relu)]
        return "{" + ", ".join(map(str, sizes)) + "}"


def geometry(node: Node, shape: Shape, out_shape: Shape) -> Geometry:
    """Return a convolution's sizes from a node and the shapes (1, channels, [rows,] steps) of its input and output."""

    def sides(values: list[int]) -> tuple[int, int]:
        return (values[-1], values[0] if len(values) == 2 else 1)

    unpooled = node.settings.get("unpooled", out_shape)
    rows = [s[2] if len(s) == 4 else 1 for s in (shape, unpooled)]
    if not all(isinstance(row, int) for row in rows):
        raise ModelFileError("a convolution over two lengths that vary")
    before = node.settings["before"]
    pool = node.settings.get("pool")
    return Geometry(
        _int(shape[1]),
        _int(rows[0]),
        shape[-1],
        _int(unpooled[1]),
        _int(rows[1]),
        unpooled[-1],
        sides(node.settings["kernel"]),
        sides(node.settings["strides"]),
        sides(node.settings["dilations"]),
        (before[-1], before[0] if len(before) == 2 else 0),
        (1, 1) if pool is None else sides(pool),
    )


def _int(dim: Dim) -> int:
    assert isinstance(dim, int)
    return dim


def spread(weights: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a convolution's weights (out, in, [rows,] steps) as (out, step, row, channel)."""
    if weights.ndim == 3:
        weights = weights[:, :, None, :]
    return np.ascontiguousarray(weights.transpose(0, 3, 2, 1))


def convolution(
    sizes: Geometry,
    weights: npt.NDArray[np.float32],
    bias: npt.NDArray[np.float32] | None,
    relu: bool,
    source: Leaf,
    residual: Leaf | None,
    out: Leaf,
    constants: Constants,
    title: str,
    max_frames: int,
    number: int,
    fast: bool = False,
) -> Step:
    """Return the call of the float kernel.

    Args:
        sizes: The convolution's.
        weights: (out, step, row, channel).
        bias: (out,) or none.
        relu: Whether the output is rectified.
        source: The input, [step][row][channel].
        residual: What is added, of the output's shape before pooling.
        out: The output, [step][row][channel].
        constants: Where weights are kept.
        title: For a comment.
        max_frames: The most frames.
        number: Of the step, for its names.
        fast: Whether twice the weights may be kept where that halves the products.
    """
    before = len(constants.arrays)
    by_four = fast and sizes.by_four
    packed = constants.add(blocks(spread_steps(weights) if by_four else weights.astype(np.float32)), "weights")
    offsets = constants.add(filled(bias, sizes.out_channels), "bias")
    size = sizes.scratch_by_four() if by_four else sizes.scratch()
    scratch = Buffer(f"scratch{number}", "float", (size,)) if size else None
    name = residual.buffer.name if residual else "NULL"
    kernel = "convolve_by_four" if by_four else "convolve"
    lines = [
        f"static const convolution sizes = {sizes.text(relu)};",
        f"{kernel}(&sizes, {source.buffer.name}, {code(sizes.in_steps)}, {code(sizes.out_steps)}, {packed}, {offsets},"
        f" {name}, {out.buffer.name}, {scratch.name if scratch else 'NULL'});",
    ]
    macs = at(sizes.out_steps, max_frames) * sizes.out_rows * weights.size
    share = residual is not None and sizes.pool == (1, 1) and residual.buffer is not source.buffer
    return Step(
        title,
        lines,
        [source.buffer, *([residual.buffer] if residual else [])],
        [out.buffer],
        [scratch] if scratch else [],
        [(out.buffer, residual.buffer)] if share and residual else [],
        macs,
        constants.n_bytes(before),
    )


def each(
    sizes: Geometry,
    weights: npt.NDArray[np.float32],
    bias: npt.NDArray[np.float32] | None,
    relu: bool,
    source: Leaf,
    out: Leaf,
    constants: Constants,
    title: str,
    max_frames: int,
) -> Step:
    """Return the call of the kernel that convolves each channel by itself; weights are (channel, step, row, 1)."""
    before = len(constants.arrays)
    packed = constants.add(np.ascontiguousarray(weights[..., 0].transpose(1, 2, 0)), "weights")
    offsets = constants.add(filled(bias, sizes.out_channels), "bias")
    lines = [
        f"static const convolution sizes = {sizes.text(relu)};",
        f"convolve_each(&sizes, {source.buffer.name}, {code(sizes.in_steps)}, {code(sizes.out_steps)}, {packed},"
        f" {offsets}, {out.buffer.name});",
    ]
    macs = at(sizes.out_steps, max_frames) * sizes.out_rows * weights.size
    return Step(title, lines, [source.buffer], [out.buffer], macs=macs, weight_bytes=constants.n_bytes(before))


def pooling(node: Node, shape: Shape, source: Leaf, out: Leaf) -> Step:
    """Return the call of the pooling kernel, over floats or codes."""
    settings = node.settings
    rows = [s[2] if len(s) == 4 else 1 for s in (shape, out.shape)]
    sizes = [shape[1], *rows]
    for key, missing in (("kernel", 1), ("strides", 1), ("before", 0)):
        sides = settings[key]
        sizes += [sides[-1], sides[0] if len(sides) == 2 else missing]
    sizes += [int(settings["function"] == "mean"), int(settings["padded"])]
    if not all(isinstance(size, int) for size in sizes):
        raise ModelFileError("pools over two lengths that vary")
    kernel, more = ("pool_max_codes" if "codes" in settings else "pool"), ""
    if "zero" in settings:
        kernel, more = "pool_mean_codes", f"{settings['zero']}, "
    lines = [
        f"static const pooling sizes = {{{', '.join(map(str, sizes))}}};",
        f"{kernel}(&sizes, {source.buffer.name}, {code(shape[-1])}, {code(out.shape[-1])}, {more}{out.buffer.name});",
    ]
    return Step(node.output, lines, [source.buffer], [out.buffer])


def ungrouped(weights: npt.NDArray[Any], group: int) -> npt.NDArray[Any]:
    """Return the weights (out, in, ...) of a convolution in groups as those of one without, zeros between groups."""
    n_out, n_in = weights.shape[0] // group, weights.shape[1]
    whole = np.zeros((weights.shape[0], n_in * group, *weights.shape[2:]), weights.dtype)
    for g in range(group):
        whole[g * n_out : (g + 1) * n_out, g * n_in : (g + 1) * n_in] = weights[g * n_out : (g + 1) * n_out]
    return whole
