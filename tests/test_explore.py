"""An exploration finds what was planted, counts what is there, and shows it in a page that asks nobody."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest

from vocalics import audio
from vocalics.audio import Clip
from vocalics.corpora import crema_d
from vocalics.errors import ManifestError
from vocalics.explore import Exploration, drawings, explore, page
from vocalics.explore.differences import differences, explained, without_means
from vocalics.explore.examples import chosen
from vocalics.explore.listeners import agreements, doubted, fleiss_kappa
from vocalics.explore.measures import NAMES, clipped_share, measure
from vocalics.explore.projection import pca, silhouette, standardised
from vocalics.manifest import Manifest, Utterance
from vocalics.markup import data_uri, lasting, number, text

EMOTIONS = ("neutral", "happy", "sad")


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def measured(clip: Clip) -> dict[str, float]:
    return dict(zip(NAMES, measure(clip).tolist(), strict=True))


def clip_of(samples: Any, sample_rate: int = 16_000) -> Clip:
    return Clip(np.asarray(samples, np.float32), sample_rate)


Write = Callable[..., Utterance]


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """Write a clip and return its row."""
    folder = tmp_path_factory.mktemp("clips")

    def write(clip: Clip, name: str, emotion: str = "happy", **about: Any) -> Utterance:
        path = folder / name
        audio.write(path, clip)
        about = {"corpus": "mine", "speaker": "mine/1", "label": emotion[0], **about}
        return Utterance(path=str(path), emotion=emotion, **about)

    return write


@pytest.fixture(scope="module")
def manifest(write: Write) -> Manifest:
    """Two corpora of two speakers each, three emotions that differ in pitch and level, two clips of each."""
    rows = []
    for s in range(4):
        corpus = ("mine", "yours")[s // 2]
        for e, emotion in enumerate(EMOTIONS):
            for take in range(2):
                sound = fakes.voice(0.8 + 0.1 * s + 0.05 * take, 110 + 40 * s + 12 * e, level=0.1 + 0.05 * e)
                rows.append(
                    write(sound, f"{corpus}_{s}_{emotion}_{take}.wav", emotion, corpus=corpus,
                          speaker=f"{corpus}/{s}", sex=("female", "male")[s % 2])
                )  # fmt: skip
    return Manifest(tuple(rows))


# ------------------------------------------------------------------------------------------------ measures


def test_the_level_of_a_sine_is_known() -> None:
    time = np.arange(32_000) / 16_000
    got = measured(clip_of(0.5 * np.sin(2 * np.pi * 200 * time)))
    assert got["peak_dbfs"] == pytest.approx(20 * np.log10(0.5), abs=0.01)
    assert got["level_dbfs"] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.01)
    assert got["pitch_hz"] == pytest.approx(200, abs=1)
    assert got["pitch_semitones"] == pytest.approx(12 * np.log2(200 / 55), abs=0.1)
    assert got["zero_crossings"] == pytest.approx(400, rel=0.02)
    assert got["centroid_hz"] == pytest.approx(200, rel=0.05)
    assert got["offset_share"] < 0.001
    assert got["voiced_seconds"] == 0  # a steady tone is no speech


def test_silence_before_and_after_is_measured_and_does_not_lower_the_level() -> None:
    voice = fakes.voice(1.0)
    padded = clip_of(np.concatenate([np.zeros(4_800), voice.samples, np.zeros(9_600)]))
    alone, got = measured(voice), measured(padded)
    assert got["lead_seconds"] == pytest.approx(0.3, abs=0.021)
    assert got["trail_seconds"] == pytest.approx(0.6, abs=0.021)
    assert got["level_dbfs"] == pytest.approx(alone["level_dbfs"], abs=0.2)
    assert got["seconds"] == pytest.approx(1.9)
    assert got["voiced_share"] == pytest.approx(alone["voiced_share"], abs=0.05)


def test_level_changes_levels_only() -> None:
    loud, quiet = measured(fakes.voice(level=0.4)), measured(fakes.voice(level=0.04))
    for name in NAMES:
        if name in ("level_dbfs", "peak_dbfs"):
            assert loud[name] - quiet[name] == pytest.approx(20, abs=0.01)
        elif name != "offset":
            assert loud[name] == pytest.approx(quiet[name], rel=1e-3, abs=1e-3), name


@pytest.mark.parametrize("later", [1.0, 0.5])
def test_clipping_is_found_at_any_later_level(later: float) -> None:
    sound = 6 * fakes.voice(2.0).samples
    clipped = np.clip(sound, -1, 1)
    beyond = float(np.mean(np.abs(sound) >= 1))
    assert beyond > 0.02
    assert clipped_share(later * clipped) == pytest.approx(beyond, rel=0.1)
    assert clipped_share(fakes.voice(2.0, level=0.9).samples) == 0


@pytest.mark.parametrize("samples", [np.zeros(1), np.zeros(8_000), np.full(300, 0.2), np.ones(1)])
def test_anything_can_be_measured(samples: Any) -> None:
    got = measured(clip_of(samples))
    assert got["seconds"] == pytest.approx(len(samples) / 16_000)
    assert np.isnan(got["pitch_hz"])
    assert got["voiced_share"] == 0


# ------------------------------------------------------------------------------------------------ statistics


def test_fleiss_worked_example() -> None:
    """Ten patients, fourteen raters, five categories: kappa 0.210."""
    votes = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    assert fleiss_kappa(votes) == pytest.approx(0.210, abs=0.0005)
    assert fleiss_kappa([[5, 0], [0, 5]]) == pytest.approx(1)
    assert fleiss_kappa([[5, 0], [0, 5], [1, 0]]) == pytest.approx(1)  # a single vote is no pair
    assert np.isnan(fleiss_kappa([[5, 0], [3, 0]]))
    assert np.isnan(fleiss_kappa([[1, 0]]))


def voted(emotion: str, **votes: int) -> Utterance:
    return Utterance(f"{emotion}.wav", "mine", "mine/1", emotion[0], emotion, ratings=votes)


def test_listeners_are_counted_by_hand() -> None:
    rows = (voted("happy", happy=3, sad=1), voted("sad", happy=2, sad=2), voted("sad", happy=4), voted("angry"))
    (told,) = agreements(Manifest(rows))
    assert told.emotions == ("happy", "sad")
    assert (told.n_clips, told.n_votes) == (3, 12)
    assert told.acted_share == pytest.approx((0.75 + 0.5 + 0) / 3)
    assert (told.heard, told.tied) == pytest.approx((1 / 3, 1 / 3))
    assert told.votes == ((0.75, 0.25), (0.75, 0.25))
    assert told.by_emotion == {"happy": 0.75, "sad": 0.25}
    assert told.entropy_bits == pytest.approx((0.8112781 + 1 + 0) / 3)
    assert [doubted(u) for u in rows] == [None, None, ("happy", 1.0, 0.0), None]
    assert agreements(Manifest((voted("angry"),))) == ()


def test_votes_for_other_words_are_counted_apart() -> None:
    (told,) = agreements(Manifest((voted("happy", happy=3, amused=5),)))
    assert (told.n_votes, told.others, told.acted_share) == (3, 5, 1.0)


@pytest.mark.corpus
def test_crema_ds_listeners_hear_what_was_published(shared: Path) -> None:
    """Cao et al. (2014): listeners who heard the voice alone chose the acted emotion in 40.9 % of their answers."""
    root = shared / "corpora" / "crema_d"
    rows = []
    for name in crema_d.expected(root):
        speaker, _, label, _ = name.split("_")
        rows.append(Utterance(f"{name}.wav", "crema_d", f"crema_d/{speaker}", label, crema_d.EMOTIONS[label]))
    (told,) = agreements(Manifest(tuple(crema_d.annotate(root, rows))))
    assert told.n_clips == 7442
    assert told.acted_share == pytest.approx(0.409, abs=0.015)
    assert told.by_emotion["neutral"] > 0.7 > told.by_emotion["angry"] > told.by_emotion["sad"]


def test_a_speakers_own_level_is_no_difference_between_emotions() -> None:
    draw = rng()
    emotions = ["happy", "sad"] * 400
    speakers = [str(i // 2 % 4) for i in range(800)]
    shift = np.array([1.0 if e == "happy" else 0.0 for e in emotions])
    values = draw.standard_normal(800) + shift
    offset = 50.0 * np.array([int(s) for s in speakers])

    def effect(column: Any) -> Any:
        return differences(column[:, None], ["m"], emotions, speakers, ("happy", "sad")).effect[0]

    assert effect(values) == pytest.approx([1.0, -1.0], abs=0.15)
    assert effect(values + offset) == pytest.approx(effect(values), abs=1e-9)
    pooled = differences((values + offset)[:, None], ["m"], emotions, ["all"] * 800, ("happy", "sad"))
    assert abs(pooled.effect[0, 0]) < 0.1  # what the speakers would hide


def test_means_weigh_emotions_alike() -> None:
    values = np.array([[0.0], [0.0], [0.0], [6.0], [np.nan]])
    got = without_means(values, ["sad", "sad", "sad", "happy", "happy"], ["a"] * 5)
    np.testing.assert_allclose(got.ravel(), [-3, -3, -3, 3, np.nan])


def test_chance_explains_nothing_and_a_copy_everything() -> None:
    draw = rng()
    values = draw.standard_normal((600, 5))
    many = [str(i) for i in draw.integers(0, 100, 600)]
    assert explained(values, many) == pytest.approx(0, abs=0.03)
    apart = values * 1e-6 + np.arange(600)[:, None] % 3
    assert explained(apart, [str(i % 3) for i in range(600)]) == pytest.approx(1)
    assert np.isnan(explained(values, ["one"] * 600))


def test_the_plane_is_that_of_scikit_learn() -> None:
    from sklearn.decomposition import PCA

    values = rng().standard_normal((80, 6)) @ np.diag([5, 3, 1, 1, 0.5, 0.1])
    values = standardised(values @ rng().standard_normal((6, 6)), ["a"] * 6)
    oracle = PCA(2).fit(values)
    plane = pca(values, np.arange(80))
    np.testing.assert_allclose(np.abs(plane.points), np.abs(oracle.transform(values)), atol=1e-8)
    assert plane.variance == pytest.approx(oracle.explained_variance_ratio_)
    assert np.ptp(plane.points[:, 0]) > 1
    assert np.isnan(silhouette(values, ["a"] * 80))


def test_features_weigh_alike_and_powers_are_told_in_db() -> None:
    values = np.array([[1.0, 1e-4, 7.0], [3.0, 1e-2, 7.0], [8.0, 1.0, 7.0]])
    got = standardised(values, ["mfcc_0", "mel_0", "mfcc_1"])
    np.testing.assert_allclose(got.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(got.std(axis=0)[:2], 1)
    np.testing.assert_allclose(got[:, 1], [-np.sqrt(1.5), 0, np.sqrt(1.5)], atol=1e-9)  # equal steps in dB
    assert not got[:, 2].any()


# ------------------------------------------------------------------------------------------------ exploration


def test_everything_is_counted(manifest: Manifest, found: Exploration) -> None:
    assert {t.name: t.n_clips for t in found.by_emotion} == {"neutral": 8, "happy": 8, "sad": 8}
    assert [t.name for t in found.by_emotion] == list(EMOTIONS)
    assert {t.name: t.speakers for t in found.by_corpus} == {"mine": 2, "yours": 2}
    assert {t.name: t.n_clips for t in found.by_sex} == {"female": 12, "male": 12}
    assert {t.name: t.n_clips for t in found.by_sample_rate} == {"16000 Hz": 24}
    assert len(found.by_speaker) == 4
    lengths = sum(audio.read(u.path).duration for u in manifest)
    for tallies in (found.by_emotion, found.by_corpus, found.by_speaker, found.by_sex, found.by_sample_rate):
        assert sum(t.seconds for t in tallies) == pytest.approx(lengths, rel=1e-6)
    assert found.seconds == pytest.approx(lengths, rel=1e-6)
    assert found.crossing.n_clips == ((4, 4),) * 3
    for told in found.histograms:
        assert sum(sum(n) for n in told.counts.values()) == np.isfinite(found.measure(told.measure)).sum()
    assert {h.by for h in found.histograms} == {"corpus", "emotion"}
    assert found.identical == () and found.near_identical is None
    assert not found.suspicions


def test_the_emotions_differ_as_they_were_made(found: Exploration) -> None:
    assert found.differences is not None and found.grouping is not None and found.plane is not None
    for name in ("level_dbfs", "pitch_semitones"):
        row = found.differences.effect[found.differences.measures.index(name)]
        assert row[0] < -0.8 < 0.8 < row[2]
    assert found.grouping.explained["speaker"] > found.grouping.explained["emotion"]
    assert sorted(found.plane.rows) == list(range(24))
    assert found.plane.points.shape == (24, 2)


def alike(one: Any, other: Any) -> bool:
    """Equal but for the last digits: a worker computes in one thread, this process may in several."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == pytest.approx(other, rel=1e-3, abs=1e-4)) if isinstance(one, float) else bool(one == other)


def test_numbers_do_not_depend_on_workers_or_cache(manifest: Manifest, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    first = explore(manifest, rng(), workers=1, progress=lambda *done: calls.append(done))
    assert calls == [(i, 24) for i in range(1, 25)]
    others = [explore(manifest, rng(), workers=w, cache_dir=tmp_path / "cache") for w in (2, 1)]
    for other in others:
        assert alike(other.as_dict(), first.as_dict())
    changed = explore(manifest, np.random.default_rng(1), workers=1)
    assert changed.plane is not None and first.plane is not None
    assert list(changed.plane.rows) != list(first.plane.rows)


def test_what_was_planted_is_found(write: Write, manifest: Manifest, tmp_path: Path) -> None:
    voice = fakes.voice(1.0)
    planted = {
        "silent": write(clip_of(np.zeros(16_000)), "silent.wav"),
        "no speech": write(fakes.noise(1.0), "hiss.wav"),
        "short": write(fakes.voice(0.4), "short.wav", corpus="theirs"),
        "clipped": write(clip_of(np.clip(5 * voice.samples, -0.8, 0.8)), "clipped.wav"),
        "offset": write(clip_of(voice.samples * 0.3 + 0.03), "offset.wav"),
        "sample rate": write(fakes.voice(1.0, sample_rate=44_100), "rate.wav"),
        "length": write(fakes.voice(12.0), "long.wav"),
        "level": write(clip_of(0.002 * voice.samples), "quiet.flac"),
        "doubted": write(fakes.voice(1.0, 150), "doubted.wav", "sad", ratings={"sad": 2, "angry": 7}),
    }
    broken = dataclasses.replace(manifest[0], path=str(tmp_path / "broken.wav"))
    Path(broken.path).write_bytes(b"RIFF no wave")
    planted["unreadable"] = broken
    found = explore(manifest + Manifest(tuple(planted.values())), rng(), workers=1)
    for kind, utterance in planted.items():
        assert [s.path for s in found.suspicions if s.kind == kind] == [utterance.path], kind
    assert [s.kind for s in found.suspicions] == sorted(
        (s.kind for s in found.suspicions), key=list(dict.fromkeys(s.kind for s in found.suspicions)).index
    )
    reasons = {s.kind: s.reason for s in found.suspicions}
    assert reasons["doubted"] == "78 % of the votes say angry, 22 % say sad"
    assert reasons["sample rate"] == "44100 Hz; most have 16000 Hz"
    assert "broken.wav" in reasons["unreadable"]
    assert found.n_readable == 33
    assert {t.name: t.n_clips for t in found.by_sample_rate}["unreadable"] == 1
    assert found.plane is not None and len(found.plane.rows) == 33


def test_copies_and_their_conflicts_are_found(write: Write, manifest: Manifest) -> None:
    rows = (
        *manifest,
        write(audio.read(manifest[0].path), "copy.wav", "angry", speaker="mine/9"),
        manifest[5],
        write(clip_of(0.5 * audio.read(manifest[9].path).samples), "quieter.wav", manifest[9].emotion),
    )
    found = explore(Manifest(rows), rng(), workers=1, with_near_identical=True)
    told = [(c.rows, c.note, c.conflicts) for c in found.identical]
    assert told == [((0, 24), "byte-identical", ("emotion", "speaker")), ((5, 25), "one file, listed twice", ())]
    assert found.near_identical is not None
    assert (9, 26) in [c.rows for c in found.near_identical]


@pytest.mark.parametrize("broken", [False, True], ids=["one clip", "no file"])
def test_few_or_broken_clips_make_a_page_too(broken: bool, manifest: Manifest, tmp_path: Path) -> None:
    missing = dataclasses.replace(manifest[0], path=str(tmp_path / "none.wav"))
    few = explore(Manifest((missing, missing)) if broken else manifest.take([0]), rng(), workers=1)
    assert few.plane is None and few.differences is None
    assert few.n_readable == (0 if broken else 1)
    shown = page(few, rng(), n_clips=1)
    assert "Fewer than three clips could be read" in shown
    assert "one emotion only" in shown
    json.dumps(few.as_dict(), allow_nan=False)


def test_there_must_be_a_clip() -> None:
    with pytest.raises(ManifestError, match="holds no clip to explore"):
        explore(Manifest(()), rng())


def test_json_says_null_where_nothing_can_be_told(write: Write) -> None:
    rows = [write(clip_of(np.zeros(16_000)), "silent.wav"), write(fakes.voice(), "voice.wav")]
    told = explore(Manifest(tuple(rows)), rng(), workers=1).as_dict()
    assert [clip["pitch_hz"] is None for clip in told["clips"]] == [True, False]
    assert {m["name"] for m in told["measures"]} == set(NAMES) <= set(told["clips"][0])
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_examples_come_from_as_many_corpora_and_speakers_as_there_are(manifest: Manifest, found: Exploration) -> None:
    picked = chosen(found, 4, rng())
    assert list(picked) == list(EMOTIONS)
    for emotion, rows in picked.items():
        assert {manifest[i].emotion for i in rows} == {emotion}
        assert Counter(manifest[i].corpus for i in rows) == {"mine": 2, "yours": 2}
        assert len({manifest[i].speaker for i in rows}) == 4
        assert len(set(rows)) == 4


def test_sound_travels_as_data() -> None:
    import base64

    media, _, coded = data_uri(fakes.voice(1.0)).partition(",")
    assert media in ("data:audio/mpeg;base64", "data:audio/wav;base64")
    heard = audio.read(base64.b64decode(coded))
    assert heard.duration == pytest.approx(1.0, abs=0.1)
    assert float(np.abs(heard.samples).max()) == pytest.approx(0.3, abs=0.05)


# ------------------------------------------------------------------------------------------------ the page


class Elements(HTMLParser):
    """Every element with its attributes, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, {k: v or "" for k, v in attrs}))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]


EVIL = "<img src=x onerror=alert(1)>\"'&$x^2$"


@pytest.fixture(scope="module")
def found(manifest: Manifest) -> Exploration:
    return explore(manifest, rng(), workers=1)


@pytest.fixture(scope="module")
def evil(write: Write, manifest: Manifest) -> Exploration:
    """Names that would be elements, attributes and formulas, of clips that all sections list."""
    votes = {"sad": 9, "happy": 1, "<b>bold": 3}
    about = {"corpus": EVIL, "speaker": f"{EVIL}/1", "label": EVIL, "sex": EVIL, "intensity": EVIL, "ratings": votes}
    short = fakes.voice(0.3)
    rows = [write(short, f"{EVIL.replace('/', '')}{i}.wav", **about) for i in range(2)]
    return explore(manifest + Manifest(tuple(rows)), rng(), workers=1)


@pytest.fixture(scope="module")
def sounding(evil: Exploration) -> str:
    return page(evil, rng(), n_clips=1)


@pytest.fixture(scope="module")
def silent(evil: Exploration) -> str:
    return page(evil, rng(), n_clips=0)


def test_the_page_asks_nobody(sounding: str) -> None:
    shown = sounding
    got = Elements(shown)
    policy = next(m["content"] for m in got.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:; media-src data:; ")
    addresses = [
        a[k] for _, a in got.found for k in ("src", "href", "xlink:href", "srcset", "data", "action") if k in a
    ]
    assert len(addresses) > 100
    assert all(address.startswith(("#", "data:image/png;base64,", "data:audio/")) for address in addresses)
    assert not re.search(r"(?:url\(\s*['\"]?(?!#))|@import", shown)
    assert not {"link", "iframe", "object", "embed", "form", "base"} & {tag for tag, _ in got.found}
    ids = [a["id"] for _, a in got.found if "id" in a]
    assert len(ids) == len(set(ids)) > 100
    for address in addresses:
        assert not address.startswith("#") or address[1:] in ids


def test_names_are_shown_and_never_run(sounding: str) -> None:
    got = Elements(sounding)
    assert len(got.all("script")) == 1
    assert not got.all("img") and not got.all("b")
    assert not [name for _, attributes in got.found for name in attributes if name.startswith("on")]
    words = "".join(got.words)
    assert words.count(EVIL) > 10
    assert not re.search(r"\\\$", words)


def test_the_scripts_digest_is_in_the_policy(silent: str) -> None:
    import base64
    import hashlib

    shown = silent
    script = re.search(r"<script>(.*?)</script>", shown, re.DOTALL)
    assert script is not None
    assert f"script-src 'sha256-{base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()}'" in shown


def test_everything_in_the_page_has_a_name(evil: Exploration, sounding: str) -> None:
    got = Elements(sounding)
    figures = got.all("svg")
    assert len(figures) >= len(drawings(evil)) + 3
    assert all(len(s["aria-label"]) > 10 and s["role"] == "img" for s in figures)
    assert got.all("audio") and all(a["aria-label"].startswith("play ") for a in got.all("audio"))
    assert len(got.all("caption")) == len(got.all("table")) > 10
    assert all(th.get("scope") == "col" for th in got.all("th"))
    links = [a["href"] for a in got.all("a")]
    sections = [f"#{s['id']}" for s in got.all("section")]
    assert sections == [link for link in links if link != "#main"]
    assert got.all("html")[0]["lang"] == "en"
    assert [m for m in got.all("meta") if m.get("name") == "viewport"]


def test_without_clips_there_is_no_sound(silent: str, sounding: str) -> None:
    assert "<audio" not in silent and 'id="sound_' not in silent
    assert "made without sound" in silent and "check their licences" not in silent
    assert "<audio" in sounding and 'id="sound_' in sounding
    assert "check their licences before you share" in sounding
    assert len(silent) < len(sounding)


def test_the_page_shows_the_numbers(evil: Exploration, silent: str) -> None:
    words = " ".join(" ".join(Elements(silent).words).split())
    for told in evil.by_emotion:
        assert f"{told.name} {told.n_clips} {100 * told.n_clips / 26:.1f} %" in words
    assert "byte-identical" in words and "same emotion and speaker" in words
    assert "90 % of the votes say sad, 10 % say happy" in words


def test_long_lists_say_how_many_more(write: Write) -> None:
    rows = [write(fakes.voice(0.3, 120 + i), f"short{i}.wav") for i in range(15)]
    shown = page(explore(Manifest(tuple(rows)), rng(), workers=1), rng(), n_clips=1)
    assert "And 3 more; all of them are in the JSON report" in shown
    assert shown.count('aria-label="play ') == 1 + 5


def test_the_same_seed_gives_the_same_page(write: Write) -> None:
    rows = [write(fakes.voice(0.6, 120 + 5 * i), f"same{i}.wav") for i in range(2)]
    few = explore(Manifest(tuple(rows)), rng(), workers=1)
    pages = [page(few, np.random.default_rng(seed), 1) for seed in (3, 3)]
    assert pages[0] == pages[1]


def test_the_seed_chooses_the_clips(found: Exploration) -> None:
    picked = [chosen(found, 2, np.random.default_rng(seed)) for seed in (3, 3, 4)]
    assert picked[0] == picked[1] != picked[2]


def test_signs_that_no_page_can_hold_are_replaced() -> None:
    assert text("a\x00b\ud800\u202ec") == "a\ufffdb\ufffd\ufffdc"
    assert text("käse") == "käse"
    assert (number(-0.04, "{:.1f}"), number(-1.0, "{:.1f}"), number(float("nan"))) == ("0.0", "−1.0", "–")


def test_tsne_is_there_when_asked_for(manifest: Manifest, found: Exploration) -> None:
    arranged = explore(manifest, rng(), workers=1, with_tsne=True)
    assert arranged.neighbourhood is not None
    assert arranged.neighbourhood.points.shape == (24, 2)
    assert np.isfinite(arranged.neighbourhood.points).all()
    assert {"tsne_by_emotion", "pca_by_emotion"} <= set(drawings(arranged))
    assert "tsne_by_emotion" not in drawings(found)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (99.4, "99 s"),
        (99.6, "1.7 min"),
        (1_650, "27.5 min"),
        (7_200, "2.0 h"),
        (4.32e6, "1,200.0 h"),
    ],
)
def test_lengths_of_time_are_said_in_a_unit_that_suits_them(seconds: float, words: str) -> None:
    assert lasting(seconds) == words
