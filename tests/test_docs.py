"""What the documentation takes from the code is what the code says."""

from __future__ import annotations

import importlib
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import fakes
import librosa
import numpy as np
import pytest
import torch

import vocalics
from vocalics import named_models, recipe
from vocalics.audio import Clip
from vocalics.features import spectral

ROOT = Path(__file__).parents[1]
DOCS = runpy.run_path(str(ROOT / "tools" / "write_docs.py"))

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")])
CLIPS = ("high_fast", "loud_rough", "low_slow", "middle")
IMPORT = re.compile(r"^\s*from (vocalics[\w.]*) import (\w+)", re.MULTILINE)
LINK = re.compile(r"\[[^]]*\]\((?!https?:|#)([^)#]+)")


# What make run prints is left out: a last digit may differ between processors.
@pytest.mark.parametrize("target", [t for t in DOCS["TARGETS"] if t != "README.md#predictions"])
def test_written_pages_are_up_to_date(target: str) -> None:
    assert not DOCS["is_stale"](target), f"{target} is stale; run: make docs"


def test_documentation_imports_what_is_promised_to_stay() -> None:
    """What users are told to import is on the list of docs/architecture.md, and all of that exists."""
    architecture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    part = architecture.split("## What others build on")[1].split("## ")[0]
    public = [word for line in part.splitlines() if line.startswith("    ") for word in line.split()]
    for name in public:
        importlib.import_module(name)
    said = [*PAGES, *(ROOT / "examples").glob("*.py")]
    found = {m for path in said for m in IMPORT.findall(path.read_text(encoding="utf-8"))}
    modules = {f"{a}.{b}" if a == "vocalics" and b in ("audio", "batch") else a for a, b in found}
    assert modules and modules <= set(public)


def test_the_package_is_a_program_and_gives_its_names() -> None:
    done = subprocess.run([sys.executable, "-m", "vocalics", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == vocalics.__version__
    assert all(getattr(vocalics, name) is not None for name in vocalics.__all__)
    assert issubclass(vocalics.AudioError, vocalics.VocalicsError)


def test_the_reference_names_every_command_and_option() -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for words in (
        "vocalics predict [OPTIONS] PATH...",
        "--timeline",
        "table|json|csv",
        "vocalics models show",
        "--resume",
    ):
        assert words in text
    assert "vocalics explain" not in text


def test_figures_come_from_the_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DOCS["figures"].__globals__, "bundled", dict)
    assert DOCS["figures"]() == DOCS["NO_MODEL"]
    row = {"corpus": "savee", "protocol": "speaker KL", "classes": 7, "speakers": 1, "value": 0.5, "low": 0.4}
    fakes.waveform_model(tmp_path / "fake.onnx", figures=({**row, "high": 0.61, "largest_share": 0.25},))
    monkeypatch.setitem(DOCS["figures"].__globals__, "bundled", lambda: {"fake": tmp_path / "fake.onnx"})
    assert "| savee | speaker KL | 7 | 1 | 50.0 (40.0 to 61.0) | 25.0 |" in DOCS["figures"]()
    assert "The licences allow commercial use." in " ".join(DOCS["figures"]().split())


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_readme_opens_with_the_two_commands() -> None:
    head = (ROOT / "README.md").read_text(encoding="utf-8")[:1200]
    assert "make run" in head
    assert "make test" in head
    assert named_models.DEFAULT == "default"


def code(page: str, namespace: dict[str, Any]) -> dict[str, Any]:
    """What the first piece of Python on a page of docs/ defines."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], namespace)  # type: ignore[index]
    return namespace


def test_the_example_of_a_feature_computes_it() -> None:
    flatness = code("add-a-feature.md", {**vars(spectral), "np": np})["spectral_flatness"]
    for sound in (fakes.noise(), fakes.voice()):
        clip = Clip(sound.samples, 22_050)
        np.testing.assert_allclose(flatness(clip), librosa.feature.spectral_flatness(y=clip.samples)[0], rtol=1e-3)
    assert flatness(fakes.noise()).mean() > 10 * flatness(fakes.voice()).mean()


def test_the_example_of_a_model_keeps_the_contract() -> None:
    spec = code("add-a-model.md", {})["MODELS"]["gru"]
    assert spec.build(5)(torch.zeros(2, 25, 216)).shape == (2, 5)


def keys_of(table: dict[str, Any], where: str = "") -> set[tuple[str, str]]:
    """Every key of a recipe with the heading of the page below which it stands."""
    found = set()
    for key, value in table.items():
        found.add((where, key))
        if isinstance(value, dict) and key != "shares":
            inner = table.get("model", "") if key in ("model_settings", "settings") else "fit" if key == "fit" else key
            found |= keys_of(value, str(inner))
    return found


@pytest.mark.parametrize("path", [*recipe.recipes().values(), ROOT / "examples" / "own.toml"], ids=lambda p: p.stem)
def test_every_key_that_a_recipe_has_is_told(path: Path) -> None:
    """What the bundled recipes say, which is not how the page is made, stands on it below the heading of its table."""
    parts = re.split(r"^##+ (.*)$", (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    told = {"": parts[0]}
    for heading, text in zip(parts[1::2], parts[2::2], strict=True):
        told |= dict.fromkeys(re.findall(r"\w+", heading.replace(" and ", " ")), text)
    for where, key in keys_of(tomllib.loads(path.read_text(encoding="utf-8"))):
        assert f"| `{key}` |" in told[where], f"{path.name}: [{where}] {key}"


def test_a_setting_that_no_docstring_tells_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"has no line on width"):
        DOCS["_said"]({"depth": "Residual blocks."}, "width", test_a_setting_that_no_docstring_tells_is_refused)
    assert DOCS["_said"]({"depth": "Residual blocks."}, "depth", len) == "Residual blocks."


def test_the_example_recipe_reads() -> None:
    own = recipe.read(str(ROOT / "examples" / "own.toml"))
    assert own.corpora == ()
    assert own.name == "own"


def test_what_make_run_prints_is_taken_from_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fakes.waveform_model(tmp_path / "default.onnx")
    for namespace in (vars(named_models), DOCS["predictions"].__globals__):
        monkeypatch.setitem(namespace, "bundled", lambda: {"default": tmp_path / "default.onnx"})
    lines = DOCS["predictions"]().splitlines()
    assert lines[0] == lines[-1] == "```"
    assert lines[1].split()[:4] == ["file", "start", "end", "emotion"]
    assert [line.split()[0] for line in lines[3:-1]] == [f"examples/clips/{n}.wav" for n in CLIPS]
