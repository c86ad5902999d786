"""What is written for other programs fits the command: the image, the unit, the page about it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
UNIT = (ROOT / "deploy" / "vocalics.service").read_text(encoding="utf-8")
IMAGE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "server.md").read_text(encoding="utf-8")


def test_their_options_are_those_of_the_command(run: Callable[..., tuple[int, str, str]]) -> None:
    _, known, _ = run("serve", "--help")
    start = re.search(r"^ExecStart=/\S+/vocalics serve (.+)$", UNIT, re.MULTILINE)
    given = json.loads(re.search(r"^CMD (\[.+\])$", IMAGE, re.MULTILINE)[1])  # type: ignore[index]
    assert start and 'ENTRYPOINT ["vocalics", "serve"]' in IMAGE
    options = re.findall(r"(?<![-\w])--[a-z][a-z-]+", start[1] + " ".join(given) + PAGE.replace("--data-binary", ""))
    assert {"--host", "--tokens", "--grace-seconds", "--new-token"} <= set(options)
    for option in options:
        assert option in known, option


def test_they_run_with_few_rights() -> None:
    assert IMAGE.rindex("USER vocalics") > IMAGE.rindex("FROM ") and "slim" in IMAGE
    assert "HEALTHCHECK" in IMAGE and "/healthz" in IMAGE
    for line in ("DynamicUser=yes", "ProtectSystem=strict", "NoNewPrivileges=yes", "MemoryMax=2G"):
        assert f"\n{line}\n" in UNIT
    grace, stop = (float(re.search(p, UNIT)[1]) for p in (r"--grace-seconds (\d+)", r"TimeoutStopSec=(\d+)"))  # type: ignore[index]
    assert grace < stop


def test_the_page_names_every_route() -> None:
    for route in (
        "/v1/predict",
        "/v1/timeline",
        "/v1/stream",
        "/v1/models",
        "/healthz",
        "/readyz",
        "/metrics",
        "/docs",
    ):
        assert route in PAGE
