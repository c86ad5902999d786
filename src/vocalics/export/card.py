"""Write a model file: an ONNX graph with its card in the metadata. The only place that needs the onnx package."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vocalics.errors import MissingExtraError, ModelFileError
from vocalics.files import replacing
from vocalics.modelfile import CARD_KEY, Card, load


def write(path: str | os.PathLike[str], onnx_bytes: bytes, card: Card) -> None:
    """Write ``onnx_bytes`` with ``card`` inside to ``path``, whole or not at all.

    The file is verified as :func:`vocalics.modelfile.load` does before it takes the place of an older one.

    Args:
        path: The model file, ``.onnx``.
        onnx_bytes: A serialised ONNX graph that keeps the contract of :mod:`vocalics.modelfile`.
        card: The card; one that the graph already carries is replaced.

    Raises:
        MissingExtraError: Where the onnx package is not installed.
        ModelFileError: When the bytes are no ONNX graph or not what the card says.
    """
    target = Path(path)
    data = with_card(onnx_bytes, card)
    try:
        load(data)
    except ModelFileError as error:
        raise ModelFileError(f"{target}: not written, {str(error).removeprefix('model bytes: ')}") from None
    with replacing(target) as part:
        part.write_bytes(data)


def with_card(onnx_bytes: bytes, card: Card) -> bytes:
    """Return the serialised graph with the card in its metadata; not verified."""
    try:
        import onnx
    except ImportError:
        raise MissingExtraError("writing a model file", "train") from None
    try:
        model = onnx.load_model_from_string(onnx_bytes)
    except Exception as error:  # protobuf's DecodeError, which onnx does not re-export
        raise ModelFileError(f"the bytes are not an ONNX graph ({error})") from None
    kept = [(p.key, p.value) for p in model.metadata_props if p.key != CARD_KEY]
    del model.metadata_props[:]
    for key, value in [*kept, (CARD_KEY, card.to_json())]:
        model.metadata_props.add(key=key, value=value)
    data: bytes = model.SerializeToString()
    return data


def replace_figures(path: str | os.PathLike[str], figures: Sequence[Mapping[str, Any]]) -> None:
    """Put measured figures into the card of a model file, in place of those it has.

    Args:
        path: The model file; rewritten whole or not at all.
        figures: As the card states them, see :class:`vocalics.modelfile.Card`.
    """
    about = dataclasses.replace(load(path).card, figures=tuple(figures))
    write(path, Path(path).read_bytes(), about)
