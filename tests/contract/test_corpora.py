"""What every corpus must state."""

from __future__ import annotations

from pathlib import Path

import pytest

from vocalics.corpora import Corpus, corpora
from vocalics.emotions import EMOTIONS, OTHER_EMOTIONS

ALL = list(corpora().values())
PUBLISHED = [c for c in ALL if c.n_clips is not None]
EXAMPLES = {
    "ravdess": ("03-01-06-01-02-01-12", "06"),
    "crema_d": ("1001_DFA_ANG_XX", "ANG"),
    "tess": ("OAF_back_angry", "angry"),
    "savee": ("DC_a01", "a"),
    "emodb": ("03a01Fa", "F"),
}


def named(c: Corpus) -> str:
    return c.name


def test_the_corpora_are_discovered() -> None:
    assert set(corpora()) == {*EXAMPLES, "folder"}


@pytest.mark.parametrize("corpus", ALL, ids=named)
def test_it_states_its_facts(corpus: Corpus) -> None:
    for fact in (corpus.name, corpus.title, corpus.licence, corpus.citation, corpus.url, corpus.pattern):
        assert fact.strip() == fact != ""
    assert corpora()[corpus.name] is corpus
    assert set(corpus.emotions.values()) <= {*EMOTIONS, *OTHER_EMOTIONS}
    assert len(set(corpus.emotions.values())) > 1


@pytest.mark.parametrize("corpus", PUBLISHED, ids=named)
def test_it_is_a_published_corpus(corpus: Corpus) -> None:
    assert corpus.n_clips and corpus.n_speakers and corpus.url.startswith("http")
    assert "http" in corpus.citation and len(corpus.language) == 2
    assert not corpus.commercial or "NC" not in corpus.licence
    assert len(set(corpus.emotions.values())) == len(corpus.emotions), "one label, one emotion"


@pytest.mark.parametrize("corpus", PUBLISHED, ids=named)
def test_its_parser_reads_a_name_without_the_file(corpus: Corpus) -> None:
    name, label = EXAMPLES[corpus.name]
    parsed = corpus.parse(Path("nowhere") / f"{name}.wav")
    assert not isinstance(parsed, str)
    assert (parsed.name, parsed.label) == (name, label) and parsed.label in corpus.emotions
    assert parsed.speaker and parsed.statement
    assert isinstance(corpus.parse(Path("nowhere/any name.wav")), str)


@pytest.mark.parametrize("corpus", PUBLISHED, ids=named)
def test_another_corpus_takes_its_clips_for_strangers(corpus: Corpus) -> None:
    name, _ = EXAMPLES[corpus.name]
    others = [c.parse(Path(f"{name}.wav")) for c in PUBLISHED if c is not corpus]
    assert len(others) == len(EXAMPLES) - 1 and all(isinstance(said, str) for said in others)


@pytest.mark.parametrize("corpus", [c for c in PUBLISHED if c.expected(Path("nowhere"))], ids=named)
def test_the_list_of_its_clips_is_whole_and_parses_to_itself(corpus: Corpus, tmp_path: Path) -> None:
    expected = corpus.expected(tmp_path)
    assert len(set(expected)) == len(expected) == corpus.n_clips
    parsed = [corpus.parse(Path(f"{name}.wav")) for name in expected]
    assert [p if isinstance(p, str) else p.name for p in parsed] == list(expected)
    assert len({p.speaker for p in parsed if not isinstance(p, str)}) == corpus.n_speakers
