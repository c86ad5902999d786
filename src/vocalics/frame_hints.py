"""What an encoder makes of every moment of a clip, for a net to foretell while it is trained.

A clip's statistics are a few hundred numbers that hold for all of it; its frames say fifty times a second what stands
where. A small net that foretells their leading components from what it has made of the same moment learns to hear as
the encoder does, from far more than the labels tell (Romero et al., "FitNets", ICLR 2015; Chang, Yang and Lee,
"DistilHuBERT", ICASSP 2022). Frames are told of the clip as it was recorded, whatever was done to the copy that the net
is given: from a copy in noise it is to foretell what the encoder makes of the clip without.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vocalics import audio, encoders
from vocalics.dataset import Progress
from vocalics.encoders import FrontEnd
from vocalics.errors import AudioError, VocalicsError
from vocalics.features.cache import here_or_in_processes, processes, with_own_digests
from vocalics.features.feature_set import at_peak
from vocalics.files import replacing
from vocalics.logmel_bank import TRIM_DB
from vocalics.manifest import Manifest, Utterance
from vocalics.preprocess import Preparation, trim_silence
from vocalics.preprocess import chain as prepare

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]

RATE = 25
"""Frames per second: the mean of two of the encoder's."""
PER_FRAME = 100 // RATE
"""Frames of a log-mel spectrogram per frame here."""
MOST = 6.0
"""Components of deviation 1 are cut off beyond this."""
_VERSION = 1
_N_FITTED = 3000  # clips that the components are found with
_EVERY = 3  # of their frames


@dataclass(frozen=True, eq=False)
class FrameHints:
    """The leading components of an encoder's frames, clip by clip.

    Attributes:
        values: float16, shape (n_frames, n) each, :data:`RATE` frames per second of the clip as the log-mel bank cuts
            it; over the frames of all clips every column has mean 0 and deviation 1, about.
        share: Of the frames' variance that the components hold, from 0 to 1.
    """

    values: tuple[Halves, ...]
    share: float

    @property
    def n(self) -> int:
        """Numbers per frame."""
        return int(self.values[0].shape[1])

    def at(self, clips: npt.NDArray[np.int64], position: npt.NDArray[np.float64]) -> Floats:
        """Return what holds at moments of clips, between frames in a straight line.

        Args:
            clips: Shape (n_clips,), positions in ``values``.
            position: Shape (n_clips, n_moments), in frames of the clips' log-mel spectrograms, from their start on;
                outside of a clip, its first or last frame holds.

        Returns:
            float32, shape (n_clips, n_moments, n).
        """
        out = np.empty((*position.shape, self.n), np.float32)
        for row, clip in enumerate(clips):
            own = self.values[clip]
            # The first of these frames is the mean of the encoder's at 0 and 20 ms. A log-mel frame's middle lies
            # 12.5 ms behind its start; nets are asked for a frame behind a step's middle, which nearly makes up for it.
            place = np.clip(position[row] / PER_FRAME - 0.25, 0.0, len(own) - 1.0)
            before = np.minimum(place.astype(np.int64), max(0, len(own) - 2))
            share = (place - before)[:, None].astype(np.float32)
            after = np.minimum(before + 1, len(own) - 1)
            out[row] = (1 - share) * own[before] + share * own[after]
        return out


def frame_hints(
    clips: Manifest,
    front_end: FrontEnd,
    n: int,
    seed: int,
    cache: Path,
    progress: Progress,
    preparation: tuple[Preparation, ...] = (),
    longest: float = 10.0,
) -> FrameHints:
    """Return the leading principal components of an encoder's frames; they are found in these very clips.

    Args:
        clips: Training clips.
        front_end: The encoder and its blocks.
        n: How many components.
        seed: Of the clips that the components are found with, where there are many.
        cache: Folder of computed features.
        progress: Called with ("frames", done, all).
        preparation: Preprocessing of every clip.
        longest: Seconds of a clip that count, as in :class:`vocalics.logmel_bank.BankSettings`.

    Raises:
        AudioError: For a clip that cannot be read.
        EncoderError: When the encoder is not there.
        FeatureError: When a file changed since it was scanned.
    """
    clips = with_own_digests(clips)
    settings = f"{_VERSION} {front_end!r} {preparation!r} {longest} {TRIM_DB}"
    folder = cache / f"{Path(front_end.name).name}-frames-{hashlib.sha256(settings.encode()).hexdigest()[:12]}"
    work = partial(_store, front_end=front_end, preparation=preparation, longest=longest, folder=folder)
    todo = Manifest(tuple(u for u in clips if not _file(folder, u).is_file()))
    if todo:
        encoders.load(front_end.name, max(front_end.blocks))  # what is missing is said before processes are started
    workers = processes(len(todo))
    errors = here_or_in_processes(work, todo, workers, front_end.name)
    for done, error in enumerate(errors, start=1):
        if error:
            raise AudioError(f"{error}; take the clip out of the manifest")
        progress("frames", len(clips) - len(todo) + done, len(clips))
    files = [_file(folder, u) for u in clips]
    chosen = np.random.default_rng(seed).permutation(len(files))[:_N_FITTED]
    some = np.concatenate([_read(files[i])[::_EVERY] for i in chosen])
    mean, scale = some.mean(axis=0), some.std(axis=0) + 1e-4
    to_components, share = _components((some - mean) / scale, n)
    values = []
    for file in files:
        found = (_read(file) - mean) / scale @ to_components
        values.append(np.clip(found, -MOST, MOST).astype(np.float16))
    return FrameHints(tuple(values), share)


def _components(rows: Floats, n: int) -> tuple[Floats, float]:
    """The projection of standardised rows on their leading components of deviation 1, and the variance's share."""
    size, axes = np.linalg.eigh((rows.T @ rows).astype(np.float64) / len(rows))
    size, axes = np.maximum(size[::-1], 1e-9), axes[:, ::-1]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(len(axes))])  # no component has a sign of its own
    n = min(n, len(size))
    return (axes[:, :n] / np.sqrt(size[:n])).astype(np.float32), float(size[:n].sum() / size.sum())


def _file(folder: Path, utterance: Utterance) -> Path:
    return folder / utterance.digest[:2] / f"{utterance.digest}.npy"


def _read(path: Path) -> Floats:
    values: Floats = np.load(path, allow_pickle=False).astype(np.float32)
    return values


def _store(
    utterance: Utterance, front_end: FrontEnd, preparation: Sequence[Preparation], longest: float, folder: Path
) -> str:
    """Compute a clip's frames and keep them; return why that cannot be done, else nothing."""
    try:
        clip = prepare(preparation, audio.read(utterance.path, front_end.sample_rate))
        clip = audio.excerpt(trim_silence(clip, below_db=TRIM_DB), 0.0, longest)
        frames = front_end(at_peak(clip))
    except VocalicsError as error:
        text = str(error)
        return text if utterance.path in text else f"{utterance.path}: {text}"
    pairs = frames[:, : frames.shape[1] // 2 * 2].reshape(len(frames), -1, 2)
    halves = pairs.mean(axis=2).T.astype(np.float16)
    path = _file(folder, utterance)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, keep_suffix=True) as part:
        np.save(part, np.ascontiguousarray(halves), allow_pickle=False)
    return ""
