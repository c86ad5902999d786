"""Corpora: one module each, discovered; :func:`scan` turns a folder into a manifest and says what is wrong with it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from vocalics.corpora.corpus import Corpus, Parsed
from vocalics.corpora.scanning import Finding, Progress, ScanReport, scan_corpus
from vocalics.errors import CorpusError
from vocalics.manifest import Utterance
from vocalics.registry import discover, lookup

__all__ = ["Corpus", "Finding", "Parsed", "ScanReport", "canonical_name", "corpora", "corpus", "scan"]


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


def scan(name: str, root: Path | str, progress: Progress | None = None) -> ScanReport:
    """Find a corpus's clips below a folder.

    The official layout and the nested and doubled folders in which a corpus circulates are read alike: a clip is known
    by its file name, whatever the folders above it, and counts once.

    Args:
        name: The corpus ("ravdess", "folder", ...).
        root: Its folder; for "folder" also a CSV of path, emotion[, speaker].
        progress: Called with (files read, files in all) as the files are read.

    Raises:
        CorpusError: For an unknown corpus, a root that does not exist or holds no clip of the corpus, and an unknown
            code in a file name of the corpus's pattern (the message names the file).
    """
    return scan_corpus(corpus(name), Path(root), progress)


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
