"""What differs from one machine to the next: how many cores there are to use, and what has been used of them."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resource import struct_rusage


def available_cores() -> int:
    """Return the number of cores that this process may use: fewer than there are where it is bound to some."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usage(*, of_children: bool = False) -> struct_rusage | None:
    """Return what the system has counted of this process, or of those that it started and that have ended.

    Returns:
        See :func:`resource.getrusage`; ``None`` where the system does not tell (Windows).
    """
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_CHILDREN if of_children else resource.RUSAGE_SELF)


def processor_seconds() -> float:
    """Return the processor's time of this process and of those it started that ended (on Windows its own alone)."""
    children = usage(of_children=True)
    return time.process_time() + (0.0 if children is None else children.ru_utime + children.ru_stime)
