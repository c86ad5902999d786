"""Copies are made of the excerpt, of training clips alone, and the same ones each time."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import fakes
import numpy as np
import pytest

from vocalics import audio, dataset, feature_rows
from vocalics.augment import Step, chain
from vocalics.dataset import Data
from vocalics.errors import AudioError, FeatureError, RecipeError
from vocalics.features.feature_set import feature_set
from vocalics.manifest import Manifest, Utterance
from vocalics.recipe import Recipe
from vocalics.training import check

SET = feature_set("zcr_chroma_mfcc_rms_mel")
COPIES = (
    (Step.parse({"name": "noise_by_peak"}),),
    (Step.parse({"name": "stretch_and_shift", "rate": 0.8, "semitones": 0.7}),),
)


@pytest.fixture
def data(tmp_path: Path) -> Data:
    """Four clips: two train, one validates, one is tested."""
    rows = []
    for i, emotion in enumerate(("sad", "angry", "sad", "angry")):
        path = tmp_path / f"{i}.wav"
        audio.write(path, fakes.voice(1.5, 120 + 40 * i))
        rows.append(Utterance(str(path), "folder", f"folder/s{i}", "", emotion))
    manifest = Manifest(tuple(rows)).with_digests()
    return Data(manifest, (0, 1), (2,), {"x": (3,)}, ("sad", "angry"))


def rows(data: Data, cache: Path, seed: int = 0) -> feature_rows.Rows:
    return feature_rows.divided(data, SET, COPIES, seed, cache, lambda *_: None)


def test_only_training_clips_get_copies(data: Data, tmp_path: Path) -> None:
    table = rows(data, tmp_path / "cache")
    assert table.clips[table.train].tolist() == [0, 0, 0, 1, 1, 1]
    assert table.copies[table.train].tolist() == [0, 1, 2, 0, 1, 2]
    assert table.clips[table.validation].tolist() == [2] and table.copies[table.validation].tolist() == [0]
    assert table.emotions.tolist() == ["sad"] * 3 + ["angry"] * 3 + ["sad"]
    assert 3 not in table.clips


def test_the_first_row_of_a_clip_is_the_clip_itself_and_copies_differ(data: Data, tmp_path: Path) -> None:
    table = rows(data, tmp_path / "cache")
    for row, path in ((0, data.manifest[0].path), (3, data.manifest[1].path), (6, data.manifest[2].path)):
        np.testing.assert_allclose(table.features[row], SET.extract(audio.read(path)), rtol=1e-3, atol=1e-4)
    assert not np.allclose(table.features[0], table.features[1], rtol=1e-2)
    assert not np.allclose(table.features[0], table.features[2], rtol=1e-2)


def test_a_copy_is_made_of_the_excerpt_that_the_set_hears(data: Data, tmp_path: Path) -> None:
    clip = SET.excerpt(audio.read(data.manifest[0].path))
    assert clip.duration == pytest.approx(0.9) and clip.sample_rate == 22_050  # from 0.6 s to the end at 1.5 s
    expected = SET.of_excerpt(chain(COPIES[1], clip, np.random.default_rng(0)))
    got = rows(data, tmp_path / "cache").features[2]
    # A worker computes in one thread, this process may in several: the last digits differ.
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)


def test_copies_follow_from_seed_and_content(data: Data, tmp_path: Path) -> None:
    first, again = rows(data, tmp_path / "a"), rows(data, tmp_path / "b")
    np.testing.assert_array_equal(first.features, again.features)
    other = rows(data, tmp_path / "a", seed=1)
    np.testing.assert_array_equal(other.features[0], first.features[0])
    assert (other.features[1] != first.features[1]).any()


def test_a_copy_is_drawn_by_seed_number_and_content(data: Data) -> None:
    """What models were fitted to stays what it is, bit by bit."""
    for u in data.manifest.take(data.train):
        excerpt = SET.excerpt(audio.read(u.path))
        drawn = [np.random.default_rng([5, number, int(u.digest[:12], 16)]) for number in range(2)]
        made = [excerpt, *(chain(steps, excerpt, rng) for steps, rng in zip(COPIES, drawn, strict=True))]
        expected = np.stack([SET.of_excerpt(one) for one in made])
        np.testing.assert_array_equal(feature_rows._with_copies(u, SET, COPIES, 5, ()), expected)


def test_a_second_run_reads_the_cache(data: Data, tmp_path: Path) -> None:
    first = rows(data, tmp_path / "cache")
    for i in (0, 1):
        Path(data.manifest[i].path).unlink()
    np.testing.assert_array_equal(rows(data, tmp_path / "cache").features[:6], first.features[:6])


def test_the_scaler_is_of_the_training_rows(data: Data, tmp_path: Path) -> None:
    table = rows(data, tmp_path / "cache")
    mean, scale = table.scaler
    scaled = (table.features[table.train] - mean) / scale
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-3)
    varied = table.features[table.train].std(axis=0) > 1e-6
    np.testing.assert_allclose(scaled.std(axis=0)[varied], 1, atol=1e-3)
    assert varied.sum() > 100 and np.abs((table.features[table.validation] - mean) / scale).max() > 1


def test_what_is_constant_in_training_is_not_blown_up() -> None:
    rng = np.random.default_rng(0)
    constants = np.array([0.1, 1e-9, -700.3, 0.0], np.float32)
    varied = 1000 + 0.01 * rng.normal(size=(200, 1))  # deviates by little, but deviates
    features = np.concatenate([np.tile(constants, (200, 1)), varied], axis=1).astype(np.float32)
    every = np.arange(200)
    table = feature_rows.Rows(features, np.array(["sad"] * 200), every, every * 0, every, every[:0])
    mean, scale = table.scaler
    assert mean.dtype == scale.dtype == np.float32
    np.testing.assert_array_equal(mean[:4], constants)
    np.testing.assert_array_equal(scale[:4], 1)
    assert scale[4] == pytest.approx(features[:, 4].astype(np.float64).std(), rel=1e-6)
    assert abs(float((constants[0] * 1.01 - mean[0]) / scale[0])) < 0.01


def test_a_clip_that_cannot_be_read_is_named(data: Data, tmp_path: Path) -> None:
    Path(data.manifest[1].path).write_bytes(b"no sound")
    scanned_again = Manifest(tuple(dataclasses.replace(u, digest="") for u in data.manifest))
    data = dataclasses.replace(data, manifest=scanned_again)
    with pytest.raises(AudioError, match=r"1\.wav.*take the clip out of the manifest"):
        rows(data, tmp_path / "cache")


@pytest.mark.parametrize("copies", [(), COPIES])
def test_a_file_that_changed_since_it_was_scanned_is_refused(
    data: Data, tmp_path: Path, copies: feature_rows.Chains
) -> None:
    def compute(manifest: Manifest) -> np.ndarray:
        return feature_rows.compute(manifest, SET, copies, 0, tmp_path / "cache", lambda *_: None)

    before = compute(data.manifest)
    audio.write(data.manifest[1].path, fakes.voice(1.5, 300))
    with pytest.raises(FeatureError, match=r"1\.wav: changed since it was scanned; scan again$"):
        compute(data.manifest)
    after = compute(Manifest(tuple(dataclasses.replace(u, digest="") for u in data.manifest)))
    assert not np.array_equal(after[1], before[1])
    np.testing.assert_array_equal(after[[0, 2, 3]], before[[0, 2, 3]])


def test_a_set_whose_size_follows_the_clip_is_refused(data: Data, tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="logmel: its size follows"):
        feature_rows.compute(data.manifest, feature_set("logmel"), (), 0, tmp_path, lambda *_: None)


def test_variants_of_a_recipe_are_checked() -> None:
    with pytest.raises(RecipeError, match=r'unknown augmentation "add_noize"; did you mean "add_noise"'):
        Recipe("x", "", "dense_wide", variants=(({"name": "add_noize"},),))
    two = Recipe("x", "", "dense_wide", n_copies=1, augment=({"name": "telephone"},), variants=(({"name": "codec"},),))
    assert [[s.name for s in steps] for steps in two.copies] == [["telephone"], ["codec"]]
    with pytest.raises(RecipeError, match="variants are for models of features"):
        check(Recipe("x", "", "logmel_cnn", variants=(({"name": "telephone"},),)))


def test_training_uses_the_copies(tmp_path: Path) -> None:
    """A net of features that sees copies sees three times as many rows: the batches of an epoch say so."""
    import json

    from vocalics import training

    manifest = dataset.scan("folder", fakes.speakers_table(tmp_path)).manifest
    counts = {}
    for name, variants in (("plain", ()), ("copies", (({"name": "noise_by_peak"},), ({"name": "telephone"},)))):
        recipe = Recipe(
            name, "", "dense_wide", scheme="three", features=SET.name, model_settings={"n_features": 162},
            variants=variants, validation=0.0,
        )  # fmt: skip
        recipe = dataclasses.replace(recipe, fit=dataclasses.replace(recipe.fit, n_epochs=1, batch_size=4))
        training.train(recipe, manifest, tmp_path / name, hold_outs=["speaker=clips/s0"], cache=tmp_path / "cache")
        counts[name] = json.loads((tmp_path / name / "history.json").read_text(encoding="utf-8"))[0]["batches"]
    n_train = sum(u.emotion in ("angry", "neutral") for u in manifest if u.speaker != "clips/s0")
    assert counts == {"plain": -(-n_train // 4), "copies": -(-3 * n_train // 4)}


def test_preprocessing_is_the_same_in_training_and_before_a_prediction(tmp_path: Path) -> None:
    """The rows that train are what the recognizer computes for the same files; the card says how."""
    from vocalics import recognizer, training

    manifest = dataset.scan("folder", fakes.speakers_table(tmp_path)).manifest
    recipe = Recipe(
        "prepared", "", "logistic_regression", scheme="three", features=SET.name, validation=0.0,
        preprocess=({"name": "trim_silence"}, {"name": "normalise_rms", "rms_db": -20.0}),
    )  # fmt: skip
    path = training.train(recipe, manifest, tmp_path / "run", hold_outs=["speaker=clips/s0"])
    model = recognizer.load(path)
    assert [dict(step)["name"] for step in model.card.preprocess] == ["trim_silence", "normalise_rms"]
    data = dataset.divide(manifest, recipe, ["speaker=clips/s0"])
    table = feature_rows.divided(data, SET, (), 0, tmp_path / "c", lambda *_: None, recipe.preparation)
    for row in (0, 5):
        clip = audio.read(data.manifest[int(table.clips[row])].path, SET.sample_rate)
        expected = model.model.probabilities(table.features[row][None])[0]
        got = model.predict(clip)
        np.testing.assert_allclose(list(got.probabilities.values()), expected, atol=1e-5)
        quiet = model.predict(audio.Clip(clip.samples * np.float32(0.05), clip.sample_rate))
        np.testing.assert_allclose(list(quiet.probabilities.values()), expected, atol=1e-4)
    plain = dataset.dataclasses.replace(recipe, preprocess=())
    bare = recognizer.load(training.train(plain, manifest, tmp_path / "plain", hold_outs=["speaker=clips/s0"]))
    loud = bare.predict(clip).probabilities
    soft = bare.predict(audio.Clip(clip.samples * np.float32(0.05), clip.sample_rate)).probabilities
    assert max(abs(loud[e] - soft[e]) for e in loud) > 1e-3  # without it, level matters
