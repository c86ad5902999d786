"""Numbers and sizes of the C front ends and of the voicing gate, from a model's card: their tables and macros.

Every function adds macros to ``values`` and returns the tables' C.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vocalics.edge import tables
from vocalics.features.feature_set import FEATURE_SETS
from vocalics.features.filterbank import mel_filterbank, pitch_classes
from vocalics.features.logmel import LogMel
from vocalics.features.spectral import N_MELS
from vocalics.features.spectrum import HOP_LENGTH, N_FFT, hann
from vocalics.modelfile import Card

GATE_RATE = 4_000
"""Hz at which the voicing gate listens."""
RUMBLE_STEP, RUMBLE_TAPS = 8, 10
"""Samples from one result of the filter that finds rumble to the next; results from which those between are made."""


@dataclass(frozen=True)
class GateFilters:
    """How well the voicing gate filters.

    Attributes:
        attenuation_db: Of what its resampler keeps out.
        most_numbers: That its resampler's table may hold.
        half: Taps on either side of the middle of the filter that finds rumble, samples at :data:`GATE_RATE`.
        beta: Of that filter's Kaiser window.
    """

    attenuation_db: float
    most_numbers: int
    half: int
    beta: float


PRECISE, LIGHT = GateFilters(129.0, 16_384, 1600, 3.0), GateFilters(80.0, 4_096, 400, 6.0)
"""A program's gate, which hears the same voiced sound as Python's in nearly every window; a board's, with a third of
the memory and half the work."""
Values = dict[str, int | float | str]
"""Macros by name."""
Numbers = Callable[[str, npt.ArrayLike, str], str]
"""Writes a table of C: its name, its numbers, a note."""


def floats(name: str, values: npt.ArrayLike, note: str) -> str:
    """Write a table of floats."""
    return tables.array("float", name, values, note)


def log_mel_settings(card: Card) -> LogMel:
    """Return the log-mel settings of a card whose graph takes the waveform."""
    return LogMel(**{k: v for k, v in card.front_end.items() if k in LogMel.__dataclass_fields__})


def gate(card: Card, values: Values, filters: GateFilters, numbers: Numbers) -> list[str]:
    """The voicing gate: a resampler to 4 kHz and the filter against rumble."""
    up, down, rows = tables.resampler(card.sample_rate, GATE_RATE, filters.attenuation_db, filters.most_numbers)
    rumble = tables.rumble(GATE_RATE, filters.half, filters.beta)
    between = tables.between(RUMBLE_STEP, RUMBLE_TAPS)
    values |= {
        "GATE_UP": up,
        "GATE_DOWN": down,
        "GATE_ROWS": len(rows) - 1,
        "GATE_TAPS": rows.shape[1],
        "RUMBLE_HALF": filters.half,
        "RUMBLE_STEP": RUMBLE_STEP,
        "RUMBLE_TAPS": RUMBLE_TAPS,
    }
    if up == 1:
        rows = rows[:1]
    return [
        numbers("gate_rows", rows, f"Low-pass from {card.sample_rate} Hz to {GATE_RATE} Hz."),
        numbers("gate_rumble", rumble, "The filter that finds rumble."),
        numbers("gate_between", between, "Rumble between its samples, position by position."),
    ]


def log_mel(card: Card, values: Values, numbers: Numbers) -> list[str]:
    """Log-mel frames, and how quiet ends are cut."""
    settings = log_mel_settings(card)
    block, margin = tables.trimming(card.sample_rate)
    values |= {
        "FRONT_END_RATE": settings.sample_rate,
        "FRONT_END_FRAME": settings.frame_length,
        "FRONT_END_HOP": settings.hop_length,
        "FRONT_END_BANDS": settings.n_mels,
        "FRONT_END_FLOOR": float(settings.floor),
        "FFT_SIZE": settings.n_fft,
        "TRIM_RATIO": 0.0 if card.trim_db is None else 10 ** (-card.trim_db / 10),
        "TRIM_BLOCK": block,
        "TRIM_MARGIN": margin,
    }
    return _spectral(settings.window(), settings.filterbank(), settings.n_fft, numbers)


def mfcc(card: Card, values: Values, numbers: Numbers) -> list[str]:
    """Cepstral coefficients, frame by frame."""
    return _published(card, values, 25, numbers)


def vector(card: Card, values: Values, numbers: Numbers) -> list[str]:
    """Means over an excerpt's frames."""
    has_prosody = card.feature_set == "zcr_chroma_mfcc_rms_mel"
    values |= {"FRONT_END_HAS_PROSODY": int(has_prosody)}
    parts = _published(card, values, 20 if has_prosody else 128, numbers)
    rate = FEATURE_SETS[card.feature_set].sample_rate
    # A bin of magnitude 1 tells its weights.
    weights = pitch_classes(np.eye(N_FFT // 2 + 1, dtype=np.float32), rate, N_FFT, 0.0).T
    return [*parts, numbers("front_end_pitch_classes", weights, "What every bin adds to C, C sharp, ...")]


def _published(card: Card, values: Values, n_coefficients: int, numbers: Numbers) -> list[str]:
    """What the sets of the published systems share: 128 mel bands of centred frames, their levels and cepstrum."""
    chosen = FEATURE_SETS[card.feature_set]
    rate = chosen.sample_rate
    whole = values["VOCALICS_LONGEST_SAMPLES"]
    duration = whole if chosen.duration is None else round(chosen.duration * rate)
    values |= {
        "FRONT_END_RATE": rate,
        "FRONT_END_FRAME": N_FFT,
        "FRONT_END_HOP": HOP_LENGTH,
        "FRONT_END_BANDS": N_MELS,
        "FRONT_END_COEFFICIENTS": n_coefficients,
        "FRONT_END_OFFSET": round(chosen.offset * rate),
        "FRONT_END_DURATION": duration,
        "FFT_SIZE": N_FFT,
    }
    return [
        *_spectral(hann(N_FFT).astype(np.float32), mel_filterbank(rate, N_FFT, N_MELS), N_FFT, numbers),
        numbers("front_end_cepstrum", tables.cepstral_cosines(n_coefficients, N_MELS), "DCT-II, row by row."),
    ]


def _spectral(
    window: npt.NDArray[np.float32], bank: npt.NDArray[np.float32], n_fft: int, numbers: Numbers
) -> list[str]:
    first, count, weights = tables.bands(bank)
    return [
        numbers("fft_cosines", tables.cosines(n_fft), "Of a turn."),
        numbers("front_end_window", window, "Periodic Hann window."),
        tables.array("short", "front_end_first", first, "Each band's first bin."),
        tables.array("short", "front_end_count", count, "Each band's number of bins."),
        numbers("front_end_weights", weights, "The bins' weights, band by band."),
    ]
