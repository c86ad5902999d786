"""Exported graphs give the framework's probabilities, hold everything themselves, and load in older runtimes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from vocalics.errors import VocalicsError
from vocalics.export.onnx import IR_VERSION, OPSET, from_sklearn, from_torch, n_parameters
from vocalics.models import models
from vocalics.models.classical import majority, svm
from vocalics.models.dense import dense_wide
from vocalics.models.gmm import GaussianMixtureClassifier
from vocalics.models.keras_layers import n_parameters as n_keras

VECTOR_NETS = sorted(n for n, s in models().items() if s.neural and not s.uneven)


def run(model: Any, features: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(["probabilities"], {"features": features})
    return np.asarray(probabilities)


def trained(name: str, seed: int = 0) -> Any:
    """A net whose batch norm has seen data, so that folding it wrongly would show."""
    torch.manual_seed(seed)
    net = models()[name].build(4)
    net.train()
    with torch.no_grad():
        for _ in range(3):
            net(2 * torch.randn(8, *net.shape) + 0.5)
        for parameter in net.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return net.eval()


@pytest.mark.parametrize("name", VECTOR_NETS)
@pytest.mark.parametrize("scaled", [False, True])
def test_a_nets_probabilities_are_torchs(name: str, scaled: bool) -> None:
    net, rng = trained(name), np.random.default_rng(1)
    mean, scale = rng.normal(size=net.shape), rng.uniform(0.1, 3, net.shape)
    features = rng.normal(size=(7, *net.shape)).astype(np.float32)
    model = from_torch(net, net.shape, *((mean, scale) if scaled else (None, None)))
    inner = (features - mean) / scale if scaled else features
    with torch.no_grad():
        expected = torch.softmax(net(torch.from_numpy(inner.astype(np.float32))), dim=1).numpy()
    got = run(model, features)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert np.abs(got - got.mean(axis=0)).max() > 1e-3
    np.testing.assert_allclose(run(model, features[2:3]), got[2:3], atol=1e-5)
    if scaled:
        assert np.abs(run(from_torch(net, net.shape), features) - got).max() > 1e-3


def test_a_matrix_scaler_of_one_value_per_row_fits() -> None:
    net = trained("cnn2d")
    features = np.random.default_rng(0).normal(3, 2, (2, 25, 216)).astype(np.float32)
    rows = np.arange(1, 26, dtype=np.float32)[:, None]
    whole = from_torch(net, (25, 216), np.broadcast_to(rows, (25, 216)), np.full((25, 216), 2.0))
    np.testing.assert_allclose(run(from_torch(net, (25, 216), rows, 2.0), features), run(whole, features), atol=1e-6)


@pytest.mark.parametrize("training", [False, True])
def test_the_net_is_left_as_it_was(training: bool) -> None:
    net = trained("cnn2d").train(training)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    from_torch(net, net.shape)
    assert net.training == training
    assert all(part.training == training for part in net.modules())
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


def test_the_file_stands_alone_and_loads_in_older_runtimes(tmp_path: Path) -> None:
    net = trained("cnn1d")
    model = from_torch(net, net.shape, 0.5, 2.0)
    assert model.ir_version <= IR_VERSION == 10
    assert [(i.domain, i.version) for i in model.opset_import] == [("", OPSET)]
    assert all(t.data_location != onnx.TensorProto.EXTERNAL for t in model.graph.initializer)
    onnx.save(model, tmp_path / "net.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]
    assert (tmp_path / "net.onnx").stat().st_size > 4 * 557_000
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "n"


def test_the_graph_is_free_of_what_only_tracing_needs() -> None:
    kinds = {node.op_type for node in from_torch(trained("cnn1d"), (162,)).graph.node}
    assert kinds == {"Unsqueeze", "Pad", "Conv", "Relu", "MaxPool", "Flatten", "Gemm", "Softmax"}


def test_parameters_are_weights_and_scaler() -> None:
    net = trained("dense_wide")
    assert n_parameters(from_torch(net, (193,))) == n_keras(net)
    with_scaler = n_parameters(from_torch(net, (193,), np.arange(193.0), np.arange(1, 194.0)))
    assert with_scaler == n_keras(net) + 2 * 193


@pytest.mark.parametrize(
    "classifier",
    [
        majority(),
        LogisticRegression(max_iter=2000),
        RandomForestClassifier(8, random_state=0),
        GradientBoostingClassifier(n_estimators=8, random_state=0),
        svm(),
        GaussianMixtureClassifier(3, random_state=0),
    ],
    ids=lambda c: type(c).__name__,
)
@pytest.mark.parametrize("scaled", [False, True])
def test_a_classifiers_probabilities_are_scikit_learns(classifier: Any, scaled: bool) -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 150)
    features = (rng.normal(size=(150, 6)) + truth[:, None] + 5).astype(np.float32)
    mean, scale = features.mean(axis=0), features.std(axis=0)
    inner = (features - mean) / scale if scaled else features
    classifier.fit(inner, truth)
    model = from_sklearn(classifier, 6, *((mean, scale) if scaled else (None, None)))
    got = run(model, features[:20])
    assert got.shape == (20, 3)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, classifier.predict_proba(inner[:20]), atol=1e-5)
    assert [o.name for o in model.graph.output] == ["probabilities"]
    assert model.ir_version <= IR_VERSION
    assert n_parameters(model) >= 3
    if not hasattr(classifier, "strategy"):
        assert np.ptp(got[:, 0]) > 0.1


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("name", sorted(n for n, s in models().items() if not s.neural and n != "majority"))
def test_every_classifier_of_ours_becomes_a_graph_of_one_runtime(name: str, n_classes: int) -> None:
    rng = np.random.default_rng(n_classes)
    truth = np.arange(100) % n_classes
    features = (rng.normal(size=(100, 4)) + truth[:, None]).astype(np.float32)
    classifier = models()[name].build(n_classes).fit(features, truth)
    model = from_sklearn(classifier, 4)
    np.testing.assert_allclose(run(model, features), classifier.predict_proba(features), atol=1e-5)
    np.testing.assert_allclose(run(model, features[:1]), run(model, features)[:1], atol=1e-6)
    assert run(model, features).std() > 0.01
    assert from_sklearn(classifier, 4).SerializeToString() == model.SerializeToString()  # a file is known by its hash
    assert {(i.domain, i.version) for i in model.opset_import} <= {("", OPSET), ("ai.onnx.ml", 3), ("ai.onnx.ml", 1)}
    assert model.ir_version <= IR_VERSION


def test_thresholds_of_trees_meet_the_very_values_of_training() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(5, 3, size=(3000, 2)).astype(np.float32)
    mean, scale = features.mean(axis=0), features.std(axis=0)
    inner = (features - mean) / scale
    # A tree that tells every clip from its neighbours has its thresholds as close to the values as they can be.
    forest = RandomForestClassifier(3, bootstrap=False, random_state=0).fit(inner, np.arange(3000) % 7)
    np.testing.assert_allclose(run(from_sklearn(forest, 2, mean, scale), features), forest.predict_proba(inner))
    assert np.abs((features - mean) * (1 / scale) - inner).max() > 0


def test_mixtures_over_frames_are_exact_where_likelihoods_are_large_and_near() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 3
    clips = (rng.normal(size=(60, 4, 50)) * 0.05 + 3 + 0.01 * truth[:, None, None]).astype(np.float32)
    classifier = GaussianMixtureClassifier(3, covariance_floor=1e-4, sharpness=20.0, random_state=0).fit(clips, truth)
    model = from_sklearn(classifier, (4, 50))
    got = run(model, clips)
    np.testing.assert_allclose(got, classifier.predict_proba(clips), atol=1e-6)
    square, linear, constant = (c.astype(np.float32) for c in classifier.coefficients())
    single = clips[0].T ** 2 @ square + clips[0].T @ linear + constant
    exact = clips[0].T.astype(float) ** 2 @ classifier.coefficients()[0] + clips[0].T @ classifier.coefficients()[1]
    assert np.abs(single - exact - classifier.coefficients()[2]).max() > 1e-4  # what single precision would do
    assert 0.01 < got.max(axis=1).mean() < 0.999
    np.testing.assert_allclose(run(model, clips[7:8]), got[7:8])


def test_a_recurrent_net_takes_batches_of_any_size() -> None:
    net = trained("cnn_lstm")
    model = from_torch(net, net.shape)
    features = np.random.default_rng(0).normal(size=(33, *net.shape)).astype(np.float32)
    whole = run(model, features)
    for n in (1, 2, 5):
        np.testing.assert_allclose(run(model, features[:n]), whole[:n], atol=1e-5)
    assert np.abs(whole - whole[0]).max() > 1e-3
    assert "LSTM" in {node.op_type for node in model.graph.node}


def test_a_classifier_that_cannot_be_converted_is_said() -> None:
    class Own(RandomForestClassifier):
        pass

    features = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(VocalicsError, match="skl2onnx cannot convert Own; take another model"):
        from_sklearn(Own(2).fit(features, np.arange(20) % 2), 3)


def test_no_warning_reaches_the_caller() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from_torch(dense_wide(), (193,))


@pytest.mark.parametrize(
    ("mean", "scale", "words"),
    [
        (np.zeros(7), None, r"mean of shape \(7,\) does not fit features of shape \(193,\)"),
        (None, np.zeros(193), "scale holds zero"),
        (np.nan, None, "not finite"),
    ],
)
def test_a_scaler_that_cannot_be_is_said(mean: Any, scale: Any, words: str) -> None:
    with pytest.raises(VocalicsError, match=words):
        from_torch(dense_wide(), (193,), mean, scale)


def test_a_classifier_without_probabilities_is_said() -> None:
    with pytest.raises(VocalicsError, match="LinearSVC gives no probabilities"):
        from_sklearn(LinearSVC(), 3)
