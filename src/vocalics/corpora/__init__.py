"""Corpora: one module each, discovered; :func:`scan` turns a folder into a manifest and says what is wrong with it."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from vocalics.corpora.corpus import Corpus, Parsed
from vocalics.corpora.scanning import Finding, Progress, ScanReport, scan_corpus
from vocalics.errors import CorpusError
from vocalics.manifest import Utterance
from vocalics.registry import discover, lookup

__all__ = [
    "Corpus",
    "Finding",
    "Parsed",
    "ScanReport",
    "canonical_name",
    "check_name",
    "corpora",
    "corpus",
    "is_built_in",
    "namesakes",
    "scan",
]


@functools.cache
def corpora() -> Mapping[str, Corpus]:
    """Return every corpus by name: each module of this package that holds a ``CORPUS``."""
    modules = discover(sys.modules[__name__])
    found = [module.CORPUS for module in modules if hasattr(module, "CORPUS")]
    return MappingProxyType({c.name: c for c in found})


def corpus(name: str) -> Corpus:
    """Return a corpus by name.

    Raises:
        CorpusError: When there is none; the message offers the closest name and lists all.
    """
    return lookup(corpora(), name, "corpus", CorpusError)


def scan(name: str, root: Path | str, progress: Progress | None = None, called: str = "") -> ScanReport:
    """Find a corpus's clips below a folder.

    The official layout and the nested and doubled folders in which a corpus circulates are read alike: a clip is known
    by its file name, whatever the folders above it, and counts once.

    Args:
        name: The corpus ("ravdess", "folder", ...).
        root: Its folder; for "folder" also a CSV of path, emotion[, speaker].
        progress: Called with (files read, files in all) as the files are read.
        called: Of "folder", the corpus's name, which its speakers' begin with; by default that of the folder, or of
            the CSV without its ending. Rows of a CSV that state a corpus are of that one all the same.

    Raises:
        CorpusError: For an unknown corpus, a name that a folder cannot have, a root that does not exist or holds no
            clip of the corpus, and an unknown code in a file name of the corpus's pattern (the message names the file).
    """
    scanned = corpus(name)
    if called:
        check_name(name, called)
        scanned = dataclasses.replace(scanned, name=called)
    return scan_corpus(scanned, Path(root), progress)


def check_name(name: str, called: str) -> None:
    """Refuse a name of one's own that a corpus cannot have.

    Raises:
        CorpusError: When the corpus has a name of its own, or this one is another's or none.
    """
    if is_built_in(name):
        raise CorpusError(f'{name} has its name; only a folder of your own can be called otherwise ("{called}")')
    if called in corpora():
        raise CorpusError(f'a folder of your own cannot be called "{called}", which is known; choose another name')
    if "/" in called or not called.strip():  # a speaker is known by "corpus/name"
        raise CorpusError(f'a folder of your own cannot be called "{called}"; expected a name without "/"')


def is_built_in(name: str) -> bool:
    """Return whether a corpus is one of the published ones that are known here, not one of one's own.

    >>> is_built_in("ravdess"), is_built_in("folder"), is_built_in("mine")
    (True, False, False)
    """
    return name in corpora() and corpora()[name].n_clips is not None


def namesakes(here: Iterable[str], there: Iterable[str]) -> list[tuple[str, str]]:
    """Return pairs of speakers of one name in two corpora of one's own: they may be one person.

    Built-in corpora share no speakers, and what they call theirs ("03") says nothing.

    >>> namesakes(["train/en01", "train/en02", "ravdess/03"], ["test/EN01", "train/en02", "test/03"])
    [('train/en01', 'test/EN01')]
    """
    known: dict[str, list[str]] = defaultdict(list)
    for speaker in sorted(set(there)):
        corpus_name, _, name = speaker.partition("/")
        if name and not is_built_in(corpus_name):
            known[name.casefold()].append(speaker)
    found = []
    for speaker in sorted(set(here)):
        corpus_name, _, name = speaker.partition("/")
        if name and not is_built_in(corpus_name):
            others = (o for o in known.get(name.casefold(), ()) if o.partition("/")[0] != corpus_name)
            found += [(speaker, other) for other in others]
    return found


def canonical_name(utterance: Utterance) -> str:
    """Return the name by which test protocols list an utterance, the same in every layout of its corpus.

    >>> canonical_name(Utterance("savee/DC/a01.wav", "savee", "savee/DC", "a", "angry"))
    'DC_a01'
    """
    known = corpora().get(utterance.corpus)
    if known is None or known.n_clips is None:
        return utterance.name
    try:
        parsed = known.parse(Path(utterance.path))
    except CorpusError:
        return utterance.name
    return utterance.name if isinstance(parsed, str) else parsed.name
