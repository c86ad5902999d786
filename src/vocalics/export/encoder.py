"""Whisper's encoder, and a head that was trained on its blocks, as one graph from waveform to probabilities.

Built from the weights alone, without torch or transformers: a model of this kind is made on the machine that uses it,
from a head of some kilobytes and an encoder that has a licence, and a size, of its own.

The encoder is that of Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022), computed at
the clip's own length, as in :mod:`vocalics.encoders`. Weights are kept as float16, as they are published, and computed
with in float32.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics import encoders
from vocalics.errors import EncoderError, MissingExtraError, ModelFileError
from vocalics.export import card as card_file
from vocalics.export.onnx import IR_VERSION, OPSET, OUTPUT, n_parameters
from vocalics.export.thin import filled
from vocalics.export.waveform import INPUT, SILENCE, power_spectrum
from vocalics.features.filterbank import mel_filterbank
from vocalics.modelfile import VOICE

Array = npt.NDArray[Any]

N_FFT, HOP = 400, 160
SHORTEST = round(0.1 * encoders.SAMPLE_RATE)
LONGEST = 1500
"""Frames that a graph of an encoder takes: what its positions reach to, 30 s."""
_PREFIX = "encoder."


class _Graph:
    """Nodes and constants as they are added; every name is given once."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.n = 0

    def constant(self, value: npt.ArrayLike, name: str = "") -> str:
        """Add a constant, float16 weights with a cast to float32; return what computes with it is called."""
        from onnx import TensorProto, helper, numpy_helper

        array = np.asarray(value)
        self.n += 1
        name = name or f"constant_{self.n}"
        self.constants.append(numpy_helper.from_array(array, name))
        if array.dtype != np.float16:
            return name
        self.nodes.append(helper.make_node("Cast", [name], [f"{name}_32"], to=TensorProto.FLOAT))
        return f"{name}_32"

    def __call__(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node of one output; return the output's name."""
        from onnx import helper

        self.n += 1
        name = name or f"{kind.lower()}_{self.n}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name


def join(head: Path, encoder: str, target: Path) -> None:
    """Write a model of waveforms made of a head and its encoder, which needs neither torch nor transformers to run.

    Args:
        head: A model file that takes the features of an encoder's blocks.
        encoder: The encoder's name or folder, see :func:`vocalics.encoders.fetch`.
        target: The model file that is written.

    Raises:
        ModelFileError: When the head is no such model file.
        EncoderError: When the encoder is not to be had, or is not the head's.
        MissingExtraError: Where onnx or safetensors (extra ``accurate``) is not installed.
    """
    from vocalics import modelfile

    about = modelfile.load(head).card
    folder = encoders.fetch(encoder)
    known = encoders.about(folder)
    if not encoders.same(folder, about.front_end):
        raise EncoderError(
            f"{folder}: is another encoder ({known.key}) than {about.name} was trained on "
            f"({about.front_end['encoder']})"
        )
    data = standalone(head.read_bytes(), folder)
    joined = dataclasses.replace(
        about,
        input=INPUT,
        feature_set="",
        n_features=None,
        sample_rate=encoders.SAMPLE_RATE,
        trim_db=encoders.TRIM_DB,
        front_end={"blocks": about.feature_set, "encoder": known.key, "longest_seconds": LONGEST * 2 * HOP / 16_000},
        n_parameters=onnx_parameters(data),
    )
    card_file.write(target, data, joined)


def onnx_parameters(data: bytes) -> int:
    """Count the floating-point values of a serialised graph."""
    import onnx

    return n_parameters(onnx.load_model_from_string(data))


def standalone(head: bytes, folder: Path) -> bytes:
    """Return a model of waveforms made of an encoder and a model that takes the statistics of its blocks.

    Args:
        head: A model file whose card names a feature set of encoder blocks ("whisper-base@2,3").
        folder: The encoder's.

    Returns:
        A serialised ONNX graph from "waveform" (1, n_samples) to "probabilities", without a card.

    Raises:
        ModelFileError: When the head's features are none of an encoder's blocks, or of another width.
        EncoderError: For an encoder that is incomplete, or no Whisper.
        MissingExtraError: Where onnx or safetensors (extra ``accurate``) is not installed.
    """
    try:
        import onnx
        from onnx import compose
    except ImportError:
        raise MissingExtraError("putting an encoder and a head together", "accurate") from None
    from vocalics import modelfile
    from vocalics.features.feature_set import COURSE, FRAMES, SEPARATOR, encoded_kind

    card = modelfile.load(head).card
    whole, kind = encoded_kind(card.feature_set)
    _, separator, numbers = whole.rpartition(SEPARATOR)
    if not separator:
        raise ModelFileError(
            f"the model {card.name} takes {card.feature_set or 'no features'}; expected those of an encoder's blocks"
        )
    blocks = tuple(int(n) for n in numbers.split(","))
    width = encoders.about(folder).width
    net = onnx.load_model_from_string(head)
    given = net.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    wanted = width * len(blocks) * {FRAMES: 1, COURSE: 4}.get(kind, 2)
    if given != wanted:
        raise ModelFileError(
            f"the model {card.name} takes {given} features; blocks {numbers} of {folder.name} have {wanted}"
        )
    first = whisper(folder, blocks, frames=kind == FRAMES, course=kind == COURSE)
    net = filled(net, _weights(folder))
    net = compose.add_prefix(net, "head_", rename_inputs=False, rename_outputs=False)
    _named(net.graph, f"head_{VOICE}", VOICE)  # a constant, and an input all the same
    del net.metadata_props[:]
    net.ir_version = first.ir_version = IR_VERSION
    imports = {i.domain: i.version for i in [*first.opset_import, *net.opset_import]}
    for model in (first, net):
        del model.opset_import[:]
        model.opset_import.extend(onnx.helper.make_opsetid(d, v) for d, v in imports.items())
    model = compose.merge_models(first, net, io_map=[("features", "features")])
    model.producer_name, model.graph.name = "vocalics", "waveform_to_probabilities"
    assert model.graph.output[0].name == OUTPUT
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def _named(graph: Any, old: str, new: str) -> None:
    """Give a value of a graph another name, in place."""
    for value in (*graph.input, *graph.initializer):
        value.name = new if value.name == old else value.name
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]


def whisper(folder: Path, blocks: Sequence[int], frames: bool = False, course: bool = False) -> Any:
    """Return an encoder as an ONNX model: "waveform" (1, n_samples) at 16 kHz to "features".

    A waveform of more than 30 s is cut.

    Args:
        folder: The encoder's.
        blocks: Numbers of blocks, from 1 on; 0 is what goes into the first.
        frames: Whether features are the blocks' frames, (1, n_blocks · width, n_frames), of the waveform brought to a
            peak of 1; else they are the statistics of the blocks, (1, n_blocks · 2 · width), as
            :func:`vocalics.encoders.statistics` has them.
        course: Whether the statistics hold a clip's course, (1, n_blocks · 4 · width), of the waveform brought to a
            peak of 1.

    Raises:
        EncoderError: For an encoder that is incomplete, or no Whisper.
    """
    try:
        import onnx
        from onnx import TensorProto, helper
    except ImportError:
        raise MissingExtraError("exporting an encoder", "accurate") from None
    about = encoders.about(folder)
    if about.kind != "whisper":
        raise EncoderError(f"{folder}: is a {about.kind}; only Whisper's encoder becomes a graph here")
    n_heads = int(json.loads((folder / "config.json").read_text(encoding="utf-8"))["encoder_attention_heads"])
    take = _weights(folder)
    add = _Graph()
    hidden = _stem(add, _log_mel(add, _at_peak(add) if frames or course else INPUT, about.n_mels), take)
    kept = {0: hidden}
    for number in range(1, max(blocks) + 1):
        hidden = _block(add, hidden, take, number - 1, n_heads, about.width)
        kept[number] = hidden
    parts = [add("Transpose", kept[number], perm=[0, 2, 1]) for number in blocks] if frames else []
    for number in blocks if not frames else ():
        mean = add("ReduceMean", kept[number], axes=[1], keepdims=1)
        difference = add("Sub", kept[number], mean)
        variance = add("ReduceMean", add("Mul", difference, difference), axes=[1], keepdims=0)
        parts += [add("Squeeze", mean, add.constant(np.array([1]))), add("Sqrt", variance)]
        parts += _thirds(add, kept[number]) if course else []
    add("Concat", *parts, name="features", axis=1)
    n_rows = about.width * len(blocks)
    shape: list[Any] = [1, n_rows, "n_frames"] if frames else [1, (4 if course else 2) * n_rows]
    graph = helper.make_graph(
        add.nodes,
        "encoder",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [1, "n_samples"])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, shape)],
        add.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model


def _thirds(add: _Graph, hidden: str) -> list[str]:
    """The means of the first and the last third of a block's frames (1, n_frames, width), at least of a frame."""
    zero, one, axis = (add.constant(np.array([n])) for n in (0, 1, 1))
    length = add("Shape", hidden, start=1, end=2)
    third = add("Max", add("Div", length, add.constant(np.array([3]))), one)
    edges = ((zero, third), (add("Sub", length, third), length))
    return [add("ReduceMean", add("Slice", hidden, *edge, axis), axes=[1], keepdims=0) for edge in edges]


def _weights(folder: Path) -> Callable[[str], Array]:
    """A function that returns an encoder's weight by its name, as float16 where that is how it is stored."""
    try:
        from safetensors import safe_open
    except ImportError:
        raise MissingExtraError("reading an encoder", "accurate") from None
    file: Any = safe_open(folder / "model.safetensors", framework="np")
    names = set(file.keys())

    def take(name: str) -> Array:
        for whole in (f"model.{_PREFIX}{name}", f"{_PREFIX}{name}", name):
            if whole in names:
                array: Array = file.get_tensor(whole)
                return array
        raise EncoderError(f"{folder / 'model.safetensors'}: lacks {_PREFIX}{name}; expected the weights of Whisper")

    return take


def _at_peak(add: _Graph) -> str:
    """The waveform with its peak brought to 1, as :func:`vocalics.features.feature_set.at_peak` does."""
    peak = add("ReduceMax", add("Abs", INPUT), axes=[1], keepdims=1)
    return add("Div", INPUT, add("Max", peak, add.constant(np.array(SILENCE, np.float32))))


def _log_mel(add: _Graph, waveform: str, n_mels: int) -> str:
    """Whisper's log-mel spectrogram (1, n_mels, n_frames): centred frames, decades, at most 8 below the highest."""
    zero = add.constant(np.array([0]))
    shortest = add.constant(np.array([SHORTEST]))
    length = add("Shape", waveform, start=1, end=2)
    lacking = add("Max", add("Sub", shortest, length), zero)
    filled = add("Pad", waveform, add("Concat", zero, zero, zero, lacking, axis=0))
    longest = add.constant(np.array([LONGEST * 2 * HOP]))
    cut = add("Slice", filled, zero, longest, add.constant(np.array([1])))
    centred = add("Pad", cut, add.constant(np.array([0, N_FFT // 2, 0, N_FFT // 2])), mode="reflect")
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)).astype(np.float32)
    nodes, constants = power_spectrum(centred, "fe_power", window, HOP, N_FFT)
    for name, value in constants.items():
        add.constant(value, name)
    add.nodes += nodes
    bands = add("MatMul", add.constant(mel_filterbank(encoders.SAMPLE_RATE, N_FFT, n_mels)), "fe_power")
    # The last frame stands on the end alone and is left out, as it was when the encoder was trained.
    minus_one = add.constant(np.array([-1]))
    bands = add("Slice", bands, zero, minus_one, add.constant(np.array([2])))
    floored = add("Max", bands, add.constant(np.array(1e-10, np.float32)))
    decades = add("Mul", add("Log", floored), add.constant(np.array(1 / np.log(10), np.float32)))
    highest = add("ReduceMax", decades, axes=[1, 2], keepdims=1)
    limited = add("Max", decades, add("Sub", highest, add.constant(np.array(8.0, np.float32))))
    raised = add("Add", limited, add.constant(np.array(4.0, np.float32)))
    return add("Mul", raised, add.constant(np.array(0.25, np.float32)))


def _stem(add: _Graph, mel: str, take: Callable[[str], Array]) -> str:
    """Two convolutions and the positions: (1, n_frames, width)."""
    hidden = mel
    for name, stride in (("conv1", 1), ("conv2", 2)):
        weight, bias = add.constant(take(f"{name}.weight")), add.constant(take(f"{name}.bias"))
        hidden = _gelu(add, add("Conv", hidden, weight, bias, strides=[stride], pads=[1, 1]))
    hidden = add("Transpose", hidden, perm=[0, 2, 1])
    length = add("Shape", hidden, start=1, end=2)
    positions = add("Slice", add.constant(take("embed_positions.weight")), add.constant(np.array([0])), length,
                    add.constant(np.array([0])))  # fmt: skip
    return add("Add", hidden, positions)


def _block(add: _Graph, hidden: str, take: Callable[[str], Array], number: int, n_heads: int, width: int) -> str:
    """One transformer block, normalised first."""

    def weight(name: str) -> Array:
        return take(f"layers.{number}.{name}")

    def dense(source: str, name: str, bias: bool = True) -> str:
        product = add("MatMul", source, add.constant(np.ascontiguousarray(weight(f"{name}.weight").T)))
        return add("Add", product, add.constant(weight(f"{name}.bias"))) if bias else product

    def normalised(source: str, name: str) -> str:
        scale, shift = add.constant(weight(f"{name}.weight")), add.constant(weight(f"{name}.bias"))
        return add("LayerNormalization", source, scale, shift, axis=-1, epsilon=1e-5)

    inner = normalised(hidden, "self_attn_layer_norm")
    heads = add.constant(np.array([0, 0, n_heads, width // n_heads]))
    query, key, value = (
        add("Reshape", dense(inner, f"self_attn.{name}", bias), heads)
        for name, bias in (("q_proj", True), ("k_proj", False), ("v_proj", True))
    )
    scale = add.constant(np.array((width // n_heads) ** -0.5, np.float32))
    query = add("Mul", add("Transpose", query, perm=[0, 2, 1, 3]), scale)
    score = add("MatMul", query, add("Transpose", key, perm=[0, 2, 3, 1]))
    mixed = add("MatMul", add("Softmax", score, axis=-1), add("Transpose", value, perm=[0, 2, 1, 3]))
    mixed = add("Reshape", add("Transpose", mixed, perm=[0, 2, 1, 3]), add.constant(np.array([0, 0, width])))
    hidden = add("Add", hidden, dense(mixed, "self_attn.out_proj"))
    inner = _gelu(add, dense(normalised(hidden, "final_layer_norm"), "fc1"))
    return add("Add", hidden, dense(inner, "fc2"))


def _gelu(add: _Graph, source: str) -> str:
    """The Gaussian error linear unit, x·(1 + erf(x/√2))/2."""
    inner = add("Erf", add("Div", source, add.constant(np.array(np.sqrt(2.0), np.float32))))
    inner = add("Mul", source, add("Add", inner, add.constant(np.array(1.0, np.float32))))
    return add("Mul", inner, add.constant(np.array(0.5, np.float32)))
