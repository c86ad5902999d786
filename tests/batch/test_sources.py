"""What sources stand for: each input once, whatever its name, with what tells its states apart."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from vocalics.batch.job import Block, Input, divided
from vocalics.batch.sources import find
from vocalics.errors import ManifestError, VocalicsError

ODD = ["a\nnewline.wav", "quote'\".wav", "percent%20.wav", "käse ☕.wav", "[x].wav", "-.wav", "semi;comma,.wav"]


def touch(folder: Path, *names: str) -> Path:
    """Files of a few bytes."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(name))
    return folder


def names(*sources: object, folder: Path) -> list[str]:
    """The inputs' paths below a folder."""
    return [os.path.relpath(i.path, folder) for i in find([str(s) for s in sources]).inputs]


def test_a_folder_is_searched_for_audio_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "b.wav", "a.FLAC", "deep/er/c.mp3", ".hidden.wav", ".git/d.wav", "notes.txt", "a b/e.ogg")
    assert names(tmp_path, folder=tmp_path) == ["a.FLAC", "b.wav", "a b/e.ogg", "deep/er/c.mp3"]


def test_an_input_is_its_path_size_and_time(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav")
    os.utime(tmp_path / "a.wav", ns=(5, 7))
    assert find([str(tmp_path)]).inputs == (Input(str(tmp_path / "a.wav"), 5, "7"),)


def test_what_is_named_twice_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.wav", "b.wav")
    (tmp_path / "list.txt").write_text("a.wav\n\nb.wav\na.wav\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    found = find([".", "a.wav", str(tmp_path / "*.wav"), "list.txt", "./b.wav"])
    assert [Path(i.path).name for i in found.inputs] == ["a.wav", "b.wav"]
    assert found.n_repeated == 7


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_odd_names_are_names(tmp_path: Path) -> None:
    folder = touch(tmp_path / "in", *ODD)
    with (tmp_path / "m.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["path", "emotion"], *([f"in/{name}", "?"] for name in ODD)])
    assert sorted(names(folder, folder=folder)) == sorted(ODD)
    assert sorted(names(tmp_path / "m.csv", folder=folder)) == sorted(ODD)
    assert names(folder / ODD[4], folder=folder) == ["[x].wav"]  # a file first, a glob second
    strange = os.fsdecode(b"\xff\xfe.wav")
    try:
        touch(folder, strange)
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system takes UTF-8 only")
    assert strange in names(folder, folder=folder)


def test_manifests_name_their_recordings(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    touch(tmp_path, "clips/a.wav")
    paths = ["clips/a.wav", "clips/missing.wav", "s3://bucket/c.wav"]
    parquet.write_table(pyarrow.table({"path": paths, "x": [1, 2, 3]}), tmp_path / "m.parquet")
    found = find([str(tmp_path / "m.parquet")]).inputs
    assert [i.path for i in found] == [
        str(tmp_path / "clips/a.wav"), str(tmp_path / "clips/missing.wav"), "s3://bucket/c.wav",
    ]  # fmt: skip
    assert [i.size for i in found] == [11, None, None]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("m.csv", "file,emotion\na.wav,sad\n", "has no column path; it has file, emotion"),
        ("m.csv", "path\n", "holds no row"),
        ("m.csv", "path,x\n,1\n", "row 2 names no path"),
        ("m.txt", "\n\n", "names no recording"),
        ("m.parquet", "PAR1", "is no Parquet file"),
    ],
)
def test_unusable_tables_are_told(name: str, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(VocalicsError, match=said):
        find([str(tmp_path / name)])


def test_unusable_sources_are_told(tmp_path: Path) -> None:
    for source, said in {
        str(tmp_path / "missing"): "no such file or folder",
        str(tmp_path): "holds no audio file",
        str(tmp_path / "*.wav"): "matches no audio file",
        "nonsense://x/y.wav": "expected s3://",
        "s3://bucket/list.csv": "has to lie on this machine",
        "a\0b.wav": "no such file or folder",
    }.items():
        with pytest.raises(VocalicsError, match=said):
            find([source])
    (tmp_path / "m.csv").write_bytes(b"path\n\xff\xfe\n")
    with pytest.raises(ManifestError, match="no CSV in UTF-8"):
        find([str(tmp_path / "m.csv")])


def test_up_from_a_linked_folder_leads_where_the_system_goes(tmp_path: Path) -> None:
    touch(tmp_path, "v3/wavs/a.wav", "wavs/a.wav")
    (tmp_path / "v3" / "manifests").mkdir()
    (tmp_path / "v3" / "manifests" / "m.csv").write_text("path\n../wavs/a.wav\n")
    (tmp_path / "current").symlink_to(tmp_path / "v3" / "manifests")
    (found,) = find([str(tmp_path / "current" / "m.csv")]).inputs
    assert found.path == str(tmp_path / "v3" / "wavs" / "a.wav")
    # Without a way up, a link stays in the name.
    (tmp_path / "linked").symlink_to(tmp_path / "v3")
    (found,) = find([str(tmp_path / "linked" / "wavs" / "a.wav")]).inputs
    assert found.path == str(tmp_path / "linked" / "wavs" / "a.wav")


def test_by_content_the_same_bytes_are_one_input(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "c.wav")
    (tmp_path / "b.wav").write_bytes((tmp_path / "a.wav").read_bytes())
    found = find([str(tmp_path)], by_content=True)
    assert [Path(i.path).name for i in found.inputs] == ["a.wav", "c.wav"]
    assert found.n_repeated == 1
    assert len({i.digest for i in found.inputs}) == 2 and len(found.inputs[0].digest) == 64
    (tmp_path / "l.txt").write_text("https://example.org/a.wav\n", encoding="utf-8")
    with pytest.raises(VocalicsError, match="leave out --by-content"):
        find([str(tmp_path / "l.txt")], by_content=True)


def test_blocks_hold_every_input_once_and_are_bounded() -> None:
    inputs = [Input(f"/{i}", size) for i, size in enumerate([10] * 4000 + [50_000_000] * 3 + [10**10] + [None] * 9)]
    for n_workers in (1, 2, 64):
        blocks = list(divided(inputs, n_workers))
        assert [i for b in blocks for i in b.inputs] == inputs
        assert max(len(b.inputs) for b in blocks) <= 500
        assert all(len(b.inputs) == 1 or sum(i.size or 0 for i in b.inputs) <= 64_000_000 for b in blocks)
        assert len(blocks) >= 3 * n_workers
    assert [len(b.inputs) for b in divided(inputs[:3], 2)] == [1, 1, 1]
    assert len({b.name for b in blocks}) == len(blocks)


def test_a_block_travels_as_one_line(tmp_path: Path) -> None:
    block = Block((Input(os.fsdecode(b"/a\n\xff\"'.wav"), 3, "v"), Input("s3://b/ü", None, "")), "why", 2)
    line = block.to_json()
    assert "\n" not in line and line.isascii()
    assert Block.from_json(line) == block
