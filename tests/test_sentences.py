"""What the sentence alone tells of the emotion."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from vocalics import sentences
from vocalics.audit import AuditReport, audit
from vocalics.corpora import savee, scan
from vocalics.evaluation import groups_of
from vocalics.manifest import Manifest, Utterance
from vocalics.splits import splits


def said(speaker: str, statement: str, emotion: str, corpus: str = "x", n: int = 0) -> Utterance:
    return Utterance(
        f"/{corpus}/{speaker}-{statement}-{emotion}-{n}.wav", corpus, speaker, "", emotion, "", None, "", statement
    )


def savee_clips() -> Manifest:
    rows = []
    for name in savee.expected(Path()):
        parsed = savee.parse(Path(f"/s/{name}.wav"))
        assert not isinstance(parsed, str)
        emotion = savee.EMOTIONS[parsed.label]
        rows.append(said(f"savee/{parsed.speaker}", parsed.statement, emotion, "savee", len(rows)))
    return Manifest(tuple(rows))


def test_who_knows_the_sentence_is_right_as_often_as_it_tells() -> None:
    train = [said("a", "1", e) for e in ("sad", "happy")] + [said("a", "2", "sad"), said("a", "3", "happy")]
    test = [said("b", s, "sad") for s in ("1", "2", "3", "new", "")]
    assert sentences.right(train, test) == [0.5, 1.0, 0.0, 0.5, 0.5]
    assert sentences.right(train, [said("b", "2", "angry"), said("b", "2", "sad", "another corpus")]) == [0.0, 0.0]


def test_an_emotion_of_many_clips_is_not_named_for_that() -> None:
    train = [said("a", "1", "sad")] * 3 + [said("a", "2", "sad")] * 27 + [said("a", "1", "happy")] * 2
    assert sentences.right(train, [said("b", "1", "happy"), said("b", "1", "sad")]) == [1.0, 0.0]


def test_the_recall_is_of_all_folds_together_and_unweighted() -> None:
    train = [said("a", "1", "sad"), said("a", "2", "happy")]
    folds = [(train, [said("b", "1", "sad"), said("b", "2", "sad")]), (train, [said("c", "2", "happy")])]
    assert sentences.told(folds) == {"x": sentences.Told((0.5 + 1.0) / 2, 0.5)}
    assert sentences.told([(train, [said("b", "", "sad")])]) == {}


def test_a_corpus_is_told_apart_from_others_and_where_it_trains_alone() -> None:
    train = [said("a", "1", "sad"), said("a", "2", "happy"), said("q", "1", "fear", "y"), said("q", "2", "angry", "y")]
    test = [said("b", "1", "sad"), said("r", "1", "angry", "y"), said("s", "1", "angry", "z")]
    found = sentences.told([(train, test), (test, [])])
    assert found == {"x": sentences.Told(1.0, 0.5), "y": sentences.Told(0.0, 0.5)}


def test_savee_says_three_sentences_in_every_emotion() -> None:
    clips = savee_clips()
    kinds = [sentences.kind(u) for u in clips]
    assert kinds.count(sentences.IN_EVERY) == 4 * (6 * 3 + 6) and kinds.count(sentences.IN_SOME) == 480 - 96
    emotions: dict[str, set[str]] = {}
    for u in clips:
        emotions.setdefault(u.statement, set()).add(u.emotion)
    every = {s for s, e in emotions.items() if len(e) == 7}
    assert every == savee.IN_EVERY_EMOTION
    assert sum(e != {"neutral"} and len(e) == 2 for e in emotions.values()) == 12
    assert sum(len(e) == 1 for e in emotions.values()) == 6 * 10 + 12
    assert groups_of(clips)["sentence"] == tuple(kinds)
    assert groups_of([said("x/1", "01", "sad"), said("ravdess/1", "01", "sad", "ravdess")])["sentence"] == ("", "")


def test_what_an_earlier_scan_wrote_is_known_by_its_words() -> None:
    clips = savee_clips()
    old = Manifest(
        tuple(
            dataclasses.replace(u, statement=name.partition("_")[2])
            for u, name in zip(clips, savee.expected(Path()), strict=True)
        )
    )
    assert len({u.statement for u in old}) == 120 > len({u.statement for u in clips})
    assert [sentences.statement(u) for u in old] == [u.statement for u in clips]
    assert groups_of(old) == groups_of(clips)
    assert words(audit(old, fingerprints=False)) == words(audit(clips, fingerprints=False))
    assert sentences.statement(said("savee/DC", "whatever", "sad", "savee")) == "whatever"


def words(report: AuditReport) -> list[str]:
    return [note for note in report.notes if note.startswith("Words tell the emotion")]


# 12 of 15 sentences tell it and the three others one time in seven; of neutral, 12 of 30.
TOLD = 100 * (6 * (12 + 3 / 7) / 15 + (12 + 6 / 7) / 30) / 7


def test_an_audit_says_where_words_tell_the_emotion() -> None:
    clips = savee_clips()
    (note,) = words(audit(clips, fingerprints=False))
    assert note.startswith("Words tell the emotion in savee: ") and f"{TOLD:.1f} % UAR (chance 14.3 %)" in note
    (first, *_) = splits(clips, "leave-one-speaker-out", np.random.default_rng(0), 0.0)
    assert words(audit(first, fingerprints=False)) == [note]


def test_an_audit_of_several_corpora_tells_them_apart() -> None:
    alike = [said(s, t, e) for s in "abcdefgh" for t in "123" for e in ("angry", "happy")]
    also = [said(s, t, e, "y") for s in "ijk" for t in "12" for e in ("sad", "neutral", "fear")]
    two = [said(s, t, e, "zz") for s in "lm" for t, e in zip("123", ("sad", "happy", "fear"), strict=True)]
    assert words(audit(Manifest((*alike, *also)), fingerprints=False)) == []
    (savees, zz) = words(audit(Manifest((*alike, *savee_clips(), *also, *two)), fingerprints=False))
    assert "in savee: who knows" in savees and f"{TOLD:.1f} % UAR (chance 14.3 %)" in savees
    assert "in zz: who knows" in zz and "100.0 % UAR (chance 33.3 %)" in zz


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("corpus", "percent", "chance"),
    [
        ("savee", 77.1, 14.3),
        ("ravdess", 12.5, 12.5),
        ("emodb", 17.9, 14.3),
        ("tess", 14.3, 14.3),
        ("crema_d", 18.9, 16.7),
    ],
)
def test_of_these_corpora_savee_alone_is_told_by_its_words(
    corpus: str, percent: float, chance: float, shared: Path
) -> None:
    clips = scan(corpus, shared / "corpora" / corpus).manifest
    folds = [([u for u in clips if u.speaker != s], [u for u in clips if u.speaker == s]) for s in clips.speakers]
    found = sentences.told(folds)[corpus]
    assert 100 * found.uar == pytest.approx(percent, abs=0.06)
    assert 100 * found.chance == pytest.approx(chance, abs=0.06)
    assert len(words(audit(clips, fingerprints=False))) == (corpus == "savee")
