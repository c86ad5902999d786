"""Layers in whole numbers of eight bits as calls of their kernel: packed weights, multipliers instead of scales."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.edge.arena import Step
from vocalics.edge.layers import BLOCK, Constants, Geometry, code
from vocalics.edge.loops import Buffer, Leaf
from vocalics.edge.sizes import at
from vocalics.errors import ModelFileError


def packed(weights: npt.NDArray[np.int8], by_rows: bool) -> npt.NDArray[np.int8]:
    """Return weights (out, step, row, channel) as (block, step, run, four, BLOCK, 4), filled up with zeros.

    Args:
        weights: The layer's.
        by_rows: Whether the rows of a kernel are runs of their own: where they do not follow one another.
    """
    n_out, steps, rows = weights.shape[:3]
    runs = weights.reshape(n_out, steps * (rows if by_rows else 1), -1)
    fours, blocks = -(-runs.shape[2] // 4), -(-n_out // BLOCK)
    whole = np.zeros((blocks * BLOCK, runs.shape[1], fours * 4), np.int8)
    whole[:n_out, :, : runs.shape[2]] = runs
    parts = whole.reshape(blocks, BLOCK, runs.shape[1], fours, 4)
    return np.ascontiguousarray(parts.transpose(0, 2, 3, 1, 4))


def _whole(values: npt.NDArray[np.float64], most: float) -> tuple[npt.NDArray[np.int32], int]:
    """Return numbers as whole ones over a power of two, as fine as it goes.

    Args:
        values: Positive.
        most: That the largest whole number may be.
    """
    shift = min(46, math.floor(math.log2(most / values.max())))
    return np.rint(values * 2.0**shift).astype(np.int32), shift


def convolution(
    sizes: Geometry,
    weights: npt.NDArray[np.int8],
    settings: dict[str, Any],
    source: Leaf,
    residual: Leaf | None,
    out: Leaf,
    constants: Constants,
    title: str,
    max_frames: int,
    number: int,
) -> Step:
    """Return the call of the kernel for eight bits.

    Args:
        sizes: The convolution's.
        weights: (out, step, row, channel), whole numbers.
        settings: The node's: scales ("eight"), "bias", "codes_in", "codes_out" and so on.
        source: The input's codes, [step][row][channel].
        residual: Codes that are added.
        out: The output: codes, or floats where "codes_out" is not set.
        constants: Where weights are kept.
        title: For a comment.
        max_frames: The most frames.
        number: Of the step, for its names.
    """
    before, n_out = len(constants.arrays), sizes.out_channels
    scale_in, zero_in = settings["codes_in"]
    scales = np.broadcast_to(np.asarray(settings["eight"][1], np.float64).ravel(), (n_out,)) * scale_in
    bias = np.zeros(n_out) if settings["bias"] is None else settings["bias"].astype(np.float64)
    whole_bias = np.rint(bias / scales) - zero_in * weights.reshape(n_out, -1).astype(np.int64).sum(axis=1)
    if np.abs(whole_bias).max(initial=0.0) > 2**31 - 1:
        raise ModelFileError("a bias that is too large for its weights; expected one of 32 bits at their scale")
    relu = bool(settings.get("relu"))
    quantisation = [zero_in, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    multipliers = factors = "NULL"
    if "codes_out" in settings:
        scale, zero = settings.get("codes_between", settings["codes_out"])
        by, shift = _whole(scales / scale, 2.0**31 - 1)
        quantisation[1:4] = [shift, zero, zero if relu else 0]
        multipliers = constants.add(by, "multipliers")
        if residual is not None:
            quantisation[4:] = _sum(settings, scale)
    else:
        factors = constants.add(scales.astype(np.float32), "scales")
    pieces = constants.add(packed(weights, sizes.dilation[1] != 1), "weights")
    offsets = constants.add(whole_bias.astype(np.int32), "bias")
    scratch = Buffer(f"scratch{number}", "u8", (sizes.scratch() + 4,)) if sizes.scratch() else None
    lines = [
        f"static const convolution sizes = {sizes.text(relu)};",
        f"static const codes scales = {{{', '.join(map(str, quantisation))}}};",
        f"convolve_codes(&sizes, &scales, {source.buffer.name}, {code(sizes.in_steps)}, {code(sizes.out_steps)},"
        f" {pieces}, {offsets}, {multipliers}, {factors}, {residual.buffer.name if residual else 'NULL'},"
        f" {out.buffer.name}, {scratch.name if scratch else 'NULL'});",
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


def _sum(settings: dict[str, Any], own_scale: float) -> list[int]:
    """Return how a layer's codes and a residual's are added: shift, factors, zeros, the smallest code."""
    other_scale, other_zero = settings["residual"]
    scale, zero = settings["codes_out"]
    ratios = np.array([own_scale, other_scale]) / scale
    by, shift = _whole(ratios, (2.0**31 - 1) / 255 / 2 / 2)
    return [shift, int(by[0]), int(by[1]), other_zero, zero, zero if settings.get("relu_after") else 0]
