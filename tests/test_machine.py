"""What is asked of the machine is true of it, and asked for in one place."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vocalics.machine import available_cores, processor_seconds, usage

SOURCE = Path(__file__).parents[1] / "src" / "vocalics"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes are not bound to cores here")
def test_cores_are_those_that_the_process_is_bound_to(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.sched_getaffinity(0)
    assert available_cores() == len(before)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    monkeypatch.delattr(os, "sched_getaffinity")  # as on Windows and macOS
    assert available_cores() == os.cpu_count()
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores() == 1


def test_the_processors_time_is_this_processs_and_its_childrens(monkeypatch: pytest.MonkeyPatch) -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"  # a child's own
    before, own = processor_seconds(), time.process_time()
    subprocess.run([sys.executable, "-c", burn], check=True)
    if sys.platform != "win32":
        assert processor_seconds() - before >= 0.3 > time.process_time() - own
    before, own = processor_seconds(), time.process_time()
    while time.process_time() - own < 0.1:
        pass
    assert processor_seconds() - before >= 0.1
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert usage() is None and usage(of_children=True) is None
    assert processor_seconds() == pytest.approx(time.process_time(), abs=0.1)


def test_what_systems_lack_is_asked_for_in_one_place() -> None:
    for word in ("cpu_count", "sched_getaffinity", "import resource\n"):
        assert [p.name for p in SOURCE.rglob("*.py") if word in p.read_text(encoding="utf-8")] == ["machine.py"]


def test_what_counts_time_and_memory_is_imported_where_there_is_no_resource() -> None:
    names = "vocalics.reproduction, vocalics.batch.process, vocalics.edge.checking"
    code = f"import sys; sys.modules['resource'] = None; import {names}; print(vocalics.edge.checking.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "vocalics.edge.checking"
