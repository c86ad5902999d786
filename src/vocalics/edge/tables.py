"""Numbers that the C front ends need: windows, bands, cosines and filters, and how they are written as C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import gcd

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
_ROLL_OFF = 0.9135
"""Share of half the lower rate up to which a resampler changes nothing, as soxr's HQ."""


def trimming(sample_rate: int) -> tuple[int, int]:
    """Return the samples of a frame and of the margin by which :func:`vocalics.preprocess.trim_silence` cuts."""
    return max(1, round(0.02 * sample_rate)), round(0.1 * sample_rate)


def cosines(size: int) -> FloatArray:
    """Return the cosines of ``size`` steps of a turn, exact to rounding."""
    return np.cos(2 * np.pi * np.arange(size) / size).astype(np.float32)


def bands(bank: FloatArray) -> tuple[list[int], list[int], FloatArray]:
    """Return each band's first bin and number of bins, and the weights of all bands one after the other.

    Args:
        bank: Shape (n_bands, n_bins); zeros at both ends of a band are left out.
    """
    first, count, weights = [], [], []
    for row in bank:
        used = np.flatnonzero(row)
        start, stop = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1)
        first.append(start)
        count.append(stop - start)
        weights.append(row[start:stop])
    return first, count, np.concatenate(weights).astype(np.float32)


def cepstral_cosines(n_coefficients: int, n_bands: int) -> FloatArray:
    """Return the orthonormal DCT-II, shape (n_coefficients, n_bands)."""
    order, band = np.arange(n_coefficients)[:, None], np.arange(n_bands)
    basis = np.cos(np.pi * order * (2 * band + 1) / (2 * n_bands)) * np.sqrt(2 / n_bands)
    basis[0] /= np.sqrt(2)
    return np.asarray(basis, np.float32)


def resampler(
    source_rate: int, sample_rate: int, attenuation_db: float = 120.0, most_numbers: int = 4096
) -> tuple[int, int, FloatArray]:
    """Return a low-pass that turns one rate into another, as rows of taps: one for every position between two samples.

    A sinc under a Kaiser window. Where the rates have more positions than ``most_numbers`` allow rows, rows are evenly
    spread, and C interpolates between two of them.

    Args:
        source_rate: In Hz.
        sample_rate: In Hz.
        attenuation_db: Of what lies above half the lower rate.
        most_numbers: That the table may hold.

    Returns:
        The rates' ratio in lowest terms (up, down), and the rows, float32, (n_rows + 1, n_taps); the last one is
        the first one, a sample later.
    """
    divisor = gcd(source_rate, sample_rate)
    up, down = sample_rate // divisor, source_rate // divisor
    ratio = min(1.0, up / down)
    half = int(np.ceil((attenuation_db - 7.95) / (14.36 * (1 - _ROLL_OFF)) / ratio))
    n_rows = up if (up + 1) * 2 * half <= most_numbers else max(1, most_numbers // (2 * half) - 1)
    cutoff = ratio * (1 + _ROLL_OFF) / 2
    times = np.arange(n_rows + 1)[:, None] / n_rows + half - 1 - np.arange(2 * half)
    beta = 0.1102 * (attenuation_db - 8.7)
    window = np.i0(beta * np.sqrt(np.maximum(0, 1 - (times / half) ** 2))) / np.i0(beta)
    rows = cutoff * np.sinc(cutoff * times) * window * (np.abs(times) <= half)
    return up, down, rows.astype(np.float32)


def rumble(sample_rate: int, half: int, beta: float) -> FloatArray:
    """Return a symmetric low-pass that finds what is below a voice: all of it to 40 Hz, nothing from 100 Hz on.

    Returns:
        float32, shape (2 * half + 1,).
    """
    steps = np.arange(-half, half + 1)
    time = steps / sample_rate
    low = np.sinc(140 * time) * np.sinc(60 * time)  # a trapezium, in time
    low *= np.i0(beta * np.sqrt(1 - (steps / (half + 1)) ** 2))
    return np.asarray(low / low.sum(), np.float32)


def between(step: int, n_taps: int) -> FloatArray:
    """Return what makes samples of every ``step``-th one where nothing is above 0.2 of their rate.

    Returns:
        float32, shape (step, n_taps): for every position after a known sample, the weights of the known ones from
        ``n_taps // 2 - 1`` before it on.
    """
    times = np.arange(step)[:, None] / step + n_taps // 2 - 1 - np.arange(n_taps)
    weights = np.sinc(times) * np.i0(8 * np.sqrt(np.maximum(0, 1 - (2 * times / n_taps) ** 2)))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def array(kind: str, name: str, values: npt.ArrayLike, note: str = "") -> str:
    """Return the C definition of a constant array; floats are written so that they are read back to the last bit."""
    flat = np.ravel(values)
    said = [f"{v:.9g}" for v in flat.tolist()] if kind == "float" else [str(v) for v in flat.tolist()]
    if kind == "float":
        said = [(s if any(c in s for c in ".en") else s + ".0") + "f" for s in said]
    lines = [", ".join(said[i : i + 8]) for i in range(0, len(said), 8)]
    comment = f"/* {note} */\n" if note else ""
    body = ",\n    ".join(lines)
    return f"{comment}const {kind} {name}[{len(flat)}] = {{\n    {body}}};\n"


def text(value: str) -> str:
    """Return a string as a C literal in ASCII."""
    said = []
    for byte in value.encode("utf-8"):
        plain = 32 <= byte < 127 and chr(byte) not in '"\\?'
        said.append(chr(byte) if plain else f"\\{byte:03o}")
    return '"' + "".join(said) + '"'


def macros(values: Mapping[str, int | float | str], notes: Mapping[str, str] | None = None) -> str:
    """Return ``#define`` lines; strings as literals, floats as float constants."""
    lines: list[str] = []
    for name, value in values.items():
        said = text(value) if isinstance(value, str) else f"{value:.9g}f" if isinstance(value, float) else str(value)
        if isinstance(value, float) and not any(c in said for c in ".e"):
            said = said[:-1] + ".0f"
        note = (notes or {}).get(name, "")
        lines.append(f"#define {name} {said}" + (f" /* {note} */" if note else ""))
    return "\n".join(lines) + "\n"


def heading(what: str, facts: Sequence[str]) -> str:
    """Return the comment on top of a generated file."""
    body = "".join(f" * {line}\n" for line in (what, *facts)).replace("*/", "* /")
    return f"/*\n{body} */\n"
