"""Weights at half their size, or a quarter: stored as float16, or by row in eight bits; computed with in float32."""

from __future__ import annotations

import numpy as np

from vocalics.errors import MissingExtraError

_LEAST = 1024  # values: smaller constants (biases, scales, shapes) stay as they are


def halved(data: bytes, in_eight: int = 0) -> bytes:
    """Return a serialised ONNX graph whose large float32 constants are stored as float16 and cast when it is loaded.

    A weight keeps eleven bits: its relative error is at most 1/2048, or, below 6e-5, its absolute one 3e-8. In eight
    bits its error is at most 1/254 of the largest of its row.

    Args:
        data: A serialised graph, with or without a card.
        in_eight: Matrices of at least so many values are stored in eight bits, with a scale for each row; 0 is none.

    Raises:
        MissingExtraError: Where the onnx package is not installed.
        OverflowError: For a weight beyond ±65,504.
    """
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        raise MissingExtraError("halving a model's weights", "train") from None
    model = onnx.load_model_from_string(data)
    casts, extra = [], []
    inputs = {value.name for value in model.graph.input}  # with a default: stays what it is
    for tensor in model.graph.initializer:
        if tensor.name in inputs or tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < _LEAST:
            continue
        values, name = numpy_helper.to_array(tensor), tensor.name
        if in_eight and values.ndim == 2 and values.size >= in_eight:
            scale = np.maximum(np.abs(values).max(axis=1), 1e-30).astype(np.float32) / 127
            whole = np.round(values / scale[:, None]).astype(np.int8)
            tensor.CopyFrom(numpy_helper.from_array(whole, f"{name}_eight"))
            extra.append(numpy_helper.from_array(scale, f"{name}_scale"))
            casts.append(helper.make_node("DequantizeLinear", [f"{name}_eight", f"{name}_scale"], [name], axis=0))
            continue
        if np.abs(values).max() > np.finfo(np.float16).max:
            raise OverflowError(f"{name}: holds {np.abs(values).max():g}, which float16 cannot")
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    model.graph.initializer.extend(extra)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    out: bytes = model.SerializeToString()
    return out
