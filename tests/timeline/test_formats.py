"""Every file of a timeline, read back by the rules of its format, says what the timeline says."""

from __future__ import annotations

import base64
import csv
import dataclasses
import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from readers import (
    Page,
    Row,
    audacity_rows,
    csv_rows,
    json_rows,
    rttm_rows,
    textgrid_rows,
    vtt_rows,
)

from vocalics import audio, timeline
from vocalics.audio import Clip
from vocalics.errors import MissingExtraError, VocalicsError
from vocalics.recognizer import Recognizer
from vocalics.timeline import Timeline, sound
from vocalics.timeline.stretches import spans


def rows(found: Timeline, windows: bool = False, cut: bool = False) -> list[Row]:
    """The timeline's own, by start; ``cut`` leaves out what holds no speech and ends a window where the next begins."""
    all_of = [
        (channel.name, start, end if cut else prediction.end, prediction.label)
        for channel in found.channels
        for start, end, prediction in spans(channel, windows)
        if prediction.confidence > 0 or not cut
    ]
    return sorted(all_of, key=lambda row: (row[1], row[0]))


def same(read: list[Row], wanted: list[Row]) -> bool:
    """Whether two lists agree, times to the millisecond."""
    assert len({row[0] for row in wanted}) == 2 and len({row[3] for row in wanted}) > 1, "there is something to compare"
    assert [(c, e) for c, _, _, e in read] == [(c, e) for c, _, _, e in wanted]
    times = [t for row in read for t in row[1:3]]
    return times == pytest.approx([t for row in wanted for t in row[1:3]], abs=0.00101)


@pytest.mark.parametrize("windows", [False, True])
def test_complete_formats_read_back(found: Timeline, windows: bool) -> None:
    kind = "windows" if windows else "segments"
    assert same(json_rows(timeline.encode(found, "json"), kind), rows(found, windows))
    assert same(csv_rows(timeline.encode(found, "csv", windows=windows)), rows(found, windows))
    assert rows(found, True) != rows(found)


@pytest.mark.parametrize("windows", [False, True])
def test_labels_read_back(found: Timeline, windows: bool, tmp_path: Path) -> None:
    wanted = rows(found, windows, cut=True)
    assert same(vtt_rows(timeline.encode(found, "vtt", windows=windows)), wanted)
    assert same(rttm_rows(timeline.encode(found, "rttm", windows=windows), "a_call"), wanted)
    assert same(audacity_rows(timeline.encode(found, "audacity", windows=windows)), wanted)
    assert same(
        textgrid_rows(timeline.encode(found, "textgrid"), tmp_path, "windows" if windows else "segments"), wanted
    )


def test_labels_of_one_channel_name_no_channel(recognizer: Recognizer, call: Path) -> None:
    mixed = timeline.build(recognizer, call, mix=True)
    assert ":" not in timeline.encode(mixed, "audacity").decode() and timeline.encode(mixed, "audacity")
    assert {row[0] for row in vtt_rows(timeline.encode(mixed, "vtt"))} == {"mono"}


def test_names_that_a_format_cannot_hold_are_changed(found: Timeline, tmp_path: Path) -> None:
    channel = dataclasses.replace(found.channels[0], name='channel "3"')
    odd = dataclasses.replace(found, path="x/a -->\n<b>&.wav", channels=(channel,))
    assert [row[0] for row in rttm_rows(timeline.encode(odd, "rttm"), "a_-->_<b>&")] == ['channel_"3"'] * 3
    # The second of three channels was left out: the third is still the third.
    third = dataclasses.replace(found, channels=(dataclasses.replace(channel, name="channel 3"),))
    assert {line.split()[2] for line in timeline.encode(third, "rttm").decode().splitlines()} == {"3"}
    assert len(textgrid_rows(timeline.encode(odd, "textgrid"), tmp_path)) == 3
    assert len(vtt_rows(timeline.encode(odd, "vtt"))) == 3
    page = Page(timeline.encode(odd, "html").decode())
    assert "b" not in [tag for tag, given in page.tags if "style" not in given]
    assert page.told["path"] == odd.path


def test_silence_is_a_file_of_every_format(recognizer: Recognizer, tmp_path: Path) -> None:
    audio.write(tmp_path / "a.wav", Clip(np.zeros(16_000, np.float32), 16_000))
    silent = timeline.build(recognizer, tmp_path / "a.wav")
    for name in timeline.FORMATS:
        data = timeline.encode(silent, name, source=tmp_path / "a.wav")
        assert bool(data) == (name not in ("rttm", "audacity"))
    assert textgrid_rows(timeline.encode(silent, "textgrid"), tmp_path) == []
    assert "Nobody speaks." in timeline.encode(silent, "html").decode()


def test_a_picture_is_drawn_a_row_per_channel(found: Timeline) -> None:
    import matplotlib.image

    two = matplotlib.image.imread(io.BytesIO(timeline.encode(found, "png")))
    one = matplotlib.image.imread(io.BytesIO(timeline.picture(dataclasses.replace(found, channels=found.channels[:1]))))
    assert two.shape[0] > 1.5 * one.shape[0] > 300 and two.shape[1] == one.shape[1]
    assert len(np.unique(two[::7, ::7].reshape(-1, two.shape[2]), axis=0)) > 20


# --- the page ---------------------------------------------------------------------------------------------------


def test_the_page_tells_all_segments(found: Timeline, call: Path) -> None:
    page = Page(timeline.page(found, call))
    assert same(page.rows, rows(found))
    buttons = [given for given in page.named("button") if "data-segment" in given]
    assert [given["data-segment"] for given in buttons] == [str(i) for i in range(5)]
    for (channel, _, _, emotion), given in zip(page.rows, buttons, strict=True):
        assert (given["aria-label"] or "").startswith(f"Play {channel}, {emotion}, at ")
    identities = [given["id"] for _, given in page.tags if "id" in given]
    assert len(identities) == len(set(identities))


def test_the_page_holds_the_recording_as_it_sounds(found: Timeline, call: Path) -> None:
    (player,) = Page(timeline.page(found, call)).named("audio")
    kind, _, code = (player["src"] or "").partition(",")
    assert kind == "data:audio/mpeg;base64"
    frames, rate = soundfile.read(io.BytesIO(base64.b64decode(code)))
    wanted = [audio.read(call, rate, channel=channel).samples for channel in (0, 1)]
    for i in (0, 1):
        n = min(len(frames), len(wanted[i]))
        assert np.corrcoef(frames[:n, i], wanted[i][:n])[0, 1] > 0.95, "in step with the recording"
    assert abs(np.corrcoef(wanted[0], wanted[1])[0, 1]) < 0.5


def test_a_long_recording_is_picked_by_the_reader(found: Timeline, call: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sound.data_uri(call, True, most_bytes=10_000) is None
    assert sound.data_uri(call, True) is not None
    monkeypatch.setattr(sound, "_mp3", lambda *_: None)
    for page in (Page(timeline.page(found, call)), Page(timeline.page(found))):
        assert [given.get("src") for given in page.named("audio")] == [None]
        assert "file" in [given.get("type") for given in page.named("input")]
        assert all("disabled" in given for given in page.named("button") if "data-segment" in given)


def test_the_page_names_no_address(found: Timeline, call: Path) -> None:
    written = timeline.page(found, call)
    page = Page(written)
    addresses = [v for _, given in page.tags for k, v in given.items() if k in ("src", "href", "action", "data")]
    assert [str(address)[:5] for address in addresses] == ["data:"]
    assert not re.search(r"https?://|url\(|@import|\bfetch\(", re.sub(r"base64,[^\"]*", "", written))
    (policy,) = [g["content"] for g in page.named("meta") if g.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in str(policy)


# --- by name and by ending --------------------------------------------------------------------------------------


def test_a_file_is_of_its_ending(found: Timeline, tmp_path: Path) -> None:
    for name, format in timeline.FORMATS.items():
        assert timeline.format_of(f"x/a{format.ending.upper()}") == name
        timeline.write(found, tmp_path / f"a{format.ending}")
        assert (tmp_path / f"a{format.ending}").read_bytes() == timeline.encode(found, name)
    timeline.write(found, tmp_path / "named.dat", "rttm")
    assert (tmp_path / "named.dat").read_bytes() == (tmp_path / "a.rttm").read_bytes()
    assert len(list(tmp_path.iterdir())) == len(timeline.FORMATS) + 1, "nothing half-written is left"


@pytest.mark.skipif(os.name != "posix", reason="has no permissions of this kind")
def test_a_page_that_can_be_heard_is_for_its_owner_alone(found: Timeline, call: Path, tmp_path: Path) -> None:
    def readers(name: str, sound: Path | None) -> int:
        timeline.write(found, tmp_path / name, source=sound)
        return (tmp_path / name).stat().st_mode & 0o077

    before = os.umask(0o022)
    try:
        assert readers("a.html", call) == 0
        assert "data:audio" in (tmp_path / "a.html").read_text(encoding="utf-8")
        assert readers("silent.html", None) == readers("a.json", call) == 0o044
        assert readers("silent.html", call) == 0, "nor one that takes the place of a silent one"
    finally:
        os.umask(before)


def test_no_cell_of_a_table_is_a_formula(found: Timeline) -> None:
    channels = tuple(dataclasses.replace(c, name=f"={c.name}") for c in found.channels)
    named = dataclasses.replace(found, path="=cmd|'/C calc'!A0.wav", model="@sum", channels=channels)
    read = list(csv.DictReader(io.StringIO(timeline.encode(named, "csv").decode())))
    assert {row["path"] for row in read} == {"./=cmd|'/C calc'!A0.wav"} and {row["model"] for row in read} == {"'@sum"}
    assert {row["channel"] for row in read} == {f"'={c.name}" for c in found.channels if c.segments}


def test_an_unknown_ending_or_name_is_an_error_that_names_the_known(found: Timeline, tmp_path: Path) -> None:
    words = (
        r'a\.doc: cannot write a timeline with the ending "\.doc"; use \.json, \.csv, \.vtt, \.rttm, \.txt, \.TextGrid'
    )
    with pytest.raises(VocalicsError, match=words):
        timeline.write(found, tmp_path / "a.doc")
    with pytest.raises(VocalicsError, match='unknown format "textgird"; did you mean "textgrid"'):
        timeline.encode(found, "textgird")


def test_without_matplotlib_it_is_said_what_to_install(found: Timeline, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise MissingExtraError("drawing a figure", "train")

    monkeypatch.setattr("vocalics.plots.require", missing)
    with pytest.raises(MissingExtraError, match="a picture of a timeline needs the extra 'timeline'"):
        timeline.encode(found, "png")


def test_a_page_of_hours_stays_small(found: Timeline) -> None:
    channel = found.channels[0]
    windows = tuple(
        dataclasses.replace(channel.windows[i % len(channel.windows)], start=1.5 * i, end=1.5 * i + 3)
        for i in range(9_600)
    )
    envelope = tuple(np.random.default_rng(0).uniform(0, 1, timeline.ENVELOPE_VALUES).tolist())
    long = dataclasses.replace(channel, windows=windows, envelope=envelope, envelope_step=14_400 / len(envelope))
    page = timeline.page(dataclasses.replace(found, duration=14_400.0, channels=(long,)))
    assert len(timeline.page(found)) < len(page) < 1_000_000
