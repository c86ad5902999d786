"""The models that are known by name: those that come with vocalics, and those put together on this machine."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from vocalics.errors import ModelFileError
from vocalics.registry import lookup

DEFAULT = "default"
"""The name of the model that is used where none is named."""

MODELS_VARIABLE = "VOCALICS_MODELS"
"""Environment variable: the folder of models that were put together on this machine, see :func:`joined_path`."""


def bundled() -> dict[str, Path]:
    """Return the model files that come with vocalics, by name."""
    return {path.stem: path for path in sorted((Path(__file__).parent / "bundled").glob("*.onnx"))}


def heads() -> dict[str, Path]:
    """Return the heads that come with vocalics, by name: models that sit on a pre-trained encoder, without it."""
    return {path.stem: path for path in sorted((Path(__file__).parent / "bundled" / "heads").glob("*.onnx"))}


def joined_path(name: str) -> Path:
    """Return where a head is kept together with its encoder, in one file that is there or not.

    The folder is the one that ``VOCALICS_MODELS`` names, else the user's own for data. A head of other weights has
    another file.
    """
    own = os.environ.get(MODELS_VARIABLE)
    base = Path(own) if own else Path(
        os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".local" / "share"
    ) / "vocalics" / "models"  # fmt: skip
    digest = hashlib.sha256(heads()[name].read_bytes()).hexdigest()[:12]
    return base / f"{name}-{digest}.onnx"


def model_path(name: str | os.PathLike[str] = DEFAULT) -> Path:
    """Return the file of a bundled model's name, or the path itself.

    Raises:
        ModelFileError: When it is neither a bundled model's name nor looks like a path, or sits on an encoder that was
            not fetched yet.
    """
    if isinstance(name, str):
        if name in bundled():
            return bundled()[name]
        if name in heads():
            if (joined := joined_path(name)).is_file():
                return joined
            raise ModelFileError(
                f"the model {name} sits on a pre-trained encoder that does not come with vocalics; "
                f"vocalics models get {name} fetches it, once"
            )
        if not (name.endswith(".onnx") or os.sep in name or "/" in name or Path(name).exists()):
            return lookup({**bundled(), **heads()}, name, "model", ModelFileError)
    return Path(name)
