"""A model's card -> the settings and tables in C of what stands before its network: front end, voicing gate, windows.

What assembles a folder of C calls, in this order:

- :func:`kind` says which front end a card has in C; "" where it has none (then the program takes the features
  themselves), and refuses a card whose sound is prepared in a way that C does not know.
- :func:`n_frames` says how many frames the network must hold for clips of a length (``max_frames`` of the network).
- :func:`sources` names the files of ``edge/c`` to copy for the library, :func:`program_sources` those that a desktop
  program needs besides.
- :func:`write` gives the generated files: ``settings.h`` and ``tables.c``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vocalics.edge import tables
from vocalics.errors import ModelFileError
from vocalics.features.feature_set import FEATURE_SETS
from vocalics.features.filterbank import mel_filterbank, pitch_classes
from vocalics.features.logmel import LogMel
from vocalics.features.spectral import N_MELS
from vocalics.features.spectrum import HOP_LENGTH, N_FFT, hann
from vocalics.modelfile import Card

LOG_MEL, MFCC, VECTOR, FEATURES = "log_mel", "mfcc", "vector", ""
"""The kinds of front end: also the names of their C files; "" is none, the features themselves come in."""

WHOLE_SECONDS = 10.0
"""What a program judges in one piece, as :class:`vocalics.recognizer.Recognizer` does."""

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

_LIBRARY = ("front_end.h", "tables.h", "fft.h", "fft.c", "resample.h", "resample.c", "speech.h", "speech.c")
_API = ("vocalics.h", "recognizer.c")
_KINDS = {"mfcc_frames": MFCC, "zcr_chroma_mfcc_rms_mel": VECTOR, "mfcc_chroma_mel": VECTOR}


def kind(card: Card) -> str:
    """Return the kind of front end that a card has in C.

    Raises:
        ModelFileError: When the card prepares sound by steps that are not there in C, or its log-mel frames do not fit
            the trimming of quiet ends.
    """
    if card.input == "features":
        found = _KINDS.get(card.feature_set, FEATURES)
        if found and (card.trim_db is not None or card.preprocess):
            return FEATURES
        return found
    if card.preprocess:
        steps = ", ".join(str(table.get("name", table)) for table in card.preprocess)
        raise ModelFileError(f"{card.name} prepares sound by {steps}, which is not there in C; export it to ONNX")
    settings = log_mel(card)
    block, margin = tables.trimming(card.sample_rate)
    if card.trim_db is not None and (block % settings.hop_length or margin % block):
        raise ModelFileError(
            f"{card.name}: a hop of {settings.hop_length} samples does not divide the {block} by which quiet ends are "
            "cut; expected 20 ms to be whole hops"
        )
    if settings.n_fft & (settings.n_fft - 1) or settings.n_fft < 16:
        raise ModelFileError(
            f"{card.name}: a transform of {settings.n_fft} samples; expected a power of two from 16 on"
        )
    return LOG_MEL


def log_mel(card: Card) -> LogMel:
    """Return the log-mel settings of a card whose graph takes the waveform."""
    return LogMel(**{k: v for k, v in card.front_end.items() if k in LogMel.__dataclass_fields__})


def n_samples(card: Card, longest_seconds: float) -> int:
    """Return how many samples at the card's rate a clip of a length has, but at least those of the shortest."""
    return round(max(longest_seconds, 0.25) * card.sample_rate)


def n_frames(card: Card, longest_seconds: float | None = None) -> int:
    """Return how many frames the network must hold for clips of up to a length; 1 where it takes a vector.

    A model of features without a front end in C takes as many frames as its feature set gives of that length.
    """
    found, longest_seconds = kind(card), longest(card) if longest_seconds is None else longest_seconds
    if found == LOG_MEL:
        settings = log_mel(card)
        return 1 + max(0, n_samples(card, longest_seconds) - settings.frame_length) // settings.hop_length
    shape = FEATURE_SETS[card.feature_set].shape if card.feature_set in FEATURE_SETS else (card.n_features,)
    if len(shape) == 1:
        return 1
    if shape[1] is not None:
        return int(shape[1])
    return 1 + n_samples(card, longest_seconds) // 160  # frames of the sets of any length stand every 10 ms


def sources(card: Card) -> tuple[str, ...]:
    """Return the names of the files in ``edge/c`` that make the library; the network's are not among them."""
    found = kind(card)
    if not found:
        return (*_API, "tables.h")
    return (*_API, *_LIBRARY, *(() if found == LOG_MEL else ("levels.h", "levels.c")), f"{found}.c")


def program_sources(card: Card) -> tuple[str, ...]:
    """Return the names of the files in ``edge/c`` that a desktop program needs besides: they use stdio."""
    return (
        ("main.c", "report.h", "report.c", "wav.h", "wav.c")
        if kind(card)
        else ("main_features.c", "report.h", "report.c")
    )


def write(card: Card, sha256: str = "", command: str = "", longest_seconds: float | None = None) -> dict[str, str]:
    """Return the generated files by name: ``settings.h``, and ``tables.c`` where there is a front end in C.

    Args:
        card: Of the model.
        sha256: Of the model's file.
        command: That wrote the files.
        longest_seconds: Of a clip that is judged in one piece; what :func:`longest` says for a program where ``None``.
            With less, which is for boards, the voicing gate is a lighter one.

    Raises:
        ModelFileError: As :func:`kind`.
    """
    found = kind(card)
    facts = (f"Model: {card.name}, sha256 {sha256 or 'unknown'}.", f"Written by: {command or 'vocalics'}")
    seconds = longest(card) if longest_seconds is None else longest_seconds
    values: dict[str, int | float | str] = {
        "VOCALICS_MODEL": card.name,
        "VOCALICS_SHA256": sha256,
        "VOCALICS_COMMAND": command,
        "VOCALICS_N_EMOTIONS": len(card.emotions),
        "VOCALICS_TAKES_SOUND": int(bool(found)),
        "VOCALICS_FEATURE_SET": card.feature_set,
        "VOCALICS_RATE": card.sample_rate,
        "VOCALICS_WINDOW_SAMPLES": round(card.window_seconds * card.sample_rate),
        "VOCALICS_HOP_SAMPLES": round(min(card.hop_seconds, card.window_seconds) * card.sample_rate),
        "VOCALICS_LONGEST_SAMPLES": n_samples(card, seconds),
        "VOCALICS_WHOLE_SAMPLES": round(max(WHOLE_SECONDS, card.window_seconds) * card.sample_rate),
    }
    tables_c = tables.heading("Emotions, windows, bands and filters of the front end.", facts)
    tables_c += '#include "tables.h"\n\n#include "vocalics.h"\n\n'
    names = ", ".join(tables.text(e) for e in card.emotions)
    emotions = f"const char *const vocalics_emotions[VOCALICS_N_EMOTIONS] = {{{names}}};\n\n"
    parts: list[str] = []
    if found:
        parts += _gate(card, values, PRECISE if seconds >= longest(card) else LIGHT)
        parts += {LOG_MEL: _log_mel, MFCC: _mfcc, VECTOR: _vector}[found](card, values)
    settings = tables.heading("Sizes and settings of the front end, the voicing gate and the windows.", facts)
    settings += "#ifndef SETTINGS_H\n#define SETTINGS_H\n\n" + tables.macros(values, _NOTES) + "\n#endif\n"
    return {"settings.h": settings, "tables.c": tables_c + emotions + "\n".join(parts)}


def longest(card: Card) -> float:
    """Return the seconds that a desktop program judges in one piece: a whole recording, or a last window."""
    return max(WHOLE_SECONDS, 1.5 * card.window_seconds)


_NOTES = {
    "VOCALICS_RATE": "Hz, of the samples that are fed",
    "VOCALICS_WINDOW_SAMPLES": "of a window",
    "VOCALICS_HOP_SAMPLES": "from one window of a timeline to the next",
    "VOCALICS_LONGEST_SAMPLES": "that are judged in one piece, at most",
    "VOCALICS_WHOLE_SAMPLES": "a program judges up to this in one piece",
    "VOCALICS_TAKES_SOUND": "0: features are fed instead of samples",
    "TRIM_RATIO": "a block of less than this part of the loudest one's power is quiet; 0: nothing is cut",
    "TRIM_BLOCK": "samples",
    "TRIM_MARGIN": "samples that are kept before and after what is not quiet",
}


def _gate(card: Card, values: dict[str, int | float | str], filters: GateFilters) -> list[str]:
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
        tables.array("float", "gate_rows", rows, f"Low-pass from {card.sample_rate} Hz to {GATE_RATE} Hz."),
        tables.array("float", "gate_rumble", rumble, "The filter that finds rumble."),
        tables.array("float", "gate_between", between, "Rumble between its samples, position by position."),
    ]


def _log_mel(card: Card, values: dict[str, int | float | str]) -> list[str]:
    settings = log_mel(card)
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
    return [*_spectral(settings.window(), settings.filterbank(), settings.n_fft)]


def _mfcc(card: Card, values: dict[str, int | float | str]) -> list[str]:
    return _published(card, values, 25)


def _vector(card: Card, values: dict[str, int | float | str]) -> list[str]:
    has_prosody = card.feature_set == "zcr_chroma_mfcc_rms_mel"
    values |= {"FRONT_END_HAS_PROSODY": int(has_prosody)}
    parts = _published(card, values, 20 if has_prosody else 128)
    rate = FEATURE_SETS[card.feature_set].sample_rate
    # A bin of magnitude 1 tells its weights.
    weights = pitch_classes(np.eye(N_FFT // 2 + 1, dtype=np.float32), rate, N_FFT, 0.0).T
    return [*parts, tables.array("float", "front_end_pitch_classes", weights, "What every bin adds to C, C sharp, ...")]


def _published(card: Card, values: dict[str, int | float | str], n_coefficients: int) -> list[str]:
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
        *_spectral(hann(N_FFT).astype(np.float32), mel_filterbank(rate, N_FFT, N_MELS), N_FFT),
        tables.array(
            "float", "front_end_cepstrum", tables.cepstral_cosines(n_coefficients, N_MELS), "DCT-II, row by row."
        ),
    ]


def _spectral(window: npt.NDArray[np.float32], bank: npt.NDArray[np.float32], n_fft: int) -> list[str]:
    first, count, weights = tables.bands(bank)
    return [
        tables.array("float", "fft_cosines", tables.cosines(n_fft), "Of a turn."),
        tables.array("float", "front_end_window", window, "Periodic Hann window."),
        tables.array("short", "front_end_first", first, "Each band's first bin."),
        tables.array("short", "front_end_count", count, "Each band's number of bins."),
        tables.array("float", "front_end_weights", weights, "The bins' weights, band by band."),
    ]
