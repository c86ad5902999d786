"""Training, validation and test parts of a manifest; a split that leaks cannot be built under a clean name.

Protocols:
    ``random``                 clips drawn at random: speakers stand on both sides, and the name says so
    ``speaker``                speakers drawn at random in every corpus
    ``leave-one-speaker-out``  one split per speaker
    ``speaker-folds=N``        N splits; every corpus's women and men are dealt evenly to N folds of speakers
    ``leave-one-corpus-out``   one split per corpus
    ``folds=FILE``             a published protocol: a CSV of utterance and test_fold, or utterance and part; some are
                               known without a file, see :mod:`vocalics.published_folds`
    ``folds-leaky=FILE``       the same for a published protocol that shares speakers between its parts

A protocol leaks by its name when the name (what stands before "=") starts with "random" or ends with "-leaky". Under
any other name a speaker, or a copy of a clip, in two parts is a :class:`LeakageError`. Clips made from one clip,
through any number of others, are copies of it. A published protocol does not list them: they are trained and validated
on where what they were made from is, and never tested, so that the figure is the published test set's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TypeVar

import numpy as np

from vocalics import published_folds
from vocalics.corpora import canonical_name
from vocalics.errors import LeakageError, ManifestError, UsageError, VocalicsError
from vocalics.manifest import Manifest, Utterance, csv_rows, origins
from vocalics.published_folds import DIVISIONS, published
from vocalics.registry import lookup, some, suggestion

TEST_FRACTION = 0.2
"""The part of clips (``random``) or of each corpus's speakers (``speaker``) that is tested."""

FEW_SPEAKERS = 8
"""Of several corpora, those with fewer training speakers than this give none to validation."""

PARTS = {"train": "train", "valid": "validation", "validation": "validation", "dev": "validation", "test": "test"}

T = TypeVar("T")
Indices = tuple[int, ...]


def leaks(protocol: str) -> bool:
    """Return whether the protocol's name says that speakers stand on both sides.

    >>> leaks("random"), leaks("folds-leaky=emodb.csv"), leaks("speaker"), leaks("folds=random.csv")
    (True, True, False, False)
    """
    name = protocol.partition("=")[0]
    return name.startswith("random") or name.endswith("-leaky")


@dataclass(frozen=True)
class Split:
    """Positions in a manifest, to train on, to choose by, and to test on.

    Attributes:
        protocol: What the split follows; its name says whether it may leak.
        train: Positions in the manifest.
        validation: Positions; may be empty.
        test: Positions.
        manifest: Where the positions point.
        name: Which of the protocol's splits this is ("savee/KL", "3"); empty where there is only one.
        absent: Utterances that the protocol lists and the manifest lacks, as far as their names are known.

    Raises:
        LeakageError: When a row stands in two parts; and, unless the protocol's name says that it leaks, when a speaker
            or a copy of a clip (same digest, or made from the same clip) does. Clips of unknown speakers of one corpus
            count as one speaker's.
    """

    protocol: str
    train: Indices
    validation: Indices
    test: Indices
    manifest: Manifest = field(repr=False)
    name: str = ""
    absent: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        parts = {"training": self.train, "validation": self.validation, "test": self.test}
        for (one, here), (other, there) in combinations(parts.items(), 2):
            where = f'protocol "{self.protocol}"{f", split {self.name}" if self.name else ""}: {one} and {other} share'
            both = sorted(set(here) & set(there))
            if both:
                raise LeakageError(f"{where} {some([self.manifest[i].path for i in both])}; a clip has one part only")
            if not leaks(self.protocol):
                self._refuse_shared(where, here, there)

    @property
    def title(self) -> str:
        """The protocol as it is printed beside a result."""
        return f"{self.protocol} (leaks speakers)" if leaks(self.protocol) else self.protocol

    def _refuse_shared(self, where: str, here: Indices, there: Indices) -> None:
        def of(indices: Indices, key: Callable[[Utterance], T]) -> set[T]:
            return {key(self.manifest[i]) for i in indices}

        speakers = of(here, _speaker) & of(there, _speaker)
        if speakers:
            raise LeakageError(
                f"{where} the speaker(s) {some(sorted(speakers))}; use a protocol that keeps speakers apart "
                '("speaker"), or a name that says it leaks ("random", "folds-leaky=FILE")'
            )
        digests = of(here, _digest) & of(there, _digest) - {""}
        origin = origins(self.manifest)
        shared = {origin[i] for i in here} & {origin[i] for i in there}
        if digests or shared:
            copies = [
                self.manifest[i].path
                for i in (*here, *there)
                if _digest(self.manifest[i]) in digests or origin[i] in shared
            ]
            raise LeakageError(f"{where} copies of one clip: {some(copies)}; remove all but one from the manifest")


def splits(manifest: Manifest, protocol: str, rng: np.random.Generator, validation: float = 0.1) -> list[Split]:
    """Split a manifest by a protocol.

    Args:
        manifest: What to split.
        protocol: See the top of this module.
        rng: Draws test and validation speakers (or clips).
        validation: The part of the training speakers (of the training clips, where the protocol leaks) that is kept for
            validation: at least one speaker where there are two, none for 0. Validation speakers are taken from the
            training side only; of several corpora, those with fewer than 8 training speakers give none.

    Raises:
        LeakageError: When the protocol does not keep speakers apart, and its name does not say so.
        ManifestError: When speakers or clips are missing that the protocol needs, or FILE is not as expected.
        VocalicsError: When there is no such protocol.
    """
    if not 0 <= validation < 1:
        raise VocalicsError(f"validation {validation} is out of range; expected a fraction from 0 to below 1")
    name, _, file = protocol.partition("=")
    if name in ("folds", "folds-leaky") and file:
        return _folds(manifest, protocol, Path(file), rng, validation)
    if name == "speaker-folds":
        return _speaker_folds(manifest, protocol, rng, validation)
    made = {
        "random": _random,
        "speaker": _by_speaker,
        "leave-one-speaker-out": _leave_one_speaker_out,
        "leave-one-corpus-out": _leave_one_corpus_out,
    }
    if protocol not in made:
        known = (*made, "speaker-folds=N", "folds=FILE", "folds-leaky=FILE")
        raise VocalicsError(
            f'unknown protocol "{protocol}"{suggestion(protocol, known) or "."} Known: {", ".join(known)}'
        )
    return made[protocol](manifest, rng, validation)


def hold_out(
    manifest: Manifest, specs: Sequence[str], rng: np.random.Generator, validation: float = 0.1
) -> tuple[Indices, Indices, dict[str, Indices]]:
    """Return training, validation and several test sets for one model.

    Every speaker of any test set, and every copy of a tested clip, is taken out of training and validation altogether;
    copies of a validation clip are left out of training.

    Args:
        manifest: What to split.
        specs: The test sets: ``speaker=savee/KL``, ``corpus=emodb``, ``folds=FILE#FOLD`` (FOLD as the file has it: "1",
            "test").
        rng: Draws the validation speakers.
        validation: As in :func:`splits`.

    Raises:
        ManifestError: When a test set is empty, or a clip's speaker unknown.
        VocalicsError: When a spec is not as expected.
    """
    every = range(len(manifest))
    tests = {spec: tested(manifest, spec) for spec in specs}
    if not tests:
        raise VocalicsError("no test set; expected speaker=NAME, corpus=NAME or folds=FILE#FOLD")
    _need_speakers(manifest, every, "hold-out")
    origin = origins(manifest)
    apart = [manifest[i] for indices in tests.values() for i in indices]
    speakers, digests = {_speaker(u) for u in apart}, {_digest(u) for u in apart}
    held_out = {origin[i] for indices in tests.values() for i in indices}
    rest = [
        i
        for i, u in enumerate(manifest)
        if _speaker(u) not in speakers and (_digest(u) or None) not in digests and origin[i] not in held_out
    ]
    if not rest:
        raise ManifestError(
            f"nothing is left to train on when {', '.join(specs)} are held out; add corpora or speakers"
        )
    train, chosen = _validation_speakers(manifest, rest, rng, validation)
    train = _without_copies(manifest, train, chosen)
    return train, chosen, {s: Split("hold-out", train, chosen, t, manifest, s).test for s, t in tests.items()}


def train_validation(manifest: Manifest, rng: np.random.Generator, validation: float = 0.1) -> tuple[Indices, Indices]:
    """Return training and validation for a model that is to know everything: no test set is kept apart.

    Validation speakers are drawn as in :func:`splits`; of clips whose speakers are not known, clips are drawn.
    Copies of a validation clip are left out of training.

    Args:
        manifest: What to split.
        rng: Draws the validation part.
        validation: Share of the speakers (or clips) of each corpus; 0 is none.
    """
    known = [i for i, u in enumerate(manifest) if u.speaker]
    unknown = [i for i, u in enumerate(manifest) if not u.speaker]
    train, chosen = _validation_speakers(manifest, known, rng, validation) if known else ((), ())
    n_drawn = round(validation * len(unknown))
    drawn = {unknown[int(k)] for k in rng.choice(len(unknown), n_drawn, replace=False)} if n_drawn else set()
    chosen = tuple(sorted((*chosen, *drawn)))
    return _without_copies(manifest, sorted({*train, *unknown} - drawn), chosen), chosen


def _without_copies(manifest: Manifest, indices: Sequence[int], others: Sequence[int]) -> Indices:
    """Those of some clips that are no copy of another part's, and of one origin with none of it."""
    origin = origins(manifest)
    digests, kept = {_digest(manifest[i]) for i in others} - {""}, {origin[i] for i in others}
    return tuple(i for i in indices if _digest(manifest[i]) not in digests and origin[i] not in kept)


def _random(manifest: Manifest, rng: np.random.Generator, validation: float) -> list[Split]:
    rest, test = _draw_clips(manifest, range(len(manifest)), rng, TEST_FRACTION)
    if not test:
        raise ManifestError(
            'protocol "random" tests a fifth of every emotion\'s clips, corpus by corpus; none has three clips or more'
        )
    train, chosen = _draw_clips(manifest, rest, rng, validation)
    return [Split("random", train, chosen, test, manifest)]


def _by_speaker(manifest: Manifest, rng: np.random.Generator, validation: float) -> list[Split]:
    _need_speakers(manifest, range(len(manifest)), "speaker")
    tested: set[str] = set()
    for _, speakers in sorted(_speakers_by_corpus(manifest, range(len(manifest))).items()):
        if len(speakers) > 1:
            tested |= _draw_speakers(speakers, max(1, round(TEST_FRACTION * len(speakers))), rng)
    if not tested:
        raise ManifestError('protocol "speaker" needs a corpus with at least two speakers; there is none')
    return [_apart(manifest, "speaker", lambda u: u.speaker in tested, rng, validation)]


def _leave_one_speaker_out(manifest: Manifest, rng: np.random.Generator, validation: float) -> list[Split]:
    protocol = "leave-one-speaker-out"
    _need_speakers(manifest, range(len(manifest)), protocol)
    if len(manifest.speakers) < 2:
        raise ManifestError(f'protocol "{protocol}" needs at least two speakers; there is only {manifest.speakers[0]}')
    return [
        _apart(manifest, protocol, lambda u, s=speaker: u.speaker == s, rng, validation, speaker)  # type: ignore[misc]
        for speaker in manifest.speakers
    ]


def _speaker_folds(manifest: Manifest, protocol: str, rng: np.random.Generator, validation: float) -> list[Split]:
    text = protocol.partition("=")[2]
    n_folds = int(text) if text.isdecimal() else 0
    if n_folds < 2:
        raise UsageError(f'protocol "{protocol}": expected speaker-folds=N with N at least 2, e.g. speaker-folds=5')
    _need_speakers(manifest, range(len(manifest)), protocol)
    if len(manifest.speakers) < n_folds:
        raise ManifestError(
            f'protocol "{protocol}" needs as many speakers; there are {len(manifest.speakers)}: ask for fewer folds'
        )
    folds = _dealt(manifest, n_folds, rng)
    return [
        _apart(manifest, protocol, lambda u, f=fold: u.speaker in f, rng, validation, str(number))  # type: ignore[misc]
        for number, fold in enumerate(folds, start=1)
    ]


def _dealt(manifest: Manifest, n_folds: int, rng: np.random.Generator) -> list[set[str]]:
    """Deal the speakers into folds, every corpus's women and men as evenly as their numbers allow."""
    n_clips = Counter(u.speaker for u in manifest)
    folds: list[set[str]] = [set() for _ in range(n_folds)]
    for _, speakers in sorted(_speakers_by_corpus(manifest, range(len(manifest))).items()):
        for sex in sorted(set(speakers.values())):
            given = [0] * n_folds
            for speaker in rng.permutation(sorted(s for s in speakers if speakers[s] == sex)).tolist():
                # The fold that has fewest of this kind; of those, fewest speakers, then fewest clips.
                best = min(range(n_folds), key=lambda k: (given[k], len(folds[k]), sum(n_clips[s] for s in folds[k])))
                folds[best].add(speaker)
                given[best] += 1
    return folds


def _leave_one_corpus_out(manifest: Manifest, rng: np.random.Generator, validation: float) -> list[Split]:
    protocol = "leave-one-corpus-out"
    if len(manifest.corpora) < 2:
        only = ", ".join(manifest.corpora) or "none"
        raise ManifestError(f'protocol "{protocol}" needs at least two corpora; there is only {only}')
    return [
        _apart(manifest, protocol, lambda u, c=corpus: u.corpus == c, rng, validation, corpus)  # type: ignore[misc]
        for corpus in manifest.corpora
    ]


def _apart(
    manifest: Manifest,
    protocol: str,
    tested: Callable[[Utterance], bool],
    rng: np.random.Generator,
    validation: float,
    name: str = "",
) -> Split:
    test = tuple(i for i, u in enumerate(manifest) if tested(u))
    rest = [i for i, u in enumerate(manifest) if not tested(u)]
    train, chosen = _validation_speakers(manifest, rest, rng, validation)
    return Split(protocol, train, chosen, test, manifest, name)


def _folds(manifest: Manifest, protocol: str, file: Path, rng: np.random.Generator, validation: float) -> list[Split]:
    folds, absent, in_parts = _read_folds(manifest, file)
    listed = [i for indices in folds.values() for i in indices]
    if not leaks(protocol):
        _need_speakers(manifest, listed, protocol)
    choose = _draw_clips if leaks(protocol) else _validation_speakers
    if in_parts:
        train, chosen = tuple(folds.get("train", ())), tuple(folds.get("validation", ()))
        if not train or "test" not in folds:
            raise ManifestError(f"{file}: the manifest holds no clip of its part train or test; scan the whole corpus")
        train, chosen = _with_copies(manifest, train, listed), _with_copies(manifest, chosen, listed)
        plain = Split(protocol, train, chosen, tuple(folds["test"]), manifest, absent=absent)
        if chosen:
            return [plain]
        return [Split(protocol, *choose(manifest, train, rng, validation), plain.test, manifest, absent=absent)]
    if len(folds) < 2:
        raise ManifestError(f"{file}: the manifest holds clips of one fold only ({next(iter(folds))}); expected two")
    found = []
    for fold, test in folds.items():
        rest = _with_copies(manifest, [i for i in listed if i not in set(test)], listed)
        Split(protocol, rest, (), tuple(test), manifest, fold)
        found.append(Split(protocol, *choose(manifest, rest, rng, validation), tuple(test), manifest, fold, absent))
    return found


def _read_folds(manifest: Manifest, file: Path) -> tuple[dict[str, list[int]], tuple[str, ...], bool]:
    """Return the positions by fold (or part), the names listed but absent, and whether the file speaks of parts."""
    if not file.is_file():
        division = published(file)
        if division is None:
            raise ManifestError(
                f"{file}: no such file; expected a CSV of utterance, test_fold or utterance, part; without a file are "
                f"known {', '.join(DIVISIONS)}"
            )
        of_speakers = division.positions(manifest)
        if not of_speakers:
            raise ManifestError(f"{file}: the manifest holds no clip of {division.corpus}, of which these folds are")
        in_order = {fold: of_speakers[fold] for fold in sorted(of_speakers)}
        return in_order, published_folds.absent(division, manifest), division.in_parts
    rows = csv_rows(file)
    column = next((c for c in ("test_fold", "part") if rows and c in rows[0]), None)
    if column is None or "utterance" not in rows[0]:
        raise ManifestError(f"{file}: expected the columns utterance and test_fold, or utterance and part")
    positions: dict[str, list[int]] = defaultdict(list)
    for i, utterance in enumerate(manifest):
        positions[canonical_name(utterance)].append(i)
    folds: dict[str, list[int]] = defaultdict(list)
    seen: dict[str, int] = {}
    absent = []
    for line, row in enumerate(rows, start=2):
        name, fold = (row["utterance"] or "").strip(), (row[column] or "").strip()
        if not name or not fold:
            raise ManifestError(f"{file}:{line}: utterance or {column} is empty")
        if name in seen:
            raise ManifestError(f'{file}:{line}: "{name}" was listed on line {seen[name]} already')
        seen[name] = line
        if column == "part":
            fold = lookup(PARTS, fold, f"part on line {line} of {file}:", ManifestError)
        found = positions.get(name, [])
        if len(found) > 1:
            paths = some([manifest[i].path for i in found])
            raise ManifestError(f'{file}:{line}: "{name}" names {len(found)} clips ({paths}); restrict the manifest')
        if found:
            folds[fold].append(found[0])
        else:
            absent.append(name)
    if not folds:
        raise ManifestError(f"{file}: the manifest holds none of its {len(rows)} utterances; is it of another corpus?")
    ordered = sorted(folds, key=lambda f: (len(f), f))
    return {fold: sorted(folds[fold]) for fold in ordered}, tuple(absent), column == "part"


def tested(manifest: Manifest, spec: str) -> Indices:
    """Return the positions that a test set's spec names.

    Args:
        manifest: Where they are looked up.
        spec: ``speaker=savee/KL``, ``corpus=emodb`` or ``folds=FILE#FOLD``, as in :func:`hold_out`.

    Raises:
        ManifestError: When there is no such speaker, corpus or fold.
        VocalicsError: When the spec is not as expected.
    """
    kind, _, value = spec.partition("=")
    if kind == "speaker" and value:
        known, of = manifest.speakers, [u.speaker for u in manifest]
    elif kind == "corpus" and value:
        known, of = manifest.corpora, [u.corpus for u in manifest]
    elif kind == "folds" and "#" in value:
        file, _, fold = value.rpartition("#")
        folds, _, in_parts = _read_folds(manifest, Path(file))
        fold = PARTS.get(fold, fold) if in_parts else fold
        return tuple(lookup(folds, fold, f"fold of {file}:", ManifestError))
    else:
        raise UsageError(f'test set "{spec}": expected speaker=NAME, corpus=NAME or folds=FILE#FOLD')
    if value not in known:
        raise ManifestError(
            f'test set "{spec}": the manifest has no {kind} "{value}"{suggestion(value, known) or "."} '
            f"It has {some(known) or 'none'}"
        )
    return tuple(i for i, name in enumerate(of) if name == value)


def absent(manifest: Manifest, spec: str) -> int:
    """Return how many clips a published protocol lists, in all its folds, that the manifest does not hold.

    Args:
        manifest: Where they are looked up.
        spec: As for :func:`tested`; of other specs than ``folds=FILE#FOLD`` none is.
    """
    kind, _, value = spec.partition("=")
    if kind != "folds":
        return 0
    file = Path(value.rpartition("#")[0])
    division = None if file.is_file() else published(file)
    return len(_read_folds(manifest, file)[1]) if division is None else published_folds.n_absent(division, manifest)


def fold_names(manifest: Manifest, file: Path) -> tuple[str, ...]:
    """Return the folds of a file that the manifest holds clips of.

    Raises:
        ManifestError: When the file is missing, not as expected, or of another corpus.
    """
    return tuple(_read_folds(manifest, file)[0])


def _validation_speakers(
    manifest: Manifest, indices: Sequence[int], rng: np.random.Generator, fraction: float
) -> tuple[Indices, Indices]:
    """Take validation speakers out of the training side; return what is left, and theirs."""
    corpora = _speakers_by_corpus(manifest, indices)
    enough = {c: s for c, s in corpora.items() if len(s) >= FEW_SPEAKERS}
    if len(corpora) == 1 or not enough:
        enough = {c: s for c, s in corpora.items() if len(s) > 1}
    chosen: set[str] = set()
    if fraction > 0:
        for _, speakers in sorted(enough.items()):
            n = min(max(1, round(fraction * len(speakers))), len(speakers) - 1)
            chosen |= _draw_speakers(speakers, n, rng)
    return (
        tuple(i for i in indices if manifest[i].speaker not in chosen),
        tuple(i for i in indices if manifest[i].speaker in chosen),
    )


def _draw_clips(
    manifest: Manifest, indices: Sequence[int], rng: np.random.Generator, fraction: float
) -> tuple[Indices, Indices]:
    """Draw a fraction of the clips of every corpus and emotion; return the others, and those drawn."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i in indices:
        groups[manifest[i].corpus, manifest[i].emotion].append(i)
    drawn: set[int] = set()
    for _, group in sorted(groups.items()):
        drawn.update(rng.permutation(group)[: round(fraction * len(group))].tolist())
    return tuple(i for i in indices if i not in drawn), tuple(i for i in indices if i in drawn)


def _draw_speakers(sexes: dict[str, str], n: int, rng: np.random.Generator) -> set[str]:
    """Draw ``n`` speakers, each of the sex that has so far the smallest part of its own drawn."""
    left: dict[str, list[str]] = defaultdict(list)
    for speaker in rng.permutation(sorted(sexes)).tolist():
        left[sexes[speaker]].append(speaker)
    sizes = {sex: len(speakers) for sex, speakers in left.items()}
    drawn: set[str] = set()
    for _ in range(n):
        # The first of equals is the one whose speaker came first in the permutation.
        sex = max((s for s in left if left[s]), key=lambda s: len(left[s]) / sizes[s])
        drawn.add(left[sex].pop())
    return drawn


def _speakers_by_corpus(manifest: Manifest, indices: Iterable[int]) -> dict[str, dict[str, str]]:
    """Return the known speakers of every corpus, with their sex."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for i in indices:
        utterance = manifest[i]
        if utterance.speaker:
            found[utterance.corpus].setdefault(utterance.speaker, utterance.sex)
    return found


def _need_speakers(manifest: Manifest, indices: Collection[int], protocol: str) -> None:
    unknown = [manifest[i].path for i in indices if not manifest[i].speaker]
    if unknown:
        raise ManifestError(
            f'protocol "{protocol}" needs every clip\'s speaker, and {len(unknown)} of {len(indices)} clips have none: '
            f'{some(unknown)}; add the column speaker, or use "random", whose name says that it leaks'
        )
    if not indices:
        raise ManifestError(f'protocol "{protocol}": the manifest is empty; scan a corpus first')


def _speaker(utterance: Utterance) -> str:
    return utterance.speaker or f"{utterance.corpus}/(unknown)"


def _digest(utterance: Utterance) -> str:
    return utterance.digest


def _with_copies(manifest: Manifest, indices: Sequence[int], listed: Collection[int]) -> Indices:
    """Add the clips that were made from these and that no part lists; none whose origin stands elsewhere too."""
    if not any(u.parent for u in manifest):
        return tuple(indices)
    origin = origins(manifest)
    own, other = {origin[i] for i in indices}, {origin[i] for i in set(listed) - set(indices)}
    copies = set(range(len(manifest))) - set(listed)
    return (*indices, *sorted(i for i in copies if origin[i] in own - other))
