"""What recognises speech: a user's faster-whisper model, or PocketSphinx with the model that it brings.

Nothing is fetched. A model of faster-whisper is a folder that the user names. PocketSphinx comes with a small model of
American English at 16 kHz; telephone calls at 8 kHz are resampled for it and lack what it expects above 4 kHz, so that
many of its words are wrong: it is good for a hint of a topic, not for a quotation.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vocalics import audio
from vocalics.audio import Clip
from vocalics.errors import MissingExtraError, VocalicsError

_RATE = 16_000

ROUGH = (
    "The transcript is PocketSphinx's, by a small model of American English: many of its words are wrong. Put a "
    "transcript beside the recording, or name a folder of faster-whisper (--transcript FOLDER), for a better one."
)


class Transcriber(Protocol):
    """What turns an utterance into words."""

    @property
    def name(self) -> str:
        """What a call says made its transcript."""

    @property
    def note(self) -> str:
        """What a reader has to know of it; empty for nothing."""

    def words(self, clip: Clip) -> str:
        """Return what is said in an utterance; empty for nothing."""


def offline() -> Transcriber | None:
    """Return what makes a transcript without anything that was named or fetched; ``None`` where it is not installed."""
    try:
        return PocketSphinx()
    except MissingExtraError:
        return None


class PocketSphinx:
    """PocketSphinx 5 with the model of American English that it brings.

    Only its first pass is run, with at most 3000 states a frame: in a quarter of the time, words are hardly worse.

    Raises:
        MissingExtraError: Where it is not installed.
    """

    name = "PocketSphinx en-us"
    note = ROUGH

    def __init__(self) -> None:
        try:
            from pocketsphinx import Decoder
        except ImportError:
            raise MissingExtraError("a transcript by PocketSphinx", "calls") from None
        self._decoder: Any = Decoder(
            samprate=_RATE, fwdflat=False, bestpath=False, maxhmmpf=3000, maxwpf=5, loglevel="FATAL"
        )

    def words(self, clip: Clip) -> str:
        """Return what is said in an utterance."""
        samples = audio.resample(clip, _RATE).samples
        peak = float(np.abs(samples).max()) if len(samples) else 0.0
        if peak == 0.0:
            return ""
        self._decoder.start_utt()
        self._decoder.process_raw((samples * (0.7 * 32767 / peak)).astype("<i2").tobytes(), full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        return found.hypstr.strip() if found is not None else ""


class FasterWhisper:
    """A model of faster-whisper (CTranslate2) from a folder on this machine.

    Args:
        folder: Holds ``model.bin`` and its tokenizer.
        language: A code ("en"); ``None`` lets the model tell.
        threads: Of the processor.

    Raises:
        VocalicsError: When the folder holds no such model.
        MissingExtraError: Where faster-whisper is not installed.
    """

    note = ""

    def __init__(self, folder: str | os.PathLike[str], language: str | None = None, threads: int = 0) -> None:
        path = Path(folder)
        if not (path / "model.bin").is_file():
            raise VocalicsError(f"{path}: holds no model of faster-whisper; expected a folder with model.bin")
        try:
            from faster_whisper import WhisperModel
        except ImportError:
            raise MissingExtraError("a transcript by faster-whisper", "transcribe") from None
        self.name = f"faster-whisper {path.resolve().name}"
        self._language = language
        try:
            self._model: Any = WhisperModel(
                str(path), device="auto", compute_type="auto", cpu_threads=threads, local_files_only=True
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise VocalicsError(f"{path}: cannot be loaded by faster-whisper ({error}); fetch it again") from None

    def words(self, clip: Clip) -> str:
        """Return what is said in an utterance."""
        samples = audio.resample(clip, _RATE).samples
        found, _ = self._model.transcribe(
            samples, language=self._language, condition_on_previous_text=False, without_timestamps=True
        )
        return " ".join(segment.text.strip() for segment in found).strip()
