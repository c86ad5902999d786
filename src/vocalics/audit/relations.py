"""Which clips of a manifest are related, whatever the division: the same file, the same recording, the same family."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vocalics.errors import MissingExtraError
from vocalics.manifest import Manifest, Utterance

if TYPE_CHECKING:
    from vocalics.fingerprint import Pair

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Relations:
    """Which clips of a manifest are related, whatever the division.

    Attributes:
        manifest: Whose clips.
        pairs: Near-identical clips, without those that are identical.
        families: By position, the clip that all of its family were made from; clips without family are absent.
        fingerprinted: Whether near-identical clips were looked for.
        skipped: By position, why a clip has no fingerprint.
    """

    manifest: Manifest
    pairs: tuple[Pair, ...]
    families: Mapping[int, str]
    fingerprinted: bool
    skipped: Mapping[int, str]


def relations(manifest: Manifest, fingerprints: bool = True, progress: Progress | None = None) -> Relations:
    """Return which clips are related: by digest, by fingerprint, by the column ``parent``.

    Args:
        manifest: Whose clips. Where it states no digest, that is computed, but not without ``fingerprints``.
        fingerprints: Whether the audio is read.
        progress: As in :func:`audit`.

    Raises:
        ManifestError: When a file cannot be read for its digest.
        MissingExtraError: When SciPy is not installed.
    """
    families = families_of(manifest)
    if not fingerprints:
        return Relations(manifest, (), families, False, {})
    try:
        from vocalics.fingerprint import near_identical
    except ImportError:
        raise MissingExtraError("finding changed copies", "features") from None
    manifest = manifest.with_digests()
    # A file that is there twice is read once.
    first: dict[Hashable, int] = {}
    for i, u in enumerate(manifest):
        first.setdefault(content(u), i)
    read = list(first.values())
    skipped: dict[int, str] = {}
    found = near_identical(manifest.take(read), progress, lambda i, why: skipped.update({read[i]: why}))
    copies: dict[int, list[int]] = defaultdict(list)
    for i, u in enumerate(manifest):
        copies[first[content(u)]].append(i)
    pairs = [
        # The copy of the one may stand behind that of the other.
        replace(pair, first=i, second=j) if i < j else replace(pair.turned(), first=j, second=i)
        for pair in found
        for i in copies[read[pair.first]]
        for j in copies[read[pair.second]]
    ]
    return Relations(manifest, tuple(pairs), families, True, skipped)


def groups(related: Relations) -> list[int]:
    """Return a number per clip: clips of equal numbers are of one speaker or related, directly or by way of others.

    Clips of unknown speakers of one corpus count as one speaker's. What keeps the numbers apart keeps everything apart.
    """
    joined = _Joined()
    for i, u in enumerate(related.manifest):
        joined.join(i, ("speaker", speaker(u)))
        joined.join(i, ("content", content(u)))
        if i in related.families:
            joined.join(i, ("family", related.families[i]))
    for pair in related.pairs:
        joined.join(pair.first, pair.second)
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(joined.root(i), len(numbers)) for i in range(len(related.manifest))]


def families_of(manifest: Manifest) -> dict[int, str]:
    joined = _Joined()
    members = []
    parents = {normal(u.parent) for u in manifest if u.parent}
    for i, u in enumerate(manifest):
        if u.parent:
            joined.join(normal(u.parent), normal(u.path))
        if u.parent or normal(u.path) in parents:
            members.append(i)
    made = {normal(u.path) for u in manifest if u.parent}
    origins: dict[Hashable, str] = {}
    for parent in sorted(parents):
        if parent not in made:
            origins.setdefault(joined.root(parent), parent)
    roots = {i: joined.root(normal(manifest[i].path)) for i in members}
    # A circle of parents has no origin: any of them names it.
    return {i: origins.get(root, str(root)) for i, root in roots.items()}


class _Joined:
    """Things that belong together, by way of one another."""

    def __init__(self) -> None:
        self._above: dict[Hashable, Hashable] = {}

    def root(self, thing: Hashable) -> Hashable:
        path = []
        while (above := self._above.get(thing, thing)) != thing:
            path.append(thing)
            thing = above
        for each in path:
            self._above[each] = thing
        return thing

    def join(self, one: Hashable, other: Hashable) -> None:
        self._above[self.root(other)] = self.root(one)


def normal(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - keeps symbolic links, and takes ".." away


def content(utterance: Utterance) -> str:
    """What is equal for files that are the same: the digest, or the path where that is not known."""
    return utterance.digest or normal(utterance.path)


def speaker(utterance: Utterance) -> str:
    return utterance.speaker or f"{utterance.corpus}/(unknown)"
