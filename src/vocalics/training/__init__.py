"""From a recipe and a manifest to a model file: features, fit, checkpoint, export.

Split first (:mod:`vocalics.dataset`), augment after, and only the training part. The run's folder holds the frozen
configuration, the checkpoint, the history with its curves, and in the end ``NAME.onnx`` with its card.
"""

from vocalics.training.cards import card
from vocalics.training.checks import check, check_classes, check_copies
from vocalics.training.folder import COMPARISON, compare, digest, freeze, frozen
from vocalics.training.inputs import feature_rows
from vocalics.training.neural import N_COMPARED, TOLERANCE, Report
from vocalics.training.run import train, train_on

__all__ = [
    "COMPARISON",
    "N_COMPARED",
    "TOLERANCE",
    "Report",
    "card",
    "check",
    "check_classes",
    "check_copies",
    "compare",
    "digest",
    "feature_rows",
    "freeze",
    "frozen",
    "train",
    "train_on",
]
