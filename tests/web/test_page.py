"""The page, in a browser, before a real server: by mouse, by keyboard and by microphone."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browsing
import numpy as np
import pytest

import vocalics
from vocalics import audio, recognizer
from vocalics.audio import Clip
from vocalics.recognizer import Recognizer

pytestmark = pytest.mark.slow

pytest.importorskip("fastapi")
STATIC = Path(vocalics.__file__).parent / "web" / "static"
CLIPS = sorted((Path(__file__).parents[2] / "examples" / "clips").glob("*.wav"))
TOKEN = "voc_test"


@pytest.fixture(scope="module")
def models() -> dict[str, Recognizer]:
    return {name: vocalics.load(name) for name in ("default", "open")}


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the microphone hears: the example clips, one after the other."""
    samples = np.concatenate([audio.read(path, 48_000).samples for path in CLIPS])
    path = tmp_path_factory.mktemp("microphone") / "spoken.wav"
    audio.write(path, Clip(samples, 48_000))
    return path


@pytest.fixture(scope="module")
def address(models: dict[str, Recognizer]) -> Iterator[str]:
    from vocalics.web.app import create_app
    from vocalics.web.settings import Settings

    with browsing.asgi_server(create_app(Settings(), models)) as found:
        yield found


@pytest.fixture(scope="module")
def chrome(spoken: Path) -> Iterator[Any]:
    with browsing.browser(spoken) as launched:
        yield launched


@pytest.fixture
def page(chrome: Any, address: str) -> Iterator[Any]:
    with browsing.opened(chrome, address) as found:
        found.wait_for_selector("#about .facts", state="attached")
        yield found


def upload(page: Any, *paths: Path) -> list[Any]:
    """Give the page files; return their results, in order."""
    page.set_input_files("#files", [str(path) for path in paths])
    page.wait_for_selector(f".result:nth-child({len(paths)}):not([aria-busy])", timeout=60_000)
    return list(page.query_selector_all(".result"))


def saved(page: Any, ending: str, folder: Path) -> Path:
    """What the first result's button writes."""
    with page.expect_download() as download:
        page.click(f"[aria-label='Save as {ending}']")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_what_is_heard_in_files_is_shown_and_saved(page: Any, models: dict[str, Recognizer], tmp_path: Path) -> None:
    results = upload(page, *CLIPS)
    assert len(results) == len(CLIPS) > 2
    labels = []
    for path, result in zip(CLIPS, results, strict=True):
        said = models["default"].predict(path)
        text = result.query_selector("summary").inner_text()
        assert path.name in text and said.label in text and f"{round(100 * said.confidence)} %" in text
        labels.append(said.label)
    assert len(set(labels)) > 1
    assert labels[-1] in page.inner_text("#announcer"), "a screen reader hears the last result"

    timeline = json.loads(saved(page, "JSON", tmp_path).read_text())
    assert timeline["path"] == CLIPS[0].name and timeline["whole"]["emotion"] == labels[0]
    path = saved(page, "CSV", tmp_path)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert {row["kind"] for row in rows} == {"whole", "segment", "window"}
    assert (
        rows[0]["emotion"] == rows[0]["label"] == labels[0]
        and sum(float(rows[0][e]) for e in models["default"].emotions) > 0.99
    )
    assert saved(page, "PNG", tmp_path).read_bytes().startswith(b"\x89PNG")
    assert page.query_selector("canvas.figure").get_attribute("aria-label").startswith(CLIPS[0].name)


def test_channels_are_shown_each_by_itself(page: Any, tmp_path: Path) -> None:
    one, other = (audio.read(path).samples[:36_000] for path in CLIPS[:2])
    path = tmp_path / "call.wav"
    _write_stereo(path, np.stack([one, other], axis=1))
    (result,) = upload(page, path)
    assert [h.inner_text() for h in result.query_selector_all("h3")] == ["left", "right"]
    assert len(result.query_selector_all("canvas")) == 2
    left, right = (recognizer.load().predict(Clip(samples, 16_000)).label for samples in (one, other))
    assert left != right
    assert re.search(f"left.*{left}.*right.*{right}", result.query_selector("summary").inner_text(), re.DOTALL)


def test_a_row_plays_its_stretch_and_no_more(page: Any, tmp_path: Path) -> None:
    path = tmp_path / "two.wav"
    pause = np.zeros(16_000, np.float32)
    audio.write(path, Clip(np.concatenate([audio.read(CLIPS[0]).samples, pause, audio.read(CLIPS[1]).samples]), 16_000))
    (result,) = upload(page, path)
    row = result.query_selector("tbody tr")
    end = float(row.query_selector("td:nth-child(3)").inner_text().split(":")[1])
    row.query_selector("button").click()
    page.wait_for_selector("tr.heard")
    assert result.query_selector(".toggle").inner_text() == "Pause"
    page.wait_for_selector(".toggle:text('Play')", timeout=60_000)
    at = float(result.query_selector("input[type=range]").input_value())
    assert end - 0.1 <= at < end + 0.5 < 5


def test_a_file_that_is_no_sound_is_an_error_in_words(page: Any, tmp_path: Path) -> None:
    bad = tmp_path / "letter.wav"
    bad.write_text("Dear Sir or Madam, " * 9)
    first, second = upload(page, bad, CLIPS[0])
    assert "letter.wav" in first.inner_text() and "Cannot be decoded" in first.inner_text()
    assert "fear" in second.inner_text(), "the others are judged all the same"
    with page.expect_download() as download:
        page.click(".result button:text('Save the sound')")
    assert Path(download.value.path()).read_bytes() == bad.read_bytes()
    page.click(".result button:text('Try again')")
    page.wait_for_selector(".result:not([aria-busy]) >> text=Cannot be decoded", timeout=60_000)
    assert page.locator(".result").count() == 2
    page.click(".result button:text-is('Remove')")
    assert page.locator(".result").count() == 1
    page.click(".options summary")
    page.fill("#window", "0.1")
    (first, *_) = upload(page, CLIPS[0])
    assert "0.25" in first.inner_text()


def test_a_recording_is_made_and_judged(page: Any) -> None:
    page.click("#record")
    page.wait_for_selector("#record-label:text('Stop, 0:02')", timeout=60_000)
    page.click("#record")
    page.wait_for_selector(".result details", timeout=60_000)
    assert page.inner_text("#record-label") == "Record"
    text = page.inner_text(".result summary")
    assert text.startswith("recording") and "%" in text


def test_live_shows_what_the_microphone_hears(page: Any, models: dict[str, Recognizer]) -> None:
    page.click("#tab-live")
    page.click("#listen")
    page.wait_for_selector("#bars li.first", timeout=60_000)
    shown, since, minute, bars = page.evaluate(  # at once: it goes on meanwhile
        "() => [...['#now', '#since'].map(id => document.querySelector(id).innerText),"
        " document.querySelector('#minute').ariaLabel, document.querySelector('#bars').innerText]"
    )
    assert shown in models["default"].emotions and shown in minute
    assert re.fullmatch(r"\d+ %, for \d+ s", since)
    shares = [int(share) for share in re.findall(r"(\d+) %", bars)]
    assert len(shares) == 8 and 95 < sum(shares) < 105
    # Who chooses another model is not told what the one before says.
    page.select_option("#model", "open")
    page.wait_for_selector("#now:text('Not listening')")
    assert page.inner_text("#listen") == "Start listening"


def test_live_gets_used_to_the_voice_where_that_is_chosen(page: Any) -> None:
    sent: list[dict[str, Any]] = []

    def heard(frame: Any) -> None:
        if isinstance(frame, str):
            sent.append(json.loads(frame))

    page.on("websocket", lambda socket: socket.on("framesent", heard))
    page.click("#tab-live")
    for chosen in (True, False):
        page.set_checked("#adapt", chosen)
        page.click("#listen")
        page.wait_for_selector("#bars li.first", timeout=60_000)
        assert page.is_disabled("#adapt") and sent[-1].get("adapt", False) is chosen
        page.click("#listen")
        page.wait_for_selector("#now:text('Not listening')")
        assert page.is_enabled("#adapt")
        sent[:] = [one for one in sent if one.get("type") != "end"]
    assert page.inner_text("#adapt-choice label").strip() == "Get used to the voice"


def test_what_a_model_cannot_is_not_offered(page: Any, address: str) -> None:
    def told(route: Any) -> None:
        answer = route.fetch()
        found = answer.json()
        for one in found["models"]:
            one["gets_used_to_voices"] = one["name"] == "default"
        route.fulfill(response=answer, json=found)

    page.route("**/v1/models", told)
    page.goto(address)
    page.wait_for_selector("#about .facts", state="attached")
    page.click("#tab-live")
    assert page.is_visible("#adapt")
    page.check("#adapt")
    page.select_option("#model", "open")
    page.wait_for_selector("#about h2:text-is('open')", state="attached")
    assert not page.is_visible("#adapt")
    sent: list[str] = []
    page.on(
        "websocket", lambda socket: socket.on("framesent", lambda f: sent.append(f) if isinstance(f, str) else None)
    )
    page.click("#listen")
    page.wait_for_selector("#bars li.first", timeout=60_000)
    assert '"open"' in sent[0] and "adapt" not in sent[0]


def test_the_card_is_shown_and_follows_the_model(page: Any, models: dict[str, Recognizer]) -> None:
    page.click("#tab-about")
    for name in ("default", "open"):
        page.select_option("#model", name)
        page.wait_for_selector(f"#about h2:text-is('{name}')")
        text = page.inner_text("#about")
        card = models[name].card
        for part in (card.limits, card.intended_use, card.licence, *card.emotions, *(c["name"] for c in card.corpora)):
            assert part in text
        assert f"{100 * card.figures[0]['value']:.1f}" in text
    assert "surprise" not in page.inner_text("#about .chips")


def test_everything_is_reached_by_keyboard(page: Any) -> None:
    page.on("filechooser", lambda chooser: chooser.set_files(str(CLIPS[0])))
    page.keyboard.press("Tab")
    assert page.inner_text(":focus") == "Skip to the content"
    _tab_to(page, "tab-recordings")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute(":focus", "id") == "tab-live" and page.is_visible("#listen")
    page.keyboard.press("End")
    assert page.is_visible("#about")
    page.keyboard.press("Home")
    _tab_to(page, "choose")
    page.keyboard.press("Enter")
    page.wait_for_selector(".result details", timeout=60_000)
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.get_attribute(":focus", "type") == "range":
            break
    page.keyboard.press("ArrowRight")
    assert float(page.input_value(":focus")) > 0
    assert "fear" in page.get_attribute(":focus", "aria-valuetext")
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input, select')].filter(e => !(e.textContent.trim() || e.ariaLabel ||"
        " e.labels?.length)).length"
    )
    assert unnamed == 0


def test_both_themes_and_the_choice_is_kept(chrome: Any, address: str) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        with browsing.opened(chrome, address, color_scheme=scheme) as page:
            ground = "getComputedStyle(document.body).backgroundColor"
            grounds[scheme] = page.evaluate(ground)
            page.click("#theme")
            turned = page.evaluate(ground)
            page.reload()
            assert page.evaluate(ground) == turned != grounds[scheme]
    assert grounds["light"] != grounds["dark"] == "rgb(18, 22, 27)"


def test_a_phone_needs_no_scrolling_sideways(chrome: Any, address: str) -> None:
    with browsing.opened(chrome, address, viewport={"width": 390, "height": 844}) as page:
        page.wait_for_selector("#about .facts", state="attached")
        upload(page, *CLIPS[:2])
        for tab in ("recordings", "live", "about"):
            page.click(f"#tab-{tab}")
            assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_token_is_asked_for_and_kept_in_the_tab(chrome: Any, models: dict[str, Recognizer]) -> None:
    from vocalics.web.app import create_app
    from vocalics.web.settings import Settings

    settings = Settings(tokens={"me": hashlib.sha256(TOKEN.encode()).hexdigest()})
    with browsing.asgi_server(create_app(settings, models)) as address, browsing.opened(chrome, address) as page:
        page.wait_for_selector("#token:focus")
        page.keyboard.type("wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("#token-note:text('did not take')")
        page.keyboard.type(TOKEN)
        page.keyboard.press("Enter")
        page.wait_for_selector("#about .facts", state="attached")
        (result,) = upload(page, CLIPS[0])
        assert "fear" in result.inner_text()
        page.click("#tab-live")
        page.click("#listen")
        page.wait_for_selector("#bars li.first", timeout=60_000)
        assert page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])").count(TOKEN) == 1
        page.reload()
        page.wait_for_selector("#about .facts", state="attached")


def test_the_colours_are_those_of_the_figures() -> None:
    from vocalics.plots.canvas import PALETTE

    source = (STATIC / "js" / "palette.js").read_text()
    table = source[source.index("PALETTE = {") : source.index("};")]
    assert dict(re.findall(r'(\w+): "(#\w+)"', table)) == PALETTE


def test_the_page_names_no_other_host() -> None:
    for path in STATIC.rglob("*"):
        if path.suffix in (".html", ".css", ".js"):
            assert not re.search(r"(https?|wss?)://", path.read_text()), path


def test_a_result_is_removed(page: Any) -> None:
    upload(page, *CLIPS[:2])
    page.click(f"[aria-label='Remove {CLIPS[0].name}']")
    assert CLIPS[0].name not in page.inner_text("#results") and CLIPS[1].name in page.inner_text("#results")
    assert "removed" in page.inner_text("#announcer")


def test_without_a_microphone_the_page_says_what_to_do(chrome: Any, address: str) -> None:
    with browsing.opened(chrome, address) as page:
        refused = "async () => { throw new DOMException('', 'NotAllowedError'); }"
        page.evaluate(f"() => {{ navigator.mediaDevices.getUserMedia = {refused}; }}")
        page.click("#record")
        page.wait_for_selector("#alerts:has-text('Allow it in the browser')")
        page.click("#tab-live")
        page.click("#listen")
        page.wait_for_selector("#listen:text('Start listening'):enabled")
        assert "Allow it in the browser" in page.inner_text("[role=alert]")


def _tab_to(page: Any, id: str) -> None:
    for _ in range(30):
        if page.get_attribute(":focus", "id") == id:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{id} is not reached by the tabulator")


def _write_stereo(path: Path, samples: np.ndarray[Any, Any]) -> None:
    import soundfile

    soundfile.write(path, samples, 16_000)
