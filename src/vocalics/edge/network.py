"""A model file's network as C99: ``network.h``, ``network.c`` and ``weights.c``.

The graph is read (:mod:`vocalics.edge.graph`), rewritten (:mod:`vocalics.edge.fold`), turned into steps
(:mod:`vocalics.edge.lowering`) and laid out in one static block of memory (:mod:`vocalics.edge.arena`).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.edge import arena, fold, graph
from vocalics.edge.loops import Buffer, literals
from vocalics.edge.lowering import ARGUMENTS, Lowering
from vocalics.edge.sizes import Size, at
from vocalics.errors import MissingExtraError, ModelFileError
from vocalics.export import voice
from vocalics.modelfile import VOICE, VOICE_LEFT

KERNELS = ("maths.h", "kernels.h", "kernels_int8.h")
"""The files of ``edge/c`` that ``network.c`` includes."""


@dataclasses.dataclass(frozen=True)
class Layer:
    """What one step of a network takes.

    Attributes:
        name: Of what it makes, in the model's graph.
        ram_bytes: Memory in use while it runs, at the most frames.
        weight_bytes: Of its constants.
        macs: Multiply-accumulate operations at the most frames.
    """

    name: str
    ram_bytes: int
    weight_bytes: int
    macs: int


@dataclasses.dataclass(frozen=True)
class Facts:
    """A network's sizes, known without compiling it.

    Attributes:
        rows: Numbers per frame.
        least_frames: Fewer are refused.
        max_frames: The most that the memory holds; 1 for a vector.
        n_classes: Probabilities.
        tells_strangeness: Whether it has the second output.
        arena_bytes: Static memory, with the input.
        weight_bytes: Constants.
        macs: Multiply-accumulate operations at the most frames.
        layers: Each step by itself.
    """

    rows: int
    least_frames: int
    max_frames: int
    n_classes: int
    tells_strangeness: bool
    arena_bytes: int
    weight_bytes: int
    macs: int
    layers: tuple[Layer, ...]


def write(model: Path, max_frames: int, command: str = "", fast: bool = True) -> dict[str, str]:
    """Return the C of a model file's network: file name to text.

    Args:
        model: A model file.
        max_frames: The most frames that its memory holds, for a model whose number of frames varies.
        command: What wrote it, for the files' first lines.
        fast: Whether layers of floats may keep twice the weights where that halves their products. Weights in eight
            bits stay as they are.

    Raises:
        MissingExtraError: Where the onnx package is not installed.
        ModelFileError: For a graph that holds what is not known here, with its name.
    """
    origin = f"{model.name}, SHA-256 {hashlib.sha256(model.read_bytes()).hexdigest()}"
    return text(_load(model), max_frames, origin, command, fast)


def facts(model: Path, max_frames: int, fast: bool = True) -> Facts:
    """Return the sizes of a model file's network, see :func:`write`."""
    return _facts(*_lowered(_load(model), max_frames, fast))


def text(model: Any, max_frames: int, origin: str = "", command: str = "", fast: bool = True) -> dict[str, str]:
    """Return the C of an ``onnx.ModelProto``, see :func:`write`.

    Args:
        model: One input of floats, (batch, numbers) or (batch, rows, frames); one or two outputs.
        max_frames: The most frames.
        origin: Where it comes from, for the files' first lines.
        command: What wrote it.
        fast: As in :func:`write`.
    """
    net, lowering, plan = _lowered(model, max_frames, fast)
    about = _facts(net, lowering, plan)
    head = [origin or "a graph", f"written by {command or 'vocalics.edge'}"]
    return {
        "network.h": _header(about, plan.offsets[lowering.source.name], head),
        "network.c": _source(net, lowering, plan, about, head),
        "weights.c": "\n".join(_weights(lowering, head)) + "\n",
    }


def _load(path: Path) -> Any:
    try:
        import onnx
    except ImportError:
        raise MissingExtraError("a network in C", "edge") from None
    model = onnx.load_model_from_string(path.read_bytes())
    if any(node.domain == "ai.onnx.ml" for node in model.graph.node):
        raise ModelFileError(f"{path}: is a classifier that is no network; it stays with ONNX Runtime")
    return model


def _lowered(model: Any, max_frames: int, fast: bool) -> tuple[graph.Graph, Lowering, arena.Plan]:
    net = graph.read(_of_one_voice(model), max_frames)
    if len(net.outputs) > len(ARGUMENTS):
        raise ModelFileError(f"the graph has {len(net.outputs)} outputs; expected at most {len(ARGUMENTS)}")
    frames = _frames(net, max_frames)
    fold.fold(net)
    lowering = Lowering(net, frames, fast)
    lowering.run()
    plan = arena.plan(lowering.source, lowering.steps, frames)
    if _has_codes(lowering):  # kernels read codes by fours
        plan = dataclasses.replace(plan, n_bytes=plan.n_bytes + 16)
    return net, lowering, plan


def _of_one_voice(model: Any) -> Any:
    """A model without what would tell of a voice: in C it gets used to none, and nothing is taken away."""
    if voice.take_away(model) is not None:
        return model
    own = {tensor.name for tensor in model.graph.initializer}
    for listed, left_out in (
        (model.graph.output, [o for o in model.graph.output if o.name == VOICE_LEFT]),
        (model.graph.input, [i for i in model.graph.input if i.name == VOICE and i.name in own]),
    ):
        for one in left_out:
            listed.remove(one)
    return model


def _frames(net: graph.Graph, max_frames: int) -> int:
    shape = net.values[net.source].shape
    last = shape[2] if len(shape) == 3 else 1
    return max_frames if isinstance(last, Size) else last


def _facts(net: graph.Graph, lowering: Lowering, plan: arena.Plan) -> Facts:
    shape = net.values[net.source].shape
    most = lowering.max_frames
    dims = {dim for value in net.values.values() for dim in value.shape if isinstance(dim, Size)}
    least = next((n for n in range(1, most + 1) if all(at(dim, n) > 0 for dim in dims)), 0) if dims else most
    if least == 0:
        raise ModelFileError(f"{most} frames are too few for this network; expected more")
    steps = zip(lowering.steps, plan.in_use, strict=True)
    rows = shape[1]
    classes = net.values[net.outputs[0]].shape[-1]
    assert isinstance(rows, int) and isinstance(classes, int)
    return Facts(
        rows=rows,
        least_frames=least,
        max_frames=most,
        n_classes=classes,
        tells_strangeness=len(net.outputs) > 1,
        arena_bytes=plan.n_bytes,
        weight_bytes=lowering.constants.n_bytes(),
        macs=sum(step.macs for step in lowering.steps),
        layers=tuple(Layer(s.title, used, s.weight_bytes, s.macs) for s, used in steps),
    )


def _comment(lines: list[str]) -> str:
    return "/* " + "\n   ".join(line.replace("*/", "* /") for line in lines) + " */\n"


def _header(about: Facts, offset: int, head: list[str]) -> str:
    frames = "numbers of one vector" if about.max_frames == 1 else "numbers per frame"
    return f"""{_comment(["A network's interface.", *head])}#ifndef NETWORK_H
#define NETWORK_H

#define NETWORK_ROWS {about.rows} /* {frames} */
#define NETWORK_MAX_FRAMES {about.max_frames} /* the most frames that the memory holds */
#define NETWORK_LEAST_FRAMES {about.least_frames} /* fewer are refused */
#define NETWORK_N_CLASSES {about.n_classes}
#define NETWORK_TELLS_STRANGENESS {int(about.tells_strangeness)}
#define NETWORK_ARENA_BYTES {about.arena_bytes} /* static memory, with the input */
#define NETWORK_INPUT_OFFSET {offset} /* of the input in it: all that follows is free until network_run */
#define NETWORK_WEIGHT_BYTES {about.weight_bytes} /* constants */
#define NETWORK_MACS {about.macs}LL /* multiply-accumulate operations at the most frames */

/* Where the frames are written before network_run: frame * NETWORK_ROWS + row. network_run destroys them. */
float *network_input(void);

/* Compute the probabilities of the NETWORK_N_CLASSES classes, each from 0 to 1, together 1.

   n_frames: how many frames were written, from NETWORK_LEAST_FRAMES to NETWORK_MAX_FRAMES.
   strangeness: how far the sound is from what the network knows, 0 or more, where it tells that; may be NULL.
   Returns 0, or -1 when n_frames is out of range. */
int network_run(int n_frames, float *probabilities, float *strangeness);

#endif
"""


def _source(net: graph.Graph, lowering: Lowering, plan: arena.Plan, about: Facts, head: list[str]) -> str:
    lines = [
        _comment(["A network: its layers, one after another, in one block of static memory.", *head]),
        '#include "network.h"',
        "",
        f'#include "{KERNELS[2] if _has_codes(lowering) else KERNELS[1]}"',
        "",
    ]
    lines += [f"extern const {_kind(a)} {name}[{a.size}];" for name, a in lowering.constants.arrays.items()]
    lines += [
        "",
        "static union {",
        f"    unsigned char bytes[{plan.n_bytes}];",
        "    double aligned;",
        "} arena;",
        "",
        "float *network_input(void)",
        "{",
        f"    return (float *)(void *)(arena.bytes + {plan.offsets[lowering.source.name]});",
        "}",
        "",
        "int network_run(int n_frames, float *probabilities, float *strangeness)",
        "{",
        "    if (n_frames < NETWORK_LEAST_FRAMES || n_frames > NETWORK_MAX_FRAMES)",
        "        return -1;",
    ]
    if not about.tells_strangeness:
        lines += ["    if (strangeness != NULL)", "        *strangeness = 0.0f;"]
    for step in lowering.steps:
        lines += [f"    {{ {_comment([step.title]).strip()}"]
        names = {}
        for buffer in (*step.writes, *step.scratch, *step.reads):
            if buffer.where == "arena":
                names[buffer.name] = _pointer(buffer, step, plan)
        lines += [f"        {declared}" for declared, _ in names.values() if declared]
        for line in step.lines:
            for name, (_, used) in names.items():
                if name != used:
                    line = _renamed(line, name, used)
            lines.append(f"        {line}")
        lines.append("    }")
    lines += ["    return 0;", "}"]
    return "\n".join(lines) + "\n"


def _has_codes(lowering: Lowering) -> bool:
    return any(b.kind == "u8" for step in lowering.steps for b in (*step.reads, *step.writes, *step.scratch))


def _pointer(buffer: Buffer, step: arena.Step, plan: arena.Plan) -> tuple[str, str]:
    """Return the declaration of a pointer to a buffer, and the name by which a step knows it.

    What lies in the same place as what is written has the same name, so that the compiler need not fear two names for
    one place.
    """
    place = plan.same[buffer.name]
    for written in step.writes:
        if written is not buffer and written.where == "arena" and plan.same[written.name] == place:
            return "", written.name
    kind = "float" if buffer.kind == "float" else "uint8_t"
    writes = buffer in step.writes or buffer in step.scratch
    cast = f"({kind} *)(void *)" if writes else f"(const {kind} *)(const void *)"
    const = "" if writes else "const "
    return f"{const}{kind} *const {buffer.name} = {cast}(arena.bytes + {plan.offsets[place]});", buffer.name


def _renamed(line: str, name: str, used: str) -> str:
    import re

    return re.sub(rf"\b{name}\b", used, line)


def _kind(array: npt.NDArray[Any]) -> str:
    kinds = {"float32": "float", "int8": "int8_t", "int32": "int32_t", "uint8": "uint8_t"}
    return kinds[array.dtype.name]


def _weights(lowering: Lowering, head: list[str]) -> Iterator[str]:
    """Yield the lines of ``weights.c``."""
    yield _comment(["A network's constants.", *head])
    yield "#include <stdint.h>"
    for name, array in lowering.constants.arrays.items():
        kind = _kind(array)
        yield ""
        yield f"extern const {kind} {name}[{array.size}];"
        yield f"const {kind} {name}[{array.size}] = {{"
        numbers = literals(array.ravel()) if array.dtype == np.float32 else list(map(str, array.ravel().tolist()))
        width = 8 if array.dtype == np.float32 else 24
        for i in range(0, len(numbers), width):
            yield "    " + ", ".join(numbers[i : i + width]) + ","
        yield "};"
