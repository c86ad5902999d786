"""The folder that needs no server: the browser says what Python says, and nothing is sent anywhere."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import browsing
import fakes
import numpy as np
import pytest
import soundfile

import vocalics
from vocalics import audio
from vocalics.audio import Clip
from vocalics.errors import ModelFileError, VocalicsError
from vocalics.streaming import StreamingRecognizer
from vocalics.web import site

pytestmark = pytest.mark.slow

CLIPS = sorted((Path(__file__).parents[2] / "examples" / "clips").glob("*.wav"))
PACKAGE = "VOCALICS_ONNXRUNTIME_WEB"
"""Environment variable: the unpacked npm package, where there is one on this machine."""


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The npm package's files that are used, in a folder; without them the test is skipped."""
    if os.environ.get(PACKAGE):
        return Path(os.environ[PACKAGE])
    try:
        files = site.fetched()
    except VocalicsError as error:
        pytest.skip(f"no onnxruntime-web: {error}")
    folder = tmp_path_factory.mktemp("package")
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def folder(runtime: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, in a folder below the one that is served: it works wherever it lies."""
    browsing.chromium()
    top = tmp_path_factory.mktemp("served")
    site.build(top / "some" / "where", ["default", "open"], runtime)
    return top


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Recordings of many rates, codings, lengths and numbers of channels; and some without a voice."""
    made = tmp_path_factory.mktemp("recordings")
    speech = [audio.read(path) for path in CLIPS]
    short = [audio.excerpt(clip, 0, 1.6) for clip in speech]

    def write(name: str, samples: Any, rate: int, **settings: Any) -> None:
        soundfile.write(made / name, samples, rate, **settings)

    for clip, name, rate, settings in (
        (short[0], "telephone.wav", 8_000, {"subtype": "PCM_16"}),
        (short[1], "cd.flac", 44_100, {}),
        (short[2], "studio.wav", 96_000, {"subtype": "PCM_24"}),
        (short[3], "odd.wav", 22_222, {"subtype": "FLOAT"}),
        (short[0], "old.wav", 11_025, {"subtype": "PCM_U8"}),
        (short[1], "music.ogg", 32_000, {}),
        (short[2], "film.mp3", 48_000, {}),
        (short[3], "call.opus", 24_000, {"format": "OGG", "subtype": "OPUS"}),
        (short[0], "law.wav", 16_000, {"subtype": "ULAW"}),
    ):
        write(name, audio.resample(clip, rate).samples, rate, **settings)
    other = fakes.voice(1.6, 210.0).samples
    write("stereo.wav", np.stack([short[1].samples[: len(other)], other], axis=1), 16_000)
    for i, rate in enumerate((12_000, 48_000)):
        write(f"voice{i}.wav", fakes.voice(1.5 + i, 120.0 + 60 * i, rate).samples, rate)
    quiet = np.zeros(24_000, np.float32)
    write("margins.wav", np.concatenate([quiet, 0.05 * speech[0].samples, quiet]), 16_000)
    write("long.wav", np.concatenate([part for c in speech for part in (c.samples, quiet[:12_000])]), 16_000)
    write("silence.wav", quiet, 16_000)
    write("hiss.wav", fakes.noise(2.0).samples, 16_000)
    return [*CLIPS, *sorted(made.iterdir())]


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    path = tmp_path_factory.mktemp("microphone") / "spoken.wav"
    samples = [audio.read(clip, 48_000).samples for clip in CLIPS]
    audio.write(path, Clip(np.concatenate(samples), 48_000))
    with browsing.browser(path) as launched:
        yield launched


@pytest.fixture
def page(chrome: Any, folder: Path) -> Iterator[Any]:
    """The page; whatever it asks for but files of its folder fails the test."""
    with browsing.static_server(folder) as server, browsing.opened(chrome, f"{server}some/where/") as found:
        other: list[str] = []
        found.on("request", lambda r: other.append(f"{r.method} {r.url}") if not _is_file(r, server) else None)
        found.on("websocket", lambda w: other.append(w.url))
        found.wait_for_selector("#about .facts", state="attached")
        found.evaluate(
            "() => { window.told = {}; document.addEventListener('vocalics-result', ({ detail }) => {"
            " window.told[detail.timeline.path] = detail; }); }"
        )
        yield found
        assert not other


def _is_file(request: Any, server: str) -> bool:
    own = request.method == "GET" and request.post_data is None and request.url.startswith(f"{server}some/where/")
    return own or request.url.startswith("blob:")


def test_the_browser_says_what_python_says(page: Any, recordings: list[Path]) -> None:
    model = vocalics.load()
    assert len(recordings) >= 12
    assert "does not leave" in page.inner_text("#privacy")
    page.set_input_files("#files", [str(path) for path in recordings])
    labels, apart = set(), []
    for i, path in enumerate(recordings, 1):
        page.wait_for_selector(f".result:nth-child({i}):not([aria-busy])", timeout=60_000)
        told = page.evaluate("name => window.told[name]?.whole", path.name)
        said = model.predict(path)
        text = page.inner_text(f".result:nth-child({i})")
        assert told is not None, f"{path.name}: {text}"
        assert told["label"] == said.label, path.name
        assert told["end"] == pytest.approx(said.end, abs=0.06 if path.suffix in (".mp3", ".opus") else 1e-3), path.name
        apart.append(max(abs(told["probabilities"][e] - p) for e, p in said.probabilities.items()))
        labels.add(said.label)
        if path.suffix == ".wav" or path.suffix == ".flac":
            assert apart[-1] < 0.02, f"{path.name}: {told['probabilities']}"
    assert len(labels) > 2 and "no speech" in labels
    assert 0 < max(apart) < 0.1


def test_windows_are_those_of_python(page: Any, recordings: list[Path]) -> None:
    model = vocalics.load("open")
    (path,) = (path for path in recordings if path.name == "long.wav")
    page.select_option("#model", "open")
    page.wait_for_selector("#about h2:text-is('open')", state="attached")
    page.click(".options summary")
    page.fill("#window", "2.5")
    page.fill("#hop", "0.75")
    page.set_input_files("#files", str(path))
    page.wait_for_selector(".result:not([aria-busy])", timeout=60_000)
    told = page.evaluate("() => window.told['long.wav'].timeline.channels[0]")
    said = list(model.timeline(path, window=2.5, hop=0.75))
    assert len(told["windows"]) == len(said) > 12
    for one, other in zip(told["windows"], said, strict=True):
        assert (one["start"], one["end"], one["label"]) == (other.start, other.end, other.label)
        assert one["probabilities"] == pytest.approx(dict(other.probabilities), abs=2e-3)
    assert 3 < len(told["segments"]) < 7, "the clips, set apart by pauses"
    assert sum(told["summary"]["shares"].values()) == pytest.approx(1)


def test_live_without_a_server(page: Any) -> None:
    page.click("#tab-live")
    page.click("#listen")
    page.wait_for_selector("#bars li.first", timeout=60_000)
    assert page.inner_text("#now") in vocalics.load().emotions
    page.click("#listen")
    page.wait_for_selector("#now:text('Not listening')")


STREAMED = """async ([samples, adapt, maxLag]) => {
  const named = (name) => import(new URL(`static/${name}`, document.baseURI).href);
  const [{ config }, { LocalEngine }] = await Promise.all(["config.js", "js/engine-local.js"].map(named));
  const engine = new LocalEngine(config);
  const told = [];
  await new Promise(async (resolve, reject) => {
    const handlers = { prediction: (one) => told.push(one), error: reject, end: resolve };
    const { feed, finish } = await engine.live(16000, { model: "default", window: 2, hop: 1, adapt }, handlers, maxLag);
    feed(Float32Array.from(samples));
    finish();
  });
  return told;
}"""


MEANWHILE = """async ([samples, seconds]) => {
  const named = (name) => import(new URL(`static/${name}`, document.baseURI).href);
  const [{ config }, { LocalEngine }] = await Promise.all(["config.js", "js/engine-local.js"].map(named));
  const engine = new LocalEngine(config);
  const told = [];
  const options = { model: "default", window: 1, hop: 0.5, adapt: false };
  const push = (word) => () => told.push(word);
  const handlers = { prediction: push("live"), error: (e) => told.push(e.message), end: push("end") };
  const { feed, finish } = await engine.live(16000, options, handlers);
  const file = new Float32Array(16000 * seconds).map((_, i) => samples[i % samples.length]);
  const given = { model: "default", channels: [file], rate: 16000, path: "x.wav", window: 2, hop: 1 };
  const analysed = engine.ask("analyse", given, () => told.push("share")).then(() => told.push("analysed"));
  for (let at = 0; at < samples.length; at += 4000) {
    feed(Float32Array.from(samples.slice(at, at + 4000)));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  finish();
  await analysed;
  return told;
}"""


def test_live_goes_on_while_a_file_is_analysed(page: Any) -> None:
    told = page.evaluate(MEANWHILE, [fakes.voice(4.0).samples.tolist(), 90])
    analysed = told.index("analysed")
    before = told[:analysed]
    assert before.count("live") >= 4 and "end" in before, told
    assert before.count("share") > 40 and before.index("live") < len(before) - 10


def test_live_gets_used_to_the_voice_where_that_is_chosen(page: Any) -> None:
    samples = np.concatenate([audio.read(path, 16_000).samples for path in CLIPS])
    plain, adapted = (page.evaluate(STREAMED, [samples.tolist(), adapt, None]) for adapt in (False, True))
    assert len(plain) == len(adapted) > 5 and plain[0] == adapted[0]
    stream = StreamingRecognizer(vocalics.load(), 16_000, 2.0, 1.0, adapt=True)
    said = [*stream.feed(samples), *stream.flush()]
    for one, other in zip(adapted, said, strict=True):
        assert one["probabilities"] == pytest.approx(dict(other.probabilities), abs=2e-3)
    # Who watches live wants the newest: of what came in at once, the last is judged (the first may be under way).
    (*earlier, last) = page.evaluate(STREAMED, [samples.tolist(), False, 0.5])
    assert len(earlier) <= 1 and {**last, "shown": None} == {**plain[-1], "shown": None}
    last = plain[-1]["probabilities"]
    assert max(abs(adapted[-1]["probabilities"][e] - p) for e, p in last.items()) > 0.005
    page.click("#tab-live")
    page.check("#adapt")
    page.click("#listen")
    page.wait_for_selector("#bars li.first", timeout=60_000)
    assert page.is_disabled("#adapt") and page.inner_text("#now") in vocalics.load().emotions
    page.click("#listen")
    page.wait_for_selector("#now:text('Not listening')")


def test_a_model_that_is_chosen_while_the_browser_asks_closes_the_microphone(page: Any) -> None:
    page.evaluate(
        "() => { const media = navigator.mediaDevices, real = media.getUserMedia.bind(media);"
        " media.getUserMedia = async (...asked) => { await new Promise((allow) => (window.allow = allow));"
        " window.given = await real(...asked); return window.given; }; }"
    )
    page.click("#tab-live")
    page.click("#listen")
    page.wait_for_function("() => window.allow")
    page.select_option("#model", "open")
    page.wait_for_selector("#about h2:text-is('open')", state="attached")
    page.evaluate("() => window.allow()")
    page.wait_for_function("() => window.given?.getTracks().every((track) => track.readyState === 'ended')")
    page.wait_for_selector("#listen:not([disabled]):text('Start listening')")


DEAD = """async () => {
  const named = (name) => import(new URL(`static/${name}`, document.baseURI).href);
  const names = ["config.js", "js/engine-local.js", "js/storage.js"];
  const [{ config }, { LocalEngine }, { remember, remembered }] = await Promise.all(names.map(named));
  const engine = new LocalEngine(config);
  const told = [];
  const options = { model: "default", window: 2, hop: 1, adapt: false };
  await engine.live(16000, options, { prediction: () => {}, error: (e) => told.push(e.detail), end: () => {} });
  engine.worker.dispatchEvent(new ErrorEvent("error", { message: "gone" }));
  const ask = () => engine.ask("analyse", {}).catch((e) => told.push(e.detail));
  await Promise.race([ask(), new Promise((resolve) => setTimeout(resolve, 5000))]);
  const blocked = () => { throw new DOMException("no", "SecurityError"); };
  remember(blocked, "a", "b");
  remember(() => sessionStorage, "a", "c");
  return [...told, remembered(blocked, "a"), remembered(() => sessionStorage, "a"), remembered(blocked, "x")];
}"""


def test_a_worker_that_is_gone_is_told_and_storage_may_be_blocked(page: Any) -> None:
    assert page.evaluate(DEAD) == ["gone", "gone", "b", "c", None]


def test_a_site_that_was_not_finished_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    for name in site.RUNTIME:
        (runtime / name).write_text("x")

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(site.shutil, "copytree", full)
        with pytest.raises(OSError, match="no space"):
            site.build(tmp_path / "out", ["tiny"], runtime)
    assert site.build(tmp_path / "out", ["tiny"], runtime) == site.build(tmp_path / "out", ["tiny"], runtime)


def test_a_file_that_is_no_sound_is_an_error_in_words(page: Any, tmp_path: Path) -> None:
    (tmp_path / "letter.mp3").write_text("Dear Sir or Madam, " * 9)
    (tmp_path / "empty.wav").touch()
    page.set_input_files("#files", [str(tmp_path / "letter.mp3"), str(tmp_path / "empty.wav")])
    page.wait_for_selector(".result:nth-child(2):not([aria-busy])", timeout=60_000)
    assert re.search("letter.mp3.*cannot be decoded", page.inner_text(".result:nth-child(1)"), re.DOTALL)
    assert re.search("empty.wav.*0 bytes", page.inner_text(".result:nth-child(2)"), re.DOTALL)
    audio.write(tmp_path / "whole.wav", fakes.voice(2.0))
    (tmp_path / "half.wav").write_bytes((tmp_path / "whole.wav").read_bytes()[:-1000])
    page.set_input_files("#files", [str(tmp_path / "half.wav")])
    page.wait_for_selector(".result:nth-child(1):not([aria-busy]) >> text=is truncated", timeout=60_000)
    page.click(".options summary")
    page.fill("#hop", "0.00001")
    audio.write(tmp_path / "a.wav", fakes.voice(1.0))
    page.set_input_files("#files", [str(tmp_path / "a.wav")])
    page.wait_for_selector(".result:nth-child(1):not([aria-busy]) >> text=expected at least 0.1 s", timeout=60_000)


def test_what_is_written(folder: Path) -> None:
    files = {str(p.relative_to(folder / "some/where")) for p in folder.rglob("*") if p.is_file()}
    models = {name for name in files if name.startswith("models/")}
    assert {re.sub("-.*", "", name) for name in models} == {"models/default", "models/open"}
    assert {name for name in files if name.startswith("onnxruntime-web/")} == {
        f"onnxruntime-web/{name}" for name in (*site.RUNTIME, "LICENSE.txt")
    }
    assert {"index.html", "static/config.js", "static/js/app.js", "static/style.css"} <= files
    assert "static/index.html" not in files


def test_it_is_written_anew_and_nothing_else_is_touched(folder: Path, tmp_path: Path, runtime: Path) -> None:
    own = tmp_path / "site"
    shutil.copytree(folder / "some/where", own)
    (own / "CNAME").write_text("a file of theirs")
    site.build(own, ["open"], runtime)
    assert [path.name[:4] for path in (own / "models").iterdir()] == ["open"]
    assert (own / "CNAME").exists()
    # A page of somebody else's has a configuration of that name, too.
    (tmp_path / "theirs" / "static").mkdir(parents=True)
    (tmp_path / "theirs" / "static" / "config.js").write_text("export const config = {};")
    with pytest.raises(VocalicsError, match="theirs: holds other files"):
        site.build(tmp_path / "theirs", ["open"], runtime)
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.txt").write_text("x")
    with pytest.raises(VocalicsError, match="papers: holds other files"):
        site.build(tmp_path / "papers", ["open"], runtime)


def fake_package(folder: Path) -> Path:
    """What has the names of the package's files, and nothing in them."""
    (folder / "dist").mkdir(parents=True)
    for name in site.RUNTIME:
        (folder / "dist" / name).write_text(name)
    return folder


def test_the_command(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    package = fake_package(tmp_path / "package")
    code, out, err = run("site", str(tmp_path / "out"), "--onnxruntime-web", str(package))
    assert (code, err) == (0, "")
    assert "written to" in out and (tmp_path / "out" / "index.html").is_file()
    code, _, err = run("site", str(tmp_path / "other"), "--onnxruntime-web", str(tmp_path / "out"))
    assert code == 1 and "npm pack onnxruntime-web@" in err and len(err.splitlines()) == 1
    assert not (tmp_path / "other").exists()


def test_a_runtime_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    forged = tmp_path / "onnxruntime-web.tgz"
    forged.write_bytes(b"something else")
    with pytest.raises(VocalicsError, match=r"is not what was published .*nothing was used"):
        site.fetched(forged.as_uri())


def test_without_network_the_message_says_what_to_do() -> None:
    with pytest.raises(VocalicsError, match=r"cannot be fetched .*--onnxruntime-web FOLDER"):
        site.fetched("http://127.0.0.1:1/onnxruntime-web.tgz")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preprocess": ({"name": "normalise_peak", "peak_db": -1.0},)}, "prepared .normalise_peak"),
        ({"name": "default"}, "two models have one name"),
    ],
)
def test_a_model_that_the_page_cannot_run_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    fakes.waveform_model(tmp_path / "mine.onnx", **changes)
    with pytest.raises(VocalicsError, match=message):
        site.build(tmp_path / "out", ["default", str(tmp_path / "mine.onnx")], fake_package(tmp_path / "package"))
    assert not (tmp_path / "out").exists()


def test_a_model_of_features_is_refused(tmp_path: Path) -> None:
    from vocalics.export.card import with_card

    card = fakes.card(input="features", feature_set="prosody", n_features=4)
    (tmp_path / "mine.onnx").write_bytes(with_card(fakes.features_graph(), card))
    with pytest.raises(ModelFileError, match="prosody, which a browser does not compute"):
        site.build(tmp_path / "out", [str(tmp_path / "mine.onnx")], fake_package(tmp_path / "package"))
