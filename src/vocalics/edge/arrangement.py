"""What ONNX's operators mean here that move numbers: other shapes, parts, joined parts, lengths."""

from __future__ import annotations

from typing import Any

import numpy as np

from vocalics.edge.operators import Reader, operator
from vocalics.edge.sizes import Dim, Shape, Size, broadcast, text
from vocalics.errors import ModelFileError


@operator("Transpose")
def _transpose(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    rank = len(reader.shape(node.input[0]))
    reader.view(node.input[0], node.output[0], attributes.get("perm", range(rank - 1, -1, -1)))


def _listed(reader: Reader, node: Any, attributes: dict[str, Any], key: str, place: int) -> list[int] | None:
    if len(node.input) > place and node.input[place]:
        return [int(v) for v in reader.known(node.input[place]).ravel()]
    return [int(v) for v in attributes[key]] if key in attributes else None


@operator("Squeeze", "Unsqueeze")
def _squeeze(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    value = reader.graph.values[node.input[0]]
    rank, axes = len(value.shape), _listed(reader, node, attributes, "axes", 1)
    if node.op_type == "Unsqueeze":
        new = {axis % (rank + len(axes or [])) for axis in axes or []}
        old = iter(range(rank))
        order: list[int | None] = [None if a in new else next(old) for a in range(rank + len(new))]
    else:
        gone = [a for a, d in enumerate(value.shape) if d == 1] if axes is None else [a % rank for a in axes]
        order = [a for a in range(rank) if a not in gone]
    if value.data is not None:
        sides = [1 if a is None else value.data.shape[a] for a in order]
        reader.constant(node.output[0], value.data.reshape(sides))
    else:
        reader.view(node.input[0], node.output[0], order)


@operator("Reshape", "Flatten")
def _reshape(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    value = reader.graph.values[node.input[0]]
    before = value.shape
    if node.op_type == "Flatten":
        axis = attributes.get("axis", 1) % (len(before) + 1)
        wanted: list[Any] = [_product(before[:axis]), _product(before[axis:])]
    else:
        wanted = list(reader.known(node.input[1]).ravel())
        if not attributes.get("allowzero"):
            wanted = [before[i] if isinstance(w, int | np.integer) and w == 0 else w for i, w in enumerate(wanted)]
    after = _filled(before, [w if isinstance(w, Size) else int(w) for w in wanted])
    if value.data is not None:
        reader.constant(node.output[0], value.data.reshape([int(a) for a in after if isinstance(a, int)]))
        return
    rest = [a for a, dim in enumerate(before) if dim != 1]
    if [before[a] for a in rest] == [dim for dim in after if dim != 1]:
        left = iter(rest)
        reader.view(node.input[0], node.output[0], [None if dim == 1 else next(left) for dim in after])
    elif any(isinstance(dim, Size) for dim in before):
        raise ModelFileError(f"from {text(before)} to {text(after)}: frames that vary cannot be regrouped")
    else:
        reader.step("reshape", [node.input[0]], node.output[0], after)
        reader.graph.values[node.output[0]].kind = value.kind


def _product(dims: Shape) -> Dim:
    others = 1
    varying = [dim for dim in dims if isinstance(dim, Size)]
    for dim in dims:
        others *= 1 if isinstance(dim, Size) else dim
    if len(varying) > 1 or (varying and others != 1):
        raise ModelFileError(f"{text(dims)} cannot become one axis while the number of frames varies")
    return varying[0] if varying else others


def _filled(before: Shape, wanted: list[Dim]) -> Shape:
    """Return a wanted shape with its -1 worked out."""
    if -1 not in wanted:
        return tuple(wanted)
    missing = list(before)
    for dim in wanted:
        if isinstance(dim, Size) and dim in missing:
            missing.remove(dim)
    fixed = 1
    for dim in wanted:
        fixed *= dim if isinstance(dim, int) and dim != -1 else 1
    varying = [dim for dim in missing if isinstance(dim, Size)]
    total = 1
    for dim in missing:
        total *= dim if isinstance(dim, int) else 1
    if len(varying) > 1 or (varying and total != fixed):
        raise ModelFileError(f"{text(before)} cannot be regrouped while the number of frames varies")
    left: Dim = varying[0] if varying else total // fixed
    return tuple(left if isinstance(dim, int) and dim == -1 else dim for dim in wanted)


@operator("Shape")
def _shape(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    dims = reader.shape(node.input[0])[attributes.get("start", 0) : attributes.get("end")]
    exact = all(isinstance(dim, int) for dim in dims)
    reader.constant(node.output[0], np.array(dims, np.int64 if exact else object))


@operator("Constant")
def _constant(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    from onnx import numpy_helper

    key, value = next(iter(attributes.items()))
    kinds = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    if key != "value" and key not in kinds:
        raise ModelFileError(f"{key}; expected numbers")
    reader.constant(node.output[0], numpy_helper.to_array(value) if key == "value" else np.array(value, kinds[key]))


@operator("Concat")
def _concat(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    values = [reader.graph.values[name] for name in node.input]
    if all(v.data is not None for v in values):
        reader.constant(node.output[0], np.concatenate([np.asarray(v.data, object) for v in values]))
        return
    axis = attributes["axis"] % len(values[0].shape)
    lengths = [v.shape[axis] for v in values]
    total: Dim = sum(length for length in lengths if isinstance(length, int))
    varying = [length for length in lengths if isinstance(length, Size)]
    if varying:
        if len(varying) > 1:
            raise ModelFileError("joins two lengths that vary")
        total = varying[0] + total if isinstance(total, int) else total
    shape = tuple(total if a == axis else dim for a, dim in enumerate(values[0].shape))
    reader.step("concat", node.input, node.output[0], shape, axis=axis)


def _cut(reader: Reader, source: str, output: str, axis: int, start: int, length: Dim, step: int = 1) -> str:
    shape = tuple(length if a == axis else dim for a, dim in enumerate(reader.shape(source)))
    return reader.step("slice", [source], output, shape, axis=axis, start=start, step=step)


@operator("Slice")
def _slice(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    value = reader.graph.values[node.input[0]]
    starts, ends = (_listed(reader, node, attributes, k, i) or [] for k, i in (("starts", 1), ("ends", 2)))
    axes = _listed(reader, node, attributes, "axes", 3) or list(range(len(starts)))
    steps = _listed(reader, node, attributes, "steps", 4) or [1] * len(starts)
    if value.data is not None:
        cuts = [slice(None)] * value.data.ndim
        for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
            cuts[axis] = slice(start, end if abs(end) < 2**31 else None, step)
        reader.constant(node.output[0], value.data[tuple(cuts)])
        return
    name = node.input[0]
    for i, (axis, start, end, step) in enumerate(zip(axes, starts, ends, steps, strict=True)):
        axis %= len(value.shape)
        dim = value.shape[axis]
        output = node.output[0] if i == len(axes) - 1 else f"{node.output[0]}:{i}"
        if isinstance(dim, int):
            cut = range(dim)[slice(start, end, step)]
            name = _cut(reader, name, output, axis, cut.start, len(cut), step)
        elif start >= 0 and step > 0 and (end < 0 or end > reader.max_frames):
            stop = dim if end > 0 else dim + end
            name = _cut(reader, name, output, axis, start, (stop - start + (step - 1)) // step, step)
        else:
            raise ModelFileError(f"cuts {start}:{end} out of a length that varies")


@operator("Split")
def _split(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    shape = reader.shape(node.input[0])
    axis = attributes.get("axis", 0) % len(shape)
    whole = shape[axis]
    if not isinstance(whole, int):
        raise ModelFileError("parts of a length that varies")
    size = -(-whole // len(node.output))
    parts = _listed(reader, node, attributes, "split", 1) or [
        min(size, whole - i * size) for i in range(len(node.output))
    ]
    start = 0
    for name, length in zip(node.output, parts, strict=True):
        _cut(reader, node.input[0], name, axis, start, length)
        start += length


@operator("Gather")
def _gather(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    value, index = reader.graph.values[node.input[0]], reader.known(node.input[1])
    axis = attributes.get("axis", 0) % len(value.shape)
    if value.data is not None:
        reader.constant(node.output[0], np.asarray(value.data.take(index.astype(np.int64), axis=axis), object))
        return
    dim = value.shape[axis]
    if index.size != 1 or not isinstance(dim, int):
        raise ModelFileError("takes several places, or one of a length that varies; expected one of a fixed length")
    cut = _cut(reader, node.input[0], f"{node.output[0]}:cut", axis, int(index.ravel()[0]) % dim, 1)
    axes: list[int | None] = list(range(len(value.shape)))
    axes[axis : axis + 1] = [] if index.ndim == 0 else [axis, *[None] * (index.ndim - 1)]
    reader.view(cut, node.output[0], axes)


@operator("Expand", "ConstantOfShape")
def _expand(reader: Reader, node: Any, attributes: dict[str, Any]) -> None:
    from onnx import numpy_helper

    wanted = tuple(d if isinstance(d, Size) else int(d) for d in reader.known(node.input[-1]).ravel())
    if node.op_type == "ConstantOfShape":
        number = float(numpy_helper.to_array(attributes["value"]).ravel()[0]) if "value" in attributes else 0.0
        source = reader.number(f"{node.output[0]}:number", number)
    else:
        source = node.input[0]
    shape = broadcast(wanted, reader.shape(source))
    reader.step("map", [source], node.output[0], shape, function="copy")
