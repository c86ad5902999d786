"""What the sentence alone tells of the emotion, in corpora where not everything is said in every emotion.

SAVEE's actors say three sentences in every emotion, and some that belong to one: of these, who knows the words needs no
voice. A pre-trained encoder hears words. So the figure of a model stands beside that of a judge who knows nothing of a
clip but which sentence it is, and the figures are divided by it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from vocalics.corpora import corpora
from vocalics.manifest import Utterance

IN_EVERY = "said in every emotion"
IN_SOME = "said in some emotions only"


def kind(utterance: Utterance) -> str:
    """Return :data:`IN_EVERY` or :data:`IN_SOME`; empty where a corpus is not known, or says all in every emotion.

    >>> kind(Utterance("a.wav", "savee", "savee/DC", "a", "angry", statement="a06"))
    'said in some emotions only'
    """
    known = corpora().get(utterance.corpus)
    if known is None or not known.in_every_emotion or not utterance.statement:
        return ""
    return IN_EVERY if utterance.statement in known.in_every_emotion else IN_SOME


def right(train: Iterable[Utterance], test: Sequence[Utterance]) -> list[float]:
    """Return, clip by clip, how often a judge is right who knows nothing of it but corpus and sentence.

    He names the emotion in which the sentence was said most often in training, each emotion's clips of a corpus
    counting as much together as another's; among equals, and of a sentence that he never met, he guesses.

    Args:
        train: What he has learned from.
        test: What he is asked; other speakers, if the figure is to stand beside a model's.

    Returns:
        A chance from 0 to 1 per clip.
    """
    said: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    n: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for u in train:
        n[u.corpus][u.emotion] += 1
        if u.statement:
            said[u.corpus, u.statement][u.emotion] += 1
    found = []
    for u in test:
        every = n[u.corpus]
        share = {e: k / every[e] for e, k in said.get((u.corpus, u.statement), Counter[str]()).items()}
        most = max(share.values(), default=0.0)
        named = {e for e, k in share.items() if k > most - 1e-9} or {*every}
        found.append(1 / len(named) if u.emotion in named else 0.0)
    return found


def uar(folds: Iterable[tuple[Iterable[Utterance], Sequence[Utterance]]]) -> float | None:
    """Return the unweighted average recall of that judge over all folds together, from 0 to 1.

    Args:
        folds: Training and test clips of each.

    Returns:
        ``None`` where no test clip names its sentence.
    """
    by_emotion: defaultdict[str, list[float]] = defaultdict(list)
    known = False
    for train, test in folds:
        known = known or any(u.statement for u in test)
        for utterance, chance in zip(test, right(train, test), strict=True):
            by_emotion[utterance.emotion].append(chance)
    if not known:
        return None
    return sum(sum(chances) / len(chances) for chances in by_emotion.values()) / len(by_emotion)
