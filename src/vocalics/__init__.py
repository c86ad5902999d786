"""Vocalics: speech emotion recognition, from corpora to a measured model and on to a terminal."""

from __future__ import annotations

__version__ = "0.1.0"
