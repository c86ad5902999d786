"""One spelling of every emotion; a scheme merges or drops, and never invents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocalics.emotions import EMOTIONS, OTHER_EMOTIONS, SCHEMES, scheme
from vocalics.errors import VocalicsError


def test_there_are_eight_and_they_differ() -> None:
    assert len(set(EMOTIONS)) == 8 and not set(EMOTIONS) & set(OTHER_EMOTIONS)


@given(st.sampled_from(sorted(SCHEMES)), st.sampled_from(EMOTIONS + OTHER_EMOTIONS))
def test_a_scheme_gives_one_of_its_classes_or_drops(name: str, emotion: str) -> None:
    chosen = scheme(name)
    given_class = chosen.emotion(emotion)
    assert given_class is None or given_class in chosen.emotions
    if emotion in chosen.emotions:
        assert given_class == emotion, "its own classes stay themselves"


@pytest.mark.parametrize(
    ("name", "emotion", "becomes"),
    [
        ("eight", "calm", "calm"),
        ("eight", "boredom", None),
        ("emodb", "boredom", "boredom"),
        ("emodb", "surprise", None),
        ("seven", "calm", "neutral"),
        ("six", "calm", None),
        ("four", "fear", None),
    ],
)
def test_what_is_merged_and_what_is_dropped(name: str, emotion: str, becomes: str | None) -> None:
    assert scheme(name).emotion(emotion) == becomes


def test_schemes_have_as_many_classes_as_they_say() -> None:
    words = {"nine": 9, "eight": 8, "seven": 7, "six": 6, "four": 4, "three": 3, "emodb": 7}
    assert {name: len(set(s.emotions)) for name, s in SCHEMES.items()} == words


def test_unknown_words_are_errors() -> None:
    with pytest.raises(VocalicsError, match='unknown emotion "angri"; did you mean "angry"'):
        scheme("eight").emotion("angri")
    with pytest.raises(VocalicsError, match='unknown emotion scheme "ate"'):
        scheme("ate")
