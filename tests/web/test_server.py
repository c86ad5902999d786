"""A server in a process of its own: what only a real socket, a real signal and a real client can show."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import fakes
import httpx2 as httpx
import numpy as np
import pytest
from waiting import until
from web_fakes import Served, begun, encoded, rest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

Start = Callable[..., Served]
WAV = encoded(fakes.voice(2.0))
SOUND = {"Content-Type": "audio/wav"}


def gauge(server: Served, name: str) -> float:
    """A metric's value."""
    found = re.search(rf"^{name} (\S+)$", httpx.get(f"{server.url}/metrics").text, re.MULTILINE)
    assert found, name
    return float(found[1])


def settle(server: Served) -> None:
    """Wait until no stream, request or window is left."""
    names = ("vocalics_open_streams", "vocalics_running_requests", "vocalics_queue_length")
    until(lambda: not any(gauge(server, name) for name in names))


def pcm(seconds: float, sample_rate: int = 16_000) -> bytes:
    """A voice as a client sends it."""
    return (fakes.voice(seconds, sample_rate=sample_rate).samples * 32_767).astype("<i2").tobytes()


def test_a_signal_under_load_lets_all_that_was_taken_be_answered(served: Start) -> None:
    server = served(delay=0.3, threads=2)
    signalled = threading.Event()
    outcomes: list[tuple[bool, Any]] = []

    def ask() -> None:
        while True:
            before = not signalled.is_set()
            try:
                status: Any = httpx.post(
                    f"{server.url}/v1/predict", content=WAV, headers=SOUND, timeout=120
                ).status_code
            except httpx.TransportError as error:
                status = type(error).__name__
            outcomes.append((before, status))
            if status != 200:
                return

    # The server is ended before the pool is waited for: on a failure nothing else ends the asking.
    with ThreadPoolExecutor(8) as pool, closing(server), connect(server.stream) as stream:
        begun(stream)
        stream.send(pcm(1.2))
        for _ in range(8):
            pool.submit(ask)
        until(lambda: gauge(server, "vocalics_running_requests") >= 8)
        signalled.set()
        server.stop()
        until(lambda: httpx.get(f"{server.url}/readyz").status_code == 503)
        late = httpx.post(f"{server.url}/v1/predict", content=WAV, headers=SOUND)
        assert (late.status_code, late.json()["type"]) == (503, "/docs#draining")
        events, code = rest(stream)
        assert server.process.wait(60) == 0
    assert [status for before, status in outcomes if before and status != 200] == []
    assert sum(status == 200 for _, status in outcomes) >= 8
    assert {status for _, status in outcomes} <= {200, 503, "ConnectError", "ReadError", "RemoteProtocolError"}
    assert ([e["type"] for e in events[-2:]], code) == (["prediction", "end"], 1001)
    assert events[-2]["end"] == events[-1]["seconds"] == 1.2


def test_what_outlives_the_grace_is_cut_off_with_an_answer(served: Start) -> None:
    server = served(delay=0.6, threads=1, grace_seconds=0.3)
    with ThreadPoolExecutor(1) as pool, connect(server.stream) as stream:
        long = encoded(fakes.voice(60.0))
        answer = pool.submit(httpx.post, f"{server.url}/v1/predict", content=long, headers=SOUND, timeout=120)
        begun(stream).send(pcm(5.0))
        until(lambda: gauge(server, "vocalics_running_requests") and gauge(server, "vocalics_queue_length"))
        server.stop()
        assert (answer.result().status_code, answer.result().json()["type"]) == (503, "/docs#draining")
        events, code = rest(stream)
        assert (events[-1]["type"], code) == ("error", 1001)
    assert server.process.wait(60) == 0


def test_a_second_signal_does_not_wait(served: Start) -> None:
    server = served(delay=8.0, grace_seconds=60.0)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(httpx.post, f"{server.url}/v1/predict", content=WAV, headers=SOUND, timeout=120)
        until(lambda: gauge(server, "vocalics_running_requests"))
        server.stop()
        # Two signals at once would count as one.
        until(lambda: "draining" in httpx.get(f"{server.url}/readyz").text)
        server.stop()
        assert server.process.wait(6) == 0
    assert [line["event"] for line in server.lines()][-1] == "cut off"


def test_two_gigabytes_are_refused_before_they_are_sent(served: Start) -> None:
    server = served(limits={"body_bytes": 10**6})
    with socket.create_connection(("127.0.0.1", server.port), 60) as raw:
        raw.sendall(
            b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: audio/wav\r\nContent-Length: 2000000000\r\n\r\n"
        )
        answer = b"".join(iter(lambda: raw.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413")
    assert json.loads(body)["limit"] == 10**6


def test_an_endless_body_is_cut_off(served: Start) -> None:
    server = served(limits={"body_bytes": 10**6})
    n_sent = 0
    with socket.create_connection(("127.0.0.1", server.port), 60) as raw:
        raw.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(OSError):
            while n_sent < 10**9:
                raw.sendall(b"2710\r\n" + bytes(10_000) + b"\r\n")
                n_sent += 10_000
    assert 10**6 <= n_sent < 3 * 10**7
    settle(server)
    assert [line["status"] for line in server.lines() if line["event"] == "request"] == [413]


def test_clients_that_go_leave_nothing_behind(served: Start) -> None:
    server = served(delay=0.2, threads=1)
    head = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: audio/wav\r\nContent-Length: %d\r\n\r\n"
    for sent in (WAV[:1_000], encoded(fakes.voice(120.0))):  # gone while it sends, gone while it is judged
        with socket.create_connection(("127.0.0.1", server.port), 60) as raw:
            raw.sendall(head % max(len(sent), len(WAV)) + sent)
            until(lambda: gauge(server, "vocalics_running_requests"))
    for _ in range(3):
        with connect(server.stream) as stream:
            begun(stream).send(pcm(5.0))
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            stream.socket.shutdown(socket.SHUT_RDWR)
    settle(server)
    assert [line["status"] for line in server.lines() if line["event"] == "request"] == [499, 499]
    assert [line["status"] for line in server.lines() if line["event"] == "stream"] == [1006] * 3
    assert httpx.post(f"{server.url}/v1/predict", content=WAV, headers=SOUND).status_code == 200


def test_a_stream_that_is_not_judged_fast_enough_is_not_read(served: Start) -> None:
    server = served(delay=0.5, threads=2, limits={"backlog_seconds": 2.0})
    before = gauge(server, "process_resident_memory_bytes")
    n_sent, frame = 0, np.zeros(50_000, "<f4").tobytes()
    voice = np.tile(fakes.voice(3.0).samples, 3).astype("<f4").tobytes()
    with connect(server.stream) as stream:
        begun(stream, format="float32")
        stream.send(voice)
        stream.socket.settimeout(1.0)
        with pytest.raises((TimeoutError, ConnectionClosed, OSError)):
            while n_sent < 10**8:
                stream.send(voice[: len(frame)])
                n_sent += len(frame)
        assert n_sent < 3 * 10**7  # what the sockets on both sides take
        assert gauge(server, "process_resident_memory_bytes") - before < 3e7
        # Others have their turn meanwhile.
        with connect(server.stream) as other:
            begun(other).send(pcm(1.0))
            assert json.loads(other.recv(60))["end"] == 1.0
        assert httpx.post(f"{server.url}/v1/predict", content=WAV, headers=SOUND, timeout=60).status_code == 200
    settle(server)


def test_a_client_that_does_not_read_is_dropped_and_no_other(served: Start) -> None:
    server = served(limits={"send_seconds": 0.5})
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    raw.connect(("127.0.0.1", server.port))
    with connect(server.stream) as other, connect(server.stream, sock=raw, max_queue=1) as slow:
        begun(other)
        begun(slow, hop=0.1)
        sound = pcm(200.0)
        with pytest.raises((ConnectionClosed, OSError)):
            for first in range(0, 10**9, 32_000):
                slow.send(sound[first % len(sound) :][:32_000])
        other.send(pcm(1.0))
        assert json.loads(other.recv(60))["end"] == 1.0
        other.send('{"type": "end"}')
        assert rest(other)[1] == 1000
        settle(server)
    assert sorted(line["status"] for line in server.lines() if line["event"] == "stream") == [1000, 1008]


def test_the_log_is_json_only(served: Start) -> None:
    server = served()
    httpx.get(f"{server.url}/v1/models")
    with socket.create_connection(("127.0.0.1", server.port), 60) as raw:
        raw.sendall(b"no HTTP at all\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400")
    with connect(server.stream) as stream:
        begun(stream)
        stream.send('{"type": "end"}')
        rest(stream)
    server.stop()
    assert server.process.wait(60) == 0
    events = [line["event"] for line in server.lines()]
    assert events[0] == "listening" and events[-1] == "draining"
    assert {"request", "stream"} <= set(events)
