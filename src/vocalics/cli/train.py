"""``vocalics train``: from a recipe and corpora to a model file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from vocalics.recipe import Recipe


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("train")(_train)
    app.command("recipes")(_recipes)


def _recipes() -> None:
    """List the recipes that come with vocalics."""
    from rich.console import Console
    from rich.table import Table

    from vocalics.recipe import read, recipes

    table = Table("recipe", "model", "corpora", "what it is")
    for name in recipes():
        recipe = read(name)
        table.add_row(name, recipe.model, ", ".join(recipe.corpora) or "any", recipe.description)
    Console().print(table)


def _train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A bundled recipe's name or a .toml file.")],
    corpus: Annotated[
        list[str],
        typer.Option(metavar="NAME=ROOT", help="A corpus and its folder, or a manifest (.csv, .parquet). Repeat."),
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FOLDER", help="The run's folder: configuration, checkpoint, model."),
    ],
    hold_out: Annotated[
        list[str] | None,
        typer.Option(metavar="SPEC", help="Test set kept apart: speaker=, corpus= or folds=FILE#FOLD. Repeat."),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Instead of --hold-out: speaker, leave-one-speaker-out, leave-one-corpus-out, folds=FILE; or one that "
            "leaks and says so: random, folds-leaky=FILE.",
        ),
    ] = "",
    fold: Annotated[int, typer.Option(min=1, metavar="N", help="Which split of the protocol.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that the folder holds.")] = False,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Replace a setting, e.g. fit.rate=1e-3. Repeat."),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Computed features, shared by runs; by default in the run's folder."),
    ] = None,
    figures: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="Another run of this recipe; its figures go into the card too. Repeat."),
    ] = None,
    note: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=TEXT", help="What is to be said of a corpus's copy wherever it is named. Repeat."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Of the computation; by default one per core.")
    ] = None,
) -> None:
    """Train a model; with --hold-out, measure it on speakers that it never heard."""
    from rich.console import Console

    from vocalics import dataset, training
    from vocalics.recipe import read

    console = Console(stderr=True, highlight=False)
    frozen = read(recipe, dict(_change(c) for c in change or []))
    notes = dict(_pair(n, "--note", "crema_d=resynthesised") for n in note or [])
    rows = [
        {**row, "measured_on": _relation(folder, frozen)} for folder in figures or [] for row in read_figures(folder)
    ]
    training.check(frozen)
    console.print_json(json.dumps(frozen.as_dict()))
    with _Display(console, frozen) as display:
        manifest = dataset.gather(_roots(corpus), frozen, display.step)
        data = dataset.divide(manifest, frozen, hold_out or [], protocol, fold)
        console.print(
            f"{len(data.train):,} training clips of {len(data.speakers(data.train))} speakers, "
            f"{len(data.validation):,} validation clips of {len(data.speakers(data.validation))}"
        )
        target = training.train(
            frozen,
            manifest,
            output,
            hold_out or [],
            protocol,
            fold,
            resume,
            cache,
            threads,
            display.step,
            display.report,
            notes,
        )
    _curves(output)
    for spec, indices in data.tests.items():
        figure = _measure(target, data.manifest.take(indices), spec, output, notes)
        rows.append({**figure, "measured_on": "this file"})
    if rows:
        from vocalics.export.card import replace_figures

        replace_figures(target, rows)
    console.print(f"written to {target}", soft_wrap=True)


def read_figures(folder: Path) -> list[Mapping[str, Any]]:
    """Return the figures that the reports in a run's folder hold, as cards state them.

    Raises:
        VocalicsError: When there is no report.
    """
    from vocalics.errors import VocalicsError

    paths = sorted(folder.glob("test-*/report.json"))
    if not paths:
        raise VocalicsError(
            f"{folder}: holds no test-*/report.json; expected a run with --hold-out, or reports of "
            "vocalics evaluate in folders of that name"
        )
    config = folder / "config.json"
    notes = json.loads(config.read_text(encoding="utf-8"))["notes"] if config.exists() else {}
    return [_figure(json.loads(path.read_text(encoding="utf-8")), notes) for path in paths]


def _relation(folder: Path, recipe: Recipe) -> str:
    """What the model of another run is to this recipe's: the settings that differ are named."""
    config = folder / "config.json"
    if not config.exists():
        return "this file"
    theirs = _flat(json.loads(config.read_text(encoding="utf-8"))["recipe"])
    ours = _flat(json.loads(json.dumps(recipe.as_dict())))
    changed = [f"{key} = {theirs.get(key)}" for key in ours if theirs.get(key) != ours[key]]
    return "another model of this recipe" + (f" ({', '.join(changed)})" if changed else "")


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _figure(report: Mapping[str, Any], notes: Mapping[str, str]) -> Mapping[str, Any]:
    uar = report["uar"]
    return {
        "corpus": ", ".join(f"{c} ({notes[c]})" if c in notes else c for c in report["corpora"]),
        "protocol": report["protocol"],
        "classes": sum(1 for e in report["by_emotion"] if e["support"]),
        "clips": report["n_clips"],
        "speakers": report["n_speakers"],
        "metric": "UAR",
        "value": round(uar["value"], 4),
        "low": round(uar["interval"]["low"], 4),
        "high": round(uar["interval"]["high"], 4),
        "interval": f"95 %, bootstrap over {uar['interval']['unit']}",
        "largest_share": round(report["largest_share"]["share"], 4),
    }


def _measure(model: Path, tests: Any, spec: str, output: Path, notes: Mapping[str, str]) -> Mapping[str, Any]:
    """Evaluate the model file on one test set, as ``vocalics evaluate`` does, and return the figure."""
    from vocalics.cli.evaluate import evaluate_command
    from vocalics.dataset import short
    from vocalics.splits import leaks

    spec, leaking = short(spec), leaks(spec)
    name = "".join(c if c.isalnum() else "-" for c in spec).replace("--", "-").strip("-")
    folder = output / f"test-{name}"
    folder.mkdir(exist_ok=True)
    tests.write(folder / "manifest.csv")
    said = "; ".join(f"{name} {notes[name]}" for name in tests.corpora if name in notes)
    apart = "held out, but its speakers were not" if leaking else "speaker-independent, held out in training"
    note = f"{apart}: {spec}" + (f"; {said}" if said else "")
    evaluate_command(str(model), folder / "manifest.csv", folder, protocol_note=note, allow_seen_speakers=leaking)
    return _figure(json.loads((folder / "report.json").read_text(encoding="utf-8")), notes)


def _roots(pairs: Sequence[str]) -> dict[str, Path]:
    return {name: Path(root) for name, root in (_pair(p, "--corpus", "ravdess=corpora/ravdess") for p in pairs)}


def _change(pair: str) -> tuple[str, Any]:
    import tomllib

    key, value = _pair(pair, "--set", "fit.rate=1e-3")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value


def _pair(pair: str, option: str, example: str) -> tuple[str, str]:
    from vocalics.errors import VocalicsError

    name, separator, value = pair.partition("=")
    if not separator or not name.strip() or not value.strip():
        raise VocalicsError(f'{option} "{pair}": expected NAME=VALUE, e.g. {example}')
    return name.strip(), value.strip()


def _curves(folder: Path) -> None:
    path = folder / "history.json"
    if path.exists():
        from vocalics import plots

        records = json.loads(path.read_text(encoding="utf-8"))
        plots.save(plots.learning_curves(records), folder / "curves.png")


class _Display:
    """Progress bars for what is counted, a line for every epoch."""

    def __init__(self, console: Any, recipe: Recipe) -> None:
        from vocalics.cli.progress import counting

        self.console = console
        self.progress = counting(console, transient=True)
        self.tasks: dict[str, Any] = {}
        self.n_epochs = recipe.fit.n_epochs

    def __enter__(self) -> _Display:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def step(self, what: str, done: int, n: int) -> None:
        """Show how far a count has come."""
        if what not in self.tasks:
            self.tasks[what] = self.progress.add_task(what, total=n)
        self.progress.update(self.tasks[what], completed=done, total=n)
        if done >= n:
            self.progress.remove_task(self.tasks.pop(what))

    def report(self, record: Mapping[str, Any]) -> None:
        """Print an epoch's figures."""
        validated = ""
        if "valid_uar" in record:
            validated = f"  validation loss {record['valid_loss']:.3f}  UAR {100 * record['valid_uar']:.1f} %"
        self.console.print(
            f"epoch {record['epoch']:3d}/{self.n_epochs}  loss {record['train_loss']:.3f}{validated}  "
            f"rate {record['rate']:.2g}  {record['seconds']:.0f} s"
        )
        self.step("epochs", record["epoch"], self.n_epochs)
