"""Make a bundled model's eight-bit copy, measure both on the speakers that the model never heard, and write the page.

    python tools/ship_int8.py tiny MANIFEST... --hold-out folds=FILE#FOLD --hold-out speaker=NAME --note crema_d=TEXT
    python tools/ship_int8.py default MANIFEST... --measured runs/held-out/default.onnx --hold-out ...

The ranges come from clips of training speakers; the figures of the copy go into its card. A model that was trained on
all speakers cannot be measured: then another one of its recipe is made smaller in the same way, and measured.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from vocalics import audio, judgements, modelfile, named_models, recognizer, splits
from vocalics.cli.evaluate import short
from vocalics.emotions import scheme
from vocalics.export import card as card_file
from vocalics.export import int8
from vocalics.judgements import Judgements, chances_of
from vocalics.manifest import Manifest

N_CALIBRATION = 200


def main() -> None:
    """Parse the command line; write the model file and the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a bundled model's name")
    parser.add_argument("manifests", nargs="+", type=Path, help="clips of all its corpora")
    parser.add_argument("--hold-out", action="append", required=True, help="a test set: folds=FILE#FOLD, speaker=NAME")
    parser.add_argument("--note", action="append", default=[], help="what is to be said of a corpus's copy: NAME=TEXT")
    parser.add_argument("--measured", type=Path, help="a model of the same recipe that heard none of the test sets")
    parser.add_argument("-o", "--output", type=Path, default=Path("src/vocalics/bundled"))
    parser.add_argument("--page", type=Path, default=Path("docs/results/int8.md"))
    arguments = parser.parse_args()
    notes = dict(note.split("=", 1) for note in arguments.note)
    source = named_models.model_path(arguments.model)
    clips = Manifest(tuple(u for path in arguments.manifests for u in Manifest.read(path)))
    data, about = _quantised(source, clips)
    target = arguments.output / f"{about.name}.onnx"
    card_file.write(target, data, about)
    with tempfile.TemporaryDirectory() as folder:
        measured, small_path = source, target
        if arguments.measured:
            measured, small_path = arguments.measured, Path(folder, target.name)
            theirs, ours = (modelfile.load(path).card for path in (measured, source))
            if (theirs.name, dict(theirs.recipe)) != (ours.name, dict(ours.recipe)):
                raise SystemExit(f"{measured}: is not of the recipe of {source}; name a model that is")
            card_file.write(small_path, *_quantised(measured, clips))
        whole, small = recognizer.load(measured), recognizer.load(small_path)
        rows, figures = [], []
        for spec in arguments.hold_out:
            tested = clips.take(splits.tested(clips, spec)).where(lambda u: u.emotion in whole.emotions)
            if known := set(tested.speakers) & {*whole.card.training_speakers, *whole.card.validation_speakers}:
                raise SystemExit(
                    f"{spec}: {measured} was trained with {', '.join(sorted(known))}; name one that was not: --measured"
                )
            both = [_judged(model, tested) for model in (whole, small)]
            reports = [judgements.report(said, np.random.default_rng(0), model=arguments.model) for said in both]
            same = np.mean([a == b for a, b in zip(both[0].prediction, both[1].prediction, strict=True)])
            rows.append(_row(tested, spec, reports, float(same), notes))
            figures.append(_figure(tested, spec, reports[1], notes, bool(arguments.measured)))
    card_file.replace_figures(target, figures)
    sizes = [path.stat().st_size / 1e6 for path in (source, target)]
    page = _page(arguments.model, rows, sizes, modelfile.load(target).card, bool(arguments.measured))
    arguments.page.write_text(page, encoding="utf-8")
    print(f"written to {target} ({sizes[1]:.2f} MB) and {arguments.page}")


def _quantised(source: Path, clips: Manifest) -> tuple[bytes, modelfile.Card]:
    whole = recognizer.load(source)
    heard = clips.where(lambda u: u.speaker in whole.card.training_speakers)
    chosen = heard.drawn(N_CALIBRATION, np.random.default_rng(0))
    return int8.quantised(source, [whole.given(audio.read(u.path, whole.card.sample_rate)) for u in chosen])


def _judged(model: recognizer.Recognizer, clips: Manifest) -> Judgements:
    classes = scheme("eight")
    chances = [chances_of(model.predict(u.path), classes) for u in clips]
    return Judgements.of(clips, [u.emotion for u in clips], classes.emotions, chances)


def _corpus(clips: Manifest, notes: dict[str, str]) -> str:
    return ", ".join(f"{c} ({notes[c]})" if c in notes else c for c in clips.corpora)


def _row(clips: Manifest, spec: str, reports: list[Any], same: float, notes: dict[str, str]) -> str:
    before, after = (r.uar for r in reports)
    return (
        f"| {_corpus(clips, notes)} | {short(spec)} | {len(clips.emotions)} | {len(clips.speakers)} | {len(clips):,} | "
        f"{before} | {after} | {100 * (before.value - after.value) + 0.0:.1f} | {100 * same:.1f} |"
    )


def _figure(clips: Manifest, spec: str, report: Any, notes: dict[str, str], another: bool) -> dict[str, Any]:
    return {
        "corpus": _corpus(clips, notes),
        "protocol": f"speaker-independent, held out in training: {short(spec)}",
        "classes": len(clips.emotions),
        "clips": len(clips),
        "speakers": len(clips.speakers),
        "metric": "UAR",
        "value": round(report.uar.value, 4),
        "low": round(report.uar.interval.low, 4),
        "high": round(report.uar.interval.high, 4),
        "interval": f"95 %, bootstrap over {report.uar.interval.unit}",
        "largest_share": round(report.largest_share.share, 4),
        "measured_on": "another model of this recipe" if another else "this file",
    }


def _page(name: str, rows: list[str], sizes: list[float], about: modelfile.Card, another: bool) -> str:
    judges = (
        f"`{name}` was trained on all speakers: the judges are another model of its recipe, without those tested, and "
        "its copy in eight bits, made in the same way;"
        if another
        else "Both judge speakers that neither heard;"
    )
    return "\n".join(
        [
            f"# `{name}` in eight bits",
            "",
            f"Written by `tools/ship_int8.py`. `{about.name}` is `{name}` with weights and activations as whole "
            f"numbers of eight bits (front end and softmax in float32), ranges from {N_CALIBRATION} clips "
            f"of training speakers: {sizes[1]:.2f} MB for {sizes[0]:.2f}. {judges} all "
            "eight emotions compete. UAR with a 95 % interval over speakers (over clips where there is one); lost "
            "in points; how often both name the same emotion.",
            "",
            "| corpus | held out | classes | speakers | clips | UAR, float32 | UAR, eight bits | lost | the same % |",
            "|---|---|---:|---:|---:|---:|---:|---:|---:|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    main()
