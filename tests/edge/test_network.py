"""Networks in C against ONNX Runtime: operators on odd sizes, whole models, memory that is never exceeded."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("onnx")

import onnx
from onnx import helper

from vocalics import named_models
from vocalics.edge import arena, network
from vocalics.edge.loops import Buffer
from vocalics.emotions import EMOTIONS

sys.path.insert(0, str(Path(__file__).parent))
import c_network
from c_network import ask, build, log_mel, session

if "gcc" not in c_network.COMPILERS:
    pytest.skip("no gcc", allow_module_level=True)

node = helper.make_node
RNG = np.random.default_rng(0)


def weights(*shape: int, scale: float = 0.3) -> NDArray[np.float32]:
    return RNG.normal(0, scale, shape).astype(np.float32)


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Every test draws the same numbers, whichever ran before."""
    RNG.bit_generator.state = np.random.default_rng(0).bit_generator.state


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A net of convolutions over bands and time with few channels and weights at random."""
    torch = pytest.importorskip("torch")
    from vocalics.export.waveform import from_torch
    from vocalics.features.logmel import LogMel
    from vocalics.models.logmel_cnn import LogMelCnn

    torch.manual_seed(0)
    net = LogMelCnn(8, 64, (5, 9, 13, 17), 11)
    net.train()
    with torch.no_grad():
        for _ in range(10):
            net(torch.from_numpy(np.stack([log_mel(60, seed=s) for s in range(8)])))
    target = tmp_path_factory.mktemp("models") / "small.onnx"
    onnx.save(from_torch(net.eval(), LogMel()), str(target))
    return target


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("networks")


def end(name: str, axes: list[int]) -> list[Any]:
    """Nodes that end a graph in probabilities (1, n)."""
    return [
        node("ReduceMean", [name], ["pooled"], axes=axes, keepdims=0),
        node("Softmax", ["pooled"], ["probabilities"]),
    ]


def check(model: Any, folder: Path, inputs: list[NDArray[np.float32]], most: float = 1e-5, **how: Any) -> c_network.Net:
    net, asked = build(model, folder, **how), session(model)
    said = []
    for given in inputs:
        expected, found = ask(asked, given)[0], net.run(given)
        assert found is not None
        np.testing.assert_allclose(found[0], expected, atol=most, rtol=most)
        said.append(expected)
    assert np.ptp(said[0]) > 1e-3 or said[0].size == 1  # not all the same
    return net


def frames(rows: int, *lengths: int) -> list[NDArray[np.float32]]:
    return [weights(rows, n, scale=1.0) for n in lengths]


CONVOLUTIONS = {
    "signal": ((5, "t"), weights(7, 5, 3), {"pads": [1, 1]}, [1, 2, 5, 30]),
    "even kernel, more behind": ((3, "t"), weights(19, 3, 8), {"pads": [3, 4]}, [2, 9, 40]),
    "no padding": ((9, "t"), weights(16, 9, 3), {}, [3, 4, 31]),
    "stride and dilation": (
        (4, "t"),
        weights(33, 4, 3),
        {"strides": [3], "dilations": [2], "pads": [2, 0]},
        [4, 25, 26],
    ),
    "one by one": ((17, "t"), weights(40, 17, 1), {}, [1, 13, 50]),
    "each channel by itself": ((6, "t"), weights(6, 1, 5), {"group": 6, "pads": [2, 2]}, [1, 20]),
    "groups": ((6, "t"), weights(9, 2, 3), {"group": 3, "pads": [1, 1]}, [1, 20]),
    "image": ((11, "t"), weights(5, 1, 3, 3), {"pads": [1, 1, 1, 1]}, [1, 2, 3, 4, 5, 12, 13, 27]),
    "wide image": ((12, "t"), weights(24, 5, 5, 3), {"pads": [2, 1, 2, 1]}, [1, 7, 25]),
    "image with strides": ((20, "t"), weights(18, 2, 5, 5), {"strides": [2, 2], "pads": [2, 2, 2, 2]}, [1, 6, 23]),
    "image with holes": ((13, "t"), weights(6, 2, 3, 2), {"dilations": [2, 3], "pads": [1, 2, 3, 1]}, [1, 15]),
    "image, less padding than kernel": ((9, "t"), weights(16, 3, 3, 3), {"pads": [0, 1, 1, 0]}, [2, 9, 26]),
    "each of an image's channels": ((8, "t"), weights(3, 1, 3, 3), {"group": 3, "pads": [1, 1, 1, 1]}, [1, 9]),
}


def convolution(shape: Any, w: NDArray[np.float32], settings: dict[str, Any], opset: int = 17) -> tuple[Any, int]:
    """A graph: channels out of rows where the kernel has two sides; bias, ReLU."""
    stored: dict[str, Any] = {"w": w, "b": weights(w.shape[0])}
    nodes, source, rows = [], "features", shape[0]
    if w.ndim == 4:
        n_in = w.shape[1] * settings.get("group", 1)
        stored |= {"axis": np.array([1]), "by": weights(n_in, 1, 1, scale=1.0)}
        nodes = [node("Unsqueeze", ["features", "axis"], ["image"]), node("Mul", ["image", "by"], ["images"])]
        source = "images"
    nodes += [node("Conv", [source, "w", "b"], ["c"], **settings), node("Relu", ["c"], ["r"])]
    return c_network.graph([*nodes, *end("r", list(range(2, w.ndim)))], shape, stored), rows


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(name: str, folder: Path) -> None:
    shape, w, settings, lengths = CONVOLUTIONS[name]
    model, rows = convolution(shape, w, settings)
    check(model, folder, frames(rows, *lengths))


@pytest.mark.parametrize("name", ["image", "wide image", "stride and dilation", "signal"])
@pytest.mark.parametrize("flags", [("-O1", "-DVOCALICS_PORTABLE"), ("-O3", "-march=native")], ids=["plain", "native"])
def test_convolutions_in_plain_c_and_in_vectors(name: str, flags: tuple[str, ...], folder: Path) -> None:
    shape, w, settings, lengths = CONVOLUTIONS[name]
    model, rows = convolution(shape, w, settings)
    check(model, folder, frames(rows, *lengths), flags=flags)


def test_half_the_products_give_the_same(folder: Path) -> None:
    shape, w, settings, _ = CONVOLUTIONS["wide image"]
    model, rows = convolution(shape, w, settings)
    given = frames(rows, 24)[0]
    fast, slow = (build(model, folder, fast=f) for f in (True, False))
    assert fast.defines["WEIGHT_BYTES"] > 1.5 * slow.defines["WEIGHT_BYTES"]
    np.testing.assert_allclose(fast.run(given)[0], slow.run(given)[0], atol=1e-6)  # type: ignore[index]


@pytest.mark.parametrize("pool", [[2, 2], [1, 3], [3, 1], [5, 5]])
def test_residual_and_pooling_behind_a_convolution(pool: list[int], folder: Path) -> None:
    stored = {"axis": np.array([1]), "w": weights(18, 1, 3, 3), "v": weights(18, 18, 3, 3), "b": weights(18)}
    nodes = [
        node("Unsqueeze", ["features", "axis"], ["image"]),
        node("Conv", ["image", "w"], ["first"], pads=[1, 1, 1, 1]),
        node("Relu", ["first"], ["a"]),
        node("Conv", ["a", "v", "b"], ["second"], pads=[1, 1, 1, 1]),
        node("Add", ["a", "second"], ["sum"]),
        node("Relu", ["sum"], ["b2"]),
        node("MaxPool", ["b2"], ["small"], kernel_shape=pool, strides=pool),
    ]
    model = c_network.graph([*nodes, *end("small", [2, 3])], (15, "t"), stored)
    net = check(model, folder, frames(15, 5, 6, 7, 24, 25, 47))
    assert net.run(frames(15, pool[1] - 1)[0] if pool[1] > 1 else frames(15, 0)[0]) is None  # too few


POOLINGS = {
    "overlapping": ("MaxPool", {"kernel_shape": [5], "strides": [2], "pads": [2, 2]}),
    "more behind": ("MaxPool", {"kernel_shape": [3], "strides": [2], "pads": [0, 1]}),
    "up": ("MaxPool", {"kernel_shape": [3], "strides": [2], "ceil_mode": 1}),
    "up, as far as the kernel": ("MaxPool", {"kernel_shape": [3], "strides": [2], "pads": [1, 1], "ceil_mode": 1}),
    "mean": ("AveragePool", {"kernel_shape": [3], "strides": [2], "pads": [1, 1]}),
    "mean, up": ("AveragePool", {"kernel_shape": [3], "strides": [2], "pads": [1, 1], "ceil_mode": 1}),
    "mean, up, no pads": ("AveragePool", {"kernel_shape": [3], "strides": [2], "ceil_mode": 1, "count_include_pad": 1}),
    "mean with zeros": ("AveragePool", {"kernel_shape": [3], "strides": [1], "pads": [1, 1], "count_include_pad": 1}),
}


@pytest.mark.parametrize("name", POOLINGS)
def test_poolings(name: str, folder: Path) -> None:
    kind, settings = POOLINGS[name]
    model = c_network.graph([node(kind, ["features"], ["p"], **settings), *end("p", [2])], (5, "t"), {})
    check(model, folder, frames(5, 3, 4, 9, 32))


@pytest.mark.parametrize("n", [8, 9])
def test_a_last_shorter_window_behind_a_convolution(n: int, folder: Path) -> None:
    """The convolution does not take in a pooling whose last window is shorter: it would not write it."""
    pool = {"kernel_shape": [2], "strides": [2], "ceil_mode": 1}
    nodes = [node("Conv", ["features", "w"], ["c"], pads=[1, 1]), node("MaxPool", ["c"], ["p"], **pool), *end("p", [2])]
    check(c_network.graph(nodes, (4, n), {"w": weights(16, 4, 3)}), folder, frames(4, n))


@pytest.mark.parametrize("n", [5, 6, 7, 8, 9])
def test_a_pooling_of_a_known_length_leaves_out_windows_behind_the_input(n: int, folder: Path) -> None:
    nodes = [node("MaxPool", ["features"], ["p"], kernel_shape=[2], strides=[3], ceil_mode=1), *end("p", [2])]
    check(c_network.graph(nodes, (5, n), {}), folder, frames(5, n))


def test_pads_that_stay(folder: Path) -> None:
    stored = {"pads": np.array([0, 1, 2, 0, 2, 1]), "value": np.float32(0.7), "w": weights(3, 8, 3)}
    nodes = [node("Pad", ["features", "pads", "value"], ["p"]), node("Conv", ["p", "w"], ["c"])]
    check(c_network.graph([*nodes, *end("c", [2])], (5, "t"), stored), folder, frames(5, 1, 9))


UNARY = ("Abs", "Neg", "Exp", "Relu", "Tanh", "Sigmoid", "Erf", "Softplus", "Softsign", "LeakyRelu", "Elu", "HardSwish")
UNARY += ("HardSigmoid", "Floor", "Sin", "Cos")


def test_functions_of_one_number(folder: Path) -> None:
    nodes = [node(kind, ["features"], [kind]) for kind in UNARY]
    positive = [node("Softplus", ["features"], ["p"]), *(node(k, ["p"], [k]) for k in ("Log", "Sqrt", "Reciprocal"))]
    joined = node("Concat", [*UNARY, "Log", "Sqrt", "Reciprocal"], ["all"], axis=1)
    mean = node("ReduceMean", ["all"], ["probabilities"], axes=[2], keepdims=0)
    model = c_network.graph([*nodes, *positive, joined, mean], (3, "t"), {})
    check(model, folder, frames(3, 1, 7))


def test_functions_of_several_numbers_with_broadcasting(folder: Path) -> None:
    stored = {"row": weights(4, 1), "one": np.float32(0.3), "zero": np.float32(0.0), "two": np.float32(2.0)}
    nodes = [
        node("ReduceMax", ["features"], ["top"], axes=[1], keepdims=1),
        node("Sub", ["features", "top"], ["below"]),
        node("Greater", ["below", "row"], ["is"]),
        node("Cast", ["is"], ["number"], to=onnx.TensorProto.FLOAT),
        node("Where", ["is", "features", "row"], ["chosen"]),
        node("Not", ["is"], ["not"]),
        node("Less", ["features", "one"], ["less"]),
        node("And", ["not", "less"], ["both"]),
        node("Where", ["both", "chosen", "zero"], ["left"]),
        node("Pow", ["features", "two"], ["square"]),
        node("Max", ["features", "square", "one"], ["most"]),
        node("Min", ["most", "chosen"], ["least"]),
        node("Clip", ["least", "zero", "two"], ["limited"]),
        node("Sum", ["limited", "left", "number", "square"], ["sum"]),
        node("ReduceSum", ["sum", "axis"], ["probabilities"], keepdims=0),
    ]
    check(c_network.graph(nodes, (4, "t"), stored | {"axis": np.array([2])}), folder, frames(4, 1, 2, 33))


@pytest.mark.parametrize("exponent", [-1.0, 1.0, 2.0, 3.0, np.int64(2)])
def test_powers_of_numbers_below_0(exponent: Any, folder: Path) -> None:
    nodes = [node("Pow", ["features", "y"], ["p"]), node("ReduceMax", ["p"], ["probabilities"], axes=[2], keepdims=0)]
    below = np.array([[-2], [-0.5]], np.float32)
    stored = {"y": np.asarray(exponent, np.int64 if isinstance(exponent, np.int64) else np.float32)}
    net = check(c_network.graph(nodes, (2, "t"), stored), folder, [below, frames(2, 9)[0]])
    found = net.run(below)
    assert found is not None and found[0].tolist() == [(-2.0) ** exponent, (-0.5) ** exponent]


def test_powers_of_numbers_not_below_0(folder: Path) -> None:
    powers = {"root": 0.5, "one_by_root": -0.5, "more": 2.5, "less": -1.5, "fourth": 4.0}
    stored = {name: np.float32(y) for name, y in powers.items()} | {"each": weights(3, 1), "ten": np.float32(10.0)}
    nodes = [node("Abs", ["features"], ["size"])]
    nodes += [node("Pow", ["size", name], [f"{name}_of"]) for name in (*powers, "each", "features")]
    nodes += [node("Pow", ["ten", "features"], ["of_ten"])]
    made = [*(f"{name}_of" for name in (*powers, "each", "features")), "of_ten"]
    nodes += [node("Concat", made, ["all"], axis=1), node("ReduceMean", ["all"], ["m"], axes=[2], keepdims=0)]
    model = c_network.graph([*nodes, node("Identity", ["m"], ["probabilities"])], (3, "t"), stored)
    check(model, folder, frames(3, 1, 7))


def test_a_zero_to_the_power_of_less_than_0_is_not_0(folder: Path) -> None:
    nodes = [node("Relu", ["features"], ["r"]), node("Pow", ["r", "y"], ["p"])]
    nodes += [node("ReduceMax", ["p"], ["probabilities"], axes=[2], keepdims=0)]
    net = build(c_network.graph(nodes, (2, "t"), {"y": np.float32(-1.5)}), folder)
    found = net.run(np.array([[-2], [4]], np.float32))
    assert found is not None and found[0].tolist() == [np.inf, pytest.approx(0.125)]


@pytest.mark.parametrize("kind", ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceSumSquare", "ReduceL2"])
def test_reductions_along_any_axes(kind: str, folder: Path) -> None:
    def reduction(source: str, output: str, axes: list[int], keep: int) -> Any:
        return node(kind, [source], [output], axes=axes, keepdims=keep)

    opset = 12 if kind == "ReduceSum" else 17
    nodes = [
        reduction("features", "frames", [2], 1),
        reduction("features", "rows", [1], 1),
        reduction("features", "both", [-1, 1], 1),
        node("Add", ["frames", "both"], ["a"]),
        node("Mul", ["features", "rows"], ["b"]),
        node("Sub", ["b", "a"], ["c"]),
        reduction("c", "probabilities", [2], 0),
    ]
    model = c_network.graph(nodes, (5, "t"), {}, opset=opset)
    # Sums of forty numbers, and of their squares, are in the hundreds and nearly cancel out.
    check(model, folder, frames(5, 1, 2, 40), most=1e-3 if "Sum" in kind else 2e-5)


def test_shapes_of_all_kinds(folder: Path) -> None:
    stored = {
        "axis": np.array([0]),
        "last": np.array([3]),
        "from": np.array([1, 2]),
        "to": np.array([-1, 2**40]),
        "axes": np.array([1, 2]),
        "steps": np.array([2, 3]),
        "place": np.array(2),
        "shape": np.array([1, 2, 3, 0]),
        "parts": np.array([2, 4]),
        "seven": np.array([1, 7, 1]),
        "w": weights(2, 5),
    }
    nodes = [
        node("Transpose", ["features"], ["turned"], perm=[2, 0, 1]),
        node("Unsqueeze", ["turned", "last"], ["one"]),
        node("Squeeze", ["one", "last"], ["back"]),
        node("Transpose", ["back"], ["again"], perm=[1, 2, 0]),
        node("Split", ["again", "parts"], ["low", "high"], axis=1),
        node("Concat", ["high", "low"], ["swapped"], axis=1),
        node("Slice", ["swapped", "from", "to", "axes", "steps"], ["cut"]),
        node("Gather", ["features", "place"], ["band"], axis=1),
        node("Unsqueeze", ["band", "row_axis"], ["row"]),
        node("ReduceMean", ["row"], ["level"], axes=[2]),
        node("Expand", ["level", "seven"], ["seven_times"]),
        node("ReduceMean", ["cut"], ["pooled"], axes=[2], keepdims=1),
        node("Concat", ["pooled", "seven_times"], ["all"], axis=1),
        node("Flatten", ["all"], ["probabilities"]),
    ]
    model = c_network.graph(nodes, (6, "t"), stored | {"row_axis": np.array([1])})
    check(model, folder, frames(6, 3, 4, 11, 40))


def test_fixed_sizes_are_regrouped(folder: Path) -> None:
    stored = {"shape": np.array([1, -1, 10]), "again": np.array([0, 2, 2, -1]), "w": weights(45, 4), "b": weights(4)}
    nodes = [
        node("Reshape", ["features", "shape"], ["a"]),
        node("Transpose", ["a"], ["b2"], perm=[0, 2, 1]),
        node("Reshape", ["features", "again"], ["c"]),
        node("ReduceMax", ["c"], ["d"], axes=[1, 2]),
        node("MatMul", ["a", "b2"], ["e"]),
        node("Shape", ["d"], ["size"], start=3),
        node("Concat", ["minus", "size"], ["wanted"], axis=0),
        node("Reshape", ["features", "wanted"], ["f"]),
        node("Concat", ["e_flat", "d_flat"], ["g"], axis=1),
        node("Gemm", ["g", "w", "b"], ["probabilities"], alpha=0.5, beta=2.0),
    ]
    nodes[-2:-2] = [node("Flatten", ["e"], ["e_flat"]), node("Flatten", ["f"], ["f_flat"])]
    nodes[-2:-2] = [node("Squeeze", ["d"], ["d1"]), node("Unsqueeze", ["d1", "axis"], ["d2"])]
    nodes[-2:-2] = [node("Flatten", ["d2"], ["d_flat"])]
    stored |= {"minus": np.array([-1]), "axis": np.array([0]), "w": weights(16 + 10, 4)}
    check(c_network.graph(nodes, (4, 10), stored), folder, [weights(4, 10, scale=1.0)])


def test_dense_layers(folder: Path) -> None:
    stored = {"w": weights(33, 21), "b": weights(21), "v": weights(21, 5), "c": weights(5), "u": weights(7, 5)}
    nodes = [
        node("Gemm", ["features", "w", "b"], ["a"]),
        node("Relu", ["a"], ["r"]),
        node("MatMul", ["r", "v"], ["m"]),
        node("Add", ["m", "c"], ["s"]),
        node("Gemm", ["s", "u"], ["t"], transB=1),
        node("Softmax", ["t"], ["probabilities"]),
    ]
    check(c_network.graph(nodes, (33,), stored), folder, [weights(33, scale=1.0) for _ in range(3)])


def test_transformers_parts_on_a_fixed_number_of_frames(folder: Path) -> None:
    """Layer norm, GELU, attention, a dense layer over frames."""
    stored = {
        "g": weights(6) + 1,
        "b": weights(6),
        "root": np.float32(2**0.5),
        "one": np.float32(1),
        "half": np.float32(0.5),
    }
    stored |= {name: weights(6, 6) for name in ("q", "k", "v", "o")} | {"scale": np.float32(6**0.5)}
    nodes = [
        node("Transpose", ["features"], ["x"], perm=[0, 2, 1]),
        node("LayerNormalization", ["x", "g", "b"], ["n"], epsilon=1e-5),
        *(node("MatMul", ["n", name], [name * 2]) for name in ("q", "k", "v")),
        node("Transpose", ["kk"], ["kt"], perm=[0, 2, 1]),
        node("MatMul", ["qq", "kt"], ["scores"]),
        node("Div", ["scores", "scale"], ["scaled"]),
        node("Softmax", ["scaled"], ["attention"], axis=-1),
        node("MatMul", ["attention", "vv"], ["mixed"]),
        node("MatMul", ["mixed", "o"], ["out"]),
        node("Add", ["out", "x"], ["sum"]),
        node("Div", ["sum", "root"], ["e1"]),
        node("Erf", ["e1"], ["e2"]),
        node("Add", ["e2", "one"], ["e3"]),
        node("Mul", ["sum", "e3"], ["e4"]),
        node("Mul", ["e4", "half"], ["gelu"]),
    ]
    check(c_network.graph([*nodes, *end("gelu", [1])], (6, 9), stored), folder, [weights(6, 9, scale=1.0)])


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(("kind", "reset_after"), [("LSTM", 0), ("GRU", 0), ("GRU", 1)])
def test_recurrent_layers(kind: str, reset_after: int, direction: str, folder: Path) -> None:
    n, gates, width = 2 if direction == "bidirectional" else 1, 4 if kind == "LSTM" else 3, 7
    stored: dict[str, Any] = {"w": weights(n, gates * width, 5), "r": weights(n, gates * width, width)}
    stored |= {"b": weights(n, 2 * gates * width), "axis": np.array([2])}
    settings: dict[str, Any] = {"hidden_size": width, "direction": direction}
    settings |= {"linear_before_reset": reset_after} if kind == "GRU" else {}
    nodes = [
        node("Transpose", ["features"], ["x"], perm=[2, 0, 1]),
        node(kind, ["x", "w", "r", "b"], ["y"], **settings),
        node("ReduceMax", ["y"], ["top"], axes=[0], keepdims=0),
        node("Transpose", ["top"], ["t"], perm=[1, 0, 2]),
        node("Flatten", ["t"], ["flat"]),
        node("Softmax", ["flat"], ["probabilities"]),
    ]
    check(c_network.graph(nodes, (5, "t"), stored), folder, frames(5, 1, 2, 20))


@pytest.mark.parametrize("name", ["default", pytest.param("open", marks=pytest.mark.slow)])
def test_bundled_models(name: str, folder: Path) -> None:
    path = named_models.model_path(name)
    net, asked = build(path, folder, 400, flags=("-O2",)), session(onnx.load(str(path)))
    chances = []
    for n in (7, 8, 9, 10, 11, 64, 97, 298, 400):
        given = log_mel(n, seed=n)
        (expected, strange), found = ask(asked, given), net.run(given)
        assert found is not None
        np.testing.assert_allclose(found[0], expected, atol=2e-5)
        assert found[1] == pytest.approx(strange, rel=1e-4) and strange > 0
        np.testing.assert_array_equal(net.without_strangeness(given), found[0])
        chances.append(np.ravel(expected))
    assert np.ptp(chances, axis=0).max() > 0.1  # it was not one answer to all
    least = net.defines["LEAST_FRAMES"]
    assert least == {"default": 7, "open": 1}[name]  # of what is blurred an odd last step is kept
    given = log_mel(30)
    assert net.run(given, n_frames=least - 1) is None and net.run(given, n_frames=401) is None
    assert net.run(log_mel(least)) is not None


def test_a_blurred_net_and_its_eight_bits(folder: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from vocalics.export import card, int8
    from vocalics.export.waveform import from_torch
    from vocalics.features.logmel import LogMel
    from vocalics.models.logmel_cnn import LogMelTdnn

    torch.manual_seed(0)
    net, clips = LogMelTdnn(8, 64, 8, 32, 2, "blur", 12).train(), [log_mel(64, seed=s) for s in range(16)]
    with torch.no_grad():
        for _ in range(10):
            net(torch.from_numpy(np.stack(clips)))
    path, small = tmp_path / "blurred.onnx", tmp_path / "small.onnx"
    about = fakes.card(emotions=EMOTIONS, front_end=dataclasses.asdict(LogMel()), trim_db=40.0)
    card.write(path, from_torch(net.eval(), LogMel()).SerializeToString(), about)
    voices = [fakes.voice(1.0, 90.0 + 20 * k).samples[None].astype(np.float32) for k in range(16)]
    card.write(small, *int8.quantised(path, voices))
    kinds = [node.op_type for node in onnx.load(str(small)).graph.node]
    assert kinds.count("AveragePool") == 4
    for model, tolerance, call in ((path, 2e-5, "pool(&"), (small, 1e-3, "pool_mean_codes(&")):
        asked, compiled = session(onnx.load(str(model))), build(model, folder, 150)
        text = (compiled.folder / "network.c").read_text()
        assert re.findall(r"\bpool\w*\(&", text) == [call] * 4
        for n in (7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 149, 150):
            given = log_mel(n, seed=n)
            found = compiled.run(given)
            assert found is not None
            np.testing.assert_allclose(found[0], ask(asked, given)[0], atol=tolerance)


@pytest.mark.parametrize(
    "sides",
    [{"pads": [1, 1], "count_include_pad": 1}, {"pads": [1, 1]}, {"strides": [2]}],
    ids=["zeros", "less", "none"],
)
@pytest.mark.parametrize(("scale", "call"), [(0.0625, "pool_mean_codes(&"), (0.125, "pool(&")])
def test_the_mean_of_codes_is_a_code(scale: float, call: str, sides: dict[str, Any], folder: Path) -> None:
    """Of the same levels as what goes in, halves to the even code; where what comes out has others, of floats."""
    stored = {"zero": np.uint8(91), "in": np.float32(0.0625), "out": np.float32(scale)}
    nodes = [
        node("QuantizeLinear", ["features", "in", "zero"], ["codes"]),
        node("DequantizeLinear", ["codes", "in", "zero"], ["floats"]),
        node("AveragePool", ["floats"], ["means"], kernel_shape=[2], **sides),
        node("QuantizeLinear", ["means", "out", "zero"], ["mean_codes"]),
        node("DequantizeLinear", ["mean_codes", "out", "zero"], ["last"]),
        *end("last", [2]),
    ]
    model = c_network.graph(nodes, (5, "t"), stored)
    net, asked = build(model, folder), session(model)
    assert re.findall(r"\bpool\w*\(&", (net.folder / "network.c").read_text()) == [call]
    for given in frames(5, 2, 3, 8, 21):
        codes = np.clip(np.rint(given / 0.0625) + 91, 0, 255)
        if "pads" in sides:
            around = [91] if "count_include_pad" in sides else [np.nan]
            codes = np.pad(codes, ((0, 0), (1, 1)), constant_values=around)
        pairs = np.lib.stride_tricks.sliding_window_view(codes, 2, axis=1)[:, :: sides.get("strides", [1])[0]]
        means = np.nanmean(pairs, axis=2)
        means = np.rint(means) if scale == 0.0625 else np.rint((means - 91) / 2) + 91
        level = (scale * (means - 91)).mean(axis=1)
        found = net.run(given)
        assert found is not None
        np.testing.assert_allclose(found[0], np.exp(level) / np.exp(level).sum(), atol=1e-6)  # one step off would show
        np.testing.assert_allclose(found[0], ask(asked, given)[0], atol=0.02)  # it rounds halves now so, now so


def test_bundled_model_in_eight_bits(folder: Path) -> None:
    path = named_models.model_path("default-int8")
    asked = session(onnx.load(str(path)))
    nets = [
        build(path, folder, 300, flags=f) for f in (("-O2",), ("-O2", "-march=native"), ("-O2", "-DVOCALICS_PORTABLE"))
    ]
    assert nets[0].defines["ARENA_BYTES"] < 200_000 and nets[0].defines["WEIGHT_BYTES"] < 620_000
    difference = []
    for n in (7, 8, 9, 31, 150, 298):
        given = log_mel(n, seed=n)
        expected, found = ask(asked, given)[0], [net.run(given) for net in nets]
        assert found[0] is not None
        difference.append(np.abs(found[0][0] - expected).max())
        for other in found[1:]:
            np.testing.assert_allclose(other[0], found[0][0], atol=0.02)  # type: ignore[index]
    assert max(difference) < 0.03 and np.median(difference) < 0.01


def test_memory_is_shared_only_by_what_is_never_needed_together(
    small: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan in which nothing shares anything gives the same numbers, to the last bit."""
    planned = {path: build(path, folder, 60) for path in (small, named_models.model_path("default-int8"))}

    def apart(source: Buffer, steps: Any, max_frames: int) -> arena.Plan:
        sizes = {source.name: arena.n_bytes(source, max_frames)}
        for step in steps:
            for buffer in (*step.reads, *step.writes, *step.scratch):
                if buffer.where == "arena":
                    sizes[buffer.name] = arena.n_bytes(buffer, max_frames)
        offsets, at = {}, 0
        for name, size in sizes.items():
            offsets[name] = at
            at += -(-size // 64) * 64 + 64
        return arena.Plan(offsets, {name: name for name in sizes}, at, [at] * len(steps))

    monkeypatch.setattr(network.arena, "plan", apart)
    for path, net in planned.items():
        alone = build(path, folder, 60)
        assert alone.defines["ARENA_BYTES"] > 2 * net.defines["ARENA_BYTES"]
        for n in (7, 30, 59, 60):
            given = log_mel(n, seed=n)
            one, other = net.run(given), alone.run(given)
            assert one is not None and other is not None
            np.testing.assert_array_equal(one[0], other[0])


SANITISED = """#include <stdio.h>
#include <stdlib.h>
#include "network.h"
int main(int argc, char **argv)
{
    float probabilities[NETWORK_N_CLASSES], strangeness;
    for (int a = 1; a < argc; a++) {
        const int n = atoi(argv[a]);
        for (int i = 0; i < n * NETWORK_ROWS; i++)
            network_input()[i] = -8.0f + (float)(i * 7919 % 1000) * 0.006f;
        if (network_run(n, probabilities, a % 2 ? &strangeness : NULL) != 0)
            return 1;
        printf("%.6f\\n", probabilities[0]);
    }
    return 0;
}
"""


@pytest.mark.skipif(not shutil.which("clang"), reason="no clang")
@pytest.mark.parametrize("eight_bits", [False, True])
@pytest.mark.parametrize("flag", ["-march=x86-64-v3", "-DVOCALICS_PORTABLE"])
def test_sanitisers_find_nothing(eight_bits: bool, flag: str, small: Path, tmp_path: Path) -> None:
    for file, text in network.write(named_models.model_path("default-int8") if eight_bits else small, 40).items():
        (tmp_path / file).write_text(text)
    (tmp_path / "main.c").write_text(SANITISED)
    sources = [str(tmp_path / f) for f in ("main.c", "network.c", "weights.c")]
    flags = [*c_network.STRICT, "-O1", flag, "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    target = str(tmp_path / "main")
    subprocess.run(["clang", *flags, "-I", str(c_network.LIBRARY), *sources, "-o", target], check=True)
    done = subprocess.run([target, "7", "8", "25", "39", "40"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(set(done.stdout.split())) == 5


@pytest.mark.parametrize("compiler", c_network.COMPILERS)
@pytest.mark.parametrize("flags", [(), ("-O3", "-march=x86-64-v3"), ("-Os", "-DVOCALICS_PORTABLE")])
def test_no_compiler_has_a_word_to_say(compiler: str, flags: tuple[str, ...], folder: Path) -> None:
    shape, w, settings, lengths = CONVOLUTIONS["image"]
    model, rows = convolution(shape, w, settings)
    check(model, folder, frames(rows, *lengths), compiler=compiler, flags=flags)


def test_files_say_what_they_are() -> None:
    files = network.write(named_models.model_path("default"), 98, "vocalics compile default")
    assert set(files) == {"network.h", "network.c", "weights.c"}
    for text in files.values():
        head = text[:300]
        assert "default.onnx, SHA-256 " in head and "written by vocalics compile default" in head


def test_the_header_says_where_the_input_lies() -> None:
    files = network.write(named_models.model_path("default-int8"), 298)
    said = re.search(r"#define NETWORK_INPUT_OFFSET (\d+) ", files["network.h"])
    assert said is not None
    assert f"return (float *)(void *)(arena.bytes + {said[1]});" in files["network.c"]
