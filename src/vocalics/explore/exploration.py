"""What a manifest's clips are like, as one frozen value: numbers only, apart from how they are shown."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vocalics.emotions import EMOTIONS, OTHER_EMOTIONS
from vocalics.errors import ManifestError
from vocalics.explore.differences import Differences, differences
from vocalics.explore.listeners import Agreement, agreements
from vocalics.explore.measures import MEASURES, NAMES, Examined, examine
from vocalics.explore.projection import Grouping, Projection, grouping, pca, standardised, tsne
from vocalics.explore.suspicions import Suspicion, suspicions
from vocalics.explore.tallies import UNKNOWN, Crossing, Histogram, Tally, cross, histogram, tally
from vocalics.features.cache import here_or_in_processes, processes
from vocalics.features.feature_set import feature_set
from vocalics.features.spectrum import FloatArray
from vocalics.manifest import Manifest

FEATURES = "mfcc_chroma_mel"
"""The feature set that clips are laid out by."""

HISTOGRAMS: tuple[tuple[str, str], ...] = (
    ("seconds", "corpus"),
    ("seconds", "emotion"),
    ("level_dbfs", "corpus"),
    ("level_dbfs", "emotion"),
    ("peak_dbfs", "corpus"),
    ("lead_seconds", "corpus"),
    ("trail_seconds", "corpus"),
    ("voiced_share", "corpus"),
    ("pitch_hz", "emotion"),
)
"""The measures that are counted in bins, and by which groups."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Copies:
    """Clips that are one recording.

    Attributes:
        rows: Their positions in the manifest.
        note: What is known of them: byte-identical, or what was changed.
        conflicts: What the manifest says differently of them: "emotion", "speaker".
    """

    rows: tuple[int, ...]
    note: str
    conflicts: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Exploration:
    """What a manifest's clips are like.

    Attributes:
        manifest: The clips.
        measures: One row per clip, one column per ``MEASURES``; float32, NaN for a clip that cannot be read.
        errors: Why a clip cannot be read; empty where it can. One per clip.
        by_emotion: Clips and seconds; likewise the next four.
        by_corpus: Likewise.
        by_speaker: Likewise.
        by_sex: Likewise.
        by_sample_rate: Likewise.
        crossing: Clips by emotion and corpus.
        histograms: How the measures spread.
        differences: What sets the emotions apart; ``None`` with one emotion only.
        plane: Clips laid out by PCA, in an order drawn by chance, so that the first ones are a sample; ``None`` with
            fewer than three readable clips.
        neighbourhood: Clips laid out by t-SNE, where asked for.
        grouping: Whether features tell emotions, corpora or speakers; ``None`` as ``plane``.
        agreement: What listeners voted, by corpus; empty without votes.
        identical: Clips whose files are the same byte for byte.
        near_identical: Clips that are one recording in different files; ``None`` where it was not asked for.
        suspicions: Clips that deserve a second look.
    """

    manifest: Manifest
    measures: FloatArray
    errors: tuple[str, ...]
    by_emotion: tuple[Tally, ...]
    by_corpus: tuple[Tally, ...]
    by_speaker: tuple[Tally, ...]
    by_sex: tuple[Tally, ...]
    by_sample_rate: tuple[Tally, ...]
    crossing: Crossing
    histograms: tuple[Histogram, ...]
    differences: Differences | None
    plane: Projection | None
    neighbourhood: Projection | None
    grouping: Grouping | None
    agreement: tuple[Agreement, ...]
    identical: tuple[Copies, ...]
    near_identical: tuple[Copies, ...] | None
    suspicions: tuple[Suspicion, ...]

    @property
    def seconds(self) -> float:
        """The length of all readable clips together."""
        return float(np.nansum(self.measure("seconds")))

    @property
    def n_readable(self) -> int:
        """How many clips can be read."""
        return sum(not error for error in self.errors)

    def measure(self, name: str) -> FloatArray:
        """Return one measure of every clip, shape (n,); NaN where it cannot be told."""
        column: FloatArray = self.measures[:, NAMES.index(name)]
        return column

    def as_dict(self) -> dict[str, Any]:
        """Return everything as numbers and words for JSON; what cannot be told is null."""
        told = {f.name: _plain(getattr(self, f.name)) for f in fields(self) if f.name not in ("manifest", "measures")}
        told["clips"] = [
            {"path": u.path, "corpus": u.corpus, "speaker": u.speaker, "emotion": u.emotion, "sex": u.sex}
            | {name: _plain(value) for name, value in zip(NAMES, row, strict=True)}
            for u, row in zip(self.manifest, self.measures.tolist(), strict=True)
        ]
        measured = [{"name": m.name, "title": m.title, "meaning": m.meaning} for m in MEASURES]
        return {"n_clips": len(self.manifest), "seconds": self.seconds, "measures": measured, **told}


def explore(
    manifest: Manifest,
    rng: np.random.Generator,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    with_tsne: bool = False,
    with_near_identical: bool = False,
    progress: Progress | None = None,
) -> Exploration:
    """Measure every clip of a manifest and say what they are like.

    Each file is read once; a few clips per worker are held at a time, and 268 numbers of each are kept. A file that
    cannot be read is reported, not raised.

    Args:
        manifest: The clips.
        rng: Draws the clips that silhouettes and t-SNE are limited to.
        cache_dir: Folder of a feature cache; measures are kept there too. ``None`` for none.
        workers: Number of processes; ``None`` for as many as are worth it, 1 for none besides this one.
        with_tsne: Arrange clips by t-SNE too, which takes some seconds.
        with_near_identical: Look for copies in different files too, which reads every file once more.
        progress: Called with (clips read, clips to read in all).

    Raises:
        ManifestError: When the manifest holds no clip.
    """
    if not len(manifest):
        raise ManifestError("the manifest holds no clip to explore; expected at least one")
    n, n_reads = len(manifest), len(manifest) * (2 if with_near_identical else 1)
    say = progress or (lambda _done, _total: None)
    folder = None if cache_dir is None else Path(cache_dir)
    examined = _examined(manifest, folder, workers, lambda done: say(done, n_reads))
    errors, digests = tuple(e.error for e in examined), [e.digest for e in examined]
    nothing = np.full(len(NAMES), np.nan, np.float32)
    measures = np.array([nothing if e.measures is None else e.measures for e in examined], np.float32)
    seconds = measures[:, NAMES.index("seconds")]
    emotions = [u.emotion for u in manifest]
    groups = {"emotion": emotions, "corpus": [u.corpus for u in manifest]}
    order = {"emotion": manifest.emotions, "corpus": manifest.corpora}
    units = [u.speaker or f"corpus {u.corpus}" for u in manifest]
    rates = ["unreadable" if math.isnan(r) else f"{r:.0f} Hz" for r in measures[:, NAMES.index("sample_rate")].tolist()]
    voice = [m.name for m in MEASURES if m.voice]
    plane, neighbourhood, told = _laid_out(manifest, [e.features for e in examined], units, rng, with_tsne)
    return Exploration(
        manifest=manifest,
        measures=measures,
        errors=errors,
        by_emotion=tally(emotions, manifest, seconds, EMOTIONS + OTHER_EMOTIONS),
        by_corpus=tally(groups["corpus"], manifest, seconds, manifest.corpora),
        by_speaker=tally([u.speaker or UNKNOWN for u in manifest], manifest, seconds, manifest.speakers),
        by_sex=tally([u.sex or UNKNOWN for u in manifest], manifest, seconds, ("female", "male")),
        by_sample_rate=tally(rates, manifest, seconds, ()),
        crossing=cross(manifest),
        histograms=tuple(
            counted
            for name, by in HISTOGRAMS
            if (counted := histogram(name, by, measures[:, NAMES.index(name)], groups[by], order[by])) is not None
        ),
        differences=differences(
            measures[:, [NAMES.index(name) for name in voice]], voice, emotions, units, manifest.emotions
        )
        if len(manifest.emotions) > 1
        else None,
        plane=plane,
        neighbourhood=neighbourhood,
        grouping=told,
        agreement=agreements(manifest),
        identical=_identical(manifest, digests),
        near_identical=_near_identical(manifest, errors, digests, lambda done: say(n + done, n_reads))
        if with_near_identical
        else None,
        suspicions=suspicions(manifest, measures, errors),
    )


def _examined(
    manifest: Manifest, cache_dir: Path | None, workers: int | None, read: Callable[[int], None]
) -> list[Examined]:
    workers = processes(len(manifest), workers)
    work = partial(examine, features=FEATURES, cache_dir=cache_dir)
    found = []
    for done, one in enumerate(here_or_in_processes(work, manifest, workers), start=1):
        found.append(one)
        read(done)
    return found


def _laid_out(
    manifest: Manifest,
    features: Sequence[FloatArray | None],
    units: Sequence[str],
    rng: np.random.Generator,
    with_tsne: bool,
) -> tuple[Projection | None, Projection | None, Grouping | None]:
    rows = np.array([i for i, values in enumerate(features) if values is not None], np.int64)
    if len(rows) < 3:
        return None, None, None
    values = standardised(np.array([features[i] for i in rows.tolist()]), feature_set(FEATURES).columns)
    shown = [manifest[i] for i in rows.tolist()]
    own = [units[i] for i in rows.tolist()]
    properties = {"emotion": [u.emotion for u in shown], "corpus": [u.corpus for u in shown], "speaker": own}
    told = grouping(values, properties, own, rng)
    order = rng.permutation(len(rows))
    plane = pca(values, rows)
    plane = replace(plane, rows=rows[order], points=plane.points[order])
    return plane, tsne(values, rows, rng) if with_tsne else None, told


def _identical(manifest: Manifest, digests: Sequence[str]) -> tuple[Copies, ...]:
    rows: dict[str, list[int]] = defaultdict(list)
    for row, digest in enumerate(digests):
        if digest:
            rows[digest].append(row)
    found = []
    for same in (rows for rows in rows.values() if len(rows) > 1):
        n_files = len({manifest[row].path for row in same})
        found.append(_copies(manifest, same, "one file, listed twice" if n_files == 1 else "byte-identical"))
    return tuple(found)


def _near_identical(
    manifest: Manifest, errors: Sequence[str], digests: Sequence[str], read: Callable[[int], None]
) -> tuple[Copies, ...]:
    """Pairs of one recording whose files differ; files that are the same are listed elsewhere, and compared once."""
    from vocalics.fingerprint import near_identical

    first: dict[str, int] = {}
    for row, digest in enumerate(digests):
        if not errors[row]:
            first.setdefault(digest, row)
    rows = list(first.values())
    pairs = near_identical(
        [manifest[row] for row in rows], progress=lambda done, _total: read(done), skipped=lambda _row, _reason: None
    )
    return tuple(
        _copies(manifest, sorted((rows[p.first], rows[p.second])), f"{', '.join(p.changes)} (r = {p.correlation:.2f})")
        for p in pairs
    )


def _copies(manifest: Manifest, rows: Sequence[int], note: str) -> Copies:
    clips = [manifest[row] for row in rows]
    told = {"emotion": {u.emotion for u in clips}, "speaker": {u.speaker for u in clips if u.speaker}}
    return Copies(tuple(rows), note, tuple(name for name, values in told.items() if len(values) > 1))


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return None if not math.isfinite(value) else float(f"{value:.7g}")
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
