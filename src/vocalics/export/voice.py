"""A graph that can get used to a voice: see :mod:`vocalics.voices`.

Of a net of features the layer is what the first linear map gives. To take an offset away there is to take it away from
the features, which is what nets are trained for (:mod:`vocalics.models.rows`), in fewer numbers. Of a net of sound it
is what the last linear map but one gives, of all that the net has made of a clip (:func:`inner`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.errors import ManifestError, MissingExtraError, ModelFileError
from vocalics.export import card as card_file
from vocalics.export import familiarity
from vocalics.export.familiarity import LINEAR
from vocalics.manifest import Manifest
from vocalics.modelfile import OUTPUT, VOICE, VOICE_LEFT, Card, load
from vocalics.voices import Values, centres, directions

PREFIX = f"{VOICE}_"
CENTRES = PREFIX + "centres"
"""The name of the constant that holds the emotions' centres."""

ACROSS, ALONG = PREFIX + "corpora_across", PREFIX + "corpora"
"""The names of the constants by which what sets corpora apart is left in a layer, where they are any."""

N_CLIPS = 3000
"""Clips from which the centres are computed; more move them no more."""


_AFFINE = frozenset(("Sub", "Add", "Mul", "Div", "BatchNormalization", "Identity"))
"""What may stand between the features and the first linear map: an offset stays an offset."""


def layer(graph: Any) -> str | None:
    """Return the name of the value from which a voice is taken away; ``None`` where there is none that tells it.

    That is what the first linear map gives, if it reads nothing but the features, scaled.
    """
    constants = {value.name for value in graph.graph.initializer}
    reached = {graph.graph.input[0].name}
    for node in graph.graph.node:
        own = [name for name in node.input if name not in constants]
        if not own or not reached.issuperset(own):
            continue
        if node.op_type in LINEAR and len(own) == 1:
            return str(node.output[0])
        if node.op_type not in _AFFINE or len(own) > 1:
            return None
        reached |= {*node.output}
    return None


def inner(graph: Any) -> str | None:
    """Return the name of what the last linear map but one gives; ``None`` where a graph does not end in two of them."""
    maps = familiarity.last_maps(graph)
    return str(maps[1].output[0]) if len(maps) == 2 else None


def add(graph: Any, name: str, at: Values, spared: Values | None = None) -> None:
    """Give a graph the input :data:`vocalics.modelfile.VOICE` and the output that tells of it, in place.

    Args:
        graph: An ONNX model.
        name: The layer, (batch, n).
        at: The centre of every emotion in that layer, see :func:`vocalics.voices.centres`, shape (n_emotions, n).
        spared: Directions of the layer that tell of no voice, see :func:`vocalics.voices.directions`, shape (k, n).
    """
    from onnx import TensorProto, helper, numpy_helper

    width = at.shape[1]
    left = VOICE_LEFT if spared is None or not len(spared) else PREFIX + "rest"
    for node in graph.graph.node:
        node.input[:] = [PREFIX + "without" if i == name else i for i in node.input]
    made = next(k for k, node in enumerate(graph.graph.node) if name in node.output)
    # Inputs with a value in the graph are those that may be left out.
    graph.graph.input.append(helper.make_tensor_value_info(VOICE, TensorProto.FLOAT, [width]))
    graph.graph.initializer.extend(
        numpy_helper.from_array(value, key) for key, value in ((VOICE, np.zeros(width, np.float32)), (CENTRES, at))
    )
    graph.graph.node.insert(made + 1, helper.make_node("Sub", [name, VOICE], [PREFIX + "without"]))
    graph.graph.node.extend(
        (
            helper.make_node("MatMul", [OUTPUT, CENTRES], [PREFIX + "expected"]),
            helper.make_node("Sub", [name, PREFIX + "expected"], [left]),
        )
    )
    if spared is not None and left != VOICE_LEFT:
        graph.graph.initializer.extend(
            numpy_helper.from_array(np.ascontiguousarray(value), key)
            for key, value in ((ACROSS, spared.T), (ALONG, spared))
        )
        graph.graph.node.extend(
            (
                helper.make_node("MatMul", [left, ACROSS], [PREFIX + "shares"]),
                helper.make_node("MatMul", [PREFIX + "shares", ALONG], [PREFIX + "spared"]),
                helper.make_node("Sub", [left, PREFIX + "spared"], [VOICE_LEFT]),
            )
        )
    graph.graph.output.append(helper.make_tensor_value_info(VOICE_LEFT, TensorProto.FLOAT, ["n", width]))


def take_away(graph: Any) -> tuple[str, Values, Values | None] | None:
    """Undo :func:`add`, in place.

    Args:
        graph: An ONNX model.

    Returns:
        What :func:`add` was given besides: the layer, the centres, shape (n_emotions, n), and the spared directions,
        shape (k, n). ``None``, and nothing is changed, for a graph that it did not make: one that tells no voice, or
        several models in one, whose parts have other names.
    """
    from onnx import numpy_helper

    made = next((node for node in graph.graph.node if node.output[0] == PREFIX + "without"), None)
    held = {value.name: value for value in graph.graph.initializer}
    if made is None or CENTRES not in held or VOICE not in {value.name for value in graph.graph.input}:
        return None
    name = str(made.input[0])
    at, spared = (np.array(numpy_helper.to_array(held[k]), np.float32) if k in held else None for k in (CENTRES, ALONG))
    assert at is not None
    own = {PREFIX + end for end in ("without", "expected", "rest", "shares", "spared")}
    for listed, gone in (
        (graph.graph.node, {*own, VOICE_LEFT}),
        (graph.graph.initializer, {VOICE, CENTRES, ACROSS, ALONG}),
        (graph.graph.input, {VOICE}),
        (graph.graph.output, {VOICE_LEFT}),
    ):
        for item in [i for i in listed if (i.output[0] if listed is graph.graph.node else i.name) in gone]:
            listed.remove(item)
    for node in graph.graph.node:
        node.input[:] = [name if i == PREFIX + "without" else i for i in node.input]
    return name, at, spared


def values(graph: Any, name: str, rows: npt.NDArray[np.float32]) -> Values:
    """Return what a layer holds for rows of features, shape (n_rows, n).

    Args:
        graph: An ONNX model of features.
        name: The layer's.
        rows: What the graph takes, shape (n_rows, ...).
    """
    import onnx
    import onnxruntime
    from onnx import helper

    exposed = onnx.ModelProto()
    exposed.CopyFrom(graph)
    exposed.graph.output.append(helper.make_empty_tensor_value_info(name))
    session = onnxruntime.InferenceSession(exposed.SerializeToString(), providers=["CPUExecutionProvider"])
    found = []
    for start in range(0, len(rows), 256):
        found.append(session.run([name], {session.get_inputs()[0].name: rows[start : start + 256]})[0])
    result: Values = np.concatenate(found)
    return result


def teach(source: Path, target: Path, manifest: Manifest, progress: Callable[[int, int], Any]) -> Manifest:
    """Write a copy of a net of sound that gets used to voices; with no voice known it says what it said before.

    The net is not trained again: where the emotions lie in its layer is computed from clips of its training speakers.

    Args:
        source: The model file.
        target: The model file that is written.
        manifest: Clips, of which those by training speakers are drawn, :data:`N_CLIPS` at most.
        progress: Called with (done, all).

    Returns:
        The clips from which the centres are; an emotion that none of them has lies in the middle of the others.

    Raises:
        ModelFileError: When the net gets used to voices already, or is none in which a voice can be told.
        ManifestError: When the clips are of one training speaker, or of one emotion.
        MissingExtraError: Where the onnx package is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise MissingExtraError("letting a net get used to voices", "export") from None

    known = load(source)
    about, graph = known.card, onnx.load_model_from_string(source.read_bytes())
    if known.voice_width:
        raise ModelFileError(f"{source}: gets used to voices already; use it as it is")
    name = inner(graph) if about.input == "waveform" else None
    if name is None:
        raise ModelFileError(
            f"{source}: no voice can be told in it; expected a net that takes sound and ends in two linear maps, in "
            "floats (a copy in eight bits is made afterwards)"
        )
    clips = _learned(graph, name, about, manifest, progress)
    if not _tell_voices(clips):
        raise ManifestError(
            f"{len(clips):,} clips with speech are of training speakers of {about.name} ({len(clips.speakers)} of "
            f"{len(about.training_speakers)}); expected several speakers and emotions: give its corpora' manifests"
        )
    card_file.write(target, graph.SerializeToString(), about)
    return clips


def learn(target: Path, manifest: Manifest, progress: Callable[[int, int], Any]) -> None:
    """Let a written net of sound get used to voices, in place, where voices can be told in it; others stay as they are.

    Args:
        target: The model file.
        manifest: Its training clips.
        progress: Called with (done, all).
    """
    import onnx

    graph, about = onnx.load(str(target)), load(target).card
    name = inner(graph) if about.input == "waveform" else None
    if name is not None and _tell_voices(_learned(graph, name, about, manifest, progress)):
        card_file.write(target, graph.SerializeToString(), about)


def _learned(graph: Any, name: str, about: Card, manifest: Manifest, progress: Callable[[int, int], Any]) -> Manifest:
    """Add to a graph what training clips tell, :data:`N_CLIPS` at most, and return those with speech."""
    clips = manifest.where(lambda u: u.speaker in about.training_speakers and u.emotion in about.emotions)
    clips = clips.drawn(N_CLIPS, np.random.default_rng(0))
    held, heard = familiarity.values(graph, name, [u.path for u in clips], progress)
    clips = clips.take(heard)
    if _tell_voices(clips):
        truth, speakers = [about.emotions.index(u.emotion) for u in clips], [u.speaker for u in clips]
        at = centres(held, truth, speakers, len(about.emotions))
        add(graph, name, at, directions(held, truth, speakers, [u.corpus for u in clips], at))
    return clips


def _tell_voices(clips: Manifest) -> bool:
    return len(clips.speakers) > 1 and len(clips.emotions) > 1
