"""Figures say what they are of, show the numbers they were given, and are written whole."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vocalics import plots
from vocalics.audio import Clip
from vocalics.emotions import EMOTIONS, OTHER_EMOTIONS
from vocalics.errors import VocalicsError
from vocalics.evaluation import EvaluationReport, evaluate

HISTORY = [
    {"epoch": i + 1, "train_loss": 2.0 / (i + 1), "validation_loss": 2.2 / (i + 1), "validation_uar": u,
     "validation_accuracy": u + 0.02, "learning_rate": 1e-3 / (i + 1)}
    for i, u in enumerate((0.2, 0.5, 0.4))
]  # fmt: skip


def report(probabilities: bool = True) -> EvaluationReport:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 8, 200)
    logits = rng.normal(size=(200, 8))
    logits[np.arange(200), truth] += 2
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return evaluate(
        [EMOTIONS[i] for i in truth],
        [EMOTIONS[i] for i in chances.argmax(axis=1)],
        EMOTIONS,
        speakers=[f"savee/{i % 4}" for i in range(200)],
        corpora=["savee"] * 200,
        rng=rng,
        probabilities=chances if probabilities else None,
        protocol="held out: corpus=savee",
    )


def texts(figure: Any) -> str:
    from matplotlib.text import Text

    return "\n".join(t.get_text() for t in figure.findobj(Text))


def lab(colour: str, deficiency: np.ndarray) -> np.ndarray:
    """CIELAB of an sRGB colour as it is seen with a deficiency (a matrix on linear RGB; Machado et al., 2009)."""
    gamma = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(gamma <= 0.04045, gamma / 12.92, ((gamma + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    white = to_xyz.sum(axis=1)
    x, y, z = np.cbrt(to_xyz @ np.clip(deficiency @ linear, 0, 1) / white)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


DEFICIENCIES = {
    "none": np.eye(3),
    "protan": np.array([[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]]),
    "deutan": np.array([[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]]),
}


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_every_emotion_has_a_colour_that_can_be_told_apart(deficiency: str) -> None:
    assert set(plots.PALETTE) == {*EMOTIONS, *OTHER_EMOTIONS}
    seen = {e: lab(c, DEFICIENCIES[deficiency]) for e, c in plots.PALETTE.items()}
    near = {(a, b): float(np.linalg.norm(seen[a] - seen[b])) for a in seen for b in seen if a < b}
    assert min(near.values()) > 15, min(near, key=lambda pair: near[pair])
    # Red and green are told apart by hue alone only by those without a deficiency.
    red_green = np.linalg.norm(lab("#C00000", DEFICIENCIES[deficiency]) - lab("#007000", DEFICIENCIES[deficiency]))
    assert (red_green > 90) == (deficiency == "none")


@pytest.mark.parametrize("draw", [plots.confusion_matrix, plots.reliability])
def test_a_reports_figure_names_corpus_protocol_classes_speakers_and_interval(draw: Any) -> None:
    shown = texts(draw(report()))
    for words in ("savee", "held out: corpus=savee", "8 emotions", "4 speakers", "95 % over 4 speakers"):
        assert words in shown


def test_the_confusion_matrix_shows_counts_and_row_percentages() -> None:
    got = report()
    shown = texts(plots.confusion_matrix(got)).splitlines()
    for count, percent in zip(got.counts[:, :-1].ravel(), got.row_percent[:, :-1].ravel(), strict=True):
        assert str(count) in shown
        assert f"{percent:.0f}" in shown
    assert "no speech" not in shown


def test_a_long_caption_is_broken_within_the_figure() -> None:
    words = "speaker-independent, held out in training, several corpora, some of them resynthesised; " * 3
    clip = Clip(np.ones(300, dtype=np.float32), 16_000)
    for figure in (plots.waveform(clip, caption=words), plots.learning_curves(HISTORY, caption=words)):
        label = figure._supxlabel
        figure.draw_without_rendering()
        assert label.get_window_extent().x1 <= figure.bbox.x1
        assert len(label.get_text().splitlines()) > 1
        assert label.get_text().split() == words.split()


def test_reliability_leads_no_line_to_a_bin_of_few_clips() -> None:
    rng = np.random.default_rng(0)
    chances = rng.dirichlet([9.0, 1.0], 60)
    chances[0] = [0.55, 0.45]
    found = evaluate(
        ["sad"] * 60, None, ("sad", "happy"), speakers=["x/1"] * 60, corpora=["x"] * 60, rng=rng, probabilities=chances
    )
    assert found.bins is not None and 0 < (found.bins.n >= 10).sum() < (found.bins.n > 0).sum()
    upper = plots.reliability(found).axes[0]
    (line,) = [line for line in upper.lines if "model" in str(line.get_label())]
    np.testing.assert_array_equal(line.get_xdata(), found.bins.confidence[found.bins.n >= 10])
    labels = [text.get_text() for text in upper.get_legend().get_texts()]
    assert "hits" in labels and "hits of fewer than 10 clips" in labels


def test_reliability_needs_probabilities() -> None:
    with pytest.raises(VocalicsError, match="holds no probabilities"):
        plots.reliability(report(probabilities=False))


@pytest.mark.parametrize("short", [False, True])
def test_learning_curves_mark_the_best_epoch(short: bool) -> None:
    names = {"learning_rate": "rate", **{k: k.replace("validation", "valid") for k in HISTORY[0] if "valid" in k}}
    history = [{names.get(k, k): v for k, v in row.items()} for row in HISTORY] if short else HISTORY
    figure = plots.learning_curves(history, caption="savee · speaker")
    assert "validation UAR" in texts(figure)
    assert "best: 50.0 % at epoch 2" in texts(figure)
    assert "savee · speaker" in texts(figure)
    assert len(figure.axes) == 3
    assert len(plots.learning_curves([{"train_loss": 1.0}]).axes) == 1
    with pytest.raises(VocalicsError, match="history is empty"):
        plots.learning_curves([])
    with pytest.raises(VocalicsError, match="expected keys that end in"):
        plots.learning_curves([{"speed": 1.0}])


def test_the_timeline_stacks_to_one_and_shows_silence() -> None:
    start, chances = np.arange(6.0), np.random.default_rng(0).dirichlet(np.ones(8), 6)
    chances[2] = np.nan
    chances[3] = 0.0
    figure = plots.timeline(start, start + 2, chances, EMOTIONS)
    tops = [patch.get_y() + patch.get_height() for patch in figure.axes[0].patches]
    assert max(tops) == pytest.approx(1.0)
    assert "no speech" in texts(figure)
    leader = EMOTIONS[int(chances[5].argmax())]
    assert leader in texts(figure)
    with pytest.raises(VocalicsError, match="expected"):
        plots.timeline(start, start + 2, chances[:, :3], EMOTIONS)


def test_the_spectrogram_of_a_tone_peaks_at_the_tone() -> None:
    time = np.arange(16_000) / 16_000
    clip = Clip(np.sin(2 * np.pi * 2_000 * time).astype(np.float32), 16_000)
    image = plots.spectrogram(clip).axes[0].images[0]
    level = np.asarray(image.get_array())
    _, _, low, high = image.get_extent()
    peak = low + (high - low) * level.mean(axis=1).argmax() / (len(level) - 1)
    assert peak == pytest.approx(2.0, abs=0.05)
    assert level.max() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("n", [1, 10, 300_000])
def test_any_length_can_be_drawn(n: int, tmp_path: Path) -> None:
    clip = Clip(np.zeros(n, dtype=np.float32), 16_000)
    plots.save(plots.waveform(clip), tmp_path / "waveform.png")
    plots.save(plots.spectrogram(clip), tmp_path / "spectrogram.png")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["spectrogram.png", "waveform.png"]


def test_a_figure_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "figure.png"
    target.write_bytes(b"before")

    class Broken:
        def savefig(self, path: Path, **_: Any) -> None:
            Path(path).write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        plots.save(Broken(), target)
    assert target.read_bytes() == b"before"
    plots.save(plots.confusion_matrix(report()), target)
    assert target.read_bytes().startswith(b"\x89PNG")


def test_matplotlib_is_imported_when_used_and_without_a_screen() -> None:
    code = (
        "import sys, vocalics.plots as p; assert 'matplotlib' not in sys.modules; p.require(); "
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_folds_show_every_fold_the_mean_and_chance() -> None:
    figure = plots.fold_scores(["1", "2", "3"], [0.5, 0.7, 0.6], [0.52, 0.71, 0.6], 0.125, "m: 3 folds", "on c")
    (axes,) = figure.axes
    heights = [patch.get_height() for patch in axes.containers[0]]
    assert heights == pytest.approx([50.0, 70.0, 60.0])
    names = axes.get_legend_handles_labels()[1]
    assert "mean UAR 60.0 % ± 10.0" in names
    assert "chance 12.5 %" in names
    assert [t.get_text() for t in axes.get_xticklabels()] == ["1", "2", "3"]
    with pytest.raises(VocalicsError, match="1 folds, 1 UARs, 1 accuracies; expected one of each, at least 2 folds"):
        plots.fold_scores(["1"], [0.5], [0.5], 0.1)


def test_a_search_shows_the_best_so_far_and_what_failed() -> None:
    scores = [0.4, np.nan, 0.6, 0.3, 0.5]
    states = ["complete", "failed", "complete", "pruned", "complete"]
    figure = plots.search_history(scores, states, 0.55)
    (axes,) = figure.axes
    lines = {line.get_label(): np.asarray(line.get_ydata()) for line in axes.lines}
    np.testing.assert_allclose(lines["best so far, 60.0 %"], [40, 40, 60, 60, 60])
    np.testing.assert_allclose(lines["trial"], [40, 60, 50])
    assert "the recipe as it stood, 55.0 %" in lines
    assert "failed, no score" in lines
    with pytest.raises(VocalicsError, match="no trial is complete"):
        plots.search_history([np.nan], ["failed"], 0.5)


def test_bars_are_as_long_as_their_numbers_and_say_them() -> None:
    figure = plots.bars({"happy": 3, "$x^2$": 1_500}, "clips", "A title", "of two groups")
    lengths = [patch.get_width() for patch in figure.axes[0].patches]
    assert lengths == [3, 1_500]
    shown = texts(figure)
    for words in ("happy", r"\$x^2\$", "1,500", "clips", "A title", "of two groups"):
        assert words in shown
    with pytest.raises(VocalicsError, match="nothing to draw bars of"):
        plots.bars({}, "clips")


def test_a_heat_map_holds_every_value_in_figures_and_none_for_nan() -> None:
    values = [[1.5, -2.0, float("nan")], [0.0, -0.01, 2.0]]
    figure = plots.heat_map(values, ["a", "b"], ["x", "y", "z"], form="{:+.1f}", diverging=True)
    written = [text.get_text() for text in figure.axes[0].texts]
    assert written == ["+1.5", "−2.0", "–", "0.0", "0.0", "+2.0"]
    image = figure.axes[0].images[0]
    assert image.get_clim() == (-2.0, 2.0)
    red, blue = image.cmap(image.norm(2.0)), image.cmap(image.norm(-2.0))
    assert red[0] > blue[0] and blue[2] > red[2]
    with pytest.raises(VocalicsError, match=r"expected \(1, 3\)"):
        plots.heat_map(values, ["a"], ["x", "y", "z"])


def test_writing_on_a_shade_stands_out_from_it() -> None:
    from matplotlib.colors import to_rgb

    def light(colour: Any) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    for diverging in (False, True):
        figure = plots.heat_map(np.linspace(-1, 1, 41)[None], ["a"], [str(i) for i in range(41)], diverging=diverging)
        image, written = figure.axes[0].images[0], figure.axes[0].texts
        for value, text in zip(np.linspace(-1, 1, 41), written, strict=True):
            shade, ink = sorted([light(image.cmap(image.norm(value))), light(text.get_color())])
            assert (ink + 0.05) / (shade + 0.05) > 4.5


def test_histograms_are_as_high_as_their_fullest_bin_and_say_how_many() -> None:
    figure = plots.histograms([0, 1, 2], {"happy": [1, 4], "sad": [0, 0]}, "length, s")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["happy\n5 clips", "sad\n0 clips"]
    heights = [patch.get_data().baseline - patch.get_data().values for patch in figure.axes[0].patches]
    np.testing.assert_allclose(heights[0], [0.85 / 4, 0.85])
    assert not heights[-1].any()
    with pytest.raises(VocalicsError, match="each of 2 counts"):
        plots.histograms([0, 1, 2], {"happy": [1]}, "length, s")


def test_clouds_show_each_group_in_a_panel_of_its_own() -> None:
    points = np.random.default_rng(0).normal(size=(30, 2))
    groups = ["a"] * 20 + ["b"] * 10
    figure = plots.clouds(points, groups, ["b", "a"], "A title")
    assert [axes.get_title() for axes in figure.axes] == ["b (10)", "a (20)"]
    faint, dark = figure.axes[0].collections
    np.testing.assert_array_equal(np.asarray(dark.get_offsets()), points[20:])
    assert len(faint.get_offsets()) == 20
    with pytest.raises(VocalicsError, match="and a group to show"):
        plots.clouds(points, groups, [])


@pytest.mark.parametrize("n", [1, 300, 100_000])
def test_a_small_sound_has_a_wave_above_its_spectrogram(n: int) -> None:
    clip = Clip(np.full(n, 0.5, np.float32), 16_000)
    upper, lower = plots.sound(clip, "happy", "a.wav").axes
    assert upper.get_xlim() == lower.get_xlim() == (0, clip.duration)
    assert len(lower.images) == 1 and not upper.images
    with pytest.raises(VocalicsError, match="holds no samples"):
        plots.sound(Clip(np.zeros(0, np.float32), 16_000))


def test_a_figure_inside_a_page_is_legible_in_light_and_dark_and_names_no_address() -> None:
    figure = plots.clouds(np.random.default_rng(0).normal(size=(9, 2)), ["<&>"] * 9, ["<&>"], "A title")
    first, second = (plots.svg(figure, name, 'what it "shows"') for name in ("one", "two"))
    assert first.startswith("<svg ") and first.endswith("</svg>")
    assert 'role="img" aria-label="what it &quot;shows&quot;"' in first
    assert "&lt;&amp;&gt;" in first and "<&>" not in first
    assert "http" not in first and "<style" not in first
    ids = [set(re.findall(r'\bid="([^"]+)"', text)) for text in (first, second)]
    assert len(ids[0]) > 5 and not ids[0] & ids[1]
    sound = plots.svg(plots.sound(Clip(np.ones(9_000, np.float32), 16_000)), "three", "a sound")
    used = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', sound)
    assert used and all(f'id="{"".join(names)}"' in sound for names in used)
    assert 'href="data:image/png;base64,' in first
    assert f"var(--faint, {plots.FAINT.lower()})" in first.lower()
    assert not re.search(r": #0{6}|: #f{6}", first, re.IGNORECASE)  # black and white would not follow a dark page
    assert plots.svg(figure, "one", 'what it "shows"') == first


def track(name: str = "left") -> plots.Track:
    """A channel of ten seconds, spoken in from 2 to 5 and from 7 to 8."""
    edges = np.arange(0, 10, 2.0)
    chances = np.full((5, 8), 0.125)
    chances[3] = 0
    envelope = np.random.default_rng(0).uniform(0, 1, 200)
    stretches = [(2.0, 5.0, "angry"), (7.0, 8.0, None)]
    return plots.Track(name, envelope, 0.05, stretches, np.stack([edges, edges + 2], axis=1), chances)


def test_a_recording_is_drawn_a_row_per_channel() -> None:
    figure = plots.recording([track(), track("$right$")], 10.0, EMOTIONS, "Title", "caption")
    assert len(figure.axes) == 4 and [axes.get_ylabel() for axes in figure.axes[::2]] == ["left", r"\$right\$"]
    assert "angry" in [text.get_text() for text in figure.axes[0].texts]
    assert all(axes.get_xlim() == (0, 10) for axes in figure.axes)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(EMOTIONS)[::-1], "as they are stacked"
    drawn = [shape.get_paths()[0] for shape in figure.axes[1].collections]
    assert [path.vertices[:, 1].max() for path in drawn] == pytest.approx(np.arange(1, 9) / 8), "stacked to 1"
    at = [[path.contains_point((second, 0.05)) for second in (3, 7)] for path in drawn]
    assert at[0] == [True, False] and not any(silent for _, silent in at), "the fourth window holds no speech"
    assert plots.png(figure).startswith(b"\x89PNG")


def test_words_name_the_longest_stretches_and_stay_inside() -> None:
    stretches = [(0.0, 0.1, "disgust"), (0.1, 0.9, "angry"), (9.6, 10.0, "surprise")]
    figure = plots.recording([dataclasses.replace(track(), stretches=stretches)], 10.0, EMOTIONS)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert {text.get_text() for text in axes.texts} == {"angry", "surprise"}, "for disgust there is no room"
    assert all(text.get_window_extent().x1 <= axes.bbox.x1 for text in axes.texts)


def test_no_title_is_cut_off_and_long_names_leave_the_panel_room() -> None:
    from matplotlib.text import Text

    title = "A title that is far longer than the figure that it stands above is wide, and goes on"
    for figure in (
        plots.bars({"a corpus whose name is longer than any that we ship, by far": 1.0}, "clips", title),
        plots.learning_curves(HISTORY, title),
    ):
        figure.draw_without_rendering()
        shown = [text for text in figure.findobj(Text) if text.get_text().startswith("A title")]
        assert len(shown) == 1 and shown[0].get_text().split() == title.split()
        assert shown[0].get_window_extent().x1 <= figure.bbox.x1
        assert figure.axes[0].bbox.width > figure.bbox.width / 4


def test_the_legend_of_folds_stands_above_the_bars() -> None:
    figure = plots.fold_scores(["1", "2", "3"], [1.0, 0.98, 1.0], [1.0, 0.99, 1.0], 0.125)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert axes.get_legend().get_window_extent().y0 >= max(bar.get_window_extent().y1 for bar in axes.patches[1:])
