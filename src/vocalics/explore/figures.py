"""The figures of an exploration, each known by its name: for a page, as PNG, and from Python."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vocalics import plots
from vocalics.explore.examples import Example
from vocalics.explore.exploration import Exploration
from vocalics.explore.listeners import Agreement
from vocalics.explore.measures import MEASURES
from vocalics.explore.projection import Projection
from vocalics.explore.tallies import Histogram, Tally
from vocalics.markup import text

MOST_BARS = 30
"""Speakers that get a bar each; of more, a histogram is drawn."""

MOST_CLOUDS = 9
"""Speakers that get a panel each, those with the most clips."""

MOST_POINTS = 4_000
"""Points drawn in a plane; of more clips, a sample."""

TITLES: Mapping[str, str] = {m.name: m.title for m in MEASURES}

_FITS_PHONE = 5.0  # inches: a wider figure is not shrunk so far, but scrolls on a narrow page


@dataclass(frozen=True)
class Drawing:
    """A figure that can be drawn.

    Attributes:
        name: Of its file, without ending, and of its element in a page.
        title: The heading.
        label: What a screen reader says in its place.
        caption: What it is of, and how it is measured.
        draw: Called with title and caption, either of which may be empty, draws it.
    """

    name: str
    title: str
    label: str
    caption: str
    draw: Callable[[str, str], Any]


def drawings(exploration: Exploration) -> dict[str, Drawing]:
    """Return the figures that an exploration has numbers for, by name."""
    found = [*_counts(exploration), *(_histogram(h) for h in exploration.histograms)]
    found += _differences(exploration) + _planes(exploration) + _votes(exploration)
    return {drawing.name: drawing for drawing in found}


def figure(drawing: Drawing) -> str:
    """Return a drawing with its caption."""
    drawn = drawing.draw("", "")
    picture = plots.svg(drawn, drawing.name, drawing.label)
    if drawn.get_size_inches()[0] > _FITS_PHONE:
        about = text(f"{drawing.title}, scrolls")
        picture = f'<div class="scroll" tabindex="0" role="region" aria-label="{about}">{picture}</div>'
    caption = f"<figcaption>{text(drawing.caption)}</figcaption>" if drawing.caption else ""
    return f"<figure>{picture}{caption}</figure>"


def sound_drawing(exploration: Exploration, example: Example) -> Drawing:
    """Return the waveform and spectrogram of one clip."""
    utterance, clip = exploration.manifest[example.row], example.clip
    title = f"{example.emotion}: {utterance.speaker or utterance.corpus}"
    label = f"Waveform above spectrogram, {clip.duration:.2f} s: {title}, {utterance.name}"
    return Drawing(
        f"sound_{example.emotion}_{example.number}", title, label, utterance.name,
        lambda title, caption: plots.sound(clip, title, caption),
    )  # fmt: skip


def write_png(drawing: Drawing, folder: str | os.PathLike[str]) -> Path:
    """Write a figure with its title and caption as ``NAME.png`` into a folder; return the file."""
    target = Path(folder) / f"{drawing.name}.png"
    plots.save(drawing.draw(drawing.title, drawing.caption), target)
    return target


def _counts(exploration: Exploration) -> list[Drawing]:
    n = len(exploration.manifest)
    about = f"{n:,} clips of {', '.join(exploration.manifest.corpora)}"
    found = [
        _bars("clips_by_emotion", "Clips per emotion", exploration.by_emotion, "clips", about, plots.PALETTE),
        _minutes("minutes_by_corpus", "Minutes per corpus", exploration.by_corpus, about),
        _bars("clips_by_sex", "Clips by the speakers' sex", exploration.by_sex, "clips", about),
        _bars("clips_by_sample_rate", "Clips by sample rate", exploration.by_sample_rate, "clips", about),
    ]
    crossing = exploration.crossing
    if len(crossing.columns) > 1:
        found.append(
            Drawing(
                "emotions_by_corpus", "Clips by emotion and corpus",
                "Table of shades: clips of every emotion in every corpus.", about,
                lambda title, caption: plots.heat_map(
                    crossing.n_clips, crossing.rows, crossing.columns, title, caption
                ),
            )
        )  # fmt: skip
    if len(exploration.by_speaker) <= MOST_BARS:
        found.append(_bars("clips_by_speaker", "Clips per speaker", exploration.by_speaker, "clips", about))
    else:
        found.append(_speakers(exploration, about))
    return found


def _bars(
    name: str,
    title: str,
    tallies: Sequence[Tally],
    unit: str,
    caption: str,
    colours: Mapping[str, str] | None = None,
) -> Drawing:
    values = {t.name: float(t.n_clips) for t in tallies}
    label = f"Bars: {title.lower()}. " + _spoken({k: f"{v:,.0f}" for k, v in values.items()})
    return Drawing(
        name, title, label, caption,
        lambda title, caption: plots.bars(values, unit, title, caption, colours=colours),
    )  # fmt: skip


def _minutes(name: str, title: str, tallies: Sequence[Tally], caption: str) -> Drawing:
    values = {t.name: t.seconds / 60 for t in tallies}
    label = f"Bars: {title.lower()}. " + _spoken({k: f"{v:,.1f}" for k, v in values.items()})
    return Drawing(
        name, title, label, caption,
        lambda title, caption: plots.bars(values, "minutes", title, caption, form="{:,.1f}"),
    )  # fmt: skip


def _speakers(exploration: Exploration, caption: str) -> Drawing:
    """How many clips the speakers of each corpus have."""
    n = Counter((u.corpus, u.speaker) for u in exploration.manifest if u.speaker)
    by_corpus: dict[str, list[int]] = {}
    for (corpus, _speaker), clips in sorted(n.items()):
        by_corpus.setdefault(corpus, []).append(clips)
    edges = np.linspace(0, max(n.values()) * 1.02, 41)
    counts = {corpus: np.histogram(clips, edges)[0] for corpus, clips in by_corpus.items()}
    return Drawing(
        "clips_by_speaker", "Clips per speaker",
        "Histograms: clips per speaker, by corpus. " + _spoken({c: f"{len(v)} speakers" for c, v in by_corpus.items()}),
        caption,
        lambda title, caption: plots.histograms(edges, counts, "clips per speaker", title, caption, unit="speakers"),
    )  # fmt: skip


def _histogram(histogram: Histogram) -> Drawing:
    what = TITLES[histogram.measure]
    title = f"{what[0].upper()}{what[1:]}, by {histogram.by}"
    meaning = next(m.meaning for m in MEASURES if m.name == histogram.measure)
    medians = {name: f"{q[1]:.3g}" for name, q in histogram.quantiles.items() if np.isfinite(q[1])}
    return Drawing(
        f"{histogram.measure}_by_{histogram.by}", title, f"Histograms: {title}. Medians: {_spoken(medians)}",
        f"{meaning[0].upper()}{meaning[1:]}. Each group has its own height; the outermost bins hold what lies beyond.",
        lambda title, caption: plots.histograms(histogram.edges, histogram.counts, what, title, caption),
    )  # fmt: skip


def _differences(exploration: Exploration) -> list[Drawing]:
    told = exploration.differences
    if told is None:
        return []
    return [
        Drawing(
            "differences", "What sets each emotion apart",
            "Table of shades: Cohen's d of every emotion against all others, by measure.",
            "Cohen's d of an emotion's clips against all others; each speaker's mean was taken away first.",
            lambda title, caption: plots.heat_map(
                told.effect, [TITLES[m] for m in told.measures], told.emotions, title, caption, form="{:+.1f}",
                diverging=True, limits=(-2.0, 2.0),
            ),
        )
    ]  # fmt: skip


def _planes(exploration: Exploration) -> list[Drawing]:
    found = []
    for plane in (exploration.plane, exploration.neighbourhood):
        if plane is None:
            continue
        for name in ("emotion", "corpus", "speaker"):
            if (drawing := _plane(exploration, plane, name)) is not None:
                found.append(drawing)
    told = exploration.grouping
    if told is not None:
        values = {f"between {name}s" if name != "corpus" else "between corpora": 100 * share
                  for name, share in told.explained.items() if np.isfinite(share)}  # fmt: skip
        if values and np.isfinite(told.explained_within):
            values["between emotions, within speakers"] = 100 * told.explained_within
        if values:
            found.append(
                Drawing(
                    "variance_explained", "What the features tell of",
                    "Bars: share of variance between groups. " + _spoken({k: f"{v:.0f} %" for k, v in values.items()}),
                    "Share of the features' variance that lies between groups (epsilon squared), mean over 268 "
                    "features (mfcc_chroma_mel, mel in dB).",
                    lambda title, caption: plots.bars(values, "% of the variance", title, caption, form="{:.0f} %"),
                )
            )  # fmt: skip
    return found


def _plane(exploration: Exploration, plane: Projection, name: str) -> Drawing | None:
    rows, points = plane.rows[:MOST_POINTS], plane.points[:MOST_POINTS]
    groups = [getattr(exploration.manifest[i], name) or "unknown" for i in rows.tolist()]
    known = [u.speaker for u in exploration.manifest if u.speaker]
    shown = {
        "emotion": list(exploration.manifest.emotions),
        "corpus": list(exploration.manifest.corpora),
        "speaker": [speaker for speaker, _ in Counter(known).most_common(MOST_CLOUDS)],
    }[name]
    shown = [group for group in shown if group in groups]
    if len(set(groups)) < 2:
        return None
    method = {"pca": "principal components", "tsne": "t-SNE"}[plane.method]
    some = f"the {len(shown)} speakers with the most clips" if len(set(groups)) > len(shown) else f"every {name}"
    about = f"Each point is a clip, laid out by {method} of its features; dark in the panel of {some}, faint elsewhere."
    if plane.variance:
        about += f" The axes hold {100 * plane.variance[0]:.0f} and {100 * plane.variance[1]:.0f} % of the variance."
    if len(rows) < exploration.n_readable:
        about += f" {len(rows):,} of {exploration.n_readable:,} clips are drawn."
    return Drawing(
        f"{plane.method}_by_{name}", f"The plane by {name} ({'PCA' if plane.method == 'pca' else 't-SNE'})",
        f"Clouds of points by {method}, one panel per {name}: {', '.join(shown)}.", about,
        lambda title, caption: plots.clouds(points, groups, shown, title, caption),
    )  # fmt: skip


def _votes(exploration: Exploration) -> list[Drawing]:
    return [
        Drawing(
            f"votes_{i}", f"What listeners heard: {told.corpus}",
            "Table of shades: acted emotion by the emotion voted for, % of a row's votes.",
            f"{told.corpus}: {told.n_votes:,} votes on {told.n_clips:,} clips",
            partial(_vote_table, told),
        )
        for i, told in enumerate(exploration.agreement, start=1)
    ]  # fmt: skip


def _vote_table(told: Agreement, title: str, caption: str) -> Any:
    return plots.heat_map(
        100 * np.array(told.votes), told.emotions, told.emotions, title, caption, limits=(0.0, 100.0),
        row_label="acted", column_label="voted for (% of the row's votes)",
    )  # fmt: skip


def _spoken(values: Mapping[str, str], most: int = 12) -> str:
    """The first of many values as a sentence."""
    told = [f"{name} {value}" for name, value in values.items()]
    return ", ".join(told[:most]) + (f" and {len(told) - most} more" if len(told) > most else "") + "."
