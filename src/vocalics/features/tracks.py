"""The voice frame by frame, MFCC, pitch and level, and what sums a clip's frames up."""

from __future__ import annotations

import numpy as np

from vocalics.audio import Clip
from vocalics.features.prosody import energy_db, pitch
from vocalics.features.spectral import cepstrum, delta, log_mel
from vocalics.features.spectrum import FloatArray, spectrum
from vocalics.preprocess import trim_silence

TRACKS = (*(f"mfcc_{i}" for i in range(13)), *(f"delta_mfcc_{i}" for i in range(13)), "f0", "voicing", "energy_db")
N_FRAMES = 300
"""Frames of :func:`fixed_tracks`: 3 s."""
_EACH = tuple(f"{t}_{s}" for t in TRACKS for s in ("mean", "deviation", "p10", "p50", "p90"))
STATISTICS = (*_EACH, "voiced_share", "active_share", "seconds")
_TRIM_DB = 40.0
_ACTIVE_DB = 35.0
_HOP = 160  # samples: 10 ms at 16 kHz


def tracks(clip: Clip) -> FloatArray:
    """Return 13 MFCC of 40 bands, their deltas, f0 in Hz (0 where unvoiced), voicing and level in dB.

    Args:
        clip: At 16 kHz; frames of 25 ms stand every 10 ms.

    Returns:
        float32, shape (29, n_frames), rows as in :data:`TRACKS`.
    """
    frame, search = 400, 1024  # 25 ms at 16 kHz; pitch needs two of its longest periods
    coefficients = cepstrum(log_mel(spectrum(clip, frame, _HOP), 40), 13)
    track = pitch(clip, frame_length=search, hop_length=_HOP)
    f0 = np.where(track.voiced, track.f0, np.float32(0))
    level = energy_db(clip, frame, _HOP)
    return np.concatenate([coefficients, delta(coefficients), [f0, track.voicing, level]], dtype=np.float32)


def fixed_tracks(clip: Clip) -> FloatArray:
    """Return the tracks of the middle 3 s between the quiet ends, at one level; a shorter clip is said again.

    Quiet ends (more than 40 dB below the loudest part) are cut and the peak is brought to 1, so that neither pauses
    nor the recording's gain matter. A clip of less than 3 s is repeated from its first frame on, so that every frame is
    one of a voice: zeros would tell nothing but the length.

    Args:
        clip: At 16 kHz.

    Returns:
        float32, shape (29, 300), rows as in :data:`TRACKS`.
    """
    found = tracks(_inner(clip))
    n = found.shape[1]
    first = max(0, (n - N_FRAMES) // 2)
    fixed: FloatArray = found[:, (first + np.arange(N_FRAMES)) % n]
    return fixed


def track_statistics(clip: Clip) -> FloatArray:
    """Return how each track is spread over a clip between its quiet ends, at one level.

    Mean, standard deviation and the 10th, 50th and 90th percentile of each track over the active frames, those within
    35 dB of the loudest; of f0 over the voiced frames alone, in semitones above 100 Hz (0 where none is voiced). Then
    the shares of voiced and of active frames, and the length in seconds. Ends are cut and the peak is brought to 1 as
    in :func:`fixed_tracks`.

    Args:
        clip: At 16 kHz.

    Returns:
        float32, shape (148,), as in :data:`STATISTICS`.
    """
    found = tracks(_inner(clip))
    f0, level = found[TRACKS.index("f0")], found[TRACKS.index("energy_db")]
    voiced, active = f0 > 0, level > level.max() - _ACTIVE_DB
    values: list[FloatArray] = []
    for name, track in zip(TRACKS, found, strict=True):
        chosen = track[active]
        if name == "f0":
            chosen = 12 * np.log2(track[voiced] / 100) if voiced.any() else np.zeros(1, np.float32)
        values.append(np.array([chosen.mean(), chosen.std(), *np.percentile(chosen, (10, 50, 90))], np.float32))
    rest = [voiced.mean(), active.mean(), len(voiced) * _HOP / clip.sample_rate]
    return np.concatenate([*values, rest], dtype=np.float32)


def _inner(clip: Clip) -> Clip:
    inner = trim_silence(clip, below_db=_TRIM_DB)
    peak = np.abs(inner.samples).max(initial=0.0)
    return Clip(inner.samples / peak, inner.sample_rate) if peak > 0 else inner
