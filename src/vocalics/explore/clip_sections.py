"""The sections of a page that show single clips: examples, copies, and what is suspicious."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from vocalics.explore.examples import LONGEST_SECONDS, Example, examples, heard
from vocalics.explore.exploration import Copies, Exploration
from vocalics.explore.figures import figure, sound_drawing
from vocalics.explore.suspicions import KINDS
from vocalics.markup import Cell, Markup, card, data_uri, listed, paragraph, player, table, text

MOST_PLAYED = 5
"""Clips of each kind of suspicion that can be played in a page."""

MOST_LISTED = 12
"""Clips of each kind, and groups of copies, that a page lists."""


class Sounds:
    """The clips of a page that can be seen and played, or none of them."""

    def __init__(self, exploration: Exploration, n_clips: int) -> None:
        self.exploration, self.n_clips = exploration, n_clips
        folders = [str(Path(u.path).parent) for u in exploration.manifest]
        try:
            self._root = os.path.commonpath(folders)
        except ValueError:  # relative and absolute ones, or several drives
            self._root = ""

    def name(self, row: int) -> str:
        """A clip's file, from the folder on that all clips share."""
        path = self.exploration.manifest[row].path
        shared = self._root and Path(path).is_relative_to(self._root)
        return Path(path).relative_to(self._root).as_posix() if shared else path

    def cell(self, row: int) -> Markup:
        """What plays a clip; a dash where it cannot be read."""
        clip = heard(self.exploration.manifest[row].path)
        if clip is None:
            return Markup("–")
        return player(data_uri(clip), self.name(row))


def voices(exploration: Exploration, sounds: Sounds, rng: np.random.Generator) -> str:
    """Clips of every emotion, seen and heard."""
    if not sounds.n_clips:
        return paragraph("This page was made without sound (--clips 0).")
    blocks = [
        paragraph(
            f"Up to {sounds.n_clips} clips of every emotion, drawn by chance from as many corpora and speakers as "
            f"there are; of a longer clip the first {LONGEST_SECONDS:g} s. The sound is compressed for this page. "
            "Spectrograms are 80 dB deep below their loudest point."
        )
    ]
    for emotion, shown in groupby(examples(exploration, sounds.n_clips, rng), key=lambda example: example.emotion):
        cards = "".join(f'<div class="card">{_example(exploration, sounds, example)}</div>' for example in shown)
        blocks.append(f'<h3>{text(emotion)}</h3><div class="grid clips">{cards}</div>')
    return "".join(blocks)


def _example(exploration: Exploration, sounds: Sounds, example: Example) -> str:
    utterance = exploration.manifest[example.row]
    about = (utterance.speaker or utterance.corpus, utterance.sex, utterance.intensity)
    who = paragraph(", ".join(word for word in about if word), "who")
    heard_as = player(data_uri(example.clip), f"{example.emotion}, {sounds.name(example.row)}")
    return who + figure(sound_drawing(exploration, example)) + heard_as.html


def copies(exploration: Exploration, sounds: Sounds) -> str:
    """Clips that are there more than once."""
    inner = card("Identical files", _groups(exploration.identical, exploration, sounds, "No two files are the same."))
    if exploration.near_identical is None:
        rest = paragraph(
            "One recording in different files (trimmed, louder, encoded anew) was not looked for: --near-duplicates."
        )
    else:
        rest = _groups(
            exploration.near_identical, exploration, sounds, "No recording was found in two different files."
        )
    return inner + card("One recording in different files", rest)


def suspicious(exploration: Exploration, sounds: Sounds) -> str:
    """Clips with a reason to look at them, the oddest of each kind first."""
    n = Counter(s.kind for s in exploration.suspicions)
    if not n:
        return paragraph("Nothing odd was found.")
    kinds: list[tuple[Cell, ...]] = [(k, n[k], KINDS[k]) for k in KINDS]
    blocks = [card("", table(("what", "clips", "meaning"), kinds, "All kinds that are looked for"))]
    for kind in KINDS:
        found = [s for s in exploration.suspicions if s.kind == kind]
        if not found:
            continue
        playable = sounds.n_clips > 0 and kind not in ("unreadable", "silent")
        lines = []
        for i, one in enumerate(found[:MOST_LISTED]):
            sound = sounds.cell(one.row) if playable and i < MOST_PLAYED else Markup("")
            said = f"{exploration.manifest[one.row].emotion}: {one.reason}"
            lines.append(((sounds.name(one.row),), said, sound))
        inner = paragraph(KINDS[kind], "note") + listed(lines)
        if (rest := len(found) - MOST_LISTED) > 0:
            inner += paragraph(f"And {rest:,} more; all of them are in the JSON report (-o report.json).", "note")
        blocks.append(card(f"{kind} ({len(found):,})", inner))
    return "".join(blocks)


def _groups(groups: Sequence[Copies], exploration: Exploration, sounds: Sounds, none: str) -> str:
    if not groups:
        return paragraph(none)
    lines = []
    for i, group in enumerate(groups[:MOST_LISTED]):
        names = [sounds.name(row) for row in group.rows]
        labels = f"differs in {' and '.join(group.conflicts)}" if group.conflicts else "same emotion and speaker"
        emotions = ", ".join(dict.fromkeys(exploration.manifest[row].emotion for row in group.rows))
        sound = sounds.cell(group.rows[0]) if sounds.n_clips and i < MOST_PLAYED else Markup("")
        lines.append((names, f"{emotions}: {group.note}; {labels}", sound))
    inner = listed(lines)
    if (rest := len(groups) - MOST_LISTED) > 0:
        inner += paragraph(f"And {rest:,} more; all of them are in the JSON report (-o report.json).", "note")
    return inner
