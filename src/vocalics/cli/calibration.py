"""The recordings that calibrate eight bits, and that compiled programs are checked with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vocalics.modelfile import Card

AT_MOST = 200
"""Calibration clips: of more, so many are drawn."""


def recordings(paths: list[str], card: Card) -> list[Path]:
    """Return the recordings that paths stand for, at most :data:`AT_MOST`, drawn at random.

    Of a manifest only the speakers that the model was trained on, where there are any: of what it is tested with
    nothing is to be learned.

    Raises:
        VocalicsError: For a path that leads to no recording.
    """
    import numpy as np

    from vocalics.cli.predictions import expand
    from vocalics.manifest import Manifest

    files: list[str] = []
    for path in paths:
        if Path(path).suffix in (".csv", ".parquet"):
            listed = Manifest.read(Path(path))
            files += [u.path for u in listed.where(lambda u: u.speaker in card.training_speakers) or listed]
            continue
        for one in expand(path):
            if not isinstance(one, str):
                raise one
            files.append(one)
    if len(files) > AT_MOST:
        files = [files[i] for i in sorted(np.random.default_rng(0).choice(len(files), AT_MOST, replace=False))]
    return [Path(file) for file in files]
