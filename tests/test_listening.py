"""Listeners beside a model: figures by hand, ties, words that are no classes, and votes as labels."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import fakes
import numpy as np
import pytest

from vocalics import audio, training
from vocalics.dataset import Data
from vocalics.emotions import scheme
from vocalics.errors import RecipeError
from vocalics.evaluation import evaluate
from vocalics.listening import compare, soft_labels, votes_in
from vocalics.manifest import Manifest, Utterance
from vocalics.recipe import Fit, Recipe, parse
from vocalics.recognizer import load

VOTES = np.array([[3, 1, 0], [2, 2, 0], [0, 1, 4], [0, 0, 0], [1, 1, 2]])
CHANCES = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.3, 0.6], [1.0, 0.0, 0.0], [np.nan] * 3])
TRUTH = np.array([0, 0, 1, 0, 2])


def test_figures_by_hand() -> None:
    told = compare(TRUTH, CHANCES, VOTES)
    assert told is not None and (told.n_clips, told.n_votes) == (3, 13)  # one without votes, one without speech
    assert told.listeners_accuracy == pytest.approx((1 + 0.5 + 0) / 3)
    assert told.listeners_uar == pytest.approx((0.75 + 0) / 2)
    assert told.model_accuracy == pytest.approx(1 / 3) and told.model_uar == pytest.approx((0.5 + 0) / 2)
    assert told.agreement == pytest.approx((1 + 0.5 + 1) / 3)
    shares = np.array([[0.75, 0.25, 0], [0.5, 0.5, 0], [0, 0.2, 0.8]])
    parts = [s * np.log(s / p) for s, p in zip(shares.ravel(), CHANCES[:3].ravel(), strict=True) if s > 0]
    assert told.divergence == pytest.approx(np.sum(parts) / 3)
    assert told.constant_divergence > 0
    entropy = [-sum(v * np.log(v) for v in row if v > 0) for row in (*shares, *CHANCES[:3])]
    assert told.entropy_correlation == pytest.approx(np.corrcoef(entropy[:3], entropy[3:])[0, 1])
    assert compare(TRUTH, CHANCES, np.zeros((5, 3))) is None


def test_a_model_that_says_the_shares_is_as_near_as_can_be() -> None:
    shares = np.array([[0.75, 0.25], [0.5, 0.5], [0.1, 0.9]])
    told = compare([0, 0, 1], shares, 100 * shares)
    assert told is not None
    assert told.divergence == pytest.approx(0, abs=1e-9) and told.entropy_correlation == pytest.approx(1)
    assert told.listeners_accuracy == pytest.approx(told.model_accuracy - 1 / 6)  # the tie
    same = compare([0, 1], [[0.5, 0.5]] * 2, [[1, 1], [2, 2]])
    assert same is not None and np.isnan(same.entropy_correlation)
    assert same.constant_divergence == pytest.approx(same.divergence)


def test_votes_are_merged_and_what_is_no_class_is_left_out() -> None:
    four = scheme("four")
    votes = votes_in([{"calm": 2, "neutral": 1, "disgust": 4, "other": 3, "angry": 1}, {}], four)
    row = dict(zip(four.emotions, votes[0], strict=True))
    assert row["angry"] == 1 and sum(row.values()) == 1 + sum(
        n for e, n in {"calm": 2, "neutral": 1, "disgust": 4}.items() if four.emotion(e)
    )
    assert not votes[1].any()


def test_labels_hold_their_share_of_votes() -> None:
    labels = soft_labels(TRUTH, VOTES.astype(float), 0.4)
    np.testing.assert_allclose(labels[0], [0.6 + 0.4 * 0.75, 0.1, 0], atol=1e-6)
    np.testing.assert_allclose(labels[3], [1, 0, 0], atol=1e-6)  # without votes
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(soft_labels(TRUTH, VOTES.astype(float), 0.0), np.eye(3)[TRUTH])


def test_votes_that_a_scheme_drops_in_part_are_scaled() -> None:
    votes = np.array([[0.3, 0.1, 0.0], [3.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    found = soft_labels(np.array([2, 2, 2]), votes, 1.0)
    np.testing.assert_allclose(found, [[0.75, 0.25, 0], [0.75, 0.25, 0], [0, 0, 1]], atol=1e-6)


def test_a_report_tells_of_the_listeners() -> None:
    report = evaluate(
        ["sad", "sad", "happy", "sad", "angry"],
        None,
        ("sad", "happy", "angry"),
        speakers=["a", "a", "b", "b", "c"],
        corpora=["x"] * 5,
        rng=np.random.default_rng(0),
        probabilities=CHANCES,
        votes=VOTES,
    )
    assert report.listening == compare(TRUTH, CHANCES, VOTES)
    assert "13 votes on 3 of the clips" in report.to_markdown()
    assert "| what the actor meant: accuracy | 50.0 | 33.3 |" in report.to_markdown()
    assert report.to_json()["listening"]["n_votes"] == 13


def test_doubt_that_is_always_the_same_goes_with_nothing() -> None:
    report = evaluate(
        ["sad", "happy"],
        None,
        ("sad", "happy"),
        speakers=["a", "b"],
        corpora=["x"] * 2,
        rng=np.random.default_rng(0),
        probabilities=[[0.5, 0.5]] * 2,
        votes=[[1, 1], [2, 2]],
    )
    assert report.listening is not None and np.isnan(report.listening.entropy_correlation)
    assert "its doubt goes with the listeners' by r = –." in report.to_markdown()
    assert "nan" not in report.to_markdown()


def test_a_net_learns_from_votes(tmp_path: Path) -> None:
    rows = []
    for i in range(24):
        audio.write(tmp_path / f"{i}.wav", fakes.voice(0.6, 120.0 + 60.0 * (i % 2)))
        # Whatever was meant, they hear anger.
        emotion = ("neutral", "happy")[i % 2]
        rows.append(
            Utterance(str(tmp_path / f"{i}.wav"), "folder", f"folder/{i % 4}", "", emotion, ratings={"angry": 5})
        )
    manifest = Manifest(tuple(rows)).with_digests()
    data = Data(manifest, tuple(range(24)), (), {}, ("neutral", "happy", "angry"))
    table = {
        "name": "heard",
        "description": "a small net for tests",
        "model": "logmel_cnn",
        "scheme": "three",
        "corpora": ["folder"],
        "validation": 0.0,
        "model_settings": {"channels": [4, 8, 8, 8], "n_hidden": 8, "dropout": 0.0},
        "batch": {"n_frames": 48, "mixup_share": 0.0},
        "fit": {"n_epochs": 6, "batch_size": 8, "rate": 1e-2, "vote_share": 1.0},
    }
    recipe: Recipe = parse(Recipe, table, "test")
    training.train_on(data, recipe, tmp_path / "votes", cache=tmp_path / "cache", threads=1)
    assert load(tmp_path / "votes" / "heard.onnx").predict(rows[0].path).emotion == "angry"
    plain = dataclasses.replace(recipe, fit=dataclasses.replace(recipe.fit, vote_share=0.0))
    training.train_on(data, plain, tmp_path / "plain", cache=tmp_path / "cache", threads=1)
    assert load(tmp_path / "plain" / "heard.onnx").predict(rows[0].path).emotion != "angry"
    with pytest.raises(RecipeError, match="svm learns from labels alone"):
        training.check(Recipe("x", "", "svm", "three", ("folder",), fit=Fit(vote_share=0.5)))
    with pytest.raises(RecipeError, match=r"fit\.vote_share = 2\.0 is not a share"):
        dataclasses.replace(recipe, fit=dataclasses.replace(recipe.fit, vote_share=2.0))
