"""Recordings behind URLs: in memory, and from a server that may fail."""

from __future__ import annotations

import errno
import http.server
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fakes
import pytest

from vocalics import audio, batch
from vocalics.batch import remote, store
from vocalics.batch.job import Block, Input
from vocalics.batch.running import planned
from vocalics.batch.sources import find
from vocalics.batch.work import Worker
from vocalics.errors import AudioError, MissingExtraError, VocalicsError

fsspec = pytest.importorskip("fsspec")
Rows = Callable[[Path, str], list[dict[str, Any]]]


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[str]:
    """Two clips and a text in fsspec's memory."""
    audio.write(tmp_path / "a.wav", fakes.voice(0.6))
    system = fsspec.filesystem("memory")
    for name in ("calls/a.wav", "calls/deep/b ü.wav", "calls/notes.txt"):
        system.pipe(f"/{name}", (tmp_path / "a.wav").read_bytes())
    yield "memory://calls"
    system.rm("/calls", recursive=True)


def test_folders_globs_and_files_of_a_store(memory: str) -> None:
    everything = find([memory]).inputs
    assert [i.path for i in everything] == ["memory://calls/a.wav", "memory://calls/deep/b ü.wav"]
    assert all(i.size and i.size > 1000 and i.version for i in everything)
    assert [i.path for i in find([f"{memory}/*.wav"]).inputs] == ["memory://calls/a.wav"]
    assert [i.size for i in find([f"{memory}/a.wav"]).inputs] == [everything[0].size]
    with pytest.raises(VocalicsError, match="no such file or folder"):
        find([f"{memory}/missing.wav"])
    with pytest.raises(VocalicsError, match="holds no audio file"):
        find([f"{memory}/*.txt2"])


def test_what_is_fetched_is_judged_as_a_file_and_named_by_its_url(
    memory: str, model: str, tmp_path: Path, rows: Rows
) -> None:
    fsspec.filesystem("memory").pipe("/calls/bad.wav", b"no sound")
    job = planned(tmp_path / "out", "predict", model, "", None, None, False, False, False, 3)
    with store.opened(job):
        report = Worker(job).process(Block(find([memory]).inputs))
    assert (report.n_inputs, report.n_failed) == (3, 1)
    assert [r["path"] for r in rows(tmp_path / "out", "predictions")] == [
        "memory://calls/a.wav", "memory://calls/deep/b ü.wav",
    ]  # fmt: skip
    (failed,) = rows(tmp_path / "out", "failures")
    assert failed["path"] == "memory://calls/bad.wav"
    assert failed["reason"].startswith("cannot be decoded")


def test_what_is_there_goes_before_a_pattern(memory: str) -> None:
    system = fsspec.filesystem("memory")
    sound = system.cat("/calls/a.wav")
    for name in ("rec1.wav", "rec[1].wav", "of [2024]/c.wav"):
        system.pipe(f"/calls/{name}", sound)
    assert [i.path for i in find([f"{memory}/rec[1].wav"]).inputs] == ["memory://calls/rec[1].wav"]
    assert [i.path for i in find([f"{memory}/of [2024]/"]).inputs] == ["memory://calls/of [2024]/c.wav"]
    assert [i.path for i in find([f"{memory}/rec[0-9].wav"]).inputs] == ["memory://calls/rec1.wav"]


def test_a_folder_of_this_machine_by_url(tmp_path: Path, model: str) -> None:
    (tmp_path / "in").mkdir()
    audio.write(tmp_path / "in" / "a.wav", fakes.voice(0.6))
    (found,) = find([f"{(tmp_path / 'in').as_uri()}/"]).inputs
    assert found.path == (tmp_path / "in" / "a.wav").as_uri()
    assert batch.run([f"{(tmp_path / 'in').as_uri()}/"], tmp_path / "out", model=model, workers=1).n_failed == 0


def test_who_fetches_gives_signs_of_life_and_leaves_nothing(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    signs: list[int] = []
    monkeypatch.setattr(remote, "_SIGN_SECONDS", 0.0)
    with remote.fetched(f"{memory}/a.wav", lambda: signs.append(1)) as copy:
        assert Path(copy).stat().st_size > 1_000
        remote.sweep()
        assert Path(copy).exists(), "its process lives"
        assert Path(copy).parent.name.startswith(f"{remote._COPIES}{os.getpid()}-")
    assert signs and not Path(copy).exists()
    dead = subprocess.Popen(["true"])
    dead.wait()
    orphan = Path(tempfile.gettempdir()) / f"{remote._COPIES}{dead.pid}-x"
    orphan.mkdir()
    remote.sweep()
    assert not orphan.exists()


def test_a_full_disk_or_a_missing_package_stops_the_job(
    memory: str, model: str, tmp_path: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = planned(tmp_path / "out", "predict", model, "", None, None, False, False, False, 3)
    with store.opened(job):
        worker = Worker(job)

        def full(*_: Any, **__: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(type(fsspec.filesystem("memory")), "get_file", full)
            with pytest.raises(VocalicsError, match=r"has no room for what is fetched .*set TMPDIR"):
                worker.process(Block((Input(f"{memory}/a.wav"),)))
        monkeypatch.setitem(sys.modules, "s3fs", None)
        with pytest.raises(MissingExtraError, match="needs the package s3fs"):
            worker.process(Block((Input("s3://bucket/a.wav"),)))
    assert rows(tmp_path / "out", "inputs") == []


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Counter[str]]]:
    """A server of a folder: names that begin with "busy" are there the second time, "broken" never."""
    asked: Counter[str] = Counter()
    folder = tmp_path / "served"
    folder.mkdir()
    for name in ("a", "b", "busy", "broken"):
        audio.write(folder / f"{name}.wav", fakes.voice(0.6))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            asked[name] += 1
            if name.startswith("broken") or (name.startswith("busy") and asked[name] == 1):
                self.send_error(503)
            else:
                super().do_GET()

        def log_message(self, *_arguments: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", asked
        running.shutdown()
        thread.join()


def test_a_list_of_urls_with_a_server_that_fails_now_and_then(
    server: tuple[str, Counter[str]], model: str, tmp_path: Path, rows: Rows
) -> None:
    pytest.importorskip("aiohttp")
    url, asked = server
    names = ["a.wav", "b.wav", "busy.wav", "broken.wav", "missing.wav"]
    (tmp_path / "list.txt").write_text("\n".join(f"{url}/{name}" for name in names), encoding="utf-8")
    out = tmp_path / "out"
    summary = batch.run([tmp_path / "list.txt"], out, model=model, workers=1, block=5, attempts=2)
    assert [r["path"].rpartition("/")[2] for r in rows(out, "predictions")] == ["a.wav", "b.wav", "busy.wav"]
    failed = {r["path"].rpartition("/")[2]: r for r in rows(out, "failures")}
    assert failed.keys() == {"broken.wav", "missing.wav"}
    assert "503" in failed["broken.wav"]["reason"] and failed["broken.wav"]["attempts"] == 2
    assert "FileNotFoundError" in failed["missing.wav"]["reason"] and failed["missing.wav"]["attempts"] == 1
    assert sum(summary.retried.values()) == 2
    assert asked["a.wav"] == 1 and asked["busy.wav"] == 2
    # One that is named is not downloaded to find out that it is no folder.
    before = asked["b.wav"]
    (item,) = find([f"{url}/b.wav"]).inputs
    assert item.path == f"{url}/b.wav" and item.size and asked["b.wav"] == before
    again = batch.run([tmp_path / "list.txt"], out, model=model, workers=1)
    assert (again.n_before, again.n_done) == (5, 0)


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    if importlib.util.find_spec("s3fs"):
        pytest.skip("s3fs is installed here")
    with pytest.raises(VocalicsError, match="needs the package s3fs; install it with: pip install s3fs"):
        find(["s3://bucket/calls/"])


@pytest.mark.parametrize(
    ("name", "asked", "url"),
    [
        ("bucket/a b.wav", "s3://bucket/*", "s3://bucket/a b.wav"),
        ("container/a.wav", "az://container/", "az://container/a.wav"),
        ("/pub/a.wav", "sftp://me@host:22/pub", "sftp://me@host:22/pub/a.wav"),
        ("https://host/x/a.wav", "https://host/x/", "https://host/x/a.wav"),
    ],
)
def test_what_is_found_is_named_as_it_was_asked_for(name: str, asked: str, url: str) -> None:
    assert remote._url(name, asked) == url


def test_what_may_pass_is_told_from_what_stays() -> None:
    def caused(cause: Exception) -> AudioError:
        try:
            raise AudioError("a.wav: cannot be opened") from cause
        except AudioError as error:
            return error

    class AnswerError(Exception):
        def __init__(self, status: int) -> None:
            self.status = status

    for error in (OSError(errno.EIO, "x"), TimeoutError(), ConnectionResetError(), caused(OSError(errno.ESTALE, "x"))):
        assert remote.is_passing(error)
    for error in (OSError(errno.ENOENT, "x"), ValueError(), caused(FileNotFoundError()), AudioError("truncated")):
        assert not remote.is_passing(error)
    assert remote.is_passing(AnswerError(503)) and remote.is_passing(AnswerError(429))
    assert not remote.is_passing(AnswerError(403)) and not remote.is_passing(AnswerError(404))


def test_a_bucket_of_s3(model: str, tmp_path: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against moto, which answers as S3 does."""
    s3fs = pytest.importorskip("s3fs", reason="s3:// needs s3fs")
    moto = pytest.importorskip("moto.server", reason="S3 is played by moto[server]")
    served = moto.ThreadedMotoServer(port=0)
    served.start()
    try:
        host = "http://{}:{}".format(*served.get_host_and_port())
        for name, value in {
            "AWS_ENDPOINT_URL": host,
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        audio.write(tmp_path / "a.wav", fakes.voice(0.6))
        bucket = s3fs.S3FileSystem(endpoint_url=host)
        bucket.mkdir("bucket")
        bucket.put_file(str(tmp_path / "a.wav"), "bucket/calls/ü a.wav")
        bucket.pipe("bucket/calls/deep/bad.wav", b"no sound")
        out = tmp_path / "out"
        summary = batch.run(["s3://bucket/calls/", "s3://bucket/calls/*/*.wav"], out, model=model, workers=1)
        assert (summary.n_done, summary.n_failed, summary.n_repeated) == (2, 1, 1)
        (row,) = rows(out, "predictions")
        assert row["path"] == "s3://bucket/calls/ü a.wav" and row["size"] == (tmp_path / "a.wav").stat().st_size
        bucket.pipe("bucket/calls/deep/bad.wav", (tmp_path / "a.wav").read_bytes())
        again = batch.run("s3://bucket/calls/", out, model=model, workers=1)
        assert again.changed == ("s3://bucket/calls/deep/bad.wav",) and again.n_failed == 0
    finally:
        served.stop()
