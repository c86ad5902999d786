"""Training: what is kept apart stays apart, and a killed run ends as an undisturbed one."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest
import soundfile

from vocalics import dataset, recognizer, training
from vocalics.audio import Clip
from vocalics.cli.train import _relation
from vocalics.dataset import Data
from vocalics.errors import RecipeError, VocalicsError
from vocalics.features.feature_set import feature_set
from vocalics.manifest import Manifest, Utterance
from vocalics.models import neural
from vocalics.recipe import Fit, Recipe, read
from vocalics.training import neural as training_of_nets
from vocalics.training.folder import settle

RATE = 16_000
PITCH = {"angry": 260.0, "sad": 110.0, "neutral": 170.0}

TOML = """
name = "tiny"
description = "a small net for tests"
model = "logmel_cnn"
scheme = "three"
corpora = ["folder"]
validation = 0.2
n_copies = 1

[model_settings]
channels = [4, 8, 8, 8]
n_hidden = 8

[[augment]]
name = "add_noise"
snr_db = [10.0, 30.0]

[batch]
n_frames = 64

[fit]
optimiser = "adamw"
rate = 5e-3
schedule = "cosine"
n_epochs = 4
batch_size = 8
draws = 48
average = 0.9
"""


def voice(emotion: str, rng: np.random.Generator) -> np.ndarray:
    """A second of a wavering harmonic tone whose pitch tells the emotion."""
    t = np.arange(RATE) / RATE
    pitch = PITCH[emotion] * rng.uniform(0.95, 1.05) * (1 + 0.03 * np.sin(2 * np.pi * 4 * t))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    tone = sum(np.sin(k * phase) / k for k in range(1, 12))
    return (0.1 * tone * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t)) + 0.001 * rng.standard_normal(RATE)).astype(np.float32)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voices")
    rng = np.random.default_rng(0)
    lines = ["path,emotion,speaker"]
    for speaker in range(6):
        for emotion in ("angry", "neutral", "happy"):
            for take in range(3):
                name = f"{speaker}_{emotion}_{take}.wav"
                soundfile.write(folder / name, voice({"happy": "sad"}.get(emotion, emotion), rng), RATE)
                lines.append(f"{name},{emotion},s{speaker}")
    table = folder / "clips.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return table


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(TOML, encoding="utf-8")
    return path


def arguments(recipe: Path, corpus: Path, output: Path, *more: str) -> list[str]:
    return ["train", str(recipe), "--corpus", f"folder={corpus}", "-o", str(output), "--threads", "1", "--cache",
            str(corpus.parent / "cache"), *more]  # fmt: skip


def history(folder: Path) -> list[dict[str, float]]:
    records = json.loads((folder / "history.json").read_text())
    return [{k: v for k, v in record.items() if not k.endswith("seconds")} for record in records]


@pytest.mark.slow
def test_killed_and_resumed_ends_as_undisturbed(
    corpus: Path, recipe_file: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    code, _, errors = run(*arguments(recipe_file, corpus, whole))
    assert code == 0, errors

    program = [sys.executable, "-c", "from vocalics.cli.main import main; main()"]
    process = subprocess.Popen(
        [*program, *arguments(recipe_file, corpus, broken)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        deadline = time.monotonic() + 120
        while not (broken / "checkpoint.safetensors").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert not (broken / "tiny.onnx").exists()
    code, _, errors = run(*arguments(recipe_file, corpus, broken, "--resume"))
    assert code == 0, errors

    assert len(history(whole)) == 4
    assert history(broken) == history(whole)
    assert history(whole)[0] != history(whole)[3]
    rng = np.random.default_rng(5)
    for emotion in PITCH:
        clip = Clip(voice(emotion, rng), RATE)
        first, second = (recognizer.load(f / "tiny.onnx").predict(clip).probabilities for f in (whole, broken))
        assert first == second
        assert len(set(first.values())) > 1


def rows(corpus_name: str = "x", n_speakers: int = 10) -> Manifest:
    return Manifest(
        tuple(
            Utterance(f"{s}-{e}-{k}.wav", corpus_name, f"{corpus_name}/{s}", e, e, digest=f"{corpus_name}{s}{e}{k}")
            for s in range(n_speakers)
            for e in ("angry", "calm", "neutral", "boredom")
            for k in range(1 if e == "angry" else 3)
        )
    )


def small(**values: object) -> Recipe:
    return Recipe(name="t", description="", model="logmel_cnn", **values)  # type: ignore[arg-type]


def test_divide_keeps_speakers_apart_and_merges_by_scheme() -> None:
    data = dataset.divide(rows(), small(scheme="four"), ["speaker=x/3"])
    parts = [set(data.speakers(p)) for p in (data.train, data.validation, data.tests["speaker=x/3"])]
    assert parts[2] == {"x/3"}
    assert parts[1] and parts[0]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    assert {u.emotion for u in data.manifest} == {"angry", "neutral"}
    assert sum(u.label == "calm" for u in data.manifest) == 30
    assert data.excluded == ("boredom",)
    assert training.card(small(), data, input="waveform", sample_rate=16_000).excluded == ("boredom",)


def test_draw_weights_balance_corpora_and_emotions() -> None:
    manifest = rows("x", 10) + rows("y", 2)
    data = dataset.divide(manifest, small(validation=0.0, corpora=("x", "y")), [])
    weights = dataset.draw_weights(data, {"x": 0.75, "y": 0.25})
    assert len(set(weights)) > 1
    by: Counter[tuple[str, str]] = Counter()
    for weight, i in zip(weights, data.train, strict=True):
        by[data.manifest[i].corpus, data.manifest[i].emotion] += weight
    assert sum(v for (c, _), v in by.items() if c == "x") == pytest.approx(0.75)
    for (c, _), value in by.items():
        assert value == pytest.approx({"x": 0.25, "y": 0.25 / 3}[c])


def test_the_share_of_folder_is_that_of_ones_own_recordings() -> None:
    data = dataset.divide(rows("my_recordings") + rows("tess", 2), small(validation=0.0), [])
    weights = dataset.draw_weights(data, {"folder": 0.75, "tess": 0.25})
    own = [data.manifest[i].corpus == "my_recordings" for i in data.train]
    assert weights[own].sum() == pytest.approx(0.75)
    assert weights.sum() == pytest.approx(1.0)
    with pytest.raises(RecipeError, match=r"shares \(savee\) leave nothing to draw; the training clips are of"):
        dataset.draw_weights(data, {"savee": 1.0})


def test_gather_names_missing_and_superfluous_corpora(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="needs the corpora savee; name their folders with --corpus savee=FOLDER"):
        dataset.gather({}, small(corpora=("savee",)))
    with pytest.raises(RecipeError, match="does not use tess; it trains on savee"):
        dataset.gather({"savee": tmp_path, "tess": tmp_path}, small(corpora=("savee",)))


def test_a_corpus_that_the_shares_forget_is_refused(corpus: Path, recipe_file: Path, tmp_path: Path) -> None:
    recipe = read(str(recipe_file))
    manifest = dataset.gather({"folder": corpus}, recipe)
    forgetful = dataclasses.replace(recipe, corpora=("folder", "tess"), shares={"tess": 1.0})
    with pytest.raises(RecipeError, match=r"shares leave out clips, .* \(--set shares\.folder=1; 0 leaves it out\)"):
        training.train(forgetful, manifest, tmp_path / "run", threads=1)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_copies": 0}, "augment is what is done to n_copies copies"),
        ({"augment": [], "n_copies": 2}, "augment is what is done to n_copies copies"),
        ({"batch.noise_snr_db": [3.0]}, "expected the lowest and the highest"),
        ({"batch.n_frames": 20, "batch.time_mask": 30}, "time_mask = 30; expected 0 to n_frames, 20"),
        (
            {"model_settings.halving": "blurr"},
            'recipe default: model_settings: halving = blurr; did you mean "blur"? Known: max, blur',
        ),
        ({"model_settings.halving": 2}, "recipe default: model_settings: halving = 2. Known: max, blur"),
        ({"teacher.settings": {"width": [3]}}, 'teacher.settings: unknown key "width"; did you mean "widths"?'),
    ],
)
def test_settings_that_would_do_nothing_or_break_late_are_refused(changes: dict[str, object], message: str) -> None:
    if any(key.startswith("teacher") for key in changes):
        plain = {"teacher.features": "mfcc_pitch_energy_statistics", "teacher.n_frame_hints": 0}
        changes = {**plain, "teacher.frame_hint_weight": 0.0, **changes}
    else:
        changes = {"teacher": "none", **changes}
    with pytest.raises(RecipeError, match=re.escape(message)):
        training.check(read("default", changes))
        training.check_copies(read("default", changes))


def test_what_targets_and_copies_are_made_of_is_part_of_a_run(corpus: Path, recipe_file: Path, tmp_path: Path) -> None:
    recipe = read(str(recipe_file), {"fit.vote_share": 0.5})
    data = dataset.divide(dataset.gather({"folder": corpus}, recipe), recipe)
    settle(tmp_path / "run", recipe, data, False)
    settle(tmp_path / "run", recipe, data, True)
    first = data.manifest[0]
    voted = (dataclasses.replace(first, ratings={first.emotion: 3}), *data.manifest[1:])
    with pytest.raises(VocalicsError, match=r"another configuration \(votes differs\)"):
        settle(tmp_path / "run", recipe, dataclasses.replace(data, manifest=Manifest(voted)), True)


def test_a_folder_that_holds_a_run_is_refused(corpus: Path, recipe_file: Path, tmp_path: Path) -> None:
    recipe = read(str(recipe_file), {"fit.n_epochs": 1, "fit.draws": 8})
    manifest = dataset.gather({"folder": corpus}, recipe)
    path = training.train(recipe, manifest, tmp_path / "run", cache=corpus.parent / "cache", threads=1)
    with pytest.raises(VocalicsError, match="holds a run already; go on with --resume"):
        training.train(recipe, manifest, tmp_path / "run", threads=1)
    other = read(str(recipe_file), {"fit.n_epochs": 2, "fit.draws": 8})
    with pytest.raises(VocalicsError, match="another configuration"):
        training.train(other, manifest, tmp_path / "run", resume=True, threads=1)
    told = dataclasses.replace(recipe, description="put better", limits="few")
    assert (
        training.train(told, manifest, tmp_path / "run", resume=True, cache=corpus.parent / "cache", threads=1) == path
    )
    card = recognizer.load(path).card
    assert (card.description, card.limits) == ("put better", "few")
    assert card.emotions == ("neutral", "happy", "angry")
    assert not set(card.training_speakers) & set(card.validation_speakers)
    assert card.recipe["fit"]["n_epochs"] == 1


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("config.json", lambda held: b"{"),
        ("config.json", lambda held: b"[]"),
        ("checkpoint.safetensors", lambda held: held[: len(held) // 2]),
        ("checkpoint.safetensors", lambda held: b""),
        ("checkpoint.safetensors", lambda held: held.replace(b'"records"', b'"retold!"', 1)),
    ],
)
def test_a_damaged_run_is_told(
    name: str, damage: Callable[[bytes], bytes], corpus: Path, recipe_file: Path, tmp_path: Path
) -> None:
    recipe = read(str(recipe_file), {"fit.n_epochs": 1, "fit.draws": 8})
    manifest = dataset.gather({"folder": corpus}, recipe)
    cache = corpus.parent / "cache"
    path = training.train(recipe, manifest, tmp_path / "run", cache=cache, threads=1)
    path.unlink()
    held = (tmp_path / "run" / name).read_bytes()
    (tmp_path / "run" / name).write_bytes(damage(held))
    with pytest.raises(VocalicsError, match=rf"{name}: is not what a (run|training) writes, or damaged; "):
        training.train(recipe, manifest, tmp_path / "run", resume=True, cache=cache, threads=1)


def test_ctrl_c_says_how_to_go_on(
    corpus: Path,
    recipe_file: Path,
    tmp_path: Path,
    run: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(neural.Course, "on_epoch_end", stopped)
    code, _, err = run(*arguments(recipe_file, corpus, tmp_path / "run"))
    told = f"stopped; go on with the same command and --resume ({tmp_path / 'run'})"
    assert code == 130 and err.rstrip().endswith(told) and "Traceback" not in err
    monkeypatch.setattr(dataset, "gather", stopped)
    code, _, err = run(*arguments(recipe_file, corpus, tmp_path / "never"))
    assert code == 130 and "go on" not in err  # nothing is there to go on with


def test_majority_through_the_same_command(corpus: Path, tmp_path: Path) -> None:
    recipe = Recipe(name="majority", description="", model="majority", scheme="three", corpora=("folder",))
    manifest = dataset.gather({"folder": corpus}, recipe)
    path = training.train(recipe, manifest, tmp_path / "run", cache=tmp_path / "cache", threads=1)
    model = recognizer.load(path)
    assert model.card.feature_set == "zcr_chroma_mfcc_rms_mel"
    said = model.predict(Clip(voice("sad", np.random.default_rng(1)), RATE))
    assert said.confidence == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_settings": {"chanels": [1]}}, 'unknown key "chanels"; did you mean "channels"?'),
        ({"batch": {"n_frame": 3}}, 'unknown key "n_frame"; did you mean "n_frames"?'),
        ({"late_batch": {"noize": 0.5}}, 'unknown key "noize"; did you mean "noise"?'),
        ({"batch": {"noise_snr_db": "loud"}}, "is not a list"),
    ],
)
def test_a_recipe_is_checked_before_anything_is_computed(values: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        training.check(small(**values))
    assert message in str(caught.value)
    assert training.check(small()).name == "logmel_cnn"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "svm", "batch": {"mixup": 0.3}}, "svm has no batch"),
        ({"model": "dense_128", "late_batch": {"mixup": 0.3}}, "dense_128 has no late_batch"),
        ({"model": "dense_128", "batch": {"mixupp": 0.3}}, 'batch: unknown key "mixupp"; did you mean "mixup"'),
    ],
)
def test_what_batches_of_features_are_is_checked(values: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        training.check(Recipe("x", "", scheme="six", **values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "features", "message"),
    [
        ("cnn2d", "mfcc_chroma_mel", "mfcc_chroma_mel are 268 numbers, the model cnn2d takes 25 x 216"),
        (
            "dense_128",
            "logmel",
            "logmel are 64 x any numbers, the model dense_128 takes 268; it is made for mfcc_chroma",
        ),
        ("majority", "mfcc_frames", "mfcc_frames are 25 x 216 numbers, the model majority takes n"),
    ],
)
def test_features_of_another_shape_are_refused(model: str, features: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        training.check(Recipe(name="t", description="", model=model, features=features))
    fitting = Recipe(name="t", description="", model=model, model_settings={})
    assert training.check(fitting).name == model
    wide = {"n_features": 162}
    changed = Recipe("t", "", "dense_128", features="zcr_chroma_mfcc_rms_mel", model_settings=wide)
    assert training.check(changed).name == "dense_128"


def test_fewer_clips_than_a_batch_train_too(corpus: Path, recipe_file: Path, tmp_path: Path) -> None:
    few = {"fit.n_epochs": 1, "fit.draws": 0, "fit.batch_size": 500, "validation": 0.0}
    recipe = read(str(recipe_file), few)
    manifest = dataset.gather({"folder": corpus}, recipe)
    path = training.train(recipe, manifest, tmp_path / "run", cache=corpus.parent / "cache", threads=1)
    assert history(tmp_path / "run")[0]["batches"] == 1
    assert recognizer.load(path).card.validation_speakers == ()


def test_clips_of_a_few_frames_train_and_are_judged(corpus: Path, recipe_file: Path, tmp_path: Path) -> None:
    recipe = read(str(recipe_file), {"fit.n_epochs": 1, "fit.draws": 8})
    manifest = dataset.gather({"folder": corpus}, recipe)
    data = dataset.divide(manifest, recipe, [])
    clips = list(manifest)
    for k, i in enumerate((data.validation[0], data.train[0], data.train[1])):
        path = tmp_path / f"{k}.wav"
        soundfile.write(path, voice("sad", np.random.default_rng(k))[: 400 + 300 * k], RATE)
        clips[i] = dataclasses.replace(clips[i], path=str(path), digest="")
    short = Manifest(tuple(clips)).with_digests()
    path = training.train(recipe, short, tmp_path / "run", cache=tmp_path / "cache", threads=1)
    assert json.loads((path.parent / training.COMPARISON).read_text())["clips"] == 13  # of 16
    assert [p.name for p in path.parent.glob(".*")] == []


def test_a_file_that_is_not_finished_has_not_its_name(
    corpus: Path, recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = read(str(recipe_file), {"fit.n_epochs": 1, "fit.draws": 8})
    manifest = dataset.gather({"folder": corpus}, recipe)
    path = training.train(recipe, manifest, tmp_path / "run", cache=corpus.parent / "cache", threads=1)
    before, finished = path.read_bytes(), (path.parent / training.COMPARISON).read_bytes()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training_of_nets, "_learn_centres", killed)
    with pytest.raises(KeyboardInterrupt):
        training.train(recipe, manifest, tmp_path / "run", resume=True, cache=corpus.parent / "cache", threads=1)
    assert path.read_bytes() == before and (path.parent / training.COMPARISON).read_bytes() == finished
    with pytest.raises(KeyboardInterrupt):
        training.train(recipe, manifest, tmp_path / "other", cache=corpus.parent / "cache", threads=1)
    assert not [*(tmp_path / "other").glob("*.onnx")] and not (tmp_path / "other" / training.COMPARISON).exists()


def test_validation_without_speech_leaves_a_net_that_knows_nothing_strange(
    corpus: Path, recipe_file: Path, tmp_path: Path
) -> None:
    recipe = read(str(recipe_file), {"fit.n_epochs": 1, "fit.draws": 8, "fit.calibrate": True})
    data = dataset.divide(dataset.gather({"folder": corpus}, recipe), recipe)
    rows, rng = list(data.manifest), np.random.default_rng(0)
    for k, i in enumerate(data.validation):
        soundfile.write(tmp_path / f"{k}.wav", 1e-3 * rng.standard_normal(RATE // 2), RATE)
        rows[i] = dataclasses.replace(rows[i], path=str(tmp_path / f"{k}.wav"), digest="")
    hissing = dataclasses.replace(data, manifest=Manifest(tuple(rows)).with_digests())
    for name, some in (("speech", data), ("hiss", hissing)):
        path = training.train_on(some, recipe, tmp_path / name, cache=tmp_path / "cache", threads=1)
        strange = recognizer.load(path).predict(Clip(voice("sad", rng), RATE)).strangeness
        assert (strange is None) == (name == "hiss")


def test_a_net_says_what_it_was_not_taught(
    corpus: Path, recipe_file: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    lines = corpus.read_text(encoding="utf-8").splitlines()
    own = corpus.with_name("fewer.csv")
    own.write_text("\n".join(line for line in lines if ",happy," not in line) + "\n", encoding="utf-8")
    few = ("--set", "fit.n_epochs=1", "--set", "fit.draws=8")
    code, _, err = run(*arguments(recipe_file, own, tmp_path / "run", *few))
    assert code == 0, err
    assert "no training clip is happy: the model is not taught what that sounds like" in " ".join(err.split())
    card = recognizer.load(tmp_path / "run" / "tiny.onnx").card
    assert card.limits.endswith("Never heard in training: happy.") and "happy" in card.emotions
    assert card.corpora[0]["commercial"] is None and not card.commercial and "forbid" not in card.licence
    code, out, _ = run("models", "show", str(tmp_path / "run" / "tiny.onnx"))
    assert code == 0 and "not known of fewer" in out and "non-commercial" not in out
    one = corpus.with_name("one.csv")
    one.write_text("\n".join(line for line in lines if "happy" in line or "path" in line) + "\n", encoding="utf-8")
    code, _, err = run(*arguments(recipe_file, one, tmp_path / "one", *few))
    assert code == 1 and "every training clip is happy; expected two emotions or more" in " ".join(err.split())
    nameless = corpus.with_name("nameless.csv")
    nameless.write_text("\n".join(line.rpartition(",")[0] for line in lines) + "\n", encoding="utf-8")
    code, _, err = run(*arguments(recipe_file, nameless, tmp_path / "nameless", *few))
    assert code == 0
    assert "clips without a speaker train and validate: a voice may be on both sides" in " ".join(err.split())


def test_a_recipe_of_other_corpora_has_not_their_limits(recipe_file: Path) -> None:
    assert read("svm").limits and not read("svm", {"corpora": []}).limits
    assert read("svm", {"corpora": [], "limits": "mine"}).limits == "mine"
    assert read("default", {"corpora": []}).shares == {}
    assert read("default", {"corpora": ["savee", "folder"], "shares.folder": 2.0}).shares == {
        "savee": 0.16,
        "folder": 2.0,
    }
    with pytest.raises(RecipeError, match="shares names mine, which corpora does not list"):
        read("default", {"corpora": ["savee"], "shares.mine": 2.0})


def test_a_probability_that_is_none_is_a_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Uncertain:
        said = iter((0.5, np.nan, 0.5))

        def probabilities(self, _: object) -> np.ndarray:
            return np.full((1, 2), next(self.said))

    monkeypatch.setattr(training_of_nets.modelfile, "load", lambda _: Uncertain())
    pairs = [(np.zeros(4), np.zeros(4, np.float32))] * 3
    with pytest.raises(VocalicsError, match="differs from the trained net by nan"):
        training_of_nets._compare(tmp_path / "x.onnx", lambda x: x[:, :2], pairs)


def test_what_cannot_be_judged_costs_no_figure(
    run: Callable[..., tuple[int, str, str]], corpus: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "lr.toml"
    recipe.write_text(fakes.LOGISTIC_REGRESSION, encoding="utf-8")
    clips = list(dataset.gather({"folder": corpus}, read(str(recipe))))
    held = next(i for i, u in enumerate(clips) if u.speaker.endswith("s1"))
    (tmp_path / "broken.wav").write_text("no sound")
    clips[held] = dataclasses.replace(clips[held], path=str(tmp_path / "broken.wav"), digest="")
    Manifest(tuple(clips)).write(tmp_path / "m.csv")
    held_out = [f"--hold-out=speaker={clips[held].speaker}", f"--hold-out=speaker={clips[held].speaker[:-1]}2"]
    code, _, err = run(
        "train", str(recipe), "--corpus", f"folder={tmp_path}/m.csv", *held_out, "-o", str(tmp_path / "r")
    )
    assert code == 1 and "1 clips that were held out could not be judged; the figures are of the others" in err
    figures = recognizer.load(next((tmp_path / "r").glob("*.onnx"))).card.figures
    assert len(figures) == 2 and [f["clips"] for f in figures] == [8, 9]


def test_a_card_names_what_differs_in_the_model_that_was_measured(tmp_path: Path) -> None:
    taught, plain = read("default"), read("default", {"teacher": "none"})
    for theirs, ours in ((taught, plain), (plain, taught)):
        (tmp_path / "config.json").write_text(json.dumps({"recipe": theirs.as_dict()}), encoding="utf-8")
        assert "teacher" in _relation(tmp_path, ours)
        assert _relation(tmp_path, theirs) == "another model of this recipe"


def test_a_net_of_features_is_drawn_by_shares_and_mixed(corpus: Path, tmp_path: Path) -> None:
    features = "mfcc_pitch_energy_statistics"
    recipe = Recipe(
        "rows", "for tests", "dense_head", scheme="three", corpora=("folder",), features=features, validation=0.2,
        model_settings={"n_features": len(feature_set(features).columns), "widths": [16]},
        shares={"folder": 1.0}, batch={"mixup": 0.3}, variants=(({"name": "gain", "gain_db": [-6.0, 6.0]},),),
        fit=Fit(n_epochs=8, batch_size=16, draws=160, rate=5e-3, keep="last", calibrate=True),
    )  # fmt: skip
    manifest = dataset.gather({"folder": corpus}, recipe)
    path = training.train(recipe, manifest, tmp_path / "run", cache=tmp_path / "cache", threads=1)
    assert history(tmp_path / "run")[-1]["valid_uar"] > 0.8
    model = recognizer.load(path)
    assert model.card.conformal and model.predict(Clip(voice("angry", np.random.default_rng(9)), RATE)).emotion
    again = training.train(recipe, manifest, tmp_path / "again", cache=tmp_path / "cache", threads=1)
    assert history(tmp_path / "run")[-1]["train_loss"] == history(tmp_path / "again")[-1]["train_loss"]
    assert again.is_file()


def test_a_card_counts_clips_where_no_speaker_is_known() -> None:
    known = rows(n_speakers=4)  # ten clips each
    nameless = Manifest(tuple(dataclasses.replace(u, path=f"x-{u.path}", speaker="") for u in known))

    def protocol(clips: Manifest, train: Sequence[int], validation: Sequence[int]) -> str:
        data = Data(clips, tuple(train), tuple(validation), {}, ("angry", "neutral"))
        return training.card(small(), data, input="waveform", sample_rate=RATE).protocol

    said = "chose the epoch"
    assert protocol(known, range(30), range(30, 40)) == f"3 training speakers, 1 speakers apart {said}"
    unknown = "clips of unknown speakers"
    assert protocol(nameless, range(36), range(36, 40)) == f"36 training {unknown}, 4 {unknown} apart {said}"
    assert protocol(nameless, range(36), ()) == f"36 training {unknown}, none apart"
    assert (
        protocol(known + nameless, range(10, 60), (*range(10), 60, 61))
        == f"3 training speakers and 20 {unknown}, 1 speakers and 2 {unknown} apart {said}"
    )


def test_protocol_and_fold_go_together() -> None:
    recipe = small(scheme="four")
    first, second = (dataset.divide(rows(), recipe, (), "leave-one-speaker-out", k) for k in (1, 2))
    assert list(first.tests.values()) != list(second.tests.values())
    with pytest.raises(VocalicsError, match="has no fold 11; expected 1 to 10"):
        dataset.divide(rows(), recipe, (), "leave-one-speaker-out", 11)
    with pytest.raises(VocalicsError, match="--fold 2 needs a --protocol"):
        dataset.divide(rows(), recipe, (), "", 2)
    with pytest.raises(VocalicsError, match="exclude each other"):
        dataset.divide(rows(), recipe, ["speaker=x/3"], "speaker")


def test_what_is_over_is_not_trained_or_computed_again(
    corpus: Path, recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = read(str(recipe_file), {"fit.n_epochs": 1, "fit.draws": 8})
    manifest = dataset.gather({"folder": corpus}, recipe)
    path = training.train(recipe, manifest, tmp_path / "run", cache=corpus.parent / "cache", threads=1)
    first = path.rename(tmp_path / "first.onnx")
    asked: list[int] = []
    bank = training.inputs.bank

    def counted(clips: Any, settings: Any, cache: Path, progress: Any) -> Any:
        asked.append(len(clips) * (settings.n_copies + 1))
        return bank(clips, settings, cache, progress=progress)

    monkeypatch.setattr(training.inputs, "bank", counted)
    monkeypatch.setattr(neural.NeuralClassifier, "fit_loop", None)
    again = training.train(recipe, manifest, tmp_path / "run", resume=True, cache=tmp_path / "new", threads=1)
    data = dataset.divide(manifest, recipe, [])
    assert asked == [1, len(data.validation)]
    probe = Clip(voice("sad", np.random.default_rng(3)), RATE)
    assert recognizer.load(first).predict(probe).probabilities == recognizer.load(again).predict(probe).probabilities
