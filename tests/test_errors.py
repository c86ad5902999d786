"""Errors go from one process to another."""

from __future__ import annotations

import inspect
import pickle

import pytest

from vocalics import errors

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.VocalicsError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_survives_a_pickle(kind: type[errors.VocalicsError]) -> None:
    error = kind("the page", "plots") if issubclass(kind, errors.MissingExtraError) else kind("the page")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind and str(again) == str(error) and "the page" in str(again)
    assert again.__dict__ == error.__dict__ and again.args == error.args
