"""Classifiers of scikit-learn as ONNX graphs, without a scaler: by skl2onnx, and the one that it does not know."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from vocalics.errors import MissingExtraError, VocalicsError
from vocalics.export.onnx import INPUT, OPSET, OUTPUT


def converted(classifier: Any, shape: tuple[int, ...]) -> Any:
    """Return the graph that skl2onnx makes of a fitted classifier, with probabilities as its only output.

    Raises:
        MissingExtraError: Where skl2onnx is not installed.
        VocalicsError: For a classifier that it does not know.
    """
    try:
        from skl2onnx import convert_sklearn
        from skl2onnx.common.data_types import FloatTensorType
        from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator
        from sklearn.calibration import CalibratedClassifierCV
    except ImportError:
        raise MissingExtraError("exporting a classifier", "train") from None
    if isinstance(classifier, CalibratedClassifierCV):
        # skl2onnx goes by the class; ours differs from its parent in how it is fitted alone.
        plain = CalibratedClassifierCV()
        vars(plain).update(vars(classifier))
        classifier = plain
    with warnings.catch_warnings():
        # skl2onnx reads attributes that newer scikit-learn releases mark as deprecated.
        warnings.simplefilter("ignore", FutureWarning)
        try:
            model = convert_sklearn(
                classifier,
                "classifier",  # else a name drawn at random, and no two files of one model would be alike
                initial_types=[(INPUT, FloatTensorType([None, *shape]))],
                options={id(classifier): {"zipmap": False}},
                target_opset={"": OPSET, "ai.onnx.ml": 3},
            )
        except (MissingConverter, MissingShapeCalculator) as error:
            raise VocalicsError(f"skl2onnx cannot convert {type(classifier).__name__}; take another model") from error
    return _only_probabilities(model)


def constant(classifier: Any, shape: tuple[int, ...]) -> Any:
    """Return a graph that gives every clip the same probabilities; skl2onnx has no converter for a dummy."""
    import onnx
    from onnx import helper, numpy_helper

    row = np.asarray(classifier.predict_proba(np.zeros((1, *shape))), dtype=np.float32)
    nodes = [
        helper.make_node("Shape", [INPUT], ["n"], start=0, end=1),
        helper.make_node("Concat", ["n", "one"], ["repeats"], axis=0),
        helper.make_node("Tile", ["row", "repeats"], [OUTPUT]),
    ]
    weights = [numpy_helper.from_array(row, "row"), numpy_helper.from_array(np.array([1], np.int64), "one")]
    float32 = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "constant",
        [helper.make_tensor_value_info(INPUT, float32, ["n", *shape])],
        [helper.make_tensor_value_info(OUTPUT, float32, ["n", row.shape[1]])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])


def _only_probabilities(model: Any) -> Any:
    """Return the model without its label output, and without the nodes that serve it alone."""
    graph = model.graph
    kept = next(o for o in graph.output if o.name != "label" and "label" not in o.name)
    name = kept.name
    for node in graph.node:
        for names in (node.input, node.output):
            for i, value in enumerate(names):
                if value == name:
                    names[i] = OUTPUT
    kept.name = OUTPUT
    kept_copy = type(kept).FromString(kept.SerializeToString())
    del graph.output[:]
    graph.output.append(kept_copy)
    needed, nodes = {OUTPUT}, []
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed |= set(node.input)
            nodes.append(node)
    copies = [type(n).FromString(n.SerializeToString()) for n in reversed(nodes)]
    del graph.node[:]
    graph.node.extend(copies)
    weights = [type(t).FromString(t.SerializeToString()) for t in graph.initializer if t.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(weights)
    return model
