"""A model calibrated anew: its temperature, its sets of candidates, and what it finds strange.

Nothing of what the model knows of emotions changes: the most probable one stays the most probable.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.confidence import density, thresholds
from vocalics.errors import LeakageError, MissingExtraError, ModelFileError
from vocalics.export import card as card_file
from vocalics.export import familiarity
from vocalics.manifest import Manifest
from vocalics.modelfile import OUTPUT, Card, load
from vocalics.registry import some

N_FAMILIAR = 3000
"""Clips of training speakers from which a net learns what is familiar; more tell it no more."""

N_PARTS = 5
"""In how many parts the speakers are divided, each measured by the others."""

CALIBRATED = "; calibrated "
"""With what a card's protocol says of it that the model was calibrated anew, after its training."""

FEWEST = 50
"""Clips with fewer than these would calibrate nothing: a set that misses one in twenty needs to see some misses."""


def require() -> None:
    """Raise :class:`MissingExtraError` where a model file cannot be written; for use before long work."""
    try:
        import onnx  # noqa: F401

        import vocalics.models.calibration  # noqa: F401
    except ImportError:
        raise MissingExtraError("writing a model file", "train") from None


def recalibrate(
    source: Path,
    manifest: Manifest,
    probabilities: npt.ArrayLike,
    truth: npt.ArrayLike,
    target: Path,
    known_voices: Manifest | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Card:
    """Write a copy of a model whose probabilities and sets fit the clips, and return its card.

    A graph that ends in a softmax gets another temperature, and learns to tell how strange a sound is; of another one
    only the sets are found.

    Args:
        source: The model file.
        manifest: The clips; none of a speaker that the model was trained on.
        probabilities: What the model says of them, shape (n, n_emotions).
        truth: Positions of their emotions, shape (n,).
        target: The model file that is written.
        known_voices: Further clips of voices that are to be familiar: those that were trained on, say.
        progress: Called with (done, all) where strangeness is learned.

    Raises:
        LeakageError: When a speaker was trained on.
        ModelFileError: When the clips are fewer than :data:`FEWEST`.
        MissingExtraError: Where the onnx package or torch is not installed.
    """
    require()
    import onnx

    from vocalics.models.calibration import temperature, tempered

    known = load(source).card
    emotions = known.emotions
    if heard := sorted(set(manifest.speakers) & set(known.training_speakers)):
        raise LeakageError(
            f"{some(heard)} of these clips were trained on, so that the model is surer of them than of others; "
            "calibrate it on other speakers"
        )
    said, positions = np.asarray(probabilities, np.float64), np.asarray(truth, np.int64)
    if len(said) < FEWEST:
        raise ModelFileError(f"{len(said)} clips with speech are too few to calibrate a model; expected {FEWEST}")
    graph = onnx.load_model_from_string(source.read_bytes())
    factor = temperature(said, positions) if _softmax(graph) is not None else 1.0
    if factor != 1.0:
        _cool(graph, factor)
        said = tempered(said, factor)
    about = dataclasses.replace(
        known,
        temperature=known.temperature * factor,
        conformal=thresholds(said, positions),
        protocol=calibrated_by(known.protocol, f"by {len(said):,} clips of {len(manifest.speakers)} speakers"),
        # Its promises hold for these clips by construction: nobody may measure them there.
        validation_speakers=tuple(sorted({*known.validation_speakers, *manifest.speakers})),
    )
    learn_strangeness(graph, manifest, known_voices or Manifest(()), emotions, progress or (lambda *_: None))
    card_file.write(target, graph.SerializeToString(), about)
    return about


def calibrated_by(protocol: str, how: str) -> str:
    """Return what a card says of how its speakers were chosen, when something else than these calibrated it.

    >>> calibrated_by("3 training speakers, 1 speakers apart chose the epoch, the temperature is theirs", "by 60 clips")
    '3 training speakers, 1 speakers apart chose the epoch; calibrated by 60 clips'
    """
    plain = re.sub(", the (temperature is|sets of candidates are) theirs", "", protocol).split(CALIBRATED)[0]
    return plain + CALIBRATED + how


def teach(target: Path, manifest: Manifest, others: Manifest, progress: Callable[[int, int], Any]) -> None:
    """Give a model file its sense of what is strange; the arguments are those of :func:`learn_strangeness`."""
    import onnx

    graph, about = onnx.load(str(target)), load(target).card
    learn_strangeness(graph, manifest, others, about.emotions, progress)
    card_file.write(target, graph.SerializeToString(), about)


def learn_strangeness(
    graph: Any, manifest: Manifest, others: Manifest, emotions: tuple[str, ...], progress: Callable[[int, int], Any]
) -> None:
    """Give a net's graph its sense of what is strange, in place.

    A graph that ends in no linear map gets none; nor does any where no clip that would scale it holds speech.

    Args:
        graph: An ONNX model with its card.
        manifest: Clips by which strangeness is scaled, of voices that were not trained on.
        others: Further clips of voices that are to be familiar.
        emotions: The classes.
        progress: Called with (done, all).
    """
    name = familiarity.layer(graph)
    if name is None:
        return
    clips = Manifest((*manifest, *others))
    values, heard = familiarity.values(graph, name, [u.path for u in clips], progress)
    truth = np.array([emotions.index(clips[i].emotion) for i in heard])
    own = np.array([i < len(manifest) for i in heard], bool)
    if not own.any():
        return
    speakers = np.array([clips[i].speaker or clips[i].path for i in heard])
    # Every speaker's clips are measured by what was learned without them.
    names = sorted(set(speakers[own].tolist()))
    part = np.array([names.index(s) % N_PARTS if s in names else -1 for s in speakers.tolist()])
    found = []
    for k in range(min(N_PARTS, len(names))):
        rest = part != k
        if rest.sum() >= FEWEST // 2:
            found.append(density(values[rest], truth[rest]).strangeness(values[own & (part == k)]))
    ordinary = np.concatenate(found) if found else density(values, truth).strangeness(values[own])
    familiarity.add(graph, name, density(values, truth).scaled(ordinary))


def _softmax(graph: Any) -> Any:
    """The softmax that gives a graph's probabilities; ``None`` where something else does."""
    return next((n for n in graph.graph.node if OUTPUT in n.output and n.op_type == "Softmax"), None)


def write_cooled(source: Path, target: Path, factor: float, about: Card) -> None:
    """Write a copy of a model whose logits are divided by a factor more.

    Args:
        source: The model file.
        target: The model file that is written.
        factor: Above 1 makes it less sure.
        about: The card of the copy.

    Raises:
        ModelFileError: When the graph ends in no softmax.
        MissingExtraError: Where the onnx package or torch is not installed.
    """
    require()
    import onnx

    graph = onnx.load_model_from_string(source.read_bytes())
    if _softmax(graph) is None:
        raise ModelFileError(f"{source}: its graph ends in no softmax, so that it takes no temperature")
    _cool(graph, factor)
    card_file.write(target, graph.SerializeToString(), about)


def _cool(graph: Any, factor: float) -> None:
    """Divide the logits of a graph by a factor, in place."""
    from onnx import helper, numpy_helper

    last = _softmax(graph)
    taken = {name for node in graph.graph.node for name in node.output}
    cooled = _free("cooled_logits", taken)
    by = _free("temperature", taken | {value.name for value in graph.graph.initializer})
    node = helper.make_node("Div", [last.input[0], by], [cooled])
    graph.graph.initializer.append(numpy_helper.from_array(np.array(factor, np.float32), by))
    last.input[0] = cooled
    graph.graph.node.insert(list(graph.graph.node).index(last), node)


def _free(name: str, taken: set[str]) -> str:
    """A name that no value of the graph has."""
    while name in taken:
        name += "_"
    return name
