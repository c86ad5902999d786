"""A search for a recipe's settings, inside speaker-disjoint folds of its training speakers.

What is tested never enters: the search is given the training and validation part alone, divides it into inner folds by
speaker, and scores a setting by the mean UAR over them.
"""

from __future__ import annotations

from vocalics.tuning.report import NONE_BETTER, Found, Trial
from vocalics.tuning.scoring import inner_folds
from vocalics.tuning.space import Choice, Range, Space, search_space
from vocalics.tuning.study import require, search

__all__ = [
    "NONE_BETTER",
    "Choice",
    "Found",
    "Range",
    "Space",
    "Trial",
    "inner_folds",
    "require",
    "search",
    "search_space",
]
