"""Features of whole manifests: on all cores, cached by content and settings, in bounded memory, resumable."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import TypeVar

import numpy as np

from vocalics.audio import read
from vocalics.errors import FeatureError, ManifestError, VocalicsError
from vocalics.features.feature_set import FeatureSet, feature_set
from vocalics.features.spectrum import FloatArray
from vocalics.files import replacing
from vocalics.machine import available_cores
from vocalics.manifest import Manifest, Utterance

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 8  # utterances under way per worker: what bounds the memory
_CHUNK = 1 << 20  # bytes hashed at a time
_SHARE = 32  # clips for each process: to start one takes a second, and ten where it loads an encoder
CHANGED = "changed since it was scanned; scan again"


@dataclass(frozen=True, eq=False)
class Extracted:
    """What became of one utterance.

    Attributes:
        utterance: The manifest's row.
        values: Its features, of the set's shape; ``None`` where it failed.
        error: The reason where it failed, in one line; else empty.
        cached: Whether the features came from the cache.
    """

    utterance: Utterance
    values: FloatArray | None
    error: str = ""
    cached: bool = False


def content_digest(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def own_digest(utterance: Utterance) -> str:
    """Return the SHA-256 of what an utterance's file holds now: what is computed of it is kept under this name.

    Of a file that is not there it is the one that the manifest states, for what was computed may still be kept.

    Raises:
        FeatureError: When the manifest states another one: its row is of what the file held before.
        OSError: When the file cannot be read, and the manifest states none.
    """
    try:
        about = Path(utterance.path).stat()
        now = _digest_of(utterance.path, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
    except OSError:
        if not utterance.digest:
            raise
        return utterance.digest
    if utterance.digest and utterance.digest.lower() != now:
        raise FeatureError(f"{utterance.path}: {CHANGED}")
    return now


@lru_cache(maxsize=1 << 16)
def _digest_of(path: str, *about: int) -> str:
    """A file's digest, computed once as long as nothing about it changes: every fold asks for the same ones."""
    return content_digest(path)


def with_own_digests(manifest: Manifest) -> Manifest:
    """Return the same rows, each with the :func:`own_digest` of its file.

    Raises:
        FeatureError: When a file is not what the manifest says.
        ManifestError: When a file cannot be read, and the manifest states no digest.
    """

    def renewed(utterance: Utterance) -> Utterance:
        try:
            digest = own_digest(utterance)
        except OSError as error:
            raise ManifestError(
                f"{utterance.path}: cannot be read ({error.strerror}); check the manifest's paths"
            ) from None
        return utterance if digest == utterance.digest else replace(utterance, digest=digest)

    with ThreadPoolExecutor(available_cores()) as pool:  # hashing lets other threads run
        return Manifest(tuple(pool.map(renewed, manifest)))


@dataclass(frozen=True)
class FeatureCache:
    """A folder of features, one file per clip content and feature set.

    A file appears whole or not at all, so any number of processes may share the folder, and a killed run leaves
    nothing to repair.

    Attributes:
        folder: Made when something is first put in.
    """

    folder: Path

    def path(self, digest: str, features: FeatureSet) -> Path:
        """Return where the features of a content (SHA-256) are kept."""
        settings = hashlib.sha256(features.settings.encode()).hexdigest()[:12]
        return self.folder / f"{features.folder_name}-{settings}" / digest[:2] / f"{digest}.npy"

    def get(self, digest: str, features: FeatureSet) -> FloatArray | None:
        """Return the features kept for a content, or ``None``; a damaged file counts as none."""
        try:
            values = np.load(self.path(digest, features), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        fits = len(values.shape) == len(features.shape) and all(
            wanted in (None, n) for n, wanted in zip(values.shape, features.shape, strict=True)
        )
        return np.asarray(values, np.float32) if fits else None

    def put(self, digest: str, features: FeatureSet, values: FloatArray) -> None:
        """Keep the features of a content."""
        target = self.path(digest, features)
        target.parent.mkdir(parents=True, exist_ok=True)
        # The owner's alone: features tell of who spoke.
        with replacing(target, mode=0o600, keep_suffix=True) as part:
            np.save(part, values, allow_pickle=False)


def extract_utterance(utterance: Utterance, features: FeatureSet, cache: FeatureCache | None = None) -> Extracted:
    """Return the features of one utterance, from the cache where it has them; a fault is reported, not raised."""
    try:
        digest = ""
        if cache is not None:
            digest = own_digest(utterance)
            if (kept := cache.get(digest, features)) is not None:
                return Extracted(utterance, kept, cached=True)
        values = features.extract(read(utterance.path))
        if cache is not None:
            cache.put(digest, features, values)
        return Extracted(utterance, values)
    except VocalicsError as error:
        text = str(error)
        return Extracted(utterance, None, text if utterance.path in text else f"{utterance.path}: {text}")
    except OSError as error:
        return Extracted(utterance, None, f"{error.filename or utterance.path}: {error.strerror or error}")


def extract_manifest(
    manifest: Manifest,
    features: FeatureSet,
    cache_dir: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Extracted]:
    """Yield the features of every utterance in the manifest's order.

    Only a few utterances per worker are held at a time. With a cache, a run that was killed goes on where it was.

    Args:
        manifest: Whose utterances.
        features: One of ``FEATURE_SETS``.
        cache_dir: Folder of the cache; ``None`` for none.
        workers: Number of processes; see :func:`processes` for ``None``, 1 for none besides this one.
        progress: Called with (done, total) after every utterance.

    Yields:
        One :class:`Extracted` per utterance; a bad file is reported in its ``error`` and the others go on.
    """
    cache = None if cache_dir is None else FeatureCache(Path(cache_dir))
    workers = processes(len(manifest), workers)
    if cache is not None and all(u.digest and cache.path(u.digest, features).is_file() for u in manifest):
        workers = 1  # nothing to compute; to start processes takes longer than to read
    results = (
        (extract_utterance(utterance, features, cache) for utterance in manifest)
        if workers == 1
        else in_processes(partial(_extract_named, name=features.name, cache=cache), manifest, workers, features.name)
    )
    for done, extracted in enumerate(results, start=1):
        if progress is not None:
            progress(done, len(manifest))
        yield extracted


def processes(n_items: int, wanted: int | None = None) -> int:
    """Return how many processes are to work on so many clips, at least 1, which is this one alone.

    Args:
        n_items: How many there are.
        wanted: As many as these, but none without a clip; ``None`` for as many as this process may use, each of which
            gets enough to be worth its start.
    """
    return max(1, min(wanted, n_items) if wanted else min(available_cores(), n_items // _SHARE))


def here_or_in_processes(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int, what: str = "work"
) -> Iterator[Result]:
    """Yield what becomes of every item, in order: one worker is this process, more are as of :func:`in_processes`."""
    return map(work, items) if workers == 1 else in_processes(work, items, workers, what)


def in_processes(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int, what: str = "work"
) -> Iterator[Result]:
    """Yield what becomes of every item, in order, worked on in processes of their own; few are held at a time.

    Args:
        work: A function that can be sent to a process: of a module, or a ``partial`` of one.
        items: What it is called with.
        workers: Number of processes.
        what: What is being done, for the error message.

    Raises:
        FeatureError: When a process was killed.
    """
    under_way: deque[Future[Result]] = deque()
    with one_thread_each(), ProcessPoolExecutor(workers, get_context("spawn"), _end_with_parent) as pool:
        try:
            for item in items:
                under_way.append(pool.submit(work, item))
                if len(under_way) >= _AHEAD * workers:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        except BrokenProcessPool:
            raise FeatureError(
                f"{what}: a worker process was killed, perhaps for want of memory; start again with fewer "
                "workers (what the cache holds is kept)"
            ) from None
        finally:
            for future in under_way:
                future.cancel()


def _end_with_parent() -> None:
    """Let a worker end when the process that started it is killed, rather than wait for work for ever."""
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let the processes started meanwhile keep their matrix products on one core each."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _extract_named(utterance: Utterance, name: str, cache: FeatureCache | None) -> Extracted:
    return extract_utterance(utterance, feature_set(name), cache)
