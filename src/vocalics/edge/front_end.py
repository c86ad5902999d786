"""A model's card -> the settings and tables in C of what stands before its network: front end, voicing gate, windows.

What assembles a folder of C calls, in this order:

- :func:`kind` says which front end a card has in C; "" where it has none (then the program takes the features
  themselves), and refuses a card whose sound is prepared in a way that C does not know.
- :func:`n_frames` says how many frames the network must hold for clips of a length (``max_frames`` of the network).
- :func:`sources` names the files of ``edge/c`` to copy for the library, :func:`program_sources` those that a desktop
  program needs besides.
- :func:`write` gives the generated files: ``settings.h`` and ``tables.c``.

The tables are in :mod:`vocalics.edge.sound_tables`, what fixed point needs besides in :mod:`vocalics.edge.fixed`.
"""

from __future__ import annotations

from vocalics.edge import fixed, sound_tables, tables
from vocalics.edge.sound_tables import GATE_RATE, LIGHT, PRECISE, Numbers, Values, log_mel_settings
from vocalics.errors import ModelFileError
from vocalics.features.feature_set import FEATURE_SETS
from vocalics.modelfile import Card

LOG_MEL, MFCC, VECTOR, FEATURES = "log_mel", "mfcc", "vector", ""
"""The kinds of front end: also the names of their C files; "" is none, the features themselves come in."""

WHOLE_SECONDS = 10.0
"""What a program judges in one piece, as :class:`vocalics.recognizer.Recognizer` does."""

_LIBRARY = ("front_end.h", "tables.h", "fft.h", "fft.c", "resample.h", "resample.c", "speech.h", "speech.c")
_FIXED = ("front_end.h", "tables.h", "fft_fixed.h", "fft_fixed.c", "speech.h", "speech_fixed.c")
_KIND_FILES = {LOG_MEL: ("log_mel.c", "mel.c"), MFCC: ("levels.c", "mfcc.c"), VECTOR: ("levels.c", "vector.c")}
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
    settings = log_mel_settings(card)
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


def n_samples(card: Card, longest_seconds: float) -> int:
    """Return how many samples at the card's rate a clip of a length has, but at least those of the shortest."""
    return round(max(longest_seconds, 0.25) * card.sample_rate)


def n_frames(card: Card, longest_seconds: float | None = None) -> int:
    """Return how many frames the network must hold for clips of up to a length; 1 where it takes a vector.

    A model of features without a front end in C takes as many frames as its feature set gives of that length.
    """
    found, longest_seconds = kind(card), longest(card) if longest_seconds is None else longest_seconds
    if found == LOG_MEL:
        settings = log_mel_settings(card)
        return 1 + max(0, n_samples(card, longest_seconds) - settings.frame_length) // settings.hop_length
    shape = FEATURE_SETS[card.feature_set].shape if card.feature_set in FEATURE_SETS else (card.n_features,)
    if len(shape) == 1:
        return 1
    if shape[1] is not None:
        return int(shape[1])
    return 1 + n_samples(card, longest_seconds) // 160  # frames of the sets of any length stand every 10 ms


def sources(card: Card, is_fixed: bool = False) -> tuple[str, ...]:
    """Return the names of the files in ``edge/c`` that make the library; the network's are not among them.

    What these include has to be copied as well.

    Args:
        card: Of the model.
        is_fixed: Whether the front end computes in fixed point.
    """
    found = kind(card)
    if not found:
        return (*_API, "tables.h")
    if is_fixed:
        return (*_API, *_FIXED, "log_mel.c", "mel_fixed.c")
    return (*_API, *_LIBRARY, *_KIND_FILES[found])


def program_sources(card: Card) -> tuple[str, ...]:
    """Return the names of the files in ``edge/c`` that a desktop program needs besides: they use stdio."""
    return (
        ("main.c", "report.h", "report.c", "resample.h", "resample.c", "wav.h", "wav.c")
        if kind(card)
        else ("main_features.c", "report.h", "report.c")
    )


def write(
    card: Card, sha256: str = "", command: str = "", longest_seconds: float | None = None, is_fixed: bool = False
) -> dict[str, str]:
    """Return the generated files by name: ``settings.h``, and ``tables.c`` where there is a front end in C.

    Args:
        card: Of the model.
        sha256: Of the model's file.
        command: That wrote the files.
        longest_seconds: Of a clip that is judged in one piece; what :func:`longest` says for a program where ``None``.
            With less, which is for boards, the voicing gate is a lighter one.
        is_fixed: Whether front end and gate compute in fixed point.

    Raises:
        ModelFileError: As :func:`kind`, and for what there is not in fixed point.
    """
    found = kind(card)
    if is_fixed:
        fixed.check(card, GATE_RATE)
    numbers: Numbers = fixed.array if is_fixed else sound_tables.floats
    facts = (f"Model: {card.name}, sha256 {sha256 or 'unknown'}.", f"Written by: {command or 'vocalics'}")
    seconds = longest(card) if longest_seconds is None else longest_seconds
    values: Values = {
        "VOCALICS_MODEL": card.name,
        "VOCALICS_SHA256": sha256,
        "VOCALICS_COMMAND": command,
        "VOCALICS_N_EMOTIONS": len(card.emotions),
        "VOCALICS_TAKES_SOUND": int(bool(found)),
        "VOCALICS_IS_FIXED": int(is_fixed),
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
        parts += sound_tables.gate(card, values, PRECISE if seconds >= longest(card) else LIGHT, numbers)
        parts += {LOG_MEL: sound_tables.log_mel, MFCC: sound_tables.mfcc, VECTOR: sound_tables.vector}[found](
            card, values, numbers
        )
        if is_fixed:
            values |= fixed.settings(card)
            parts.append(fixed.logarithms())
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
    "VOCALICS_IS_FIXED": "1: sound is taken in 16 bits, and front end and gate compute in fixed point",
    "TRIM_RATIO": "a block of less than this part of the loudest one's power is quiet; 0: nothing is cut",
    "TRIM_TIMES": "the same in whole numbers: how many times a quiet block's power is below the loudest one's",
    "TRIM_BLOCK": "samples",
    "TRIM_MARGIN": "samples that are kept before and after what is not quiet",
}
