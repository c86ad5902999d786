"""What a leak is worth to a small classifier: how ``vocalics audit --estimate`` measures it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from vocalics.audit import AuditReport, Division, Estimate
    from vocalics.audit.relations import Relations

FEATURES = "mfcc_chroma_mel"
N_GROUPS = 10
"""Probes trained for the comparison: as many parts of the speakers are kept apart in turn."""

FEW_SPEAKERS = 3
"""From as many on, speakers are resampled for the interval; below, clips."""

N_DRAWS = 2000


def estimate(
    related: Relations,
    divisions: Sequence[Division],
    report: AuditReport,
    rng: np.random.Generator,
    cache: Path | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Estimate:
    """Compare a probe (logistic regression on 180 means of a clip) with and without the leak, on the same test clips.

    As divided: trained on each fold's training part. Apart: the fold's clips of all parts are one pool; their speakers,
    joined where clips of theirs are related, are dealt into up to ten groups, and the clips of a group are judged by a
    probe trained on as many clips, drawn from the pool without the group. The interval is a bootstrap of the difference
    over speakers, over clips where there are fewer than three.

    Args:
        related: From :func:`vocalics.audit.relations`, of the same manifest.
        divisions: Positions in its manifest.
        report: The audit, for which clips leak.
        rng: Draws training clips of the pool, and the bootstrap.
        cache: Folder that keeps features; ``None`` for none.
        workers: Processes for the features.
        progress: Called with (clips, clips in all) as features are computed.

    Raises:
        VocalicsError: When there are fewer than two groups, emotions or usable clips.
    """
    import numpy as np

    from vocalics import metrics
    from vocalics.audit import groups
    from vocalics.audit.report import Estimate
    from vocalics.errors import VocalicsError
    from vocalics.features.cache import extract_manifest
    from vocalics.features.feature_set import feature_set

    rows = related.manifest
    extracted = list(extract_manifest(rows, feature_set(FEATURES), cache, workers, progress))
    usable = np.array([e.values is not None for e in extracted])
    width = len(feature_set(FEATURES).columns)
    values = np.array([np.zeros(width) if e.values is None else e.values for e in extracted], dtype=np.float64)
    emotions = {emotion: n for n, emotion in enumerate(rows.emotions)}
    truth = np.array([emotions[u.emotion] for u in rows])
    of_group = np.array(groups(related))
    if len(set(of_group.tolist())) < 2 or len(emotions) < 2:
        raise VocalicsError(
            f"an estimate needs two speakers (or groups of linked ones) and two emotions; there are "
            f"{len(set(of_group.tolist()))} and {len(emotions)}; leave out --estimate"
        )
    judged: list[int] = []
    leaked: list[bool] = []
    given: list[int] = []
    apart: list[int] = []
    notes = []
    known: dict[tuple[frozenset[int], int], dict[int, int]] = {}
    for division, audited in zip(divisions, report.divisions, strict=True):
        train, test = (np.array([i for i in division.parts[p] if usable[i]], dtype=int) for p in ("train", "test"))
        if not len(test) or len(set(truth[train].tolist())) < 2:
            raise VocalicsError(f"fold {division.name or 1}: too few clips can be read for an estimate")
        pool = sorted({i for part in division.parts.values() for i in part if usable[i]})
        # Folds of one size and pool share their comparison; sizes within a twentieth count as one.
        key = (frozenset(pool), round(20 * len(train) / len(pool)))
        if key not in known:
            known[key], short = _apart(values, truth, of_group, np.array(pool), len(train), rng)
            if short:
                notes.append(short)
        touched = set(audited.touched)
        judged += test.tolist()
        leaked += [rows[i].path in touched for i in test]
        given += _judge(values, truth, train, test).tolist()
        apart += [known[key][i] for i in test.tolist()]
    t, ours, theirs = truth[judged], np.array(given), np.array(apart)
    n = len(emotions)
    names = sorted({rows[i].speaker for i in judged})
    by_speaker = len(names) >= FEW_SPEAKERS and "" not in names
    unit = {name: k for k, name in enumerate(names)}
    of_unit = np.array([unit[rows[i].speaker] for i in judged]) if by_speaker else np.arange(len(judged))
    low, high = _interval(t, ours, theirs, of_unit, n, rng)
    mask = np.array(leaked)

    def part(which: Any) -> tuple[float, int] | None:
        if not which.any():
            return None
        return float(metrics.uar_of(metrics.confusion(t[which], ours[which], n))), int(which.sum())

    if failed := int((~usable).sum()):
        notes.append(f"{failed:,} clips gave no features and are left out.")
    if not by_speaker:
        notes.append(
            "The interval is over clips, since there are too few speakers: it says nothing about other speakers."
        )
    notes.append(
        "The probe is logistic regression on the means of MFCCs, chroma and mel bands. A larger model may gain more "
        "or less from the same leak; the sign and the order of magnitude are what this tells."
    )
    return Estimate(
        float(metrics.uar_of(metrics.confusion(t, ours, n))),
        float(metrics.uar_of(metrics.confusion(t, theirs, n))),
        low,
        high,
        "speakers" if by_speaker else "clips",
        len(names) if by_speaker else len(judged),
        len(judged),
        part(mask),
        part(~mask),
        tuple(dict.fromkeys(notes)),
    )


def _apart(
    values: np.ndarray,
    truth: np.ndarray,
    of_group: np.ndarray,
    pool: np.ndarray,
    n_train: int,
    rng: np.random.Generator,
) -> tuple[dict[int, int], str]:
    """Return what probes that did not hear a clip's group say of each clip; and a note where they had fewer clips."""
    import numpy as np

    sizes: dict[int, int] = defaultdict(int)
    for i in pool:
        sizes[int(of_group[i])] += 1
    n_parts = min(N_GROUPS, len(sizes))
    # The largest groups first, each into the part that has least.
    load, part_of = [0] * n_parts, {}
    for group, size in sorted(sizes.items(), key=lambda g: (-g[1], g[0])):
        part = load.index(min(load))
        load[part] += size
        part_of[group] = part
    parts = np.array([part_of[int(of_group[i])] for i in pool])
    said: dict[int, int] = {}
    least = n_train
    for part in range(n_parts):
        rest, held = pool[parts != part], pool[parts == part]
        least = min(least, len(rest))
        drawn = rng.permutation(rest)[:n_train]
        said.update(zip(held.tolist(), _judge(values, truth, drawn, held).tolist(), strict=True))
    short = f"Apart from the speakers tested there were only {least:,} clips to train on, not {n_train:,}."
    return said, short if least < 0.95 * n_train else ""


def _judge(values: np.ndarray, truth: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    import numpy as np

    from vocalics.models.classical import logistic_regression

    mean, deviation = values[train].mean(axis=0), values[train].std(axis=0)
    scaled = (values - mean) / np.where(deviation > 0, deviation, 1.0)
    probe = logistic_regression(C=0.05).fit(scaled[train], truth[train])
    return np.asarray(probe.predict(scaled[test]))


def _interval(
    truth: np.ndarray, ours: np.ndarray, theirs: np.ndarray, of_unit: np.ndarray, n: int, rng: np.random.Generator
) -> tuple[float, float]:
    """The 95 % interval of the difference of two UARs on the same clips, resampling units."""
    import numpy as np

    from vocalics import metrics

    n_units = int(of_unit.max()) + 1
    # Every unit's counts of (truth, this prediction, that one) would be large; each side's counts do, with one draw.
    draws = []
    for prediction in (ours, theirs):
        counts = np.zeros((n_units, n, n + 1))
        np.add.at(counts, (of_unit, truth, prediction), 1)
        draws.append(counts.reshape(n_units, -1))
    differences = []
    for _ in range(N_DRAWS):
        times = np.bincount(rng.integers(0, n_units, n_units), minlength=n_units).astype(np.float64)
        a, b = (metrics.uar_of((times @ counts).reshape(n, n + 1)) for counts in draws)
        differences.append(float(a - b))
    low, high = np.quantile(differences, [0.025, 0.975])
    return float(low), float(high)
