"""What calls are about: the phrases that set one apart, and topics over all of them.

Both read the words that are kept, and are no better than the transcripts. English stop words are left out.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from vocalics.calls.schema import CallRow, CallTopicRow, TopicRow, TurnRow
from vocalics.calls.storage import Storage
from vocalics.errors import MissingExtraError, VocalicsError

LEAST_CALLS = 10
"""With a transcript, below which no topics are sought."""

_WORDS = r"(?u)\b[^\W\d_]{3,}\b"
_TOP = 10


@dataclass(frozen=True)
class Topic:
    """A topic of many calls.

    Attributes:
        number: Counted from 1, the most frequent first.
        words: Its ten most probable words.
        coherence: UMass coherence (Mimno, Wallach, Talley, Leenders, McCallum 2011): how often its words occur in the
            same calls; about 0 at best, the further below the less they belong together.
        share: Of all calls' words, 0 to 1.
        n_calls: Calls of the fit.
    """

    number: int
    words: tuple[str, ...]
    coherence: float
    share: float
    n_calls: int


@dataclass(frozen=True)
class Phrase:
    """A phrase that sets a call apart from the others.

    Attributes:
        text: One to three words.
        weight: Its TF-IDF, of a call whose weights have the length 1.
    """

    text: str
    weight: float


def phrases(storage: Storage, digest: str, n: int = 10) -> list[Phrase]:
    """Return the phrases of a call with the highest TF-IDF over all calls that are kept (Spärck Jones 1972).

    Args:
        storage: Holds the calls.
        digest: Of the call.
        n: At most so many.

    Raises:
        VocalicsError: Where there is no such call, it has no words, or no other call has.
        MissingExtraError: Where scikit-learn is not installed.
    """
    call = storage.get(digest)
    _, ids, texts = _texts(storage)
    if call.digest not in ids:
        raise VocalicsError(f"{digest}: no words of this call are kept; see --keep and --transcript")
    return _phrases(ids, texts, [call.digest], n)[call.digest]


def phrases_of(storage: Storage, digests: Iterable[str], n: int = 10) -> dict[str, list[Phrase]]:
    """Return what :func:`phrases` does, of many calls at once: of those whose words are kept, by digest.

    Raises:
        VocalicsError: Where fewer than two calls have words.
        MissingExtraError: Where scikit-learn is not installed.
    """
    return _phrases(*_texts(storage)[1:], digests, n)


def _phrases(ids: Sequence[str], texts: Sequence[str], digests: Iterable[str], n: int) -> dict[str, list[Phrase]]:
    if len(texts) < 2:
        raise VocalicsError("phrases set a call apart from others; keep the words of a second call first")
    vectorizer = _vectorizer("TfidfVectorizer", ngram_range=(1, 3), sublinear_tf=True)
    weights = _fitted(vectorizer, texts)
    names, places = vectorizer.get_feature_names_out(), {digest: i for i, digest in enumerate(ids)}
    rows = {digest: weights[places[digest]] for digest in digests if digest in places}
    return {digest: _heaviest(dict(zip(row.indices, row.data, strict=True)), names, n) for digest, row in rows.items()}


def _heaviest(weights: Mapping[int, float], names: Sequence[str], n: int) -> list[Phrase]:
    """The phrases with the highest weights, none within another one."""
    found: list[Phrase] = []
    for i in sorted(weights, key=lambda i: (-weights[i], i)):
        if weights[i] <= 0 or len(found) == n:
            break
        if not any(f" {names[i]} " in f" {p.text} " or f" {p.text} " in f" {names[i]} " for p in found):
            found.append(Phrase(str(names[i]), float(weights[i])))
    return found


def fit(storage: Storage, n_topics: int = 8, seed: int = 0) -> list[Topic]:
    """Find topics in all calls whose words are kept, and keep them in the database instead of those of the last fit.

    Latent Dirichlet allocation (Blei, Ng, Jordan 2003) by scikit-learn, over words that two calls have at least, so
    that no topic tells what a single call said.

    Args:
        storage: Holds the calls.
        n_topics: How many.
        seed: Of the fit.

    Raises:
        VocalicsError: For fewer than ``LEAST_CALLS`` calls, fewer calls than topics, or calls without common words.
        MissingExtraError: Where scikit-learn is not installed.
    """
    versions, ids, texts = _texts(storage)
    if len(texts) < max(LEAST_CALLS, n_topics):
        raise VocalicsError(
            f"too few calls: {len(texts)} have words that are kept; {n_topics} topics need {max(LEAST_CALLS, n_topics)}"
        )
    if n_topics < 2:
        raise VocalicsError(f"{n_topics} topics tell nothing apart; expected 2 or more")
    vectorizer = _vectorizer("CountVectorizer", min_df=2, max_df=0.9)
    counts = _fitted(vectorizer, texts)
    from sklearn.decomposition import LatentDirichletAllocation

    model = LatentDirichletAllocation(n_topics, random_state=seed, learning_method="batch", max_iter=100)
    weights = model.fit_transform(counts)
    names = vectorizer.get_feature_names_out()
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    shares = (weights * lengths[:, None]).sum(axis=0) / max(lengths.sum(), 1)
    found = []
    for number, topic in enumerate(np.argsort(-shares, kind="stable"), 1):
        top = np.argsort(-model.components_[topic], kind="stable")[:_TOP]
        words = tuple(str(names[i]) for i in top)
        found.append(
            (
                int(topic),
                Topic(number, words, coherence((counts[:, top] > 0).toarray()), float(shares[topic]), len(texts)),
            )
        )
    with storage.session(writes=True) as session:
        # Locked, so that no call goes while its words are written.
        rows = session.execute(select(CallRow.id, CallRow.digest).order_by(CallRow.id).with_for_update())
        numbers = {digest: i for i, digest in rows}
        if _versions(session, ids) != versions:
            raise VocalicsError("calls were deleted or analysed again while topics were sought; seek them once more")
        session.execute(delete(TopicRow))
        for column, topic in found:
            row = TopicRow(number=topic.number, words=list(topic.words), coherence=topic.coherence, n_calls=len(texts))
            session.add(row)
            session.flush()
            session.add_all(
                CallTopicRow(call_id=numbers[digest], topic_id=row.id, weight=float(weights[i, column]))
                for i, digest in enumerate(ids)
            )
    return [topic for _, topic in found]


def coherence(present: npt.NDArray[np.bool_]) -> float:
    """Return the UMass coherence of words: the mean of log((D(w, v) + 1) / D(v)) over pairs, v the more probable.

    Args:
        present: Which call has which of a topic's words, (n_calls, n_words), the most probable word first.

    >>> coherence(np.array([[True, True], [True, True]]))
    0.4054651081081644
    """
    pairs = [(i, j) for i in range(present.shape[1]) for j in range(i)]
    values = [math.log(((present[:, i] & present[:, j]).sum() + 1) / present[:, j].sum()) for i, j in pairs]
    return float(np.mean(values)) if values else 0.0


def _texts(storage: Storage) -> tuple[dict[str, datetime], list[str], list[str]]:
    """Of the calls whose words are kept: when each was analysed, their digests, those words."""
    found: dict[str, list[str]] = {}
    with storage.session() as session:
        for digest, text in session.execute(
            select(CallRow.digest, CallRow.text).where(CallRow.text.is_not(None)).order_by(CallRow.digest)
        ):
            found.setdefault(digest, []).append(text or "")
        for digest, words in session.execute(
            select(CallRow.digest, TurnRow.words)
            .join(CallRow.turns)
            .where(TurnRow.words.is_not(None))
            .order_by(CallRow.digest, TurnRow.number)
        ):
            found.setdefault(digest, []).append(words or "")
        texts = {digest: " ".join(parts) for digest, parts in sorted(found.items())}
        kept = {digest: text for digest, text in texts.items() if text.strip()}
        return _versions(session, kept), list(kept), list(kept.values())


def _versions(session: Session, digests: Collection[str]) -> dict[str, datetime]:
    """When calls were analysed, by digest: another time is another analysis."""
    rows = session.execute(select(CallRow.digest, CallRow.analysed_at))
    wanted = set(digests)
    return {digest: time for digest, time in rows if digest in wanted}


def _vectorizer(kind: str, **settings: Any) -> Any:
    try:
        from sklearn.feature_extraction import text
    except ModuleNotFoundError:
        raise MissingExtraError("phrases and topics", "calls") from None
    return getattr(text, kind)(stop_words="english", token_pattern=_WORDS, **settings)


def _fitted(vectorizer: Any, texts: Sequence[str]) -> Any:
    try:
        return vectorizer.fit_transform(texts)
    except ValueError:  # scikit-learn's words for an empty vocabulary
        raise VocalicsError("the calls have no words in common that could tell them apart; keep more calls") from None
