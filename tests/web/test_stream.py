"""A stream says what :class:`StreamingRecognizer` says of the same samples; its faults end it alone, and are told."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import fakes
import numpy as np
import pytest
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocket, WebSocketDisconnect
from waiting import until

from vocalics.modelfile import LoadedModel
from vocalics.recognizer import Recognizer, load
from vocalics.streaming import Backlog, Display, StreamingRecognizer
from vocalics.web import records, tokens
from vocalics.web.stream import SLICE_SECONDS, Session
from vocalics.web.stream_start import parsed

Client = Callable[..., TestClient]
URL = "/v1/stream"
VOICE = np.concatenate([fakes.voice(2.0).samples, np.zeros(20_000, np.float32), fakes.voice(1.5, 260.0).samples])
START = {"sample_rate": 16_000, "format": "pcm16", "window": 1.0, "hop": 0.5}


def pcm(samples: np.ndarray) -> bytes:
    """Samples as a client sends them."""
    return (samples * 32_767).astype("<i2").tobytes()


def rest(session: WebSocketTestSession) -> tuple[list[dict[str, Any]], int]:
    """All events to the close, and its code."""
    events = []
    while True:
        try:
            events.append(session.receive_json())
        except WebSocketDisconnect as end:
            return events, end.code


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """Frames of a size."""
    for first in range(0, len(data), size):
        yield data[first : first + size]


def spoken(client: TestClient, start: dict[str, Any], data: bytes, size: int) -> tuple[list[dict[str, Any]], int]:
    """What a stream answers to sound in frames of a size, after its ready."""
    with client.websocket_connect(URL) as session:
        session.send_json(start)
        assert session.receive_json()["type"] == "ready"
        for piece in pieces(data, size):
            session.send_bytes(piece)
        session.send_json({"type": "end"})
        return rest(session)


def idle(client: TestClient) -> bool:
    """Whether no stream is open any more; waits a while for it."""
    service = client.app.state.service  # type: ignore[attr-defined]
    until(lambda: not service.streams.n_taken)
    return "vocalics_open_streams 0.0" in client.get("/metrics").text


@pytest.mark.parametrize("size", [200, 1_000, 30_000, 10**6])
@pytest.mark.parametrize("format", ["pcm16", "float32"])
def test_any_frames_of_any_format_give_the_same(client: Client, fake: Recognizer, format: str, size: int) -> None:
    given = (VOICE * 32_767).astype("<i2") if format == "pcm16" else VOICE.astype("<f4")
    one = client()
    events, code = spoken(one, {**START, "format": format}, given.tobytes(), size)
    alone, display = StreamingRecognizer(fake, 16_000, 1.0, 0.5), Display()
    expected = [
        {"type": "prediction", **records.prediction(p), "shown": records.shown(display.update(p)), "skipped": 0}
        for p in [*alone.feed(given), *alone.flush()]
    ]
    assert events == [*json.loads(json.dumps(expected)), {"type": "end", "seconds": len(VOICE) / 16_000, "skipped": 0}]
    assert code == 1000
    assert len({e["label"] for e in expected}) > 2 and any(e["shown"]["changed"] for e in expected)
    assert idle(one)


def test_channels_are_averaged_and_rates_are_changed(client: Client, fake: Recognizer) -> None:
    two = np.stack([VOICE, 0.5 * VOICE], axis=1).astype("<f4")
    start = {**START, "sample_rate": 44_100, "channels": 2, "format": "float32"}
    events, _ = spoken(client(), start, two.tobytes(), 8_000)
    alone = StreamingRecognizer(fake, 44_100, 1.0, 0.5)
    expected = [records.prediction(p)["probabilities"] for p in [*alone.feed(two), *alone.flush()]]
    assert [e["probabilities"] for e in events[:-1]] == expected
    assert len(expected) > 2


def test_a_stream_gets_used_to_its_voice_where_it_asks_for_that(client: Client, tmp_path: Path) -> None:
    model = load(fakes.adaptable(tmp_path / "used.onnx"))
    one, given = client(model), VOICE.astype("<f4")
    assert one.get("/v1/models").json()["models"][0]["gets_used_to_voices"] is True
    told = {}
    for adapt in (True, False):
        events, code = spoken(one, {**START, "format": "float32", "adapt": adapt}, given.tobytes(), 5_000)
        assert code == 1000
        told[adapt] = [e["probabilities"] for e in events[:-1]]
        alone = StreamingRecognizer(model, 16_000, 1.0, 0.5, adapt=adapt)
        expected = [records.prediction(p)["probabilities"] for p in [*alone.feed(given), *alone.flush()]]
        assert told[adapt] == json.loads(json.dumps(expected))
    assert told[True][0] == told[False][0] and told[True][-1] != told[False][-1]


def test_what_is_not_said_is_taken_from_the_model(client: Client, fake: Recognizer) -> None:
    with client().websocket_connect(URL) as session:
        session.send_json({"sample_rate": 48_000})
        ready = {"type": "ready", "model": "fake", "emotions": list(fake.emotions), "window": 3.0, "hop": 0.5}
        assert session.receive_json() == {**ready, "max_lag": None, "adapt": False}
        session.send_json({"type": "end"})
        assert rest(session) == ([{"type": "end", "seconds": 0.0, "skipped": 0}], 1000)


def test_a_prediction_comes_as_soon_as_its_window_is_full(client: Client) -> None:
    with client().websocket_connect(URL) as session:
        session.send_json(START)
        session.receive_json()
        session.send_bytes(pcm(VOICE[:16_000]))
        assert session.receive_json()["end"] == 1.0
        session.send_bytes(pcm(VOICE[16_000:24_000]))
        assert session.receive_json()["end"] == 1.5


BAD_STARTS: dict[str, tuple[Any, int, str]] = {
    "no JSON": ("hello", 1007, "expected a JSON object first"),
    "deep JSON": ("[" * 8_000, 1007, "expected a JSON object first"),
    "a list": ("[1]", 1007, "expected a JSON object first"),
    "no rate": ({}, 1007, "sample_rate is null"),
    "a wrong rate": ({"sample_rate": 100}, 1007, "expected a whole number from 4000 to 384000"),
    "a rate in words": ({"sample_rate": "48000"}, 1007, 'sample_rate is "48000"'),
    "half a rate": ({"sample_rate": 8000.5}, 1007, "whole number"),
    "no number": ('{"sample_rate": NaN}', 1007, "sample_rate is NaN"),
    "true": ({"sample_rate": True}, 1007, "sample_rate is true"),
    "a format": ({**START, "format": "mp3"}, 1007, "expected pcm16 or float32"),
    "channels": ({**START, "channels": 9}, 1007, "expected a whole number from 1 to 8"),
    "a window": ({**START, "window": 0.1}, 1007, "too short to judge"),
    "a long window": ({**START, "window": 31}, 1007, "from 0 to 30"),
    "a hop": ({**START, "hop": 0.01}, 1007, "from 0.1 to 30"),
    "a hop beyond the window": ({**START, "hop": 2}, 1007, "leaves gaps"),
    "a lag below 0": ({**START, "max_lag": -1}, 1007, "max_lag is -1; expected a number from 0 to 10"),
    "an adapt of 1": ({**START, "adapt": 1}, 1007, "adapt is 1; expected true or false"),
    "a model that gets used to none": ({**START, "adapt": True}, 1007, "gets used to no voice"),
    "an adapt to two": ({**START, "adapt": True, "channels": 2}, 1007, "adapt is for one voice"),
    "a misspelt key": ({**START, "chanels": 2}, 1007, '"chanels": no key of a stream\'s start; expected sample_rate'),
    "a model": ({**START, "model": "nope"}, 1007, 'unknown model "nope"'),
    "a model in numbers": ({**START, "model": 1}, 1007, "model is 1; expected text"),
    "binary": (b"RIFF", 1003, "text message with the stream's settings first"),
    "much text": (" " * 2_000_000, 1009, "2,000,000 bytes"),
}


@pytest.mark.parametrize("case", BAD_STARTS)
def test_a_start_that_cannot_be_is_told(case: str, client: Client) -> None:
    message, code, words = BAD_STARTS[case]
    one = client()
    with one.websocket_connect(URL) as session:
        if isinstance(message, bytes):
            session.send_bytes(message)
        else:
            session.send_text(message if isinstance(message, str) else json.dumps(message))
        (event,), found = rest(session)
    assert event["type"] == "error" and event["problem"].startswith("/docs#")
    assert (found, words in event["detail"]) == (code, True), event
    assert idle(one)


FAULTS: dict[str, tuple[Any, int, str]] = {
    "half a sample": (b"abc", 1007, "a frame of 3 bytes is no whole number of samples; expected a multiple of 2"),
    "text": ("hello", 1003, "expected binary frames of sound"),
    "another event": ('{"type": "stop"}', 1003, "expected binary frames of sound"),
    "a large frame": (bytes(2**20 + 2), 1009, "1,048,578 bytes"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_ends_its_stream_and_no_other(case: str, client: Client) -> None:
    message, code, words = FAULTS[case]
    one = client()
    with one.websocket_connect(URL) as other, one.websocket_connect(URL) as session:
        for each in (other, session):
            each.send_json(START)
            assert each.receive_json()["type"] == "ready"
        session.send_bytes(pcm(VOICE[:4_000]))
        session.send_bytes(message) if isinstance(message, bytes) else session.send_text(message)
        (event,), found = rest(session)
        assert (found, event["status"] in (413, 422)) == (code, True)
        assert words in event["detail"]
        other.send_bytes(pcm(VOICE[:16_000]))
        assert other.receive_json()["type"] == "prediction"
        other.send_json({"type": "end"})
        assert rest(other)[1] == 1000
    assert idle(one)


def test_values_that_are_no_sound_are_told(client: Client) -> None:
    bad = VOICE[:1_000].astype("<f4").copy()
    bad[10] = np.nan
    events, code = spoken(client(), {**START, "format": "float32"}, bad.tobytes(), 10**6)
    assert (len(events), code) == (1, 1007)
    assert "not a finite number" in events[0]["detail"]


def test_frames_of_two_channels_hold_whole_samples_of_both(client: Client) -> None:
    events, code = spoken(client(), {**START, "channels": 2}, bytes(6), 6)
    assert (code, "multiple of 4 (pcm16, channels: 2)" in events[0]["detail"]) == (1007, True)


def test_a_client_that_goes_leaves_nothing_behind(client: Client) -> None:
    one = client()
    for _ in range(3):
        with one.websocket_connect(URL) as session:
            session.send_json(START)
            session.receive_json()
            session.send_bytes(pcm(VOICE[:30_000]))
    assert idle(one)
    assert 'vocalics_streams_total{code="1006"} 3.0' in one.get("/metrics").text


def test_the_number_of_streams_is_bounded(client: Client) -> None:
    one = client(streams=1)
    with one.websocket_connect(URL) as first:
        first.send_json(START)
        first.receive_json()
        with one.websocket_connect(URL) as second:
            (event,), code = rest(second)
        assert (event["type"], event["status"], event["limit"], code) == ("error", 429, 1, 1008)
        first.send_json({"type": "end"})
        assert rest(first)[1] == 1000
    assert idle(one)
    assert spoken(one, START, pcm(VOICE[:16_000]), 1_000)[1] == 1000


def test_a_stream_needs_a_token_where_there_are_some(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    token, line = tokens.new("ann")
    one = client(tokens=dict([line.split(":")]))
    for wrong in ({}, {"token": "nope"}, {"token": 1}, {"token": None}):
        with one.websocket_connect(URL) as session:
            session.send_json({**START, **wrong})
            (event,), code = rest(session)
        assert (event["status"], code) == (401, 1008)
    with caplog.at_level(logging.INFO, "vocalics.web"):
        assert spoken(one, {**START, "token": token}, pcm(VOICE[:16_000]), 1_000)[1] == 1000
    (record,) = [r for r in caplog.records if r.getMessage() == "stream"]
    assert record.vocalics["client"] == "ann" and record.vocalics["audio_seconds"] == 1.0  # type: ignore[attr-defined]
    assert token not in caplog.text
    with one.websocket_connect(URL, headers={"Authorization": f"Bearer {token}"}) as session:
        session.send_json(START)
        assert session.receive_json()["type"] == "ready"


def test_a_page_of_another_site_gets_no_stream_without_a_token(client: Client) -> None:
    token, line = tokens.new("ann")
    for one, start, kind in (
        (client(), START, "error"),
        (client(tokens=dict([line.split(":")])), {**START, "token": token}, "ready"),
    ):
        with one.websocket_connect(URL, headers={"Origin": "https://evil.example"}) as session:
            session.send_json(start)
            event = session.receive_json()
            assert event["type"] == kind
            if kind == "error":
                assert (event["status"], event["problem"]) == (403, "/docs#foreign-origin")
                assert rest(session) == ([], 1008)
    with client().websocket_connect(URL, headers={"Origin": "http://localhost:3000"}) as session:
        session.send_json(START)
        assert session.receive_json()["type"] == "ready"


def test_who_is_not_let_in_takes_no_place(client: Client) -> None:
    token, line = tokens.new("ann")
    for one, wrong, start in (
        (client(streams=1), {"Origin": "https://evil.example"}, START),
        (client(streams=1, tokens=dict([line.split(":")])), {}, {**START, "token": token}),
    ):
        with one.websocket_connect(URL, headers=wrong), one.websocket_connect(URL) as honest:
            honest.send_json(start)
            assert honest.receive_json()["type"] == "ready"


def test_a_token_that_is_no_text_is_a_wrong_token(client: Client) -> None:
    one = client(tokens=dict([tokens.new("ann")[1].split(":")]))
    with one.websocket_connect(URL) as session:
        session.send_text('{"sample_rate": 16000, "token": "\\ud800"}')
        (event,), code = rest(session)
    assert (event["problem"], code) == ("/docs#unauthorized", 1008)


def test_a_stream_without_messages_ends(client: Client) -> None:
    one = client(start_seconds=0.1, idle_seconds=0.2)
    with one.websocket_connect(URL) as silent:
        (event,), code = rest(silent)
        assert (event["status"], event["limit"], code) == (408, 0.1, 1008)
    with one.websocket_connect(URL) as quiet:
        quiet.send_json(START)
        quiet.receive_json()
        (event,), code = rest(quiet)
        assert (event["status"], event["limit"], code) == (408, 0.2, 1008)
    assert idle(one)


class Broken(LoadedModel):
    """A model that fails once it is warm."""

    n_runs = 0

    def judge(self, batch: Any, voice: Any = None) -> Any:
        Broken.n_runs += 1
        if Broken.n_runs > 1:
            raise KeyError("a fault of ours")
        return super().judge(batch, voice)


def test_a_fault_of_ours_is_told_without_its_words(client: Client, fake: Recognizer) -> None:
    Broken.n_runs = 0
    one = client(replace(fake, model=Broken(fake.model.session, fake.card, fake.model.sha256)))
    events, code = spoken(one, START, pcm(VOICE[:16_000]), 1_000)
    assert (events[0]["status"], code) == (500, 1011)
    assert "a fault" not in str(events)
    assert idle(one)


def test_nothing_new_is_streamed_while_the_server_stops(client: Client) -> None:
    one = client()
    service = one.app.state.service  # type: ignore[attr-defined]
    with one.websocket_connect(URL) as open_already:
        open_already.send_json(START)
        open_already.receive_json()
        open_already.send_bytes(pcm(VOICE[:20_000]))
        assert open_already.receive_json()["end"] == 1.0
        one.portal.call(service.draining.set)
        events, code = rest(open_already)
        assert [e["type"] for e in events] == ["prediction", "end"]
        assert (events[0]["end"], events[1]["seconds"], code) == (1.25, 1.25, 1001)
    with one.websocket_connect(URL) as late:
        (event,), code = rest(late)
        assert (event["status"], code) == (503, 1001)
    assert idle(one)


def test_a_flood_of_tiny_frames_leaves_others_their_turn(client: Client) -> None:
    # Messages that are there already are received without a pause; each of them has to make one.
    turns = []

    async def counted() -> None:
        for _ in range(400):
            turns.append(len(fed))
            await asyncio.sleep(0)

    fed: list[int] = []

    class Socket:
        headers: ClassVar[dict[str, str]] = {}

        async def receive(self) -> dict[str, Any]:
            fed.append(1)
            kind = "websocket.receive" if len(fed) < 300 else "websocket.disconnect"
            return {"type": kind, "bytes": b"\0\0"}

    async def flooded() -> None:
        session = Session(Socket(), client().app.state.service)  # type: ignore[arg-type, attr-defined]
        session._start = parsed(json.dumps(START), session.service)
        session._window = 1.0
        session._stream = StreamingRecognizer(session._start.recognizer, 16_000, 1.0, 0.5)
        watcher = asyncio.create_task(counted())
        with pytest.raises(WebSocketDisconnect):
            await session._read()
        await watcher

    asyncio.run(flooded())
    assert max(np.diff(turns)) <= 1, "one message, and somebody else's turn"


class Waiting(LoadedModel):
    """A model that is never in a hurry."""

    gate = threading.Event()

    def judge(self, batch: Any, voice: Any = None) -> Any:
        assert self.gate.wait(60)
        return super().judge(batch, voice)


@pytest.mark.parametrize(
    ("window", "hop", "size"),
    [
        (1.0, 0.5, 3_200),
        (1.0, 0.5, 16_000),
        (1.0, 1.0, 16_000),
        (1.0, 0.5, 320_000),  # 10 s in one message: cut piece by piece
        (4.0, 0.1, 3_200),  # windows that hold each sample 40 times
        (4.0, 0.1, 320_000),
    ],
)
def test_what_is_not_judged_is_bounded_and_then_nothing_is_read(
    window: float, hop: float, size: int, client: Client, fake: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, most_held = 2.0, 6 * 2.0  # seconds of sound that wait; seconds in the windows that do
    piece = min(size / 32_000, SLICE_SECONDS)
    voice = fakes.voice(20.0).samples
    n_read, heard, held = 0, 0.0, [0]
    receive, cut, extend = WebSocket.receive, StreamingRecognizer.cut, Backlog.extend

    async def received(self: WebSocket) -> Any:
        nonlocal n_read
        message = await receive(self)
        n_read += len(message.get("bytes") or b"")
        return message

    def cutting(self: StreamingRecognizer, samples: Any) -> Any:
        nonlocal heard
        windows = cut(self, samples)
        heard = self.seconds
        return windows

    def extended(self: Backlog, windows: Any) -> None:
        extend(self, windows)
        held.append(len(self))

    async def many_turns() -> None:
        for _ in range(2_000):
            await asyncio.sleep(0)

    Waiting.gate.set()
    one = client(replace(fake, model=Waiting(fake.model.session, fake.card, fake.model.sha256)), backlog_seconds=limit)
    Waiting.gate.clear()
    monkeypatch.setattr(WebSocket, "receive", received)
    monkeypatch.setattr(StreamingRecognizer, "cut", cutting)
    monkeypatch.setattr(Backlog, "extend", extended)
    with one.websocket_connect(URL) as session:
        session.send_json({**START, "window": window, "hop": hop})
        session.receive_json()
        for frame in pieces(pcm(voice), size):
            session.send_bytes(frame)
        session.send_json({"type": "end"})
        until(lambda: held[-1] * hop > limit or held[-1] * window > most_held)
        one.portal.call(many_turns)  # all that has come in would be read by now
        assert 0 < heard <= window + limit + max(piece, hop) + hop
        assert n_read <= heard * 32_000 + size < 32_000 * 20
        waiting = one.get("/metrics").text
        assert "vocalics_queue_length 1.0" in waiting or "vocalics_queue_length 0.0" in waiting
        Waiting.gate.set()
        events, code = rest(session)
    most = max(held[:-1])  # what is left at the end comes on top
    assert most * hop <= limit + max(piece, hop)
    assert most * window <= most_held + window * math.ceil(piece / hop)
    alone = StreamingRecognizer(fake, 16_000, window, hop)
    assert len(events) == len([*cut(alone, voice), *alone.rest()]) + 1 > 20, "none is lost"
    assert (code, events[-1]["seconds"]) == (1000, 20.0)


@pytest.mark.parametrize(
    ("max_lag", "expected"), [(0, [(1.0, 0), (6.0, 9)]), (1.2, [(1.0, 0), (5.0, 7), (5.5, 0), (6.0, 0)])]
)
def test_who_names_a_lag_gets_the_newest(
    max_lag: float,
    expected: list[tuple[float, int]],
    client: Client,
    fake: Recognizer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = threading.Event()
    cut: list[Any] = []

    def take(self: Backlog, heard: float) -> Any:
        window = plain_take(self, heard)
        taken.set()
        return window

    def extend(self: Backlog, windows: list[Any]) -> None:
        plain_extend(self, windows)
        cut.extend(windows)

    plain_take, plain_extend = Backlog.take, Backlog.extend
    Waiting.gate.set()
    one = client(replace(fake, model=Waiting(fake.model.session, fake.card, fake.model.sha256)))
    Waiting.gate.clear()
    monkeypatch.setattr(Backlog, "take", take)
    monkeypatch.setattr(Backlog, "extend", extend)
    voice = fakes.voice(6.0).samples
    with one.websocket_connect(URL) as session:
        session.send_json({**START, "max_lag": max_lag})
        assert session.receive_json()["max_lag"] == max_lag
        session.send_bytes(pcm(voice[:16_000]))
        assert taken.wait(60)
        session.send_bytes(pcm(voice[16_000:]))
        session.send_json({"type": "end"})
        until(lambda: len(cut) >= 11)
        Waiting.gate.set()
        events, code = rest(session)
    *said, last = events
    assert [(e["end"], e["skipped"]) for e in said] == expected
    assert (last, code) == ({"type": "end", "seconds": 6.0, "skipped": sum(n for _, n in expected)}, 1000)
    assert f"vocalics_skipped_windows_total {last['skipped']:.1f}" in one.get("/metrics").text
