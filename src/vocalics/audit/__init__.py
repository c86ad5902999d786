"""What the parts of a division share: speakers, copies of a clip, changed copies, families of clips, sentences.

:class:`~vocalics.splits.Split` refuses a division that leaks; an audit lists all that leaks in one that somebody else
has made, and says how many test clips are touched. Copies whose speed or pitch was changed are found by their column
``parent`` only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vocalics import sentences, splits
from vocalics.audit.relations import Progress, Relations, content, families_of, groups, normal, relations, speaker
from vocalics.audit.report import KINDS, WHOLE, AuditReport, DivisionAudit, Estimate, Finding
from vocalics.corpora import namesakes
from vocalics.errors import ManifestError
from vocalics.manifest import Manifest, Utterance
from vocalics.registry import lookup, some
from vocalics.splits import Indices, Split

if TYPE_CHECKING:
    from vocalics.fingerprint import Pair

__all__ = [
    "KINDS",
    "AuditReport",
    "Division",
    "DivisionAudit",
    "Estimate",
    "Finding",
    "Relations",
    "audit",
    "audit_divisions",
    "audit_protocol",
    "divide",
    "groups",
    "joined",
    "relations",
    "titled",
]

SIDES = (("test", "train"), ("test", "validation"), ("validation", "train"))
"""The part whose clips are counted, and the part they are looked for in."""


_N_PARTS = 20
"""In so many parts, at most, a corpus's speakers are taken for what sentences tell; of so many folds it is found."""
_TOLD = 0.1
"""So far above chance, what sentences tell of the emotion is worth a note."""


@dataclass(frozen=True)
class Division:
    """One fold: the positions of each part in a manifest."""

    name: str
    parts: Mapping[str, Indices]


def audit(
    parts: Mapping[str, Manifest] | Split | Manifest,
    fingerprints: bool = True,
    subject: str = "",
    progress: Progress | None = None,
) -> AuditReport:
    """Audit a division, or a manifest that is not divided yet.

    A manifest alone is searched for clips that are one; it leaks where such clips name different speakers, since then
    no division by speakers keeps them together.

    Args:
        parts: Manifests by part: "train", "test" and maybe "validation" ("valid", "dev"); or a split; or one manifest.
        fingerprints: Whether the audio is read to find changed copies.
        subject: What the report calls it.
        progress: Called with (clips read, clips in all).

    Raises:
        ManifestError: For an unknown, missing or empty part, and a file that cannot be read for its digest.
    """
    if isinstance(parts, Split):
        found = {"train": parts.train, "validation": parts.validation, "test": parts.test}
        return audit_divisions(
            parts.manifest,
            [Division(parts.name, {k: v for k, v in found.items() if v})],
            subject or parts.protocol,
            fingerprints,
            progress,
        )[0]
    if isinstance(parts, Manifest):
        return _audit_whole(parts, subject or WHOLE, fingerprints, progress)
    whole, division = joined(parts)
    return audit_divisions(whole, [division], subject or " / ".join(parts), fingerprints, progress)[0]


def audit_protocol(
    manifest: Manifest,
    protocol: str,
    rng: np.random.Generator,
    fingerprints: bool = True,
    progress: Progress | None = None,
) -> AuditReport:
    """Audit every fold of a protocol, also of one that :func:`vocalics.splits.splits` refuses because it leaks.

    Args:
        manifest: The clips.
        protocol: As in :mod:`vocalics.splits`; ``folds=FILE`` is read whether it leaks or not.
        rng: Draws what the protocol draws.
        fingerprints: As in :func:`audit`.
        progress: As in :func:`audit`.

    Raises:
        VocalicsError: As :func:`vocalics.splits.splits`, but for leakage.
    """
    found, notes = divide(manifest, protocol, rng)
    report = audit_divisions(manifest, found, titled(protocol), fingerprints, progress)[0]
    return replace(report, notes=(*report.notes, *notes))


def joined(parts: Mapping[str, Manifest]) -> tuple[Manifest, Division]:
    """Return manifests by part as one, and where each part stands in it.

    Raises:
        ManifestError: For an unknown part, and where train or test is missing or empty.
    """
    named = {lookup(splits.PARTS, name, "part", ManifestError): manifest for name, manifest in parts.items()}
    missing = [name for name in ("train", "test") if not named.get(name)]
    if missing:
        raise ManifestError(f"the part(s) {', '.join(missing)} are missing or empty; expected clips of train and test")
    whole, places = Manifest(()), {}
    for name, manifest in named.items():
        places[name] = tuple(range(len(whole), len(whole) + len(manifest)))
        whole += manifest
    return whole, Division("", places)


def divide(manifest: Manifest, protocol: str, rng: np.random.Generator) -> tuple[list[Division], tuple[str, ...]]:
    """Return every fold of a protocol, with a file's own validation part only, and what is to be said of it."""
    name, _, file = protocol.partition("=")
    # A split refuses what is to be found here: shared speakers under a clean name, and copies, known by these columns.
    plain = Manifest(tuple(replace(u, digest="", parent="") for u in manifest))
    found = splits.splits(plain, f"folds-leaky={file}" if name == "folds" and file else protocol, rng, 0.0)
    notes = []
    if found[0].absent:
        notes.append(
            f"{len(found[0].absent):,} clips of {Path(file).name} are not in the manifest: {some(found[0].absent)}."
        )
    parts = [{"train": s.train, "validation": s.validation, "test": s.test} for s in found]
    return [Division(s.name, {k: v for k, v in p.items() if v}) for s, p in zip(found, parts, strict=True)], tuple(
        notes
    )


def titled(protocol: str) -> str:
    """Return a protocol without its file's folder."""
    name, is_file, file = protocol.partition("=")
    return f"{name}={Path(file).name}" if is_file else protocol


def audit_divisions(
    manifest: Manifest,
    divisions: Sequence[Division],
    subject: str,
    fingerprints: bool = True,
    progress: Progress | None = None,
) -> tuple[AuditReport, Relations, list[Division]]:
    """Audit folds of a manifest; return the report, the relations of the clips in them, and the folds' places there.

    Args:
        manifest: The clips.
        divisions: Positions in it; clips of no part are not looked at.
        subject: What the report calls it.
        fingerprints: As in :func:`audit`.
        progress: As in :func:`audit`.
    """
    used = sorted({i for d in divisions for part in d.parts.values() for i in part})
    place = {i: n for n, i in enumerate(used)}
    # Parents link clips by way of ones that are in no part: families are those of the whole manifest.
    whole = families_of(manifest)
    related = relations(manifest.take(used), fingerprints, progress)
    related = replace(related, families={place[i]: name for i, name in whole.items() if i in place})
    found, placed = [], []
    for d in divisions:
        parts = {name: tuple(place[i] for i in part) for name, part in d.parts.items()}
        placed.append(Division(d.name, parts))
        findings = [
            finding
            for part, other in SIDES
            if part in parts and other in parts
            for finding in _shared(related, part, parts[part], other, parts[other])
        ]
        nameless = {name: sum(not related.manifest[i].speaker for i in part) for name, part in parts.items()}
        alike = [
            pair
            for part, other in SIDES
            if part in parts and other in parts
            for pair in namesakes(*({related.manifest[i].speaker for i in parts[name]} for name in (part, other)))
        ]
        counts = {n: len(p) for n, p in parts.items()}
        found.append(DivisionAudit(d.name, counts, tuple(findings), nameless, tuple(alike)))
    notes = _notes(related)
    rows = related.manifest
    some_folds = placed[:: len(placed) // _N_PARTS + 1]
    notes += _told(([rows[i] for i in d.parts["train"]], [rows[i] for i in d.parts["test"]]) for d in some_folds)
    unclear = [d for d in found if sum(n > 0 for n in d.nameless.values()) > 1]
    if unclear:
        said = ", ".join(f"{n:,} in {part}" for part, n in unclear[0].nameless.items() if n)
        notes.append(f"Clips of unknown speaker ({said}) may be of one on both sides; add the column speaker.")
    notes += _alike([pair for d in found for pair in d.namesakes])
    return AuditReport(subject, tuple(found), tuple(notes)), related, placed


def _audit_whole(manifest: Manifest, subject: str, fingerprints: bool, progress: Progress | None) -> AuditReport:
    if not len(manifest):
        raise ManifestError(f"{subject}: the manifest is empty; scan a corpus first")
    related = relations(manifest, fingerprints, progress)
    rows = related.manifest
    every = tuple(range(len(rows)))
    findings = [f for f in _shared(related, WHOLE, every, WHOLE, every) if f.kind not in ("speakers", "sentences")]
    nameless = sum(not u.speaker for u in rows)
    notes = _notes(related)
    if nameless:
        notes.append(
            f"{nameless:,} of {len(rows):,} clips name no speaker; those of one corpus are taken for one speaker's."
        )
    notes += _told(_by_speakers(rows))
    alike = namesakes(rows.speakers, rows.speakers)
    notes += _alike(alike)
    n_groups, n_speakers = len(set(groups(related))), len({speaker(u) for u in rows})
    if n_groups < 2:
        notes.append(f"A division by speakers is not possible: {n_speakers} speaker(s), all linked; 2 are needed.")
    elif n_groups < n_speakers:
        notes.append(
            f"A division by speakers that leaks nothing is possible only if linked ones stay together: {n_speakers} "
            f"speakers in {n_groups} groups."
        )
    else:
        notes.append(f"A division by speakers is possible: {n_speakers} speakers, no clip of one among another's.")
    found = DivisionAudit("", {WHOLE: len(rows)}, tuple(findings), {WHOLE: nameless}, tuple(alike))
    return AuditReport(subject, (found,), tuple(notes))


def _shared(related: Relations, part: str, here: Indices, other: str, there: Indices) -> list[Finding]:
    """Return what the clips of one part share with the other, kind by kind."""
    rows = related.manifest
    partners = {
        "identical": _by_key(here, there, lambda i: content(rows[i])),
        "near-identical": _by_pair(related.pairs, here, there),
        "augmented": _of_families(related, here, there),
    }
    found = [_by_attribute(rows, "speakers", part, here, other, there, lambda u: u.speaker)]
    known = {(p.first, p.second): p for p in related.pairs}
    for kind, links in partners.items():
        said, seen = [], set()
        for i, j in links:
            if part == other and (j, i) in seen:
                continue
            seen.add((i, j))
            said.append(_link(related, kind, i, j, known))
        # Within one manifest, only what joins speakers cannot be kept apart.
        leaks = part != other or any(speaker(rows[i]) != speaker(rows[j]) for i, j in links)
        clips = tuple(sorted({rows[i].path for i, _ in links}))
        found.append(Finding(kind, part, other, clips, len(here), tuple(said), leaks))
    found.append(
        _by_attribute(
            rows,
            "sentences",
            part,
            here,
            other,
            there,
            lambda u: f"{u.corpus}/{sentences.statement(u)}" if u.statement else "",
        )
    )
    return [f for f in found if f.clips]


def _by_attribute(
    rows: Manifest,
    kind: str,
    part: str,
    here: Indices,
    other: str,
    there: Indices,
    value: Callable[[Utterance], str],
) -> Finding:
    ours, theirs = Counter(value(rows[i]) for i in here), Counter(value(rows[i]) for i in there)
    both = sorted((ours.keys() & theirs.keys()) - {""})
    clips = tuple(sorted(rows[i].path for i in here if value(rows[i]) in set(both)))
    said = tuple(f"{name}: {ours[name]:,} clips in {part}, {theirs[name]:,} in {other}" for name in both)
    return Finding(kind, part, other, clips, len(here), said, kind != "sentences")


def _by_key(here: Indices, there: Indices, key: Callable[[int], Hashable]) -> list[tuple[int, int]]:
    """Return each clip here with a clip there of the same key, other than itself."""
    found: dict[Hashable, list[int]] = defaultdict(list)
    for j in there:
        if len(found[key(j)]) < 2:
            found[key(j)].append(j)
    links = []
    for i in here:
        if key(i) is not None and (mates := [j for j in found.get(key(i), ()) if j != i]):
            links.append((i, mates[0]))
    return links


def _of_families(related: Relations, here: Indices, there: Indices) -> list[tuple[int, int]]:
    """Return each clip here with one there of its family, one of which was made: two originals are no copies."""
    rows, family = related.manifest, related.families.get
    made, originals = (tuple(i for i in here if bool(rows[i].parent) == copied) for copied in (True, False))
    others = _by_key(originals, tuple(j for j in there if rows[j].parent), family)
    return sorted(_by_key(made, there, family) + others)


def _by_pair(pairs: Iterable[Pair], here: Indices, there: Indices) -> list[tuple[int, int]]:
    ours, theirs = set(here), set(there)
    both = [(p.first, p.second) for p in pairs] + [(p.second, p.first) for p in pairs]
    return sorted((i, j) for i, j in both if i in ours and j in theirs)


def _link(related: Relations, kind: str, i: int, j: int, known: Mapping[tuple[int, int], Pair]) -> str:
    a, b = related.manifest[i], related.manifest[j]
    pair = f"{a.path} = {b.path}"
    if kind == "augmented":
        if a.parent and normal(a.parent) == normal(b.path):
            return f"{a.path} was made from {b.path}"
        if b.parent and normal(b.parent) == normal(a.path):
            return f"{b.path} was made from {a.path}"
        return f"{a.path} and {b.path} were made from {related.families[i]}"
    if kind == "near-identical":
        found = known[min(i, j), max(i, j)]
        sound = [f"{', '.join(found.changes)}; correlation {found.correlation:.3f}"]
        if "gain" in found.changes:
            gain_db = found.gain_db if i > j else -found.gain_db  # of the one named first
            sound.append(f"gain {gain_db:+.1f} dB{', polarity turned' if found.inverted else ''}")
        if found.speed != 1:
            sound.append(f"speed {found.speed:.4f}")
        return f"{pair} ({'; '.join(sound)})"
    return pair


def _by_speakers(rows: Manifest) -> Iterator[tuple[list[Utterance], list[Utterance]]]:
    """Parts of each corpus's speakers, and the others of the corpus: as where they are divided by speakers."""
    for corpus in rows.corpora:
        own = [u for u in rows if u.corpus == corpus]
        voices = sorted({speaker(u) for u in own})
        if len(voices) < 2:
            continue
        for part in np.array_split(np.array(voices, dtype=object), min(len(voices), _N_PARTS)):
            tested = {*part}
            yield [u for u in own if speaker(u) not in tested], [u for u in own if speaker(u) in tested]


def _told(folds: Iterable[tuple[Sequence[Utterance], Sequence[Utterance]]]) -> list[str]:
    """A note for each corpus whose sentences alone tell the emotion clearly more often than chance does."""
    return [
        f"Words tell the emotion in {corpus}: who knows of a clip only which sentence it is, from other clips of the "
        f"corpus, reaches {100 * found.uar:.1f} % UAR (chance {100 * found.chance:.1f} %); what a model that hears "
        "words reaches there may not be the voice alone."
        for corpus, found in sentences.told(folds).items()
        if found.uar >= found.chance + _TOLD
    ]


def _alike(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """A note on speakers of one name in two corpora: nothing else here could tell that they are one person."""
    said = list(dict.fromkeys(" = ".join(sorted(pair)) + "?" for pair in pairs))
    if not said:
        return []
    return [
        f"Speakers of one name in two corpora of your own may be the same people: {some(said)}. If they are, give both "
        "corpora one name (vocalics scan folder ROOT --name NAME); if not, name the speakers apart."
    ]


def _notes(related: Relations) -> list[str]:
    notes = []
    if not related.fingerprinted:
        unknown = sum(not u.digest for u in related.manifest)
        notes.append("Changed copies were not looked for: the audio was not read.")
        if unknown:
            notes.append(f"{unknown:,} clips state no digest; their copies were not looked for.")
    else:
        notes.append("Copies whose speed or pitch was changed are found by the column parent only, not by sound.")
    if related.skipped:
        said = [
            f"{related.manifest[i].path}: {why.removeprefix(related.manifest[i].path + ': ')}"
            for i, why in related.skipped.items()
        ]
        notes.append(f"{len(said):,} clips have no fingerprint: {some(said, 3)}.")
    return notes
