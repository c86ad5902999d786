"""Write docs/results/models.md from the folders of ``vocalics cross-validate``.

    python tools/collect_folds.py runs/cv/svm runs/cv/gmm -o docs/results

Takes the figures from the reports, adds what the written files are like, and trains nothing itself.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from vocalics import modelfile


def main() -> None:
    """Parse the command line and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, help="output folders of vocalics cross-validate")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/results"))
    arguments = parser.parse_args()
    pictures = arguments.output / "models"
    pictures.mkdir(parents=True, exist_ok=True)
    text = page(arguments.folders, pictures)
    (arguments.output / "models.md").write_text(text, encoding="utf-8")


def page(folders: list[Path], pictures: Path) -> str:
    """Return the page's Markdown; confusion matrices are copied beside it."""
    reports = {folder: json.loads((folder / "report.json").read_text(encoding="utf-8")) for folder in folders}
    protocols = {report["protocol"] for report in reports.values()}
    if len(protocols) > 1:
        raise SystemExit(f"the folders follow several protocols ({'; '.join(sorted(protocols))}); expected one")
    first = next(iter(reports.values()))
    pooled = first["pooled"]
    lines = [
        "# Classical and recurrent models",
        "",
        "Written by `tools/collect_folds.py` from the reports of `vocalics cross-validate`.",
        "",
        f"Corpus: {', '.join(pooled['corpora'])}. Protocol: {protocols.pop()}, {len(first['folds'])} folds. "
        f"{len(pooled['emotions'])} emotions, {pooled['n_speakers']} speakers, {pooled['n_clips']:,} clips, each "
        "judged once. Intervals: 95 %, bootstrap over speakers, on all folds' judgements together. The last column is "
        "how far the written files' probabilities are from those in training, at most, over 16 clips of every fold.",
        "",
        "| recipe | UAR %, mean of folds | UAR %, all | accuracy % | parameters | file, kB | largest difference |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *(_row(folder, report) for folder, report in reports.items()),
        "",
    ]
    for folder, report in reports.items():
        name = report["pooled"]["model"]
        shutil.copyfile(folder / "confusion.png", pictures / f"{name}-confusion.png")
        lines += [f"## {name}", "", f"![Confusion of {name}](models/{name}-confusion.png)", ""]
        rows = ", ".join(f"{f['name']}: {100 * f['uar']:.1f}" for f in report["folds"])
        lines += [f"UAR % of every fold: {rows}.", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _row(folder: Path, report: Any) -> str:
    uar, accuracy = report["pooled"]["uar"], report["pooled"]["accuracy"]
    files = sorted(folder.glob("fold-*/*.onnx"))
    cards = [modelfile.load(file).card for file in files]
    differences = [
        json.loads((file.parent / "comparison.json").read_text(encoding="utf-8"))["largest_difference"]
        for file in files
    ]
    cells = [
        f"`{report['pooled']['model']}`",
        f"{100 * report['mean']['uar']:.1f} ± {100 * report['deviation']['uar']:.1f}",
        f"**{100 * uar['value']:.1f}** ({100 * uar['interval']['low']:.1f} to {100 * uar['interval']['high']:.1f})",
        f"{100 * accuracy['value']:.1f}",
        f"{max(card.n_parameters for card in cards):,}",
        f"{max(file.stat().st_size for file in files) / 1000:,.0f}",
        f"{max(differences):.1e}",
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
