"""A WebSocket's bytes and frames: what is held of a client is bounded, first of all of one who is not let in yet."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from typing import Any

import uvicorn
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from vocalics.web import records, stream

SEND_BUFFER = 64 * 2**10
"""Bytes of events that the system holds for a client: small, so that one who does not read is noticed soon."""

TINY_BYTES = 64
"""Of a fragment below which it is counted: holding it costs more than what it holds."""

TINY_BURST, TINY_RATE = 200.0, 20.0
"""Frames without sound (pings, pongs, tiny fragments) that may come at once, and per second."""

LINGER_SECONDS = 2.0
"""For a client that is sent away to read why, before its connection is cut off."""

_MESSAGE = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


class Wire(ServerProtocol):
    """Frames of a client: until it is let in, one short message and no more.

    Args:
        start_bytes: Of the first message.
    """

    def __init__(self, start_bytes: int) -> None:
        super().__init__(max_size=start_bytes, logger=logging.getLogger("uvicorn.error"))
        self.limit = start_bytes
        self.is_flooded = False
        self._is_open = False
        self._held: bytearray | None = None
        self._left, self._at = TINY_BURST, time.monotonic()

    def open(self, frame_bytes: int | None = None) -> bytes:
        """Take more than the first message; return what came behind it, to be received."""
        if frame_bytes is not None:
            # The one is the name in early versions of websockets, the other in later ones.
            self.limit = self.max_size = self.max_message_size = frame_bytes
        held, self._held, self._is_open = bytes(self._held or b""), None, True
        return held

    def clear(self) -> None:
        """Let go of all that is held. The parser is part of a cycle, which Python would not find for a long time."""
        self.parser.close()
        self.reader.discard()
        self.events, self.writes, self.parser_exc, self._held = [], [], None, None

    def receive_data(self, data: bytes | bytearray) -> None:
        """Take bytes, or put them aside: a client need not wait for its "ready"."""
        if self._held is None:
            super().receive_data(data)
        else:
            self._held += data

    def recv_frame(self, frame: Frame) -> None:
        """Take a frame."""
        if not self._has_room(frame):
            self.is_flooded = True
            raise ProtocolError(f"more than {TINY_RATE:g} frames a second without sound")
        super().recv_frame(frame)
        if not self._is_open and frame.fin and frame.opcode in _MESSAGE:
            self._held = bytearray(self.reader.buffer)
            self.reader.discard()

    def fail(self, code: int, reason: str = "") -> None:
        """End the connection."""
        super().fail(stream.POLICY if self.is_flooded else code, reason)

    def _has_room(self, frame: Frame) -> bool:
        """Whether the client keeps to its rate: each frame costs time, and some of them an answer or an object."""
        is_part = not frame.fin or frame.opcode is Opcode.CONT
        if frame.opcode in _MESSAGE and len(frame.data) >= (TINY_BYTES if is_part else 1):
            return True
        now = time.monotonic()
        self._left = min(TINY_BURST, self._left + TINY_RATE * (now - self._at)) - 1
        self._at = now
        return self._left >= 0


class Connection(WebSocketsSansIOProtocol):
    """A WebSocket that a stream can cut off: closing one waits until the client has read all, perhaps for ever."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn: Wire = Wire(min(stream.START_BYTES, config.ws_max_size))
        self.close_timeout = LINGER_SECONDS
        self._is_sent_away = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bound what waits for the client."""
        super().connection_made(transport)
        own: socket.socket | None = transport.get_extra_info("socket")
        if own is not None:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of what the client has sent: nobody is there to be answered."""
        super().connection_lost(exc)
        self.conn.clear()
        self.frames = []
        # Who waits at the queue is woken already; who comes later has to find the end.
        self.queue = asyncio.Queue()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": stream.LOST})
        if hasattr(self, "scope"):
            extensions: Any = self.scope["extensions"]
            extensions.pop(stream.CONNECTION, None)

    async def run_asgi(self) -> None:
        """Serve the connection."""
        extensions: Any = self.scope["extensions"]
        extensions[stream.CONNECTION] = {"abort": self.transport.abort, "let_in": self.let_in}
        await super().run_asgi()

    def let_in(self) -> None:
        """Take frames as long as those of a stream may be."""
        if not self.disconnected:
            self.close_timeout = stream.CLOSE_SECONDS
            self._go_on(self.conn.open(self.config.ws_max_size))

    def _go_on(self, held: bytes) -> None:
        if held:
            self.data_received(held)

    def pause_writing(self) -> None:
        """Read nothing that would have to be answered, too."""
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        super().resume_writing()
        if not (self.read_paused or self.conn.is_flooded):
            self.transport.resume_reading()

    async def receive(self) -> Any:
        """Return the next message."""
        message = await super().receive()
        if self.conn.is_flooded or not self.writable.is_set():
            self.transport.pause_reading()
        return message

    async def send(self, message: Any) -> None:
        """Send a message, unless the client was sent away meanwhile."""
        await self.writable.wait()
        if self._is_sent_away:
            raise ClientDisconnected
        await super().send(message)
        if message["type"] == "websocket.close" and not self.disconnected:
            self._go_on(self.conn.open())  # its answer to the close is among it

    def handle_parser_exception(self) -> None:
        """Send a client away that does not keep to the protocol, and tell it why."""
        if self.close_sent:  # it knows; what it still sends is read and dropped, so that it can read the close
            return
        close = self.conn.close_sent
        code = close.code if close else stream.LOST
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code})
        self.close_sent = self._is_sent_away = True
        if close is None:  # the handshake is not over
            self.transport.abort()
            return
        error = self.conn.parser_exc
        if isinstance(error, PayloadTooBig):
            n_bytes = (error.size or 0) + (error.current_size or 0)
            event = stream.error_event(stream.too_large(n_bytes, self.conn.limit))
            self.transport.write(Frame(Opcode.TEXT, records.encoded(event)).serialize(mask=False))
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.read_paused = False
        if self.conn.is_flooded:
            self.transport.pause_reading()
        elif self.writable.is_set():
            self.transport.resume_reading()
        # A close at once would be a reset while the client still sends, and never come for one that does not read.
        self.close_timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)
