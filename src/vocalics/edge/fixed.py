"""What the front end for models on waveforms and the voicing gate need in fixed point: whole numbers instead of floats.

The C is ``mel_fixed.c``, ``fft_fixed.c`` and ``speech_fixed.c``; sound comes in as 16 bits. Tables hold fractions of
2^30.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from vocalics.edge import tables
from vocalics.edge.sound_tables import log_mel_settings
from vocalics.errors import ModelFileError
from vocalics.modelfile import Card

FRACTION_BITS = 30
SAMPLE_BITS = 15
_LEAST_DB = 3.0  # of less, the times are no whole number that is about as many
_LOUDEST_TIMES = 2**24
"""By which the power of 20 ms can be multiplied in 64 bits."""


def check(card: Card, gate_rate: int) -> None:
    """Refuse a model whose front end is not there in fixed point.

    Args:
        card: Of the model.
        gate_rate: Hz at which the voicing gate listens.

    Raises:
        ModelFileError: With what there is.
    """
    if card.input == "features":
        raise ModelFileError(
            f"{card.name} takes features; a front end in fixed point is there for models that take the waveform, leave "
            "--front-end out"
        )
    if card.sample_rate % gate_rate:
        raise ModelFileError(
            f"{card.name} takes sound at {card.sample_rate} Hz; in fixed point a multiple of {gate_rate} Hz is expected"
        )
    if card.trim_db is not None and not _LEAST_DB <= card.trim_db <= 72:
        raise ModelFileError(
            f"{card.name} cuts what is {card.trim_db:g} dB down; in fixed point {_LEAST_DB:g} to 72 are expected"
        )
    if not log_mel_settings(card).floor > 0:
        raise ModelFileError(f"{card.name} adds no power before the logarithm; in fixed point some is expected")


def settings(card: Card) -> dict[str, int | float | str]:
    """Return the macros that the front end needs besides those of floats."""
    front_end = log_mel_settings(card)
    digits, exponent = math.frexp(front_end.floor)
    # A Hann window's numbers are half a frame's together: so large may a windowed sample be.
    room = math.floor(FRACTION_BITS - math.log2(front_end.frame_length / 2))
    times = 0 if card.trim_db is None else min(_LOUDEST_TIMES, round(10 ** (card.trim_db / 10)))
    return {
        "TRIM_TIMES": times,
        "FRONT_END_SHIFT": FRACTION_BITS + SAMPLE_BITS - room,
        "FRONT_END_FLOOR_DIGITS": min(2**31 - 1, round(digits * 2**31)),
        "FRONT_END_FLOOR_SHIFT": 31 - exponent,
    }


def array(name: str, values: npt.ArrayLike, note: str = "") -> str:
    """Return the C definition of a table of fractions of 2^30.

    >>> print(array("halves", [0.5, -0.5]))
    const int32_t halves[2] = {
        536870912, -536870912};
    <BLANKLINE>
    """
    return tables.array("int32_t", name, np.rint(np.asarray(values, np.float64) * 2**FRACTION_BITS).astype(int), note)


def logarithms() -> str:
    """Return the table of logarithms."""
    return array("fixed_logarithms", np.log2(1 + np.arange(65) / 64), "To base 2, of 1 to 2.")
