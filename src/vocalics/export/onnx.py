"""Classifiers of features as ONNX graphs: features in, probabilities out, the scaler inside.

Graphs have one input "features", float32 (n, ...), one output "probabilities", float32 (n, n_classes), any batch size,
opset 17, and hold their weights themselves.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.errors import MissingExtraError, VocalicsError

OPSET = 17
IR_VERSION = 10
"""The newest file version that ONNX Runtime 1.18 reads."""

INPUT, OUTPUT = "features", "probabilities"
_EXAMPLE = 100  # the length that a varying axis has while a net is traced


def from_torch(
    module: Any, shape: tuple[int | None, ...], mean: npt.ArrayLike | None = None, scale: npt.ArrayLike | None = None
) -> Any:
    """Return a net as an ONNX model, with the scaler before it and softmax behind it.

    Args:
        module: A ``torch.nn.Module`` that maps float32 (n, *shape) to logits (n, n_classes); its state is not changed.
        shape: The shape of one input; ``None`` where a length varies, and then there is no scaler.
        mean: Subtracted from the input; broadcasts to ``shape``. ``None`` subtracts nothing.
        scale: Divides the difference (a standard deviation); broadcasts to ``shape``. ``None`` divides by nothing.

    Returns:
        An ``onnx.ModelProto``.

    Raises:
        MissingExtraError: Where torch or onnx is not installed.
        VocalicsError: For a scaler that does not fit the shape, or whose scale is zero or not finite.
    """
    try:
        import onnx
        import torch
    except ImportError:
        raise MissingExtraError("exporting a net", "train") from None
    example = tuple(_EXAMPLE if n is None else n for n in shape)
    assert example == shape or (mean is None and scale is None)
    offset, factor = _scaler(example, mean, scale)

    class Probabilities(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module
            self.offset = torch.nn.Parameter(torch.from_numpy(offset), requires_grad=False)
            self.factor = torch.nn.Parameter(torch.from_numpy(factor), requires_grad=False)

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            if mean is not None:
                features = features - self.offset
            if scale is not None:
                features = features / self.factor
            logits: torch.Tensor = self.module(features)
            return torch.softmax(logits.float(), dim=1)

    varying = {0: "n", **{i: f"length_{i}" for i, n in enumerate(shape, start=1) if n is None}}
    written = trace(Probabilities(), torch.zeros(2, *example), INPUT, OUTPUT, {INPUT: varying, OUTPUT: {0: "n"}})
    return _finished(onnx.load_from_string(written), shape)


def trace(module: Any, example: Any, source: str, output: str, axes: dict[str, dict[int, str]]) -> bytes:
    """Trace a torch module into a serialised ONNX graph, constants computed and batch norm folded.

    Args:
        module: Takes one tensor and gives one; left in the state it was in.
        example: An input; what varies is named in ``axes``, everything else is fixed.
        source: The input's name.
        output: The output's name.
        axes: By input or output, the positions and names of the axes whose length varies.
    """
    import torch

    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            # The exporter by torch.export needs a further package, writes opset 18 at least and differs between torch
            # 2.4 and 2.13; the tracing one is the same in all of them, but says that it is the older one. Lengths
            # traced as constants are meant so: only the named axes vary.
            warnings.simplefilter("ignore")
            target = Path(folder) / "net.onnx"
            torch.onnx.export(
                module,
                (example,),
                target,
                dynamo=False,
                opset_version=OPSET,
                input_names=[source],
                output_names=[output],
                dynamic_axes=axes,
            )
            return _folded(target.read_bytes())
    finally:
        for part, training in modes:
            part.training = training


def from_sklearn(
    classifier: Any, shape: int | tuple[int, ...], mean: npt.ArrayLike | None = None, scale: npt.ArrayLike | None = None
) -> Any:
    """Return a fitted scikit-learn classifier as an ONNX model, with the scaler before it.

    The graph subtracts and divides in float32 as training does, so that a tree's thresholds meet the very same values.

    Args:
        classifier: Fitted, with ``predict_proba``; the output's columns are in the order of its ``classes_``.
        shape: The shape of one input, or its length; only the project's own mixtures take more than one axis.
        mean: Subtracted from the input; broadcasts to ``shape``. ``None`` subtracts nothing.
        scale: Divides the difference; broadcasts to ``shape``. ``None`` divides by nothing.

    Returns:
        An ``onnx.ModelProto``.

    Raises:
        MissingExtraError: Where scikit-learn or skl2onnx is not installed.
        VocalicsError: For a classifier without probabilities, one that cannot be converted, or a scaler as in
            :func:`from_torch`.
    """
    try:
        from sklearn.dummy import DummyClassifier

        from vocalics.export import classifiers, mixture
        from vocalics.models.gmm import GaussianMixtureClassifier
    except ImportError:
        raise MissingExtraError("exporting a classifier", "train") from None
    if not hasattr(classifier, "predict_proba"):
        raise VocalicsError(f"{type(classifier).__name__} gives no probabilities; expected one with predict_proba")
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    offset, factor = _scaler(shape, mean, scale)
    if isinstance(classifier, DummyClassifier):
        model = classifiers.constant(classifier, shape)
    elif isinstance(classifier, GaussianMixtureClassifier):
        model = mixture.graph(classifier, shape)
    else:
        model = classifiers.converted(classifier, shape)
    if mean is not None or scale is not None:
        model = _scaled(model, offset, factor)
    return _finished(model, shape)


def _scaled(model: Any, offset: npt.NDArray[np.float32], factor: npt.NDArray[np.float32]) -> Any:
    """Return the graph with subtraction and division before it."""
    from onnx import helper, numpy_helper

    graph = model.graph
    for node in graph.node:
        for i, name in enumerate(node.input):
            if name == INPUT:
                node.input[i] = "scaled"
    nodes = [
        helper.make_node("Sub", [INPUT, "scaler_mean"], ["scaler_difference"]),
        helper.make_node("Div", ["scaler_difference", "scaler_scale"], ["scaled"]),
        *(type(n).FromString(n.SerializeToString()) for n in graph.node),
    ]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(
        [numpy_helper.from_array(offset, "scaler_mean"), numpy_helper.from_array(factor, "scaler_scale")]
    )
    if all(i.domain for i in model.opset_import):
        model.opset_import.append(helper.make_opsetid("", OPSET))
    return model


def n_parameters(model: Any) -> int:
    """Count the floating-point values that a model's graph holds: weights, scaler, trees, support vectors.

    Equal tensors are held once and batch norm may be folded into a convolution, so that this can be less than the
    count of the net before its export.
    """
    import onnx

    floats = {onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16}
    tensors = [t for t in model.graph.initializer if t.data_type in floats]
    attributes = [a for node in model.graph.node for a in node.attribute]
    tensors += [a.t for a in attributes if a.type == onnx.AttributeProto.TENSOR and a.t.data_type in floats]
    in_attributes = sum(len(a.floats) for a in attributes if a.type == onnx.AttributeProto.FLOATS)
    return in_attributes + sum(int(np.prod(t.dims)) for t in tensors)


def _scaler(
    shape: tuple[int, ...], mean: npt.ArrayLike | None, scale: npt.ArrayLike | None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    values = []
    for name, value, neutral in (("mean", mean, 0.0), ("scale", scale, 1.0)):
        array = np.asarray(neutral if value is None else value, dtype=np.float32)
        try:
            full = np.broadcast_to(array, shape)
        except ValueError:
            raise VocalicsError(f"{name} of shape {array.shape} does not fit features of shape {shape}") from None
        if not np.isfinite(full).all() or (name == "scale" and (full == 0).any()):
            raise VocalicsError(f"{name} holds zero or a value that is not finite; expected usable numbers")
        values.append(np.array(full, dtype=np.float32))
    return values[0], values[1]


def _folded(model: bytes) -> bytes:
    """Return the graph with constants computed and batch norm folded into convolutions, by ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "folded.onnx"
        options.optimized_model_filepath = str(target)
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return target.read_bytes()


def _finished(model: Any, shape: tuple[int | None, ...]) -> Any:
    import onnx

    used = {node.domain for node in model.graph.node} | {""}
    imports = [type(i).FromString(i.SerializeToString()) for i in model.opset_import if i.domain in used]
    for imported in imports:
        # skl2onnx writes the lowest that would do; what it uses is the same in ours.
        imported.version = imported.version if imported.domain else OPSET
    del model.opset_import[:]
    model.opset_import.extend(imports)
    model.ir_version = min(model.ir_version, IR_VERSION)
    model.producer_name = "vocalics"
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "n"
    assert [i.name for i in model.graph.input] == [INPUT] and [o.name for o in model.graph.output] == [OUTPUT]
    sizes = tuple(d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim[1:])
    assert sizes == tuple(n or 0 for n in shape)
    onnx.checker.check_model(model)
    return model
