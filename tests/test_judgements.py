"""A model's judgements: the table can be read back, and several folds' tables are one."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vocalics import judgements
from vocalics.emotions import scheme
from vocalics.errors import ManifestError, VocalicsError
from vocalics.judgements import Judgements
from vocalics.manifest import Manifest, Utterance

EMOTIONS = ("neutral", "happy", "sad")


def clips(n: int, start: int = 0) -> Manifest:
    return Manifest(
        tuple(Utterance(f"/a/{start + i}, x.wav", "c", f"c/{i % 2}" if i else "", "h", "happy") for i in range(n))
    )


def table(n: int = 4, start: int = 0, emotions: tuple[str, ...] = EMOTIONS) -> Judgements:
    chances = np.random.default_rng(start).dirichlet(np.ones(len(emotions)), n)
    chances[1] = np.nan
    return Judgements.of(clips(n, start), ["happy"] * n, emotions, chances)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    one = table()
    path.write_text(one.to_csv(), encoding="utf-8")
    again = judgements.read(path)
    for name in ("paths", "corpora", "speakers", "truth", "emotions", "prediction"):
        assert getattr(again, name) == getattr(one, name)
    np.testing.assert_allclose(again.probabilities, one.probabilities, atol=1e-6)
    assert again.prediction[1] is None
    assert len(set(again.prediction)) > 1
    assert len(again) == 4


def test_rare_emotions_and_near_ties_are_read_back(tmp_path: Path) -> None:
    """What is rounded to 0 would count as impossible where probabilities are tempered."""
    chances = [[1 - 3e-8, 2e-8, 1e-8], [0.40000001, 0.40000002, 0.19999997]]
    one = Judgements.of(clips(2), ["happy"] * 2, EMOTIONS, chances)
    (tmp_path / "p.csv").write_text(one.to_csv(), encoding="utf-8")
    back = judgements.read(tmp_path / "p.csv")
    np.testing.assert_allclose(back.probabilities, chances, rtol=1e-7)
    assert back.prediction == one.prediction


def test_no_cell_is_a_formula_to_a_spreadsheet(tmp_path: Path) -> None:
    texts = ("=1+1.wav", "'=x.wav", "@SUM(A1).wav", "-1", "'tis.wav")
    rows = tuple(Utterance(text, text, text, "h", "happy") for text in texts)
    one = Judgements.of(Manifest(rows), ["happy"] * 5, EMOTIONS, np.full((5, 3), 1 / 3))
    (tmp_path / "p.csv").write_text(one.to_csv(), encoding="utf-8")
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert "'=1+1.wav" in cells and "-1" in cells
    assert not [c for c in cells if c.startswith(("=", "@", "+")) or (c.startswith("-") and c != "-1")]
    again = judgements.read(tmp_path / "p.csv")
    assert again.paths == again.corpora == again.speakers == texts


@pytest.mark.parametrize(
    ("row", "words"),
    [("b.wav,c", r"p.csv:3: fewer cells than columns"), ("b.wav,c,s,sad,sad,1,0,0,0", r"p.csv:3: more cells than the")],
)
def test_a_row_of_other_cells_is_refused(row: str, words: str, tmp_path: Path) -> None:
    lines = Judgements.of(clips(1), ["happy"], EMOTIONS, [[0.2, 0.5, 0.3]]).to_csv() + row + "\n"
    (tmp_path / "p.csv").write_text(lines, encoding="utf-8")
    with pytest.raises(ManifestError, match=words):
        judgements.read(tmp_path / "p.csv")


def test_the_prediction_is_the_most_probable_emotion() -> None:
    one = Judgements.of(clips(2), ["happy", "sad"], EMOTIONS, [[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
    assert one.prediction == ("happy", "neutral")


def test_folds_are_pooled_and_what_a_model_did_not_know_is_0() -> None:
    first, second = table(3), table(2, 10, ("sad", "calm"))
    whole = judgements.pooled([first, second])
    assert whole.emotions == ("neutral", "calm", "happy", "sad")
    assert whole.paths == first.paths + second.paths
    assert whole.prediction == first.prediction + second.prediction
    np.testing.assert_allclose(whole.probabilities[3], [0, second.probabilities[0, 1], 0, second.probabilities[0, 0]])
    assert np.isnan(whole.probabilities[4]).all()


def test_a_clip_that_two_folds_judged_is_refused() -> None:
    with pytest.raises(VocalicsError, match=r"/a/0, x.wav: was judged in two folds"):
        judgements.pooled([table(), table()])
    with pytest.raises(VocalicsError, match="no judgements to pool"):
        judgements.pooled([])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,truth\na,b\n", "expected the columns path, corpus, speaker, truth, prediction and probability_EMOTION"),
        ("path,corpus,speaker,truth,prediction,probability_sad\n", "and a row"),
        (
            "path,corpus,speaker,truth,prediction,probability_sad\na,c,s,sad,sad,much\n",
            r'x.csv:2: probability_sad is "much"; expected a probability, a number from 0 to 1',
        ),
    ],
)
def test_a_table_that_is_none_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ManifestError, match=message):
        judgements.read(tmp_path / "x.csv")


@pytest.mark.parametrize("value", ["nan", "inf", "7", "1.001", "-3", "-0.001", ""])
def test_what_is_no_probability_is_refused(value: str, tmp_path: Path) -> None:
    rows = ["path,corpus,speaker,truth,prediction,probability_sad,probability_happy", "a,c,s,sad,sad,1,0"]
    path = tmp_path / "x.csv"
    path.write_text("\n".join([*rows, f"b,c,s,sad,sad,0.5,{value}", ""]), encoding="utf-8")
    with pytest.raises(ManifestError, match=rf'x.csv:3: probability_happy is "{value}"; expected a probability'):
        judgements.read(path)
    # What rounding leaves is none the less one, and where no speech was heard there is none.
    path.write_text("\n".join([*rows, "b,c,s,sad,sad,1.0000001,0", f"c,c,s,sad,,,{value}", ""]), encoding="utf-8")
    assert judgements.read(path).prediction == ("sad", "sad", None)


def test_a_clip_that_the_classes_leave_out_is_told_before_anything_is_judged() -> None:
    rows = clips(2) + Manifest((Utterance("/a/odd.wav", "c", "c/1", "", "surprise"),))
    model: Any = None  # is not asked
    with pytest.raises(VocalicsError, match=r'/a/odd.wav: surprise is dropped by the scheme "four"; leave such clips'):
        judgements.judged(model, rows, scheme("four"), lambda *_: None)
    calm = Manifest((Utterance("/a/c.wav", "c", "c/1", "", "calm"),))
    assert judgements.truth_in(scheme("four"), clips(1) + calm) == ["happy", "neutral"]


def test_a_missing_table_says_what_writes_it(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such file; vocalics evaluate MODEL MANIFEST -o FOLDER writes it"):
        judgements.read(tmp_path / "x.csv")


def test_seeds_of_one_speaker_promise_no_more_than_one_seed() -> None:
    rng = np.random.default_rng
    one = table(200, emotions=EMOTIONS[:2])
    one = dataclasses.replace(one, speakers=("a",) * 200, probabilities=rng(0).dirichlet([1, 1], 200))
    columns = {name: getattr(one, name) * 4 for name in ("paths", "corpora", "speakers", "truth")}
    four = dataclasses.replace(one, **columns, probabilities=np.tile(one.probabilities, (4, 1)))
    groups = [{"sex": ("female", "male") * n} for n in (100, 400)]
    reports = [judgements.report(said, rng(1), groups=group) for said, group in zip((one, four), groups, strict=True)]
    for scores in zip(*([r.uar, r.accuracy, *(p.uar for p in r.divided[0].parts)] for r in reports), strict=True):
        single, several = (score.interval for score in scores)
        assert single.unit == several.unit == "clips" and single.n_units == several.n_units
        assert several.high - several.low == pytest.approx(single.high - single.low, rel=0.15)


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(VocalicsError, match=r"2 clips, 1 truths, probabilities of shape \(2, 3\); expected \(2, 3\)"):
        Judgements.of(clips(2), ["happy"], EMOTIONS, np.ones((2, 3)) / 3)
