"""Extraction of manifests: order, cache, faults, resumption."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vocalics import audio
from vocalics.audio import Clip
from vocalics.features import cache as module
from vocalics.features.cache import FeatureCache, content_digest, extract_manifest
from vocalics.features.feature_set import feature_set
from vocalics.manifest import Manifest, Utterance

LOGMEL = feature_set("logmel")


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    rows = []
    for number in range(6):
        path = tmp_path / f"{number}.wav"
        rng = np.random.default_rng(number)
        audio.write(path, Clip((0.1 * rng.standard_normal(4_000 + number)).astype(np.float32), 16_000))
        rows.append(Utterance(str(path), "own", "own/1", "x", "happy"))
    bad = tmp_path / "bad.wav"
    bad.write_text("no sound")
    rows.insert(2, Utterance(str(bad), "own", "own/1", "x", "sad"))
    rows.insert(4, Utterance(str(tmp_path / "gone.wav"), "own", "own/1", "x", "sad"))
    return Manifest(tuple(rows))


@pytest.mark.parametrize("workers", [1, 2])
def test_order_is_kept_and_bad_files_are_reported(manifest: Manifest, tmp_path: Path, workers: int) -> None:
    seen: list[tuple[int, int]] = []
    results = list(
        extract_manifest(manifest, LOGMEL, tmp_path / "cache", workers, lambda done, total: seen.append((done, total)))
    )
    assert [r.utterance for r in results] == list(manifest)
    assert [r.values is None for r in results] == [False, False, True, False, True, False, False, False]
    assert "bad.wav: cannot be decoded" in results[2].error
    assert "gone.wav" in results[4].error
    assert seen == [(done, 8) for done in range(1, 9)]
    direct = LOGMEL.extract(audio.read(manifest[0].path))
    np.testing.assert_array_equal(results[0].values, direct)
    assert not np.array_equal(results[1].values, direct)


def test_processes_are_started_for_many_clips_only(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_cores", lambda: 4)
    assert [module.processes(n) for n in (0, 1, 63, 64, 127, 1000)] == [1, 1, 1, 2, 3, 4]
    assert [module.processes(n, 3) for n in (0, 2, 1000)] == [1, 2, 3]
    started = []
    monkeypatch.setattr(module, "in_processes", lambda work, items, workers, what: started.append(workers) or items)
    assert len(list(extract_manifest(manifest, LOGMEL))) == 8 and not started
    list(extract_manifest(Manifest(tuple(manifest) * 16), LOGMEL))
    assert started == [4]


def test_a_second_run_computes_nothing(manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cache"
    first = [r for r in extract_manifest(manifest, LOGMEL, folder, 1) if r.values is not None]
    monkeypatch.setattr(module, "read", lambda path: pytest.fail(f"{path} was decoded again"))
    good = manifest.where(lambda u: u.path.rsplit("/", 1)[-1][0].isdigit())
    second = list(extract_manifest(good, LOGMEL, folder, 1))
    assert all(r.cached for r in second) and not any(r.cached for r in first)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.values, b.values)


def test_an_interrupted_run_goes_on(manifest: Manifest, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    run: Iterator[module.Extracted] = extract_manifest(manifest, LOGMEL, folder, 1)
    next(run), next(run)
    del run
    assert [r.cached for r in extract_manifest(manifest, LOGMEL, folder, 1)] == [True, True] + [False] * 6


def test_content_and_settings_are_the_key(manifest: Manifest, tmp_path: Path) -> None:
    kept = FeatureCache(tmp_path / "cache")
    path = Path(manifest[0].path)
    digest = content_digest(path)
    kept.put(digest, LOGMEL, LOGMEL.extract(audio.read(path)))
    assert kept.get(digest, LOGMEL) is not None
    assert kept.get(digest, feature_set("mfcc_chroma_mel")) is None
    audio.write(path, Clip(np.zeros(4_000, np.float32), 16_000))
    assert kept.get(content_digest(path), LOGMEL) is None


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stale_digest_is_refused_and_an_unchanged_file_keeps_its_key(
    manifest: Manifest, tmp_path: Path, workers: int
) -> None:
    folder = tmp_path / "cache"
    good = manifest.where(lambda u: Path(u.path).stem.isdecimal()).with_digests()
    plain = list(extract_manifest(Manifest(tuple(replace(u, digest="") for u in good)), LOGMEL, folder, workers))
    assert all(FeatureCache(folder).path(u.digest, LOGMEL).is_file() for u in good)
    audio.write(good[1].path, Clip(np.full(4_000, 0.1, np.float32), 16_000))
    again = list(extract_manifest(good, LOGMEL, folder, workers))
    assert [r.cached for r in again] == [True, False, True, True, True, True]
    assert again[1].error == f"{good[1].path}: changed since it was scanned; scan again" and again[1].values is None
    (new,) = extract_manifest(Manifest((replace(good[1], digest=""),)), LOGMEL, folder, 1)
    assert new.values is not None and not np.array_equal(new.values, plain[1].values)
    Path(good[0].path).unlink()  # what was computed of it is still of use
    assert next(iter(extract_manifest(good, LOGMEL, folder, 1))).cached


def test_a_damaged_entry_counts_as_none(manifest: Manifest, tmp_path: Path) -> None:
    kept = FeatureCache(tmp_path / "cache")
    digest = content_digest(manifest[0].path)
    kept.put(digest, LOGMEL, LOGMEL.extract(audio.read(manifest[0].path)))
    entry = kept.path(digest, LOGMEL)
    entry.write_bytes(entry.read_bytes()[:100])
    assert kept.get(digest, LOGMEL) is None
    assert [p.suffix for p in entry.parent.iterdir()] == [".npy"]
