"""A model file without the weights that its encoder brings along: a net on top of an encoder's blocks stays small.

Whatever constant of the graph is a tensor of the encoder, to the last bit of float16, is left out, and its name in the
encoder is noted. In its place stands a tensor of zeros of the same shape, so that the file stays a graph that can be
read; it says nothing of use until :func:`filled` has put the weights back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.errors import EncoderError, MissingExtraError
from vocalics.modelfile import LEFT_OUT_KEY

_LEAST = 1024  # values: smaller constants stay

Array = npt.NDArray[Any]


def thin(data: bytes, folder: Path) -> bytes:
    """Return a serialised graph without the weights that are the encoder's.

    Args:
        data: A serialised ONNX graph, with or without a card.
        folder: The encoder's.

    Raises:
        MissingExtraError: Where onnx or safetensors is not installed.
        EncoderError: When the graph holds no weight of the encoder.
    """
    onnx, helper, numpy_helper = _onnx()
    known = _known(folder)
    model = onnx.load_model_from_string(data)
    left_out: dict[str, tuple[str, bool]] = {}
    kept, zeros = [], []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        found = None
        if values.dtype == np.float32 and values.size >= _LEAST and (values == _half(values)).all():
            found = known.get(_digest(values))
        if found is None:
            kept.append(tensor)
            continue
        left_out[tensor.name] = found
        shape = f"{tensor.name}_shape"
        kept.append(numpy_helper.from_array(np.array(values.shape, np.int64), shape))
        zeros.append(helper.make_node("ConstantOfShape", [shape], [tensor.name]))
    if not left_out:
        raise EncoderError(
            f"{folder}: the model holds none of its weights; it was trained on another encoder, or on none"
        )
    nodes = [*zeros, *model.graph.node]
    _replace(model.graph, nodes, kept)
    model.metadata_props.add(key=LEFT_OUT_KEY, value=json.dumps(left_out))
    onnx.checker.check_model(model)
    out: bytes = model.SerializeToString()
    return out


def left_out(data: bytes) -> list[str]:
    """Return the encoder's names of the tensors that :func:`thin` left out of a graph, one for each that it had."""
    onnx, _, _ = _onnx()
    model = onnx.load_model_from_string(data)
    (told,) = (p.value for p in model.metadata_props if p.key == LEFT_OUT_KEY)
    return [name for name, _ in json.loads(told).values()]


def filled(model: Any, take: Callable[[str], Array]) -> Any:
    """Put the weights that :func:`thin` left out back into a graph, in place; one that lacks none stays as it is.

    Args:
        model: An ONNX model.
        take: Returns a tensor of the encoder by its name.

    Returns:
        The model; the weights are float16 where the encoder's are, with a cast.
    """
    _, helper, numpy_helper = _onnx()
    found = [p for p in model.metadata_props if p.key == LEFT_OUT_KEY]
    if not found:
        return model
    left_out = json.loads(found[0].value)
    nodes, kept, casts = [], [], []
    for name, (source, turned) in left_out.items():
        values = take(source)
        half = np.ascontiguousarray(values.T if turned else values).astype(np.float16)
        kept.append(numpy_helper.from_array(half, f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=1))
    shapes = {f"{name}_shape" for name in left_out}
    nodes = [n for n in model.graph.node if not (n.op_type == "ConstantOfShape" and n.output[0] in left_out)]
    kept += [tensor for tensor in model.graph.initializer if tensor.name not in shapes]
    _replace(model.graph, [*casts, *nodes], kept)
    model.metadata_props.remove(found[0])
    return model


def _replace(graph: Any, nodes: list[Any], constants: list[Any]) -> None:
    # Copied first: clearing a field empties what it held.
    nodes, constants = [_copied(n) for n in nodes], [_copied(c) for c in constants]
    del graph.node[:]
    del graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(constants)


def _copied(message: Any) -> Any:
    out = type(message)()
    out.CopyFrom(message)
    return out


def _known(folder: Path) -> dict[str, tuple[str, bool]]:
    """By digest, every large tensor of an encoder, as it is and turned."""
    try:
        from safetensors import safe_open
    except ImportError:
        raise MissingExtraError("reading an encoder", "accurate") from None
    file: Any = safe_open(folder / "model.safetensors", framework="np")
    found = {}
    for name in file.keys():  # noqa: SIM118 - not a mapping
        if "decoder" in name:
            continue
        values = file.get_tensor(name)
        if values.size >= _LEAST:
            plain = name.rpartition("encoder.")[2]
            found[_digest(values)] = (plain, False)
            if values.ndim == 2:
                found[_digest(values.T)] = (plain, True)
    return found


def _digest(values: Array) -> str:
    half = np.ascontiguousarray(_half(values)) + np.float16(0)  # an average of zeros has lost their sign
    return hashlib.sha256(repr(half.shape).encode() + half.tobytes()).hexdigest()


def _half(values: Array) -> Array:
    with np.errstate(over="ignore"):
        return values.astype(np.float16)


def _onnx() -> Any:
    try:
        import onnx
        from onnx import helper, numpy_helper
    except ImportError:
        raise MissingExtraError("taking a model apart", "accurate") from None
    return onnx, helper, numpy_helper
