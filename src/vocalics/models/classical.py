"""Classifiers of scikit-learn, as they are."""

from __future__ import annotations

from typing import Any

from sklearn.dummy import DummyClassifier

from vocalics.models import ModelSpec


def majority(n_classes: int = 0) -> Any:
    """Return the baseline that always names the training part's most frequent class.

    Args:
        n_classes: Unused; a scikit-learn classifier counts its classes itself.
    """
    return DummyClassifier(strategy="most_frequent")


MODELS: dict[str, ModelSpec] = {
    "majority": ModelSpec(
        name="majority",
        features="zcr_chroma_mfcc_rms_mel",
        build=majority,
        neural=False,
        summary="names the most frequent class, whatever it hears; the baseline to beat",
    ),
}
