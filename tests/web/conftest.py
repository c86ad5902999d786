"""A model that needs no training, clients in this process, and servers in one of their own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import fakes
import pytest
from starlette.testclient import TestClient

from vocalics import modelfile
from vocalics.recognizer import Recognizer
from vocalics.web.app import create_app
from vocalics.web.settings import Limits, Settings

sys.path.insert(0, str(Path(__file__).parent))

from waiting import until
from web_fakes import Served


@pytest.fixture(scope="session")
def fake() -> Recognizer:
    """Counts sign changes."""
    return Recognizer(modelfile.load(fakes.waveform_model(conformal={"0.9": 0.1})))


@pytest.fixture
def client(fake: Recognizer) -> Iterator[Callable[..., TestClient]]:
    """``client(seconds=5)`` serves the fake model under limits; ``tokens`` and ``static`` are settings."""
    with ExitStack() as stack:

        def made(model: Recognizer = fake, wait: bool = True, **values: Any) -> TestClient:
            own = {key: values.pop(key) for key in ("tokens", "static", "threads") if key in values}
            app = create_app(Settings(limits=Limits(**values), **own), {"fake": model})
            client = stack.enter_context(TestClient(app))
            if wait:
                until(lambda: client.get("/readyz").status_code == 200)
            return client

        yield made


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """``served(delay=0.1, limits={...})`` starts a server whose model takes a while."""
    with ExitStack() as stack:

        def made(**settings: Any) -> Served:
            server = Served(tmp_path, **settings)
            stack.callback(server.close)
            return server

        yield made
