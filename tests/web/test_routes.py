"""Every route answers as documented, and what it says is what the recognizer says."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path

import fakes
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from web_fakes import PROBLEM, encoded

from vocalics.audio import Clip
from vocalics.recognizer import Recognizer
from vocalics.web import tokens

Client = Callable[..., TestClient]
VOICE = fakes.voice(2.0)
WAV = encoded(VOICE)
SOUND = {"Content-Type": "audio/wav"}
SILENCE = encoded(Clip(np.zeros(16_000, np.float32), 16_000))


@pytest.mark.parametrize("kind", ["audio/wav", "audio/x-wav", "application/octet-stream", "audio/wav; codecs=1", ""])
def test_the_bytes_of_a_file_are_judged(client: Client, fake: Recognizer, kind: str) -> None:
    answer = client().post("/v1/predict", content=WAV, headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == 200
    (said,) = answer.json()["predictions"]
    expected = fake.predict(WAV)
    assert said["probabilities"] == {e: pytest.approx(p, abs=1e-6) for e, p in expected.probabilities.items()}
    assert len(set(said["probabilities"].values())) > 4
    assert (said["path"], said["emotion"], said["label"]) == ("-", expected.emotion, expected.emotion)
    assert (said["start"], said["end"], said["model"], said["candidates"]) == (0.0, 2.0, "fake", [])
    assert said["strangeness"] is None


def test_silence_names_no_emotion(client: Client) -> None:
    (said,) = client().post("/v1/predict", content=SILENCE, headers=SOUND).json()["predictions"]
    assert (said["emotion"], said["label"], said["confidence"]) == (None, "no speech", 0)


def test_a_form_of_several_files_keeps_their_names_and_order(client: Client, fake: Recognizer) -> None:
    files = [
        ("file", ("b ü.wav", WAV, "audio/wav")),
        ("file", ("notes.txt", b"no sound", "text/plain")),
        ("other", ("x.wav", WAV, "audio/wav")),
        ("file", ("a.flac", encoded(fakes.voice(1.0, 250.0), "FLAC"), "audio/flac")),
    ]
    said = client().post("/v1/predict", files=files).json()["predictions"]
    assert [one["path"] for one in said] == ["b ü.wav", "notes.txt", "a.flac"]
    assert said[0]["emotion"] == fake.predict(WAV).emotion != said[2]["emotion"]
    assert list(said[1]) == ["path", "error"]
    assert said[1]["error"]["status"] == 422 and "cannot be decoded" in said[1]["error"]["detail"]


def test_what_is_no_sound_is_a_problem(client: Client) -> None:
    one = client()
    for answer in (
        one.post("/v1/predict", content=b"no sound", headers=SOUND),
        one.post("/v1/predict", files={"file": ("x.wav", b"no sound")}),
        one.post("/v1/predict", content=WAV[:-1000], headers=SOUND),
        one.post("/v1/timeline", content=b"no sound", headers=SOUND),
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (422, PROBLEM)
        assert set(answer.json()) == {"type", "title", "status", "detail"}
        assert answer.json()["type"] == "/docs#not-audio"


def test_a_body_that_cannot_be_read_is_a_problem(client: Client) -> None:
    one = client()
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    whole = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + WAV + b"\r\n--x--\r\n"
    assert one.post("/v1/predict", content=whole, headers=form).status_code == 200
    for body, headers, status, words in (
        (b"", SOUND, 400, "is empty"),
        (b"{}", {"Content-Type": "application/json"}, 415, "expected audio/*"),
        (whole[:-10], form, 400, "before its last boundary"),
        (whole, {"Content-Type": "multipart/form-data"}, 400, "no boundary"),
        (b"nothing of a form", form, 400, "cannot be read"),
        (whole.replace(b'"file"', b'"fill"'), form, 400, 'no part named "file"'),
    ):
        answer = one.post("/v1/predict", content=body, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), words
        assert words in answer.json()["detail"]


def test_candidates_are_given_for_a_known_coverage_only(client: Client) -> None:
    one = client()
    (said,) = one.post("/v1/predict?coverage=0.9", content=WAV, headers=SOUND).json()["predictions"]
    assert said["candidates"][0] == said["emotion"]
    for query, words in (
        ("coverage=0.5", "knows: 0.9"),
        ("coverage=nan", "coverage"),
        ("coverage=2", "coverage: Input should be less than 1"),
        ("model=nope", 'unknown model "nope"'),
    ):
        answer = one.post(f"/v1/predict?{query}", content=WAV, headers=SOUND)
        assert (answer.status_code, answer.headers["content-type"]) == (422, PROBLEM)
        assert words in answer.json()["detail"]


def test_a_timeline_is_that_of_build(client: Client, fake: Recognizer) -> None:
    from vocalics.timeline import build

    answer = client().post("/v1/timeline?window=1&hop=0.5", files={"file": ("talk.wav", WAV)})
    assert answer.status_code == 200
    built = build(fake, WAV, window=1.0, hop=0.5)
    expected, said = json.loads(json.dumps(built.to_dict())), answer.json()
    assert expected["path"] == "-" and said["path"] == "talk.wav"
    for told, channel, plain in zip(said["channels"], built.channels, expected["channels"], strict=True):
        for part, one in zip(told["windows"], channel.windows, strict=True):
            assert (part["label"], part["emotion"]) == (one.label, one.emotion)
            assert "path" not in part and part["start"] == round(one.start, 3)
        assert [p["label"] for p in told["segments"]] == [p.label for p in channel.segments]
        assert told["envelope"] == plain["envelope"] and told["summary"]["shares"] == plain["summary"]["shares"]
    assert len(said["channels"][0]["windows"]) > 1
    two = client().post("/v1/timeline", files=[("file", ("a", WAV)), ("file", ("b", WAV))])
    assert (two.status_code, two.json()["limit"]) == (413, 1)


def test_a_timeline_gets_used_to_the_voices_where_it_is_asked_to(client: Client, tmp_path: Path) -> None:
    from vocalics.recognizer import load
    from vocalics.timeline import build

    used = load(fakes.adaptable(tmp_path / "used.onnx"))
    one = client(used)
    told = {}
    for adapt in (True, False):
        answer = one.post(f"/v1/timeline?window=1&adapt={adapt}".lower(), content=WAV, headers=SOUND)
        assert answer.status_code == 200
        told[adapt] = answer.json()["channels"][0]["windows"]
        expected = json.loads(json.dumps(build(used, WAV, window=1.0, adapt=adapt).to_dict()))
        assert told[adapt] == expected["channels"][0]["windows"] and len(told[adapt]) > 1
    assert told[True][0] == told[False][0] and told[True][-1] != told[False][-1]
    answer = client().post("/v1/timeline?adapt=true", content=WAV, headers=SOUND)
    assert (answer.status_code, answer.headers["content-type"]) == (422, PROBLEM)
    assert "the model fake gets used to no voice" in answer.json()["detail"]


def test_models_are_listed_and_shown(client: Client, fake: Recognizer) -> None:
    one = client()
    (summary,) = one.get("/v1/models").json()["models"]
    assert (summary["name"], summary["default"], summary["coverages"]) == ("fake", True, [0.9])
    assert summary["emotions"] == list(fake.emotions)
    card = one.get("/v1/models/fake").json()
    assert card == {**json.loads(fake.card.to_json()), "sha256": fake.model.sha256}
    missing = one.get("/v1/models/nope")
    assert (missing.status_code, missing.headers["content-type"]) == (404, PROBLEM)


def test_probes(client: Client) -> None:
    one = client()
    assert one.get("/healthz").json() == {"status": "alive"}
    assert one.get("/readyz").json() == {"status": "ready"}
    one.app.state.service.draining.set()  # type: ignore[attr-defined]
    assert one.get("/readyz").status_code == 503
    assert one.get("/healthz").status_code == 200
    refused = one.post("/v1/predict", content=WAV, headers=SOUND)
    assert (refused.status_code, refused.headers["retry-after"], refused.headers["connection"]) == (503, "1", "close")


def test_a_server_is_not_ready_before_its_models_ran(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vocalics.web.service.Service.warm_up", lambda self: 1 / 0)
    one = client(wait=False)
    assert one.get("/readyz").json()["type"] == "/docs#starting"
    assert one.get("/healthz").status_code == 200


def metric(client: TestClient, name: str, **labels: str) -> float:
    """The value of a sample; 0 where there is none."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return sum(s.value for f in families for s in f.samples if s.name == name and labels.items() <= s.labels.items())


def test_what_is_counted(client: Client) -> None:
    one = client()
    one.post("/v1/predict", content=WAV, headers=SOUND)
    one.post("/v1/predict", content=b"no sound", headers=SOUND)
    one.get("/nowhere/1")
    one.get("/nowhere/2")
    assert metric(one, "vocalics_requests_total", route="/v1/predict", status="200") == 1
    assert metric(one, "vocalics_requests_total", route="/v1/predict", status="422") == 1
    assert metric(one, "vocalics_requests_total", route="other", status="404") == 2
    assert metric(one, "vocalics_request_seconds_count", route="/v1/predict") == 2
    assert metric(one, "vocalics_audio_seconds_total", source="upload") == 2.0
    assert metric(one, "vocalics_batch_size_count") == 1
    for gauge in ("vocalics_queue_length", "vocalics_open_streams", "vocalics_running_requests"):
        assert metric(one, gauge) == 0
        assert f"# TYPE {gauge} gauge" in one.get("/metrics").text


def test_tokens_guard_what_works_and_what_tells(client: Client) -> None:
    token, line = tokens.new("ann")
    one = client(tokens=dict([line.split(":")]))
    for path in ("/healthz", "/readyz", "/docs", "/openapi.json"):
        assert one.get(path).status_code == 200
    for headers in ({}, {"Authorization": "Bearer nope"}, {"Authorization": f"Basic {token}"}):
        for method, path in (("GET", "/v1/models"), ("POST", "/v1/predict"), ("GET", "/metrics")):
            answer = one.request(method, path, headers=headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert answer.headers["content-type"] == PROBLEM
    known = {"Authorization": f"Bearer {token}"}
    assert one.get("/metrics", headers=known).status_code == 200
    assert one.post("/v1/predict", content=WAV, headers=SOUND | known).status_code == 200


FOREIGN = [
    "https://evil.example",
    "null",
    "http://127.0.0.1.evil.example",
    "http://[",
    "http://testserver.evil.example:80",
]
OWN = [
    "http://testserver",
    "https://testserver:8443",
    "http://127.0.0.1:3000",
    "http://localhost:5173",
    "http://[::1]:80",
]


@pytest.mark.parametrize("origin", FOREIGN)
def test_pages_of_other_sites_may_not_ask_without_a_token(client: Client, origin: str) -> None:
    one, headers = client(), {"Origin": origin}
    form = {"file": ("a.wav", WAV, "audio/wav")}  # what a browser sends anywhere without asking first
    for answer in (
        one.post("/v1/predict", files=form, headers=headers),
        one.get("/v1/models", headers=headers),
        one.get("/metrics", headers=headers),
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (403, PROBLEM)
        assert answer.json()["type"] == "/docs#foreign-origin"
    assert one.get("/healthz", headers=headers).status_code == 200
    token, line = tokens.new("ann")
    known = headers | {"Authorization": f"Bearer {token}"}
    assert client(tokens=dict([line.split(":")])).post("/v1/predict", files=form, headers=known).status_code == 200


@pytest.mark.parametrize("origin", OWN)
def test_pages_of_this_server_and_this_machine_may_ask(client: Client, origin: str) -> None:
    assert client().post("/v1/predict", content=WAV, headers=SOUND | {"Origin": origin}).status_code == 200


def test_a_request_has_an_id(client: Client) -> None:
    one = client()
    assert one.get("/healthz", headers={"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    for given in ("", "a b", "x" * 65, "a\x7f"):
        found = one.get("/healthz", headers={"X-Request-Id": given}).headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{32}", found)


def test_the_log_tells_of_requests_but_not_what_was_in_them(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    from vocalics.web.logs import JsonLines

    token, line = tokens.new("ann")
    one = client(tokens=dict([line.split(":")]))
    headers = {"Authorization": f"Bearer {token}", "X-Request-Id": "r1"}
    with caplog.at_level(logging.INFO, "vocalics.web"):
        one.post("/v1/predict", files=[("file", ("secret.wav", WAV)), ("file", ("diary.txt", b"x"))], headers=headers)
    (record,) = [r for r in caplog.records if r.name == "vocalics.web"]
    said = json.loads(JsonLines().format(record))
    assert said.pop("seconds") > 0 and said.pop("time")
    assert said == {
        "level": "info",
        "event": "request",
        "request_id": "r1",
        "route": "/v1/predict",
        "method": "POST",
        "status": 200,
        "audio_seconds": 2.0,
        "client": "ann",
    }


def test_a_fault_of_ours_is_a_problem_and_a_line(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("secret.wav")

    monkeypatch.setattr("vocalics.web.sound.measured", broken)
    one = client()
    answer = one.post("/v1/predict", content=WAV, headers={**SOUND, "X-Request-Id": "r2"})
    assert (answer.status_code, answer.headers["content-type"]) == (500, PROBLEM)
    assert "r2" in answer.json()["detail"] and "secret" not in answer.text
    fault = next(r for r in caplog.records if r.levelno == logging.ERROR)
    about = fault.vocalics  # type: ignore[attr-defined]
    assert about["error"] == "KeyError" and any("service.py" in place for place in about["where"])
    assert "secret" not in str(about)
    assert metric(one, "vocalics_running_requests") == 0


def test_the_page_may_be_missing(client: Client, tmp_path: Path) -> None:
    without = client(static=tmp_path / "none")
    for path in ("/", "/static/app.js"):
        assert without.get(path).status_code == 404
        assert without.get(path).headers["content-type"] == PROBLEM
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "app.js").write_text("1")
    served = client(static=tmp_path, tokens={"ann": "0" * 64})
    assert served.get("/").text == "<!doctype html>"
    assert "default-src 'self'" in served.get("/").headers["content-security-policy"]
    assert served.get("/static/app.js").text == "1"
    assert served.get("/static/../conftest.py").status_code == 404


def test_the_reference_needs_no_other_host(client: Client) -> None:
    text = client().get("/docs").text
    for words in ("POST /v1/predict", "WS /v1/stream", "body-too-large", "coverage", "<pre>"):
        assert words in text
    assert not re.search(r"(src|href)=.?https?:", text)
    assert "<script" not in text
    assert client().delete("/v1/models").headers["content-type"] == PROBLEM
