"""Gaussian mixtures as an ONNX graph: matrix products, in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np

from vocalics.export.onnx import INPUT, IR_VERSION, OPSET, OUTPUT
from vocalics.models.gmm import GaussianMixtureClassifier


def graph(classifier: GaussianMixtureClassifier, shape: tuple[int, ...]) -> Any:
    """Return a fitted classifier's graph, from scaled features to probabilities.

    Doubles, because a log-likelihood is the small difference of large sums: floats would be off by 1e-3 and more.

    Args:
        classifier: Fitted.
        shape: Of one input: (n_features,) or (n_features, n_frames).

    Returns:
        An ``onnx.ModelProto``.
    """
    from onnx import TensorProto, helper, numpy_helper

    square, linear, constant = classifier.coefficients()
    n_classes, n_components = classifier.log_weights_.shape
    weights = {
        "square": square,
        "linear": linear,
        "constant": constant,
        "by_class": np.array([0, 0, n_classes, n_components], np.int64),
        "sharpness": np.array(classifier.sharpness, np.float64),
        "log_priors": classifier.log_priors_,
        "one": np.array([1], np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Cast", [INPUT], ["x"], to=TensorProto.DOUBLE),
        # A vector is a single frame.
        node("Unsqueeze", ["x", "one"], ["frames"])
        if len(shape) == 1
        else node("Transpose", ["x"], ["frames"], perm=[0, 2, 1]),
        node("Mul", ["frames", "frames"], ["frames2"]),
        node("MatMul", ["frames2", "square"], ["of_squares"]),
        node("MatMul", ["frames", "linear"], ["of_values"]),
        node("Add", ["of_squares", "of_values"], ["of_both"]),
        node("Add", ["of_both", "constant"], ["components"]),
        node("Reshape", ["components", "by_class"], ["classes"]),
        node("ReduceLogSumExp", ["classes"], ["likelihoods"], axes=[3], keepdims=0),
        node("ReduceMean", ["likelihoods"], ["likelihood"], axes=[1], keepdims=0),
        node("Mul", ["likelihood", "sharpness"], ["sharpened"]),
        node("Add", ["sharpened", "log_priors"], ["scores"]),
        node("Softmax", ["scores"], ["exact"], axis=1),
        node("Cast", ["exact"], [OUTPUT], to=TensorProto.FLOAT),
    ]
    float32 = TensorProto.FLOAT
    made = helper.make_graph(
        nodes,
        "gaussian_mixtures",
        [helper.make_tensor_value_info(INPUT, float32, ["n", *shape])],
        [helper.make_tensor_value_info(OUTPUT, float32, ["n", n_classes])],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in weights.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
