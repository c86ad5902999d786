"""What the sentence alone tells of the emotion, in corpora where not everything is said in every emotion.

SAVEE's actors say three sentences in every emotion, and some that belong to one: of these, who knows the words needs no
voice. A pre-trained encoder hears words. So the figure of a model stands beside that of a judge who knows nothing of a
clip but which sentence it is, and the figures are divided by it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vocalics.corpora import corpora
from vocalics.manifest import Utterance

IN_EVERY = "said in every emotion"
IN_SOME = "said in some emotions only"


@dataclass(frozen=True)
class Told:
    """What that judge reaches on the clips of a corpus.

    Attributes:
        uar: Unweighted average recall, from 0 to 1.
        chance: Of one who guesses.
    """

    uar: float
    chance: float


def statement(utterance: Utterance) -> str:
    """Return the code of what is said, by which its corpus knows it today; empty where it is not known.

    >>> statement(Utterance("a.wav", "savee", "savee/DC", "a", "angry", statement="a02"))  # of an earlier scan
    '02'
    """
    known = corpora().get(utterance.corpus)
    return utterance.statement if known is None else known.sentence(utterance.statement)


def kind(utterance: Utterance) -> str:
    """Return :data:`IN_EVERY` or :data:`IN_SOME`; empty where a corpus is not known, or says all in every emotion.

    >>> kind(Utterance("a.wav", "savee", "savee/DC", "a", "angry", statement="a06"))
    'said in some emotions only'
    """
    known = corpora().get(utterance.corpus)
    if known is None or not known.in_every_emotion or not utterance.statement:
        return ""
    return IN_EVERY if statement(utterance) in known.in_every_emotion else IN_SOME


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
        if code := statement(u):
            said[u.corpus, code][u.emotion] += 1
    found = []
    for u in test:
        every = n[u.corpus]
        share = {e: k / every[e] for e, k in said.get((u.corpus, statement(u)), Counter[str]()).items()}
        most = max(share.values(), default=0.0)
        named = {e for e, k in share.items() if k > most - 1e-9} or {*every}
        found.append(1 / len(named) if u.emotion in named else 0.0)
    return found


def told(folds: Iterable[tuple[Sequence[Utterance], Sequence[Utterance]]]) -> dict[str, Told]:
    """Return what that judge reaches, corpus by corpus, over all folds together.

    A corpus's clips count where the training part has some of the corpus, too. Of a corpus that names no sentences,
    nothing is said.

    Args:
        folds: Training and test clips of each.
    """
    chances: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    named, emotions = set[str](), defaultdict[str, set[str]](set)
    for train, test in folds:
        for u in train:
            emotions[u.corpus].add(u.emotion)
        both = {u.corpus for u in train} & {u.corpus for u in test}
        asked = [u for u in test if u.corpus in both]
        for utterance, chance in zip(asked, right(train, asked), strict=True):
            chances[utterance.corpus][utterance.emotion].append(chance)
            emotions[utterance.corpus].add(utterance.emotion)
            if utterance.statement:
                named.add(utterance.corpus)
    return {
        corpus: Told(sum(sum(c) / len(c) for c in own.values()) / len(own), 1 / len(emotions[corpus]))
        for corpus, own in sorted(chances.items())
        if corpus in named
    }
