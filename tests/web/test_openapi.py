"""The OpenAPI document holds for whatever a machine makes of it: no answer is a fault of ours."""

from __future__ import annotations

import fakes
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from starlette.testclient import TestClient
from web_fakes import PROBLEM, encoded

from vocalics import modelfile
from vocalics.recognizer import Recognizer
from vocalics.web.app import create_app
from vocalics.web.problems import PROBLEMS
from vocalics.web.settings import Limits, Settings

APP = create_app(
    Settings(limits=Limits(body_bytes=10**6)), {"fake": Recognizer(modelfile.load(fakes.waveform_model()))}
)
APP.state.service.warm_up()
schemathesis.serializer.alias("audio/wav", "application/octet-stream")
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", APP)


@SCHEMA.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
def test_no_request_is_answered_with_a_fault(case: schemathesis.Case) -> None:
    answer = case.call()
    assert answer.status_code < 500, answer.content
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == [PROBLEM]
        said = answer.json()
        assert said["status"] == answer.status_code and said["detail"]


def test_the_document_names_what_is_there() -> None:
    document = APP.openapi()
    assert set(document["paths"]) == {
        "/v1/predict",
        "/v1/timeline",
        "/v1/models",
        "/v1/models/{name}",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    for path in ("/v1/predict", "/v1/timeline"):
        about = document["paths"][path]["post"]
        assert {"application/octet-stream", "multipart/form-data"} <= set(about["requestBody"]["content"])
        assert {str(status) for status in (400, 401, 408, 413, 415, 422, 429, 503)} <= set(about["responses"])
        assert about["security"]
    problem = document["paths"]["/v1/predict"]["post"]["responses"]["413"]["content"][PROBLEM]
    assert problem["example"]["type"].removeprefix("/docs#") in PROBLEMS
    example = document["paths"]["/v1/predict"]["post"]["responses"]["200"]["content"]["application/json"]["example"]
    with TestClient(APP) as client:
        said = client.post("/v1/predict", content=encoded(fakes.voice())).json()
    assert set(example["predictions"][0]) == set(said["predictions"][0])
