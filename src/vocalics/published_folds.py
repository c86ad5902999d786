"""Published divisions of corpora by speakers, known without a file.

A division that keeps speakers apart is told by its speakers. Sources: EmoBox (Ma et al., "EmoBox: Multilingual
Multi-corpus Speech Emotion Recognition Toolkit and Benchmark", Interspeech 2024); Luna-Jiménez et al., "Multimodal
Emotion Recognition on RAVDESS Dataset Using Transfer Learning", Sensors 21 (2021), 7665; CREMA-D's parts in TensorFlow
Datasets ("crema_d").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vocalics.corpora import canonical_name, corpora
from vocalics.manifest import Manifest


@dataclass(frozen=True)
class Division:
    """A published division.

    Attributes:
        corpus: The corpus.
        folds: The speakers of each fold or part, as the corpus numbers them.
        rest: The part of all other speakers; empty where there are none.
        in_parts: Whether these are parts (train, validation, test) rather than folds.
        without: The names of clips that are in none.
    """

    corpus: str
    folds: Mapping[str, tuple[str, ...]]
    rest: str = ""
    in_parts: bool = False
    without: tuple[str, ...] = ()

    def positions(self, clips: Manifest) -> dict[str, list[int]]:
        """Return the positions of each fold's clips.

        A clip made from another is in none, unless it has its name and stands in its place: so ``prepare`` writes clips
        whole, where what is augmented or cut has a name of its own.
        """
        of = {f"{self.corpus}/{speaker}": fold for fold, speakers in self.folds.items() for speaker in speakers}
        found: dict[str, list[int]] = {}
        there = {canonical_name(u) for u in clips if u.corpus == self.corpus and not u.parent}
        for i, clip in enumerate(clips):
            fold = of.get(clip.speaker, self.rest)
            if clip.corpus != self.corpus or not (fold and clip.speaker):
                continue
            name = canonical_name(clip)
            if clip.parent:
                if Path(clip.parent).stem != clip.name or name in there:
                    continue
                there.add(name)
            if name not in self.without:
                found.setdefault(fold, []).append(i)
        return found


def absent(division: Division, clips: Manifest) -> tuple[str, ...]:
    """Return the names of a division's clips that a manifest lacks, as far as the corpus tells its clips' names."""
    present = {canonical_name(u) for u in clips if u.corpus == division.corpus}
    left_out = present.union(division.without)
    return tuple(name for name in corpora()[division.corpus].expected(None) if name not in left_out)


def n_absent(division: Division, clips: Manifest) -> int:
    """Return how many of a division's clips a manifest lacks, also where the corpus does not tell their names."""
    facts = corpora()[division.corpus]
    if facts.n_clips is None or facts.expected(None):
        return len(absent(division, clips))
    present = {canonical_name(clips[i]) for indices in division.positions(clips).values() for i in indices}
    return max(0, facts.n_clips - len(division.without) - len(present))


def _speakers(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _folds(*speakers: str) -> dict[str, tuple[str, ...]]:
    return {str(number): _speakers(some) for number, some in enumerate(speakers, start=1)}


DIVISIONS: Mapping[str, Division] = {
    "ravdess_emobox": Division(
        "ravdess",
        _folds("01 11 20 21", "04 10 12 14", "08 09 19 23", "03 05 07 24", "02 15 16 18", "06 13 17 22"),
    ),
    "ravdess_luna": Division(
        "ravdess",
        _folds("02 05 14 15 16", "03 06 07 13 18", "10 11 12 19 20", "08 17 21 23 24", "01 04 09 22"),
    ),
    "crema_d_tfds": Division(
        "crema_d",
        {
            "validation": _speakers("1009 1011 1022 1034 1039 1047 1066 1070 1082"),
            "test": _speakers(
                "1001 1004 1017 1019 1020 1025 1026 1029 1033 1035 1042 1044 1050 1053 1056 1058 1060 1069 1083"
            ),
        },
        rest="train",
        in_parts=True,
        without=("1006_TIE_NEU_XX", "1013_WSI_DIS_XX", "1017_IWW_FEA_XX", "1040_ITH_SAD_XX"),
    ),
}
"""Every one by name."""


def published(file: Path) -> Division | None:
    """Return the division that a file of this name would hold: "ravdess_emobox", "protocols/ravdess_emobox.csv"."""
    return DIVISIONS.get(file.stem) if file.suffix in ("", ".csv") else None
