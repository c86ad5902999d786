"""What the published systems train and are tested on, in their own way and in the honest one."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest

from vocalics import audio, judgements, reproduced, reproduced_page, reproduction, training
from vocalics.corpora import ScanReport
from vocalics.dataset import whole
from vocalics.emotions import EMOTIONS, scheme
from vocalics.errors import ManifestError, RecipeError, VocalicsError
from vocalics.judgements import Judgements
from vocalics.manifest import Manifest, Utterance
from vocalics.recipe import read
from vocalics.reproduction import HELD_OUT, Run, divided, drawn, plan, recipe_of, systems


def clip(corpus: str, speaker: str, number: int, emotion: str) -> Utterance:
    name = f"{corpus}-{speaker}-{number}"
    return Utterance(f"/x/{name}.wav", corpus, f"{corpus}/{speaker}", "", emotion, digest=f"{hash(name):x}")


@pytest.fixture
def manifest() -> Manifest:
    """Clips that are nowhere: 4 corpora, speakers of whom some are held out, 8 emotions."""
    speakers = {
        "ravdess": [f"{n:02d}" for n in range(1, 25)],
        "crema_d": [str(n) for n in range(1001, 1041)],
        "tess": ["OAF", "YAF"],
        "savee": ["DC", "JE", "JK", "KL"],
    }
    known = {"ravdess": EMOTIONS, "crema_d": scheme("six").emotions, "tess": scheme("seven").emotions}
    return Manifest(
        tuple(
            clip(corpus, speaker, n, emotions[n % len(emotions)])
            for corpus, names in speakers.items()
            for speaker in names
            for emotions in [known.get(corpus, scheme("seven").emotions)]
            for n in range(40 if corpus != "tess" else 200)
        )
    )


def names(data: Any, part: Any) -> set[str]:
    return {data.manifest[i].path for i in part}


def test_what_is_drawn_is_even_and_follows_from_the_name() -> None:
    values = np.array([reproduction.chance("a", n) for n in range(4000)])
    assert values.min() >= 0 and values.max() < 1
    assert np.histogram(values, 4, (0, 1))[0] == pytest.approx(1000, abs=100)
    assert reproduction.chance("a", 1) == values[1] != reproduction.chance("b", 1)
    assert drawn("/one/03-01-01-01-01-01-01.wav", "ravdess") == drawn("/two/03-01-01-01-01-01-01.flac", "ravdess")


def test_systems_are_the_five_that_the_readme_names() -> None:
    assert set(systems()) == {"cainvas_cnn1d", "mfcc_cnn2d", "dense_268", "augmented_cnn1d", "dense_193"}
    for recipe in systems().values():
        training.check(recipe)
        assert recipe.publication is not None and recipe.publication.ours and 0 < recipe.publication.test < 0.5


def test_the_plan_holds_both_ways_of_every_system_and_scheme() -> None:
    runs = plan()
    assert len(set(runs)) == len(runs) and runs[0] == Run("default", "published", "eight", 0)
    assert {(r.scheme, r.way, r.seed) for r in plan(["dense_193"])} == {
        (kind, way, seed) for kind in ("eight", "three") for way in ("published", "honest") for seed in range(3)
    }
    with pytest.raises(RecipeError, match=r'unknown system "dense_194"; did you mean "dense_193"'):
        plan(["dense_194"])


@pytest.mark.parametrize("name", sorted(systems()))
def test_the_honest_way_shares_no_speaker_and_no_corpus_is_lost(name: str, manifest: Manifest) -> None:
    run = next(r for r in plan([name]) if r.way == "honest")
    data = divided(run, recipe_of(run), manifest)
    (test,) = data.tests.values()
    heard = {*data.speakers(data.train), *data.speakers(data.validation)}
    assert set(data.speakers(test)) == {s for s in HELD_OUT if s in set(data.manifest.speakers)}
    assert not heard & set(HELD_OUT) and not set(data.speakers(data.train)) & set(data.speakers(data.validation))
    assert set(data.manifest.corpora) == set(recipe_of(run).corpora)
    assert len(test) > 100 and "tess" not in {data.manifest[i].corpus for i in test}


@pytest.mark.parametrize("name", sorted(set(systems()) - {"augmented_cnn1d"}))
def test_the_published_way_shares_speakers_but_no_clips(name: str, manifest: Manifest) -> None:
    run = plan([name])[0]
    recipe = recipe_of(run)
    data = divided(run, recipe, manifest)
    (test,) = data.tests.values()
    assert recipe.publication is not None
    assert len(test) / len(data.manifest) == pytest.approx(recipe.publication.test, abs=0.03)
    assert not set(test) & set(data.train)
    assert set(data.speakers(test)) == set(data.speakers(data.train)) == set(data.manifest.speakers)
    if recipe.publication.validation:
        assert not set(data.validation) & {*test, *data.train}
    else:
        assert data.validation == test  # as published


@pytest.mark.parametrize("own", reproduction.OWN)
def test_every_test_part_lies_in_what_the_projects_nets_have_not_heard(own: str, manifest: Manifest) -> None:
    (run,) = plan([own])
    recipe = recipe_of(run)
    default = divided(run, recipe, manifest)
    heard = names(default, default.train) | names(default, default.validation)
    for name in set(systems()) - {"augmented_cnn1d"}:
        first = plan([name])[0]
        data = divided(first, recipe_of(first), manifest)
        (test,) = data.tests.values()
        assert not names(data, test) & heard, name
    assert len(heard) > 0.6 * len(whole(manifest, recipe).manifest)


def test_rows_are_drawn_after_the_copies_so_that_clips_stand_on_both_sides(manifest: Manifest) -> None:
    run = plan(["augmented_cnn1d"])[0]
    data = divided(run, recipe_of(run), manifest)
    (test,) = data.tests.values()
    both = set(test) & set(data.train)
    # Of three rows at a quarter each: 1 - 0.75³ of the clips are tested, all but 0.25³ of them are trained on.
    assert len(test) / len(data.manifest) == pytest.approx(1 - 0.75**3, abs=0.03)
    assert len(both) / len(test) == pytest.approx(1 - 0.25**3 / (1 - 0.75**3), abs=0.03)


def test_the_honest_way_chooses_its_epoch_and_the_published_keeps_the_last() -> None:
    for name in systems():
        kept = {r.way: recipe_of(r).fit for r in plan([name])}
        assert (kept["published"].keep, kept["honest"].keep) == ("last", "best")
        assert kept["published"].patience == 0 < kept["honest"].patience


@pytest.mark.corpus
def test_who_is_held_out_is_what_the_protocols_name(shared: Path, scanned: Callable[[str], ScanReport]) -> None:
    from vocalics import splits

    held_out = set()
    for corpus, spec in (
        ("ravdess", f"folds={shared}/protocols/ravdess_emobox.csv#1"),
        ("crema_d", f"folds={shared}/protocols/crema_d_tfds.csv#test"),
        ("savee", "speaker=savee/KL"),
    ):
        clips = scanned(corpus).manifest
        held_out |= {clips[i].speaker for i in splits.tested(clips, spec)}
    assert held_out == set(HELD_OUT)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manifest:
    """Real sounds under RAVDESS's name, and systems of two epochs."""
    rows = []
    for speaker in ("01", "02", "03", "04", "11"):
        for k, (emotion, pitch) in enumerate({"neutral": 110.0, "happy": 170.0, "angry": 250.0, "sad": 90.0}.items()):
            for take in range(4):
                path = tmp_path / f"{speaker}-{k}-{take}.wav"
                audio.write(path, fakes.voice(0.9, pitch * (1 + 0.02 * take + 0.01 * int(speaker))))
                rows.append(Utterance(str(path), "ravdess", f"ravdess/{speaker}", "", emotion))

    def short(run: Run) -> Any:
        recipe = recipe_of(run)
        fit = dataclasses.replace(recipe.fit, n_epochs=2, batch_size=8)
        return dataclasses.replace(recipe, fit=fit, corpora=("ravdess",))

    monkeypatch.setattr(reproduction, "recipe_of", short)
    return Manifest(tuple(rows)).with_digests()


def test_a_run_is_trained_judged_and_not_run_again(small: Manifest, tmp_path: Path) -> None:
    folder, calls = tmp_path / "runs", []
    for run in (*plan(["dense_193"])[:1], *plan(["augmented_cnn1d"])):
        reproduction.execute(run, small, folder, tmp_path / "cache", {"ravdess": "made up"}, report=calls.append)
        about = json.loads((folder / run.folder / "run.json").read_text(encoding="utf-8"))
        assert about["epochs"] == 2 and about["notes"] == {"ravdess": "made up"}
        assert about["training_processor_minutes"] > 0
    assert len(calls) == 6
    reproduction.execute(plan(["dense_193"])[0], small, folder, tmp_path / "cache", {}, report=calls.append)
    assert len(calls) == 6

    def no_default(_: Any) -> None:
        return None

    lines = {line.name: line for line in reproduced.collect(folder, no_default)}
    assert set(lines) == {"dense_193", "augmented_cnn1d"}
    whole_line = lines["augmented_cnn1d"]
    assert whole_line.published is not None and whole_line.honest is not None and whole_line.leak is not None
    assert whole_line.honest.report.n_clips == 32 and whole_line.honest.report.n_speakers == 2  # 01 and 11
    rows = (folder / plan(["augmented_cnn1d"])[0].folder / "predictions.csv").read_text(encoding="utf-8").splitlines()
    assert Counter(line.split(",")[0].partition("#")[2] for line in rows[1:]).keys() == {"0", "1", "2"}
    page = reproduced_page.to_markdown(list(lines.values()), {"ravdess": "made up"}, False)
    assert "Copies: ravdess is made up." in page and "62.2" in page and "## dense_193 (8 emotions)" in page
    assert page.count("| – |") >= 1  # the honest way of dense_193 was not run
    assert "above that of 0 of 0 lines" in page and "The default net on a random split" not in page
    minutes = sum(s.minutes for line in lines.values() for s in (line.published, line.honest) if s)
    assert f"All of it took {minutes:.0f} minutes of one processor, 0 of them" in page


def test_the_default_net_is_told_beside_the_systems(small: Manifest, tmp_path: Path) -> None:
    run = plan(["dense_193"])[0]
    reproduction.execute(run, small, tmp_path / "runs", tmp_path / "cache", {})
    theirs = judgements.read(tmp_path / "runs" / run.folder / "predictions.csv")
    right = np.zeros_like(theirs.probabilities)
    right[np.arange(len(theirs)), [theirs.emotions.index(t) for t in theirs.truth]] = 1
    perfect = dataclasses.replace(theirs, probabilities=right)
    blind = dataclasses.replace(theirs, probabilities=np.full_like(right, 1 / right.shape[1]))
    (tmp_path / "runs" / run.folder / "predictions.csv").write_text(blind.to_csv(), encoding="utf-8")
    own = tmp_path / "runs" / plan(["default"])[0].folder
    own.mkdir(parents=True)
    (own / "predictions.csv").write_text(perfect.to_csv(), encoding="utf-8")
    assert reproduced.own_side(tmp_path / "runs") is None  # it is not finished
    (own / "run.json").write_text((tmp_path / "runs" / run.folder / "run.json").read_text("utf-8"), encoding="utf-8")
    side = reproduced.own_side(tmp_path / "runs")
    assert side is not None and side.report.accuracy.value == 1
    (line,) = reproduced.collect(tmp_path / "runs", lambda way: perfect if way == "published" else None)
    assert line.published is not None and line.published.report.accuracy.value < 1
    assert reproduced.compared([line]).ahead == {"published": 1, "honest": 0}
    assert reproduced.compared([line]).compared == {"published": 1, "honest": 0}
    page = reproduced_page.to_markdown([line], {}, False, (read("default"), side))
    assert "whisper_dense" not in page
    beside = reproduced_page.to_markdown([line], {}, False, (read("default"), side), side)
    assert "recipe `whisper_dense`, which needs the encoder to predict: accuracy 100.0 %" in beside
    assert "above that of 1 of 1 lines on a random split" in page and "accuracy 100.0 %" in page
    about = dataclasses.replace(line.publication, remark="It is what it is.")
    line = dataclasses.replace(line, recipe=dataclasses.replace(line.recipe, publication=about))
    assert "It is what it is." in reproduced_page.to_markdown([line], {}, False) and "what it is" not in page


def test_the_default_is_not_judged_on_a_part_of_the_speakers(small: Manifest, tmp_path: Path) -> None:
    fakes.waveform_model(tmp_path / "d.onnx", name="default", training_speakers=("ravdess/02",))
    with pytest.raises(VocalicsError, match=r"--default: the manifest lacks crema_d/1001.*name all corpora"):
        reproduction.default_judgements("honest", tmp_path, small, lambda *_: None, tmp_path / "d.onnx")
    with pytest.raises(ManifestError, match=r"no model of recipe default was asked yet; name one with --default"):
        reproduction.default_judgements("honest", tmp_path, small, lambda *_: None)
    with pytest.raises(ManifestError, match=r"predictions\.csv: no such file"):
        reproduction.default_judgements("published", tmp_path, small, lambda *_: None)


def test_the_default_is_asked_once_and_kept(small: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tested = ("ravdess/01", "ravdess/11")
    monkeypatch.setattr(reproduction, "HELD_OUT", tested)
    fakes.waveform_model(tmp_path / "d.onnx", name="default", training_speakers=("ravdess/02",))
    runs = tmp_path / "runs"
    first = reproduction.default_judgements("honest", runs, small, lambda *_: None, tmp_path / "d.onnx")
    assert set(first.speakers) == set(tested) and len(first.paths) == 32

    def asked(*_: object) -> None:
        raise AssertionError("it was asked already")

    monkeypatch.setattr("vocalics.judgements.judged", asked)
    assert reproduction.default_judgements("honest", runs, small, lambda *_: None, tmp_path / "d.onnx").paths
    (tmp_path / "d.onnx").unlink()
    again = reproduction.default_judgements("honest", runs, small, lambda *_: None)
    assert again.paths == first.paths and again.prediction == first.prediction


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"name": "tiny"}, "is a model of tiny; expected one of default"),
        ({"name": "default"}, "its card does not say whom it was trained on"),
        ({"name": "default", "training_speakers": ("savee/KL", "x")}, "was trained with savee/KL; expected"),
        (
            {"name": "default", "training_speakers": ("x",), "validation_speakers": ("ravdess/20",)},
            "was trained with ravdess/20; expected",
        ),
    ],
)
def test_a_default_that_heard_who_is_tested_is_refused_before_anything_is_trained(
    about: dict[str, Any], said: str, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    fakes.waveform_model(tmp_path / "d.onnx", **about)
    code, _, err = run(
        "reproduce", "cainvas_cnn1d", "--default", str(tmp_path / "d.onnx"), "--corpus", "ravdess=nowhere"
    )
    assert code == 1 and said in err and "nowhere" not in err


def test_judgements_in_fewer_classes_are_merged_dropped_and_scaled() -> None:
    chances = np.array([[0.2, 0.3, 0.1, 0.0, 0.1, 0.1, 0.1, 0.1], [0.0, 0.0, 0.5, 0.0, 0.5, 0.0, 0.0, 0.0]])
    said = Judgements(("a", "b"), ("c", "c"), ("s", "s"), ("calm", "sad"), EMOTIONS, chances)
    three = reproduced.in_scheme(said, "three")
    assert three.truth == ("neutral",) and three.paths == ("a",)  # sad is none of the three
    np.testing.assert_allclose(three.probabilities, [[0.5 / 0.7, 0.1 / 0.7, 0.1 / 0.7]])


def test_promises_draws_what_it_is_given() -> None:
    from vocalics import plots
    from vocalics.errors import VocalicsError

    figure = plots.promises(["a", "b"], [0.62, None], [(0.7, 0.68, 0.73)] * 2, [0.6, 0.5], [(0.4, 0.3, 0.5)] * 2)
    (axes,) = figure.axes
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b"]
    assert {t.get_text() for t in axes.texts} == {"+20 points", "+10 points"}
    with pytest.raises(VocalicsError, match="0 systems"):
        plots.promises([], [], [], [], [])
