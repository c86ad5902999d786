"""What the commands that train share: options read, progress shown, a model measured on its test set."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from vocalics.dataset import Data
    from vocalics.manifest import Manifest
    from vocalics.recipe import Recipe


class Place(StrEnum):
    """Where a net is trained."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


Device = Annotated[
    Place, typer.Option("--device", help="Where a net is trained; auto: a graphics processor where torch finds one.")
]


_ROOT = typer.Option(
    "--corpus",
    metavar="NAME=ROOT",
    help="A corpus, or a name of your own, and its folder, table or manifest (.csv, .parquet). Repeat.",
)
Name = Annotated[str, typer.Argument(metavar="RECIPE", help="A bundled recipe's name or a .toml file.")]
HoldOuts = Annotated[
    list[str] | None,
    typer.Option(metavar="SPEC", help="Test set kept apart: speaker=, corpus= or folds=FILE#FOLD. Repeat."),
]
Fold = Annotated[
    int, typer.Option(min=1, metavar="N", help="Which split of the protocol; of folds=FILE, the number it has there.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a setting, e.g. fit.rate=1e-3. Repeat."),
]
Notes = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=TEXT", help="What is to be said of a corpus's copy wherever it is named. Repeat."),
]
Threads = Annotated[int | None, typer.Option(min=1, metavar="N", help="Of the computation; by default one per core.")]
Roots = Annotated[list[str], _ROOT]
MaybeRoots = Annotated[list[str] | None, _ROOT]


def speakers(data: Data, part: Sequence[int]) -> str:
    """Whose clips a part holds: "24 speakers", "1 speaker", "unknown speakers"."""
    n = len(data.speakers(part))
    return f"{n} speaker{'s' if n != 1 else ''}" if n or not part else "unknown speakers"


def remarks(recipe: Recipe, data: Data) -> list[str]:
    """What who trains is to know of the clips before, a line each."""
    said = []
    if unheard := data.never_heard():
        said.append(f"no training clip is {' or '.join(unheard)}: the model is not taught what that sounds like")
    nameless = any(not data.manifest[i].speaker for i in data.train)
    if data.validation and nameless and any(not data.manifest[i].speaker for i in data.validation):
        said.append("clips without a speaker train and validate: a voice may be on both sides; name speakers")
    if recipe.validation and not data.validation:
        said.append(
            f"validation = {recipe.validation:g}, but no speaker can be kept apart: nothing chooses the epoch and "
            "nothing calibrates"
        )
    return said


def figure(report: Mapping[str, Any], notes: Mapping[str, str]) -> Mapping[str, Any]:
    """Return a ``report.json`` as a line of a card's figures; notes say of a corpus's copy what it is."""
    uar = report["uar"]
    return {
        "corpus": ", ".join(f"{c} ({notes[c]})" if c in notes else c for c in report["corpora"]),
        "protocol": report["protocol"],
        "classes": sum(1 for e in report["by_emotion"] if e["support"]),
        "clips": report["n_clips"],
        "speakers": report["n_speakers"],
        "metric": "UAR",
        "value": round(uar["value"], 6),
        "low": round(uar["interval"]["low"], 6),
        "high": round(uar["interval"]["high"], 6),
        "interval": f"95 %, bootstrap over {uar['interval']['unit']}",
        "largest_share": round(report["largest_share"]["share"], 6),
    }


def measure(
    model: Path, tests: Any, spec: str, output: Path, notes: Mapping[str, str], shown: bool = True
) -> tuple[Mapping[str, Any], int]:
    """Evaluate the model file on one test set, as ``vocalics evaluate`` does.

    Args:
        model: The file.
        tests: The manifest of the test set.
        spec: The hold-out or protocol that it follows; its name says whether speakers were shared.
        output: The run's folder; the report goes into :func:`test_folder` of it.
        notes: What is to be said of a corpus's copy, by corpus.
        shown: Whether the report is printed too.

    Returns:
        The figure, and how many clips could not be judged.
    """
    from vocalics.cli.evaluate import evaluated
    from vocalics.dataset import short
    from vocalics.splits import leaks

    spec, leaking = short(spec), leaks(spec)
    folder = test_folder(output, spec)
    folder.mkdir(exist_ok=True)
    tests.write(folder / "manifest.csv")
    said = "; ".join(f"{name} {notes[name]}" for name in tests.corpora if name in notes)
    apart = "held out, but its speakers were not" if leaking else "speaker-independent, held out in training"
    note = f"{apart}: {spec}" + (f"; {said}" if said else "")
    n_failed = evaluated(str(model), folder / "manifest.csv", folder, None, note, None, leaking, shown)
    return figure(json.loads((folder / "report.json").read_text(encoding="utf-8")), notes), n_failed


def test_folder(output: Path, spec: str) -> Path:
    """Return where a run keeps the report of a test set."""
    from vocalics.dataset import short

    told = short(spec)
    name = "".join(c if c.isalnum() else "-" for c in told).replace("--", "-").strip("-")
    if unusual := [c for c in told if not (c.isalnum() or c in "=/#.:,_-")]:  # "x y" beside "x-y" is another one
        name += "-" + "".join(f"{ord(c):x}" for c in unusual)
    return output / f"test-{name}"


def roots(pairs: Sequence[str]) -> dict[str, Path]:
    """Return the folders of ``--corpus NAME=ROOT`` by corpus.

    Raises:
        UsageError: Where a corpus is given twice.
    """
    from vocalics.errors import UsageError

    found: dict[str, Path] = {}
    for name, root in (pair(p, "--corpus", "ravdess=corpora/ravdess") for p in pairs):
        if name in found:
            raise UsageError(
                f"--corpus {name}={root}: {name} was given already ({found[name]}); give each corpus once, its folders "
                "below one, or another of your own under another name"
            )
        found[name] = Path(root)
    return found


def recipe(name: str, changes: Sequence[str]) -> Recipe:
    """Return a recipe with what ``--set KEY=VALUE`` says.

    Raises:
        RecipeError: For a recipe that is not there, or is none as it stands.
        UsageError: For a change that it does not take.
    """
    from vocalics.cli.usage import checking
    from vocalics.recipe import read

    wanted = dict(change(text) for text in changes)
    found = read(name)
    if wanted:
        with checking():
            found = read(name, wanted)
    return found


def change(text: str) -> tuple[str, Any]:
    """Return key and value of a ``--set KEY=VALUE``; a value that is no TOML is a word.

    Raises:
        UsageError: Where a list or a table is none of TOML's.
    """
    import tomllib

    from vocalics.errors import UsageError

    key, value = pair(text, "--set", "fit.rate=1e-3")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        if value.lstrip()[0] in "[{":
            raise UsageError(
                f"--set {key}={value} is not TOML; words in a list stand in quotes, and all of it in others: "
                '\'corpora=["ravdess", "mine"]\''
            ) from None
        return key, value


def pair(text: str, option: str, example: str) -> tuple[str, str]:
    """Return both sides of an option's NAME=VALUE.

    Raises:
        UsageError: Where one of them is missing.
    """
    from vocalics.errors import UsageError

    name, separator, value = text.partition("=")
    if not separator or not name.strip() or not value.strip():
        raise UsageError(f'{option} "{text}": expected NAME=VALUE, e.g. {example}')
    return name.strip(), value.strip()


def notes(texts: Sequence[str], manifest: Manifest) -> dict[str, str]:
    """Return what ``--note NAME=TEXT`` says of corpora's copies.

    Raises:
        VocalicsError: For a corpus that is not there: a misspelt name would be a figure without its note.
    """
    from vocalics.errors import VocalicsError
    from vocalics.registry import suggestion

    said = dict(pair(text, "--note", "crema_d=resynthesised") for text in texts)
    for name in said:
        if name not in manifest.corpora:
            close = suggestion(name, manifest.corpora) or "."
            raise VocalicsError(
                f"--note {name}: no corpus of that name is there{close} Here: {', '.join(manifest.corpora)}"
            )
    return said


def curves(folder: Path) -> None:
    """Draw the learning curves of a run that has a history into its folder."""
    path = folder / "history.json"
    if path.exists():
        from vocalics import plots

        records = json.loads(path.read_text(encoding="utf-8"))
        plots.save(plots.learning_curves(records), folder / "curves.png")


@contextmanager
def resumable(folder: Path, console: Any, option: str = " and --resume") -> Iterator[None]:
    """Say how to go on with what was stopped by Ctrl-C, where the folder holds something of it; leave with 130.

    Args:
        folder: Of the run.
        console: Where it is said.
        option: What the same command needs to go on.
    """
    try:
        yield
    except KeyboardInterrupt:
        if folder.is_dir():
            console.print(f"stopped; go on with the same command{option} ({folder})", markup=False, soft_wrap=True)
        raise typer.Exit(130) from None


class Display:
    """Progress bars for what is counted, a line for every epoch."""

    def __init__(self, console: Any, recipe: Recipe) -> None:
        from vocalics.cli.progress import counting

        self.console = console
        self.progress = counting(console, transient=True)
        self.tasks: dict[str, Any] = {}
        self.n_epochs = recipe.fit.n_epochs

    def __enter__(self) -> Display:
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
        validated, n_epochs = "", record.get("of", self.n_epochs)
        if "valid_uar" in record:
            validated = f"  validation loss {record['valid_loss']:.3f}  UAR {100 * record['valid_uar']:.1f} %"
        self.console.print(
            f"epoch {record['epoch']:3d}/{n_epochs}  loss {record['train_loss']:.3f}{validated}  "
            f"rate {record['rate']:.2g}  {record['seconds']:.0f} s"
        )
        self.count(record)

    def count(self, record: Mapping[str, Any]) -> None:
        """Show how many epochs are done, without their figures."""
        self.step("epochs", record["epoch"], record.get("of", self.n_epochs))

    def say(self, line: str) -> None:
        """Print a line; what was being counted is over."""
        for task in self.tasks.values():
            self.progress.remove_task(task)
        self.tasks.clear()
        self.console.print(line, markup=False, soft_wrap=True)
