"""What is written beside a file takes its place whole, or vanishes and leaves the older one."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from vocalics.cli.outputs import refuse_unwritable
from vocalics.errors import VocalicsError
from vocalics.files import part_of, replacing, write_text

posix = pytest.mark.skipif(sys.platform == "win32", reason="has no such permissions or links")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    for text in ("first", "second"):
        before = target.read_text() if target.exists() else None
        with replacing(target) as part:
            assert part.parent == tmp_path and part.name.startswith(".a.txt.") and part.suffix == ".part"
            part.write_text(text)
            assert (target.read_text() if target.exists() else None) == before
        assert target.read_text() == text and [*tmp_path.iterdir()] == [target]
    write_text(str(target), "é\udce9", errors="replace")
    assert target.read_text(encoding="utf-8") == "é?"


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt(), SystemExit(3)])
def test_what_fails_leaves_the_older_file_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "a.txt"
    for there in (False, True):
        if there:
            target.write_text("old")
        with pytest.raises(type(error)) as caught, replacing(target) as part:
            part.write_text("half")
            raise error
        assert caught.value is error
        assert [p.read_text() for p in tmp_path.iterdir()] == ["old"] * there
    with pytest.raises(UnicodeEncodeError):
        write_text(target, "\udce9")
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def test_an_error_names_the_file_and_not_its_part(tmp_path: Path) -> None:
    for target, kind in ((tmp_path / "none" / "a.txt", FileNotFoundError), (tmp_path / "folder", OSError)):
        (tmp_path / "folder").mkdir(exist_ok=True)
        with pytest.raises(kind) as caught:
            write_text(target, "text")
        assert caught.value.filename == str(target)
        assert [p.name for p in tmp_path.iterdir()] == ["folder"], "no folder is made, no part is left"


@posix
def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    real, link = tmp_path / "kept" / "real.txt", tmp_path / "link.txt"
    link.symlink_to(Path("kept", "real.txt"))
    for text in ("new", "newer"):  # it leads nowhere at first
        refuse_unwritable(link)
        with replacing(link) as part:
            assert part.parent == real.parent
            part.write_text(text)
        assert link.is_symlink() and real.read_text() == text
    assert {*tmp_path.rglob("*")} == {real.parent, real, link}
    link.unlink()
    link.symlink_to(tmp_path / "kept" / "real.txt" / "a.txt")
    with pytest.raises(VocalicsError, match=r"link\.txt: cannot be written"):
        refuse_unwritable(link)


@posix
def test_permissions_stay(tmp_path: Path) -> None:
    target, new = tmp_path / "a.txt", tmp_path / "new.txt"
    new.touch()
    write_text(target, "text")
    assert mode(target) == mode(new), "a new file has what any new one has"
    for wanted in (0o640, 0o600, 0o444, 0o755):
        target.chmod(wanted)
        with replacing(target) as part:
            assert mode(part) == 0o600, "nobody reads a part who may not read the file"
            part.write_text("text")
        assert mode(target) == wanted
    for wanted in (0o600, 0o755):
        write_text(target, "text", mode=wanted)
        assert mode(target) == wanted


def test_writers_at_once_do_not_meet(tmp_path: Path) -> None:
    target, texts = tmp_path / "a.txt", [f"{i}" * 100_000 for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: write_text(target, text), texts * 4))
    assert target.read_text() in texts and [*tmp_path.iterdir()] == [target]
    with replacing(target) as one, replacing(target) as other:
        one.write_text("first")
        other.write_text("other")
    assert target.read_text() == "first", "who ends last counts"


@posix
def test_what_a_killed_process_leaves_can_be_known(tmp_path: Path) -> None:
    target = tmp_path / "blocks" / "part-1.parquet"
    target.parent.mkdir()
    target.write_text("old")
    code = f"import os, vocalics.files as f\nwith f.replacing({str(target)!r}) as p: os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    (left,) = tmp_path.glob("*/.*.part")
    assert left.name.startswith(".part-1.parquet.") and target.read_text() == "old"


def test_a_part_ends_as_its_file_where_the_writer_goes_by_that(tmp_path: Path) -> None:
    target = tmp_path / "a.b.npy"
    with replacing(target, keep_suffix=True) as part:
        assert part.name.startswith(".a.b.") and part.name.endswith(".part.npy")
        np.save(part, np.arange(3))
    assert np.load(target).tolist() == [0, 1, 2] and [*tmp_path.iterdir()] == [target]


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    for name in ("a" * 250 + ".txt", "é" * 125 + ".txt"):
        write_text(tmp_path / name, name)
        assert (tmp_path / name).read_text(encoding="utf-8") == name
        assert part_of(tmp_path / name) != part_of(tmp_path / name)


@posix
def test_a_pipe_or_device_is_given_the_whole_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        read = pool.submit(pipe.read_text)
        write_text(pipe, "whole")
        assert read.result(timeout=10) == "whole"
    assert pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]
    write_text(os.devnull, "gone")
    assert Path(os.devnull).is_char_device()


@posix
def test_what_a_shell_has_open_is_added_to_and_no_command_refuses_it(tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    out.write_text("EARLIER\n")
    code = "from vocalics.files import write_text; write_text('/dev/stdout', 'LATER')"
    with out.open("ab") as sink:
        subprocess.run([sys.executable, "-c", code], stdout=sink, check=True)
    assert out.read_text() == "EARLIER\nLATER"
    refuse_unwritable(Path("/dev/stdout"))
    refuse_unwritable(Path(os.devnull))


@posix
def test_below_a_device_nothing_can_be_written_and_a_file_in_memory_is_one() -> None:
    with pytest.raises(VocalicsError, match=r"report\.html: cannot be written \("):
        refuse_unwritable(Path("/dev/null/report.html"))
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK):
        target = memory / f"vocalics-test-{os.getpid()}.txt"
        try:
            refuse_unwritable(target)
            write_text(target, "kept")
            assert target.read_text() == "kept" and not target.is_symlink()
        finally:
            target.unlink(missing_ok=True)
