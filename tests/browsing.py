"""A browser for tests of the page, and servers for it to look at."""

from __future__ import annotations

import contextlib
import functools
import http.server
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import until

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


def chromium() -> str:
    """The path of a Chromium; without one the test is skipped."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("no chromium on the path")


@contextlib.contextmanager
def browser(microphone: Path) -> Iterator[Any]:
    """A browser whose microphone hears a file, again and again."""
    path = chromium()
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        arguments = [*ARGUMENTS, f"--use-file-for-fake-audio-capture={microphone}"]
        launched = playwright.chromium.launch(executable_path=path, args=arguments)
        yield launched
        launched.close()


@contextlib.contextmanager
def static_server(folder: Path) -> Iterator[str]:
    """A plain web server of files; yields its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def asgi_server(app: Any) -> Iterator[str]:
    """The application behind a port of its own; yields its address."""
    import uvicorn

    config = uvicorn.Config(app, log_config=None, ws="websockets-sansio")
    server = uvicorn.Server(config)
    with socket.socket() as own:  # handed over, so that no test beside this one takes its port meanwhile
        own.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([own],), daemon=True)
        thread.start()
        until(lambda: server.started or not thread.is_alive())
        assert server.started
        yield f"http://127.0.0.1:{own.getsockname()[1]}/"
        server.should_exit = True
        thread.join(timeout=60)


@contextlib.contextmanager
def opened(launched: Any, address: str, **settings: Any) -> Iterator[Any]:
    """A page; a fault of its scripts, or a request to another origin, fails the test."""
    context = launched.new_context(permissions=["microphone"], **settings)
    context.set_default_timeout(120_000)  # milliseconds; cores may be busy
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    origin = address.split("/")[2]
    foreign: list[str] = []
    page.on("request", lambda r: foreign.append(r.url) if not _own(r.url, origin) else None)
    page.on("websocket", lambda w: foreign.append(w.url) if not _own(w.url, origin) else None)
    page.goto(address)
    yield page
    context.close()
    assert not faults
    assert not foreign


def _own(address: str, origin: str) -> bool:
    return address.startswith(("blob:", "data:")) or address.split("/")[2] == origin
