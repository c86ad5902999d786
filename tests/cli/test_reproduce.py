"""``vocalics reproduce``: what is typed wrong is answered at once; a table of what is finished needs no training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes
import pytest

from vocalics import audio, reproduction
from vocalics.manifest import Manifest, Utterance
from vocalics.reproduction import Run, recipe_of

Runner = Callable[..., tuple[int, str, str]]


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A manifest of sounds under RAVDESS's name."""
    rows = []
    for speaker in ("01", "02", "03", "11"):
        for emotion, pitch in {"neutral": 110.0, "happy": 170.0, "angry": 250.0}.items():
            for take in range(4):
                path = tmp_path / f"{speaker}-{emotion}-{take}.wav"
                audio.write(path, fakes.voice(0.8, pitch * (1 + 0.02 * take + 0.01 * int(speaker))))
                rows.append(Utterance(str(path), "ravdess", f"ravdess/{speaker}", "", emotion))
    Manifest(tuple(rows)).with_digests().write(tmp_path / "ravdess.csv")
    return tmp_path / "ravdess.csv"


def test_a_system_is_run_and_its_page_written(
    run: Runner, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    def short(one: Run) -> Any:
        recipe = recipe_of(one)
        return dataclasses.replace(recipe, fit=dataclasses.replace(recipe.fit, n_epochs=1))

    monkeypatch.setattr(reproduction, "recipe_of", short)
    known = reproduction.publication
    monkeypatch.setattr(reproduction, "publication", lambda r: dataclasses.replace(known(r), seeds=2))
    arguments = ("reproduce", "dense_193", "--corpus", f"ravdess={clips}", "--runs", str(tmp_path / "runs"))
    code, _, err = run(*arguments, "-o", str(tmp_path / "out"), "--note", "ravdess=made up")
    assert code == 0, err
    assert "18 of 26 runs are not done yet" in err
    page = (tmp_path / "out" / "reproduced.md").read_text(encoding="utf-8")
    assert "| dense_193 (8 emotions) | ravdess (made up) | 8 |" in page and "dense_193 (3 emotions)" in page
    for line in page.splitlines():
        if line.startswith("!["):
            assert (tmp_path / "out" / line.partition("](")[2].rstrip(")")).is_file(), line
    assert page.count("![") == 1 + 2 * 4
    code, _, err = run(*arguments, "-o", str(tmp_path / "again"), "--table")
    assert code == 0 and "epoch" not in err
    assert (tmp_path / "again" / "reproduced.md").is_file()


def test_wrong_names_are_answered_in_a_line(run: Runner, clips: Path) -> None:
    code, _, err = run("reproduce", "dense_139", "--corpus", f"ravdess={clips}")
    assert code == 1 and err.startswith('vocalics: unknown system "dense_139"; did you mean "dense_193"?')
    code, _, err = run("reproduce", "dense_268", "--corpus", f"ravdess={clips}")
    assert code == 1 and "needs the corpora" in err and "--corpus crema_d=FOLDER" in err
    code, _, err = run("reproduce", "dense_193", "--corpus", f"ravdes={clips}")
    assert code == 1 and "needs the corpora ravdess" in err
