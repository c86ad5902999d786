"""What the sentence alone tells of the emotion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vocalics import sentences
from vocalics.audit import audit
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
    assert sentences.uar(folds) == pytest.approx((0.5 + 1.0) / 2)
    assert sentences.uar([(train, [said("b", "", "sad")])]) is None


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


def test_an_audit_says_where_words_tell_the_emotion() -> None:
    clips = savee_clips()
    whole = audit(clips, fingerprints=False)
    (note,) = [n for n in whole.notes if n.startswith("Words tell the emotion")]
    # 12 of 15 sentences tell it and the three others one time in seven; of neutral, 12 of 30.
    expected = 100 * (6 * (12 + 3 / 7) / 15 + (12 + 6 / 7) / 30) / 7
    assert f"reaches {expected:.1f} % UAR (chance 14.3 %)" in note
    (first, *_) = splits(clips, "leave-one-speaker-out", np.random.default_rng(0), 0.0)
    again = next(n for n in audit(first, fingerprints=False).notes if n.startswith("Words tell the emotion"))
    assert again.partition("reaches")[2] == note.partition("reaches")[2]
    alike = Manifest(tuple(said(s, t, e) for s in "abc" for t in "123" for e in ("sad", "happy")))
    assert not [n for n in audit(alike, fingerprints=False).notes if "Words" in n]


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("corpus", "low", "high"),
    [
        ("savee", 77.0, 77.2),
        ("ravdess", 12.4, 12.6),
        ("emodb", 14.0, 20.0),
        ("tess", 14.0, 15.0),
        ("crema_d", 16.6, 20.0),
    ],
)
def test_of_these_corpora_savee_alone_is_told_by_its_words(corpus: str, low: float, high: float, shared: Path) -> None:
    clips = scan(corpus, shared / "corpora" / corpus).manifest
    folds = [([u for u in clips if u.speaker != s], [u for u in clips if u.speaker == s]) for s in clips.speakers]
    found = sentences.uar(folds)
    assert found is not None and low < 100 * found < high
