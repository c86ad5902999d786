"""``vocalics tune``: what it writes, what it says, and that it can be gone on with."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import fakes
import pytest

from vocalics import training
from vocalics.recipe import Recipe, read
from vocalics.tuning.scoring import Bench

Run = Callable[..., tuple[int, str, str]]
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fakes.speakers_table(tmp_path_factory.mktemp("voices"), n_speakers=5)


@pytest.fixture
def command(corpus: Path, tmp_path: Path, run: Run) -> Command:
    (tmp_path / "lr.toml").write_text(fakes.LOGISTIC_REGRESSION, encoding="utf-8")

    def command(*more: str) -> tuple[int, str, str]:
        code, out, err = run(
            "tune", str(tmp_path / "lr.toml"), "--corpus", f"folder={corpus}", "-o", str(tmp_path / "study"),
            "--cache", str(corpus.parent / "cache"), "--threads", "1", "--folds", "2", *more,
        )  # fmt: skip
        return code, " ".join(out.split()), " ".join(err.split())

    return command


def test_it_writes_a_study_a_report_and_the_best_recipe(command: Command, tmp_path: Path) -> None:
    code, out, err = command("--trials", "5", "--hold-out", "speaker=clips/s1")
    assert code == 0, err
    folder = tmp_path / "study"
    written = {p.name for p in folder.iterdir()}
    assert written - {"importance.png"} == {
        "config.json", "study.db", "report.md", "trials.csv", "best.toml", "history.png",
    }  # fmt: skip
    with (folder / "trials.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["trial"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert len({row["model_settings.C"] for row in rows}) == 5
    assert training.check(read(str(folder / "best.toml"))).name == "logistic_regression"
    assert "24 clips of 4 speakers in 2 inner folds; 6 test clips left out" in err
    assert "searched: model_settings.C 0.001..10.0:log, model_settings.balanced true|false" in err
    assert "trial 5/5 UAR" in err
    assert "the recipe as it stood: mean UAR" in out
    assert "is optimistic; train with best.toml and test on speakers kept apart." in out


def test_ctrl_c_leaves_a_study_that_can_be_gone_on_with(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def score(bench: Bench, tried: Recipe, number: int) -> float:
        nonlocal calls
        calls += 1
        if calls == 6:
            raise KeyboardInterrupt
        return 0.5 + 0.01 * number - 0.001 * tried.model_settings.get("C", 30.0)  # trials are better

    monkeypatch.setattr(Bench, "score", score)
    code, _, err = command("--trials", "4")
    assert code == 130
    assert "stopped; go on with the same command and --resume" in err
    assert not (tmp_path / "study" / "best.toml").exists()
    code, _, err = command("--trials", "4")
    assert code == 1
    assert "holds a study already; go on with --resume" in err
    code, _, err = command("--trials", "4", "--resume", "--param", "model_settings.C=1..2")
    assert code == 1
    assert "holds a study of another configuration" in err
    code, out, err = command("--trials", "4", "--resume")
    assert code == 0, err
    assert "best trial" in out
    assert "trial 1/4" not in err
    assert "trial 4/4" in err


def test_where_no_trial_is_better_nothing_is_recommended(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bench, "score", lambda _, tried, number: 0.4 if tried.model_settings else 0.6)
    code, out, err = command("--trials", "2")
    assert code == 0, err
    assert "the recipe as it stood: mean UAR 60.0 %" in out
    assert out.endswith("No trial was better than the recipe as it stood; `best.toml` is the recipe.")
    assert "best trial" not in out and "train with best.toml" not in out
    assert read(str(tmp_path / "study" / "best.toml")).model_settings == {}


@pytest.mark.parametrize(
    ("options", "expected", "message"),
    [
        (["--param", "fit.raet=1e-4..1e-2"], 2, 'unknown key "raet"; did you mean "rate"?'),
        (["--param", "model_settings.Q=1..2"], 2, 'unknown key "Q"'),
        (["--param", "model_settings.C"], 2, "expected KEY=VALUES, e.g."),
        (
            ["--param", "model_settings.C=5"],
            2,
            "is one value; expected LOW..HIGH or A|B|C, or --set model_settings.C=5",
        ),
        (["--set", "model_settings.C=5", "--param", "model_settings.C=1..2"], 2, "is settled by --set"),
        (["--only"], 2, "--only leaves nothing to search; name some with --param"),
        (["--folds", "9"], 1, "needs as many speakers; there are 5: ask for fewer folds"),
        (["--hold-out", "speaker=clips/s9"], 1, 'the manifest has no speaker "clips/s9"'),
        (["--fold", "2"], 2, "--fold 2 needs a --protocol"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_trained(
    options: list[str], expected: int, message: str, command: Command, tmp_path: Path
) -> None:
    code, _, err = command("--trials", "1", *options)
    assert code == expected
    assert message in err
    assert not (tmp_path / "study").exists()


@pytest.mark.slow
def test_layers_and_filters_of_a_net_are_searched(command: Command, tmp_path: Path) -> None:
    code, _, err = command(
        "--trials", "1", "--set", "model=cnn", "--set", "model_settings.shape=[268]", "--set", "fit.n_epochs=1",
        "--only", "--param", "model_settings.n_layers=1..2", "--param", "model_settings.n_filters=2|4",
        "--param", "model_settings.activation=relu|gelu",
    )  # fmt: skip
    assert code == 0, err
    assert "trial 1/1 UAR" in err
    assert "kept apart" not in (tmp_path / "study" / "report.md").read_text(encoding="utf-8").splitlines()[2]
