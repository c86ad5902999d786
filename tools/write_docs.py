"""Write what the documentation takes from the code and from the bundled models.

    python tools/write_docs.py                    write every page and block
    python tools/write_docs.py --check            write nothing; exit code 1 where one is stale
    python tools/write_docs.py docs/cli.md        this page only

A page is written whole; of README.md only the blocks between ``<!-- NAME -->`` and ``<!-- /NAME -->``.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import inspect
import io
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vocalics import modelfile
from vocalics.augment import AUGMENTATIONS
from vocalics.calls.names import KEY_VARIABLE
from vocalics.cli.main import build
from vocalics.cli.predictions import print_predictions
from vocalics.corpora import Corpus, corpora
from vocalics.emotions import EMOTIONS, OTHER_EMOTIONS, SCHEMES, Scheme
from vocalics.encoders import FOLDER_VARIABLE
from vocalics.features.feature_set import FEATURE_SETS, SEPARATOR, FeatureSet
from vocalics.manifest import OLDEST, REQUIRED, Utterance
from vocalics.modelfile import Card
from vocalics.models import ENCODER, WAVEFORM, ModelSpec, models
from vocalics.models.logmel_batches import BatchAugmentation
from vocalics.models.rows import RowAugmentation
from vocalics.models.transfer import FrameAugmentation
from vocalics.named_models import MODELS_VARIABLE, bundled, heads
from vocalics.preprocess import PREPROCESSING
from vocalics.preprocess.settings import settings_of
from vocalics.recipe import Fit, Publication, Recipe, Teacher
from vocalics.training.checks import given
from vocalics.web import tokens

ROOT = Path(__file__).parents[1]
WIDTH = 120
NOTE = "<!-- Written by tools/write_docs.py; change the code, then run: make docs -->"
NO_MODEL = "No model is bundled yet."


# --- the command line -----------------------------------------------------------------------------------------------


EXIT_CODES = (
    "| exit code | |",
    "|---|---|",
    "| 0 | done |",
    "| 1 | something failed, and is one line on standard error: a file, folder or name (of a model, recipe, corpus, "
    "protocol, feature set or target) is not there or of no use here, a file among several failed, or what was asked "
    "has an answer that is to stop a script (`audit` found a leak, `compile` a difference) |",
    "| 2 | wrong usage: an option that there is not, a value that none can have whatever files hold, or options that "
    "exclude or need one another |",
    "| 130, 143 | stopped by Ctrl-C, or (`batch`) by SIGTERM; `listen`, `serve` and `calls watch`, which go on until "
    "they are told to end, leave with 0 |",
)
"""What every command's exit code means."""


ENVIRONMENT = (
    (
        MODELS_VARIABLE,
        "the folder of models that were put together on this machine (`models get`); else `vocalics/models` in the "
        "user's folder for data",
    ),
    (
        FOLDER_VARIABLE,
        "a folder of [pre-trained encoders'](../README.md#pre-trained-encoders) folders, looked through first",
    ),
    (
        tokens.VARIABLE,
        "bearer tokens of `serve` as the lines of a file of `--tokens`, set apart by commas or white space; where that "
        "is not given",
    ),
    ("VOCALICS_CALLS_DB", "the database of calls, as `--db`, where that is not given"),
    (KEY_VARIABLE, "the key of pseudonyms, where no `--key` names a file that holds it"),
    ("VOCALICS_DATA", "for the tests alone: a folder that holds `corpora/` and `protocols/`"),
)
"""The environment variables, and what each says."""


def cli() -> str:
    """Return the reference of all commands."""
    from typer.main import get_command

    app: Any = get_command(build())
    lines = [
        *(NOTE, "", "# Commands", ""),
        "`vocalics COMMAND -h` prints the same.",
        "",
        *EXIT_CODES,
        "",
        *_table(("environment variable", "holds"), [(f"`{name}`", text) for name, text in ENVIRONMENT]),
        "",
    ]
    for name in sorted(app.commands):
        lines += _command(f"vocalics {name}", app.commands[name])
    return "\n".join(lines).rstrip() + "\n"


def _command(path: str, command: Any) -> list[str]:
    subcommands = getattr(command, "commands", {})
    arguments = [p for p in command.params if not p.opts[0].startswith("-")]
    options = [p for p in command.params if p.opts[0].startswith("-")]
    usage = [path, *(["[OPTIONS]"] if options else []), *map(_argument, arguments)]
    lines = [f"## `{path}`", "", "```", " ".join(usage), "```", "", *_paragraphs(command.help or ""), ""]
    lines += _items((f"`{_argument(p)}`", p.help, p) for p in arguments)
    lines += _items((f"`{_option(p)}`", p.help, p) for p in options)
    lines += [""] if command.params else []
    for name in sorted(subcommands):
        lines += _command(f"{path} {name}", subcommands[name])
    return lines


def _argument(parameter: Any) -> str:
    name = parameter.metavar.removesuffix("...") + ("..." if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _option(parameter: Any) -> str:
    names = ", ".join(parameter.opts)
    if parameter.secondary_opts:
        names += " / " + ", ".join(parameter.secondary_opts)
    if parameter.is_flag:
        return names
    if isinstance(parameter.default, Enum):
        return f"{names} {'|'.join(str(choice.value) for choice in type(parameter.default))}"
    if not parameter.metavar:
        raise SystemExit(f"the option {names} has no metavar; add one, so that its value has a name")
    return f"{names} {parameter.metavar}"


def _items(rows: Iterable[tuple[str, str | None, Any]]) -> list[str]:
    lines = []
    for name, text, parameter in rows:
        if not text:
            raise SystemExit(f"{name} has no help; add a line")
        default = parameter.default.value if isinstance(parameter.default, Enum) else parameter.default
        if parameter.required and name.startswith("`-"):
            text += " Required."
        elif default not in (None, False, ""):
            text += f" Default: `{default}`."
        if variable := getattr(parameter, "envvar", None):
            text += f" Environment variable: `{variable}`."
        lines += textwrap.wrap(f"- {name}: {text}", WIDTH, subsequent_indent="  ", **_WHOLE)
    return lines


_WHOLE: Any = {"break_long_words": False, "break_on_hyphens": False}


def _paragraphs(text: str) -> list[str]:
    wrapped = (textwrap.fill(" ".join(p.split()), WIDTH, **_WHOLE) for p in text.split("\n\n"))
    return "\n\n".join(wrapped).split("\n")


# --- tables from the code -------------------------------------------------------------------------------------------


def corpora_page() -> str:
    """Return the table of corpora, and how to cite them."""
    known = [c for c in corpora().values() if c.n_clips is not None]
    lines = [
        *(NOTE, "", "# Corpora", ""),
        *_paragraphs(
            "What `vocalics scan NAME ROOT` reads. None is part of this project: get a corpus from its authors, under "
            "their licence. How a new one is added: [add-a-corpus.md](add-a-corpus.md). A folder of your own is the "
            "corpus `folder`."
        ),
        "",
        *_table(
            ("name", "clips", "speakers", "language", "emotions", "licence", "commercial use"),
            [_corpus(c) for c in known],
        ),
        "",
    ]
    for c in known:
        told = (
            f" Sentences {', '.join(sorted(c.in_every_emotion))} (column statement) are said in every emotion, all "
            "others in one or two: there words tell it, see `vocalics audit`."
            if c.in_every_emotion
            else ""
        )
        lines += [f"**{c.name}**: {c.title}. From <{c.url}>.{told} Cite: {c.citation}", ""]
    lines += [
        *("## A manifest's columns", ""),
        *_paragraphs(
            "What a scan writes and other commands read: CSV in UTF-8 or Parquet, a row for each clip. A column that "
            "is not required may be missing, and its cells empty. Paths that are not absolute count from the "
            'manifest\'s folder, votes stand as JSON (`{"angry": 3}`), and columns of your own are passed over.'
        ),
        "",
        *_table(
            ("column", "required", "holds"),
            [(f"`{name}`", "yes" if name in REQUIRED else "", _words(text)) for name, _, text in _fields(Utterance)],
        ),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _words(text: str) -> str:
    """What a docstring says, with the values of the constants that it names."""
    for name, value in (("OTHER_EMOTIONS", ", ".join(OTHER_EMOTIONS)), ("EMOTIONS", ", ".join(EMOTIONS))):
        text = text.replace(f"`{name}`", value)
    return text.replace("`OLDEST`", str(OLDEST))


def _corpus(c: Corpus) -> tuple[str, ...]:
    present = set(c.emotions.values())
    emotions = " ".join(e for e in EMOTIONS + OTHER_EMOTIONS if e in present)
    use = "yes" if c.commercial else "no"
    return f"`{c.name}`", f"{c.n_clips:,}", str(c.n_speakers), c.language, emotions, c.licence, use


def licences() -> str:
    """Return what binds the use of the bundled models, which the licence of the program does not tell."""
    known = {**bundled(), **heads()}
    lines = [
        *(NOTE, "", "# The licences of the bundled models", ""),
        *_paragraphs(
            "The program is under the Apache License 2.0 ([LICENSE](LICENSE)), and so are the weights of the bundled "
            "models as software. What they were trained on has licences of its own, which bind the use of the models: "
            "some forbid commercial use, all ask for the authors to be named."
        ),
        "",
    ]
    cards = {name: modelfile.load(path).card for name, path in known.items()}
    names = list(dict.fromkeys(c["name"] for card in cards.values() for c in card.corpora))
    rows = [
        (f"`{name}`", ", ".join(c["name"] for c in card.corpora), "allowed" if card.commercial else "**not allowed**")
        for name, card in cards.items()
    ]
    lines += [*_table(("model", "trained on", "commercial use"), rows), ""]
    for c in (corpora()[name] for name in names):
        lines += [f"**{c.name}**: {c.title}. {c.licence}. From <{c.url}>. {c.citation}", ""]
    lines += [
        "`accurate` sits on the encoder of openai/whisper-base (MIT License, Copyright (c) 2022 OpenAI), which is not "
        "part of the package and is fetched when asked for. The others hold nothing of it; they learned from nets on "
        "it, of their own corpora's clips.",
    ]
    return "\n".join(lines).rstrip() + "\n"


def feature_sets() -> str:
    """Return the table of feature sets, and their columns."""
    lines = [
        *(NOTE, "", "# Feature sets", ""),
        *_paragraphs(
            "What `vocalics features SET MANIFEST -o FILE` computes. A clip is cut to the excerpt, then resampled. How "
            "a new one is added: [add-a-feature.md](add-a-feature.md)."
        ),
        "",
        *_table(("name", "shape", "Hz", "excerpt", "what it is"), [_feature_set(s) for s in FEATURE_SETS.values()]),
        "",
        "## Columns, in order",
        "",
    ]
    for s in FEATURE_SETS.values():
        columns = ", ".join(f"`{c}`" if " " not in c else c for c in _collapsed(s.columns))
        lines += [*textwrap.wrap(f"- `{s.name}`: {columns}", WIDTH, subsequent_indent="  ", **_WHOLE)]
    return "\n".join(lines).rstrip() + "\n"


def _feature_set(s: FeatureSet) -> tuple[str, ...]:
    shape = " × ".join("frames" if n is None else str(n) for n in s.shape)
    excerpt = "all" if s.duration is None else f"{s.duration:g} s from {s.offset:g} s"
    return f"`{s.name}`", shape, f"{s.sample_rate:,}", excerpt, s.summary


def _collapsed(columns: Sequence[str]) -> list[str]:
    """Column names with numbered runs as "`mfcc_0` to `mfcc_19`"."""
    runs: list[list[str]] = []
    for column in columns:
        stem, _, number = column.rpartition("_")
        last = runs[-1][-1].rpartition("_") if runs else ("", "", "")
        if number.isdigit() and last[0] == stem and last[2].isdigit() and int(last[2]) + 1 == int(number):
            runs[-1].append(column)
        else:
            runs.append([column])
    return [run[0] if len(run) == 1 else f"`{run[0]}` to `{run[-1]}`" for run in runs]


def networks() -> str:
    """Return the table of the models that can be trained."""
    rows = [
        (f"`{m.name}`", m.features, f"{m.n_parameters:,}" if m.n_parameters else "", m.summary)
        for m in models().values()
    ]
    lines = [
        *(NOTE, "", "# Models to train", ""),
        *_paragraphs(
            "A recipe's `model` is one of these. The parameter count is the published one, and the tests hold our net "
            "to it. How a new one is added: [add-a-model.md](add-a-model.md)."
        ),
        "",
        *_table(("name", "takes", "published parameters", "what it is"), rows),
    ]
    return "\n".join(lines).rstrip() + "\n"


def recipes_page() -> str:
    """Return every key of a recipe: what it means, and what it is where a recipe does not say."""
    spectrograms, frames, rows = (
        ", ".join(f"`{m.name}`" for m in models().values() if m.neural and m.features in kinds and m.uneven == uneven)
        for kinds, uneven in (((WAVEFORM,), True), ((ENCODER,), True), ({m.features for m in models().values()}, False))
    )
    lines = [
        *(NOTE, "", "# Recipes: every key", ""),
        *_paragraphs(
            "A recipe is a TOML file that decides everything about a training run: `vocalics train FILE`. A key stands "
            "in the file or on the command line, `--set fit.n_epochs=5`; one that there is not, or a value of another "
            "type, ends the run before it begins. What has no default has to be given. Examples: "
            "[examples/own.toml](../examples/own.toml), and [those that come with vocalics](../src/vocalics/recipes)."
        ),
        "",
        *_keys(_fields(Recipe, _LINKS)),
        "",
        *_paragraphs(
            "`augment`, `preprocess` and the chains of `variants` are lists of [steps](steps.md): tables with a "
            "`name`, with settings and, for augmentation, with a `probability` (1)."
        ),
        *("", "## Schemes", ""),
        *_table(("`scheme`", "emotions", "counted as another", "left out"), [_scheme(s) for s in SCHEMES.values()]),
        *("", "## `[fit]`", ""),
        *_paragraphs(
            "Of a classifier of scikit-learn only `calibrate` counts, and finds its sets of candidates; its "
            "probabilities stay as they are."
        ),
        *("", *_keys(_fields(Fit)), ""),
        *("## `[batch]` and `[late_batch]`", ""),
        *_paragraphs(
            "Which keys there are depends on the model; a classifier of scikit-learn has none. `[late_batch]` names "
            "those keys of `[batch]` that are others from `fit.restart` on; the last kind has none. A strength of 0 "
            "turns a change off."
        ),
    ]
    for of, names, kind in (
        ("Of a net over spectrograms", spectrograms, BatchAugmentation),
        ("Of a net over an encoder's frames", frames, FrameAugmentation),
        ("Of a net over rows of features", rows, RowAugmentation),
    ):
        lines += ["", *_paragraphs(f"{of} ({names}):"), "", *_keys(_fields(kind))]
    lines += [
        *("", "## `[teacher]`", ""),
        *_paragraphs(
            f"For {spectrograms}; none where the table is missing, or with `--set teacher=none`. `[teacher.settings]` "
            "has the keys of the teacher's model, [below](#model_settings), `[teacher.fit]` those of `[fit]`."
        ),
        *("", *_keys(_fields(Teacher)), ""),
        *("## `[model_settings]`", ""),
        "What each [model](networks.md) takes. What follows from the rest of a recipe stands here for no model.",
        "",
    ]
    for m in models().values():
        keys = _parameters(m)
        lines += [f"### `{m.name}`", "", *(_keys(keys) if keys else ["Has none."]), ""]
    lines += [
        *("## `[publication]`", ""),
        "Of a recipe that follows a published system: what `vocalics reproduce` has to know of it.",
        *("", *_keys(_fields(Publication))),
    ]
    return "\n".join(lines).rstrip() + "\n"


_LINKS = {
    "model": "[models](networks.md)",
    "scheme": "[below](#schemes)",
    "corpora": "[corpora](corpora.md)",
    "features": "[feature sets](feature-sets.md)",
    "model_settings": "[below](#model_settings)",
    "augment": "[steps](steps.md)",
    "preprocess": "[steps](steps.md)",
    "variants": "[steps](steps.md)",
    "batch": "[below](#batch-and-late_batch)",
    "late_batch": "[below](#batch-and-late_batch)",
    "fit": "[below](#fit)",
    "publication": "[below](#publication)",
    "teacher": "[below](#teacher)",
}
"""Where more is said of a recipe's keys."""

_Key = tuple[str, Any, str]
"""A name, its default (or :data:`_MUST`) and what it means."""
_MUST = dataclasses.MISSING


def _keys(keys: Iterable[_Key]) -> list[str]:
    return _table(("key", "default", "what it is"), [(f"`{name}`", _toml(value), text) for name, value, text in keys])


def _fields(kind: Any, links: Mapping[str, str] = MappingProxyType({})) -> list[_Key]:
    """The keys of a table that becomes a frozen dataclass."""
    said = _described(kind, "Attributes")
    keys = []
    for f in dataclasses.fields(kind):
        default = f.default if f.default_factory is _MUST else f.default_factory()
        text = _said(said, f.name, kind) + (f"; {links[f.name]}" if f.name in links else "")
        keys.append((f.name, default, text))
    return keys


def _parameters(m: ModelSpec) -> list[_Key]:
    """The settings of a model that a recipe may give."""
    said = _described(m.build, "Args")
    return [
        (name, p.default, _said(said, name, m.build))
        for name, p in inspect.signature(m.build).parameters.items()
        if name not in given(m)
    ]


def _said(said: Mapping[str, str], name: str, of: Any) -> str:
    if name not in said or ":class:" in said[name] or ":data:" in said[name]:
        raise SystemExit(f"{of.__qualname__}: its docstring has no line on {name} that a page can hold; write one")
    return said[name]


def _described(of: Any, section: str) -> dict[str, str]:
    """What a docstring says of each name in its section "Attributes" or "Args"."""
    text = inspect.getdoc(of) or ""
    found = re.search(rf"^{section}:\n(.*?)(?=^\S|\Z)", text, re.DOTALL | re.MULTILINE)
    if found is None:
        return {}
    pairs = re.findall(r"^    (\w+): (.*?)(?=^    \w|\Z)", found[1], re.DOTALL | re.MULTILINE)
    return {name: _plain(words) for name, words in pairs}


def _toml(value: Any) -> str:
    """A default as a recipe would write it; empty where there is none."""
    if value is _MUST or value is inspect.Parameter.empty:
        return "must be given"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    if isinstance(value, int | float):
        return f"`{value}`"
    if isinstance(value, tuple | list):
        return f"`{list(value)}`"
    if dataclasses.is_dataclass(value):
        return "see there"
    return "none" if value is None else "empty"


def _scheme(s: Scheme) -> tuple[str, ...]:
    merged = ", ".join(f"{a} as {b}" for a, b in s.merged.items())
    out = [e for e in EMOTIONS + OTHER_EMOTIONS if e not in s.emotions and e not in s.merged]
    return f"`{s.name}`", " ".join(s.emotions), merged, " ".join(out)


def steps() -> str:
    """Return the tables of augmentations and of preprocessing steps, with their settings."""
    lines = [
        *(NOTE, "", "# Steps: augmentation and preprocessing", ""),
        *_paragraphs(
            'A step is a table of a recipe, `{ name = "add_noise", snr_db = [5.0, 20.0], probability = 0.5 }`, or a '
            "line of `vocalics augment --step` and `vocalics prepare --step`, `add_noise snr_db=[5,20] "
            "probability=0.5`. An augmentation's number may be a range, from which one value is drawn per clip; "
            "preprocessing is the same for "
            "every clip, in training and before every prediction. A setting without a default has to be given."
        ),
        "",
    ]
    for title, table in (("Augmentation", AUGMENTATIONS), ("Preprocessing", PREPROCESSING)):
        rows = [(f"`{name}`", _settings(function), _first_line(function)) for name, function in sorted(table.items())]
        lines += [f"## {title}", "", *_table(("step", "settings", "what it does"), rows), ""]
    return "\n".join(lines).rstrip() + "\n"


def _settings(function: Callable[..., Any]) -> str:
    defaults = {name: p.default for name, p in inspect.signature(function).parameters.items()}
    return ", ".join(
        f"`{name}`" + ("" if setting.required else f" ({defaults[name]})")
        for name, setting in settings_of(function).items()
    )


def _first_line(function: Callable[..., Any]) -> str:
    return _plain((function.__doc__ or "").strip().split("\n\n")[0])


def _plain(text: str) -> str:
    """A docstring's words in a line of Markdown, without the last full stop."""
    return re.sub(":(?:func|mod):", "", " ".join(text.split())).replace("``", "`").rstrip(".")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [row(head), "|" + "---|" * len(head), *map(row, rows)]


# --- blocks of the README -------------------------------------------------------------------------------------------


def figures() -> str:
    """Return what the bundled models' cards say was measured."""
    known = {**bundled(), **heads()} if bundled() else {}
    cards = {name: modelfile.load(path).card for name, path in known.items()}
    parts = [_figures(name, card) for name, card in cards.items()]
    return "\n\n".join(parts) or NO_MODEL


def _figures(name: str, card: Card) -> str:
    made_of = ", ".join(c["name"] + (f" ({c['note']})" if c.get("note") else "") for c in card.corpora)
    use = "The licences allow commercial use" if card.commercial else "Some licences forbid commercial use"
    about = (
        f"**`{name}`**: {len(card.emotions)} emotions ({', '.join(card.emotions)}), {_size(name, card)}. "
        f"Trained on {made_of}. {use}."
    )
    rows = [
        (
            str(f.get("corpus", "")),
            str(f.get("protocol", "")),
            str(f.get("classes", "")),
            str(f.get("speakers", "")),
            _percent(f.get("value")) + _interval(f) + ("" if f.get("metric", "UAR") == "UAR" else f", {f['metric']}"),
            _percent(f.get("largest_share")),
            re.sub("^1 models? of", "a model of", str(f.get("measured_on", ""))),
        )
        for f in card.figures
    ]
    head = (
        "corpus",
        "protocol",
        "classes",
        "speakers",
        "UAR % (95 % interval)",
        "largest share of one emotion %",
        "of",
    )
    table = _table(head, rows) if rows else ["Nothing was measured."]
    return "\n".join([*textwrap.wrap(about, WIDTH, **_WHOLE), "", *table])


def _size(name: str, card: Card) -> str:
    """How many parameters a model has: of a head with its encoder, as the benchmark counted them.

    The card of a head counts its own, and the encoder need not be on this machine.
    """
    if SEPARATOR not in card.feature_set:
        return f"{card.n_parameters:,} parameters"
    rows = json.loads((ROOT / "docs" / "results" / "benchmark.json").read_text(encoding="utf-8"))
    n = max(row["parameters"] for row in rows if row["model"] == name)
    return f"{n / 1e6:.1f} million parameters with its encoder"


def _percent(value: Any) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _interval(figure: Any) -> str:
    if pooled := figure.get("pooled"):
        return f"; all folds together {_percent(pooled['value'])}{_interval(pooled)}"
    if figure.get("low") is None or figure.get("high") is None:
        return ""
    return f" ({_percent(figure['low'])} to {_percent(figure['high'])})"


def predictions() -> str:
    """Return what ``make run`` prints once all is installed."""
    if not bundled():
        return NO_MODEL
    printed = io.StringIO()
    with contextlib.chdir(ROOT), contextlib.redirect_stdout(printed):
        print_predictions(["examples/clips"])
    return f"```\n{printed.getvalue().rstrip()}\n```"


# --- all of them ----------------------------------------------------------------------------------------------------

PAGES: dict[str, Callable[[], str]] = {
    "docs/cli.md": cli,
    "docs/corpora.md": corpora_page,
    "docs/feature-sets.md": feature_sets,
    "docs/networks.md": networks,
    "docs/recipes.md": recipes_page,
    "docs/steps.md": steps,
    "MODEL-LICENCES.md": licences,
}
"""Files that are written whole."""

BLOCKS: dict[str, Callable[[], str]] = {"figures": figures, "predictions": predictions}
"""Parts of README.md."""

TARGETS = (*PAGES, *(f"README.md#{name}" for name in BLOCKS))


def written(target: str) -> tuple[Path, str]:
    """Return the file of a target, and the text that it should hold."""
    file, _, block = target.partition("#")
    path = ROOT / file
    if not block:
        return path, PAGES[target]()
    before, after = f"<!-- {block} -->\n", f"\n<!-- /{block} -->"
    pattern = re.compile(f"(?<={re.escape(before)}).*?(?={re.escape(after)})", re.DOTALL)
    text, n = pattern.subn(lambda _: BLOCKS[block](), path.read_text(encoding="utf-8"))
    if n != 1:
        raise SystemExit(f"{path}: expected {before.strip()} ... {after.strip()} once, found it {n} times")
    return path, text


def is_stale(target: str) -> bool:
    """Whether the file does not hold what the code says."""
    path, text = written(target)
    return not path.exists() or path.read_text(encoding="utf-8") != text


def main() -> int:
    """Write, or check; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"any of: {', '.join(TARGETS)} [default: all]")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where a target is stale")
    arguments = parser.parse_args()
    if unknown := set(arguments.targets) - set(TARGETS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; expected any of: {', '.join(TARGETS)}")
    stale = [target for target in arguments.targets or TARGETS if is_stale(target)]
    for target in stale:
        if arguments.check:
            print(f"{target} is stale; run: make docs", file=sys.stderr)
        else:
            path, text = written(target)
            path.write_text(text, encoding="utf-8")
            print(f"{target} written")
    return 1 if arguments.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
