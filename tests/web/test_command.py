"""``vocalics serve`` as it is typed: what it refuses in a line, the tokens it makes, and a start to a stop."""

from __future__ import annotations

import builtins
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes
import httpx2 as httpx
import pytest
from web_fakes import encoded

import vocalics.web
from vocalics.errors import VocalicsError
from vocalics.web import tokens

Run = Callable[..., tuple[int, str, str]]


def test_a_token_is_shown_once_and_kept_as_its_hash(run: Run) -> None:
    code, out, _ = run("serve", "--new-token", "ann")
    token, line = (text.split(":", 1)[1].strip() for text in out.splitlines())
    assert code == 0
    assert token.startswith("voc_") and len(token) > 40
    assert line == f"ann:{tokens.digest(token)}" and token not in line
    assert run("serve", "--new-token", "ann")[1] != out
    assert run("serve", "--new-token", "a:b")[0] == 2


def test_an_address_in_use_is_one_line(tmp_path: Path) -> None:
    fakes.waveform_model(tmp_path / "m.onnx")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-c", "from vocalics.cli.main import main; main()", "serve", "--port", str(port)]
        done = subprocess.run([*command, "--model", str(tmp_path / "m.onnx")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    told = done.stderr.splitlines()[-1]
    assert told == f"vocalics: 127.0.0.1:{port}: cannot be listened to; choose another --port or --host"


def test_tokens_are_read_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (token, ann), (other, bob) = tokens.new("ann"), tokens.new("bob")
    (tmp_path / "tokens").write_text(f"# who may\n\n{ann}\n{bob.upper().replace('BOB', 'bob')}\n")
    known = tokens.read(tmp_path / "tokens")
    assert (tokens.owner(known, token), tokens.owner(known, other), tokens.owner(known, "x")) == ("ann", "bob", None)
    assert tokens.owner(known, known["ann"]) is None
    monkeypatch.delenv(tokens.VARIABLE, raising=False)
    assert tokens.read(None) == {}
    monkeypatch.setenv(tokens.VARIABLE, f"{ann},{bob}")
    assert tokens.read(None) == known


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no token"),
        ("# nobody", "holds no token"),
        ("ann:secret", "line 1 is no name:sha256"),
        (f"ann:{'0' * 64}\nann:{'1' * 64}", "line 2 names ann again"),
    ],
)
def test_a_file_that_is_none_of_tokens_is_told_without_its_words(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "tokens").write_text(text)
    with pytest.raises(VocalicsError, match=words) as caught:
        tokens.read(tmp_path / "tokens")
    assert "secret" not in str(caught.value)


def test_what_cannot_be_served_is_one_line(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(tokens.VARIABLE, raising=False)
    fakes.waveform_model(tmp_path / "default.onnx")
    for arguments, expected, words in (
        (["--host", "0.0.0.0"], 2, "0.0.0.0 can be reached from other machines"),
        (["--tokens", "nowhere"], 1, "nowhere: the tokens cannot be read"),
        (["--model", "nope"], 1, 'unknown model "nope"'),
        (["--model", "default", "--model", str(tmp_path / "default.onnx")], 2, "two models are called default"),
        (["--max-body-mb", "0"], 2, "the limit body_bytes = 0"),
        (["--grace-seconds", "-1"], 2, "a grace of -1 s"),
        (["--unfamiliar-above", "-1"], 2, "unfamiliar_above = -1"),
    ):
        code, _, err = run("serve", *arguments)
        assert (code, err.count("\n")) == (expected, 1), err
        assert words in err
    assert run("serve", "--port", "70000")[0] == 2


def test_without_the_extra_it_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "uvicorn":
            raise ModuleNotFoundError(f"No module named {name!r}", name="uvicorn")
        return plain(name, *rest)

    monkeypatch.setattr(vocalics, "web", vocalics.web)  # so that the package, too, is put back
    for name in [name for name in sys.modules if name.startswith("vocalics.web")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    code, _, err = run("serve")
    assert (code, "pip install 'vocalics[serve]'" in err) == (1, True)


def test_from_a_start_to_a_stop(tmp_path: Path) -> None:
    token, line = tokens.new("ann")
    fakes.waveform_model(tmp_path / "fake.onnx")
    command = [sys.executable, "-c", "from vocalics.cli.main import main; main()"]
    command += ["serve", "--port", "0", "--host", "0.0.0.0", "--model", str(tmp_path / "fake.onnx")]
    environment = {**os.environ, tokens.VARIABLE: line, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        try:
            listening = json.loads(process.stderr.readline())
            assert (listening["event"], listening["models"]) == ("listening", ["fake"])
            url, content = f"http://127.0.0.1:{listening['port']}/v1/predict", encoded(fakes.voice())
            assert httpx.post(url, content=content).status_code == 401
            answer = httpx.post(url, content=content, headers={"Authorization": f"Bearer {token}"})
            assert answer.json()["predictions"][0]["model"] == "fake"
        finally:
            process.terminate()
        log = process.stderr.read()
    assert process.returncode == 0
    assert token not in log and [json.loads(text)["event"] for text in log.splitlines()][-1] == "draining"
