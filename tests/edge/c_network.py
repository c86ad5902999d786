"""Compiles the C of networks for tests and calls it; asks ONNX Runtime the same."""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from vocalics.edge import network
from vocalics.modelfile import STRANGENESS

LIBRARY = Path(network.__file__).parent / "c"
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror")
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]

Output = tuple[NDArray[np.float32], float]


class Net:
    """A network's C, compiled into a shared library.

    Attributes:
        defines: What ``network.h`` defines.
    """

    def __init__(self, files: Mapping[str, str], folder: Path, compiler: str, flags: Sequence[str]) -> None:
        key = hashlib.sha256(repr((sorted(files.items()), compiler, flags)).encode()).hexdigest()[:16]
        here = folder / key
        if not here.exists():
            here.mkdir(parents=True)
            for name, text in files.items():
                (here / name).write_text(text)
        target = here / "network.so"
        sources = [str(here / "network.c"), str(here / "weights.c")]
        command = [compiler, *STRICT, *flags, "-shared", "-fPIC", "-I", str(LIBRARY), *sources, "-o", str(target)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        words = [line.split() for line in files["network.h"].splitlines() if line.startswith("#define NETWORK_")]
        self.defines = {w[1].removeprefix("NETWORK_"): int(w[2].removesuffix("LL")) for w in words if len(w) > 2}
        self.folder = here
        self._library = ctypes.CDLL(str(target))
        self._library.network_input.restype = ctypes.POINTER(ctypes.c_float)

    def run(self, features: NDArray[np.float32], n_frames: int | None = None) -> Output | None:
        """Return probabilities and strangeness; ``None`` where the number of frames is refused.

        Args:
            features: (rows, frames), or (numbers,).
            n_frames: What is said of it instead of the truth.
        """
        given = np.ascontiguousarray(features.T, np.float32)
        n = (features.shape[1] if features.ndim == 2 else 1) if n_frames is None else n_frames
        if n <= self.defines["MAX_FRAMES"]:
            ctypes.memmove(self._library.network_input(), given.ctypes.data, given.nbytes)
        found, strangeness = np.full(self.defines["N_CLASSES"], np.nan, np.float32), np.full(1, np.nan, np.float32)
        pointers = (a.ctypes.data_as(ctypes.POINTER(ctypes.c_float)) for a in (found, strangeness))
        code = self._library.network_run(n, *pointers)
        assert code in (0, -1)
        return (found, float(strangeness[0])) if code == 0 else None

    def without_strangeness(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities where NULL stands for the strangeness."""
        given = np.ascontiguousarray(features.T, np.float32)
        ctypes.memmove(self._library.network_input(), given.ctypes.data, given.nbytes)
        found = np.full(self.defines["N_CLASSES"], np.nan, np.float32)
        pointer = found.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        n = features.shape[1] if features.ndim == 2 else 1
        assert self._library.network_run(n, pointer, None) == 0
        return found


def build(
    model: Any, folder: Path, max_frames: int = 64, compiler: str = "gcc", flags: Sequence[str] = ("-O1",), **how: Any
) -> Net:
    """Return the compiled network of an ONNX model, or of a model file."""
    write: Callable[..., dict[str, str]] = network.write if isinstance(model, Path) else network.text
    return Net(write(model, max_frames, **how), folder, compiler, tuple(flags))


def session(model: Any) -> onnxruntime.InferenceSession:
    """Return ONNX Runtime's session of what is behind the front end of a model."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads, options.inter_op_num_threads = 3, 1, 1
    return onnxruntime.InferenceSession(_behind(model).SerializeToString(), options, providers=["CPUExecutionProvider"])


def _behind(model: Any) -> Any:
    made = {name for node in model.graph.node for name in node.output}
    if "log_mel" not in made:
        return model
    needed, kept = {o.name for o in model.graph.output}, []
    for node in reversed(model.graph.node):
        if "log_mel" not in node.output and needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    source = helper.make_tensor_value_info("log_mel", TensorProto.FLOAT, ["n", 64, "n_frames"])
    stored = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    graph = helper.make_graph(kept[::-1], "behind", [source], model.graph.output, stored)
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def ask(asked: onnxruntime.InferenceSession, features: NDArray[np.float32]) -> Output:
    """Return what ONNX Runtime says of one input: probabilities and strangeness (or nothing: not a number)."""
    found = asked.run(None, {asked.get_inputs()[0].name: features[None]})
    said = dict(zip((output.name for output in asked.get_outputs()), found, strict=True))
    return found[0].ravel(), float(said[STRANGENESS].ravel()[0]) if STRANGENESS in said else float("nan")


def graph(
    nodes: Sequence[Any], shape: Sequence[int | str], constants: Mapping[str, Any], rank: int = 2, opset: int = 17
) -> Any:
    """Return an ONNX model from "features" (1, *shape) to "probabilities", of any meaning."""
    made = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None] * rank)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def log_mel(n_frames: int, seed: int = 0) -> NDArray[np.float32]:
    """Return what looks like a spectrogram: bands of different level, syllables, noise."""
    rng = np.random.default_rng(seed)
    level = rng.normal(-8, 2, (64, 1)) + 3 * np.sin(np.arange(n_frames) / 7 + rng.uniform(0, 6))
    return (level + rng.normal(0, 1.5, (64, n_frames))).astype(np.float32)
