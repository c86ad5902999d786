"""Make the sounds of ``clips.py`` importable beside the tests."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_spec = importlib.util.spec_from_file_location("feature_clips", Path(__file__).with_name("clips.py"))
assert _spec is not None and _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules["feature_clips"] = _module
_spec.loader.exec_module(_module)
