"""Elementary functions in C against NumPy and SciPy in double precision: errors in units of the last place."""

from __future__ import annotations

import ctypes
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

import vocalics.edge

FUNCTIONS = ("exp", "log", "log10", "sqrt", "sigmoid", "tanh", "erf", "sin", "cos", "round", "floor", "abs")
Call = Callable[[str, Any], NDArray[np.float32]]

if not shutil.which("gcc"):
    pytest.skip("no gcc", allow_module_level=True)


@pytest.fixture(scope="module", params=["-O3", "-DVOCALICS_PORTABLE", "x87"])
def call(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Call:
    folder = tmp_path_factory.mktemp("maths")
    loop = "void all_{0}(const float *x, float *y, int n) {{ for (int i = 0; i < n; i++) y[i] = math_{0}(x[i]); }}"
    (folder / "maths.c").write_text('#include "maths.h"\n' + "\n".join(loop.format(name) for name in FUNCTIONS))
    # x87: more digits than a float has, as on 32-bit x86.
    if request.param == "x87" and platform.machine() != "x86_64":
        pytest.skip("no x87")
    how = ["-O3", "-mfpmath=387", "-DVOCALICS_PORTABLE"] if request.param == "x87" else [request.param]
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", *how, "-shared", "-fPIC"]
    include = Path(vocalics.edge.__file__).parent / "c"
    target = folder / "maths.so"
    subprocess.run(["gcc", *flags, "-I", str(include), str(folder / "maths.c"), "-o", str(target)], check=True)
    library = ctypes.CDLL(str(target))

    def call(name: str, x: Any) -> NDArray[np.float32]:
        given = np.ascontiguousarray(x, np.float32)
        found = np.empty_like(given)
        pointers = (a.ctypes.data_as(ctypes.c_void_p) for a in (given, found))
        getattr(library, f"all_{name}")(*pointers, ctypes.c_int(len(given)))
        return found

    return call


RNG = np.random.default_rng(0)
WIDE = np.exp(RNG.uniform(-86, 88, 200_000))


@pytest.mark.parametrize(
    ("name", "truth", "where", "most"),
    [
        ("exp", np.exp, np.linspace(-87, 88.7, 400_001), 1.0),
        ("log", np.log, WIDE, 1.0),
        ("log", np.log, RNG.uniform(0.5, 2.0, 200_000), 1.0),
        ("log10", np.log10, WIDE, 2.0),
        ("sqrt", np.sqrt, WIDE, 1.0),
        ("sqrt", np.sqrt, RNG.uniform(1, 4, 200_000), 1.0),
        ("sigmoid", special.expit, np.linspace(-80, 80, 200_001), 3.0),
        ("tanh", np.tanh, np.linspace(-12, 12, 200_001), 2.0),
        ("tanh", np.tanh, np.exp(RNG.uniform(-30, 2, 100_000)), 2.0),
        ("erf", special.erf, np.linspace(-5, 5, 200_001), 2.0),
        ("erf", special.erf, np.exp(RNG.uniform(-30, 2, 100_000)), 2.0),
    ],
)
def test_error_in_units_of_the_last_place(
    call: Call, name: str, truth: Callable[[Any], Any], where: NDArray[np.float64], most: float
) -> None:
    given = where.astype(np.float32)
    expected = truth(given.astype(np.float64))
    found = call(name, given).astype(np.float64)
    units = np.abs(found - expected) / np.spacing(np.abs(expected.astype(np.float32))).astype(np.float64)
    assert units.max() <= most
    assert np.ptp(found) > 0.5


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_turns(call: Call, name: str) -> None:
    given = RNG.uniform(-8000, 8000, 200_000).astype(np.float32)
    expected = getattr(np, name)(given.astype(np.float64))
    assert np.abs(call(name, given) - expected).max() < 2e-7


def test_ends(call: Call) -> None:
    inf = np.inf
    np.testing.assert_array_equal(call("exp", [-200, -105, 100, np.nan, 0]), [0, 0, inf, np.nan, 1])
    np.testing.assert_array_equal(call("log", [0, -1, inf, np.nan, 1]), [-inf, np.nan, inf, np.nan, 0])
    np.testing.assert_allclose(call("log", [1e-42]), np.log(np.float32(1e-42)), rtol=1e-6)
    np.testing.assert_array_equal(call("tanh", [-100, 100, 0]), [-1, 1, 0])
    np.testing.assert_array_equal(call("erf", [-100, 100, 0]), [-1, 1, 0])
    np.testing.assert_array_equal(call("sigmoid", [-200, 200, 0]), [0, 1, 0.5])
    np.testing.assert_array_equal(call("sqrt", [0, 4, 1e-40, 1e38]), np.sqrt(np.float32([0, 4, 1e-40, 1e38])))


def test_whole_numbers(call: Call) -> None:
    given = np.concatenate([RNG.uniform(-1e6, 1e6, 10_000), np.arange(-20, 20) / 2]).astype(np.float32)
    np.testing.assert_array_equal(call("round", given), np.rint(given))
    np.testing.assert_array_equal(call("floor", given), np.floor(given))
    np.testing.assert_array_equal(call("abs", given), np.abs(given))
