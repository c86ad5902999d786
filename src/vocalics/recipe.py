"""Recipes: everything that decides a training run, as a TOML file that becomes a frozen value.

An unknown key is an error with a suggestion, a value of the wrong type one that says what was expected. The bundled
recipes stand in ``vocalics/recipes``; a path to a file of one's own works wherever a name does.
"""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from vocalics.augment import Step
from vocalics.emotions import SCHEMES
from vocalics.errors import RecipeError
from vocalics.preprocess import Preparation
from vocalics.registry import lookup, suggestion

ENSEMBLE = "ensemble"
"""The model of a recipe that has members."""


@dataclass(frozen=True)
class Fit:
    """How the weights are found.

    Attributes:
        optimiser: "adam", "adamw", "muon", "sgd" or "rmsprop".
        rate: Highest learning rate, at least 0.
        weight_decay: Decoupled for adamw and muon; at least 0.
        momentum: Of sgd and rmsprop.
        schedule: Of the learning rate: "constant", "cosine" or "plateau".
        warm_up: Share of the epochs in which a cosine rises; the first epoch goes by whole. 0 is none.
        factor: What a plateau multiplies the rate by.
        plateau_patience: Epochs that make a plateau.
        plateau_of: The loss that a plateau is seen in: "validation" (that of training where nothing is validated) or
            "training".
        lowest_rate: Below which the rate does not fall.
        n_epochs: Most epochs, at least 1.
        restart: Epoch after which a cosine starts over, at ``restart_rate``, and from which ``late_batch`` holds; below
            ``n_epochs``, 0 is never.
        restart_rate: Highest learning rate of the second course, above 0 where a cosine starts over.
        batch_size: Clips per step, at least 1.
        draws: Clips per epoch where clips are drawn; 0 is as many as there are.
        label_smoothing: Share of each target spread over all classes, from 0 to below 1.
        vote_share: Share of each target that is the listeners' votes, where a clip has some, from 0 to 1; for nets over
            spectrograms or an encoder's frames.
        average: Decay per step of the average of weights that is validated and kept, below 1; 0 is none.
        keep: "best": the epoch of highest validation UAR; "last": the last one, for a rate that falls to nothing over
            an average of weights, where the best of many epochs on few validation speakers is the luckiest.
        patience: Epochs without a better validation UAR after which training stops; 0 is never.
        calibrate: Scale a net's probabilities by the temperature that makes the validation labels most likely, and find
            sets of candidates on the same clips; a net of sound then learns what is strange to it, too.
        calibrate_among: Of which classes a clip that calibrates may be: "all", or those of its own "corpus", as where a
            corpus is tested and its classes are taken as known; goes with ``calibrate``.
        autocast: Compute in bfloat16 where the processor has instructions for it; elsewhere it would be slower.
    """

    optimiser: str = "adam"
    rate: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.0
    schedule: str = "constant"
    warm_up: float = 0.1
    factor: float = 0.4
    plateau_patience: int = 2
    plateau_of: str = "validation"
    lowest_rate: float = 1e-6
    n_epochs: int = 50
    restart: int = 0
    restart_rate: float = 0.0
    batch_size: int = 64
    draws: int = 0
    label_smoothing: float = 0.0
    vote_share: float = 0.0
    average: float = 0.0
    keep: str = "best"
    patience: int = 0
    calibrate: bool = False
    calibrate_among: str = "all"
    autocast: bool = False

    def __post_init__(self) -> None:
        _one_of(self.optimiser, ("adam", "adamw", "muon", "sgd", "rmsprop"), "fit.optimiser")
        _one_of(self.schedule, ("constant", "cosine", "plateau"), "fit.schedule")
        _one_of(self.keep, ("best", "last"), "fit.keep")
        _one_of(self.plateau_of, ("validation", "training"), "fit.plateau_of")
        _one_of(self.calibrate_among, ("all", "corpus"), "fit.calibrate_among")
        if self.calibrate_among != "all" and not self.calibrate:
            raise RecipeError(f'fit.calibrate_among = "{self.calibrate_among}" goes with fit.calibrate = true')
        for key in ("batch_size", "n_epochs"):
            if getattr(self, key) < 1:
                raise RecipeError(f"fit.{key} = {getattr(self, key)}; expected at least 1")
        if not 0 <= self.restart < self.n_epochs:
            raise RecipeError(f"fit.restart = {self.restart} is not below fit.n_epochs = {self.n_epochs}")
        for key in ("draws", "patience", "rate", "restart_rate", "weight_decay"):
            if getattr(self, key) < 0:
                raise RecipeError(f"fit.{key} = {getattr(self, key)} is below 0")
        if self.restart and self.schedule == "cosine" and not self.restart_rate:
            raise RecipeError(
                f"fit.restart = {self.restart} without fit.restart_rate: nothing would be learned after it"
            )
        for key in ("average", "label_smoothing"):
            if not 0 <= getattr(self, key) < 1:
                raise RecipeError(f"fit.{key} = {getattr(self, key)} is not a share from 0 to below 1")
        if not 0 <= self.vote_share <= 1:
            raise RecipeError(f"fit.vote_share = {self.vote_share} is not a share from 0 to 1")


@dataclass(frozen=True)
class Teacher:
    """A classifier that a net learns from besides the labels, see :mod:`vocalics.distillation`.

    Attributes:
        features: A feature set, e.g. the blocks of an encoder, "whisper-base@2,3".
        model: A model of ``vocalics.models`` for vectors.
        settings: Of that model; ``n_features`` follows from the features.
        fit: How its weights are found, where it is a net; the last epoch is kept.
        share: Of every target that is the teacher's, from 0 to 1; the rest is the label's.
        n_folds: In how many parts the training clips are divided, at least 2; each is judged by a teacher fitted to the
            others.
        apart: What no two parts have in common: "speakers" or "clips", each with its copies.
        n_hints: How many leading components of its features the net is to foretell; 0 is none.
        hint_weight: What their mean squared error counts beside the cross-entropy; goes with ``n_hints``.
        n_frame_hints: How many leading components of its encoder's frames the net is to foretell, moment by moment; 0
            is none.
        frame_hint_weight: What their mean squared error counts; goes with ``n_frame_hints``.
        calibrates: Whether the clips of validation speakers count, where probabilities are calibrated on them, so that
            the teacher finds them as hard as it finds its corpora's training speakers; goes with ``fit.calibrate`` and
            ``apart = "speakers"``.
    """

    features: str
    model: str = "logistic_regression"
    settings: Mapping[str, Any] = field(default_factory=dict)
    fit: Fit = field(default_factory=Fit)
    share: float = 0.5
    n_folds: int = 5
    apart: str = "speakers"
    n_hints: int = 0
    hint_weight: float = 0.0
    n_frame_hints: int = 0
    frame_hint_weight: float = 0.0
    calibrates: bool = False


@dataclass(frozen=True)
class Publication:
    """What is known of the published system that a recipe follows, for :mod:`vocalics.reproduction`.

    Attributes:
        source: Where it was published, in words.
        printed: Its figures as they were printed.
        test: The part of the clips (of the rows, where ``rows``) that it tested on, drawn at random.
        accuracy: The printed test accuracy, a fraction; 0 where none is known.
        rows: Whether it made the copies first and drew rows at random, so that copies of one clip stand on both sides.
        validation: The part of what is not tested that it validated on; 0 where it validated on the test clips.
        seeds: How many seeds are run.
        patience: Epochs without a better validation UAR after which a run of the honest way ends.
        schemes: Further emotion schemes that it was published for.
        ours: What the publication leaves open and was settled here.
        remark: Where our figure differs from the printed one: what was tried, and why, with figures.
    """

    source: str
    printed: str
    test: float
    accuracy: float = 0.0
    rows: bool = False
    validation: float = 0.0
    seeds: int = 1
    patience: int = 10
    schemes: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()
    remark: str = ""


@dataclass(frozen=True)
class Recipe:
    """One training run.

    Attributes:
        name: What the model and its file will be called.
        description: One line for the card.
        model: A name of ``vocalics.models``, or "ensemble".
        scheme: The emotion scheme, see ``vocalics.emotions``.
        corpora: Names of the corpora that it trains on.
        features: A feature set's name; empty where the model's front end is part of it.
        model_settings: What the model is built with.
        shares: Share of the draws that each corpus gets (any scale, at least 0); within a corpus, emotions are drawn
            equally often. Empty: every clip once per epoch; of a net over spectrograms or frames, as many draws as
            there are clips.
        validation: Share of the training speakers of each corpus kept apart to choose the epoch, from 0 to below 1.
        n_copies: Augmented copies kept per training clip; goes with ``augment``.
        augment: Steps applied to the waveform of each copy.
        preprocess: Steps applied to every clip, in training and before every prediction, see
            :mod:`vocalics.preprocess`.
        variants: Chains of steps, of which each makes one copy more of every training clip. A model of features takes
            its copies from the excerpt that its feature set hears.
        batch: How a net's batches are changed, anew at every step.
        late_batch: What of ``batch`` is another from ``fit.restart`` on; of a net over spectrograms or frames.
        fit: How the weights are found.
        seed: Of split, weights, order and augmentation, from 0 to 2³² - 1.
        intended_use: For the card.
        limits: For the card.
        publication: The published system that the recipe follows.
        teacher: What a net over spectrograms learns from besides the labels.
        members: Recipes (names, or paths of .toml files) whose models are trained on the same clips and averaged; their
            weights are found on the validation speakers. ``model`` is then "ensemble", and what is said of features,
            batches and fit is the members' own.
    """

    name: str
    description: str
    model: str
    scheme: str = "eight"
    corpora: tuple[str, ...] = ()
    features: str = ""
    model_settings: Mapping[str, Any] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    validation: float = 0.1
    n_copies: int = 0
    augment: tuple[Mapping[str, Any], ...] = ()
    preprocess: tuple[Mapping[str, Any], ...] = ()
    variants: tuple[tuple[Mapping[str, Any], ...], ...] = ()
    batch: Mapping[str, Any] = field(default_factory=dict)
    late_batch: Mapping[str, Any] = field(default_factory=dict)
    fit: Fit = field(default_factory=Fit)
    seed: int = 0
    intended_use: str = ""
    limits: str = ""
    publication: Publication | None = None
    teacher: Teacher | None = None
    members: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for table in self.preprocess:
            Preparation.parse(table)
        lookup(SCHEMES, self.scheme, "emotion scheme", RecipeError)
        if (self.model == ENSEMBLE) != bool(self.members):
            raise RecipeError(
                f'recipe {self.name}: model = "{ENSEMBLE}" and members belong together; give both or neither'
            )
        if not 0 <= self.validation < 1:
            raise RecipeError(f"validation = {self.validation} is not a share from 0 to below 1")
        if not self.name or Path(self.name).name != self.name or self.name.startswith("."):
            raise RecipeError(f'name = "{self.name}" cannot be the name of a model file; expected a word')
        if self.n_copies < 0:
            raise RecipeError(f"n_copies = {self.n_copies} is below 0")
        if not 0 <= self.seed < 2**32:  # as scikit-learn takes them
            raise RecipeError(f"seed = {self.seed} is out of range; give a whole number from 0 to {2**32 - 1}")
        for key, share in self.shares.items():
            if not isinstance(share, int | float) or isinstance(share, bool) or not 0 <= share < float("inf"):
                raise RecipeError(f"shares.{key} = {share!r} is not a share; expected a number from 0 on")
        if unknown := sorted(set(self.shares) - set(self.corpora)):
            raise RecipeError(f"shares names {', '.join(unknown)}, which corpora does not list")
        for step in (*self.augment, *(step for chain in self.variants for step in chain)):
            Step.parse(step)
        if self.teacher is not None:
            _one_of(self.teacher.apart, ("speakers", "clips"), "teacher.apart")
            if not 0 <= self.teacher.share <= 1:
                raise RecipeError(f"teacher.share = {self.teacher.share} is not a share from 0 to 1")
            if self.teacher.n_folds < 2 or self.teacher.n_hints < 0 or self.teacher.hint_weight < 0:
                raise RecipeError("teacher: expected n_folds of at least 2, n_hints and hint_weight of at least 0")
            if self.teacher.n_frame_hints < 0 or self.teacher.frame_hint_weight < 0:
                raise RecipeError("teacher: expected n_frame_hints and frame_hint_weight of at least 0")
            if bool(self.teacher.n_hints) != bool(self.teacher.hint_weight):
                raise RecipeError("teacher: n_hints and hint_weight go together; give both, or neither")
            if bool(self.teacher.n_frame_hints) != bool(self.teacher.frame_hint_weight):
                raise RecipeError("teacher: n_frame_hints and frame_hint_weight go together; give both, or neither")
            if self.teacher.calibrates and not (self.fit.calibrate and self.teacher.apart == "speakers"):
                raise RecipeError(
                    'teacher: calibrates goes with fit.calibrate = true and teacher.apart = "speakers": it compares '
                    "speakers who validate with others that are new to it; give them, or leave it out"
                )

    @property
    def preparation(self) -> tuple[Preparation, ...]:
        """The preprocessing of every clip, parsed."""
        return tuple(Preparation.parse(table) for table in self.preprocess)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The waveform augmentation, parsed."""
        return tuple(Step.parse(s) for s in self.augment)

    @property
    def copies(self) -> tuple[tuple[Step, ...], ...]:
        """The chain of every copy: ``n_copies`` times ``augment``, then ``variants``."""
        variants = tuple(tuple(Step.parse(s) for s in chain) for chain in self.variants)
        return (self.steps,) * self.n_copies + variants

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        table = dataclasses.asdict(self)
        if not self.members:
            del table["members"]  # so that runs made before there were any go on
        if self.teacher is not None and not self.teacher.n_frame_hints:  # the same
            del table["teacher"]["n_frame_hints"], table["teacher"]["frame_hint_weight"]
        if self.teacher is not None and not self.teacher.calibrates:
            del table["teacher"]["calibrates"]
        for fit in (table["fit"], *([table["teacher"]["fit"]] if self.teacher is not None else [])):
            if fit["calibrate_among"] == "all":
                del fit["calibrate_among"]
        return table


def recipes() -> dict[str, Path]:
    """Return the bundled recipes' files by name."""
    folder = Path(str(resources.files("vocalics"))) / "recipes"
    return {p.stem: p for p in sorted(folder.glob("*.toml"))}


def read(name_or_path: str, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read a bundled recipe by name, or a TOML file.

    Args:
        name_or_path: "default", or a path that ends in .toml.
        overrides: Dotted keys and values that replace the file's, e.g. ``{"fit.n_epochs": 2}``; "none" leaves out a
            table that need not be, e.g. ``{"teacher": "none"}``. With other corpora the file's limits and the shares
            of those that are not listed any more are left out.

    Raises:
        RecipeError: For an unknown recipe, key or value.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = lookup(recipes(), name_or_path, "recipe", RecipeError)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such recipe; bundled are {', '.join(recipes())}") from None
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path}: is not TOML ({error})") from None
    for key, value in (overrides or {}).items():
        *parents, last = key.split(".")
        inner = table
        for parent in parents:
            inner = inner.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise RecipeError(f'{path}: "{parent}" is no table; "{key}" cannot be set in it')
        inner[last] = value
    if "corpora" in (overrides or {}):
        _of_other_corpora(table, overrides or {})
    for name in [f.name for f in dataclasses.fields(Recipe) if f.default is None and table.get(f.name) == "none"]:
        del table[name]
    recipe: Recipe = parse(Recipe, table, str(path))
    return recipe


def _of_other_corpora(table: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    """Leave out, in place, what a recipe says of corpora that it does not name any more."""
    if "limits" not in overrides:
        table.pop("limits", None)
    listed, shares = table["corpora"], table.get("shares")
    if isinstance(listed, list) and isinstance(shares, dict):
        given = {key.removeprefix("shares.") for key in overrides}
        table["shares"] = {name: share for name, share in shares.items() if name in listed or name in given}


def parse(kind: type[Any], table: Mapping[str, Any], where: str) -> Any:
    """Build a frozen dataclass from a table, strictly.

    Raises:
        RecipeError: For an unknown or missing key (with a suggestion) or a value of the wrong type.
    """
    hints = typing.get_type_hints(kind)
    known = {f.name: f for f in dataclasses.fields(kind)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise RecipeError(f'{where}: unknown key "{key}"{suggestion(key, known) or "."} Known: {", ".join(known)}.')
        values[key] = _value(hints[key], value, f"{where}: {key}")
    for name, spec in known.items():
        required = spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise RecipeError(f'{where}: lacks the key "{name}"')
    return kind(**values)


def _value(hint: Any, value: Any, where: str) -> Any:
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        hint = next(a for a in typing.get_args(hint) if a is not type(None))
    origin = typing.get_origin(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise RecipeError(f"{where} = {value!r} is not a table")
        return parse(hint, value, where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise RecipeError(f"{where} = {value!r} is not a list")
        inner = typing.get_args(hint)[0]
        return tuple(_value(inner, v, where) for v in value)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise RecipeError(f"{where} = {value!r} is not a table")
        return dict(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is Any or type(value) is hint:
        return value
    raise RecipeError(f"{where} = {value!r} is a {type(value).__name__}; expected {hint.__name__}")


def _one_of(value: str, known: tuple[str, ...], where: str) -> None:
    if value not in known:
        raise RecipeError(f'{where} = "{value}" is unknown{suggestion(value, known) or "."} Known: {", ".join(known)}.')
