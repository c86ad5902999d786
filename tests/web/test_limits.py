"""Whatever is too much is refused with its limit, before it costs much."""

from __future__ import annotations

import asyncio
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import fakes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from waiting import until
from web_fakes import PROBLEM, encoded

from vocalics.audio import Clip
from vocalics.errors import AudioError, VocalicsError
from vocalics.modelfile import LoadedModel
from vocalics.recognizer import Recognizer
from vocalics.web import sound
from vocalics.web.problems import Problem
from vocalics.web.settings import Limits, Settings

Client = Callable[..., TestClient]
VOICE = fakes.voice(2.0)
WAV = encoded(VOICE)
SOUND = {"Content-Type": "audio/wav"}
HOUR_OF_SILENCE = encoded(Clip(np.zeros(3600 * 8_000, np.float32), 8_000), "FLAC")


def refused(answer: Any, status: int, kind: str, limit: float) -> bool:
    """Whether an answer is a problem with its limit."""
    said = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), answer.text
    assert (said["type"], said["limit"], said["status"]) == (f"/docs#{kind}", limit, status)
    return True


def chunked(data: bytes, size: int = 1000) -> Iterator[bytes]:
    """A body of unknown length."""
    for first in range(0, len(data), size):
        yield data[first : first + size]


def test_a_body_is_bounded_however_it_comes_in(client: Client) -> None:
    one = client(body_bytes=len(WAV))
    assert one.post("/v1/predict", content=WAV, headers=SOUND).status_code == 200
    assert one.post("/v1/predict", content=chunked(WAV), headers=SOUND).status_code == 200
    more = WAV + b"x"
    for answer in (
        one.post("/v1/predict", content=more, headers=SOUND),
        one.post("/v1/predict", content=chunked(more), headers=SOUND),
        one.post("/v1/predict", files={"file": ("a.wav", WAV)}),
        one.post("/v1/timeline", content=chunked(more), headers=SOUND),
        one.post("/v1/predict", content=b"", headers={**SOUND, "Content-Length": "9" * 40}),
    ):
        assert refused(answer, 413, "body-too-large", len(WAV))
        assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("kind", ["audio/wav", "multipart/form-data; boundary=x"])
def test_no_more_than_the_limit_is_taken_of_a_body(kind: str) -> None:
    """As the server reads it: an endless body, asked for chunk by chunk."""
    from starlette.requests import Request

    from vocalics.web import bodies

    head = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
    n_asked = 0

    async def receive() -> dict[str, Any]:
        nonlocal n_asked
        n_asked += 1
        return {"type": "http.request", "body": head if n_asked == 1 else bytes(1000), "more_body": True}

    request = Request({"type": "http", "headers": [(b"content-type", kind.encode())]}, receive)
    with pytest.raises(Problem) as caught:
        asyncio.run(bodies.read(request, Limits(body_bytes=50_000)))
    assert (caught.value.status, caught.value.limit) == (413, 50_000)
    assert n_asked == 51


def test_the_number_of_files_is_bounded(client: Client) -> None:
    one = client(files=2)
    files = [("file", (f"{i}.wav", WAV)) for i in range(3)]
    assert len(one.post("/v1/predict", files=files[:2]).json()["predictions"]) == 2
    assert refused(one.post("/v1/predict", files=files), 413, "too-many-files", 2)


def test_the_length_of_a_sound_is_bounded(client: Client) -> None:
    one = client(seconds=2.0)
    longer = encoded(fakes.voice(2.1))
    assert one.post("/v1/predict", content=WAV, headers=SOUND).status_code == 200
    assert refused(one.post("/v1/predict", content=longer, headers=SOUND), 422, "too-long", 2.0)
    assert refused(one.post("/v1/timeline", content=longer, headers=SOUND), 422, "too-long", 2.0)
    said = one.post("/v1/predict", files=[("file", ("a", longer)), ("file", ("b", WAV))]).json()["predictions"]
    assert said[0]["error"]["limit"] == 2.0 and said[1]["emotion"]


def test_an_hour_of_silence_in_a_tiny_file_costs_little(client: Client) -> None:
    assert len(HOUR_OF_SILENCE) < 200_000
    one = client(seconds=1800.0)
    assert refused(one.post("/v1/predict", content=HOUR_OF_SILENCE, headers=SOUND), 422, "too-long", 1800.0)
    few = Limits(samples=10**6)
    tracemalloc.start()
    with pytest.raises(Problem) as caught:
        sound.measured(HOUR_OF_SILENCE, few)
    assert tracemalloc.get_traced_memory()[1] < 2 * 10**6
    tracemalloc.stop()
    assert (caught.value.kind, caught.value.limit) == ("too-many-samples", 10**6)
    assert sound.measured(WAV, few) == 2.0


def test_a_header_that_hides_the_length_hides_nothing() -> None:
    streaminfo = HOUR_OF_SILENCE.index(b"fLaC") + 8
    total = slice(streaminfo + 13, streaminfo + 18)
    unknown = bytearray(HOUR_OF_SILENCE)
    unknown[total] = bytes([unknown[total.start] & 0xF0, 0, 0, 0, 0])  # 36 bits: the number of samples, 0 is unknown
    with pytest.raises((Problem, AudioError)):
        sound.measured(bytes(unknown), Limits(seconds=1800.0))


def test_the_number_of_channels_is_bounded(client: Client) -> None:
    one = client(channels=2)
    short = fakes.voice(0.5)
    assert one.post("/v1/predict", content=encoded(short, channels=2), headers=SOUND).status_code == 200
    for n in (3, 1000):
        answer = one.post("/v1/predict", content=encoded(short, channels=n), headers=SOUND)
        assert refused(answer, 422, "too-many-channels", 2)


def test_windows_and_hops_are_bounded(client: Client) -> None:
    one = client(window_seconds=5.0, hop_seconds=0.2)
    for query, limit in (("window=6", 5.0), ("hop=0.1", 0.2)):
        answer = one.post(f"/v1/timeline?{query}", content=WAV, headers=SOUND)
        assert refused(answer, 422, "invalid-parameter", limit)
    for query in ("window=0.2", "window=1&hop=2", "window=inf", "hop=-1"):
        answer = one.post(f"/v1/timeline?{query}", content=WAV, headers=SOUND)
        assert (answer.status_code, answer.headers["content-type"]) == (422, PROBLEM)


class Gate(LoadedModel):
    """A model that waits until it may go on."""

    gate: threading.Event
    asked: threading.Semaphore

    def judge(self, batch: Any, voice: Any = None) -> Any:
        self.asked.release()
        assert self.gate.wait(60)
        return super().judge(batch, voice)


@pytest.fixture
def gated(fake: Recognizer) -> Recognizer:
    """The fake model behind a gate; open to begin with, so that the server gets ready."""
    Gate.gate, Gate.asked = threading.Event(), threading.Semaphore(0)
    Gate.gate.set()
    return replace(fake, model=Gate(fake.model.session, fake.card, fake.model.sha256))


def test_the_number_of_requests_at_a_time_is_bounded(client: Client, gated: Recognizer) -> None:
    one = client(gated, requests=2, threads=1)
    Gate.gate.clear()
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda: answers.append(one.post("/v1/predict", content=WAV, headers=SOUND)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    service = one.app.state.service  # type: ignore[attr-defined]
    until(lambda: service.requests.n_taken >= 2)
    third = one.post("/v1/predict", content=WAV, headers=SOUND)
    assert refused(third, 429, "too-many-requests", 2)
    assert third.headers["retry-after"] == "1"
    assert one.get("/v1/models").status_code == 200
    Gate.gate.set()
    for thread in threads:
        thread.join()
    assert [a.status_code for a in answers] == [200, 200]
    assert one.post("/v1/predict", content=WAV, headers=SOUND).status_code == 200


def test_a_request_that_takes_too_long_is_answered_and_leaves_its_place(client: Client, gated: Recognizer) -> None:
    one = client(gated, requests=1, request_seconds=0.3)
    Gate.gate.clear()
    answer = one.post("/v1/predict", content=WAV, headers=SOUND)
    assert refused(answer, 503, "took-too-long", 0.3)
    service = one.app.state.service  # type: ignore[attr-defined]
    assert service.requests.n_taken == 1  # its thread still runs
    Gate.gate.set()
    until(lambda: not service.requests.n_taken)
    assert one.post("/v1/predict", content=WAV, headers=SOUND).status_code == 200


def test_nothing_more_is_judged_for_a_request_that_was_given_up(client: Client, gated: Recognizer) -> None:
    one = client(gated, requests=1, request_seconds=0.3, threads=1)
    while Gate.asked.acquire(blocking=False):
        pass
    Gate.gate.clear()
    long = encoded(fakes.voice(30.0))
    assert one.post("/v1/predict", content=long, headers=SOUND).status_code == 503
    Gate.gate.set()
    until(lambda: not one.app.state.service.requests.n_taken)  # type: ignore[attr-defined]
    assert Gate.asked.acquire(blocking=False)
    assert not Gate.asked.acquire(blocking=False)


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 300), junk=st.binary(max_size=200).filter(lambda junk: b"--x" not in junk))
def test_a_form_is_the_same_in_any_pieces(size: int, junk: bytes) -> None:
    from starlette.requests import Request

    from vocalics.web import bodies

    boundary = b"--x\r\n"
    form = boundary + b'Content-Disposition: form-data; name="file"; filename="q"\r\n\r\n' + junk + b"\r\n"
    form += boundary + b'Content-Disposition: form-data; name="file"\r\n\r\n' + WAV[:500] + b"\r\n--x--\r\n"
    pieces = chunked(form, size)

    async def receive() -> dict[str, Any]:
        piece = next(pieces, b"")
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    headers = [(b"content-type", b"multipart/form-data; boundary=x")]
    found = asyncio.run(bodies.read(Request({"type": "http", "headers": headers}, receive), Limits()))
    assert [(file.name, file.data) for file in found] == [("q", junk), ("-", WAV[:500])]


FILES = {name: encoded(fakes.voice(0.4), name) for name in ("WAV", "FLAC", "OGG", "MP3", "AIFF", "AU", "W64", "CAF")}
FUZZED: dict[str, TestClient] = {}


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(FILES)),
    changes=st.lists(st.tuples(st.integers(0, 120) | st.integers(0, 10**4), st.integers(0, 255)), max_size=6),
    kept=st.integers(0, 10**4) | st.just(10**6),
)
def test_a_damaged_file_is_a_problem_of_its_sender(
    client: Client, name: str, changes: list[tuple[int, int]], kept: int
) -> None:
    one = FUZZED.setdefault("client", client(seconds=10.0))
    data = bytearray(FILES[name])
    for place, value in changes:
        data[place % len(data)] = value
    answer = one.post("/v1/predict", content=bytes(data[:kept]) or b"?", headers=SOUND)
    assert answer.status_code in (200, 422), answer.text
    assert changes or kept < len(data) or answer.status_code == 200


def test_nothing_is_written_to_a_disk(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("a file was made")

    one = client()
    for name in ("SpooledTemporaryFile", "TemporaryFile", "NamedTemporaryFile", "mkstemp", "mkdtemp"):
        monkeypatch.setattr(f"tempfile.{name}", never)
    large = encoded(fakes.voice(80.0))
    assert len(large) > 2**21
    assert one.post("/v1/predict", files={"file": ("a.wav", large)}).status_code == 200
    assert one.post("/v1/predict", content=large, headers=SOUND).status_code == 200
    assert one.post("/v1/timeline", content=WAV, headers=SOUND).status_code == 200


def test_settings_that_cannot_be_are_refused() -> None:
    for wrong, words in (
        ({"port": 70_000}, "port 70000"),
        ({"threads": 0}, "0 threads"),
        ({"grace_seconds": -1.0}, "grace"),
        ({"host": "0.0.0.0"}, "--new-token NAME"),
        ({"host": "192.168.0.1"}, "--tokens FILE"),
        ({"host": "example.org"}, "can be reached from other machines"),
    ):
        with pytest.raises(VocalicsError, match=words):
            Settings(**wrong)
    with pytest.raises(VocalicsError, match="limit streams = 0"):
        Limits(streams=0)
    for host in ("127.0.0.1", "127.9.9.9", "localhost", "::1"):
        assert Settings(host).host == host
    assert Settings("0.0.0.0", tokens={"ann": "0" * 64}).host == "0.0.0.0"
