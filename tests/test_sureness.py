"""A model calibrated by what others of its recipe said of corpora that they never heard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vocalics import judgements, modelfile
from vocalics.confidence import least_probability
from vocalics.emotions import EMOTIONS
from vocalics.errors import ModelFileError
from vocalics.judgements import Judgements
from vocalics.metrics import expected_calibration_error
from vocalics.models.calibration import temperature, tempered
from vocalics.named_models import model_path
from vocalics.recognizer import Recognizer
from vocalics.sureness import LeftOut, calibrate_elsewhere, measured

Run = Callable[..., tuple[int, str, str]]
CLIPS = sorted((Path(__file__).parents[1] / "examples" / "clips").glob("*.wav"))


def said(corpus: str, n: int, too_sure: float, seed: int, emotions: tuple[str, ...] = EMOTIONS) -> Judgements:
    """Judgements whose logits are so many times too large, of clips whose truth follows the right ones."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.standard_normal((n, len(emotions)))
    right = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = tuple(emotions[rng.choice(len(emotions), p=row)] for row in right)
    names = (tuple(f"{corpus}/{i}.wav" for i in range(n)), (corpus,) * n, tuple(f"{corpus}/{i % 5}" for i in range(n)))
    return Judgements(*names, truth, emotions, tempered(right, 1 / too_sure))


def left_out(*parts: Judgements) -> LeftOut:
    return LeftOut.of(judgements.pooled(parts), EMOTIONS)


def test_corpora_count_alike_however_many_clips_they_have() -> None:
    parts = [said("a", 4000, 1.2, 0), said("b", 400, 3.0, 1)]
    each = [temperature(p.probabilities, _truth(p)) for p in parts]
    factor, sets = left_out(*parts).calibration()
    repeated = judgements.pooled(parts)
    by_clips = temperature(repeated.probabilities, _truth(repeated))
    assert each[0] == pytest.approx(1.2, abs=0.1) and each[1] == pytest.approx(3.0, abs=0.4)
    assert by_clips < factor - 0.1 and each[0] < factor < each[1]
    # As though the small corpus had come ten times.
    tenfold = np.r_[np.arange(4000), np.tile(np.arange(4000, 4400), 10)]
    chances, truth = repeated.probabilities[tenfold], _truth(repeated)[tenfold]
    assert factor == pytest.approx(temperature(chances, truth), rel=1e-6)
    expected = least_probability(tempered(chances, factor), truth, 0.9)
    assert sets["0.9"] == pytest.approx(expected, rel=0.02)


def _truth(p: Judgements) -> np.ndarray:
    return np.array([p.emotions.index(t) for t in p.truth])


def test_what_it_is_worth_is_told_by_the_other_corpora() -> None:
    parts = [said("a", 2000, 2.0, 0), said("b", 2000, 2.0, 1), said("c", 2000, 1.0, 2)]
    found = measured(left_out(*parts), {"0.9": 0.3})
    assert [was.corpus for was, _ in found] == ["a", "b", "c", ""]
    (a_was, a_now), _, (c_was, c_now), (was, now) = found
    # c is judged rightly as it is, and its own clips would have told so; the others, too sure by two, do not.
    assert c_now.factor == pytest.approx(2.0, abs=0.1) and c_now.error > c_was.error + 0.1
    assert a_now.factor is not None and 1.2 < a_now.factor < 1.7 and a_now.error < a_was.error - 0.05
    assert c_was.error == pytest.approx(expected_calibration_error(parts[2].probabilities, _truth(parts[2])))
    assert was.n == 6000 and now.error < was.error and was.correct == now.correct
    assert was.held is not None and now.held is not None and was.held < 0.8 < 0.85 < now.held
    assert measured(left_out(*parts), {})[0][0].held is None


def test_silent_clips_and_unknown_emotions_are_left_out_and_columns_put_in_order() -> None:
    turned = said("a", 200, 2.0, 0, EMOTIONS[::-1])
    chances = turned.probabilities.copy()
    chances[:3] = np.nan
    other = ("boredom", *turned.truth[1:])
    part = Judgements(turned.paths, turned.corpora, turned.speakers, other, turned.emotions, chances)
    taken = LeftOut.of(judgements.pooled([part, said("b", 100, 2.0, 1)]), EMOTIONS)
    assert len(taken.truth) == 297 and taken.names == ["a", "b"]
    np.testing.assert_allclose(taken.probabilities[0], chances[3][::-1])
    assert EMOTIONS[taken.truth[0]] == turned.truth[3]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([("a", 100, EMOTIONS)], "clips of a alone do not tell how sure to be of others"),
        ([("a", 100, EMOTIONS), ("b", 20, EMOTIONS)], "20 clips with speech of b are too few; expected 50"),
        ([("a", 100, EMOTIONS[:6]), ("b", 100, EMOTIONS[:6])], "calibrate it with what models of its own recipe say"),
    ],
)
def test_too_little_or_others_are_refused(parts: list[tuple[str, int, tuple[str, ...]]], words: str) -> None:
    with pytest.raises(ModelFileError, match=words):
        left_out(*(said(corpus, n, 2.0, i, emotions) for i, (corpus, n, emotions) in enumerate(parts)))


@pytest.mark.parametrize("name", ["tiny", "tiny-int8"])
def test_the_copy_is_less_sure_and_says_the_same(name: str, tmp_path: Path) -> None:
    parts = left_out(said("a", 500, 2.0, 0), said("b", 500, 2.0, 1))
    about = calibrate_elsewhere(model_path(name), parts, tmp_path / "c.onnx")
    factor, sets = parts.calibration()
    before, after = (Recognizer(modelfile.load(p)) for p in (model_path(name), tmp_path / "c.onnx"))
    assert after.card == about and about.conformal == sets
    assert about.temperature == pytest.approx(before.card.temperature * factor)
    assert about.protocol.endswith(
        "calibrated for corpora never heard, by what models of its recipe without a, b said of these"
    )
    assert {"a/0", "b/4"} < {*about.validation_speakers} and about.figures == before.card.figures
    for path in CLIPS:
        was, now = (np.array([*m.predict(path).probabilities.values()]) for m in (before, after))
        np.testing.assert_allclose(now, tempered(was[None], factor)[0], atol=2e-4)
    # The judgements are of models that were not calibrated so: a second time it would be too unsure.
    with pytest.raises(ModelFileError, match="calibrated after its training; start from the file as it was trained"):
        calibrate_elsewhere(tmp_path / "c.onnx", parts, tmp_path / "d.onnx")
    assert not (tmp_path / "d.onnx").exists()


def test_the_command(tmp_path: Path, run: Run) -> None:
    for i, corpus in enumerate("ab"):
        (tmp_path / f"{corpus}.csv").write_text(said(corpus, 300, 2.0, i).to_csv())
    files = [x for c in "ab" for x in ("--left-out", str(tmp_path / f"{c}.csv"))]
    command = ("models", "calibrate", "tiny", "-o", str(tmp_path / "c.onnx"))
    code, out, err = run(*command, *files, "--page", str(tmp_path / "page.md"))
    assert (code, err) == (0, "") and "candidates for 90%" in out
    about = modelfile.load(tmp_path / "c.onnx").card
    assert f"temperature {about.temperature:.3f}, before" in out
    page = (tmp_path / "page.md").read_text()
    assert page.startswith("# How sure `tiny` is") and "| all | 600 |" in page and f"{about.temperature:.3f}" in page
    for wrong, words, left_with in (
        ((), "calibrate with a manifest of clips, or with --left-out FILE of several corpora: one of both", 2),
        (("x.csv", *files), "one of both", 2),
        (("x.csv", "--page", "p.md"), "--page tells what --left-out is worth", 2),
        (files[:2], "clips of a alone do not tell", 1),
        (("--left-out", str(tmp_path / "gone.csv")), "gone.csv: no such file", 1),
    ):
        code, out, err = run(*command[:-1], str(tmp_path / "d.onnx"), *wrong)
        assert (code, out) == (left_with, "") and words in err and err.count("\n") == 1
    assert not (tmp_path / "d.onnx").exists()
