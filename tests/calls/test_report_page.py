"""The page of a report: whole, escaped, asking nobody; by the command, and in a browser."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import browsing
import fakes
import made
import pytest

import vocalics
from vocalics import audio
from vocalics.calls import topics
from vocalics.calls.about import About
from vocalics.calls.analysis import Settings, analyse
from vocalics.calls.call import Call, Kind, Moment
from vocalics.calls.report import sound
from vocalics.calls.report.figures import figures
from vocalics.calls.report.page import page
from vocalics.calls.report.values import Figures
from vocalics.calls.storage import Storage

EVIL = "<img src=x onerror=alert(1)>\"'</script></style><script>alert(2)</script>"
SQL = "'; DROP TABLE calls; --"
MOODS = {"angry": 0.3, "sad": 0.1}
Run = Callable[..., tuple[int, str, str]]


class Elements(HTMLParser):
    """Every element with its attributes, all text, and whether all that was opened was closed in order."""

    VOID = frozenset(["meta", "br", "link", "img", "input"])

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.astray: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, {k: v or "" for k, v in attrs}))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, {k: v or "" for k, v in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.astray.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]


def fill(storage: Storage, voice: Path) -> None:
    """Thirty calls of four agents over four days; what users write is hostile."""
    for i in range(30):
        anger = [0.1] * 5 + [0.8 if i % 3 else 0.2] * 5
        said = (
            [f"{EVIL} the engine of my car {SQL}", "the garage repaired the engine"]
            if i % 2
            else ["my invoice is wrong"]
        )
        moments = (
            Moment(Kind.ESCALATION, "customer", 1, 1.0, 4.0, 0.3 + 0.01 * i, 0.99),
            Moment(Kind.RECOVERY, "customer", 3, 6.0, 8.0, 0.7 - 0.01 * i, 0.99),
        )
        call = made.call(
            f"{i}", anger, said * 3, made.spread(**MOODS), agent=(EVIL, "Bob", "Carla", None)[min(i // 9, 3)],
            customer=SQL, path=f"/calls/{EVIL}{i}.wav", model=EVIL, moments=moments, notes=(EVIL,),
            started_at=made.BEGAN + timedelta(days=i % 4), transcript_by=EVIL,
        )  # fmt: skip
        storage.put(call, "all" if i > 26 else "text" if i % 5 else "none", voice)
    topics.fit(storage, 2)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    audio.write(folder / "voice.wav", fakes.voice(8))
    with Storage(str(folder / "calls.db")) as storage:
        fill(storage, folder / "voice.wav")
    return folder / "calls.db"


@pytest.fixture(scope="module")
def found(database: Path) -> Figures:
    with Storage(str(database)) as storage:
        return figures(storage, least=9)


@pytest.fixture(scope="module")
def sounding(database: Path, found: Figures) -> str:
    with Storage(str(database)) as storage:
        return page(found, sound.excerpts(storage, found.worst), sound.excerpts(storage, found.best), EVIL)


def test_the_page_is_whole_and_its_anchors_lead_somewhere(sounding: str) -> None:
    got = Elements(sounding)
    assert got.open == [] and got.astray == []
    ids = [a["id"] for _, a in got.found if "id" in a]
    assert len(ids) == len(set(ids)) > 60
    links = [a["href"] for a in got.all("a")]
    assert len(links) > 20 and all(link[0] == "#" and link[1:] in ids for link in links)
    assert len(got.all("article")) == 30 and len(got.all("caption")) == len(got.all("table")) >= 4
    assert all(th.get("scope") == "col" for th in got.all("th"))
    assert got.all("html")[0]["lang"] == "en" and len(got.all("h1")) == 1


def test_emotions_add_up_where_all_calls_know_the_same(found: Figures) -> None:
    says = "In each row all emotions add up to 100 %."
    assert found.topics and says in page(found)
    # As where some calls were judged by a model of fewer emotions: a column is of the calls that know it.
    first = found.topics[0]
    name, estimate = next(iter(first.emotions.items()))
    fewer = dataclasses.replace(first, emotions={**first.emotions, name: dataclasses.replace(estimate, n=1.0)})
    mixed = dataclasses.replace(found, topics=(fewer, *found.topics[1:]))
    assert says not in page(mixed) and "are topics with fewer than" in page(mixed)


def test_the_page_asks_nobody_and_runs_one_script(sounding: str) -> None:
    got = Elements(sounding)
    policy = next(m["content"] for m in got.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; media-src data:; ") and "script-src 'sha256-" in policy
    sources = [a[k] for _, a in got.found for k in ("src", "srcset", "data", "action") if k in a]
    assert sources and all(source.startswith("data:audio/") for source in sources)
    assert not re.search(r"url\(|@import|https?://", sounding)
    assert not {"link", "iframe", "object", "embed", "form", "base"} & {tag for tag, _ in got.found}
    assert len(got.all("script")) == 1


def test_what_users_wrote_is_shown_and_never_run(sounding: str) -> None:
    got = Elements(sounding)
    assert not got.all("img") and not [n for _, a in got.found for n in a if n.startswith("on")]
    words = "".join(got.words)
    assert words.count(EVIL) > 30 and words.count(SQL) > 30
    assert {"#call-" + made.call("29").digest} <= {a["href"] for a in got.all("a")}


def test_sound_is_there_where_it_was_kept_only(found: Figures, sounding: str) -> None:
    assert len(Elements(sounding).all("audio")) == 3  # the strongest moments are of the last calls, whose sound is kept
    assert sounding.count(sound.NOT_KEPT) == 17 and "whoever has the page can hear them" in sounding
    silent = page(found)
    assert "<audio" not in silent and "data:audio" not in silent and sound.NOT_KEPT not in silent
    assert "This page was made without sound." in silent


def test_numbers_and_cautions_are_in_words(sounding: str) -> None:
    words = " ".join(" ".join(Elements(sounding).words).split())
    assert "calls 30" in words and "From 2026-03-31 to 2026-04-03 (UTC)" in words
    assert "They cannot tell what somebody felt" in words and "Article 5(1)(f)" in words
    assert "Bob 9 0 (0 %)" in words  # of the calls of Bob, none ends calmer
    assert "all of them overlap, and no agent can be told from another" in words
    assert "30 % (30 to 30 %)" not in words and "4 of 4" in words  # days have 7 and 8 calls: no intervals
    assert "3 calls name no agent." in words


def test_an_agent_with_few_calls_has_no_figure(database: Path) -> None:
    with Storage(str(database)) as storage:
        got = page(figures(storage, least=10))
    part = got[got.index('id="agents"') : got.index('id="moments"')]
    words = " ".join(" ".join(Elements(part).words).split())
    assert "Bob 9 0 too few calls" in words and words.count("too few calls") == 3
    assert "svg" not in part and "%)" not in part


def test_without_agents_none_is_named(database: Path) -> None:
    with Storage(str(database)) as storage:
        got = page(figures(storage, with_agents=False))
    assert "Bob" not in got and "Carla" not in got and "made without agents" in got and "--no-agents" not in got
    assert got.count("voice not judged") == got.count('class="unjudged"') == 30 == got.count("<b>customer</b>")


def test_a_small_database_makes_a_page_too(tmp_path: Path) -> None:
    nobody = made.call("nobody", parties=(), turns=(), moments=(), agent=None, customer=None, duration=0.0)
    with Storage(str(tmp_path / "calls.db")) as storage:
        storage.put(nobody, "none")
        got = page(figures(storage))
    words = " ".join(" ".join(Elements(got).words).split())
    for said in ("In no call is a customer heard to speak", "No call with a customer's voice names its agent",
                 "No escalation was found.", "neither topics nor key phrases", "nobody is named"):  # fmt: skip
        assert said in words


def test_one_is_not_many(tmp_path: Path, run: Run) -> None:
    with Storage(str(tmp_path / "calls.db")) as storage:
        storage.put(made.call("one"))
        storage.put(made.call("mono", parties=(made.party("speaker", [0.1] * 9),), turns=(), moments=(), agent=None))
    target = tmp_path / "report.html"
    code, out, _ = run("calls", "report", "--db", str(tmp_path / "calls.db"), "-o", str(target))
    words = " ".join(" ".join(Elements(target.read_text(encoding="utf-8")).words).split())
    assert code == 0 and ": 2 calls, 1 agent, " in out
    assert "Judged by fake (2 calls)." in words
    assert "In 1 call no customer is heard" in words and "1 call names no agent." in words


def test_the_command_writes_it(database: Path, tmp_path: Path, run: Run) -> None:
    target = tmp_path / "new" / "report.html"
    code, out, err = run("calls", "report", "--db", str(database), "-o", str(target), "--least-calls", "9")
    assert (code, err) == (0, "") and "30 calls, 3 agents, 20 moments, 3 of them with sound" in out
    assert Elements(target.read_text(encoding="utf-8")).astray == [] and list(target.parent.iterdir()) == [target]
    assert target.stat().st_mode & 0o777 == 0o600
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(database.parent / "calls-audio", elsewhere)
    foreign = elsewhere / f"{'0' * 64}.wav"  # of another database, and old
    foreign.write_bytes(b"RIFF")
    os.utime(foreign, (0, 0))
    code, out, _ = run("calls", "report", "--db", str(database), "-o", str(target), "--audio", str(elsewhere))
    assert code == 0 and "3 of them with sound" in out and foreign.is_file()
    code, out, _ = run(
        "calls", "report", "--db", str(database), "-o", str(target), "--no-audio", "--no-agents",
        "--from", "2026-04-01", "--until", "2026-04-02", "--title", "April",
    )  # fmt: skip
    shown = target.read_text(encoding="utf-8")
    assert code == 0 and "8 calls, no agents" in out and "<audio" not in shown and "<h1>April</h1>" in shown


@pytest.mark.parametrize(("arguments", "expected", "words"), [
    (["-o", "report.pdf"], 2, 'with the ending ".pdf"; use .html'),
    (["--db", "missing.db"], 1, "no such database"),
    (["--no-audio", "--audio", "."], 2, "give one of them"),
    (["--from", "yesterday"], 2, "is no time"),
    (["--from", "2030-01-01"], 1, "holds no call in that time"),
])  # fmt: skip
def test_what_cannot_be_is_said(
    database: Path,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    expected: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run("calls", "report", "--db", str(database), *arguments)
    assert code == expected and words in err and out == "" and list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def chrome(database: Path) -> Iterator[Any]:
    with browsing.browser(database.with_name("voice.wav")) as launched:
        yield launched


OVERFLOWING = """
[...document.querySelectorAll('body *')].filter((e) => {
  const box = e.getBoundingClientRect();
  return box.width && !e.closest('.scroll, .skip, .spoken, svg') && (box.right > innerWidth + 1 || box.left < -1);
}).map((e) => `${e.tagName}.${e.className}: ${e.textContent.slice(0, 40)}`)
"""


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_and_nothing_complains(
    chrome: Any, sounding: str, tmp_path: Path, width: int, scheme: str
) -> None:
    (tmp_path / "report.html").write_text(sounding, encoding="utf-8")
    context = chrome.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    shown, said = context.new_page(), []
    shown.on("console", lambda message: said.append(message.text))
    shown.on("pageerror", lambda error: said.append(str(error)))
    asked: list[str] = []
    shown.on("request", lambda request: asked.append(request.url.split(",")[0]))
    shown.goto(f"file://{tmp_path / 'report.html'}")
    shown.add_style_tag(content=".call { content-visibility: visible !important; }")
    shown.evaluate("document.querySelectorAll('details').forEach((part) => part.open = true)")
    assert shown.evaluate("document.documentElement.scrollWidth") == width
    assert shown.evaluate(OVERFLOWING) == []
    assert shown.locator("svg.panel").count() == 9 and shown.locator("svg.strip").count() == 60
    players = shown.locator("audio")
    players.nth(0).evaluate("(player) => player.play()")
    players.nth(1).evaluate("(player) => player.play()")
    assert [players.nth(i).evaluate("(player) => player.paused") for i in (0, 1)] == [True, False]
    shown.locator(".moments a").first.click()
    assert shown.evaluate("document.querySelector('.call:target').getBoundingClientRect().top < innerHeight")
    assert said == [] and {address.partition(":")[0] for address in asked} <= {"file", "data"}
    context.close()


@pytest.fixture(scope="module")
def real_call(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Call]:
    """A recording of four minutes with a transcript beside it, and what is found in it."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "call.vtt").write_text("WEBVTT\n\n00:00:12.000 --> 00:00:16.000\n<v right>My car needs <i>repair</i>\n")
    shutil.copyfile(shared / "audio" / "calls" / "auto_repairs_40_stereo.flac", folder / "call.flac")
    settings = Settings(terms=("repair",))
    return folder / "call.flac", analyse(vocalics.load("default"), folder / "call.flac", settings, About("Ann", "Bob"))


@pytest.mark.corpus
@pytest.mark.slow
def test_a_real_call_from_sound_to_page(address: str, real_call: tuple[Path, Call], tmp_path: Path) -> None:
    recording, call = real_call
    assert {party.role for party in call.parties} == {"agent", "customer"} and len(call.turns) > 10
    loudest = max((t for t in call.turns if t.party == "customer"), key=lambda t: t.anger)
    moment = Moment(Kind.ESCALATION, "customer", loudest.number, loudest.start, loudest.end, 0.3, 0.99)
    with Storage(address, tmp_path / "audio") as storage:
        storage.put(dataclasses.replace(call, moments=(*call.moments, moment)), "all", recording)
        told = figures(storage)
        heard = sound.excerpts(storage, told.worst)
    got = Elements(page(told, heard, ()))
    assert got.astray == [] and len(got.all("audio")) == len(told.worst) == 1
    assert heard[0].end - heard[0].start <= sound.LONGEST_SECONDS and heard[0].start < loudest.start < heard[0].end
    strips = [a for a in got.all("svg") if a.get("class") == "strip"]
    assert len(strips) == 2 and len([a for a in got.all("path") if "fill" in a]) == 16  # eight emotions of two parties
    words = " ".join(" ".join(got.words).split())
    assert "agent: Ann; customer: Bob" in words and "Terms repair" in words and "4:05" in words
