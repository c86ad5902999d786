"""Answers with counts and intervals, and none on too few calls, on both databases."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import made
import numpy as np
import pytest
from sqlalchemy import func, select

from vocalics.calls import questions, topics
from vocalics.calls.schema import CallTopicRow, TopicRow
from vocalics.calls.storage import Storage
from vocalics.errors import VocalicsError

UP, DOWN = [0.1] * 5 + [0.8] * 5, [0.8] * 5 + [0.1] * 5
CARS = "the engine and the brakes of my car make a noise, the garage repaired the engine and the tyre"
BILLS = "the invoice charged my account twice, the payment and the refund of the invoice are missing"


def test_calls_in_which_anger_rose(address: str) -> None:
    with Storage(address) as storage:
        storage.put(made.call("calm"))
        storage.put(made.call("down", DOWN))
        storage.put(made.call("up", UP))
        storage.put(made.call("more", [0.05] * 5 + [0.95] * 5, started_at=made.BEGAN + timedelta(days=1)))
        storage.put(made.call("short", UP[4:6]))
        found = questions.anger_rose(storage)
        assert [f.digest for f in found] == [made.call("more").digest, made.call("up").digest]
        assert found[1].change == pytest.approx(0.7) and found[1].low > 0 and found[1].n_turns == 10
        assert (found[1].agent, found[1].customer, found[1].started_at) == ("Bob", "Ann", made.BEGAN)
        later = made.BEGAN + timedelta(hours=1)
        assert [f.digest for f in questions.anger_rose(storage, since=later)] == [made.call("more").digest]
        assert [f.digest for f in questions.anger_rose(storage, until=later)] == [made.call("up").digest]


def test_agents_are_ranked_on_enough_calls_only(address: str) -> None:
    rng = np.random.default_rng(0)
    with Storage(address) as storage:
        for i in range(12):
            storage.put(made.call(f"good {i}", [*(DOWN + rng.normal(0, 0.05, 10)).clip(0, 1)], agent="Good"))
            storage.put(made.call(f"bad {i}", UP, agent="Bad"))
            storage.put(made.call(f"even {i}", UP if i % 2 else DOWN, agent="Even"))
        for i in range(9):
            storage.put(made.call(f"new {i}", DOWN, agent="Anew"))
        storage.put(made.call("short", UP[:3], agent="Good"))
        storage.put(made.call("nobody", UP, agent=None))
        found = questions.calming_agents(storage)
        assert [(s.agent, s.finding) for s in found] == [
            ("Good", "calmer"), ("Even", "no difference found"), ("Bad", "angrier"), ("Anew", "too few calls"),
        ]  # fmt: skip
        good, _, _, new = found
        assert (good.n_calls, good.n_unknown, good.share_calmer) == (12, 1, 1.0)
        assert good.low is not None and good.change is not None and good.low < good.change < -0.5
        assert (new.n_calls, new.change, new.low, new.share_calmer) == (9, None, None, None)
        assert questions.calming_agents(storage, least=9)[0].agent in ("Good", "Anew")
        assert {s.finding for s in questions.calming_agents(storage, until=made.BEGAN)} == set()
        with pytest.raises(VocalicsError, match="1 call tells nothing of anybody"):
            questions.calming_agents(storage, least=1)


def fill(storage: Storage, n: int = 24) -> None:
    """Calls about cars, whose customers are sad, and about bills, whose are not."""
    for i in range(n):
        sad = made.spread(sad=0.6 if i % 2 else 0.1)
        said = (CARS if i % 2 else BILLS).split(", ")
        storage.put(made.call(f"call {i}", words=[said[i // 2 % 2], said[0], *said], emotions=sad))


def test_topics_are_found_and_their_sadness_told(address: str) -> None:
    with Storage(address) as storage:
        fill(storage)
        found = topics.fit(storage, 2)
        by_word = {word: topic for topic in found for word in topic.words}
        assert "engine" in by_word and "invoice" in by_word and by_word["engine"] is not by_word["invoice"]
        assert sum(t.share for t in found) == pytest.approx(1) and {t.n_calls for t in found} == {24}
        assert all(-3 < t.coherence < 0.5 for t in found) and [t.number for t in found] == [1, 2]
        first, second = questions.moods(storage, "sad")
        assert "engine" in first.words and "invoice" in second.words
        assert first.probability is not None and second.probability is not None
        assert first.probability > 0.5 > 0.2 > second.probability
        assert first.low is not None and first.high is not None and first.low <= first.probability <= first.high
        assert first.n_calls + second.n_calls == pytest.approx(24)
        assert {m.finding for m in questions.moods(storage, least=20)} == {"too few calls"}
        assert questions.moods(storage, least=20)[0].probability is None
        with pytest.raises(VocalicsError, match='unknown emotion "sda"; did you mean "sad"'):
            questions.moods(storage, "sda")
        assert topics.fit(storage, 3) != found and len(questions.moods(storage)) == 3


def test_topics_go_with_a_call_of_theirs(address: str) -> None:
    with Storage(address) as storage:
        fill(storage, 12)
        topics.fit(storage, 2)
        storage.put(made.call("without words", customer="Cid"))
        storage.delete(customers=["Cid"])
        assert len(questions.moods(storage)) == 2
        storage.delete([made.call("call 3").digest])
        with storage.session() as session:
            for table in (TopicRow, CallTopicRow):
                assert session.scalar(select(func.count()).select_from(table)) == 0
        with pytest.raises(VocalicsError, match="no topics yet, or a call of theirs was deleted"):
            questions.moods(storage)


def test_topics_go_with_a_call_that_is_analysed_again_without_its_words(address: str) -> None:
    with Storage(address) as storage:
        fill(storage, 12)
        topics.fit(storage, 2)
        storage.put(made.call("call 3"), "none")
        with pytest.raises(VocalicsError, match="no topics yet, or a call of theirs was deleted"):
            questions.moods(storage)


def test_topics_are_not_kept_of_a_call_that_went_while_they_were_sought(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Storage(address) as storage:
        fill(storage, 12)
        fitted = topics._fitted

        def meanwhile(*arguments: Any) -> Any:
            storage.delete([made.call("call 3").digest])
            return fitted(*arguments)

        monkeypatch.setattr(topics, "_fitted", meanwhile)
        with pytest.raises(VocalicsError, match="deleted or analysed again while topics were sought"):
            topics.fit(storage, 2)
        with pytest.raises(VocalicsError, match="no topics yet"):
            questions.moods(storage)


def test_no_topics_on_too_few_calls_or_words(tmp_path: Path) -> None:
    with Storage(str(tmp_path / "calls.db")) as storage:
        fill(storage, 9)
        with pytest.raises(VocalicsError, match="too few calls: 9 have words that are kept; 2 topics need 10"):
            topics.fit(storage, 2)
        with pytest.raises(VocalicsError, match="20 topics need 20"):
            topics.fit(storage, 20)
        for i in range(4):
            storage.put(made.call(f"more {i}", words=["the and of"]))
        with pytest.raises(VocalicsError, match="1 topics tell nothing apart"):
            topics.fit(storage, 1)
    with Storage(str(tmp_path / "odd.db")) as storage:
        for i in range(12):
            storage.put(made.call(f"call {i}", words=["zyx" + "abcdefghijkl"[i] * 3]))
        with pytest.raises(VocalicsError, match="no words in common that could tell them apart"):
            topics.fit(storage, 2)


def test_coherence_of_words_that_belong_together_is_higher() -> None:
    together = np.array([[True, True], [True, True], [False, False], [False, False]])
    apart = np.array([[True, False], [True, False], [False, True], [False, True]])
    assert topics.coherence(together) == pytest.approx(np.log(3 / 2))
    assert topics.coherence(apart) == pytest.approx(np.log(1 / 2))


def test_phrases_set_a_call_apart(address: str) -> None:
    with Storage(address) as storage:
        storage.put(made.call("one", words=[CARS]))
        digest = made.call("one").digest
        with pytest.raises(VocalicsError, match="keep the words of a second call first"):
            topics.phrases(storage, digest)
        storage.put(made.call("two", words=[BILLS, "the garage"]))
        storage.put(made.call("three"))
        found = topics.phrases(storage, digest, 4)
        assert len(found) == 4 and found[0].weight >= found[-1].weight > 0
        assert "engine" in " ".join(p.text for p in found) and "garage" not in [p.text for p in found]
        with pytest.raises(VocalicsError, match="no words of this call are kept"):
            topics.phrases(storage, made.call("three").digest)
