"""Clients that mean harm: who is not let in costs little, who is let in no more than its share, and good ones stay."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import socket
import struct
import time
import weakref
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, ClassVar

import fakes
import httpx2 as httpx
import pytest
from starlette.testclient import TestClient
from uvicorn import Config
from uvicorn.server import ServerState
from waiting import until
from web_fakes import START, Served, begun, encoded, rest
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect
from websockets.uri import parse_uri

from vocalics.streaming import StreamingRecognizer
from vocalics.web import tokens
from vocalics.web.connection import Connection, Wire
from vocalics.web.problems import Problem
from vocalics.web.service import Lobby
from vocalics.web.stream import START_BYTES, Session
from vocalics.web.stream_start import parsed

Start = Callable[..., Served]
Client = Callable[..., TestClient]
TOKEN, LINE = tokens.new("ann")
ANN = dict([LINE.split(":")])
UPGRADE = (
    b"GET /v1/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
VOICE = (fakes.voice(2.0).samples * 32_767).astype("<i2").tobytes()


def frame(opcode: Opcode, data: bytes, fin: bool = True) -> bytes:
    """As a client sends it."""
    return Frame(opcode, data, fin).serialize(mask=True)


def begun_frame(n_bytes: int, there: int) -> bytes:
    """A binary frame of which not all comes."""
    return b"\x82\xff" + struct.pack(">Q", n_bytes) + bytes(4) + b"\1" * there


def shaken(server: Served) -> socket.socket:
    """A connection after its handshake, without a library that keeps to the protocol."""
    raw = socket.create_connection(("127.0.0.1", server.port), 60)
    raw.sendall(UPGRADE)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = raw.recv(1)
        assert byte, f"the connection ended within the handshake: {head!r}"
        head += byte
    assert head.startswith(b"HTTP/1.1 101")
    return raw


def told(raw: socket.socket) -> tuple[list[dict[str, Any]], int]:
    """The events on a raw connection up to the close, and its code."""
    wire = ClientProtocol(parse_uri("ws://x/"))
    wire.state = wire.state.OPEN
    wire.parser = super(ClientProtocol, wire).parse()
    next(wire.parser)
    events, code = [], 0
    while not code:
        data = raw.recv(65_536)
        assert data, "the connection ended without a close"
        wire.receive_data(data)
        for one in wire.events_received():
            assert isinstance(one, Frame)
            if one.opcode is Opcode.TEXT:
                events.append(json.loads(bytes(one.data)))
            elif one.opcode is Opcode.CLOSE:
                code = struct.unpack(">H", bytes(one.data)[:2])[0]
    return events, code


def memory(server: Served) -> int:
    """Bytes that the process holds."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{server.process.pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def ended(connection: ClientConnection) -> tuple[list[dict[str, Any]], int]:
    """All events to the end that the client asks for."""
    connection.send('{"type": "end"}')
    return rest(connection)


# Who is not let in


def test_one_without_a_token_makes_nothing_be_held(served: Start) -> None:
    server = served(tokens=ANN)
    with shaken(server) as first:
        first.sendall(begun_frame(START_BYTES + 1, 100))
        (event,), code = told(first)
    assert (code, event["problem"], event["limit"]) == (1009, "/docs#frame-too-large", START_BYTES)
    before = memory(server)
    with ExitStack() as stack:
        for _ in range(60):
            raw = stack.enter_context(shaken(server))
            with suppress(ConnectionError):
                raw.sendall(begun_frame(2**20, 2**20 - 1))
        short = [stack.enter_context(shaken(server)) for _ in range(60)]
        for raw in short:
            raw.sendall(begun_frame(START_BYTES, START_BYTES - 1))
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        assert memory(server) - before < 2e7, "60 MB are what they have sent"


def test_one_without_a_token_is_told_so_whatever_it_sends_behind(served: Start) -> None:
    server = served(tokens=ANN)
    with shaken(server) as raw:
        raw.sendall(frame(Opcode.TEXT, json.dumps(START).encode()) + 3 * frame(Opcode.BINARY, bytes(2**20)))
        (event,), code = told(raw)
    assert (event["problem"], code) == ("/docs#unauthorized", 1008)


def test_who_waits_longest_has_to_go_and_who_says_its_name_stays(served: Start) -> None:
    server = served(tokens=ANN, limits={"waiting": 3, "start_seconds": 60.0})
    with ExitStack() as stack:
        good = begun(stack.enter_context(connect(server.stream)), token=TOKEN)
        crowd = [stack.enter_context(shaken(server)) for _ in range(3)]
        late = begun(stack.enter_context(connect(server.stream)), token=TOKEN)
        assert crowd[0].recv(100) == b""
        crowd[1].settimeout(0.1)
        with pytest.raises(TimeoutError):
            crowd[1].recv(100)
        for one in (good, late):
            one.send(VOICE)
            assert json.loads(one.recv(60))["end"] == 1.0
            assert ended(one)[1] == 1000


def test_a_lobby_forgets_who_has_left() -> None:
    gone: list[str] = []

    class Somebody:
        def __init__(self, name: str) -> None:
            self.name = name

        def abort(self) -> None:
            gone.append(self.name)

    lobby, a, b, c, d = Lobby(2), Somebody("a"), Somebody("b"), Somebody("c"), Somebody("d")
    for one in (a, b):
        lobby.enter(one)
    lobby.leave(a)
    lobby.leave(a)
    lobby.enter(c)
    assert gone == []
    lobby.enter(d)
    assert gone == ["b"]


# Who is let in


def test_a_client_need_not_wait_to_be_let_in(served: Start) -> None:
    server = served(tokens=ANN, limits={"backlog_seconds": 60.0})
    sound = VOICE * 10
    with connect(server.stream) as patient:
        begun(patient, token=TOKEN).send(sound)
        expected, _ = ended(patient)
    with shaken(server) as raw:
        first = frame(Opcode.TEXT, json.dumps({**START, "token": TOKEN}).encode())
        raw.sendall(first + frame(Opcode.BINARY, sound) + frame(Opcode.TEXT, b'{"type": "end"}'))
        events, code = told(raw)
    assert code == 1000 and len(expected) > 30
    assert events == [events[0], *expected] and events[0]["type"] == "ready"


def test_messages_as_long_as_they_may_be_are_taken_whole_or_in_parts(served: Start) -> None:
    server = served(tokens=ANN, limits={"backlog_seconds": 600.0})
    whole = bytes(2**20)
    with connect(server.stream, max_size=None) as stream:
        begun(stream, token=TOKEN, sample_rate=384_000)
        stream.send(whole)
        stream.send([whole[: 2**18]] * 4)
        stream.send([whole[:1_000]] * 300)
        events, code = ended(stream)
        assert (code, events[-1]["seconds"]) == (1000, round((2**21 + 300_000) / 2 / 384_000, 3))


@pytest.mark.parametrize("parts", [1, 3])
def test_a_longer_message_is_told_even_while_it_is_sent(parts: int, served: Start) -> None:
    server = served(tokens=ANN)
    with connect(server.stream) as stream:
        begun(stream, token=TOKEN)
        n = 2**20 + 3
        with suppress(ConnectionClosed):
            stream.send([bytes(n // parts)] * parts if parts > 1 else bytes(n))
        events, code = rest(stream)
    assert (code, events[-1]["problem"], events[-1]["limit"]) == (1009, "/docs#frame-too-large", 2**20)
    until(lambda: any(line.get("status") == 1009 for line in server.lines()))


def test_nothing_stays_of_who_has_left(served: Start) -> None:
    server = served(tokens=ANN)
    start = frame(Opcode.TEXT, json.dumps({**START, "token": TOKEN}).encode())
    sizes = []
    for _ in range(6):
        with ExitStack() as stack:
            for _ in range(50):
                raw = stack.enter_context(shaken(server))
                raw.sendall(start)
                raw.sendall(begun_frame(2**20, 2**20 - 1))
        until(lambda: "vocalics_open_streams 0.0" in httpx.get(f"{server.url}/metrics", headers=BEARER).text)
        sizes.append(memory(server))
    assert sizes[-1] - sizes[0] < 6e7, "five rounds of 50 MB"


BEARER = {"Authorization": f"Bearer {TOKEN}"}


def test_a_lost_connection_is_no_cycle_of_what_it_held() -> None:
    class Transport(asyncio.Transport):
        def write(self, data: Any) -> None:
            pass

        def close(self) -> None:
            pass

        def is_closing(self) -> bool:
            return False

        def pause_reading(self) -> None:
            pass

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    async def lost() -> weakref.ref[Wire]:
        config = Config(app, ws_max_size=2**20, log_config=None)
        config.load()
        connection = Connection(config, ServerState(), {})
        connection.connection_made(Transport())
        connection.data_received(UPGRADE)
        for _ in range(5):
            await asyncio.sleep(0)
        connection.let_in()
        connection.data_received(begun_frame(2**20, 2**19))
        held = connection.conn.reader.buffer
        assert len(held) == 2**19
        connection.connection_lost(None)
        assert not held
        wire = weakref.ref(connection.conn)
        for _ in range(5):
            await asyncio.sleep(0)
        return wire

    gc.collect()
    gc.disable()
    try:
        assert asyncio.run(lost())() is None, "counted references are enough"
    finally:
        gc.enable()


# Frames without sound


def fed(wire: Wire, *data: bytes) -> Wire:
    """After the handshake."""
    wire.state = wire.state.OPEN
    wire.parser = super(type(wire).__mro__[1], wire).parse()
    next(wire.parser)
    for one in data:
        wire.receive_data(one)
    return wire


FLOODS = {
    "pings": 40_000 * b"\x89\x80\0\0\0\0",
    "long pings": 2_000 * (b"\x89\xfd" + bytes(4) + b"a" * 125),
    "pongs": 40_000 * b"\x8a\x80\0\0\0\0",
    "empty parts": b"\x02\x80\0\0\0\0" + 40_000 * b"\x00\x80\0\0\0\0",
    "tiny parts": b"\x02\x80\0\0\0\0" + 7_000 * b"\x00\x81\0\0\0\0x",
    "empty messages": 40_000 * b"\x82\x80\0\0\0\0",
}


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_ends_the_connection_and_holds_nobody_up(kind: str, served: Start) -> None:
    server = served(tokens=ANN)
    for let_in in (False, True) if kind != "empty messages" else (True,):
        with shaken(server) as raw:
            if let_in:
                raw.sendall(frame(Opcode.TEXT, json.dumps({**START, "token": TOKEN}).encode()))
                assert b"ready" in raw.recv(1_000)
            raw.sendall(FLOODS[kind])
            assert told(raw)[1] == 1008
        assert httpx.get(f"{server.url}/healthz").status_code == 200
    until(lambda: any(line.get("event") == "stream" and line["status"] == 1008 for line in server.lines()))


def test_little_of_a_flood_is_looked_at() -> None:
    wire = fed(Wire(START_BYTES), FLOODS["pings"])
    assert wire.parser_exc is not None and wire.close_sent is not None and wire.close_sent.code == 1008
    assert len(wire.events_received()) == 200


def test_who_keeps_to_the_rate_may_go_on_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    wire = fed(Wire(START_BYTES))
    for _ in range(2_000):
        now += 0.06
        wire.receive_data(frame(Opcode.PING, b"alive"))
    assert wire.parser_exc is None and len(wire.events_received()) == 2_000
    for _ in range(2_000):
        now += 0.04
        wire.receive_data(frame(Opcode.PING, b"alive")) if wire.parser_exc is None else None
    assert wire.is_flooded


def test_pings_are_answered_before_and_after_one_is_let_in(served: Start) -> None:
    server = served(tokens=ANN)
    with connect(server.stream, ping_interval=0.05) as stream:
        assert stream.ping().wait(60)
        begun(stream, token=TOKEN)
        for first in range(0, len(VOICE), 3_200):
            stream.send(VOICE[first : first + 3_200])
            assert stream.ping().wait(60)
        events, code = ended(stream)
        assert (code, events[-1]["seconds"]) == (1000, 2.0)


def test_one_that_does_not_read_its_close_is_cut_off(served: Start) -> None:
    server = served(tokens=ANN)
    raw = shaken(server)
    with raw, pytest.raises(ConnectionError):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            raw.sendall(FLOODS["long pings"])
    assert time.monotonic() < end


@pytest.mark.parametrize("pause", [0.0, 0.02])
def test_an_empty_frame_is_no_sound(pause: float, client: Client) -> None:
    service = client(idle_seconds=0.5).app.state.service  # type: ignore[attr-defined]
    began: list[float] = []

    class Socket:
        headers: ClassVar[dict[str, str]] = {}

        async def receive(self) -> dict[str, Any]:
            began.append(time.monotonic())
            if len(began) <= 4:  # sound, each in time
                await asyncio.sleep(0.2)
                return {"type": "websocket.receive", "bytes": VOICE[:100]}
            assert began[-1] - began[4] < 60, "kept open with nothing"
            if pause:
                await asyncio.sleep(pause)
            return {"type": "websocket.receive", "bytes": b""}

    async def read() -> None:
        session = Session(Socket(), service)  # type: ignore[arg-type]
        session._start = parsed(json.dumps(START), service)
        session._window = 1.0
        session._stream = StreamingRecognizer(session._start.recognizer, 16_000, 1.0, 0.5)
        await session._read()

    with pytest.raises(Problem) as caught:
        asyncio.run(read())
    assert (caught.value.kind, caught.value.limit) == ("idle", 0.5)
    assert began[4] - began[0] > 0.5, "sound that comes in time goes on"


# Forms and names


def posted(one: TestClient, form: bytes) -> Any:
    """The answer to a form as it is."""
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    return one.post("/v1/predict", content=form, headers=kind)


WAV = encoded(fakes.voice(1.0))
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + WAV + b"\r\n"


@pytest.mark.parametrize(
    ("begin", "part", "allowed", "end"),
    [
        (b"", b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nx\r\n', 3, FILE + b"--b--\r\n"),
        (b"", b"--b\r\na:\r\n\r\n\r\n", 3, FILE + b"--b--\r\n"),
        (FILE[:-2 - len(WAV) - 2], b"X-A: b\r\n", 6, b"\r\n" + WAV + b"\r\n--b--\r\n"),
        (FILE[:-2 - len(WAV) - 2] + b"X-A: ", b"x", 4_000, b"\r\n\r\n" + WAV + b"\r\n--b--\r\n"),
    ],
)  # fmt: skip
def test_what_stands_beside_the_files_is_bounded(
    begin: bytes, part: bytes, allowed: int, end: bytes, client: Client
) -> None:
    one = client(files=2)
    answer = posted(one, begin + allowed * part + end)
    assert answer.status_code == 200 and answer.json()["predictions"][0]["path"] == "a.wav"
    more = posted(one, begin + (allowed + 100) * part + end)
    assert (more.status_code, more.json()["type"]) == (413, "/docs#too-many-parts")
    assert more.json()["limit"] in (4, 7, 4_096) and more.headers["connection"] == "close"


def test_a_form_of_nothing_but_parts_costs_nothing(client: Client) -> None:
    one = client()
    began = time.process_time()
    assert posted(one, 2_000_000 * b"--b\r\na:\r\n\r\n\r\n").json()["limit"] == 64
    assert time.process_time() - began < 1.0, "it took 19 s"


def test_a_long_name_is_not_repeated(client: Client) -> None:
    one = client()
    name = "fake" * 140_000
    with pytest.raises(Problem) as caught:
        one.app.state.service.recognizer(name)  # type: ignore[attr-defined]
    assert len(caught.value.detail) < 300 and name[:100] in caught.value.detail
    answer = one.post("/v1/predict", params={"model": name[:5_000]}, content=WAV, headers={"Content-Type": "audio/wav"})
    assert answer.status_code == 422 and len(answer.content) < 600 and "Known: fake." in answer.json()["detail"]
