"""The process: it listens, and ends without losing what it has taken in."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from types import FrameType

import uvicorn

from vocalics.errors import VocalicsError
from vocalics.recognizer import Recognizer
from vocalics.web import logs
from vocalics.web.app import create_app
from vocalics.web.connection import Connection
from vocalics.web.service import Service
from vocalics.web.settings import Settings

LAST_SECONDS = 3
"""For answers on their way out, after the grace."""


class Server(uvicorn.Server):
    """A server that drains on its first signal: nothing new is taken, what was taken is answered. A second ends it."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._loop: asyncio.AbstractEventLoop | None = None
        self._drain: asyncio.Task[None] | None = None
        self._signalled = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say where."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            logs.event("listening", host=host, port=port, models=list(self._service.models))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal to stop."""
        if self._signalled or not self.started or self._loop is None:
            self.should_exit = self.force_exit = True
            return
        self._signalled = True
        self._loop.call_soon_threadsafe(self._begin_to_drain)

    def _begin_to_drain(self) -> None:
        self._drain = asyncio.create_task(self._drained())

    async def _drained(self) -> None:
        service = self._service
        logs.event("draining", requests=service.n_answering, streams=service.streams.n_taken)
        service.draining.set()
        await self._until_idle(service.settings.grace_seconds)
        service.over.set()
        await self._until_idle(LAST_SECONDS)
        self.should_exit = True

    async def _until_idle(self, seconds: float) -> None:
        end = asyncio.get_running_loop().time() + seconds
        while not self._service.is_idle and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.02)


def run(settings: Settings, models: Mapping[str, Recognizer]) -> None:
    """Serve until a signal ends it; logs go to standard error.

    Raises:
        VocalicsError: When there is no model, or the address cannot be listened to.
    """
    logs.to_stderr()
    app = create_app(settings, models)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        ws=Connection,
        # Of who is let in; the first message is shorter.
        ws_max_size=settings.limits.frame_bytes,
        ws_per_message_deflate=False,
        # The answer to a ping would stand behind all the sound that a stream which waits to be judged has not read.
        # Who is gone is known by the limits on silence and on events that are not taken.
        ws_ping_timeout=None,
        timeout_graceful_shutdown=LAST_SECONDS,
    )
    service: Service = app.state.service
    server = Server(config, service)
    try:
        server.run()
    except SystemExit:  # uvicorn's, after an event that says why
        if server.started:
            raise
        raise VocalicsError(
            f"{settings.host}:{settings.port}: cannot be listened to; choose another --port or --host"
        ) from None
    if service.is_working:
        # A thread still judges what nobody waits for any more; Python would wait for it.
        logs.event("cut off")
        os._exit(0)
