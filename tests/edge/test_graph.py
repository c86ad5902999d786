"""Reading and rewriting ONNX graphs for C: sizes as formulas, what is folded, what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from onnx import helper

from vocalics import named_models
from vocalics.edge import codes, fold, graph, network
from vocalics.edge.sizes import Size, broadcast
from vocalics.errors import ModelFileError
from vocalics.export import voice

sys.path.insert(0, str(Path(__file__).parent))
import c_network

node = helper.make_node
RNG = np.random.default_rng(0)


def weights(*shape: int) -> Any:
    return RNG.normal(0, 0.3, shape).astype(np.float32)


def folded(model: Any, max_frames: int = 100) -> graph.Graph:
    read = graph.read(model, max_frames)
    fold.fold(read)
    return read


def test_sizes_are_those_of_whole_numbers() -> None:
    size = (((Size() + 4 - 5) // 2 + 1) // 2 - 3) // 3 + 2
    for n in range(40, 200):
        assert size.at(n) == (((n - 1) // 2 + 1) // 2 - 3) // 3 + 2
        assert eval(size.code("n").replace("/", "//"), {"n": n}) == size.at(n)
    assert (Size() + 1) // 2 == (Size() - 1) // 2 + 1


def test_shapes_fit_together_as_in_numpy() -> None:
    assert broadcast((1, 3, Size()), (3, 1), ()) == (1, 3, Size())
    with pytest.raises(ModelFileError, match="shapes 2 x 3 and 4 do not fit"):
        broadcast((2, 3), (4,))


@pytest.mark.parametrize(("name", "n", "n_pools"), [("default", 12, 2), ("tiny", 12, 2)])
def test_a_bundled_model_is_layers_behind_a_spectrogram(name: str, n: int, n_pools: int) -> None:
    model = onnx.load(str(named_models.model_path(name)))
    assert voice.take_away(model) is not None
    read = folded(model, 998)
    assert read.source == "log_mel" and read.values["log_mel"].shape == (1, 64, Size())
    convolutions = [n for n in read.nodes if n.kind == "conv"]
    assert len(convolutions) == n and sum("pool" in c.settings for c in convolutions) == n_pools
    assert sum("residual" in c.settings for c in convolutions) == 4
    assert not any(n.kind == "pool" for n in read.nodes)
    left = [n.settings["function"] for n in read.nodes if n.kind == "map"]
    assert "relu" not in left and "tanh" in left


@pytest.mark.parametrize(("name", "n"), [("default-int8", 12), ("tiny-int8", 12)])
def test_eight_bits_meet_no_floats_between_layers(name: str, n: int) -> None:
    read = folded(onnx.load(str(named_models.model_path(name))), 998)
    convolutions = [n for n in read.nodes if n.kind == "conv"]
    assert len(convolutions) == n
    assert all("codes_in" in n.settings and "codes_out" in n.settings for n in convolutions)
    first = read.nodes.index(convolutions[0])
    # Behind the last but two, attention begins.
    kinds = {node.kind for node in read.nodes[first : read.nodes.index(convolutions[n - 3])]}
    assert kinds == {"conv"}


@pytest.mark.parametrize("function", ["Mul", "Div", "Add", "Sub"])
def test_numbers_per_channel_move_into_the_layer_before(function: str) -> None:
    by = np.abs(weights(5, 1)) + 0.5
    nodes = [node("Conv", ["features", "w"], ["c"], pads=[1, 1]), node(function, ["c", "by"], ["probabilities"])]
    read = folded(c_network.graph(nodes, (3, "t"), {"w": weights(5, 3, 3), "by": by}, rank=3))
    assert [n.kind for n in read.nodes] == ["conv"]


def test_batch_norm_is_folded_but_not_across_a_second_use() -> None:
    stored = {"w": weights(5, 3, 3)} | {k: np.abs(weights(5)) + 0.5 for k in ("g", "b", "m", "v")}
    nodes = [
        node("Conv", ["features", "w"], ["c"]),
        node("BatchNormalization", ["c", "g", "b", "m", "v"], ["n"]),
        node("Relu", ["n"], ["probabilities"]),
    ]
    read = folded(c_network.graph(nodes, (3, "t"), stored, rank=3))
    assert [n.kind for n in read.nodes] == ["conv"] and read.nodes[0].settings["relu"]
    nodes[2] = node("Add", ["n", "c"], ["probabilities"])
    assert len(folded(c_network.graph(nodes, (3, "t"), stored, rank=3)).nodes) == 4


def test_what_does_not_depend_on_the_input_is_computed() -> None:
    nodes = [
        node("Cos", ["a"], ["angles"]),
        node("Softmax", ["angles"], ["shares"]),
        node("Mul", ["features", "shares"], ["probabilities"]),
    ]
    read = folded(c_network.graph(nodes, (4,), {"a": weights(4)}))
    assert [n.kind for n in read.nodes] == ["map"]


@pytest.mark.parametrize(
    ("nodes", "stored", "words"),
    [
        (
            [node("Det", ["features"], ["probabilities"], name="odd")],
            {},
            r'Det \(node "odd"\): is not known. Known: Abs,',
        ),
        (
            [node("Conv", ["features", "w"], ["probabilities"], auto_pad="SAME_UPPER")],
            {"w": weights(2, 4, 3)},
            "auto_pad SAME_UPPER; expected pads in numbers",
        ),
        (
            [node("Gather", ["features", "i"], ["probabilities"], axis=1)],
            {"i": np.array([0, 2])},
            "takes several places",
        ),
        (
            [node("Flatten", ["features"], ["probabilities"])],
            {},
            "4 x n cannot become one axis while the number of frames varies",
        ),
        (
            [node("LSTM", ["features", "w", "r", "", "", "h"], ["probabilities"], hidden_size=1)],
            {"w": weights(1, 4, 4), "r": weights(1, 4, 1), "h": np.ones((1, 1, 1), np.float32)},
            "begins with a state that is not zero",
        ),
        (
            [node("MaxPool", ["features"], ["probabilities"], kernel_shape=[2], strides=[3], ceil_mode=1)],
            {},
            "with ceil_mode over a length that varies, kernel 2, stride 3 and pads of 0 behind; expected a kernel as",
        ),
        (
            [
                node(
                    "AveragePool",
                    ["features"],
                    ["probabilities"],
                    kernel_shape=[3],
                    strides=[2],
                    pads=[1, 1],
                    ceil_mode=1,
                    count_include_pad=1,
                )
            ],
            {},
            r'AveragePool \(node "probabilities"\): with ceil_mode, pads and count_include_pad; expected one of',
        ),
        (
            [node("Pow", ["features", "y"], ["probabilities"])],
            {"y": np.float32(2.5)},
            "of what may be below 0, to the power of 2.5; expected one of -1, -0.5, 0.5, 1, 2, 3, or Abs, Relu or Clip",
        ),
        (
            [node("Pow", ["features", "y"], ["probabilities"])],
            {"y": np.float32([[2], [3], [2], [2]])},
            "several numbers",
        ),
        ([node("Pow", ["features", "features"], ["probabilities"])], {}, "power of what depends on the input"),
        (
            [node("Pow", ["y", "features"], ["probabilities"])],
            {"y": np.array([2, -2], np.float32).reshape(2, 1, 1)},
            "of what may be below 0, to the power of what depends on the input",
        ),
        ([node("Pow", ["y", "features"], ["probabilities"])], {"y": np.array(2)}, "of whole numbers; expected floats"),
    ],
)
def test_what_is_not_known_is_refused_by_name(nodes: list[Any], stored: dict[str, Any], words: str) -> None:
    model = helper.make_model(c_network.graph([node("Relu", ["features"], ["probabilities"])], (4, "t"), stored).graph)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    with pytest.raises(ModelFileError, match=words):
        graph.read(model, 50)


NEVER_NEGATIVE = [
    [node("Abs", ["features"], ["base"])],
    [node("Relu", ["features"], ["r"]), node("ReduceMean", ["r"], ["base"], axes=[2], keepdims=1)],
    [node("Mul", ["features", "features"], ["m"]), node("Add", ["m", "half"], ["base"])],
    [node("Clip", ["features", "half"], ["c"]), node("Transpose", ["c"], ["base"], perm=[0, 2, 1])],
    [node("Sigmoid", ["features"], ["s"]), node("MaxPool", ["s"], ["base"], kernel_shape=[2])],
    [node("Exp", ["features"], ["e"]), node("Where", ["is", "e", "half"], ["base"])],
    [node("Exp", ["features"], ["e"]), node("LeakyRelu", ["e"], ["l"]), node("Min", ["l", "half"], ["base"])],
]
PERHAPS_NEGATIVE = [
    [node("Identity", ["features"], ["base"])],
    [node("Abs", ["features"], ["a"]), node("Sub", ["a", "half"], ["base"])],
    [node("Abs", ["features"], ["a"]), node("Neg", ["a"], ["base"])],
    [node("Relu", ["features"], ["r"]), node("Min", ["r", "features"], ["base"])],
    [node("Abs", ["features"], ["a"]), node("Mul", ["a", "features"], ["base"])],
    [node("Clip", ["features", "", "half"], ["base"])],
    [node("Exp", ["features"], ["e"]), node("Where", ["is", "e", "features"], ["base"])],
    [node("Exp", ["features"], ["e"]), node("Log", ["e"], ["base"])],
]


@pytest.mark.parametrize("never", [True, False])
def test_a_power_of_what_cannot_be_below_0_is_known_by_what_makes_it(never: bool) -> None:
    for before in NEVER_NEGATIVE if never else PERHAPS_NEGATIVE:
        nodes = [*before, node("Pow", ["base", "y"], ["probabilities"])]
        stored = {"half": np.float32(0.5), "y": np.float32(2.5), "is": np.array([True])}
        model = c_network.graph(nodes, (4, "t"), stored, rank=3)
        if never:
            assert graph.read(model, 50).nodes[-1].settings == {"function": "pow"}
        else:
            with pytest.raises(ModelFileError, match="may be below 0"):
                graph.read(model, 50)


def test_two_lengths_that_vary_are_refused() -> None:
    nodes = [
        node("Transpose", ["features"], ["t"], perm=[0, 2, 1]),
        node("MatMul", ["t", "features"], ["each"]),
        node("ReduceMean", ["each"], ["probabilities"], axes=[2], keepdims=0),
    ]
    with pytest.raises(ModelFileError, match="two lengths that vary"):
        network.text(c_network.graph(nodes, (4, "t"), {}), 50)


def test_facts_tell_what_a_model_takes() -> None:
    path = named_models.model_path("default")
    short, long = network.facts(path, 98), network.facts(path, 998)
    assert short.macs * 9.5 < long.macs < short.macs * 11 and short.arena_bytes * 5 < long.arena_bytes
    assert short.weight_bytes == long.weight_bytes > 4 * 500_000
    assert sum(layer.macs for layer in short.layers) == short.macs
    assert max(layer.ram_bytes for layer in short.layers) <= short.arena_bytes
    assert (short.rows, short.n_classes, short.tells_strangeness) == (64, 8, True)
    assert network.facts(path, 98, fast=False).weight_bytes < 0.6 * short.weight_bytes
    with pytest.raises(ModelFileError, match="6 frames are too few"):
        network.facts(path, 6)


def test_a_channel_without_weights_keeps_its_bias_in_eight_bits() -> None:
    weights = np.random.default_rng(0).normal(size=(4, 3, 5)).astype(np.float32)
    weights[2] = 0
    bias = np.array([0.1, -3.0, 0.5, 0.0], np.float32)
    layer = SimpleNamespace(kind="conv", settings={"weights": weights, "bias": bias})
    found, scale, _, axis = codes._eight(layer, 0.02)  # type: ignore[arg-type]
    assert axis == 0 and not found[2].any()
    whole = np.rint(bias / (scale.astype(np.float64) * 0.02))
    assert np.abs(whole).max() < 2**31
    np.testing.assert_allclose(whole * scale * 0.02, bias, atol=2e-4)
    np.testing.assert_allclose(found * scale[:, None, None], weights, atol=float(scale.max()))
