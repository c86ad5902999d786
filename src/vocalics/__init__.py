"""Vocalics: speech emotion recognition, from corpora of acted speech to a measured model and on to a terminal.

    import vocalics

    model = vocalics.load()
    prediction = model.predict("speech.wav")
    prediction.emotion, prediction.confidence, prediction.probabilities

The names below are imported when they are first used, so that ``import vocalics`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vocalics.errors import AudioError, VocalicsError
    from vocalics.recognizer import Prediction, Recognizer, load

__version__ = "0.1.0"
__all__ = ["AudioError", "Prediction", "Recognizer", "VocalicsError", "__version__", "load"]


if not TYPE_CHECKING:  # else any name would do for a type checker

    def __getattr__(name: str) -> Any:
        if name.endswith("Error") and name in __all__:
            from vocalics import errors

            return getattr(errors, name)
        if name in __all__:
            from vocalics import recognizer

            return getattr(recognizer, name)
        raise AttributeError(f"module 'vocalics' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
