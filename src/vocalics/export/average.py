"""Several models as one graph: what they say of the same sound, averaged.

Models that take the same input share it. Models that sit on one encoder share the frames of all blocks that any of them
takes, and each gets what it was trained on: frames, or statistics of them. The mean of probabilities is sharpened or
softened by a temperature, so that the graph ends in a softmax as any other.

Where members get used to a voice (:mod:`vocalics.voices`), so does the mean: what is known of the voice is what each of
them knows, and one number more, 1 for every clip, whose mean says how well it is known. The better that is, the more
the weights are those that were found for known voices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vocalics.errors import MissingExtraError, ModelFileError
from vocalics.export.onnx import IR_VERSION
from vocalics.features.feature_set import COURSE, FRAMES, SEPARATOR, encoded_kind
from vocalics.modelfile import OUTPUT, VOICE, VOICE_LEFT, load

_LEAST = 1e-12  # below every probability that counts; keeps the logarithm finite


@dataclass(frozen=True)
class Mixture:
    """What models count in their mean.

    Attributes:
        weights: Of each; their sum is 1.
        temperature: What the logarithm of the mean is divided by.
        known_weights: The same, where the voice is known as well as can be.
        known_temperature: The same.
    """

    weights: tuple[float, ...]
    temperature: float
    known_weights: tuple[float, ...]
    known_temperature: float

    @classmethod
    def of(cls, weights: Sequence[float], temperature: float = 1.0) -> Mixture:
        """Return a mixture that no voice changes."""
        return cls(tuple(weights), temperature, tuple(weights), temperature)


def average(members: Sequence[bytes], mixture: Mixture) -> tuple[bytes, str]:
    """Return the graph of several models' mean, and the feature set that it takes ("" for a waveform).

    Args:
        members: Model files with their cards; the same emotions, and one input or one encoder.
        mixture: What each counts.

    Raises:
        ModelFileError: For members that do not fit together.
        MissingExtraError: Where the onnx package is not installed.
    """
    try:
        import onnx
        from onnx import TensorProto, compose, helper, numpy_helper
    except ImportError:
        raise MissingExtraError("putting models together", "train") from None
    loaded = [load(data) for data in members]
    cards, widths = [one.card for one in loaded], [one.voice_width for one in loaded]
    first = cards[0]
    if any(c.emotions != first.emotions for c in cards):
        raise ModelFileError(f"{', '.join(c.name for c in cards)}: know different emotions; expected the same")
    encoded = all(SEPARATOR in c.feature_set for c in cards)
    same = len({(c.input, c.feature_set, c.sample_rate) for c in cards}) == 1
    if not same and not (encoded and len({_encoder(c.feature_set)[0] for c in cards}) == 1):
        takes = ", ".join(f"{c.name} takes {c.feature_set or c.input}" for c in cards)
        raise ModelFileError(f"{takes}: expected one input, or blocks of one encoder")
    if not same and (own := [c.name for c in cards if not _encoder(c.feature_set)[2]]):
        raise ModelFileError(
            f"{', '.join(own)}: takes statistics of a clip at its own level, which the mean of models with other "
            f'inputs cannot: it hears every clip with its peak brought to 1; train it on "...{COURSE}"'
        )
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
    lefts: list[str] = []
    known = build.known_share(sum(widths)) if any(widths) else ""
    imports: dict[str, int] = {}
    for k, (graph, about) in enumerate(zip(graphs, cards, strict=True)):
        source = name if same else build.taken(about.feature_set)
        one = compose.add_prefix(graph, f"member{k}_")
        renamed = {one.graph.input[0].name: source}
        if widths[k]:
            renamed[f"member{k}_{VOICE}"] = build.part(VOICE, sum(widths[:k]), sum(widths[: k + 1]), axis=0)
            lefts.append(f"member{k}_{VOICE_LEFT}")
        for node in one.graph.node:
            node.input[:] = [renamed.get(i, i) for i in node.input]
        build.nodes += list(one.graph.node)
        build.constants += [c for c in one.graph.initializer if c.name not in renamed]
        weight = build.between(mixture.weights[k], mixture.known_weights[k], known)
        chances.append(build("Mul", f"member{k}_{OUTPUT}", weight))
        imports |= {i.domain: max(i.version, imports.get(i.domain, 0)) for i in one.opset_import}
    mean = chances[0]
    for other in chances[1:]:
        mean = build("Add", mean, other)
    logits = build("Log", build("Max", mean, build.constant(np.array(_LEAST, np.float32))))
    cooled = build("Div", logits, build.between(mixture.temperature, mixture.known_temperature, known))
    build.nodes.append(helper.make_node("Softmax", [cooled], [OUTPUT], axis=1))
    entry = given
    if not same:
        entry = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", len(blocks) * width, "n_frames"])
    output = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", len(first.emotions)])
    entries, outputs = [entry], [output]
    if lefts:
        counted = build("Add", build("Mul", build.part(lefts[0], 0, 1, axis=1), build.number(0.0)), build.number(1.0))
        build.nodes.append(helper.make_node("Concat", [*lefts, counted], [VOICE_LEFT], axis=1))
        entries.append(helper.make_tensor_value_info(VOICE, TensorProto.FLOAT, [sum(widths) + 1]))
        outputs.append(helper.make_tensor_value_info(VOICE_LEFT, TensorProto.FLOAT, ["n", sum(widths) + 1]))
    whole = helper.make_model(
        helper.make_graph(build.nodes, "mean_of_models", entries, outputs, build.constants),
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

    def number(self, value: float) -> str:
        """Add a single number; return its name."""
        return self.constant(np.array(value, np.float32))

    def part(self, name: str, start: int, end: int, axis: int) -> str:
        """Take the values from ``start`` to ``end`` along an axis."""
        return self("Slice", name, *(self.constant(np.array([n])) for n in (start, end, axis)))

    def known_share(self, width: int) -> str:
        """Add what is known of a voice, nothing by default; return how well it is known, 0 to 1, shape (1,)."""
        self.constants.append(self.numpy_helper.from_array(np.zeros(width + 1, np.float32), VOICE))
        return self.part(VOICE, width, width + 1, axis=0)

    def between(self, unknown: float, known: float, share: str) -> str:
        """Return a number that goes from one to another with a share; the first where there is no share."""
        if not share or unknown == known:
            return self.number(unknown)
        return self("Add", self.number(unknown), self("Mul", share, self.number(known - unknown)))

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
