"""Spectrograms of a manifest (or an encoder's frames), with waveform augmentation, computed once and kept on disk.

Each clip is one file named by its content's digest in a folder named by all settings, so that a computation that was
stopped goes on where it was, and a changed setting never meets an old file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics import audio
from vocalics.audio import Clip
from vocalics.augment import Step, material
from vocalics.augment.copies import augmented
from vocalics.encoders import FrontEnd
from vocalics.features.cache import in_processes, processes, with_own_digests
from vocalics.features.feature_set import at_peak
from vocalics.features.logmel import LogMel
from vocalics.files import replacing
from vocalics.manifest import Manifest, Utterance
from vocalics.preprocess import Preparation, trim_silence
from vocalics.preprocess import chain as prepare

VERSION = 1
TRIM_DB = 40.0
"""Quiet ends of a clip, this much below its loudest part, are cut: in training, and by the card before prediction."""
Copies = tuple[npt.NDArray[np.float16], ...]


@dataclass(frozen=True)
class BankSettings:
    """What a bank holds for every clip.

    Attributes:
        front_end: The log-mel settings, or the blocks of an encoder.
        steps: Waveform augmentation of the copies, applied in order.
        n_copies: Augmented copies per clip.
        seed: Of the augmentation; each copy's randomness follows from it, the clip's digest and the copy's number.
        longest: Seconds kept of a clip after its silent ends are cut.
        preparation: Preprocessing of every clip, before its silent ends are cut.
    """

    front_end: LogMel | FrontEnd
    steps: tuple[Step, ...] = ()
    n_copies: int = 0
    seed: int = 0
    longest: float = 10.0
    preparation: tuple[Preparation, ...] = ()

    @property
    def key(self) -> str:
        """A name for this very set of settings."""
        settings = asdict(self)
        if not self.preparation:
            del settings["preparation"]  # so that what was computed before there was any keeps its name
        if not self.n_copies:
            settings["seed"] = 0  # nothing is drawn
        recordings = material(self.steps) if self.n_copies else ""
        text = json.dumps([VERSION, settings, *([recordings] if recordings else [])], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def spectrogram(clip: Clip, front_end: LogMel | FrontEnd) -> npt.NDArray[np.float32]:
    """Return the log-mel of the clip brought to a peak of 1, as the bundled models' graphs do: level cannot matter."""
    return front_end(at_peak(clip))


def trim_db(front_end: LogMel | FrontEnd) -> float:
    """Return how far below a clip's loudest part its ends are cut."""
    return TRIM_DB if isinstance(front_end, LogMel) else front_end.trim_db


def compute(utterance: Utterance, settings: BankSettings) -> Copies:
    """Decode one utterance and return its spectrogram and those of its augmented copies, as float16."""
    clip = prepare(settings.preparation, audio.read(utterance.path, settings.front_end.sample_rate))
    clip = trim_silence(clip, below_db=trim_db(settings.front_end))
    clip = audio.excerpt(clip, 0.0, settings.longest)
    numbers = range(settings.n_copies)
    copies = [clip, *(augmented(clip, settings.steps, settings.seed, n, utterance.digest) for n in numbers)]
    return tuple(spectrogram(c, settings.front_end).astype(np.float16) for c in copies)


def bank(
    utterances: Sequence[Utterance],
    settings: BankSettings,
    folder: Path,
    workers: int | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> npt.NDArray[np.object_]:
    """Return every utterance's copies, from the cache below ``folder`` where they are there.

    Args:
        utterances: Rows of a manifest; their digests are computed anew, for they name the clips' files.
        settings: What is computed.
        folder: The cache.
        workers: Processes besides this one; as many as are worth it where ``None``, which may be none.
        progress: Called with the number done and the number of all.

    Returns:
        Object array (n,) of tuples of float16 arrays (n_mels, n_frames).

    Raises:
        FeatureError: When a file changed since it was scanned, or a process was killed.
    """
    utterances = with_own_digests(Manifest(tuple(utterances)))
    target = folder / settings.key
    target.mkdir(parents=True, exist_ok=True)
    (target / "settings.json").write_text(json.dumps(asdict(settings), indent=1, sort_keys=True), encoding="utf-8")
    todo = [u for u in utterances if not _file(target, u).exists()]
    done = len(utterances) - len(todo)
    if todo:
        work = partial(_store, settings=settings, target=target)
        what = "spectrograms" if isinstance(settings.front_end, LogMel) else settings.front_end.name
        n = processes(len(todo), workers)
        for _ in map(work, todo) if n == 1 and workers is None else in_processes(work, todo, n, what):
            done += 1
            if progress is not None:
                progress(done, len(utterances))
    out = np.empty(len(utterances), dtype=object)
    for i, utterance in enumerate(utterances):
        with np.load(_file(target, utterance)) as arrays:
            out[i] = tuple(arrays[f"copy{k}"] for k in range(settings.n_copies + 1))
    return out


def _file(target: Path, utterance: Utterance) -> Path:
    return target / utterance.digest[:2] / f"{utterance.digest}.npz"


def _store(utterance: Utterance, settings: BankSettings, target: Path) -> None:
    copies = compute(utterance, settings)
    path = _file(target, utterance)
    path.parent.mkdir(exist_ok=True)
    with replacing(path, keep_suffix=True) as part:
        np.savez(part, **{f"copy{k}": c for k, c in enumerate(copies)})  # type: ignore[arg-type]
