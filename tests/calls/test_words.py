"""Recognisers of speech: what is there is used, what is not is said."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest

from vocalics.audio import Clip
from vocalics.calls import words
from vocalics.errors import MissingExtraError, VocalicsError


def test_pocketsphinx_hears_silence_as_nothing_and_noise_as_text() -> None:
    pytest.importorskip("pocketsphinx", reason="needs the extra calls")
    recogniser = words.PocketSphinx()
    assert recogniser.words(Clip(np.zeros(8000, np.float32), 8000)) == ""
    noise = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    assert isinstance(recogniser.words(Clip(noise, 8000)), str)
    assert "many of its words are wrong" in recogniser.note


def test_without_pocketsphinx_there_is_no_transcript_and_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    assert words.offline() is None
    with pytest.raises(MissingExtraError, match=r"a transcript by PocketSphinx needs the extra 'calls'"):
        words.PocketSphinx()


def test_a_folder_without_a_model_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VocalicsError, match=r"holds no model of faster-whisper; expected a folder with model\.bin"):
        words.FasterWhisper(tmp_path)
    (tmp_path / "model.bin").write_bytes(b"no model")
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(MissingExtraError, match="needs the extra 'transcribe'"):
        words.FasterWhisper(tmp_path)


def test_a_damaged_model_is_told(tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper", reason="needs the extra transcribe")
    (tmp_path / "model.bin").write_bytes(b"no model")
    with pytest.raises(VocalicsError, match="cannot be loaded by faster-whisper"):
        words.FasterWhisper(tmp_path)


def test_faster_whisper_is_given_what_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own model cannot be had here: this holds what we ask of it against its signature."""
    asked: dict[str, object] = {}

    class WhisperModel:
        """Remembers."""

        def __init__(self, path: str, **options: object) -> None:
            asked.update(path=path, **options)

        def transcribe(self, samples: np.ndarray, **options: object) -> tuple[list[object], None]:
            """Two segments."""
            asked.update(rate=len(samples), **options)
            return [types.SimpleNamespace(text=" hello"), types.SimpleNamespace(text=" there ")], None

    module = types.ModuleType("faster_whisper")
    module.WhisperModel = WhisperModel  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "faster_whisper", module)
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "model.bin").write_bytes(b"")
    model = words.FasterWhisper(tmp_path / "small", "en")
    assert model.words(Clip(np.zeros(8000, np.float32), 8000)) == "hello there"
    assert model.name == "faster-whisper small" and asked["rate"] == 16_000
    assert asked["local_files_only"] is True and asked["language"] == "en"
    monkeypatch.delitem(sys.modules, "faster_whisper")
    real = pytest.importorskip("faster_whisper", reason="needs the extra transcribe")
    import inspect

    known = {
        *inspect.signature(real.WhisperModel).parameters,
        *inspect.signature(real.WhisperModel.transcribe).parameters,
    }
    assert {*asked} - {"path", "rate"} <= known
