"""A model is one file: an ONNX graph that carries its card, verified when it is loaded.

The card is JSON in the graph's metadata under :data:`CARD_KEY`. Reading needs onnxruntime only; the writer, which
needs the onnx package, is :func:`vocalics.export.card.write`.

The graph's contract: one input, ``waveform`` (batch, n_samples) or ``features`` (batch, n) or (batch, rows, columns),
float32; an output ``probabilities`` (batch, n_emotions), float32, in the order of the card's emotions.

A graph that can get used to a voice has a second input that may be left out, ``voice`` (n,), what is known of it
(:mod:`vocalics.voices`), and an output ``voice_left`` (batch, n), what each clip adds to that.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from vocalics.emotions import EMOTIONS, OTHER_EMOTIONS
from vocalics.errors import ModelFileError, RecipeError
from vocalics.preprocess import Preparation
from vocalics.registry import suggestion

LEFT_OUT_KEY = "vocalics_left_out"
"""In the metadata of a model without its encoder's weights: by constant, which tensor, and whether it is turned."""
CARD_KEY = "vocalics_card"
"""The metadata key under which a model file holds its card."""

CARRIED = 8_000_000
"""A model file of at most so many bytes is kept in memory beside its session, and travels in a pickle."""

FORMAT_VERSION = 1
"""The newest card format that this version writes and reads."""

INPUTS: tuple[str, ...] = ("waveform", "features")
"""What a graph may take; also the name of its input."""

OUTPUT = "probabilities"
"""The name of the graph's output."""

STRANGENESS = "strangeness"
"""The name of a second output that a graph may have, (batch,): below 1 for 95 of 100 voices like those it knows."""

VOICE, VOICE_LEFT = "voice", "voice_left"
"""The names of an input with a default, (n,), and an output, (batch, n), that a graph may have: both, or none."""


@dataclass(frozen=True)
class Card:
    """Everything that is known about a model.

    Attributes:
        name: The model's name ("default").
        emotions: The emotions in output order.
        input: "waveform" (samples go into the graph) or "features" (the feature set's array does).
        sample_rate: The rate in Hz that the graph or the feature set expects.
        description: One or two sentences.
        feature_set: The name of the feature set of a features model, else empty.
        n_features: Number of values per clip of a features model (rows x columns where the set is a matrix).
        front_end: The settings of the front end inside the graph.
        trim_db: Quiet ends of a clip, this much below its loudest part, are cut before it is judged, as they were in
            training (see :func:`vocalics.preprocess.trim_silence`); ``None`` leaves the clip whole.
        preprocess: What is done to every clip before, at ``sample_rate``, as it was in training: tables of
            :class:`vocalics.preprocess.Preparation`.
        window_seconds: Length of the windows into which a long recording is cut.
        hop_seconds: Distance of the windows of a timeline.
        n_parameters: Number of trained parameters.
        temperature: What the logits are divided by inside the graph; found on validation speakers, or by what
            ``vocalics models calibrate`` was given.
        conformal: From which probability on an emotion is a candidate, by coverage ({"0.9": 0.12}); found as the
            temperature is, see :mod:`vocalics.confidence`.
        corpora: Each ``{name, licence, commercial, clips, speakers}``; ``commercial`` is ``None`` where that is not
            known.
        commercial: Whether the licences of all corpora are known to allow commercial use.
        licence: The licence of the model's weights.
        protocol: How training, validation and test speakers were chosen.
        seed: The seed of the training run.
        figures: What was measured, each ``{corpus, protocol, classes, speakers, metric, value, low, high}``; of a mean
            over folds, whose interval is another figure's, ``pooled`` is ``{value, low, high}`` of all folds together.
        intended_use: What the model is for.
        limits: What it is not for, and where it is known to fail.
        training_speakers: Speakers that the weights were fitted to.
        validation_speakers: Speakers that chose the epoch.
        excluded: The emotions that the corpora hold and the model does not know.
        recipe: The settings of the training run.
        created: Date of writing, ISO 8601.
        vocalics_version: The version that wrote the file.
        format_version: Of the card.

    Raises:
        ModelFileError: When a value cannot be: a name that would steer a terminal, no emotion, an unknown or repeated
            one, another kind of input, a rate or length that is not positive, a features model that names no feature
            set.
    """

    name: str
    emotions: tuple[str, ...]
    input: str
    sample_rate: int
    description: str = ""
    feature_set: str = ""
    n_features: int | None = None
    front_end: Mapping[str, Any] = field(default_factory=dict)
    trim_db: float | None = None
    preprocess: tuple[Mapping[str, Any], ...] = ()
    window_seconds: float = 3.0
    hop_seconds: float = 1.5
    n_parameters: int = 0
    temperature: float = 1.0
    conformal: Mapping[str, Any] = field(default_factory=dict)
    corpora: tuple[Mapping[str, Any], ...] = ()
    commercial: bool = False
    licence: str = ""
    protocol: str = ""
    seed: int = 0
    figures: tuple[Mapping[str, Any], ...] = ()
    intended_use: str = ""
    limits: str = ""
    training_speakers: tuple[str, ...] = ()
    validation_speakers: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""
    vocalics_version: str = ""
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        # A list where a tuple belongs is taken too: recipes and JSON bring lists.
        for name in _TUPLES:
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.name.isprintable():  # it stands in every table, as it is
            raise ModelFileError(f"the card's name is {ascii(self.name)[:80]}; expected one without control characters")
        if not self.emotions:
            raise ModelFileError("the card names no emotion; expected the emotions in output order")
        known = EMOTIONS + OTHER_EMOTIONS
        for emotion in self.emotions:
            if emotion not in known:
                raise ModelFileError(
                    f'the card\'s "{emotion}" is not an emotion{suggestion(emotion, known) or "."} '
                    f"Known: {', '.join(known)}"
                )
        if len(set(self.emotions)) < len(self.emotions):
            raise ModelFileError(f"the card names an emotion twice: {', '.join(self.emotions)}")
        if self.input not in INPUTS:
            raise ModelFileError(f'the card\'s input is "{self.input}"; expected {" or ".join(INPUTS)}')
        for name in ("sample_rate", "window_seconds", "hop_seconds"):
            if not getattr(self, name) > 0:
                raise ModelFileError(f"the card's {name} is {getattr(self, name)}; expected a positive number")
        for coverage, least in self.conformal.items():
            if not (_share(coverage) and _share(least)):
                raise ModelFileError(
                    f"the card's conformal holds {coverage}: {least}; expected two numbers from 0 to 1"
                )
        for table in self.preprocess:
            try:
                Preparation.parse(table)
            except RecipeError as error:
                raise ModelFileError(f"the card's preprocess: {error}") from None
        if self.input == "features" and not self.feature_set:
            raise ModelFileError("the card of a features model names no feature_set")

    def to_json(self) -> str:
        """Return the card as JSON, one key per field, that :meth:`from_json` reads back as an equal card."""
        values = {name: getattr(self, name) for name in _KINDS}
        return json.dumps(values, ensure_ascii=False, indent=1, default=_plain)

    @classmethod
    def from_json(cls, text: str) -> Card:
        """Read a card; keys of later versions are ignored.

        Raises:
            ModelFileError: When the text is no JSON object, of another format version, lacks a key or holds a value
                of the wrong type.
        """
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ModelFileError(f"the card is not JSON ({error})") from None
        if not isinstance(values, dict):
            raise ModelFileError("the card is not a JSON object")
        missing = [name for name in ("format_version", *_REQUIRED) if name not in values]
        if missing:
            raise ModelFileError(f"the card lacks {', '.join(missing)}")
        if values["format_version"] != FORMAT_VERSION:
            raise ModelFileError(
                f"the card is of format version {values['format_version']}, this is vocalics for version "
                f"{FORMAT_VERSION}; install the version that wrote it, or train the model again"
            )
        for name, kind in _KINDS.items():
            if name in values and not _is(values[name], kind):
                raise ModelFileError(f"the card's {name} is {json.dumps(values[name])[:80]}; expected {kind}")
        return cls(**{name: values[name] for name in _KINDS if name in values})


_KINDS: dict[str, str] = {f.name: str(f.type) for f in dataclasses.fields(Card)}
_TUPLES: tuple[str, ...] = tuple(name for name, kind in _KINDS.items() if kind.startswith("tuple"))
_REQUIRED: tuple[str, ...] = tuple(
    f.name
    for f in dataclasses.fields(Card)
    if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
)


def _plain(value: Any) -> Any:
    """What JSON has no word for: a read-only mapping, a number of NumPy's."""
    return dict(value) if isinstance(value, Mapping) else value.item()


def _share(value: Any) -> bool:
    """Whether a value, or a key, is a number from 0 to 1."""
    try:
        return not isinstance(value, bool) and 0 <= float(value) <= 1
    except (TypeError, ValueError):
        return False


def _is(value: Any, kind: str) -> bool:
    """Whether a value from JSON fits a field's annotation."""
    if kind.endswith(" | None"):
        return value is None or _is(value, kind.removesuffix(" | None"))
    if kind.startswith("tuple"):
        return isinstance(value, list) and all(_is(v, kind[len("tuple[") :].removesuffix(", ...]")) for v in value)
    if kind.startswith("Mapping"):
        return isinstance(value, dict)
    if kind in ("int", "float"):
        return isinstance(value, (int, float) if kind == "float" else int) and not isinstance(value, bool)
    return isinstance(value, {"str": str, "bool": bool}[kind])


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A verified model, ready to run.

    It can be pickled, and is loaded and verified again where it arrives: from its bytes, which it carries along up to
    :data:`CARRIED`; a larger file is read from its path again, and refused where it is not the same any more.

    Attributes:
        session: The onnxruntime session.
        card: What is known about it.
        sha256: Of the file's bytes, in hexadecimal.
        source: The file's bytes, or the absolute path of a large one; ``None`` where the session was made otherwise.
        threads: How many the runtime may use for one clip.
    """

    session: onnxruntime.InferenceSession
    card: Card
    sha256: str
    source: str | bytes | None = field(default=None, repr=False, kw_only=True)
    threads: int = field(default=1, kw_only=True)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.source is None:
            raise TypeError(
                f"the model {self.card.name} was made of a session and cannot be pickled; expected one that "
                "modelfile.load() gave"
            )
        return _loaded_again, (self.source, self.sha256, self.threads)

    def probabilities(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Run the graph.

        Args:
            batch: (batch, n_samples), (batch, n) or (batch, rows, columns), as the card's input says; float32.

        Returns:
            (batch, n_emotions), rows sum to 1.
        """
        result: npt.NDArray[np.float32] = self.session.run([OUTPUT], {self.card.input: batch})[0]
        return result

    @cached_property
    def is_thin(self) -> bool:
        """Whether weights of the encoder that it sits on are left out, see :mod:`vocalics.export.thin`."""
        return LEFT_OUT_KEY in self.session.get_modelmeta().custom_metadata_map

    @cached_property
    def tells_strangeness(self) -> bool:
        """Whether the graph says how strange a sound is."""
        return any(output.name == STRANGENESS for output in self.session.get_outputs())

    @cached_property
    def voice_width(self) -> int:
        """How many numbers the model knows of a voice; 0 where it does not get used to one."""
        found = [i.shape for i in self.session.get_overridable_initializers() if i.name == VOICE]
        return int(found[0][0]) if found else 0

    def judge(
        self, batch: npt.NDArray[np.float32], voice: npt.NDArray[np.float32] | None = None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
        """Return :meth:`probabilities` and, where the graph tells it, the strangeness of each, (batch,).

        Args:
            batch: As for :meth:`probabilities`.
            voice: What is known of the voice, (voice_width,); ``None`` is nothing.
        """
        found = self._run([OUTPUT, *([STRANGENESS] if self.tells_strangeness else [])], batch, voice)
        return found[0], found[1] if self.tells_strangeness else None

    def hear(
        self, batch: npt.NDArray[np.float32], voice: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None, npt.NDArray[np.float32]]:
        """Return what :meth:`judge` does, and what each clip leaves of the voice, (batch, voice_width).

        For models that get used to voices alone: ``voice_width`` is above 0.
        """
        found = self._run([OUTPUT, *([STRANGENESS] if self.tells_strangeness else []), VOICE_LEFT], batch, voice)
        return found[0], found[1] if self.tells_strangeness else None, found[-1]

    def _run(
        self, wanted: list[str], batch: npt.NDArray[np.float32], voice: npt.NDArray[np.float32] | None
    ) -> list[npt.NDArray[np.float32]]:
        given = {self.card.input: batch} | ({} if voice is None else {VOICE: voice})
        found: list[npt.NDArray[np.float32]] = self.session.run(wanted, given)
        return found


def load(source: str | os.PathLike[str] | bytes, threads: int = 1) -> LoadedModel:
    """Load a model file and verify it against its card.

    Args:
        source: A path, or the bytes of a model file.
        threads: How many the runtime may use for one clip.

    Raises:
        ModelFileError: When the file is missing, no ONNX graph, has weights in other files, has no card of ours, is of
            another format version, or its graph is not what the card says.
    """
    name = "model bytes" if isinstance(source, bytes) else str(source)
    data = source if isinstance(source, bytes) else _bytes(Path(source))
    session = _session(data, name, threads)
    text = session.get_modelmeta().custom_metadata_map.get(CARD_KEY)
    if text is None:
        raise ModelFileError(
            f"{name}: is a foreign ONNX file (it has no vocalics card); expected a model made by vocalics train"
        )
    try:
        card = Card.from_json(text)
        _verify(session, card)
    except ModelFileError as error:
        raise ModelFileError(f"{name}: {error}") from None
    kept = data if isinstance(source, bytes) or len(data) <= CARRIED else str(Path(source).absolute())
    return LoadedModel(session, card, hashlib.sha256(data).hexdigest(), source=kept, threads=threads)


def _loaded_again(source: str | bytes, sha256: str, threads: int) -> LoadedModel:
    """What a pickle of a model becomes.

    Raises:
        ModelFileError: When its file is not there any more, or is another one.
    """
    found = load(source, threads)
    if isinstance(source, str) and found.sha256 != sha256:
        raise ModelFileError(
            f"{source}: was changed since its model was pickled (now {found.sha256[:12]}, then {sha256[:12]}); load "
            "and pickle it again"
        )
    return found


def _bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ModelFileError(
            f"{path}: no such model file; check the path, or list the names: vocalics models"
        ) from None
    except IsADirectoryError:
        raise ModelFileError(f"{path}: is a folder; expected a model file (.onnx)") from None
    except PermissionError:
        raise ModelFileError(f"{path}: no permission to read it; change the file's mode or run as its owner") from None
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror})") from error
    if not data:
        raise ModelFileError(f"{path}: is empty (0 bytes); expected a model file (.onnx)")
    return data


_INNER: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""Where tensors stand in an ONNX file: by message, which of its fields hold which message (onnx.proto)."""

_EXTERNAL, _LOCATION = 13, 14
"""A tensor's fields that say where else its values are, and that they are elsewhere."""


def _leads_outside(data: bytes) -> bool:
    """Whether a tensor of an ONNX file has its values in another file.

    The runtime would look for it below the current folder (older releases: anywhere) or at an address in memory, and
    the file's hash would not know it. All that protobuf allows is followed, not only what writers write.

    Raises:
        ValueError: When it is no protobuf message.
    """
    parts = [("model", 0, len(data))]
    while parts:
        message, at, end = parts.pop()
        inner = _INNER[message]
        while at < end:
            tag, at = _varint(data, at)
            number, wire = (tag & 0xFFFFFFFF) >> 3, tag & 7
            if message == "tensor" and number == _EXTERNAL:
                return True
            if wire == 0:
                value, at = _varint(data, at)
                if message == "tensor" and number == _LOCATION and value:
                    return True
            elif wire == 2:
                size, at = _varint(data, at)
                if number in inner:
                    parts.append((inner[number], at, at + size))
                at += size
            elif wire in (1, 5):
                at += 8 if wire == 1 else 4
            else:
                raise ValueError("no field begins so")
        if at != end:
            raise ValueError("ends within a field")
    return False


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of protobuf's, and where it ends."""
    value = 0
    for i, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return value, at + i + 1
    raise ValueError("ends within a number")


def _session(data: bytes, name: str, threads: int) -> onnxruntime.InferenceSession:
    try:
        outside = _leads_outside(data)
    except ValueError:
        raise ModelFileError(
            f"{name}: is not a usable ONNX file (it is no protobuf message); expected a complete model made by "
            "vocalics train"
        ) from None
    if outside:
        raise ModelFileError(
            f"{name}: has weights in another file, which its hash would not know; expected a model in one file, as "
            "vocalics train makes it"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Errors come as exceptions too; said once, by us, they are one line.
    options.log_severity_level = 4
    # Its own format, which is flat, can lead to other files as well, and is not what is looked through above.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no parent but Exception
        raise ModelFileError(
            f"{name}: is not a usable ONNX file ({_reason(error)}); expected a complete model made by vocalics train"
        ) from None


def _reason(error: Exception) -> str:
    """onnxruntime's message on one line, without its "[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : "."""
    return " ".join(str(error).split()).split(" : ", 3)[-1].rstrip(".")[:160]


def _verify(session: onnxruntime.InferenceSession, card: Card) -> None:
    inputs = {i.name: i for i in session.get_inputs()}
    if list(inputs) != [card.input]:
        raise ModelFileError(f'the graph takes {", ".join(inputs) or "nothing"}; its card says "{card.input}"')
    shape, kind = inputs[card.input].shape, inputs[card.input].type
    if kind != "tensor(float)":
        raise ModelFileError(f"the graph's input is a {kind}; expected tensor(float)")
    if card.input == "waveform" and len(shape) != 2:
        raise ModelFileError(f"the graph's input has shape {shape}; expected (batch, n_samples)")
    if card.input == "features":
        if len(shape) not in (2, 3):
            raise ModelFileError(f"the graph's input has shape {shape}; expected (batch, n) or (batch, rows, columns)")
        sizes = shape[1:]
        if card.n_features and all(isinstance(n, int) for n in sizes) and np.prod(sizes) != card.n_features:
            raise ModelFileError(
                f"the graph takes {' x '.join(map(str, sizes))} features, its card says {card.n_features}"
            )
    outputs = {o.name: o for o in session.get_outputs()}
    if OUTPUT not in outputs:
        raise ModelFileError(f'the graph gives {", ".join(outputs)}; expected an output "{OUTPUT}"')
    if outputs[OUTPUT].type != "tensor(float)":
        raise ModelFileError(f'the graph\'s output "{OUTPUT}" is a {outputs[OUTPUT].type}; expected tensor(float)')
    _verify_voice(session, {name: output.shape for name, output in outputs.items()})
    width = _width(session, card, outputs[OUTPUT].shape, shape)
    if width != len(card.emotions):
        raise ModelFileError(
            f"the graph gives {width} probabilities, its card names {len(card.emotions)} emotions "
            f"({', '.join(card.emotions)})"
        )


def _verify_voice(session: onnxruntime.InferenceSession, outputs: Mapping[str, list[Any]]) -> None:
    taken = {i.name: i for i in session.get_overridable_initializers()}
    if VOICE not in taken and VOICE_LEFT not in outputs:
        return
    shape = taken[VOICE].shape if VOICE in taken else None
    left = outputs.get(VOICE_LEFT)
    whole = shape and left and len(shape) == 1 and isinstance(shape[0], int) and left[1:] == shape
    if not whole or taken[VOICE].type != "tensor(float)":
        raise ModelFileError(
            f'the graph takes a "{VOICE}" of shape {shape} and gives "{VOICE_LEFT}" of shape {left}; expected both, '
            "(n,) and (batch, n), or none"
        )


def _width(session: onnxruntime.InferenceSession, card: Card, output: list[Any], shape: list[Any]) -> int:
    """The number of outputs: declared, or else tried with silence."""
    if len(output) == 2 and isinstance(output[1], int):
        return output[1]
    if card.input == "waveform":
        trial = [1, round(card.window_seconds * card.sample_rate)]
    elif len(shape) == 2:
        trial = [1, card.n_features or 1]
    else:
        trial = [1, *(n if isinstance(n, int) else 1 for n in shape[1:])]
    trial = [t if i == 0 or not isinstance(n, int) else n for i, (t, n) in enumerate(zip(trial, shape, strict=True))]
    try:
        result = session.run([OUTPUT], {card.input: np.zeros(trial, np.float32)})[0]
    except Exception as error:  # onnxruntime's errors share no parent but Exception
        raise ModelFileError(
            f"the graph does not run on {trial} zeros ({' '.join(str(error).split())[:160]})"
        ) from None
    return int(result.shape[-1]) if result.ndim == 2 else 0
