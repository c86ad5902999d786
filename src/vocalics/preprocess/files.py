"""Clips that are made from clips, as files of a folder: named, written whole, and described as rows of a manifest."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from vocalics import audio
from vocalics.audio import Clip
from vocalics.errors import VocalicsError
from vocalics.files import replacing
from vocalics.manifest import Utterance

FORMATS = ("wav", "flac")
"""What is written, both with 16 bits."""

SETTINGS = "settings.json"
"""The file of a folder that says how its clips were made."""

_LARGEST = 32767 / 32768  # of 16 bits


def top_folder(paths: Sequence[str]) -> Path:
    """Return the deepest folder that all files are below."""
    return Path(os.path.commonpath([Path(os.path.abspath(p)).parent for p in paths]))  # noqa: PTH100 (links stay)


def stems(paths: Sequence[str]) -> list[str]:
    """Return a name for what is made of every file: its path below the folder that all are in, without the ending.

    Where two differ in the ending only, it becomes part of the name.

    >>> stems(["/a/x/1.wav", "/a/y/1.wav", "/a/y/1.flac"])
    ['x/1', 'y/1-wav', 'y/1-flac']

    Raises:
        VocalicsError: When two would have one name: a file that is listed twice, or "1-wav.wav" beside "1.wav".
    """
    top = top_folder(paths)
    below = [Path(os.path.abspath(p)).relative_to(top) for p in paths]  # noqa: PTH100
    plain = [p.with_suffix("").as_posix() for p in below]
    # A file system may take upper and lower case for one.
    count = Counter(name.casefold() for name in plain)
    found = [
        name if count[name.casefold()] == 1 else f"{name}-{path.suffix[1:]}"
        for name, path in zip(plain, below, strict=True)
    ]
    again = Counter(found)
    if again.total() > len(again):
        some = [path for path, name in zip(paths, found, strict=True) if again[name] > 1]
        raise VocalicsError(
            f"{some[0]}, {some[1]}: what is made of both would have one name; rename one, or leave one out"
        )
    return found


def claim(folder: Path, settings: Mapping[str, Any]) -> None:
    """Make a folder the place of clips that are made with these settings, so that those it has can be kept.

    Raises:
        VocalicsError: When it holds clips made with others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(settings, indent=1, sort_keys=True)
    file = folder / SETTINGS
    if file.exists() and file.read_text(encoding="utf-8") != text:
        raise VocalicsError(
            f"{folder}: holds clips made with other settings (see {SETTINGS} there); choose another folder or remove it"
        )
    file.write_text(text, encoding="utf-8")


def check_apart(source: Path, target: Path) -> None:
    """Refuse to write over what is read.

    Raises:
        VocalicsError: When both are one file.
    """
    if target.exists() and source.exists() and target.samefile(source):
        raise VocalicsError(f"{target}: would take the place of what is read; choose another folder with -o")


def check_none_read(sources: Iterable[str], targets: Iterable[Path]) -> None:
    """Refuse to write over any of the files that are read, or to take one for what was written.

    Raises:
        VocalicsError: For the first target that is a source.
    """
    read = {os.path.realpath(source) for source in sources}
    for target in targets:
        if os.path.realpath(target) in read:
            raise VocalicsError(f"{target}: is one of the clips that are read; choose another folder with -o")


def is_made(target: Path, source: str | os.PathLike[str]) -> bool:
    """Whether a file is there, and was written after what it is made of."""
    try:
        return target.stat().st_mtime_ns >= Path(source).stat().st_mtime_ns
    except FileNotFoundError:
        return False


def write_whole(path: Path, clip: Clip) -> None:
    """Write a clip with 16 bits; the file appears whole or not at all.

    A clip that exceeds full scale is turned down until it does not, since it would be cut.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    peak = float(np.abs(clip.samples).max(initial=0.0))
    if peak > _LARGEST:
        clip = Clip(clip.samples * np.float32(_LARGEST / peak), clip.sample_rate)
    with replacing(path, keep_suffix=True) as part:
        audio.write(part, clip, "PCM_16")


def row(utterance: Utterance, path: Path) -> Utterance:
    """Return the row of a file that was made from an utterance: its annotation, and the original that it is from.

    The parent is the first one: it tells all copies of a clip, even where those between are not in the manifest.
    """
    about = soundfile.info(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return dataclasses.replace(
        utterance,
        path=str(path),
        duration=about.frames / about.samplerate,
        sample_rate=about.samplerate,
        digest=digest,
        parent=utterance.parent or utterance.path,
    )
