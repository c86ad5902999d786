"""A run's folder: its frozen configuration, so that what is gone on with is the very same run."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vocalics.augment import material
from vocalics.dataset import Data, short
from vocalics.errors import VocalicsError
from vocalics.features.feature_set import SEPARATOR, encoded_front_end
from vocalics.files import write_text
from vocalics.manifest import Manifest
from vocalics.recipe import Recipe

COMPARISON = "comparison.json"
"""How far the written file is from the trained model: the last that a run writes."""

TOLD = ("description", "intended_use", "limits", "publication")
"""Keys of a recipe that decide nothing of a training: it may be gone on with when they are put better."""

LATER = ("tested", "votes", "recordings")
"""Keys that configurations lacked at first: a run that was begun then goes on without them."""

N_TOLD = 3
"""How many differing settings a message names."""
N_SHOWN = 24
"""The longest value that a message shows, in characters."""


def freeze(folder: Path, config: Mapping[str, Any], resume: bool, what: str, option: str = "-o") -> None:
    """Write a configuration into a new folder, or check that a folder that is gone on with holds this very one.

    Args:
        folder: Made where it does not exist.
        config: Plain values that JSON can hold.
        resume: Whether to go on with what the folder holds.
        what: It holds, for the message: "run", "study".
        option: With which another folder is chosen, for the message.

    Raises:
        VocalicsError: When the folder holds one and ``resume`` is not asked for, or holds another configuration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.json"
    text = json.dumps(config, indent=1, sort_keys=True)
    if path.exists():
        if not resume:
            raise VocalicsError(
                f"{folder}: holds a {what} already; go on with --resume, or choose another folder with {option}"
            )
        compare(folder, frozen(folder, what, option), json.loads(text), what, option)
    else:
        write_text(path, text)


def frozen(folder: Path, what: str, option: str = "-o") -> dict[str, Any]:
    """Return the configuration that a folder holds.

    Args:
        folder: It was written to by :func:`freeze`.
        what: As :func:`freeze` takes it.
        option: As :func:`freeze` takes it.

    Raises:
        VocalicsError: When it cannot be understood.
    """
    path = folder / "config.json"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        kept = None
    if not isinstance(kept, dict):
        raise VocalicsError(f"{path}: is not what a {what} writes, or damaged; choose another folder with {option}")
    return kept


def compare(folder: Path, kept: Mapping[str, Any], config: Mapping[str, Any], what: str, option: str = "-o") -> None:
    """Check that a configuration that a folder holds is this very one.

    Args:
        folder: For the message.
        kept: What its ``config.json`` holds.
        config: As :func:`freeze` takes it.
        what: As :func:`freeze` takes it.
        option: As :func:`freeze` takes it.

    Raises:
        VocalicsError: When it is another one; says where they differ.
    """
    wanted = {key: value for key, value in config.items() if key in kept or key not in LATER}
    differing = list(_differing(_deciding(kept), _deciding(json.loads(json.dumps(wanted)))))
    if differing:
        told = ", ".join(differing[:N_TOLD]) + (f" and {len(differing) - N_TOLD} more" * (len(differing) > N_TOLD))
        raise VocalicsError(
            f"{folder}: holds a {what} of another configuration ({told}); choose another folder with {option}"
        )


def _differing(kept: Any, wanted: Any, at: str = "") -> Iterator[str]:
    """Name where two configurations differ: "recipe.fit.n_epochs is 20 there, not 50".."""
    if isinstance(kept, dict) and isinstance(wanted, dict):
        for key in sorted({*kept, *wanted}):
            inner = f"{at}.{key}" if at else key
            yield from _differing(kept.get(key), wanted.get(key), inner)
    elif kept != wanted:
        there, here = ("unset" if value is None else json.dumps(value) for value in (kept, wanted))
        yield f"{at} is {there} there, not {here}" if max(len(there), len(here)) <= N_SHOWN else f"{at} differs"


def _deciding(config: Any) -> Any:
    """A configuration without what is only said of a model."""
    recipe = config.get("recipe")
    if not isinstance(recipe, dict):
        return config
    return {**config, "recipe": {key: value for key, value in recipe.items() if key not in TOLD}}


@contextlib.contextmanager
def finishing(target: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give a run's model file its name when all is in it and it was compared, and say last that the run is finished.

    Args:
        target: The model file, in the run's folder.

    Yields:
        Where the file is written meanwhile, and an empty dictionary for what the comparison found.
    """
    part = target.with_name(f".{target.stem}.part.onnx")
    found: dict[str, Any] = {}
    try:
        yield part, found
        (target.parent / COMPARISON).unlink(missing_ok=True)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    # Written last: a folder that has it is finished.
    write_text(target.parent / COMPARISON, json.dumps(found))


def digest(manifest: Manifest) -> str:
    """Return a number that stands for these clips and their emotions, in this order."""
    return hashlib.sha256("".join(f"{u.digest}{u.emotion}" for u in manifest).encode()).hexdigest()


def settle(folder: Path, recipe: Recipe, data: Data, resume: bool) -> None:
    """Write the run's frozen configuration, or check that the folder holds this very one."""
    config = {
        "recipe": {k: v for k, v in recipe.as_dict().items() if k != "publication"},
        "hold_outs": [short(s) for s in data.tests],
        "n_train": len(data.train),
        "n_validation": len(data.validation),
        "n_test": {short(k): len(v) for k, v in data.tests.items()},
        "training_speakers": data.speakers(data.train),
        "validation_speakers": data.speakers(data.validation),
        "clips": digest(data.manifest),
        "notes": dict(data.notes),
    }
    names = [recipe.features, recipe.teacher.features if recipe.teacher is not None else ""]
    if keys := {name: encoded_front_end(name).key for name in names if SEPARATOR in name}:
        config["encoders"] = keys
    if recipe.fit.vote_share:  # votes are targets
        votes = json.dumps([sorted(u.ratings.items()) for u in data.manifest])
        config["votes"] = hashlib.sha256(votes.encode()).hexdigest()
    if recordings := material(step for steps in recipe.copies for step in steps):
        config["recordings"] = recordings
    freeze(folder, config, resume, "run")
