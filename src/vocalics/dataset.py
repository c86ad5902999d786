"""What a run trains on: corpora gathered into one manifest, divided by speakers, weighted."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics import splits
from vocalics.corpora import ScanReport, check_name, corpora, is_built_in, scan
from vocalics.emotions import Scheme, scheme
from vocalics.errors import CorpusError, RecipeError, UsageError, VocalicsError
from vocalics.manifest import Manifest, Utterance, is_manifest
from vocalics.recipe import Recipe
from vocalics.registry import some, suggestion
from vocalics.splits import Split

Progress = Callable[[str, int, int], Any]


@dataclass(frozen=True)
class Data:
    """What a run trains, validates and tests on.

    Attributes:
        manifest: Every utterance that the scheme keeps, its emotion replaced by the scheme's class.
        train: Positions of the training clips.
        validation: Positions of the validation clips; none of their speakers is in training.
        tests: Positions of the test clips by hold-out; none of their speakers is in training or validation.
        emotions: The classes, in output order.
        excluded: The emotions that the corpora hold and the scheme drops.
        notes: What is to be said of a corpus's copy, by corpus.
    """

    manifest: Manifest
    train: tuple[int, ...]
    validation: tuple[int, ...]
    tests: Mapping[str, tuple[int, ...]]
    emotions: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    notes: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def speakers(self, part: Sequence[int]) -> tuple[str, ...]:
        """The known speakers of these clips, sorted."""
        return tuple(sorted({self.manifest[i].speaker for i in part} - {""}))

    def never_heard(self) -> tuple[str, ...]:
        """The classes that no training clip has."""
        there = {self.manifest[i].emotion for i in self.train}
        return tuple(emotion for emotion in self.emotions if emotion not in there)


def gather(
    roots: Mapping[str, Path],
    recipe: Recipe,
    progress: Progress | None = None,
    say: Callable[[str], Any] | None = None,
) -> Manifest:
    """Scan the recipe's corpora and return one manifest.

    Args:
        roots: Folder of every corpus by name; a ``.csv`` or ``.parquet`` file is read as a manifest. Of "folder", and
            of a name of one's own, a CSV without a manifest's columns is read as a table of path, emotion[, speaker].
            What is scanned under a name of one's own has that as its corpus; the rows of a manifest keep theirs.
        recipe: Says which corpora are needed; "folder" stands for every name of one's own that is given.
        progress: Called with (corpus, files read, files in all).
        say: Called with a line for every corpus of which clips are left out, and for what else is to be known of it.

    Raises:
        RecipeError: When a corpus of the recipe has no folder, or a folder no place in the recipe; when the manifest
            that is given for a known corpus holds clips of another.
        CorpusError: When a name of one's own is none that a corpus can have, or nothing can be scanned there.
    """
    wanted = _wanted(recipe, roots)
    if missing := [name for name in wanted if name not in roots]:
        raise RecipeError(
            f"recipe {recipe.name} needs the corpora {', '.join(missing)}; name their folders with "
            f"{' '.join(f'--corpus {m}=FOLDER' for m in missing)}"
            + (f"; --set 'corpora=[]' trains it on {', '.join(roots)} instead" if roots else "")
        )
    if extra := [name for name in roots if name not in wanted]:
        raise RecipeError(f"recipe {recipe.name} does not use {', '.join(extra)}; it trains on {', '.join(wanted)}")
    tell: Callable[[str], Any] = say or (lambda line: None)
    for name in wanted:  # before anything is read
        if name not in corpora():
            check_name("folder", name)
    gathered: dict[str, Manifest] = {}
    for name in wanted:
        if roots[name].suffix in (".csv", ".parquet") if is_built_in(name) else is_manifest(roots[name]):
            gathered[name] = _of_corpus(name, Manifest.read(roots[name]), roots[name]).with_digests()
            stated = gathered[name].corpora
            if name not in corpora() and stated != (name,):
                tell(
                    f"{name}: its manifest says that the clips are of {some(stated)}; that is what they are held out "
                    f"and shared out by (--hold-out corpus={stated[0]})"
                )
            continue

        def step(done: int, n: int, name: str = name) -> None:
            if progress is not None:
                progress(f"scanning {name}", done, n)

        report = _scan(name, roots[name], step)
        for line in (_left_out(report), *(f"{report.corpus.name}: {note}" for note in report.notes)):
            if line:
                tell(line)
        gathered[name] = report.manifest
    if line := _merged(gathered):
        tell(line)
    return Manifest(tuple(u for manifest in gathered.values() for u in manifest))


def _wanted(recipe: Recipe, roots: Mapping[str, Path]) -> tuple[str, ...]:
    """Return the names that are to be gathered: the recipe's, with those of one's own in the place of "folder"."""
    if "folder" not in recipe.corpora:
        return recipe.corpora or tuple(roots)
    own = [n for n in roots if n == "folder" or not (n in corpora() or n in recipe.corpora)] or ["folder"]
    return tuple(n for name in recipe.corpora for n in (own if name == "folder" else [name]))


def _scan(name: str, root: Path, progress: Callable[[int, int], None]) -> ScanReport:
    """Scan a corpus, or what has a name of one's own.

    Raises:
        CorpusError: As :func:`vocalics.corpora.scan`; of a name that is nearly a known one, it says so.
    """
    if name in corpora():
        return scan(name, root, progress)
    try:
        return scan("folder", root, progress, name)
    except CorpusError as error:
        if close := suggestion(name, corpora()):
            raise CorpusError(f'{error} ("{name}" is taken for a folder of your own{close})') from None
        raise


def _merged(gathered: Mapping[str, Manifest]) -> str:
    """Say where what was given under several names is one corpus: its speakers are taken for the same people."""
    given: dict[str, list[str]] = {}
    for name, manifest in gathered.items():
        for speaker in manifest.speakers:
            given.setdefault(speaker, []).append(name)
    both = [speaker for speaker, names in given.items() if len(names) > 1]
    if not both:
        return ""
    where = " and ".join(given[both[0]])
    return (
        f"{where}: speakers of one name ({some(both, 3)}) are taken for the same people; if they are not, scan one of "
        "the two under another name (vocalics scan folder --name)"
    )


def _of_corpus(name: str, manifest: Manifest, file: Path) -> Manifest:
    """Refuse clips of another corpus under a known corpus's name: they would be trained on and counted as its own."""
    others = [c for c in manifest.corpora if c != name]
    if others and name != "folder" and name in corpora():
        raise RecipeError(
            f"--corpus {name}={file}: holds clips of {', '.join(others)}; expected those of {name} only. "
            "A manifest of other corpora goes by their name, or by one of your own"
        )
    return manifest


def _left_out(report: ScanReport) -> str:
    """Say how many clips of a corpus are not in its manifest, and why; nothing where all are.

    >>> from vocalics.corpora import Finding, corpus
    >>> bad = (Finding("a.wav", "is empty"),)
    >>> _left_out(ScanReport(corpus("savee"), Manifest(()), ("DC_a02",), 1, (), bad, (), ()))
    'savee: 2 of 2 clips are left out (1 unreadable, 1 missing); vocalics scan names them'
    """
    counts = {
        "unreadable": len(report.unreadable),
        "whose name another has": report.n_clashes,
        "missing": report.n_missing,
    }
    n = sum(counts.values())
    if not n:
        return ""
    why = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count)
    # Of a corpus whose full list is not known, nothing can name what is missing.
    told = "; vocalics scan names them" if report.unreadable or report.n_clashes or report.missing else ""
    verb = "is" if n == 1 else "are"
    return f"{report.corpus.name}: {n:,} of {n + len(report.manifest):,} clips {verb} left out ({why}){told}"


def divide(
    manifest: Manifest, recipe: Recipe, hold_outs: Sequence[str] = (), protocol: str = "", fold: int = 1
) -> Data:
    """Apply the recipe's scheme and divide; without hold-outs and protocol, all trains but the validation part.

    Args:
        manifest: Utterances with their corpora's emotions.
        recipe: Gives scheme, seed and the share of validation speakers.
        hold_outs: Test sets, see :func:`vocalics.splits.hold_out`.
        protocol: Instead of hold-outs, one of :func:`vocalics.splits.splits`.
        fold: Which of the protocol's splits: the number that a published protocol gives it, else its place, from 1 on.

    Raises:
        UsageError: When both hold-outs and a protocol are given, or a fold without a protocol.
        VocalicsError: When there is no such fold, or it cannot be told which one is meant.
    """
    if fold != 1 and not protocol:
        raise UsageError(f"--fold {fold} needs a --protocol; expected e.g. --protocol leave-one-speaker-out")
    if protocol:
        if hold_outs:
            raise UsageError("--hold-out and --protocol exclude each other; give one of them")
        complete = whole(manifest, recipe)
        every = _splits(complete, recipe, protocol)
        return _part(complete, every[_place(every, protocol, fold)])
    every_clip = whole(manifest, recipe)
    rng = np.random.default_rng(recipe.seed)
    if hold_outs:
        train, validation, tests = splits.hold_out(every_clip.manifest, hold_outs, rng, recipe.validation)
        return dataclasses.replace(every_clip, train=train, validation=validation, tests=tests)
    train, validation = splits.train_validation(every_clip.manifest, rng, recipe.validation)
    return dataclasses.replace(every_clip, train=train, validation=validation)


def divisions(manifest: Manifest, recipe: Recipe, protocol: str) -> list[Data]:
    """Apply the recipe's scheme and return every split of a protocol; the arguments are those of :func:`divide`."""
    every_clip = whole(manifest, recipe)
    return [_part(every_clip, split) for split in _splits(every_clip, recipe, protocol)]


def _splits(every_clip: Data, recipe: Recipe, protocol: str) -> list[Split]:
    return splits.splits(every_clip.manifest, protocol, np.random.default_rng(recipe.seed), recipe.validation)


def _part(every_clip: Data, split: Split) -> Data:
    tests = {f"{split.title} {split.name}".strip(): split.test}
    return dataclasses.replace(every_clip, train=split.train, validation=split.validation, tests=tests)


def _place(every: Sequence[Split], protocol: str, fold: int) -> int:
    """Return where a fold is among those that the manifest has clips of, which may be fewer than were published."""
    kind, _, file = protocol.partition("=")
    names = [split.name for split in every]
    if kind in ("folds", "folds-leaky") and len(every) > 1:
        if all(name.isdecimal() for name in names):
            numbers = [int(name) for name in names]
            if fold not in numbers:
                raise VocalicsError(f"{protocol} has no fold {fold} here; expected one of {', '.join(names)}")
            return numbers.index(fold)
        if every[0].absent:  # a whole fold may be among them, and the others' places would not be the published ones
            raise VocalicsError(
                f"{protocol}: its folds have names ({', '.join(names)}) and {len(every[0].absent):,} of its clips are "
                f"not here, so that none has a number; name it with --hold-out folds={file}#{names[0]}"
            )
    if not 1 <= fold <= len(every):
        raise VocalicsError(f"{protocol} has no fold {fold}; expected 1 to {len(every)}")
    return fold - 1


def of_recipe(manifest: Manifest, recipe: Recipe) -> Manifest:
    """Return the clips of a recipe's corpora, of those that were gathered for it or for more.

    A folder or a manifest of one's own holds clips of any name: where a recipe lists one, all that was gathered is its.
    """
    if not all(map(is_built_in, recipe.corpora)):
        return manifest
    return manifest.where(lambda u: u.corpus in recipe.corpora)


def check_shares(data: Data, shares: Mapping[str, float]) -> None:
    """Refuse to train on corpora that a recipe's shares forget: nothing of them would be drawn.

    Raises:
        RecipeError: For such a corpus; one whose share is said to be 0 is left out on purpose.
    """
    present = {data.manifest[i].corpus for i in data.train}
    forgotten = sorted(name for name in present if drawn_as(name, shares) not in shares)
    if shares and forgotten:
        raise RecipeError(
            f"shares leave out {', '.join(forgotten)}, of which nothing would be learned; give every corpus a share "
            f"(--set shares.{drawn_as(forgotten[0], shares)}=1; 0 leaves it out)"
        )


def drawn_as(corpus: str, shares: Mapping[str, float]) -> str:
    """Whose share a corpus has: its own, or that of folders of one's own."""
    return corpus if corpus in {*corpora(), *shares} else "folder"


def draw_weights(data: Data, shares: Mapping[str, float]) -> npt.NDArray[np.float64]:
    """Return each training clip's weight: corpora by their shares, within a corpus every emotion alike.

    Args:
        data: The run's data.
        shares: Share of each corpus; a corpus that it does not name gets none. "folder" stands for those that are
            called by a folder of one's own.

    Raises:
        RecipeError: When no training clip has a share.
    """
    rows = [data.manifest[i] for i in data.train]
    names = [drawn_as(u.corpus, shares) for u in rows]
    clips = Counter((name, u.emotion) for name, u in zip(names, rows, strict=True))
    emotions = Counter(name for name, _ in clips)
    weights = np.array(
        [shares.get(n, 0.0) / emotions[n] / clips[n, u.emotion] for n, u in zip(names, rows, strict=True)]
    )
    if not weights.sum() > 0:
        raise RecipeError(
            f"shares ({', '.join(shares)}) leave nothing to draw; the training clips are of {', '.join(set(names))}"
        )
    return weights


def short(spec: str) -> str:
    """Return a hold-out or protocol without the folders of its file.

    >>> short("folds=protocols/ravdess.csv#1"), short("speaker=savee/KL")
    ('folds=ravdess.csv#1', 'speaker=savee/KL')
    """
    kind, separator, rest = spec.partition("=")
    return f"{kind}{separator}{Path(rest).name}" if kind.startswith("folds") else spec


def whole(manifest: Manifest, recipe: Recipe) -> Data:
    """Return the clips that the recipe's scheme keeps, not divided yet.

    Raises:
        VocalicsError: When it keeps none.
    """
    chosen = scheme(recipe.scheme)
    kept = Manifest(tuple(_in_scheme(manifest, chosen)))
    if not len(kept):
        raise VocalicsError(f"no clip has an emotion of the scheme {chosen.name} ({', '.join(chosen.emotions)})")
    dropped = tuple(e for e in manifest.emotions if chosen.emotion(e) is None)
    return Data(kept, (), (), {}, chosen.emotions, dropped)


def _in_scheme(manifest: Manifest, chosen: Scheme) -> list[Utterance]:
    pairs = ((u, chosen.emotion(u.emotion)) for u in manifest)
    return [dataclasses.replace(u, emotion=e) for u, e in pairs if e is not None]
