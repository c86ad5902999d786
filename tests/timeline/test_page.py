"""The page of a timeline in a browser: segments play by mouse and by keyboard, and nothing is asked of a network."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browsing
import pytest

from vocalics import timeline
from vocalics.timeline import Timeline

SCHEMES = [(1280, "light"), (390, "dark")]


@pytest.fixture(scope="module")
def chrome(call: Path) -> Iterator[Any]:
    with browsing.browser(call) as launched:
        yield launched


def state(page: Any) -> dict[str, Any]:
    """The player's state, and what the page shows of it."""
    told: dict[str, Any] = page.evaluate(
        "({time: audio.currentTime, paused: audio.paused, now: now.textContent, "
        "lit: [...document.querySelectorAll('tr.now')].map(row => row.id)})"
    )
    return told


def wait(page: Any, what: str) -> None:
    """Wait until an expression is true; the page's policy forbids what Playwright's own waiting does."""
    until = time.monotonic() + 60
    while not page.evaluate(what):
        assert time.monotonic() < until, f"{what} never came true: {state(page)}"
        page.wait_for_timeout(20)


def watch(page: Any) -> None:
    """Let the page note all that it shows of what is heard, so that none of it is missed: "WORDS, ROWS"."""
    page.evaluate(
        "window.heard = []; new MutationObserver(() => heard.push(`${now.textContent}, "
        "${[...document.querySelectorAll('tr.now')].map(row => row.id)}`)).observe(now, {childList: true}); null"
    )


@pytest.mark.parametrize(("width", "scheme"), SCHEMES)
def test_a_segment_plays_to_its_end(
    chrome: Any, found: Timeline, call: Path, tmp_path: Path, width: int, scheme: str
) -> None:
    timeline.write(found, tmp_path / "a.html", source=call)
    first, second = found.channels[0].segments[0], found.channels[1].segments[0]
    with browsing.opened(
        chrome, f"file://{tmp_path / 'a.html'}", viewport={"width": width, "height": 800}, color_scheme=scheme
    ) as page:
        wait(page, "audio.readyState > 0")
        watch(page)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page.locator(".play").nth(1).focus()
        page.keyboard.press("Enter")
        wait(page, f"heard.includes('right: {second.label}, s1') && audio.paused")
        # A browser that is busy stops late, but nothing of the next segment is heard.
        assert second.end - 0.1 < state(page)["time"] < found.channels[0].segments[1].start
        wave = page.locator(".track .wave").first
        wave.scroll_into_view_if_needed()
        box = wave.bounding_box()
        middle = (first.start + first.end) / 2 / found.duration
        wave.click(position={"x": middle * box["width"], "y": 10})
        wait(page, f"heard.includes('left: {first.label}, s0') && audio.paused")
        assert first.end - 0.1 < state(page)["time"] < found.channels[0].segments[1].start


def test_the_drawing_is_walked_through_by_keys_and_magnified(
    chrome: Any, found: Timeline, call: Path, tmp_path: Path
) -> None:
    timeline.write(found, tmp_path / "a.html", source=call)
    with browsing.opened(chrome, f"file://{tmp_path / 'a.html'}") as page:
        wait(page, "audio.readyState > 0")
        page.locator("#wide").focus()
        page.keyboard.press("ArrowRight")
        wait(page, "wide.getAttribute('aria-valuetext') === '0:05'")
        page.keyboard.press("Home")
        wait(page, "wide.getAttribute('aria-valuetext') === '0:00'")
        page.keyboard.press("Space")
        wait(page, "!audio.paused")
        page.keyboard.press("Space")
        wait(page, "audio.paused")
        before = page.evaluate("wide.offsetWidth")
        page.locator("#in").press("Enter")
        assert page.evaluate("wide.offsetWidth") > before
        page.locator("#out").press("Enter")
        assert page.evaluate("wide.offsetWidth") == before


def test_a_recording_that_is_picked_plays(chrome: Any, found: Timeline, call: Path, tmp_path: Path) -> None:
    timeline.write(found, tmp_path / "a.html")
    with browsing.opened(chrome, f"file://{tmp_path / 'a.html'}") as page:
        watch(page)
        assert page.locator(".play").first.is_disabled()
        page.locator("#file").set_input_files(call)
        page.locator(".play").first.click()
        first = found.channels[0].segments[0]
        wait(page, f"heard.includes('left: {first.label}, s0') && audio.paused")
        assert first.end - 0.1 < state(page)["time"]
