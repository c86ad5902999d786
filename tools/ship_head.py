"""Make a head on an encoder ready to ship: without the encoder's weights, the others at half their size, with figures.

    python tools/ship_head.py runs/accurate/accurate.onnx docs/results/benchmark.json -o src/vocalics/bundled/heads

Trains nothing, and measures nothing: the figures are those of the models of the same recipe that were trained without
the tested speakers, and the card says so. What the card says of use and limits is what the recipe says now.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
from pathlib import Path

from vocalics import encoders, modelfile
from vocalics.errors import EncoderError
from vocalics.export import card as card_file
from vocalics.export.half import halved
from vocalics.export.thin import thin
from vocalics.features.feature_set import SEPARATOR
from vocalics.recipe import read

STATED = (
    "metric", "value", "low", "high", "pooled", "corpus", "protocol", "classes", "speakers", "largest_share",
    "trained_on",
)  # fmt: skip
IN_EIGHT = 20_000
"""Weights from which on a matrix is stored in eight bits."""
VOICES = (0, 10)
"""Of how many other clips of a voice the stated figures are."""
LARGEST = 3_000_000
"""Bytes that a shipped file may have."""


def main() -> None:
    """Parse the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="the model file of vocalics train, of all corpora")
    parser.add_argument("figures", type=Path, help="benchmark.json of vocalics benchmark")
    parser.add_argument("-o", "--output", type=Path, default=Path("src/vocalics/bundled/heads"))
    arguments = parser.parse_args()
    about = modelfile.load(arguments.model).card
    rows = json.loads(arguments.figures.read_text(encoding="utf-8"))
    figures = [
        {**{key: row[key] for key in STATED}, "measured_on": _measured_on(len(row["by_seed"]))}
        for row in rows
        if row["model"] == about.name and row["voice"] in VOICES
    ]
    if not figures:
        raise SystemExit(f"{arguments.figures}: holds no figure of {about.name}")
    target = arguments.output / f"{about.name}.onnx"
    folder = encoders.find(about.feature_set.partition(SEPARATOR)[0])
    data = arguments.model.read_bytes()
    with contextlib.suppress(EncoderError):  # a head that holds none of them is small as it is
        data = thin(data, folder)
    data = halved(data, IN_EIGHT)
    if len(data) > LARGEST:
        raise SystemExit(f"{target}: would be {len(data):,} bytes; at most {LARGEST:,} are shipped")
    told = read(about.name)  # what is said of a model may be put better after its training
    words = {key: getattr(told, key) for key in ("description", "intended_use", "limits")}
    card_file.write(target, data, dataclasses.replace(about, figures=tuple(figures), **words))
    print(f"written to {target} ({target.stat().st_size / 1e6:.2f} MB)")


def _measured_on(n: int) -> str:
    return f"{'a model' if n == 1 else f'{n} models'} of its recipe per fold"


if __name__ == "__main__":
    main()
