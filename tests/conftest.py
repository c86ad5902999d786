"""Makes ``import fakes`` work in every test module; runs the command line in this process.

Tests may run beside one another, a file's in one process (``make test``): threads that wait leave the cores to others,
and nothing is given up because it takes long.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from vocalics.corpora import ScanReport

if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    # Before what reads them is imported. What librosa compiles is kept for each process by itself: of two that write it
    # at once, a third may load halves that do not fit, and falls (numba issue 10128).
    for variable, value in {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "NUMBA_CACHE_DIR": str(Path(__file__).parents[1] / ".pytest_cache" / "numba" / worker),
    }.items():
        os.environ.setdefault(variable, value)

settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

sys.path.insert(0, str(Path(__file__).parent))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first: at the end of a run none is left alone with one of them."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


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


@pytest.fixture(scope="session")
def scanned(shared: Path) -> Callable[[str], ScanReport]:
    """``scanned("tess")`` gives the scan of a shared corpus, whose thousands of files are read once."""
    from vocalics.corpora import scan

    return functools.cache(lambda name: scan(name, shared / "corpora" / name))
