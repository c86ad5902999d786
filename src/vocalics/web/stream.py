"""A WebSocket that takes sound and answers with predictions.

Sound is cut into windows as it arrives; windows are judged one after the other, in the queue of all. What is not judged
yet is bounded: beyond it nothing is read, and the client's own socket fills up. A client that names a ``max_lag`` gets
fewer predictions instead of late ones. A client that does not take its events is cut off.
"""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import numpy.typing as npt
from starlette.datastructures import Headers
from starlette.websockets import WebSocket, WebSocketDisconnect

from vocalics.errors import AudioError, VocalicsError
from vocalics.recognizer import Prediction
from vocalics.streaming import Backlog, Display, StreamingRecognizer
from vocalics.web import logs, origins, records, tokens
from vocalics.web.problems import Problem
from vocalics.web.service import Service
from vocalics.web.stream_start import FORMATS, json_object, parsed

CONNECTION = "vocalics.connection"
"""The extension of an ASGI scope by which a connection can be cut off (a close would wait for its reader), and is told
that its client is let in."""

START_BYTES = 8 * 2**10
"""Of a stream's first message: all that is held of a client before it is known whether it may come in."""

CLOSE_SECONDS = 10.0
"""For a client to answer a close."""

NORMAL, GOING_AWAY, WRONG_KIND, BAD_DATA, POLICY, TOO_BIG, OURS = 1000, 1001, 1003, 1007, 1008, 1009, 1011
LOST = 1006
"""Close codes (RFC 6455, 7.4.1); the last one is never sent."""

CODES = {
    "wrong-message": WRONG_KIND,
    "unauthorized": POLICY,
    "foreign-origin": POLICY,
    "too-many-streams": POLICY,
    "idle": POLICY,
    "frame-too-large": TOO_BIG,
    "draining": GOING_AWAY,
    "internal": OURS,
}
"""The close code after a problem; of all others it is 1007, bad data."""

SLICE_SECONDS = 0.5
"""A long message is cut piece by piece, so that others get their turn."""

_MOST_HELD = 6  # times the sound that may wait: the default window holds each sample so often


class SlowClientError(Exception):
    """Raised when a client does not take its events."""


async def serve(websocket: WebSocket, service: Service) -> None:
    """Serve one stream from its handshake to its close."""
    clock, request_id = logs.Stopwatch(), logs.request_id(websocket.headers.get("x-request-id", ""))
    await websocket.accept(headers=[(b"x-request-id", request_id.encode())])
    session, code = Session(websocket, service), LOST
    service.lobby.enter(session)
    try:
        code = await _served(session)
    except WebSocketDisconnect as gone:
        code = gone.code if gone.code in (POLICY, TOO_BIG) else LOST  # sent away by its connection
    except SlowClientError:
        code = POLICY
        session.abort()
    finally:
        service.lobby.leave(session)
        service.metrics.streams.labels(str(code)).inc()
        service.metrics.audio_seconds.labels("stream").inc(session.seconds)
        logs.event(
            "stream",
            request_id=request_id,
            route="/v1/stream",
            status=code,
            seconds=clock.seconds,
            audio_seconds=round(session.seconds, 3),
            client=session.owner,
        )


async def _served(session: Session) -> int:
    service = session.service
    try:
        first = None
        if service.settings.tokens:
            first = await session.first()  # before a place is taken: who is not let in takes none
        else:
            origins.check(session.headers)
        if service.draining.is_set():
            raise Problem("draining", "the server is about to stop; connect again")
        with service.streams.taken():
            await session.open(first or await session.first())
            code = await session.run()
            await session.close(code)
            return code
    except Problem as problem:
        code = CODES.get(problem.kind, BAD_DATA)
        await session.tell(error_event(problem))
    except (WebSocketDisconnect, SlowClientError):
        raise
    except Exception as error:
        code = OURS
        logs.failure("stream failed", error)
        await session.tell(error_event(Problem("internal", "the stream failed; open another one")))
    await session.close(code)
    return code


class Session:
    """One stream: a task that reads and cuts, and a task that judges and tells.

    Args:
        websocket: Accepted.
        service: Whose models are asked.
    """

    def __init__(self, websocket: WebSocket, service: Service) -> None:
        self.service = service
        self.owner: str | None = None
        self._websocket, self._limits = websocket, service.limits
        self._stream: StreamingRecognizer | None = None
        self._display = Display()
        self._waiting = Backlog(0)
        self._changed = asyncio.Event()
        self._ended = self._receiving = False
        self._code = NORMAL

    @property
    def headers(self) -> Headers:
        """Of the handshake."""
        return self._websocket.headers

    @property
    def seconds(self) -> float:
        """How much sound came in."""
        return self._stream.seconds if self._stream else 0.0

    def abort(self) -> None:
        """Cut the connection off, whatever is still to be sent."""
        self._connection("abort")

    def _connection(self, what: str) -> None:
        """Ask the connection for what ASGI has no message for; one that is lost, or a test's, has no ear for it."""
        extension: dict[str, Any] = self._websocket.scope.get("extensions", {}).get(CONNECTION, {})
        if extension:
            extension[what]()

    async def tell(self, event: dict[str, Any]) -> None:
        """Send an event.

        Raises:
            SlowClientError: When the client does not take it in time.
            WebSocketDisconnect: When it is gone.
        """
        try:
            async with asyncio.timeout(self._limits.send_seconds):
                await self._websocket.send_text(records.encoded(event).decode())
        except TimeoutError:
            raise SlowClientError from None

    async def close(self, code: int) -> None:
        """Say goodbye; raises as :meth:`tell`."""
        try:
            async with asyncio.timeout(self._limits.send_seconds):
                await self._websocket.close(code)
        except TimeoutError:
            raise SlowClientError from None

    async def first(self) -> str:
        """Return the first message of a client that is let in.

        Raises:
            Problem: When it is not what it should be, or does not come in time.
        """
        message = await self._received(self._limits.start_seconds)
        text = message.get("text")
        if text is None:
            raise Problem("wrong-message", "expected a text message with the stream's settings first")
        limit = min(START_BYTES, self._limits.frame_bytes)
        if len(text) > limit:
            raise too_large(len(text), limit)
        known = self.service.settings.tokens
        # Who is not let in learns nothing of the models, not even that a name is wrong.
        if known:
            self.owner = tokens.owner(known, self._token(text))
            if self.owner is None:
                raise Problem("unauthorized", 'expected {"token": ...} in the first message, or Authorization: Bearer')
        self.service.lobby.leave(self)
        self._connection("let_in")
        return str(text)

    async def open(self, first: str) -> None:
        """Answer the first message.

        Raises:
            Problem: When it asks for what cannot be.
        """
        start = self._start = parsed(first, self.service)
        card = start.recognizer.card
        try:
            self._stream = StreamingRecognizer(
                start.recognizer, start.sample_rate, start.window, start.hop, adapt=start.adapt
            )
        except VocalicsError as error:
            raise Problem("invalid-parameter", str(error)) from None
        self._waiting = Backlog(card.sample_rate, start.max_lag)
        self._window = start.window or card.window_seconds
        await self.tell(
            {
                "type": "ready",
                "model": start.name,
                "emotions": list(card.emotions),
                "window": self._window,
                "hop": start.hop,
                "max_lag": start.max_lag,
                "adapt": start.adapt,
            }
        )

    async def run(self) -> int:
        """Read and judge until the client ends the stream, or the server has to; return the close code.

        Raises:
            Problem: When the stream cannot go on.
        """
        reader, judge = asyncio.create_task(self._read()), asyncio.create_task(self._judge())
        draining = asyncio.create_task(self.service.draining.wait())
        over = asyncio.create_task(self.service.over.wait())
        tasks = {reader, judge, draining, over}
        try:
            while not judge.done():
                await asyncio.wait({t for t in tasks if not t.done()}, return_when=asyncio.FIRST_COMPLETED)
                if over.done():
                    raise Problem("draining", "the server stops before all was judged; connect again")
                if reader.done() and not reader.cancelled():
                    reader.result()
                if draining.done() and not self._ended:
                    self._code = GOING_AWAY
                    if self._receiving:
                        reader.cancel()
                        self._end()
            judge.result()
            return self._code
        finally:
            for task in tasks:
                task.cancel()
                task.add_done_callback(_taken)
            await asyncio.wait(tasks)

    async def _read(self) -> None:
        clock = logs.Stopwatch()
        while self._code == NORMAL:
            message = await self._received(self._limits.idle_seconds, clock)
            if message.get("bytes") is not None:
                await self._feed(message["bytes"])
                if message["bytes"]:  # an empty one is as good as none
                    clock = logs.Stopwatch()
                continue
            if (json_object(message.get("text") or "") or {}).get("type") == "end":
                break
            raise Problem("wrong-message", 'expected binary frames of sound, or the text {"type": "end"}')
        self._end()

    async def _received(self, seconds: float, clock: logs.Stopwatch | None = None) -> dict[str, Any]:
        """The next message, at most so many seconds after the clock was started: now, where there is none."""
        self._receiving = True
        try:
            left = seconds - (clock.seconds if clock else 0)
            if left <= 0:  # messages that are there already would be received without a pause, and in time for ever
                raise TimeoutError
            async with asyncio.timeout(left):
                message: dict[str, Any] = dict(await self._websocket.receive())
        except TimeoutError:
            raise Problem("idle", f"no message for {seconds:g} s; connect again", seconds, "seconds") from None
        finally:
            self._receiving = False
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", LOST))
        return message

    async def _feed(self, data: bytes) -> None:
        assert self._stream is not None
        if len(data) > self._limits.frame_bytes:
            raise too_large(len(data), self._limits.frame_bytes)
        samples = self._samples(data)
        step = max(1, round(SLICE_SECONDS * self._stream.sample_rate))
        for first in range(0, len(samples), step):
            try:
                self._waiting.extend(self._stream.cut(samples[first : first + step]))
            except AudioError as error:
                raise Problem("bad-frame", str(error)) from None
            self._changed.set()
            while self._is_behind():
                self._changed.clear()
                await self._changed.wait()
        # Others get their turn, however small a client's messages are and however many have come in.
        await asyncio.sleep(0)

    def _is_behind(self) -> bool:
        """Whether enough waits: by the sound, and by the samples that overlapping windows hold of it."""
        n, limit = len(self._waiting), self._limits.backlog_seconds
        return n * self._start.hop > limit or (n > 1 and n * self._window > _MOST_HELD * limit)

    def _samples(self, data: bytes) -> npt.NDArray[Any]:
        kind, channels = FORMATS[self._start.format], self._start.channels
        width = kind.itemsize * channels
        if len(data) % width:
            raise Problem(
                "bad-frame",
                f"a frame of {len(data)} bytes is no whole number of samples; expected a multiple of {width} "
                f"({self._start.format}, channels: {channels})",
            )
        samples = np.frombuffer(data, kind).reshape(-1, channels)
        return samples[:, 0] if channels == 1 else samples

    def _end(self) -> None:
        """Nothing more comes in: cut what is left."""
        assert self._stream is not None
        if self._stream.seconds:
            self._waiting.extend(self._stream.rest())
        self._ended = True
        self._changed.set()

    async def _judge(self) -> None:
        stream, n_skipped = self._stream, 0
        assert stream is not None
        while True:
            while not self._waiting and not self._ended:
                self._changed.clear()
                await self._changed.wait()
            if not self._waiting:
                break
            said = await asyncio.wrap_future(self.service.judge.submit(self._judged))
            self._changed.set()
            skipped, n_skipped = self._waiting.n_skipped - n_skipped, self._waiting.n_skipped
            self.service.metrics.skipped_windows.inc(skipped)
            shown = records.shown(self._display.update(said))
            await self.tell({"type": "prediction", **records.prediction(said), "shown": shown, "skipped": skipped})
        await self.tell({"type": "end", "seconds": round(stream.seconds, 3), "skipped": n_skipped})

    def _judged(self) -> Prediction:
        """Judge a window in a thread of the queue; which one is chosen now, not when the stream lined up for it."""
        assert self._stream is not None
        return self._stream.judge(self._waiting.take(self._stream.seconds))

    def _token(self, text: str) -> str:
        scheme, _, token = self._websocket.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token:
            return token.strip()
        sent = (json_object(text) or {}).get("token")
        return sent if isinstance(sent, str) else ""


def error_event(problem: Problem) -> dict[str, Any]:
    """Return the event that tells of a problem: its type is an event's own, the problem's stands beside it."""
    body = problem.body()
    return {"type": "error", "problem": body.pop("type"), **body}


def too_large(n_bytes: int, limit: int) -> Problem:
    """Return the problem of a message that is longer than it may be."""
    detail = f"a message of {n_bytes:,} bytes is too large; expected at most {limit:,}, send smaller pieces"
    return Problem("frame-too-large", detail, limit, "bytes")


def _taken(task: asyncio.Task[Any]) -> None:
    """Take a task's error, of which another one has told already."""
    if not task.cancelled():
        task.exception()
