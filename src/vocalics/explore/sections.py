"""The sections of a page that show numbers of all clips together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vocalics.corpora import corpora
from vocalics.explore.clip_sections import Sounds
from vocalics.explore.exploration import Exploration
from vocalics.explore.figures import TITLES, Drawing, figure
from vocalics.explore.measures import MEASURES
from vocalics.explore.tallies import Tally
from vocalics.markup import Cell, card, details, number, paragraph, table, text

Figures = Mapping[str, Drawing]


def summary(exploration: Exploration, sounds: Sounds) -> str:
    """The page's first lines: how much there is, and what must not be overlooked."""
    manifest = exploration.manifest
    n_suspicious = len({s.row for s in exploration.suspicions if s.kind != "doubted"})
    facts = {
        "clips": f"{len(manifest):,}",
        "hours": f"{exploration.seconds / 3600:,.2f}",
        "emotions": f"{len(manifest.emotions)}",
        "speakers": f"{len(manifest.speakers):,}",
        "corpora": f"{len(manifest.corpora)}",
        "unreadable": f"{len(manifest) - exploration.n_readable:,}",
        "suspicious": f"{n_suspicious:,}",
        "copies": f"{sum(len(c.rows) - 1 for c in exploration.identical):,}",
    }
    items = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in facts.items())
    return f'<dl class="facts">{items}</dl>{_licences(exploration, sounds)}'


def amounts(exploration: Exploration, figures: Figures) -> str:
    """How many clips and seconds there are."""
    head = ("", "clips", "share", "minutes", "speakers")

    def of(tallies: Sequence[Tally], caption: str, first: str) -> str:
        n = len(exploration.manifest)
        rows = [(t.name, t.n_clips, f"{100 * t.n_clips / n:.1f} %", f"{t.seconds / 60:,.1f}", t.speakers)
                for t in tallies]  # fmt: skip
        return table((first, *head[1:]), rows, caption, spoken=True)

    blocks = [
        card("Emotions", figure(figures["clips_by_emotion"]) + of(exploration.by_emotion, "By emotion", "emotion")),
        card("Corpora", figure(figures["minutes_by_corpus"]) + of(exploration.by_corpus, "By corpus", "corpus")),
    ]
    if "emotions_by_corpus" in figures:
        blocks.append(card("Emotions in corpora", figure(figures["emotions_by_corpus"]) + _crossing(exploration)))
    speakers = of(exploration.by_speaker, "By speaker", "speaker")
    blocks += [
        card("Speakers", figure(figures["clips_by_speaker"])
             + details(f"All {len(exploration.by_speaker):,} speakers", speakers)),
        card("Sex", figure(figures["clips_by_sex"]) + of(exploration.by_sex, "By sex", "sex")),
        card("Sample rates", figure(figures["clips_by_sample_rate"])
             + of(exploration.by_sample_rate, "By sample rate of the file", "sample rate")),
    ]  # fmt: skip
    return f'<div class="flow">{"".join(blocks)}</div>'


def spread(exploration: Exploration, figures: Figures) -> str:
    """Histograms, each with its quantiles."""
    blocks = []
    for told in exploration.histograms:
        drawing = figures[f"{told.measure}_by_{told.by}"]
        form = next(m.form for m in MEASURES if m.name == told.measure)
        rows = [(name, *(number(q, form) for q in told.quantiles[name])) for name in told.counts]
        inner = figure(drawing) + table((told.by, "5 %", "median", "95 %"), rows, "Quantiles of the clips")
        blocks.append(card(drawing.title, inner))
    return f'<div class="flow">{"".join(blocks)}</div>' if blocks else paragraph("No clip could be measured.")


def contrasts(exploration: Exploration, figures: Figures) -> str:
    """How the emotions differ."""
    told = exploration.differences
    if told is None:
        return paragraph("There is one emotion only, and nothing to compare it with.")
    form = {m.name: m.form for m in MEASURES}
    rows: list[tuple[Cell, ...]] = []
    for measure, means, deviations in zip(told.measures, told.mean, told.deviation, strict=True):
        known = deviations[np.isfinite(deviations)]
        spread_of = number(float(np.median(known)) if len(known) else float("nan"), form[measure])
        signed = form[measure].replace("{:", "{:+")
        rows.append((TITLES[measure], *(number(float(m), signed) for m in means), spread_of))
    words = paragraph(
        "Every speaker's own mean is taken away first, so that neither voices nor microphones pass for emotions. "
        "Cohen's d is the difference between an emotion's clips and all others in deviations: 0.2 is small, 0.5 "
        "medium, 0.8 large."
    )
    inner = figure(figures["differences"]) + table(
        ("measure", *told.emotions, "deviation"), rows, "Mean of each emotion less the speaker's mean, in units"
    )
    return words + card("", inner)


def planes(exploration: Exploration, figures: Figures) -> str:
    """The projections, and what dominates them."""
    told = exploration.grouping
    if told is None:
        return paragraph("Fewer than three clips could be read: there is nothing to lay out.")
    blocks = [
        card(figures[name].title, figure(figures[name]))
        for name in (f"{method}_by_{by}" for method in ("pca", "tsne") for by in ("emotion", "corpus", "speaker"))
        if name in figures
    ]
    rows = [
        (f"{name}", number(100 * told.explained[name], "{:.1f} %"), number(told.silhouette[name], "{:+.2f}"))
        for name in told.explained
    ]
    within = ("emotion, within speakers", number(100 * told.explained_within, "{:.1f} %"),
              number(told.silhouette_within, "{:+.2f}"))  # fmt: skip
    numbers = table(
        ("groups", "share of variance", "silhouette"), [*rows, within],
        f"What the features tell apart (silhouettes of {told.n_compared:,} clips)",
    )  # fmt: skip
    drawn = figure(figures["variance_explained"]) if "variance_explained" in figures else ""
    verdict = card("What dominates", paragraph(_verdict(told.explained)) + drawn + numbers)
    legend = (
        "The silhouette is 1 where groups lie apart, 0 where they overlap, and negative where clips lie closer to "
        "another group than to their own."
    )
    if exploration.neighbourhood is not None:
        legend += " In the t-SNE picture neighbours mean something; sizes and distances of clusters do not."
    return paragraph(legend) + f'<div class="flow">{verdict}{"".join(blocks)}</div>'


def listeners(exploration: Exploration, figures: Figures) -> str:
    """Whether listeners agree with the acted emotion and with one another."""
    if not exploration.agreement:
        return paragraph("No clip of this manifest has listeners' votes.")
    blocks = []
    for i, told in enumerate(exploration.agreement, start=1):
        facts: list[tuple[Cell, ...]] = [
            ("clips with votes", told.n_clips),
            ("votes", told.n_votes),
            ("votes for the acted emotion, mean of the clips", f"{100 * told.acted_share:.1f} %"),
            ("clips whose acted emotion has the most votes", f"{100 * told.heard:.1f} %"),
            ("clips whose acted emotion shares the most votes", f"{100 * told.tied:.1f} %"),
            ("Fleiss' kappa (Fleiss 1971; any number of votes)", number(told.kappa, "{:.3f}")),
            ("entropy of a clip's votes, bits", number(told.entropy_bits, "{:.2f}")),
        ]
        if told.others:
            facts.append(("votes for other words, left out", told.others))
        shares = [(name, f"{100 * share:.1f} %") for name, share in told.by_emotion.items()]
        blocks.append(card(figures[f"votes_{i}"].title, figure(figures[f"votes_{i}"])))
        blocks.append(
            card(
                f"Agreement: {told.corpus}",
                table(("", "value"), facts, "Agreement of listeners")
                + table(("acted", "heard as acted"), shares, "Votes for the acted emotion"),
            )
        )
    return f'<div class="flow">{"".join(blocks)}</div>'


def about(exploration: Exploration) -> str:
    """What every measure is."""
    rows = [(m.title, m.name, m.meaning) for m in MEASURES]
    words = paragraph(
        "Measured of each clip in one reading of its file, at the file's own sample rate, channels averaged. The "
        "features of the plane are the set mfcc_chroma_mel (mel in dB), each with mean 0 and deviation 1."
    )
    return words + card("", table(("measure", "name in JSON", "how"), rows, "Measures", spoken=True))


def _crossing(exploration: Exploration) -> str:
    crossing = exploration.crossing
    rows: list[tuple[Cell, ...]] = [(name, *n) for name, n in zip(crossing.rows, crossing.n_clips, strict=True)]
    return details("The same as a table", table(("emotion", *crossing.columns), rows, "Clips by emotion and corpus"))


def _licences(exploration: Exploration, sounds: Sounds) -> str:
    known = [corpora()[name] for name in exploration.manifest.corpora if name in corpora()]
    rows: list[tuple[Cell, ...]] = [(c.name, c.title, c.licence, c.citation) for c in known if c.n_clips is not None]
    inner = (
        details("Licences and citations", table(("corpus", "title", "licence", "cite"), rows, "Corpora"))
        if rows
        else ""
    )
    if not sounds.n_clips:
        return inner
    return (
        '<p class="warn">This page contains sound of its clips, and pictures of it. Some corpora do not allow theirs '
        "to be passed on: check their licences before you share the page, or make it without sound "
        f"(<code>--clips 0</code>).</p>{inner}"
    )


def _verdict(told: Mapping[str, float]) -> str:
    known = {name: share for name, share in told.items() if np.isfinite(share)}
    if len(known) < 2:
        return "There is one kind of group only, and nothing to compare."
    most = max(known, key=lambda name: known[name])
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in known.items())
    if most == "emotion":
        return f"Of the features' variance, most lies between emotions ({shares})."
    return (
        f"The {most} dominates: of the features' variance, {100 * known[most]:.0f} % lies between groups by {most} "
        f"({shares}). A model that is tested on {'speakers' if most == 'speaker' else 'a corpus'} it knows is easily "
        "overrated."
    )
