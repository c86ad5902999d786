"""The search: what is tested stays out, a killed search ends as an undisturbed one, wrong spaces are told at once."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fakes
import numpy as np
import pytest

from vocalics import audio, dataset, metrics, modelfile, training, tuning
from vocalics.audio import Clip
from vocalics.dataset import Data
from vocalics.errors import LeakageError, ManifestError, RecipeError, VocalicsError
from vocalics.feature_rows import compute
from vocalics.features.cache import extract_manifest
from vocalics.features.feature_set import feature_set
from vocalics.manifest import Manifest, Utterance
from vocalics.recipe import Publication, Recipe, read
from vocalics.recognizer import load
from vocalics.tuning import Choice, Range
from vocalics.tuning.scoring import Bench, uar
from vocalics.tuning.space import changed, parameter

FEATURES = "mfcc_chroma_mel"
SPACE = ("model_settings.C=1e-3..10:log", "model_settings.balanced=true|false")


def recipe(**values: Any) -> Recipe:
    settings: dict[str, Any] = {
        "name": "t",
        "description": "for tests",
        "model": "logistic_regression",
        "scheme": "three",
        "corpora": ("folder",),
        "features": FEATURES,
    }
    return Recipe(**{**settings, **values})


def rows(n_speakers: int = 9) -> Manifest:
    return Manifest(
        tuple(
            Utterance(f"/{s}{e}{k}.wav", "x", f"x/{s}", e, e, "male" if s % 2 else "female", digest=f"{s}{e}{k}")
            for s in range(n_speakers)
            for e in ("angry", "happy", "neutral")
            for k in range(2)
        )
    )


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, Path]:
    """A manifest of real sounds, and a folder with their features."""
    folder = tmp_path_factory.mktemp("voices")
    manifest = dataset.gather({"folder": fakes.speakers_table(folder)}, recipe())
    list(extract_manifest(manifest, feature_set(FEATURES), folder / "cache", workers=1))
    return manifest, folder / "cache"


class Scorer:
    """Stands for training: a fold's score follows from the settings; counts, fails and is killed where told to."""

    def __init__(self, kill_at: int = 0, kill: BaseException | None = None, fails: bool = False) -> None:
        self.n, self.kill_at, self.kill, self.fails = 0, kill_at, kill, fails

    def __call__(self, bench: Bench, tried: Recipe, number: int) -> float:
        self.n += 1
        if self.n == self.kill_at and self.kill is not None:
            raise self.kill
        c = tried.model_settings.get("C", 30.0)
        if self.fails or 3.0 < c < 10.0:
            raise VocalicsError("C is between 3 and 10")
        return float(0.9 - 0.1 * abs(np.log10(c) + 1) - 0.01 * number + 0.02 * tried.model_settings.get("balanced", 0))


def searched(
    folder: Path, n_trials: int, scorer: Any, resume: bool = False, asked: Sequence[str] = SPACE, **values: Any
) -> tuning.Found:
    """A search over nine speakers, one of them held out, with a scorer in training's place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bench, "score", lambda *given: scorer(*given))
        one = recipe(**{"corpora": ("x",), **values})
        data = dataset.divide(rows(), one, ["speaker=x/3"])
        space = tuning.search_space(one, asked, only=True)
        folds = tuning.inner_folds(data, one, 3)
        return tuning.search(one, data, folds, space, folder, n_trials, resume=resume)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuning.Found, Scorer]:
    """An undisturbed search of 14 trials, and its scorer."""
    scorer = Scorer()
    return searched(tmp_path_factory.mktemp("whole"), 14, scorer), scorer


@pytest.fixture
def found(whole: tuple[tuning.Found, Scorer]) -> tuning.Found:
    return whole[0]


def told(found: tuning.Found) -> list[tuple[Any, ...]]:
    return [(t.number, t.state, t.scores, t.settings, t.error) for t in found.trials]


# --- what is tested stays out -----------------------------------------------------------------------------------


@pytest.mark.parametrize("held", [{"hold_outs": ["speaker=x/3", "speaker=x/4"]}, {"protocol": "speaker"}])
def test_test_speakers_are_in_no_inner_fold(held: dict[str, Any]) -> None:
    one = recipe(corpora=("x",))
    data = dataset.divide(rows(12), one, **held)
    tested = {data.manifest[i].speaker for part in data.tests.values() for i in part}
    folds = tuning.inner_folds(data, one, 3)
    assert len(tested) == 2
    judged: list[str] = []
    for fold in folds:
        assert not {u.speaker for u in fold.manifest} & tested
        ((_, test),) = fold.tests.items()
        parts = [set(fold.speakers(p)) for p in (fold.train, fold.validation, test)]
        assert all(parts)
        assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
        judged += [fold.manifest[i].path for i in test]
    known = sorted(data.manifest[i].path for i in (*data.train, *data.validation))
    assert sorted(judged) == known
    assert len(known) == 10 * 6


def test_nothing_of_a_test_speaker_reaches_the_training(
    corpus: tuple[Manifest, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, cache = corpus
    seen: list[Data] = []
    train_on = training.train_on

    def spy(data: Data, *given: Any) -> Path:
        seen.append(data)
        return train_on(data, *given)

    monkeypatch.setattr(training, "train_on", spy)
    data = dataset.divide(manifest, recipe(), ["speaker=clips/s1"])
    space = tuning.search_space(recipe(), SPACE, only=True)
    found = tuning.search(
        recipe(), data, tuning.inner_folds(data, recipe(), 2), space, tmp_path, 2, cache=cache, threads=1
    )
    assert len(seen) == 2 * 3
    assert {u.speaker for data in seen for u in data.manifest} == {f"clips/s{k}" for k in (0, 2, 3, 4, 5)}
    assert found.kept_apart == ("speaker=clips/s1",)
    assert found.n_speakers == 5
    assert all(t.state == "complete" and len(t.scores) == 2 for t in found.trials)
    assert not (tmp_path / "work").exists()


def test_a_copy_across_inner_folds_is_refused() -> None:
    first, *others = rows()
    twin = Utterance("/twin.wav", "x", "x/8", first.emotion, first.emotion, digest=first.digest)
    one = recipe(corpora=("x",), validation=0.0)
    data = dataset.divide(Manifest((first, *others, twin)), one, ["speaker=x/3"])
    with pytest.raises(LeakageError, match="copies of one clip"):
        tuning.inner_folds(data, one, 8)


def test_more_folds_than_speakers_are_refused() -> None:
    data = dataset.divide(rows(4), recipe(corpora=("x",)), ["speaker=x/3"])
    with pytest.raises(ManifestError, match="needs as many speakers; there are 3"):
        tuning.inner_folds(data, recipe(corpora=("x",)), 4)


# --- a fold's score ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preprocess", [(), ({"name": "trim_silence", "below_db": 20.0},)])
def test_a_score_is_what_the_recogniser_says_of_the_files(
    corpus: tuple[Manifest, Path], tmp_path: Path, preprocess: tuple[dict[str, Any], ...]
) -> None:
    manifest, cache = corpus
    one = recipe(preprocess=preprocess)
    fold = tuning.inner_folds(dataset.divide(manifest, one), one, 3)[1]
    model = training.train_on(fold, one, tmp_path / "run", cache=cache, threads=1)
    ((_, test),) = fold.tests.items()
    clips = fold.manifest.take(test)
    judge = load(model)
    position = {e: i for i, e in enumerate(fold.emotions)}
    said = [position[str(judge.predict(u.path).emotion)] for u in clips]
    truth = [position[u.emotion] for u in clips]
    score = Bench([fold] * 2, tmp_path / "work", cache, 1).score(one, 1)
    assert score == pytest.approx(metrics.unweighted_average_recall(truth, said))
    assert 1 / 3 < score <= 1
    assert not (tmp_path / "work" / "fold-2").exists()


def test_silent_and_long_clips_count_as_the_recogniser_has_them(corpus: tuple[Manifest, Path], tmp_path: Path) -> None:
    manifest, cache = corpus
    one = recipe()
    fold = tuning.inner_folds(dataset.divide(manifest, one), one, 3)[1]
    model = training.train_on(fold, one, tmp_path / "run", cache=cache, threads=1)
    judge, rng, quiet = load(model), np.random.default_rng(0), []
    for emotion in fold.emotions:
        path = tmp_path / f"{emotion}.wav"
        audio.write(path, Clip((1e-5 * rng.standard_normal(16_000)).astype(np.float32), 16_000))
        quiet.append(Utterance(str(path), "x", "x/1", "", emotion))
    assert {judge.predict(u.path).emotion for u in quiet} == {None}
    assert uar(model, one, Manifest(tuple(quiet)), fold.emotions, cache) == 0  # one of three by chance, if judged
    # Of the whole, what is loud says most; of windows, what goes on for longer.
    parts = [fakes.voice(s, fakes.PITCHES[e], level=v) for s, e, v in ((4, "neutral", 0.3), (8, "angry", 0.02))]
    long = Utterance(str(tmp_path / "long.wav"), "x", "x/1", "", "angry")
    audio.write(Path(long.path), Clip(np.concatenate([part.samples for part in parts]), 16_000))
    whole = compute(Manifest((long,)), feature_set(FEATURES), (), 0, cache, lambda *_: None)[:, 0]
    assert judge.emotions[judge.model.probabilities(whole).argmax()] == "neutral"
    assert judge.predict(long.path).emotion == "angry"
    assert uar(model, one, Manifest((long,)), fold.emotions, cache) == 1


def test_a_model_that_diverged_has_no_score(
    corpus: tuple[Manifest, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, cache = corpus
    fold = tuning.inner_folds(dataset.divide(manifest, recipe()), recipe(), 3)[1]
    model = training.train_on(fold, recipe(), tmp_path / "run", cache=cache, threads=1)
    monkeypatch.setattr(modelfile.LoadedModel, "judge", lambda *_: (np.full((1, 2), np.nan), None))
    with pytest.raises(VocalicsError, match=r"\.wav: the model t gave \[nan nan\] instead of 2 probabilities"):
        uar(model, recipe(), fold.manifest, fold.emotions, cache)


# --- resumption -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kill",
    [KeyboardInterrupt(), SystemExit("killed")],
    ids=["interrupted", "killed, so that the trial is left running"],
)
def test_a_resumed_search_ends_as_an_undisturbed_one(
    whole: tuple[tuning.Found, Scorer], kill: BaseException, tmp_path: Path
) -> None:
    expected, undisturbed = whole
    # The recipe takes three folds, the first trial three: the call that is killed is a later fold of another trial.
    with pytest.raises(type(kill)):
        searched(tmp_path, 14, Scorer(kill_at=11, kill=kill))
    with pytest.raises(VocalicsError, match="holds a study already; go on with --resume"):
        searched(tmp_path, 14, Scorer())
    half = searched(tmp_path, 8, Scorer(), resume=True)
    more = Scorer()
    again = searched(tmp_path, 14, more, resume=True)
    assert told(half) == told(expected)[:8]
    assert told(again) == told(expected)
    assert again.reference == expected.reference
    assert again.best == expected.best
    assert more.n < undisturbed.n
    assert len({t.settings["model_settings.C"] for t in expected.trials}) == 14
    assert {t.state for t in expected.trials} == {"complete", "pruned", "failed"}


def test_any_seed_of_a_recipe_will_do(tmp_path: Path) -> None:
    assert [t.state for t in searched(tmp_path, 2, Scorer(), seed=2**32 - 1).trials] == ["complete"] * 2
    with pytest.raises(RecipeError, match="seed = 4294967296 is out of range"):
        recipe(seed=2**32)


def test_folds_that_an_interrupted_trial_had_scored_are_kept(tmp_path: Path) -> None:
    undisturbed, rest = Scorer(), Scorer()
    searched(tmp_path / "whole", 3, undisturbed)
    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path / "broken", 3, Scorer(kill_at=6, kill=KeyboardInterrupt()))
    searched(tmp_path / "broken", 3, rest, resume=True)
    assert 5 + rest.n == undisturbed.n


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("config.json", lambda held: b""),
        ("study.db", lambda held: held[: len(held) // 16]),
        ("study.db", lambda held: b"no data base at all, but long enough to be taken for one " * 9),
        ("study.db", lambda held: b"\0" * len(held)),
    ],
)
def test_a_damaged_study_is_told(name: str, damage: Any, tmp_path: Path) -> None:
    searched(tmp_path, 1, Scorer())
    (tmp_path / name).write_bytes(damage((tmp_path / name).read_bytes()))
    with pytest.raises(VocalicsError, match=rf"{name}: is (not what a study writes|no study's), or damaged.*; choose"):
        searched(tmp_path, 2, Scorer(), resume=True)


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    searched(tmp_path, 1, Scorer())
    with pytest.raises(VocalicsError, match="holds a study of another configuration"):
        searched(tmp_path, 1, Scorer(), resume=True, seed=5)


def test_a_space_that_differs_in_a_late_digit_is_another(tmp_path: Path) -> None:
    searched(tmp_path, 1, Scorer())
    wider = ("model_settings.C=1e-3..10.000001:log", SPACE[1])
    with pytest.raises(VocalicsError, match=r"space\.model_settings\.C is .*10\.0:log.* there, not .*10\.000001:log"):
        searched(tmp_path, 2, Scorer(), resume=True, asked=wider)


@pytest.mark.parametrize("n_done", [0, 8])
def test_a_study_that_was_begun_before_bounds_were_written_in_full_goes_on(
    whole: tuple[tuning.Found, Scorer], n_done: int, tmp_path: Path
) -> None:
    searched(tmp_path, n_done, Scorer())
    path = tmp_path / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    assert config["space"]["model_settings.C"] == "0.001..10.0:log"
    config["space"]["model_settings.C"] = "0.001..10:log"
    path.write_text(json.dumps(config), encoding="utf-8")
    if n_done:  # six digits do not tell these apart, but what its trials drew from does
        for other in ("1e-3..10.000001:log", "0.0010000001..10:log"):
            with pytest.raises(VocalicsError, match=r"of another configuration \(space.*\.C is 0.001..10.0:log there"):
                searched(tmp_path, 14, Scorer(), resume=True, asked=(f"model_settings.C={other}", SPACE[1]))
    again = searched(tmp_path, 14, Scorer(), resume=True)
    assert told(again) == told(whole[0])
    assert told(searched(tmp_path, 14, Scorer(), resume=True)) == told(again)
    with pytest.raises(VocalicsError, match=r"space\.model_settings\.C"):
        searched(tmp_path, 14, Scorer(), resume=True, asked=("model_settings.C=1e-3..20:log", SPACE[1]))


# --- trials -----------------------------------------------------------------------------------------------------


def test_a_failed_trial_is_told_and_the_search_goes_on(found: tuning.Found) -> None:
    failed = [t for t in found.trials if t.state == "failed"]
    assert failed
    assert {t.error for t in failed} == {"C is between 3 and 10"}
    assert all(np.isnan(t.score) and not t.scores for t in failed)
    assert f"- trial {failed[0].number}: C is between 3 and 10" in found.to_markdown()
    assert failed[0].number < 14


def test_a_search_of_failures_only_ends(tmp_path: Path) -> None:
    def score(bench: Bench, tried: Recipe, number: int) -> float:
        if "C" in tried.model_settings:
            raise VocalicsError("no such thing")
        return 0.5

    with pytest.raises(VocalicsError, match="every one of 5 trials failed, the last with: no such thing"):
        searched(tmp_path, 9, score)


def test_a_pruned_trial_was_below_the_median_after_the_same_folds(found: tuning.Found) -> None:
    pruned = [t for t in found.trials if t.state == "pruned"]
    assert pruned
    for trial in pruned:
        before = [t for t in found.trials[: trial.number - 1] if t.state == "complete"]
        n = len(trial.scores)
        assert n < 3
        assert trial.score < np.median([np.mean(t.scores[:n]) for t in before])
    assert found.best_trial is not None
    assert found.best_trial.state == "complete"
    assert found.best_trial.score == max(t.score for t in found.trials if t.state == "complete")


def test_the_timeout_begins_no_further_trial(corpus: tuple[Manifest, Path], tmp_path: Path) -> None:
    manifest, cache = corpus
    data = dataset.divide(manifest, recipe(), ["speaker=clips/s1"])
    space = tuning.search_space(recipe(), SPACE, only=True)
    folds = tuning.inner_folds(data, recipe(), 2)
    found = tuning.search(recipe(), data, folds, space, tmp_path, 50, timeout=0.0, cache=cache, threads=1)
    assert found.trials == ()
    assert len(found.reference) == 2
    assert found.best == found.recipe
    assert "0 trials: 0 complete" in found.to_markdown()


# --- what is written --------------------------------------------------------------------------------------------


def test_the_best_recipe_is_a_file_that_can_be_trained(tmp_path: Path) -> None:
    publication = Publication("a paper", "80 %", test=0.2)
    steps = ({"name": "add_noise", "snr_db": (5.0, 20.0)},)
    found = searched(tmp_path / "study", 3, Scorer(), publication=publication, augment=steps)
    path = tmp_path / "best.toml"
    path.write_text(found.to_toml(), encoding="utf-8")
    again = read(str(path))
    best = found.best_trial
    assert best is not None
    assert found.better
    assert {**again.as_dict(), "augment": ()} == {**found.best.as_dict(), "augment": ()}
    assert again.steps == found.best.steps
    assert again.model_settings == {k.removeprefix("model_settings."): v for k, v in best.settings.items()}
    assert again.model_settings != recipe().model_settings
    assert path.read_text(encoding="utf-8").startswith(f"# Found by vocalics tune: trial {best.number} of 3")


def test_where_no_trial_is_better_the_recipe_stays(tmp_path: Path) -> None:
    def score(bench: Bench, tried: Recipe, number: int) -> float:
        return 0.4 if tried.model_settings else 0.6

    found = searched(tmp_path, 3, score)
    assert not found.better
    assert found.best == found.recipe
    assert "none of 3 trials of vocalics tune was better" in found.to_toml()
    assert "No trial was better than the recipe as it stood" in found.to_markdown()
    assert tomllib.loads(found.to_toml())["name"] == "t"
    assert found.importance == {}
    assert "too few complete trials" in found.to_markdown()


def test_report_and_table_say_what_the_figures_are(found: tuning.Found) -> None:
    text = found.to_markdown()
    assert found.best_trial is not None
    for words in (
        "x · 8 speakers, 48 clips; kept apart: speaker=x/3",
        "3 inner folds by speaker · 14 trials · seed 0",
        "The clips of speaker=x/3 were no part of the search.",
        "the best of many is also the luckiest: they are optimistic",
        f"| best trial ({found.best_trial.number}) | {100 * found.best_trial.score:.1f} |",
    ):
        assert words in text
    lines = found.to_csv().splitlines()
    assert lines[0].startswith("trial,state,uar,fold_1,fold_2,fold_3,model_settings.C,model_settings.balanced,seconds")
    assert len(lines) == 15
    failed = dataclasses.replace(found.trials[0], error="=cmd|' /C calc'!A0")
    assert "'=cmd|' /C calc'!A0" in dataclasses.replace(found, trials=(failed,)).to_csv().splitlines()[1].split(",")


def test_what_decides_the_score_is_what_mattered(found: tuning.Found) -> None:
    assert next(iter(found.importance)) == "model_settings.C"
    assert found.importance["model_settings.C"] > 0.7
    assert sum(found.importance.values()) == pytest.approx(1.0)


# --- the space --------------------------------------------------------------------------------------------------


def keys(space: Sequence[Range | Choice]) -> set[str]:
    return {one.key for one in space}


def test_a_model_brings_the_settings_that_it_has() -> None:
    svm = keys(tuning.search_space(recipe(model="svm")))
    assert {"model_settings.C", "model_settings.gamma"} <= svm
    assert not any(key.startswith("fit.") for key in svm)
    cnn = keys(tuning.search_space(recipe(model="cnn", features="")))
    assert {
        "model_settings.n_layers",
        "model_settings.n_filters",
        "model_settings.activation",
        "fit.rate",
    } <= cnn
    assert not any(key.startswith("batch.") for key in cnn)
    waveform = keys(tuning.search_space(recipe(model="logmel_cnn", features="", n_copies=2)))
    assert {"model_settings.channels", "batch.mixup_share", "n_copies"} <= waveform


def test_every_model_s_own_space_fits_the_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from vocalics import training
    from vocalics.models import models

    # A small encoder stands for the one that is not there.
    fakes.small_whisper(tmp_path / "whisper-base", n_blocks=4)
    monkeypatch.setenv("VOCALICS_ENCODERS", str(tmp_path))
    monkeypatch.setattr(training.checks, "encoded_front_end", lambda name: None)
    encoded, real = SimpleNamespace(name="encoder", shape=(2048,), is_vector=True), training.checks.feature_set
    monkeypatch.setattr(training.checks, "feature_set", lambda name: encoded if "@" in name else real(name))
    searched = 0
    for name in models():
        if name != "majority":
            searched += len(tuning.search_space(recipe(model=name, features=""))) > 0
    assert searched == len(models()) - 1
    with pytest.raises(RecipeError, match="majority has no setting that is searched by itself; name some with --param"):
        tuning.search_space(recipe(model="majority"))


def test_what_is_asked_for_replaces_and_what_is_settled_is_left_out() -> None:
    own = tuning.search_space(recipe(model="svm"))
    asked = tuning.search_space(recipe(model="svm"), ["model_settings.C=1..2"], settled=["model_settings.gamma"])
    assert keys(asked) == keys(own) - {"model_settings.gamma"}
    assert next(one for one in asked if one.key == "model_settings.C") == Range("model_settings.C", 1.0, 2.0, True)
    only = tuning.search_space(recipe(), ["features=mfcc_chroma_mel|zcr_chroma_mfcc_rms_mel"], only=True)
    assert keys(only) == {"features"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fit.rate=1e-4..1e-2:log", Range("fit.rate", 1e-4, 1e-2, log=True)),
        ("n_copies=0..3", Range("n_copies", 0.0, 3.0, whole=True)),
        ("model_settings.dropout=0..0.5", Range("model_settings.dropout", 0.0, 0.5)),
        ("a = relu | gelu", Choice("a", ("relu", "gelu"))),
        ("a=[1, 2]|[3]", Choice("a", ("[1, 2]", "[3]"))),
    ],
)
def test_parameters_are_read(text: str, expected: Range | Choice) -> None:
    assert parameter(text) == expected


def test_a_space_that_is_written_is_read_back_and_no_two_are_written_alike() -> None:
    texts = (
        "k=1000000..1234567", "k=1000000..1234568", "k=1..2", "k=1.0..2.0", "k=0..0.6", "k=1e-5..0.1:log",
        "k=1e-5..0.10000001:log", "k=2..128:log", "k=-3..1e22", "k=a|b",
    )  # fmt: skip
    spaces = [parameter(text) for text in texts]
    assert [parameter(f"{one.key}={one}") for one in spaces] == spaces
    assert len({str(one) for one in spaces}) == len({*spaces}) == len(texts)
    assert str(spaces[0]) == "1000000..1234567"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fit.rate", r'--param "fit.rate": expected KEY=VALUES, e.g. fit.rate=1e-4..1e-2:log'),
        ("fit.rate=0.1", "is one value; expected LOW..HIGH or A|B|C, or --set fit.rate=0.1"),
        ("fit.rate=a..b", '"a..b" is no range of numbers'),
        ("fit.rate=1..1", "1 is not below 1"),
        ("fit.rate=1e-4..inf", '"1e-4..inf" is not finite; expected e.g. fit.rate=1e-4..1e-2:log'),
        ("fit.rate=-inf..1", '"-inf..1" is not finite'),
        ("fit.rate=nan..1", '"nan..1" is not finite'),
        ("fit.rate=1e-4..1e999:log", '"1e-4..1e999:log" is not finite'),
        (f"fit.n_epochs=1..1{400 * '0'}", '0" is not finite'),
        ("fit.rate=-1e308..1e308", '"-1e308..1e308" is not finite'),
        ("fit.rate=0..1:log", '0 has no logarithm; begin above 0, or leave ":log" out'),
        ("fit.optimiser=adam|adam", "a choice is empty or stands there twice"),
        ("fit.optimiser=adam|adamm", 'fit.optimiser = "adamm" is unknown; did you mean "adam"?'),
        ("fit.raet=1e-4..1e-2", 'unknown key "raet"; did you mean "rate"?'),
        ("fits.rate=1e-4..1e-2", 'unknown key "fits"; did you mean "fit"?'),
        ("model_settings.blanced=true|false", 'unknown key "blanced"; did you mean "balanced"?'),
        ("model_settings.C=-1..1", "model_settings.C = -1; expected a number above 0"),
        ("features=mfcc_chroma_mel|mfcc_frames", "mfcc_frames are 25 x 216 numbers"),
        ("seed=0..9", "seed says what is learnt and measured"),
        ("n_copies=-1..2", "n_copies = -1 is below 0"),
        ("seed.x=1..2", "seed says what"),
        ("name.x=1|2", "name says what"),
        ("model.x=1|2", '"model" is no table; "model.x" cannot be set in it'),
    ],
)
def test_a_wrong_parameter_is_told_before_anything_is_computed(text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        tuning.search_space(recipe(), [text], only=True)
    assert message in str(caught.value)


def test_a_parameter_stands_in_one_place_only() -> None:
    with pytest.raises(RecipeError, match="was given already"):
        tuning.search_space(recipe(), ["model_settings.C=1..2", "model_settings.C=1..3"])
    with pytest.raises(RecipeError, match="is settled by --set; leave one of them out"):
        tuning.search_space(recipe(), ["model_settings.C=1..2"], settled=["model_settings.C"])


def test_a_search_that_leaves_the_copies_out_leaves_what_is_done_to_them_out() -> None:
    steps = ({"name": "add_noise", "snr_db": (5.0, 20.0)},)
    before = recipe(n_copies=2, augment=steps)
    none, one = (changed(before, {"n_copies": n}) for n in (0, 1))
    for made in (none, one):
        training.check_copies(made)
    assert none.augment == () and one.steps == before.steps
    with pytest.raises(RecipeError, match="give both, or neither"):  # nothing was searched that would excuse it
        training.check_copies(changed(recipe(augment=steps), {"fit.rate": 0.5}))


def test_a_changed_recipe_differs_in_what_was_changed_only() -> None:
    before = recipe(model_settings={"balanced": True})
    after = changed(before, {"model_settings.C": 2.0, "fit.rate": 0.5})
    assert after.model_settings == {"balanced": True, "C": 2.0}
    assert after.fit.rate == 0.5
    assert before.model_settings == {"balanced": True}
    assert changed(after, {"model_settings": {"balanced": True}, "fit.rate": before.fit.rate}) == before
