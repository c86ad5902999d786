"""Latency of networks in C against ONNX Runtime: one thread each, in one process, by turns, on the same features.

The C is compiled for this machine as ``vocalics compile`` does it. Counted is the time that the thread spends on it, so
that other work on the machine counts for neither. The sound is behind both: what is compared is the network alone. The
bundled models are measured as they are; the published net with weights drawn at random, which cost the same.
"""

# ruff: noqa: E402  (the number of threads must be set before NumPy is imported)

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import ctypes
import dataclasses
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

from vocalics.edge import network, toolchain
from vocalics.export.onnx import from_torch
from vocalics.models.cnn2d import Cnn2d
from vocalics.named_models import model_path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "edge"))
from c_network import LIBRARY, log_mel, session

REPEATS = 60
FRAMES = 298  # three seconds


def compiled(files: dict[str, str], folder: Path) -> ctypes.CDLL:
    """Compile a network into a shared library, with the flags of the program for this machine."""
    for name, text in files.items():
        (folder / name).write_text(text)
    host = dataclasses.replace(toolchain.host(), triple="")  # with this machine's C library, to be loaded here
    flags = [f for f in toolchain.flags(host, toolchain.ZIG) if f not in ("-static", "-s") and not f.startswith("-Wl")]
    sources = [str(folder / "network.c"), str(folder / "weights.c")]
    command = [sys.executable, "-m", "ziglang", "cc", *flags, "-shared", "-fPIC", "-I", str(LIBRARY), *sources]
    subprocess.run([*command, "-o", str(folder / "network.so")], check=True)
    library = ctypes.CDLL(str(folder / "network.so"))
    library.network_input.restype = ctypes.POINTER(ctypes.c_float)
    return library


def spent(function: Callable[[], Any]) -> float:
    """Return the milliseconds that this thread spends in a function that is called for the second time."""
    function()
    start = time.thread_time()
    function()
    return 1e3 * (time.thread_time() - start)


def compare(name: str, model: Any, files: dict[str, str], features: np.ndarray, target: str) -> dict[str, Any]:
    """Time both by turns and return a row; they must agree."""
    with tempfile.TemporaryDirectory() as folder:
        library = compiled(files, Path(folder))
        asked = session(model)
        given = np.ascontiguousarray(features.T, np.float32)
        found = np.zeros(asked.get_outputs()[0].shape[1], np.float32)
        pointer = found.ctypes.data_as(ctypes.POINTER(ctypes.c_float))

        def ours() -> None:
            ctypes.memmove(library.network_input(), given.ctypes.data, given.nbytes)
            assert library.network_run(features.shape[1], pointer, None) == 0

        def peer() -> Any:
            return asked.run(["probabilities"], {asked.get_inputs()[0].name: features[None]})[0]

        ours()
        assert np.abs(found - peer()[0]).max() < (0.05 if "int8" in name else 1e-4)
        times = [(spent(ours), spent(peer)) for _ in range(REPEATS)]
    ours_ms, peer_ms = median(t[0] for t in times), median(t[1] for t in times)
    return {
        "name": f"the network of {name} in C",
        "ours_ms": round(ours_ms, 3),
        "peer": f"ONNX Runtime {onnxruntime.__version__}",
        "peer_ms": round(peer_ms, 3),
        "ratio": round(ours_ms / peer_ms, 2),
        "target": target,
    }


def run() -> dict[str, Any]:
    """Return a row for each network; the ratio is ours to the peer's time."""
    rows = []
    for name, target in (("default", "at most 1.0"), ("open", "at most 1.0"), ("default-int8", "at most 4.0")):
        path = model_path(name)
        files = network.write(path, FRAMES)
        rows.append(compare(f"{name}, 3 s", onnx.load(str(path)), files, log_mel(FRAMES), target))
    torch.manual_seed(0)
    net = Cnn2d(8)
    graph = from_torch(net, net.shape, np.zeros(net.shape), np.ones(net.shape))
    features = np.random.default_rng(0).normal(size=net.shape).astype(np.float32)
    rows.append(compare("mfcc_cnn2d, 2.5 s", graph, network.text(graph, 216), features, "at most 1.0"))
    return {"rows": rows}


if __name__ == "__main__":
    for row in run()["rows"]:
        print(row)
