"""The command ``calls``: from recordings to answers and back to nothing."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import fakes
import loud
import numpy as np
import pytest
import soundfile

for library in ("sqlalchemy", "alembic"):
    pytest.importorskip(library, reason="needs the extra calls")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments of a recording of six seconds, agent first and customer second, and of a tiny model."""
    monkeypatch.chdir(tmp_path)
    loud.hear_loudness(monkeypatch)
    frames = np.zeros((96_000, 2), np.float32)
    frames[8_000:32_000, 0] = fakes.voice(1.5, 120).samples
    frames[56_000:80_000, 1] = fakes.voice(1.5, 700).samples
    soundfile.write(tmp_path / "call.wav", frames, 16_000)
    fakes.waveform_model(tmp_path / "fake.onnx")
    (tmp_path / "call.vtt").write_text("WEBVTT\n\n00:03.600 --> 00:05.000\n<v customer>I want a refund <now>\n")
    (tmp_path / "words.txt").write_text("refund\n")
    return [str(tmp_path / "call.wav"), "--model", str(tmp_path / "fake.onnx"), "--keywords", "words.txt"]


def test_a_card_is_printed_and_the_call_kept(run: Run, call: list[str]) -> None:
    code, out, err = run("calls", *call, "--agent-name", "Bob", "--customer", "Ann", "--started", "2026-03-31T14:05")
    assert (code, err) == (0, "")
    for words in ("call.wav", "2026-03-31 14:05 UTC", "agent Bob, customer Ann", "refund: 1 (customer 3.4)", "Turns",
                  "I want a refund", "too few turns (1)", "no measure of a person"):  # fmt: skip
        assert words in out, words
    code, out, _ = run("calls", "list")
    assert code == 0 and "Bob" in out and "Ann" in out and "2026-03-31T14:05" in out
    digest = json.loads(run("calls", "list", "--format", "json")[1])["digest"]
    code, shown, _ = run("calls", "show", digest[:8])
    assert code == 0 and "I want a refund" in shown
    told = json.loads(run("calls", "show", digest, "--format", "json")[1])
    assert told["digest"] == digest and told["parties"][0]["track"]["starts"]
    assert run("calls", *call)[0] == 0 and len(run("calls", "list", "--format", "json")[1].splitlines()) == 1


def test_json_without_keeping(run: Run, call: list[str], tmp_path: Path) -> None:
    code, out, _ = run("calls", "analyse", *call, "--no-store", "--format", "json", "--agent", "right")
    told = json.loads(out)
    assert code == 0 and [t["party"] for t in told["turns"]] == ["customer", "agent"]
    assert not (tmp_path / "calls.db").exists()


def test_one_broken_recording_does_not_keep_the_others_from_being_analysed(
    run: Run, call: list[str], tmp_path: Path
) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF nothing")
    code, out, err = run("calls", str(tmp_path / "broken.wav"), *call, "--format", "json")
    assert code == 1 and json.loads(out)["path"].endswith("call.wav")
    assert err.startswith("vocalics: ") and "broken.wav" in err and err.count("\n") == 1


def test_pseudonyms_and_deletion_by_name(run: Run, call: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = run("calls", *call, "--pseudonymise", "--customer", "Ann")
    assert code == 1 and "pseudonyms need a key" in err
    monkeypatch.setenv("VOCALICS_CALLS_KEY", "0123456789abcdef")
    code, out, _ = run("calls", *call, "--pseudonymise", "--customer", "Ann", "--keep", "all")
    assert code == 0 and "customer-169af62058354fc3" in out and "Ann" not in out and "call.wav" not in out
    assert len(list(Path("calls-audio").iterdir())) == 1
    code, out, _ = run("calls", "delete", "--customer", "Ann")
    assert (code, out) == (0, "deleted 1 call\n") and list(Path("calls-audio").iterdir()) == []
    code, out, err = run("calls", "delete", "--customer", "Ann")
    assert (code, out, err) == (1, "", "vocalics: no such call\n")
    monkeypatch.delenv("VOCALICS_CALLS_KEY")
    assert (
        run("calls", "delete", "--customer", "Ann")[2] == "vocalics: no such call; under a pseudonym they need --key\n"
    )
    # A scheduler's ordinary day.
    assert run("calls", "delete", "--before", "2020-01-01") == (0, "deleted 0 calls\n", "")
    assert run("calls", "list")[1] == "nothing\n"


def test_a_misspelt_key_beside_a_call_is_told(run: Run, call: list[str]) -> None:
    Path(call[0]).with_suffix(".call.json").write_text('{"agnet": "Bob", "customer": "Ann"}', encoding="utf-8")
    code, out, err = run("calls", *call)
    assert (code, out) == (1, "") and "agnet is none of agent, customer, started_at" in err and err.count("\n") == 1


def test_questions_on_few_calls_say_so(run: Run, call: list[str]) -> None:
    assert run("calls", *call, "--agent-name", "Bob")[0] == 0
    assert "no call in which the customer's anger rose for certain" in run("calls", "rose")[1]
    assert "too few calls" in run("calls", "agents")[1]
    code, _, err = run("calls", "topics", "--fit", "2")
    assert code == 1 and "too few calls: 1 have words that are kept; 2 topics need 10" in err
    code, _, err = run("calls", "topics")
    assert code == 1 and "vocalics calls topics --fit" in err


def test_versions_of_the_tables(run: Run, call: list[str]) -> None:
    for wrong in (("current",), ("downgrade", "base")):
        code, out, err = run("calls", "db", *wrong, "--db", "typo.db")
        assert (code, out) == (1, "") and "typo.db: no such database" in err and not Path("typo.db").exists()
    assert run("calls", *call)[0] == 0
    assert run("calls", "db", "current")[1] == "version 0001, newest 0001\n"
    assert run("calls", "db", "downgrade", "base")[1] == "version none, newest 0001\n"
    assert run("calls", "db", "upgrade")[1] == "version 0001, newest 0001\n"
    assert run("calls", "list")[1] == "nothing\n"


@pytest.mark.parametrize(
    ("arguments", "expected", "words"),
    [
        (["wach", "folder"], 2, 'calls: "wach" is neither a command nor a file; did you mean "watch"?'),
        (["none.wav"], 1, "none.wav: no such file"),
        (["--db", "other.db", "list"], 2, "calls: the command comes first: vocalics calls list --db"),
        (["-"], 1, "a call is a file; write standard input to one first"),
        (["list", "--db", "none.db"], 1, "none.db: no such database; name it (--db), or analyse calls first"),
        (["watch", "none"], 1, "none: is no folder; make it first, or check the path"),
        (["delete"], 2, "nothing to delete; name calls, --customer NAME, or --before TIME"),
        (["call.wav", "--started", "soon"], 2, '"soon" is no time; expected one as in 2026-03-31T14:05'),
        (["call.wav", "--transcript", "nowhere"], 1, "nowhere: holds no model of faster-whisper"),
        (["call.wav", "--db", "mysql://x/y"], 1, "calls are not kept in mysql"),
        (["call.wav", "--db", "mysql://ann:secret@x/y"], 1, "mysql://ann:***@x/y: calls are not kept in mysql"),
        (["call.wav", "--key", "secret.key"], 2, "--key secret.key is of pseudonyms; add --pseudonymise"),
        (["call.wav", "--language", "de"], 2, "--language de is for a model of faster-whisper"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    run: Run, call: list[str], arguments: list[str], expected: int, words: str
) -> None:
    code, out, err = run("calls", *arguments)
    assert (code, out) == (expected, "") and words in err and err.count("\n") == 1


def test_base_takes_kept_recordings_away_too(run: Run, call: list[str], tmp_path: Path) -> None:
    vault = tmp_path / "vault"
    assert run("calls", *call, "--keep", "audio", "--audio", str(vault))[0] == 0
    assert len(list(vault.iterdir())) == 1
    assert run("calls", "db", "downgrade", "base") == (0, "version none, newest 0001\n", "")
    assert list(vault.iterdir()) == []


def test_a_recording_that_is_not_where_it_was_kept_is_told(run: Run, call: list[str], tmp_path: Path) -> None:
    vault = tmp_path / "vault"
    run("calls", *call, "--customer", "Ann", "--keep", "audio", "--audio", str(vault))
    (kept,) = vault.iterdir()
    vault.rename(tmp_path / "moved")
    code, out, err = run("calls", "delete", "--customer", "Ann")
    assert (code, out) == (0, "deleted 1 call\n")
    assert err == f"vocalics: {kept}: the kept recording is not there; where it was moved, delete it there\n"


def test_pseudonyms_replace_names(run: Run, call: list[str], tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"0123456789abcdef")
    run("calls", *call, "--customer", "Ann")
    assert run("calls", *call, "--customer", "Ann", "--pseudonymise", "--key", str(tmp_path / "key"))[0] == 0
    listed = run("calls", "list", "--format", "json")[1]
    assert listed.count('"digest"') == 1 and "Ann" not in listed


def test_without_the_extra_a_line_says_so(run: Run, call: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*sys.modules]:
        if name.startswith(("sqlalchemy", "alembic", "vocalics.calls")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    code, _, err = run("calls", *call)
    assert (code, err) == (
        1,
        "vocalics: vocalics calls needs the extra 'calls'; install it with: pip install 'vocalics[calls]'\n",
    )


def test_what_moves_a_cursor_is_not_printed(run: Run, call: list[str], tmp_path: Path) -> None:
    wicked = tmp_path / "a\x1b[2J\u202eb.wav"
    shutil.copy(call[0], wicked)
    wicked.with_suffix(".vtt").write_text("WEBVTT\n\n00:03.600 --> 00:05.000\n\x1b]0;title\x07 [red]hello[/red]\n")
    code, out, _ = run("calls", str(wicked), *call[1:], "--customer", "\x1b[31mAnn")
    assert code == 0 and "\x1b" not in out and "\x07" not in out and "\u202e" not in out
    assert "[red]hello[/red]" in out
    assert "\x1b" not in run("calls", "list")[1]


PROGRAM = """
import sys, numpy as np
from vocalics.segment import utterances
class Loud:
    def process_samples(self, samples):
        return float(np.sqrt(np.mean(np.square(samples))) > 0.005)
sys.modules[utterances.__module__]._detector = Loud
from vocalics.cli.main import main
main()
"""


def test_a_folder_is_watched_until_told(call: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    command = [sys.executable, "-c", PROGRAM, "calls", "watch", str(folder), *call[1:], "--settle", "0.3"]

    def started() -> subprocess.Popen[str]:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)

    def printed(process: subprocess.Popen[str]) -> str:
        """The next line; the process is ended, and the line then empty, where none comes."""
        assert process.stdout is not None
        late = threading.Timer(120, process.kill)
        late.start()
        try:
            return process.stdout.readline()
        finally:
            late.cancel()

    with started() as process:
        try:
            assert printed(process) == f"watching {folder}\n"
            (folder / "broken.wav").write_bytes(b"RIFF nothing")
            shutil.copy(call[0], folder / "a call's; name.wav")
            line = printed(process)
            assert "a call's; name.wav" in line and "2 turns" in line
            shutil.copy(call[0], folder / "the same again.wav")
            time.sleep(1.0)
            (folder / "the same again.wav").unlink()
            samples, rate = soundfile.read(call[0])
            soundfile.write(folder / "a call's; name.wav", np.concatenate([samples, samples]), rate)
            line = printed(process)
            assert "a call's; name.wav" in line and "4 turns" in line
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0 and out == "stopped\n"
    assert err.count("\n") == 1 and "broken.wav" in err
    with started() as process:
        try:
            assert printed(process)
            time.sleep(1.5)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert out == "stopped\n" and process.returncode == 0, "what is kept is passed over"
    from vocalics.calls.storage import Storage

    with Storage(str(tmp_path / "calls.db")) as storage:
        assert len(storage.calls()) == 1, "the longer one stands for its beginning"
