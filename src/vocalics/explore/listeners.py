"""Whether listeners hear the emotion that was acted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vocalics.emotions import EMOTIONS, OTHER_EMOTIONS
from vocalics.manifest import Manifest, Utterance


@dataclass(frozen=True)
class Agreement:
    """What the listeners of one corpus voted.

    Attributes:
        corpus: Its name.
        n_clips: Clips with at least one vote.
        n_votes: Votes on them together.
        emotions: What was voted for, or acted in a clip with votes.
        acted_share: Mean over the clips of the share of votes for the acted emotion.
        heard: Share of clips whose acted emotion has more votes than any other.
        tied: Share of clips whose acted emotion shares the most votes with another.
        votes: Shape (n_emotions, n_emotions): acted (rows) by voted (columns), as shares of the row's votes; NaN for
            an emotion that was not acted.
        by_emotion: Share of votes for the acted emotion, by acted emotion.
        entropy_bits: Mean over the clips of the entropy of their votes, in bits; 0 where all agree.
        kappa: Fleiss' kappa; NaN where it cannot be told.
        others: Votes for what is none of our emotions, left out of all the above.
    """

    corpus: str
    n_clips: int
    n_votes: int
    emotions: tuple[str, ...]
    acted_share: float
    heard: float
    tied: float
    votes: tuple[tuple[float, ...], ...]
    by_emotion: Mapping[str, float] = field(hash=False)
    entropy_bits: float
    kappa: float
    others: int


def agreements(manifest: Manifest) -> tuple[Agreement, ...]:
    """Return the agreement of listeners of every corpus that has votes, in the order of the corpora's names."""
    voted = {c: [u for u in manifest if u.corpus == c and _votes(u)] for c in manifest.corpora}
    return tuple(_agreement(corpus, clips) for corpus, clips in voted.items() if clips)


def doubted(utterance: Utterance) -> tuple[str, float, float] | None:
    """Return what listeners rather heard: the emotion, its share of votes and the acted one's; ``None`` where not.

    A tie of the acted emotion with another is no doubt.
    """
    votes = _votes(utterance)
    if not votes:
        return None
    total, acted = sum(votes.values()), votes.get(utterance.emotion, 0)
    best = max(votes, key=lambda emotion: votes[emotion])
    return (best, votes[best] / total, acted / total) if votes[best] > acted else None


def fleiss_kappa(counts: npt.ArrayLike) -> float:
    """Return how far listeners agree beyond chance: 1 wholly, 0 as by chance.

    Fleiss (1971), *Measuring nominal scale agreement among many raters*: the share of pairs of votes on a clip that
    agree, against that of pairs drawn from all votes. Clips may have different numbers of votes, each clip counting
    alike; one with fewer than two has no pair and is left out.

    Args:
        counts: Votes, shape (n_clips, n_emotions).

    Returns:
        At most 1; NaN where no clip has two votes, or all votes name one emotion.
    """
    votes = np.asarray(counts, dtype=float)
    n = votes.sum(axis=1)
    votes, n = votes[n >= 2], n[n >= 2]
    if not len(votes):
        return float("nan")
    agreed = float(np.mean((votes * (votes - 1)).sum(axis=1) / (n * (n - 1))))
    chance = float(np.square(votes.sum(axis=0) / votes.sum()).sum())
    return (agreed - chance) / (1 - chance) if chance < 1 else float("nan")


def _votes(utterance: Utterance) -> dict[str, int]:
    """The votes for emotions of ours, more than none; shares of a vote are no votes."""
    known = {*EMOTIONS, *OTHER_EMOTIONS}
    return {
        e: int(n)
        for e, n in utterance.ratings.items()
        if e in known and isinstance(n, int | float) and n > 0 and n == int(n)
    }


def _agreement(corpus: str, clips: Sequence[Utterance]) -> Agreement:
    votes = [_votes(u) for u in clips]
    present = {u.emotion for u in clips} | {e for v in votes for e in v}
    emotions = tuple(e for e in EMOTIONS + OTHER_EMOTIONS if e in present)
    counts = np.array([[v.get(e, 0) for e in emotions] for v in votes], dtype=float)
    acted = np.array([emotions.index(u.emotion) for u in clips])
    shares = counts / counts.sum(axis=1, keepdims=True)
    own = counts[np.arange(len(clips)), acted]
    most = counts.max(axis=1)
    rivals = (counts == most[:, None]).sum(axis=1)
    entropy = -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=1)
    table = np.full((len(emotions), len(emotions)), np.nan)
    for i in range(len(emotions)):
        if (acted == i).any():
            rows = counts[acted == i].sum(axis=0)
            table[i] = rows / rows.sum()
    return Agreement(
        corpus=corpus,
        n_clips=len(clips),
        n_votes=int(counts.sum()),
        emotions=emotions,
        acted_share=float(shares[np.arange(len(clips)), acted].mean()),
        heard=float(np.mean((own == most) & (rivals == 1))),
        tied=float(np.mean((own == most) & (rivals > 1))),
        votes=tuple(tuple(float(x) for x in row) for row in table),
        by_emotion={e: float(table[i, i]) for i, e in enumerate(emotions) if (acted == i).any()},
        entropy_bits=float(entropy.mean()),
        kappa=fleiss_kappa(counts),
        others=sum(
            int(n) for u in clips for e, n in u.ratings.items() if e not in emotions and isinstance(n, int | float)
        ),
    )
