"""Recipes under published test protocols: the figures of their runs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vocalics import judgements, metrics, training
from vocalics.benchmark import TOGETHER, Run, jointly, settings, table_name
from vocalics.emotions import Scheme, scheme
from vocalics.errors import ManifestError, VocalicsError
from vocalics.evaluation import EvaluationReport, groups_of
from vocalics.judgements import Judgements
from vocalics.manifest import Manifest, Utterance
from vocalics.protocols import PROTOCOLS, Protocol, protocol

SCOPES = {"all": "all corpora", "own": "the tested corpus"}
"""What is said of what a model was trained on."""
TOGETHER_TOO = ", folds together"
"""What is said besides of one that was tested under several protocols."""


Ends = tuple[float, float, float]
"""A figure and both ends of its 95 % interval."""


@dataclass(frozen=True)
class Part:
    """The judgements that have something in common: the speakers' sex, age group or language, or the kind of sentence.

    Attributes:
        name: "female".
        uar: Over the emotions that occur in it, with its interval.
        n_speakers: Speakers known.
    """

    name: str
    uar: Ends
    n_speakers: int


@dataclass(frozen=True, eq=False)
class Result:
    """The figures of one recipe under one protocol.

    Attributes:
        protocol: The protocol.
        recipe: The recipe's name.
        scope: What was trained on.
        corpora: The corpora of scope and protocol, and what is to be said of each one's copy ("" for nothing).
        by_seed: The protocol's figure with every seed: the mean over folds.
        seeds: Which seeds these are, in the same order.
        pooled: The figure of all folds' and seeds' judgements together; its interval is a bootstrap over speakers.
            ``None`` where it was not written down.
        by_fold: Mean over seeds of each fold's figure.
        named_most: The emotion that was named most in each fold, and its share of all that was named.
        largest_share: Of all judgements, the share of the emotion that was named most.
        n_classes: Emotions that occur among the tested clips.
        n_speakers: Tested speakers that are known.
        calibration_error: Of all judgements; ``None`` where none gave probabilities.
        divided: UAR of all judgements by what is known of the speakers: "sex".
        n_parameters: Of one model, with the blocks of the encoder that it sits on.
        macs: Multiply-accumulate operations per second of sound, with those of the encoder.
        real_time: Seconds of sound per second of one processor, over a few clips of every fold:
            reading, front end and model together.
        size: Of one model file, in bytes, without the encoder.
        together: Whether one model was tested on folds of several protocols, trained without the speakers of them all.
        voice: How many other clips of each one's voice were heard before, see :func:`vocalics.voices.apart`.
        calibration_by_chance: What perfect probabilities' error would be, see
            :func:`vocalics.metrics.calibration_error_by_chance`; ``None`` where that was not found.
        by_sentence: What a judge reaches who knows nothing of a clip but which sentence it is (UAR, see
            :mod:`vocalics.sentences`); ``None`` where that was not found.
        settings: Stands for all that decides the figures but the seed: recipe and clips; "" where it was not written
            down.
        in_parts: Whether seeds were measured at different times and put together, see :func:`put_together`.
    """

    protocol: Protocol
    recipe: str
    scope: str
    corpora: Mapping[str, str]
    by_seed: tuple[float, ...]
    pooled: Ends | None
    by_fold: Mapping[str, float]
    named_most: Mapping[str, tuple[str, float]]
    largest_share: float
    n_classes: int
    n_speakers: int
    calibration_error: float | None
    divided: Mapping[str, tuple[Part, ...]]
    n_parameters: int
    macs: float
    real_time: float
    size: int
    together: bool = False
    voice: int = 0
    by_sentence: float | None = None
    calibration_by_chance: float | None = None
    seeds: tuple[int, ...] = ()
    settings: str = ""
    in_parts: bool = False

    def __post_init__(self) -> None:
        """Seeds that are not named are the first ones."""
        if not self.seeds:
            object.__setattr__(self, "seeds", tuple(range(len(self.by_seed))))

    @property
    def value(self) -> float:
        """Mean over seeds."""
        return float(np.mean(self.by_seed))

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What it is of: a result of the same key takes its place."""
        return self.protocol.name, self.recipe, self.scope, self.voice


def noted(corpus: str, notes: Mapping[str, str]) -> str:
    """A corpus's name, and what is to be said of its copy."""
    return f"{corpus} ({notes[corpus]})" if notes.get(corpus) else corpus


def to_dict(found: Result) -> dict[str, Any]:
    """Return a result as plain values: first as a model's card states it, then what stands beside it."""
    one = found.protocol
    ends = None if found.pooled is None else dict(zip(("value", "low", "high"), found.pooled, strict=True))
    # The card's interval is of what it is of: one fold's value, else all folds' judgements together; of a mean over
    # corpora there is none.
    apart = {} if one.folds == "corpora" or ends is None else ends
    alone = len(found.by_fold) == 1 and apart.get("value") == found.value
    return {
        "metric": "UAR" if one.metric == "uar" else one.metric,
        "value": found.value,
        "low": apart.get("low") if alone else None,
        "high": apart.get("high") if alone else None,
        "pooled": None if alone or not apart else apart,
        "corpus": noted(one.corpus, found.corpora) if one.corpus else f"each of {len(found.by_fold)}",
        "protocol": one.name
        + (" (speakers shared)" if one.leaky else "")
        + (f", {found.voice} other clips heard" if found.voice else ""),
        "classes": found.n_classes,
        "speakers": found.n_speakers,
        "largest_share": found.largest_share,
        "model": found.recipe,
        "voice": found.voice,
        "trained_on": SCOPES[found.scope] + (TOGETHER_TOO if found.together else ""),
        "by_seed": list(found.by_seed),
        "by_fold": dict(found.by_fold),
        "named_most": {fold: list(most) for fold, most in found.named_most.items()},
        "calibration_error": found.calibration_error,
        "divided": {
            by: {part.name: [*part.uar, part.n_speakers] for part in parts} for by, parts in found.divided.items()
        },
        "of": one.name,
        "corpora": dict(found.corpora),
        "judgements": ends,
        "parameters": found.n_parameters,
        "macs_per_second": found.macs,
        "real_time": found.real_time,
        "size": found.size,
        "by_sentence": found.by_sentence,
        "calibration_by_chance": found.calibration_by_chance,
        "seeds": list(found.seeds),
        "settings": found.settings,
        "in_parts": found.in_parts,
    }


def from_dict(row: Mapping[str, Any]) -> Result:
    """Return the result that :func:`to_dict` made plain.

    Raises:
        ManifestError: For a protocol that there is none of.
        KeyError, TypeError, ValueError: For what is no such result.
    """
    trained_on, together = row["trained_on"], row["trained_on"].endswith(TOGETHER_TOO)
    scopes = {words: name for name, words in SCOPES.items()}
    return Result(
        protocol(row["of"]),
        str(row["model"]),
        scopes[trained_on.removesuffix(TOGETHER_TOO)],
        {str(corpus): str(note) for corpus, note in row["corpora"].items()},
        tuple(float(value) for value in row["by_seed"]),
        None if row["judgements"] is None else _ends(row["judgements"].values()),
        {str(fold): float(value) for fold, value in row["by_fold"].items()},
        {str(fold): (str(emotion), float(share)) for fold, (emotion, share) in row["named_most"].items()},
        float(row["largest_share"]),
        int(row["classes"]),
        int(row["speakers"]),
        _number(row["calibration_error"]),
        {
            str(by): tuple(Part(str(name), _ends(values[:3]), int(values[3])) for name, values in parts.items())
            for by, parts in row["divided"].items()
        },
        int(row["parameters"]),
        float(row["macs_per_second"]),
        float(row["real_time"]),
        int(row["size"]),
        together,
        int(row["voice"]),
        by_sentence=_number(row.get("by_sentence")),
        calibration_by_chance=_number(row.get("calibration_by_chance")),
        seeds=_seeds(row),
        settings=str(row.get("settings", "")),
        in_parts=bool(row.get("in_parts", False)),
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _seeds(row: Mapping[str, Any]) -> tuple[int, ...]:
    """Which seeds a row is of.

    Raises:
        ValueError: When they are not as many as its figures.
    """
    seeds = tuple(int(seed) for seed in row.get("seeds", ()))
    if seeds and not len(seeds) == len({*seeds}) == len(row["by_seed"]):
        raise ValueError(f"{len(row['by_seed'])} figures of seeds {', '.join(map(str, seeds))}")
    return seeds


def _ends(values: Iterable[Any]) -> Ends:
    value, low, high = (float(v) for v in values)
    return value, low, high


def read(path: Path) -> list[Result]:
    """Return the results that a ``benchmark.json`` holds; none where there is no such file.

    Raises:
        VocalicsError: For a file that holds something else.
    """
    try:
        return [from_dict(row) for row in json.loads(path.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError, AttributeError, ManifestError) as error:
        raise VocalicsError(
            f"{path}: holds no results of a benchmark ({type(error).__name__}: {error}); move it away, or write "
            "elsewhere with -o"
        ) from None


def joined(kept: Sequence[Result], found: Sequence[Result]) -> list[Result]:
    """Return results that were kept and new ones: of one key the new one, by protocol, then by model.

    Of one key, settings and folds, seeds of which none was kept are put together with what was kept, and a part of its
    seeds, with the figures that it has of them, changes nothing. In every other case the new result stands alone: where
    only some of its seeds were kept (of 0 and 1, then 1 and 2, seed 0 goes), since means over some of the same models
    cannot be put together, and where a seed has another figure. What was kept of known voices goes where the model
    itself was measured anew: it was another.
    """
    old = {result.key: result for result in kept}
    found = [_with(old.get(new.key), new) for new in found]
    new = {result.key: result for result in found}
    anew = {k.key[:3] for k in kept if not k.voice and k.key in new and not _holds(new[k.key], k)}
    every = {result.key: result for result in (*(k for k in kept if k.key[:3] not in anew), *found)}
    order, models = list(PROTOCOLS), list(dict.fromkeys(r.recipe for r in (*kept, *found)))
    return sorted(every.values(), key=lambda r: (order.index(r.protocol.name), models.index(r.recipe), r.voice))


def _with(old: Result | None, new: Result) -> Result:
    """A result, with what an earlier one of the same key says of other seeds."""
    if old is None or not new.settings or _alike(old) != _alike(new):
        return new
    if len(old.seeds) > len(new.seeds) and _holds(old, new):
        return old
    return new if {*old.seeds} & {*new.seeds} else put_together(old, new)


def _alike(one: Result) -> tuple[Any, ...]:
    """What results have in common whose seeds can be put together."""
    return one.settings, one.together, one.by_fold.keys()


def _holds(whole: Result, part: Result) -> bool:
    """Whether a result's figures are of all of another's models, at least."""
    figures = dict(zip(whole.seeds, whole.by_seed, strict=True))
    more = len(whole.seeds) > len(part.seeds)
    return (more or whole.by_fold == part.by_fold) and all(
        figures.get(seed) == value for seed, value in zip(part.seeds, part.by_seed, strict=True)
    )


def put_together(first: Result, second: Result) -> Result:
    """Return the result of both one's seeds.

    Every figure is the mean over all seeds, where one of all judgements together cannot be had any more. For the
    protocol's figure that makes no difference; calibration errors and largest shares are no smaller than those of all
    judgements together would be, nor, as a rule, are intervals.

    Args:
        first: Of some seeds.
        second: The same recipe, protocol and folds with others.
    """
    weights = np.array([len(first.seeds), len(second.seeds)]) / (len(first.seeds) + len(second.seeds))

    def mean(a: float, b: float) -> float:
        return float(weights @ (a, b))

    def means(a: Ends, b: Ends) -> Ends:
        return _ends(map(mean, a, b))

    def known(a: float | None, b: float | None) -> float | None:
        return None if a is None or b is None else mean(a, b)

    def parts(a: tuple[Part, ...], b: tuple[Part, ...]) -> tuple[Part, ...]:
        other = {part.name: part for part in b}
        both = [(p, other[p.name]) for p in a if p.name in other]
        return tuple(Part(p.name, means(p.uar, q.uar), max(p.n_speakers, q.n_speakers)) for p, q in both)

    by_seed = dict(zip((*first.seeds, *second.seeds), (*first.by_seed, *second.by_seed), strict=True))
    most = {fold: (first.named_most[fold], second.named_most[fold]) for fold in first.named_most}
    return dataclasses.replace(
        second,
        seeds=tuple(sorted(by_seed)),
        by_seed=tuple(by_seed[seed] for seed in sorted(by_seed)),
        pooled=None if first.pooled is None or second.pooled is None else means(first.pooled, second.pooled),
        by_fold={fold: mean(value, second.by_fold[fold]) for fold, value in first.by_fold.items()},
        named_most={
            fold: (max((a[1] * weights[0], a[0]), (b[1] * weights[1], b[0]))[1], mean(a[1], b[1]))
            for fold, (a, b) in most.items()
        },
        largest_share=mean(first.largest_share, second.largest_share),
        calibration_error=known(first.calibration_error, second.calibration_error),
        calibration_by_chance=known(first.calibration_by_chance, second.calibration_by_chance),
        divided={by: parts(of, second.divided[by]) for by, of in first.divided.items() if by in second.divided},
        n_parameters=max(first.n_parameters, second.n_parameters),
        macs=max(first.macs, second.macs),
        real_time=mean(first.real_time, second.real_time),
        size=max(first.size, second.size),
        by_sentence=first.by_sentence if second.by_sentence is None else second.by_sentence,
        in_parts=True,
    )


def result(
    runs: Sequence[Run],
    folder: Path,
    clips: Manifest,
    voice: int = 0,
    notes: Mapping[str, str] | None = None,
) -> Result | None:
    """Return the figures of a recipe under one protocol, over the seeds that are finished; ``None`` for none.

    Args:
        runs: The same recipe, protocol and scope with several seeds.
        folder: Of all runs.
        clips: Of all corpora, with what is known of them: sex, age, language and sentence, by which the figures are
            divided.
        voice: How many other clips of a voice were heard before.
        notes: What is to be said of a corpus's copy, by corpus.

    Raises:
        VocalicsError: When a finished one was made with other settings, or of other clips: its figures are not this
            recipe's; or when one seed's models were tested under several protocols, another's were not.
    """
    first, about, joint = runs[0], [], False
    tables: list[dict[str, Judgements]] = []
    seeds, decided = [], ""
    for run in runs:
        config = folder / run.folder / "config.json"
        frozen = json.loads(config.read_text(encoding="utf-8")) if config.exists() else {}
        names = frozen.get("folds", [])
        files = {name: folder / run.folder / table_name(name, voice) for name in names}
        if files and all(f.exists() for f in files.values()):
            # Figures stand beside the recipe's name as long as it says how they come about.
            recipe = jointly(run.recipe) if frozen.get(TOGETHER) else run.recipe
            wanted = settings(recipe, clips)
            kept = {key: frozen.get(key) for key in wanted}
            training.compare(folder / run.folder, kept, wanted, "benchmark", "--runs")
            own = _decided(wanted)
            if tables and (joint, decided) != (bool(frozen.get(TOGETHER)), own):
                raise VocalicsError(
                    f"{folder / run.folder}: was trained --together and another seed was not, or the other way round; "
                    "keep both in folders of their own (--runs)"
                )
            seeds.append(run.seed)
            joint, decided = bool(frozen.get(TOGETHER)), own
            tables.append({name: judgements.read(f) for name, f in files.items()})
            costs = [folder / run.folder / table_name(name) for name in names]
            about += [json.loads(f.with_suffix(".json").read_text(encoding="utf-8")) for f in costs]
    if not tables:
        return None
    by_seed, by_fold = [], dict.fromkeys(tables[0], 0.0)
    for table in tables:
        figures = {name: _figure(said, first.protocol.metric) for name, said in table.items()}
        by_seed.append(float(np.mean(list(figures.values()))))
        for name, value in figures.items():
            by_fold[name] = by_fold.get(name, 0.0) + value / len(tables)
    named_most = {name: _named_most([table[name] for table in tables]) for name in by_fold}
    whole = _together([said for table in tables for said in table.values()], scheme(first.protocol.scheme))
    report = _report(whole, first, clips)
    divided = {
        division.by: tuple(Part(p.name, p.uar.ends, p.n_speakers) for p in division.parts)
        for division in report.divided
    }
    return Result(
        first.protocol,
        first.recipe.name,
        first.scope,
        {corpus: (notes or {}).get(corpus, "") for corpus in first.recipe.corpora},
        tuple(by_seed),
        (report.uar if first.protocol.metric == "uar" else report.accuracy).ends,
        by_fold,
        named_most,
        report.largest_share.share,
        sum(1 for emotion in report.by_emotion if emotion.support),
        report.n_speakers,
        report.calibration_error,
        divided,
        max(a["parameters"] for a in about),
        max(a["macs_per_second"] for a in about),
        sum(a["audio_seconds"] for a in about) / max(sum(a["processor_seconds"] for a in about), 1e-9),
        max(a["size"] for a in about),
        joint,
        voice,
        calibration_by_chance=report.calibration_by_chance,
        seeds=tuple(seeds),
        settings=decided,
    )


def _decided(wanted: Mapping[str, Any]) -> str:
    """What stands for the settings of a run but its seed."""

    def unseeded(recipe: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in recipe.items() if key != "seed"}

    same = {**wanted, "recipe": unseeded(wanted["recipe"]), "members": [*map(unseeded, wanted.get("members", ()))]}
    return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()


def _named_most(seeds: Sequence[Judgements]) -> tuple[str, float]:
    """The emotion that was named most of a fold's clips, and its share of what was named, over all seeds."""
    named = Counter(emotion for said in seeds for emotion in said.prediction if emotion is not None)
    ((emotion, n),) = named.most_common(1) or [("", 0)]
    return emotion, n / max(named.total(), 1)


def _together(parts: Sequence[Judgements], classes: Scheme) -> Judgements:
    """All judgements in a protocol's classes, one below the other; a clip comes once per seed."""
    rows = []
    for part in parts:
        wide = np.zeros((len(part), len(classes.emotions)))
        wide[:, [classes.emotions.index(e) for e in part.emotions]] = part.probabilities
        wide[~np.isfinite(part.probabilities).all(axis=1)] = np.nan
        rows.append(wide)

    def joined(name: str) -> tuple[Any, ...]:
        return tuple(value for part in parts for value in getattr(part, name))

    return Judgements(
        joined("paths"), joined("corpora"), joined("speakers"), joined("truth"), classes.emotions, np.concatenate(rows)
    )


def _figure(said: Judgements, metric: str) -> float:
    if metric == "accuracy":
        return float(np.mean([t == p for t, p in zip(said.truth, said.prediction, strict=True)]))
    position = {e: i for i, e in enumerate(said.emotions)}
    given = [metrics.NO_SPEECH if p is None else position[p] for p in said.prediction]
    return float(metrics.unweighted_average_recall([position[t] for t in said.truth], given))


def _report(said: Judgements, run: Run, clips: Manifest) -> EvaluationReport:
    leak = "speakers of the test clips were in training" if run.protocol.leaky else ""
    known = {u.path: u for u in clips}
    unknown = Utterance("", "", "", "", "neutral")
    groups = groups_of(known.get(path, unknown) for path in said.paths)
    rng = np.random.default_rng(0)
    return judgements.report(said, rng, model=run.recipe.name, protocol=run.protocol.title, leak=leak, groups=groups)
