"""Waiting for what another thread or process does, never for ever: a regression fails its test and no suite hangs."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any

import pytest


def until(condition: Callable[[], Any], seconds: float = 60.0, pause: float = 0.005) -> None:
    """Wait until something holds; where it does not in time, the test fails with the condition's own words.

    Args:
        condition: Asked again and again.
        seconds: How long at most.
        pause: Between two questions; longer for those that cost something.
    """
    __tracebackhide__ = True
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds:g} s in vain: {inspect.getsource(condition).strip()}")
        time.sleep(pause)
