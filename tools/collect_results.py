"""Write docs/results/default.md, or another recipe's page, from runs of ``vocalics train`` with ``--hold-out``.

    python tools/collect_results.py runs/heldout runs/left-out -o docs/results
    python tools/collect_results.py runs/tiny-held-out --recipe tiny

Takes the figures from the runs' own reports, adds the curves and confusion matrices, and computes nothing itself.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from vocalics.cli.train import read_figures


def main() -> None:
    """Parse the command line and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs that were trained with --hold-out")
    parser.add_argument("--recipe", default="default", help="that was trained; the page has its name")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/results"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    text = page(arguments.runs, arguments.recipe, arguments.output)
    (arguments.output / f"{arguments.recipe}.md").write_text(text, encoding="utf-8")


def page(runs: list[Path], recipe: str, output: Path) -> str:
    """Return the page's Markdown; the figures' pictures are copied beside it."""
    lines = [
        f"# The {recipe} net on speakers that it never heard",
        "",
        f"Written by `tools/collect_results.py` from the reports of `vocalics train {recipe} --hold-out …`.",
        "Every speaker of a test set was kept out of training and of the choice of the epoch.",
        "All eight emotions compete, also where the corpus has fewer; UAR is taken over the emotions that occur.",
        "Intervals: 95 %, bootstrap over speakers (over clips where there is one speaker).",
        *(
            [
                "Confidence and sets of candidates are as trained, calibrated by speakers apart; of the shipped file "
                "[sureness.md](sureness.md) tells."
            ]
            if recipe == "default"
            else []
        ),
        "",
        "| corpus | held out | classes | speakers | clips | UAR % | 95 % interval | largest share of one emotion % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        for row in read_figures(run):
            lines.append(_row(row))
    for run in runs:
        lines += ["", f"## Run `{run.name}`", "", *_about(run), ""]
        shutil.copyfile(run / "curves.png", output / f"{run.name}-curves.png")
        lines += [f"![Learning curves of {run.name}]({run.name}-curves.png)", ""]
        for report in sorted(run.glob("test-*/report.md")):
            name = f"{run.name}-{report.parent.name}"
            shutil.copyfile(report.parent / "confusion.png", output / f"{name}-confusion.png")
            shutil.copyfile(report.parent / "reliability.png", output / f"{name}-reliability.png")
            body = report.read_text(encoding="utf-8")
            for picture in ("confusion", "reliability"):
                body = body.replace(f"({picture}.png)", f"({name}-{picture}.png)")
            lines += [_deeper(body), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _row(row: Any) -> str:
    interval = f"{100 * row['low']:.1f} to {100 * row['high']:.1f}"
    cells = [
        row["corpus"],
        row["protocol"].rpartition(": ")[2],
        row["classes"],
        row["speakers"],
        row["clips"],
        f"**{100 * row['value']:.1f}**",
        interval,
        f"{100 * row['largest_share']:.1f}",
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def _about(run: Path) -> list[str]:
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    history = json.loads((run / "history.json").read_text(encoding="utf-8"))
    last = config["recipe"]["fit"]["keep"] == "last"
    kept = history[-1] if last else max(history, key=lambda r: r["valid_uar"])
    minutes = sum(r["seconds"] for r in history) / 60
    notes = ", ".join(f"{name}: {text}" for name, text in config["notes"].items())
    recipe, n_speakers = config["recipe"], [len(config[f"{part}_speakers"]) for part in ("training", "validation")]
    said = (
        f"Recipe `{recipe['name']}`, seed {recipe['seed']}; {config['n_train']:,} training clips of {n_speakers[0]} "
        f"speakers, {config['n_validation']:,} validation clips of {n_speakers[1]}; {len(history)} epochs in "
        f"{minutes:.0f} minutes, epoch {kept['epoch']} kept (validation UAR {100 * kept['valid_uar']:.1f} %)."
    )
    together = f" Held out together: {', '.join(config['hold_outs'])}." if len(config["hold_outs"]) > 1 else ""
    return [said + together + (f" Copies: {notes}." if notes else "")]


def _deeper(markdown: str) -> str:
    """Two heading levels down."""
    return "\n".join(f"##{line}" if line.startswith("#") else line for line in markdown.splitlines())


if __name__ == "__main__":
    main()
