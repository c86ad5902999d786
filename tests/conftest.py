"""Makes ``import fakes`` work in every test module; runs the command line in this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """``run("predict", "a.wav")`` returns exit code, standard output and standard error (libraries' too)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        from vocalics.cli.main import main

        monkeypatch.setattr(sys, "argv", ["vocalics", *arguments])
        try:
            main()
            code = 0
        except SystemExit as done:
            code = done.code if isinstance(done.code, int) else int(done.code is not None)
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of the shared corpora."""
    folder = Path(os.environ.get("VOCALICS_DATA", "../shared"))
    if not (folder / "corpora").is_dir():
        pytest.skip(f"no corpora at {folder}; set VOCALICS_DATA")
    return folder
