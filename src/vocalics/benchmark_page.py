"""The page that ``vocalics benchmark`` writes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vocalics.benchmark import N_TIMED
from vocalics.benchmark_results import SCOPES, TOGETHER_TOO, Ends, Part, Result, noted

INTRODUCTION = """\
Written by `vocalics benchmark`. Unless speakers are shared, every fold's model was trained without the speakers of its
test clips, whatever else it was trained on; what is chosen (the epoch, a temperature) is chosen by training speakers. A
figure is the mean over folds, then over seeds, in %, with the deviation over seeds; beside it stands the figure of all
judgements together with a 95 % interval, a bootstrap over speakers (few speakers: read it with care). Where a protocol
tests one corpus, its classes are taken as known, as in the publications. Behind a calibration error stands in brackets
what that of perfect probabilities would be on average on as many clips (at least: clips of one speaker are alike): so
much of it is chance.
"""
HEAD = ("protocol", "figure", "model", "trained on", "mean", "together", "seeds", "calibration error", "published")
TOGETHER = """\
*Folds together*: one model is tested on a fold of each corpus, and was trained without the test speakers of them all: a
fraction of the trainings, and a little less to learn from than a fold by itself leaves.
"""
IN_PARTS = """\
Marked *: seeds that were measured at different times, of which only the figures are left. Intervals and calibration
errors are means of theirs: rather too large than too small.
"""
VOICES = """\
Before a clip is judged, the model has got used to the voice from some other clips of its speaker, drawn at random,
whose emotions nobody told it ([how](../voices.md)). The clips of a speaker are dealt into five groups; each is judged
by clips of the others, all of these where they are fewer. Published figures are of clips by themselves: these rows show
what knowing a voice is worth, not who is better. In brackets the calibration error.
"""


def to_markdown(results: Sequence[Result]) -> str:
    """Return the page.

    Args:
        results: Of every protocol and recipe that has a finished run, in the order of the rows.
    """
    introduction = [INTRODUCTION, *([TOGETHER] if any(r.together for r in results) else [])]
    introduction += [IN_PARTS] if any(r.in_parts for r in results) else []
    trained: dict[tuple[str, ...], list[str]] = {}
    for r in results:
        if r.scope == "all":
            trained.setdefault(tuple(noted(c, r.corpora) for c in r.corpora), []).append(f"`{r.recipe}`")
    every = []
    for names, models in trained.items():
        whose = f" of {', '.join(dict.fromkeys(models))}" if len(trained) > 1 else ""
        every.append(f"All corpora{whose}: {', '.join(names)}.")
    every += [""] if every else []
    lines = ["# Benchmark", "", *introduction, *every]
    for leaky in (False, True):
        own = [r for r in results if r.protocol.leaky == leaky and not r.voice]
        if not own:
            continue
        if leaky:
            lines += [
                "## Speakers shared, as published",
                "",
                "These figures leak: they do not say how a model does on new voices.",
                "",
            ]
        lines += [
            f"| {' | '.join(HEAD)} |",
            "|---|---|---|---|---:|---:|---:|---:|---|",
            *(_row(r) for r in own),
            "",
        ]
    if any(r.voice for r in results):
        lines += _known_voices(results)
    lines += _sentences(results)
    left_out = [r for r in results if r.protocol.folds == "corpora"]
    if left_out:
        lines += _left_out(left_out)
    most = max((r.voice for r in results), default=0)
    lines += _divided([r for r in results if not r.protocol.leaky and r.voice in (0, most)])
    lines += [
        "## The models",
        "",
        "Parameters and multiply-accumulate operations (per second of sound; of convolutions and matrix products) with "
        "those of the encoder that a model sits on; the file without it. Real time: seconds of sound per second of one "
        f"processor, reading and front end included, over {N_TIMED} test clips of every fold.",
        "",
        "| model | parameters | million MAC/s | file, kB | x real time |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in dict.fromkeys(r.recipe for r in results):
        own = [r for r in results if r.recipe == name and not r.voice]
        figures = (
            f"{max(r.n_parameters for r in own):,}",
            f"{max(r.macs for r in own) / 1e6:,.1f}",
            f"{max(r.size for r in own) / 1000:,.0f}",
            f"{np.median([r.real_time for r in own]):,.0f}",
        )
        lines.append(f"| `{name}` | {' | '.join(figures)} |")
    return "\n".join(lines).rstrip() + "\n"


def _row(found: Result) -> str:
    seeds = len(found.by_seed)
    spread = f" ± {_percent(float(np.std(found.by_seed, ddof=1)))}" if seeds > 1 else ""
    error = "–" if found.calibration_error is None else f"{found.calibration_error:.3f}"
    if found.calibration_by_chance is not None:
        error += f" ({found.calibration_by_chance:.3f})"
    together = "–" if found.pooled is None else _interval(found.pooled)
    published = "; ".join(
        f"{r.system} {_percent(r.value)}" + (f" ({r.parameters:,g} M)" if r.parameters else "")
        for r in found.protocol.references
    )
    return (
        f"| {_title(found)} | {_metric(found)} | `{found.recipe}` | "
        f"{_trained_on(found)} | **{_percent(found.value)}**{spread} | {together} | "
        f"{seeds}{'*' if found.in_parts else ''} | {error} | {published or '–'} |"
    )


def _title(found: Result) -> str:
    one = found.protocol
    note = f" ({found.corpora[one.corpus]})" if found.corpora.get(one.corpus) else ""
    return f"{one.title}{note}; {found.n_classes} classes, {found.n_speakers} speakers"


def _trained_on(found: Result) -> str:
    return SCOPES[found.scope] + (TOGETHER_TOO if found.together else "")


def _model(found: Result) -> str:
    return f"`{found.recipe}`" + (f", {found.voice} other clips heard" if found.voice else "")


def _metric(found: Result) -> str:
    return "UAR" if found.protocol.metric == "uar" else found.protocol.metric


def _known_voices(results: Sequence[Result]) -> list[str]:
    """The table of what other clips of a voice are worth."""
    numbers = sorted({r.voice for r in results})
    known = {r.key: r for r in results}
    lines = [
        "## Known voices",
        "",
        VOICES,
        f"| protocol | figure | model | {' | '.join(f'{n} other clips' if n else 'none' for n in numbers)} |",
        f"|---|---|---|{'---:|' * len(numbers)}",
    ]
    for plain in (r for r in results if not r.voice and not r.protocol.leaky):
        row = [known.get((plain.protocol.name, plain.recipe, plain.scope, n)) for n in numbers]
        if any(row[1:]):
            lines.append(
                f"| {_title(plain)} | {_metric(plain)} | `{plain.recipe}` | "
                f"{' | '.join(_with_error(r, plain) if r else '–' for r in row)} |"
            )
    return [*lines, ""]


def _with_error(found: Result, plain: Result) -> str:
    """A figure with its calibration error, and how many seeds it is of where they are not those of clips alone."""
    error = found.calibration_error
    seeds = "" if found.seeds == plain.seeds else f", {len(found.seeds)} of {len(plain.seeds)} seeds"
    return f"**{_percent(found.value)}**" + ("" if error is None else f" ({error:.3f})") + seeds


def _left_out(results: Sequence[Result]) -> list[str]:
    notes = {c: note for r in results for c, note in r.corpora.items() if note}
    corpora = list(dict.fromkeys(c for r in results for c in r.by_fold))
    lines = [
        "## Every corpus left out in turn",
        "",
        "UAR in %, mean of seeds; a model of eight classes, all of which it may name. In brackets the emotion that it "
        "names most of the corpus's clips, and its share: above 60 % it would have collapsed.",
        "",
        f"| model | {' | '.join(noted(c, notes) for c in corpora)} | mean |",
        f"|---|{'---:|' * (len(corpora) + 1)}",
    ]
    for r in results:
        figures = " | ".join(_left(r, c) for c in corpora)
        lines.append(f"| {_model(r)} | {figures} | **{_percent(r.value)}** |")
    return [*lines, ""]


def _sentences(results: Sequence[Result]) -> list[str]:
    """The table of what the sentences tell; no lines where that is not known of any protocol."""
    known = {r.protocol.name: r for r in results if r.by_sentence is not None}
    if not known:
        return []
    return [
        "## What the sentences tell",
        "",
        "UAR in % of a judge who hears nothing and knows of a test clip only which sentence it is, from the other "
        "speakers' clips, beside chance. Where he does well, words tell the emotion, and part of what a model that "
        "hears words reaches may not be the voice: further down, figures measured since this is looked at are divided "
        "by sentences. What is said in one emotion only may also be easier to hear: see the gap of models that hear no "
        "words, or never heard the corpus.",
        "",
        "| protocol | by the sentence alone | chance |",
        "|---|---:|---:|",
        *(f"| {_title(r)} | {_percent(r.by_sentence or 0.0)} | {_percent(1 / r.n_classes)} |" for r in known.values()),
        "",
    ]


def _divided(results: Sequence[Result]) -> list[str]:
    """The table of who is heard how well; no lines where nothing divides the speakers."""
    rows = [
        f"| {_title(r)} | {_model(r)} | {by} | {_parts(parts)} | {_percent(_gap(parts))} |"
        for r in results
        for by, parts in r.divided.items()
    ]
    if not rows:
        return []
    return [
        "## Who is heard how well",
        "",
        "UAR in % of the judgements of all seeds together, by what is known of the speakers and of what they say, with "
        "a 95 % interval (a bootstrap over speakers; of a single one, over clips) and their number. The gap is between "
        "the best and the worst part, in points; intervals that overlap say that it may be chance (not of sentences: "
        "the same speakers say both kinds).",
        "",
        "| protocol | model | by | parts | gap |",
        "|---|---|---|---|---:|",
        *rows,
        "",
    ]


def _parts(parts: Sequence[Part]) -> str:
    return "; ".join(f"{part.name} {_interval(part.uar)} ({part.n_speakers})" for part in parts)


def _gap(parts: Sequence[Part]) -> float:
    values = [part.uar[0] for part in parts]
    return max(values) - min(values)


def _interval(ends: Ends) -> str:
    value, low, high = map(_percent, ends)
    return f"{value} % [{low}, {high}]"


def _left(found: Result, corpus: str) -> str:
    if corpus not in found.by_fold:
        return "–"
    emotion, share = found.named_most[corpus]
    return f"{_percent(found.by_fold[corpus])} ({emotion} {100 * share:.0f})"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"
