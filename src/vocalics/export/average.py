"""Several models as one graph: what they say of the same sound, averaged.

Models that take the same input share it. Models that sit on one encoder share the frames of all blocks that any of them
takes, and each gets what it was trained on: frames, or statistics of them. The mean of probabilities is sharpened or
softened by a temperature, so that the graph ends in a softmax as any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vocalics.errors import MissingExtraError, ModelFileError
from vocalics.export.onnx import IR_VERSION
from vocalics.features.feature_set import COURSE, FRAMES, SEPARATOR, encoded_kind
from vocalics.modelfile import OUTPUT, load

_LEAST = 1e-12  # below every probability that counts; keeps the logarithm finite


def average(members: Sequence[bytes], weights: Sequence[float], temperature: float = 1.0) -> tuple[bytes, str]:
    """Return the graph of several models' mean, and the feature set that it takes ("" for a waveform).

    Args:
        members: Model files with their cards; the same emotions, and one input or one encoder.
        weights: What each counts; their sum is 1.
        temperature: What the logarithm of the mean is divided by.

    Raises:
        ModelFileError: For members that do not fit together.
        MissingExtraError: Where the onnx package is not installed.
    """
    try:
        import onnx
        from onnx import TensorProto, compose, helper, numpy_helper
    except ImportError:
        raise MissingExtraError("putting models together", "train") from None
    cards = [load(data).card for data in members]
    first = cards[0]
    if any(c.emotions != first.emotions for c in cards):
        raise ModelFileError(f"{', '.join(c.name for c in cards)}: know different emotions; expected the same")
    encoded = all(SEPARATOR in c.feature_set for c in cards)
    same = len({(c.input, c.feature_set, c.sample_rate) for c in cards}) == 1
    if not same and not (encoded and len({_encoder(c.feature_set)[0] for c in cards}) == 1):
        takes = ", ".join(f"{c.name} takes {c.feature_set or c.input}" for c in cards)
        raise ModelFileError(f"{takes}: expected one input, or blocks of one encoder")
    graphs = [onnx.load_model_from_string(data) for data in members]
    given = graphs[0].graph.input[0]
    build = _Builder(helper, numpy_helper)
    blocks: list[int] = []
    if not same:
        blocks = sorted({block for c in cards for block in _encoder(c.feature_set)[1]})
        width = _width(graphs[0], first.feature_set)
        build.blocks(blocks, width)
    name = given.name if same else "features"
    chances: list[str] = []
    imports: dict[str, int] = {}
    for k, (graph, about) in enumerate(zip(graphs, cards, strict=True)):
        source = name if same else build.taken(about.feature_set)
        one = compose.add_prefix(graph, f"member{k}_")
        renamed = {one.graph.input[0].name: source}
        for node in one.graph.node:
            node.input[:] = [renamed.get(i, i) for i in node.input]
        build.nodes += list(one.graph.node)
        build.constants += list(one.graph.initializer)
        chances.append(build("Mul", f"member{k}_{OUTPUT}", build.constant(np.array(weights[k], np.float32))))
        imports |= {i.domain: max(i.version, imports.get(i.domain, 0)) for i in one.opset_import}
    mean = chances[0]
    for other in chances[1:]:
        mean = build("Add", mean, other)
    logits = build("Log", build("Max", mean, build.constant(np.array(_LEAST, np.float32))))
    cooled = build("Div", logits, build.constant(np.array(temperature, np.float32)))
    build.nodes.append(helper.make_node("Softmax", [cooled], [OUTPUT], axis=1))
    entry = given
    if not same:
        entry = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", len(blocks) * width, "n_frames"])
    output = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", len(first.emotions)])
    whole = helper.make_model(
        helper.make_graph(build.nodes, "mean_of_models", [entry], [output], build.constants),
        opset_imports=[helper.make_opsetid(d, v) for d, v in imports.items()],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(whole)
    encoder = _encoder(first.feature_set)[0] if not same else ""
    taken = first.feature_set if same else f"{encoder}{SEPARATOR}{','.join(map(str, blocks))}{FRAMES}"
    data: bytes = whole.SerializeToString()
    return data, taken


def _encoder(feature_set: str) -> tuple[str, tuple[int, ...], str]:
    """ "whisper-base@2,3:course" as name, blocks and kind."""
    plain, kind = encoded_kind(feature_set)
    name, _, numbers = plain.rpartition(SEPARATOR)
    return name, tuple(int(n) for n in numbers.split(",")), kind


def _width(graph: Any, feature_set: str) -> int:
    """Numbers per frame of one block."""
    _, blocks, kind = _encoder(feature_set)
    rows = int(graph.graph.input[0].type.tensor_type.shape.dim[1].dim_value)
    return rows // len(blocks) // {FRAMES: 1, COURSE: 4}.get(kind, 2)


class _Builder:
    """Nodes and constants between the frames and what each member takes of them."""

    def __init__(self, helper: Any, numpy_helper: Any) -> None:
        self.helper, self.numpy_helper = helper, numpy_helper
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._frames: dict[int, str] = {}
        self._statistics: dict[tuple[int, str], str] = {}

    def __call__(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one output; return the output's name."""
        name = f"mean_{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: Any) -> str:
        """Add a constant; return its name."""
        name = f"mean_constant_{len(self.constants)}"
        self.constants.append(self.numpy_helper.from_array(np.asarray(value), name))
        return name

    def blocks(self, blocks: Sequence[int], width: int) -> None:
        """Take "features" (n, n_blocks · width, n_frames) apart."""
        axis = self.constant(np.array([1]))
        for i, block in enumerate(blocks):
            edges = (self.constant(np.array([n * width])) for n in (i, i + 1))
            self._frames[block] = self("Slice", "features", *edges, axis)

    def taken(self, feature_set: str) -> str:
        """What a member was trained on, see :func:`vocalics.encoders.statistics`."""
        _, blocks, kind = _encoder(feature_set)
        if kind == FRAMES:
            parts = [self._frames[block] for block in blocks]
        else:
            parts = [self._pooled(block, kind) for block in blocks]
        return parts[0] if len(parts) == 1 else self("Concat", *parts, axis=1)

    def _pooled(self, block: int, kind: str) -> str:
        if (block, kind) in self._statistics:
            return self._statistics[block, kind]
        frames = self._frames[block]
        mean = self("ReduceMean", frames, axes=[2], keepdims=1)
        difference = self("Sub", frames, mean)
        variance = self("ReduceMean", self("Mul", difference, difference), axes=[2], keepdims=0)
        parts = [self("ReduceMean", frames, axes=[2], keepdims=0), self("Sqrt", variance)]
        if kind == COURSE:
            zero, one, three, axis = (self.constant(np.array([n])) for n in (0, 1, 3, 2))
            length = self("Shape", frames, start=2, end=3)
            third = self("Max", self("Div", length, three), one)
            for edge in ((zero, third), (self("Sub", length, third), length)):
                parts.append(self("ReduceMean", self("Slice", frames, *edge, axis), axes=[2], keepdims=0))
        self._statistics[block, kind] = self("Concat", *parts, axis=1)
        return self._statistics[block, kind]
