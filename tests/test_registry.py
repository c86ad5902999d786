"""Names are looked up with a suggestion; modules are found by being there."""

from __future__ import annotations

import pytest

import vocalics.corpora
from vocalics.errors import CorpusError, VocalicsError
from vocalics.registry import discover, lookup, suggestion

TABLE = {"ravdess": 1, "savee": 2}


def test_a_known_name_gives_its_value() -> None:
    assert lookup(TABLE, "savee", "corpus") == 2 != lookup(TABLE, "ravdess", "corpus")


def test_an_unknown_name_gives_the_closest_and_all() -> None:
    with pytest.raises(VocalicsError) as caught:
        lookup(TABLE, "ravdes", "corpus")
    assert str(caught.value) == 'unknown corpus "ravdes"; did you mean "ravdess"? Known: ravdess, savee.'
    with pytest.raises(CorpusError, match=r'unknown corpus "x"\. Known'):
        lookup(TABLE, "x", "corpus", CorpusError)


def test_only_a_close_name_is_suggested() -> None:
    assert suggestion("savvee", TABLE) == '; did you mean "savee"?'
    # Farther than a slip of the finger, and nobody meant it.
    assert not suggestion("furious", ["surprise", "fear"]) and not suggestion("mine/nobody", ["mine/sp16"])
    assert suggestion("quartz", TABLE) == ""


def test_every_public_module_of_a_package_is_found_in_order() -> None:
    names = [m.__name__.rpartition(".")[2] for m in discover(vocalics.corpora)]
    assert names == sorted(names) and {"ravdess", "folder"} <= set(names)
    assert not [n for n in names if n.startswith("_")]
