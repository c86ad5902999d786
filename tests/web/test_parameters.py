"""What an address names and nothing takes is refused."""

from __future__ import annotations

from collections.abc import Callable

import fakes
import pytest
from fastapi.testclient import TestClient
from web_fakes import encoded


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("/v1/predict?abstain_below=0.9", "abstain_below: no parameter of /v1/predict; expected model, coverage"),
        (
            "/v1/timeline?windows=1&hop=1",
            "windows: no parameter of /v1/timeline; expected model, window, hop, mix, adapt",
        ),
    ],
)
def test_a_parameter_that_nothing_takes_is_told(address: str, told: str, client: Callable[..., TestClient]) -> None:
    answer = client().post(address, content=encoded(fakes.voice()), headers={"Content-Type": "audio/wav"})
    assert answer.status_code == 422 and answer.json()["detail"] == told


def test_an_address_without_parameters_says_so(client: Callable[..., TestClient]) -> None:
    answer = client().get("/v1/models?verbose=1")
    assert answer.status_code == 422
    assert answer.json()["detail"] == "verbose: no parameter of /v1/models; this address takes none"
    assert client().get("/v1/models").status_code == 200
