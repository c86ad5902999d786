"""Published protocols: what each tests, that nothing leaks into training, and what the figures are made of."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import fakes
import numpy as np
import onnx
import pytest

from vocalics import audio, benchmark, benchmark_page, benchmark_results, judgements, recognizer
from vocalics.audio import Clip
from vocalics.benchmark import Run, Work, divisions, plan, settings
from vocalics.benchmark_results import result
from vocalics.corpora import ScanReport, corpora
from vocalics.emotions import scheme
from vocalics.errors import ManifestError, RecipeError, VocalicsError
from vocalics.export import voice
from vocalics.judgements import judged
from vocalics.manifest import Manifest, Utterance
from vocalics.protocols import PROTOCOLS, classes_of, protocol
from vocalics.recipe import Fit, Recipe
from vocalics.voices import apart

RECIPE = Recipe("lr", "for tests", "logistic_regression", features="mfcc_pitch_energy_statistics", validation=0.0)
PITCH = {"neutral": 110.0, "happy": 170.0, "angry": 250.0, "sad": 90.0}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Voices of three speakers under SAVEE's name, two under TESS's."""
    folder, rows = tmp_path_factory.mktemp("voices"), []
    for k, (corpus, speaker) in enumerate(
        [("savee", "DC"), ("savee", "JE"), ("savee", "KL"), ("tess", "OAF"), ("tess", "YAF")]
    ):
        for emotion, pitch in PITCH.items():
            for take in range(3):
                path = folder / f"{corpus}-{speaker}-{emotion}-{take}.wav"
                audio.write(path, fakes.voice(0.7, pitch * (1 + 0.03 * take + 0.017 * k)))
                rows.append(
                    Utterance(
                        str(path),
                        corpus,
                        f"{corpus}/{speaker}",
                        "",
                        emotion,
                        sex="male" if corpus == "savee" else "female",
                    )
                )
    return Manifest(tuple(rows)).with_digests()


def runs(name: str, scope: str = "all", seeds: int = 1) -> list[Run]:
    return plan([protocol(name)], RECIPE, ["savee", "tess"], scope, seeds)  # type: ignore[arg-type]


def test_protocols_name_what_exists() -> None:
    for name, one in PROTOCOLS.items():
        assert one.name == name and one.metric in ("uar", "accuracy") and scheme(one.scheme)
        assert not one.corpus or one.corpus in corpora()
        assert one.leaky == name.endswith("leaky")
        assert all(0.5 < r.value < 1 for r in one.references)
    with pytest.raises(ManifestError, match=r'unknown protocol "savee-lozo"; did you mean "savee-loso"'):
        protocol("savee-lozo")


@pytest.mark.parametrize("given", ["folder", "mine"])
def test_what_lies_in_a_folder_of_ones_own_is_trained_on(given: str, clips: Manifest) -> None:
    """Its clips are called by the folder, or as their manifest says, whatever stands before the = of --corpus."""
    own = Manifest(tuple(dataclasses.replace(u, corpus=u.corpus.replace("tess", "studio")) for u in clips))
    shares = {"savee": 1.0, given: 1.0}
    weighed = dataclasses.replace(RECIPE, corpora=tuple(shares), shares=shares)
    for recipe in (RECIPE, weighed):
        (run,) = plan([protocol("savee-loso")], recipe, ["savee", given], "all", 1)
        data = divisions(run, own, Path())["savee-DC"]
        assert {data.manifest[i].corpus for i in data.train} == {"savee", "studio"}
    (alone,) = plan([protocol("savee-loso")], RECIPE, ["savee", given], "own", 1)
    assert {u.corpus for u in divisions(alone, own, Path())["savee-DC"].manifest} == {"savee"}
    (left,) = plan([protocol("leave-one-corpus-out")], RECIPE, ["savee", given], "all", 1)
    assert set(divisions(left, own, Path())) == {"savee", "studio"}


def test_every_fold_tests_one_speaker_and_trains_on_others_and_other_corpora(clips: Manifest) -> None:
    (run,) = runs("savee-loso")
    folds = divisions(run, clips, Path())
    assert set(folds) == {"savee-DC", "savee-JE", "savee-KL"}
    for name, data in folds.items():
        (test,) = data.tests.values()
        assert set(data.speakers(test)) == {name.replace("-", "/")}
        assert len(data.speakers(data.train)) == 4 and "tess/OAF" in data.speakers(data.train)
    (own,) = runs("savee-loso", "own")
    assert {u.corpus for u in divisions(own, clips, Path())["savee-DC"].manifest} == {"savee"}
    (left,) = runs("leave-one-corpus-out", "own")
    assert left.scope == "all"  # there is nothing else to train on
    data = divisions(left, clips, Path())["tess"]
    assert {data.manifest[i].corpus for i in data.train} == {"savee"}


def test_seeds_are_runs_of_their_own_and_a_missing_corpus_is_said() -> None:
    assert [r.seed for r in runs("tess-cross", seeds=3)] == [0, 1, 2]
    assert len({r.folder for r in runs("tess-cross", seeds=3) + runs("tess-cross", "own", 3)}) == 6
    assert runs("tess-cross")[0].recipe.scheme == "seven"
    with pytest.raises(ManifestError, match=r"tests ravdess; name its folder with --corpus ravdess=FOLDER"):
        runs("ravdess-emobox")


def test_a_corpus_without_a_share_is_not_said_to_be_trained_on() -> None:
    some = dataclasses.replace(RECIPE, corpora=("tess",), shares={"tess": 1.0})
    with pytest.raises(RecipeError, match=r"its shares leave out savee, of which nothing .*--own-corpus"):
        plan([protocol("savee-loso")], some, ["savee", "tess"], "all", 1)
    (own,) = plan([protocol("savee-loso")], some, ["savee", "tess"], "own", 1)
    assert own.recipe.shares == {} and own.recipe.corpora == ("savee",)
    (tess,) = plan([protocol("tess-cross")], some, ["tess"], "all", 1)
    assert tess.recipe.shares == {"tess": 1.0}


def test_a_member_that_has_changed_is_another_run(clips: Manifest, tmp_path: Path) -> None:
    text = (
        'name = "one"\ndescription = "x"\nmodel = "dense_head"\nfeatures = "mfcc_pitch_energy_statistics"\n'
        'scheme = "three"\n[fit]\nn_epochs = 1\n[model_settings]\nwidths = [{}]\n'
    )
    member = tmp_path / "one.toml"
    found = []
    for width in (4, 9, 4):
        member.write_text(text.format(width), encoding="utf-8")
        both = Recipe("both", "x", "ensemble", corpora=("savee",), members=(str(member),) * 2)
        found.append(settings(both, clips))
    assert found[0] == found[2] != found[1]


def test_a_run_is_trained_judged_and_told(clips: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = [*runs("savee-loso", seeds=2), *runs("leave-one-corpus-out")]
    for run in planned:
        benchmark.execute(run, Work(clips, Path(), tmp_path / "runs", tmp_path / "cache", {"tess": "made up"}, 1))
    notes = {"tess": "made up"}
    found = result(planned[:2], tmp_path / "runs", clips, notes=notes)
    assert found is not None and len(found.by_seed) == 2 and set(found.by_fold) == {"savee-DC", "savee-JE", "savee-KL"}
    assert found.value == pytest.approx(np.mean(list(found.by_fold.values())))
    assert found.n_speakers == 3 and found.n_classes == 4 and found.n_parameters > 0
    assert found.pooled is not None and found.pooled[1] <= found.pooled[0] <= found.pooled[2]
    assert found.value > 0.5  # four pitches, easily told apart
    said = judgements.read(tmp_path / "runs" / planned[0].folder / "fold-savee-DC.csv")
    assert said.emotions == ("neutral", "happy", "sad", "angry")  # the classes that the corpus has
    left = result(planned[2:], tmp_path / "runs", clips, notes=notes)
    assert left is not None and set(left.by_fold) == {"savee", "tess"}
    assert judgements.read(tmp_path / "runs" / planned[2].folder / "fold-tess.csv").emotions == scheme("eight").emotions
    page = benchmark_page.to_markdown([found, left])
    assert "All corpora: savee, tess (made up)." in page
    again = [benchmark_results.from_dict(json.loads(json.dumps(benchmark_results.to_dict(r)))) for r in (found, left)]
    assert benchmark_page.to_markdown(again) == page
    assert f"**{100 * found.value:.1f}** ±" in page and "data2vec 2.0 large, frozen 75.8 (314 M)" in page
    emotion, share = left.named_most["tess"]
    told = judgements.read(tmp_path / "runs" / planned[2].folder / "fold-tess.csv").prediction
    assert share == told.count(emotion) / len(told) and share == max(told.count(e) for e in told) / len(told)
    assert f"{100 * left.by_fold['tess']:.1f} ({emotion} {100 * share:.0f})" in page
    assert "| model | savee | tess (made up) | mean |" in page and "## Speakers shared" not in page
    assert [part.name for part in left.divided["sex"]] == ["female", "male"]
    low, high = sorted(part.uar[0] for part in left.divided["sex"])
    assert f"| {100 * (high - low):.1f} |" in page.partition("## Who is heard how well")[2]
    assert "sex" not in found.divided  # savee's voices are all male
    changed = dataclasses.replace(planned[0], recipe=dataclasses.replace(planned[0].recipe, model_settings={"C": 1.0}))
    with pytest.raises(VocalicsError, match=r"benchmark of another configuration .* another folder with --runs"):
        benchmark.execute(changed, Work(clips, Path(), tmp_path / "runs", tmp_path / "cache", {}, 1))
    with pytest.raises(VocalicsError, match=r"\(recipe.model_settings.C is unset there, not 1.0\)"):
        result([changed], tmp_path / "runs", clips)
    other = Manifest((*clips[1:], dataclasses.replace(clips[0], emotion="sad")))
    with pytest.raises(VocalicsError, match=r"of another configuration \(clips differs\)"):
        result(planned[:1], tmp_path / "runs", other)
    # Folds of the same names, but with other clips in them.
    fewer = dataclasses.replace(planned[2], recipe=dataclasses.replace(planned[2].recipe, corpora=("savee", "tess")))
    monkeypatch.setattr(benchmark, "hold_outs", lambda *_: ["speaker=savee/DC", "corpus=tess"])
    monkeypatch.setattr(benchmark, "fold_name", lambda spec: "tess" if "tess" in spec else "savee")
    with pytest.raises(VocalicsError, match=r"another configuration \(tested.savee differs\)"):
        benchmark.execute(fewer, Work(clips, Path(), tmp_path / "runs", tmp_path / "cache", {}, 1))
    monkeypatch.undo()
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("*.onnx")}
    benchmark.execute(planned[0], Work(clips, Path(), tmp_path / "runs", tmp_path / "cache", {}, 1))
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("*.onnx")}


def test_what_the_sentences_tell_stands_beside(clips: Manifest, tmp_path: Path) -> None:
    (run, left) = (runs("savee-loso")[0], runs("leave-one-corpus-out")[0])
    # Of every emotion, the first clip of each speaker is of one sentence, the others are of the emotion's own.
    seen: Counter[tuple[str, str]] = Counter()
    rows = []
    for u in clips:
        seen[u.speaker, u.emotion] += 1
        rows.append(dataclasses.replace(u, statement="01" if seen[u.speaker, u.emotion] == 1 else f"{u.emotion}06"))
    spoken = Manifest(tuple(rows))
    (n,) = {k for (speaker, _), k in seen.items() if speaker.startswith("savee")}
    told = benchmark.by_sentence(run.protocol, spoken, Path())
    assert told == pytest.approx(((n - 1) + 1 / 4) / n)
    assert benchmark.by_sentence(left.protocol, spoken, Path()) is None
    assert benchmark.by_sentence(run.protocol, clips, Path()) is None  # these name no sentences
    benchmark.execute(run, Work(spoken, Path(), tmp_path / "runs", tmp_path / "cache", {}, 1))
    plain = result([run], tmp_path / "runs", spoken)
    assert plain is not None
    found = dataclasses.replace(plain, by_sentence=told)
    assert [part.name for part in found.divided["sentence"]] == [
        "said in every emotion",
        "said in some emotions only",
    ]
    page = benchmark_page.to_markdown([found])
    section = page.partition("## What the sentences tell")[2].partition("##")[0]
    assert f"| {100 * told:.1f} | 25.0 |" in section
    again = benchmark_results.from_dict(json.loads(json.dumps(benchmark_results.to_dict(found))))
    assert again.by_sentence == told and benchmark_page.to_markdown([again]) == page
    old = {k: v for k, v in benchmark_results.to_dict(found).items() if k != "by_sentence"}
    assert "the sentences tell" not in benchmark_page.to_markdown([benchmark_results.from_dict(old)])


def test_cached_features_say_what_the_files_say(clips: Manifest, tmp_path: Path) -> None:
    silent, long = tmp_path / "silent.wav", tmp_path / "long.wav"
    audio.write(silent, Clip(np.zeros(16_000, np.float32), 16_000))
    audio.write(long, fakes.voice(12.0))
    extra = tuple(Utterance(str(p), "tess", "tess/OAF", "", "sad") for p in (silent, long))
    more = Manifest((*clips, *extra)).with_digests()
    (run,) = runs("tess-cross", "own")
    benchmark.execute(run, Work(more, Path(), tmp_path / "runs", tmp_path / "cache", {}, 1))
    said = judgements.read(tmp_path / "runs" / run.folder / "fold-tess-OAF.csv")
    model = recognizer.load(tmp_path / "runs" / run.folder / "fold-tess-OAF" / "lr.onnx")
    tested = more.where(lambda u: u.speaker == "tess/OAF")
    expected = judged(model, tested, classes_of(run.protocol, more), lambda *_: None)
    np.testing.assert_allclose(said.probabilities, expected.probabilities, atol=1e-5)
    assert np.isnan(said.probabilities[-2]).all() and not np.isnan(said.probabilities[-1]).any()


VOICED = Recipe(
    "voiced",
    "for tests",
    "dense_head",
    features="mfcc_pitch_energy_statistics",
    validation=0.0,
    model_settings={"n_features": 148, "widths": (8,)},
    batch={"voice": 0.75},
    fit=Fit(n_epochs=3, batch_size=8, rate=3e-3),
)


@pytest.mark.parametrize(("jointly", "prepared"), [(False, ()), (True, ()), (False, ({"name": "trim_silence"},))])
def test_clips_are_judged_again_with_their_voices_known(
    clips: Manifest, tmp_path: Path, jointly: bool, prepared: tuple[dict[str, str], ...]
) -> None:
    """From cached features; where clips are prepared, from their files."""
    pytest.importorskip("torch")
    long = tmp_path / "long.wav"  # is learned window by window, as from its file
    audio.write(long, fakes.voice(12.0))
    extra = Utterance(str(long), "savee", "savee/DC", "", "sad")
    more = Manifest((*clips, extra)).with_digests()
    recipe = dataclasses.replace(VOICED, preprocess=prepared)
    (run,) = plan([protocol("savee-loso")], recipe, ["savee", "tess"], "all", 1)
    work = Work(more, Path(), tmp_path / "runs", tmp_path / "cache", {}, 1)

    def execute(work: Work) -> None:
        benchmark.execute_together([run], work) if jointly else benchmark.execute(run, work)

    execute(work)
    own = tmp_path / "runs" / run.folder
    assert not [*own.glob("*voice*")] and result([run], work.folder, more, 4) is None
    plain = {p.name: p.read_bytes() for p in own.glob("fold-*.csv")}
    execute(dataclasses.replace(work, voices=(4,)))
    assert plain == {p.name: p.read_bytes() for p in own.glob("fold-*.csv") if "voice" not in p.name}
    assert len([*own.glob("fold-savee-*.voice-4.csv")]) == 3
    known = judgements.read(own / "fold-savee-DC.voice-4.csv")
    path = next(p for p in (tmp_path / "runs").rglob("voiced.onnx") if jointly or "savee-DC" in str(p))
    if jointly:
        path = next(p for p in (tmp_path / "runs").rglob("voiced.onnx") if "savee/DC" not in _speakers(p))
    model = recognizer.load(path)
    tested = more.where(lambda u: u.speaker == "savee/DC")
    heard_long = False
    for together, heard in apart(tested, 4, np.random.default_rng(0)):
        knowing = model.knowing(tested[i].path for i in heard)
        heard_long |= any(tested[i].path == str(long) for i in heard)
        for i in together:
            expected = judgements.chances_of(knowing.predict(tested[i].path), classes_of(run.protocol, more))
            np.testing.assert_allclose(known.probabilities[i], expected, atol=1e-4)
    assert heard_long and model.told(long) > 3
    assert np.nanmax(np.abs(known.probabilities - judgements.read(own / "fold-savee-DC.csv").probabilities)) > 0.01
    found = [result([run], work.folder, more, n) for n in (0, 4)]
    page = benchmark_page.to_markdown([f for f in found if f])
    assert page.count("| `voiced` |") == 3 and "emotions nobody told it" in page  # figures, known voices, models
    figures, voices = page.split("## Known voices")
    (row,) = (line for line in voices.splitlines() if line.startswith("| SAVEE") and "(0." in line)
    assert all(f"**{100 * f.value:.1f}**" in row for f in found if f) and row.count("|") == 6
    plain = found[0]
    assert plain and f"| {plain.calibration_error:.3f} ({plain.calibration_by_chance:.3f}) |" in figures
    told = [benchmark_results.to_dict(f) for f in found if f]
    assert benchmark_results.from_dict(told[0]).calibration_by_chance == plain.calibration_by_chance
    assert [t["protocol"] for t in told] == ["savee-loso", "savee-loso, 4 other clips heard"]


def _speakers(path: Path) -> tuple[str, ...]:
    card = recognizer.load(path).card
    return (*card.training_speakers, *card.validation_speakers)


def test_a_net_of_sound_is_judged_with_known_voices_too(
    clips: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    recipe = Recipe(
        "heard",
        "for tests",
        "logmel_cnn",
        validation=0.0,
        model_settings={"channels": (4, 8, 8, 8), "n_hidden": 8},
        batch={"n_frames": 48},
        fit=Fit(n_epochs=1, batch_size=8, rate=3e-3),
    )
    (run,) = plan([protocol("savee-loso")], recipe, ["savee"], "all", 1)
    work = Work(clips, Path(), tmp_path / "runs", tmp_path / "cache", {}, 1, voices=(2,))
    benchmark.execute(run, work)
    own = tmp_path / "runs" / run.folder
    plain, known = (judgements.read(own / f"fold-savee-DC{of}.csv").probabilities for of in ("", ".voice-2"))
    assert 1e-6 < np.nanmax(np.abs(plain - known)) < 0.9
    # A finished run that was made before nets of sound got used to voices is written anew, and judged the same.
    for path in own.rglob("heard.onnx"):
        graph = onnx.load(path)
        assert voice.take_away(graph) is not None
        path.write_bytes(graph.SerializeToString())
    before = {p: p.read_bytes() for p in own.glob("fold-*.csv")}
    benchmark.execute(run, dataclasses.replace(work, voices=(2, 3)))
    after = {p: p.read_bytes() for p in own.glob("fold-*.csv")}
    assert before == {p: after[p] for p in before} and len([*own.glob("fold-*.voice-3.csv")]) == 3
    # Where training clips tell of no voice, there are no figures of known ones.
    monkeypatch.setattr(voice, "_tell_voices", lambda _: False)
    benchmark.execute(run, dataclasses.replace(work, folder=tmp_path / "others"))
    assert len([*(tmp_path / "others" / run.folder).glob("fold-*.csv")]) == 3


def test_a_model_that_gets_used_to_none_is_not_trained_again_for_voices(
    clips: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = runs("savee-loso")
    work = Work(clips, Path(), tmp_path / "runs", tmp_path / "cache", {}, 1, voices=(2,))
    benchmark.execute(run, work)

    def trained(*_: object) -> Path:
        raise AssertionError("was finished")

    monkeypatch.setattr(Work, "trained", trained)
    benchmark.execute(run, work)
    assert result([run], work.folder, clips, 2) is None


def test_classes_are_those_of_the_corpus_not_of_a_fold(clips: Manifest) -> None:
    whole = clips.where(lambda u: not (u.speaker == "savee/DC" and u.emotion == "sad"))
    assert "sad" in classes_of(protocol("savee-loso"), whole).emotions
    assert "disgust" not in classes_of(protocol("savee-loso"), whole).emotions
    assert classes_of(protocol("leave-one-corpus-out"), whole).emotions == scheme("eight").emotions


def test_classes_are_those_that_a_corpus_has_once_they_are_merged() -> None:
    four = dataclasses.replace(protocol("savee-loso"), scheme="four")
    rows = [Utterance(f"{e}.wav", "savee", "savee/DC", "", e) for e in ("calm", "happy", "disgust", "angry")]
    clips = Manifest(tuple(rows))
    assert classes_of(four, clips).emotions == ("neutral", "happy", "angry")  # no sad; disgust is no class
    assert classes_of(four, clips.take([1, 2, 3])).emotions == ("happy", "angry")


def test_one_model_is_tested_on_a_fold_of_each_corpus_and_heard_none_of_them(clips: Manifest, tmp_path: Path) -> None:
    planned = [*runs("savee-loso"), *runs("tess-cross")]
    models = benchmark.together(planned, clips, Path())
    told = [[(run.protocol.name, spec) for run, spec in model] for model in models]
    assert sorted(f for model in told for f in model) == [
        *(("savee-loso", f"speaker=savee/{s}") for s in ("DC", "JE", "KL")),
        *(("tess-cross", f"speaker=tess/{s}") for s in ("OAF", "YAF")),
    ]
    assert [len(model) for model in told] == [2, 2, 1] and all(len({n for n, _ in m}) == len(m) for m in told)
    benchmark.execute_together(planned, Work(clips, Path(), tmp_path / "runs", tmp_path / "cache", {}, 1))
    for model, name in zip(models, ("model-01", "model-02", "model-03"), strict=True):
        about = recognizer.load(tmp_path / "runs" / "together" / "lr" / "0" / name / "lr.onnx").card
        held_out = {spec.removeprefix("speaker=") for _, spec in model}
        assert not held_out & {*about.training_speakers, *about.validation_speakers}
        assert about.emotions == tuple(e for e in scheme("nine").emotions if e in PITCH)
    savee, tess = (result([run], tmp_path / "runs", clips) for run in planned)
    assert savee is not None and tess is not None and savee.together and savee.n_speakers == 3
    assert set(savee.by_fold) == {"savee-DC", "savee-JE", "savee-KL"} and set(tess.by_fold) == {"tess-OAF", "tess-YAF"}
    page = benchmark_page.to_markdown([savee, tess])
    assert "all corpora, folds together" in page and "*Folds together*:" in page
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("*.onnx")}
    benchmark.execute_together(planned, Work(clips, Path(), tmp_path / "runs", tmp_path / "cache", {}, 1))
    assert len(before) == 3 and before == {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("*.onnx")}
    with pytest.raises(VocalicsError, match=r"benchmark of another configuration"):
        benchmark.execute(planned[0], Work(clips, Path(), tmp_path / "runs", tmp_path / "cache", {}, 1))


@pytest.fixture(scope="module")
def three_seeds(clips: Manifest, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Run], Path]:
    """Runs of three seeds; the last is wrong about every third clip."""
    folder = tmp_path_factory.mktemp("seeds")
    planned = runs("savee-loso", seeds=3)
    for run in planned:
        benchmark.execute(run, Work(clips, Path(), folder / "runs", folder / "cache", {}, 1))
    for path in (folder / "runs" / planned[2].folder).glob("fold-*.csv"):
        said = judgements.read(path)
        chances = said.probabilities.copy()
        chances[::3] = np.roll(chances[::3], 1, axis=1)
        path.write_text(dataclasses.replace(said, probabilities=chances).to_csv(), encoding="utf-8")
    return planned, folder / "runs"


def test_seeds_that_were_measured_apart_are_put_together(clips: Manifest, three_seeds: tuple[list[Run], Path]) -> None:
    planned, folder = three_seeds
    whole, first, last = (result(part, folder, clips) for part in (planned, planned[:2], planned[2:]))
    assert whole is not None and first is not None and last is not None
    assert last.seeds == (2,) and last.value < first.value and whole.settings == first.settings == last.settings
    (both,) = benchmark_results.joined([first], [last])
    assert both.seeds == (0, 1, 2) and both.by_seed == whole.by_seed and both.in_parts
    assert both.by_fold == pytest.approx(whole.by_fold)
    assert both.pooled is not None and whole.pooled is not None and first.pooled is not None and last.pooled is not None
    assert both.pooled[0] == pytest.approx(whole.pooled[0])
    assert both.pooled[1:] == pytest.approx(
        [(2 * a + b) / 3 for a, b in zip(first.pooled, last.pooled, strict=True)][1:]
    )
    assert both.calibration_error is not None and whole.calibration_error is not None
    assert both.calibration_error >= whole.calibration_error - 1e-12
    assert both.largest_share >= whole.largest_share - 1e-12
    assert all(both.named_most[fold][1] >= share - 1e-12 for fold, (_, share) in whole.named_most.items())
    # The order in which they come does not matter, nor does what is there already.
    (turned,) = benchmark_results.joined([last], [first])
    assert turned.by_seed == both.by_seed and turned.by_fold == pytest.approx(both.by_fold)
    for again in (first, last):
        assert benchmark_results.joined([both], [again])[0] is both
    # All seeds' judgements together are better than means of figures.
    assert benchmark_results.joined([both], [whole])[0] is whole
    told = dataclasses.replace(first, by_sentence=0.4)  # what stands beside the same figures may be new
    assert benchmark_results.joined([first], [told])[0] is told
    read = benchmark_results.from_dict(json.loads(json.dumps(benchmark_results.to_dict(both))))
    page = benchmark_page.to_markdown([read])
    assert " | 3* | " in page and "Marked *" in page
    assert "Marked *" not in benchmark_page.to_markdown([whole]) and " | 3 | " in benchmark_page.to_markdown([whole])


def test_seeds_trained_together_and_alone_are_not_mixed(clips: Manifest, tmp_path: Path) -> None:
    work = Work(clips, Path(), tmp_path / "runs", tmp_path / "cache", {}, 1)
    planned = runs("savee-loso", seeds=2)
    benchmark.execute_together([planned[0]], work)
    benchmark.execute(planned[1], work)
    for run, joint in zip(planned, (True, False), strict=True):
        one = result([run], tmp_path / "runs", clips)
        assert one is not None and one.together == joint
    with pytest.raises(VocalicsError, match="was trained --together and another seed was not"):
        result(planned, tmp_path / "runs", clips)


def test_seeds_of_other_settings_or_measured_anew_are_not_put_together(
    clips: Manifest, three_seeds: tuple[list[Run], Path]
) -> None:
    planned, folder = three_seeds
    first, last = (result(part, folder, clips) for part in (planned[:2], planned[2:]))
    assert first is not None and last is not None
    for other in (
        dataclasses.replace(first, settings="another"),
        dataclasses.replace(first, settings=""),  # written before they were noted
        dataclasses.replace(first, together=True),
        dataclasses.replace(first, by_fold={"savee-DC": 0.5}),
        dataclasses.replace(first, seeds=(1, 2)),
    ):
        assert benchmark_results.joined([other], [last]) == [last]
    # Known voices of other seeds go with them; those of the same seeds, and of seeds that stay, do not.
    heard = dataclasses.replace(first, voice=3)
    assert benchmark_results.joined([first, heard], [last])[1] is heard
    more = dataclasses.replace(last, voice=3)
    plain, known = benchmark_results.joined([first, heard], [last, more])
    assert plain.seeds == known.seeds == (0, 1, 2) and known.voice == 3
    assert benchmark_results.joined([dataclasses.replace(first, settings="another"), heard], [last]) == [last]
    one = benchmark_page.to_markdown(benchmark_results.joined([first], [last, more]))
    assert ", 1 of 3 seeds |" in one.partition("## Known voices")[2]
    row = benchmark_results.to_dict(first)
    for seeds in ([0], [1, 1], [0, 1, 2]):
        with pytest.raises(ValueError, match="2 figures of seeds"):
            benchmark_results.from_dict({**row, "seeds": seeds})
    assert benchmark_results.from_dict({k: v for k, v in row.items() if k != "seeds"}).seeds == (0, 1)


def test_unfinished_runs_give_no_figure(clips: Manifest, tmp_path: Path) -> None:
    (run,) = runs("tess-cross", "own")
    assert result([run], tmp_path, clips) is None
    benchmark.execute(run, Work(clips, Path(), tmp_path, tmp_path / "cache", {}, 1))
    assert result([run], tmp_path, clips) is not None
    (tmp_path / run.folder / "fold-tess-OAF.csv").unlink()
    assert result([run], tmp_path, clips) is None


def test_the_command_writes_a_page(run: Callable[..., tuple[int, str, str]], clips: Manifest, tmp_path: Path) -> None:
    for corpus in ("savee", "tess"):
        clips.where(lambda u, c=corpus: u.corpus == c).write(tmp_path / f"{corpus}.csv")
    recipe = tmp_path / "lr.toml"
    recipe.write_text(
        'name = "lr"\ndescription = "x"\nmodel = "logistic_regression"\n'
        'features = "mfcc_pitch_energy_statistics"\nvalidation = 0.0\n',
        encoding="utf-8",
    )
    arguments = ["benchmark", "tess-cross", "--model", str(recipe), "--seeds", "1", "--runs", str(tmp_path / "runs")]
    for corpus in ("savee", "tess"):
        arguments += ["--corpus", f"{corpus}={tmp_path / corpus}.csv"]
    code, _, err = run(*arguments, "-o", str(tmp_path / "out"))
    assert code == 0, err
    page = (tmp_path / "out" / "benchmark.md").read_text(encoding="utf-8")
    assert "| TESS, one speaker to the other; 4 classes, 2 speakers | UAR | `lr` | all corpora |" in page
    written = tmp_path / "out" / "benchmark.json"
    (figure,) = json.loads(written.read_text(encoding="utf-8"))
    assert figure["protocol"] == "tess-cross" and figure["model"] == "lr" and figure["speakers"] == 2
    assert (
        figure["value"] == pytest.approx(np.mean(figure["by_seed"]))
        and figure["pooled"]["low"] <= figure["pooled"]["value"] <= figure["pooled"]["high"]
    )
    assert f"**{100 * figure['value']:.1f}**" in page
    # Figures that were measured elsewhere stay, in the protocols' order; those measured anew are replaced.
    other = {**figure, "of": "ravdess-luna", "protocol": "ravdess-luna", "model": "other"}
    written.write_text(json.dumps([{**figure, "by_seed": [0.123]}, other]), encoding="utf-8")
    code, _, err = run(*arguments, "-o", str(tmp_path / "out"), "--table")
    assert code == 0, err
    first, second = json.loads(written.read_text(encoding="utf-8"))
    assert first["of"] == "ravdess-luna" and first["by_fold"] == other["by_fold"] and second == figure
    both = (tmp_path / "out" / "benchmark.md").read_text(encoding="utf-8")
    assert "All corpora: savee, tess." in both
    # Known voices of a model that was measured anew are of another; what was not measured anew keeps its own.
    known = [{**row, "voice": 3} for row in (other, figure)]
    written.write_text(
        json.dumps([{**figure, "by_fold": {"tess-OAF": 0.1, "tess-YAF": 0.2}}, other, *known]), encoding="utf-8"
    )
    assert run(*arguments, "-o", str(tmp_path / "out"), "--table")[0] == 0
    left = json.loads(written.read_text(encoding="utf-8"))
    assert [(row["of"], row["voice"]) for row in left] == [("ravdess-luna", 0), ("ravdess-luna", 3), ("tess-cross", 0)]
    # One more seed.
    written.write_text(json.dumps([figure]), encoding="utf-8")
    code, _, err = run(*arguments, "-o", str(tmp_path / "out"), "--first-seed", "4")
    assert code == 0 and "seed 4" in err, err
    (joint_figure,) = json.loads(written.read_text(encoding="utf-8"))
    assert joint_figure["seeds"] == [0, 4] and joint_figure["by_seed"][0] == figure["value"]
    assert not (tmp_path / "runs" / "tess-cross" / "lr" / "all" / "1").exists()
    # A model of fewer corpora is told from one of all.
    fewer = {**other, "corpora": {"tess": "resynthesised"}}
    written.write_text(json.dumps([fewer, figure]), encoding="utf-8")
    assert run(*arguments, "-o", str(tmp_path / "out"), "--table")[0] == 0
    told = (tmp_path / "out" / "benchmark.md").read_text(encoding="utf-8")
    assert "All corpora of `other`: tess (resynthesised).\nAll corpora of `lr`: savee, tess.\n" in told
    assert both.index("RAVDESS, 5 folds") < both.index("TESS, one speaker") and "12.3" not in both
    written.write_text('{"a": 1}', encoding="utf-8")
    code, _, err = run(*arguments, "-o", str(tmp_path / "out"))
    assert code == 1 and "benchmark.json: holds no results of a benchmark" in err and "move it away" in err
    written.unlink()
    joint = [a if a != "1" else "2" for a in arguments]
    joint[joint.index(str(tmp_path / "runs"))] = str(tmp_path / "joint")
    for part in ("2/3", "1/3"):
        code, _, err = run(
            *joint[:2], "savee-loso", *joint[2:], "--together", "--part", part, "-o", str(tmp_path / "out")
        )
        assert code == 0, err
        models = sorted(p.parent.name for p in (tmp_path / "joint" / "together").rglob("lr.onnx"))
        assert models == sorted(["model-02", *(["model-01"] if part == "1/3" else [])] * 2)  # of two seeds
    for wrong in ("0/2", "3/2", "half"):
        code, _, err = run(*arguments, "--part", wrong)
        assert code == 2 and f"--part {wrong}: expected K/N with K from 1 to N" in err
    code, _, err = run(*arguments, "--together", "--own-corpus")
    assert code == 2 and "leave --own-corpus out" in err
    code, _, err = run(*arguments[:1], "tess-crass", *arguments[2:])
    assert code == 1 and 'did you mean "tess-cross"' in err
    code, _, err = run("benchmark", "tess-cross")
    assert code == 1 and "name its folder with --corpus tess=FOLDER" in err


def test_clips_that_a_protocol_lists_and_a_copy_lacks_are_counted(clips: Manifest) -> None:
    every = corpora()["ravdess"].expected(Path())
    few = [
        dataclasses.replace(clips[0], path=f"{name}.wav", corpus="ravdess", speaker=f"ravdess/{name[-2:]}")
        for name in (every[0], every[-1])
    ]
    folds = protocol("ravdess-emobox")
    assert benchmark.absent(folds, Manifest(tuple(few)), Path("nowhere")) == len(every) - 2 == 1438
    assert benchmark.absent(protocol("savee-loso"), clips, Path("nowhere")) == 0


@pytest.mark.corpus
def test_the_published_files_fit_the_corpora(shared: Path, scanned: Callable[[str], ScanReport]) -> None:
    """Every protocol that has a file divides the real corpus; those that do not leak share no speaker."""
    for name, n_folds in {"ravdess-emobox": 6, "ravdess-luna": 5, "emodb-emobox-leaky": 5}.items():
        one = protocol(name)
        clips = scanned(one.corpus).manifest
        (run,) = plan([one], RECIPE, [one.corpus], "own", 1)
        folds = divisions(run, clips, shared / "protocols")
        assert len(folds) == n_folds
        for data in folds.values():
            (test,) = data.tests.values()
            shares = bool(set(data.speakers(test)) & set(data.speakers(data.train)))
            assert shares == one.leaky
        assert sum(len(next(iter(d.tests.values()))) for d in folds.values()) == len(folds["1"].manifest)
