"""``vocalics cross-validate``: every fold judged by a model that did not hear it, and one figure over all."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import fakes
import numpy as np
import pytest

from vocalics import judgements, metrics, recognizer

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fakes.speakers_table(tmp_path_factory.mktemp("voices"), n_speakers=5)


@pytest.fixture
def command(corpus: Path, tmp_path: Path, run: Run) -> Callable[..., tuple[int, str, str]]:
    (tmp_path / "lr.toml").write_text(fakes.LOGISTIC_REGRESSION, encoding="utf-8")

    def command(*more: str, protocol: str = "leave-one-speaker-out") -> tuple[int, str, str]:
        code, out, err = run(
            "cross-validate", str(tmp_path / "lr.toml"), "--corpus", f"folder={corpus}", "-o", str(tmp_path / "cv"),
            "--cache", str(corpus.parent / "cache"), "--protocol", protocol, "--threads", "1", *more,
        )  # fmt: skip
        return code, " ".join(out.split()), " ".join(err.split())

    return command


def test_a_fold_that_cannot_be_trained_is_named_before_any_is(
    command: Callable[..., tuple[int, str, str]], corpus: Path, tmp_path: Path, run: Run
) -> None:
    lines = corpus.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if ",angry," not in line or line.endswith("s4")]
    few = corpus.with_name("few.csv")
    few.write_text("\n".join(kept) + "\n", encoding="utf-8")
    angry = [line for line in kept if ",angry," in line]
    few.write_text("\n".join(line for line in kept if line not in angry[1:]) + "\n", encoding="utf-8")
    code, _, err = run(
        "cross-validate", str(tmp_path / "lr.toml"), "--corpus", f"folder={few}", "-o", str(tmp_path / "cv"),
        "--protocol", "leave-one-speaker-out", "--threads", "1",
    )  # fmt: skip
    assert code == 1 and "fold few/s0: recipe lr: only one training clip is angry" in " ".join(err.split())
    assert not (tmp_path / "cv").exists()


def test_every_fold_is_judged_by_a_model_that_did_not_hear_it(
    command: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    code, out, err = command()
    assert code == 0, err
    folder = tmp_path / "cv"
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert [f["name"] for f in report["folds"]] == [f"clips/s{k}" for k in range(5)]
    parts = []
    for number in range(1, 6):
        (predictions,) = (folder / f"fold-{number}").glob("test-*/predictions.csv")
        part = judgements.read(predictions)
        card = recognizer.load(folder / f"fold-{number}" / "lr.onnx").card
        assert set(part.speakers) == {f"clips/s{number - 1}"}
        assert not set(part.speakers) & {*card.training_speakers, *card.validation_speakers}
        assert len(card.training_speakers) == 4
        assert card.figures[0]["value"] == pytest.approx(report["folds"][number - 1]["uar"], abs=1e-4)
        parts.append(part)
    whole = judgements.pooled(parts)
    order = {e: i for i, e in enumerate(whole.emotions)}
    truth, said = [order[t] for t in whole.truth], [order[str(p)] for p in whole.prediction]
    pooled = metrics.unweighted_average_recall(truth, said)
    assert report["pooled"]["uar"]["value"] == pytest.approx(pooled)
    assert 1 / 3 < pooled <= 1
    assert len(set(said)) == 3
    assert report["mean"]["uar"] == pytest.approx(np.mean([f["uar"] for f in report["folds"]]))
    assert report["pooled"]["uar"]["interval"]["n_units"] == 5
    assert report["leak"] == ""
    assert f"mean of 5 folds: UAR {100 * report['mean']['uar']:.1f}" in out
    assert "fold 5/5 (clips/s4) UAR" in err
    assert {p.name for p in folder.iterdir() if p.is_file()} == {
        "config.json", "report.md", "report.json", "confusion.png", "folds.png",
    }  # fmt: skip


def test_an_interrupted_run_goes_on_at_the_missing_fold(
    command: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    assert command(protocol="speaker-folds=3")[0] == 0
    folder = tmp_path / "cv"
    first = (folder / "report.json").read_bytes()
    shutil.rmtree(folder / "fold-2")
    (folder / "fold-3" / "figure.json").unlink()
    for path in ("report.json", "report.md"):
        (folder / path).unlink()
    kept = (folder / "fold-1" / "lr.onnx").stat().st_mtime_ns
    code, _, err = command(protocol="speaker-folds=3")
    assert code == 1
    assert "holds a cross-validation already; go on with --resume" in err
    code, _, err = command("--resume", "--set", "model_settings.C=9.0", protocol="speaker-folds=3")
    assert code == 1
    assert "holds a cross-validation of another configuration" in err
    assert command("--resume", protocol="speaker-folds=3")[0] == 0
    assert (folder / "report.json").read_bytes() == first
    assert (folder / "fold-1" / "lr.onnx").stat().st_mtime_ns == kept


def test_folds_of_a_file_and_a_leak_that_is_told(
    command: Callable[..., tuple[int, str, str]], corpus: Path, tmp_path: Path
) -> None:
    file = tmp_path / "folds.csv"
    with corpus.open(encoding="utf-8") as table:
        names = [Path(row["path"]).stem for row in csv.DictReader(table)]
    file.write_text(
        "utterance,test_fold\n" + "".join(f"{n},{1 + i % 2}\n" for i, n in enumerate(names)), encoding="utf-8"
    )
    code, _, err = command(protocol=f"folds={file}")
    assert code == 1
    assert "share the speaker(s)" in err
    assert not (tmp_path / "cv").exists()
    code, out, err = command("--note", "clips=made up", protocol=f"folds-leaky={file}")
    assert code == 0, err
    assert "LEAKING: speakers were heard in training in 2 of 2 folds" in out
    text = (tmp_path / "cv" / "report.md").read_text(encoding="utf-8")
    assert "LEAKING" in text.splitlines()[0]
    assert "speakers shared between the folds: folds-leaky=folds.csv" in text
    assert "clips is made up." in text
    assert str(tmp_path) not in text


@pytest.mark.slow
def test_a_net_is_cross_validated_by_the_same_command(
    command: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    code, out, err = command(
        "--set", "model=dense_128", "--set", "fit.n_epochs=2", "--set", "validation=0.3", protocol="speaker-folds=2"
    )  # fmt: skip
    assert code == 0, err
    assert "mean of 2 folds: UAR" in out
    assert (tmp_path / "cv" / "fold-2" / "curves.png").exists()


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        ("speaker", 'protocol "speaker" makes one split only; expected folds: leave-one-speaker-out, speaker-folds=N'),
        ("leave-one-speaker", 'unknown protocol "leave-one-speaker"; did you mean "leave-one-speaker-out"?'),
        ("speaker-folds=9", "needs as many speakers; there are 5: ask for fewer folds"),
        ("speaker-folds=1", "expected speaker-folds=N with N at least 2"),
        ("leave-one-corpus-out", "needs at least two corpora"),
        ("folds=nowhere.csv", "nowhere.csv: no such file"),
    ],
)
def test_a_protocol_without_folds_is_refused(
    protocol: str, message: str, command: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    code, _, err = command(protocol=protocol)
    assert code == (2 if "one split only" in message or protocol == "speaker-folds=1" else 1)
    assert message in err
    assert not (tmp_path / "cv").exists()


def test_the_command_is_found_by_its_own_module() -> None:
    import subprocess
    import sys

    code = (
        "from vocalics.cli.main import build; build('cross-validate'); import sys; "
        "print('vocalics.cli.cross_validate' in sys.modules, 'vocalics.cli.models' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
