"""Published test protocols, all that keep speakers apart and some that do not: their clips, classes and figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vocalics import splits
from vocalics.emotions import Scheme, scheme
from vocalics.errors import ManifestError
from vocalics.manifest import Manifest
from vocalics.registry import lookup


@dataclass(frozen=True)
class Reference:
    """A published figure on the protocol.

    Attributes:
        system: Who, in words.
        value: A fraction.
        parameters: Of the whole system, in millions; 0 where not known.
    """

    system: str
    value: float
    parameters: float = 0.0


@dataclass(frozen=True)
class Protocol:
    """A published way to test.

    Attributes:
        name: On the command line.
        title: In words.
        corpus: The corpus that is tested; empty for all, one after the other.
        scheme: The classes.
        metric: The figure that is printed for it: "uar" or "accuracy".
        folds: "speakers" or "corpora" (one after the other), or the name of a file of folds.
        parts: Those of the file's folds that are tested; empty for all of them.
        leaky: Whether speakers stand on both sides, as published.
        closed: Whether the classes of the corpus are taken as known: what a model says of others is left out.
        references: Published figures.
    """

    name: str
    title: str
    corpus: str
    scheme: str
    metric: str
    folds: str
    parts: tuple[str, ...] = ()
    leaky: bool = False
    closed: bool = True
    references: tuple[Reference, ...] = ()


PROTOCOLS: Mapping[str, Protocol] = {
    p.name: p
    for p in (
        Protocol(
            "ravdess-emobox",
            "RAVDESS, 6 folds of EmoBox",
            "ravdess",
            "eight",
            "uar",
            "ravdess_emobox.csv",
            references=(Reference("Whisper large v3, frozen", 0.7532, 1550),),
        ),
        Protocol(
            "ravdess-luna",
            "RAVDESS, 5 folds of Luna-Jiménez",
            "ravdess",
            "eight",
            "accuracy",
            "ravdess_luna.csv",
            references=(Reference("xlsr, fine-tuned", 0.8182, 317), Reference("best net under 100k (UAR)", 0.623, 0.1)),
        ),
        Protocol(
            "savee-loso",
            "SAVEE, leave one speaker out",
            "savee",
            "seven",
            "uar",
            "speakers",
            references=(Reference("data2vec 2.0 large, frozen", 0.758, 314),),
        ),
        Protocol(
            "emodb-loso",
            "EMO-DB, leave one speaker out, with boredom",
            "emodb",
            "emodb",
            "uar",
            "speakers",
            references=(Reference("wav2vec 2.0 large and SVC", 0.9338, 317),),
        ),
        Protocol(
            "crema_d-tfds",
            "CREMA-D, test part of TFDS",
            "crema_d",
            "six",
            "accuracy",
            "crema_d_tfds.csv",
            ("test",),
            references=(Reference("Dasheng 1.2B, frozen", 0.769, 1200),),
        ),
        Protocol("tess-cross", "TESS, one speaker to the other", "tess", "seven", "uar", "speakers"),
        Protocol(
            "leave-one-corpus-out", "every corpus left out in turn", "", "eight", "uar", "corpora", closed=False
        ),
        Protocol(
            "emodb-emobox-leaky", "EMO-DB, 5 folds of EmoBox, speakers shared", "emodb", "emodb", "uar",
            "emodb_emobox.csv", leaky=True,
        ),
        Protocol(
            "crema_d-emobox-leaky", "CREMA-D, EmoBox, speakers shared", "crema_d", "six", "uar", "crema_d_emobox.csv",
            leaky=True,
        ),
        Protocol(
            "tess-emobox-leaky", "TESS, EmoBox, speakers shared", "tess", "seven", "uar", "tess_emobox.csv", leaky=True
        ),
    )
}  # fmt: skip
"""Every protocol by name."""


def protocol(name: str) -> Protocol:
    """Return a protocol by name, with a suggestion where there is none."""
    return lookup(PROTOCOLS, name, "protocol", ManifestError)


def hold_outs(one: Protocol, clips: Manifest, files: Path) -> list[str]:
    """Return every fold of a protocol that does not leak, as :func:`vocalics.splits.hold_out` takes it."""
    if one.folds == "speakers":
        return [f"speaker={s}" for s in clips.where(lambda u: u.corpus == one.corpus).speakers]
    if one.folds == "corpora":
        return [f"corpus={c}" for c in clips.corpora]
    file = files / one.folds
    return [f"folds={file}#{part}" for part in one.parts or splits.fold_names(clips, file)]


def fold_name(spec: str) -> str:
    """Return what a fold's files are named by: a hold-out's speaker, corpus or part.

    >>> fold_name("folds=protocols/crema_d_tfds.csv#test"), fold_name("speaker=savee/DC")
    ('test', 'savee-DC')
    """
    kind, _, rest = spec.partition("=")
    return (rest.rpartition("#")[2] if kind == "folds" else rest).replace("/", "-")


def classes_of(one: Protocol, clips: Manifest) -> Scheme:
    """Return the classes that judgements are given in.

    They are the protocol's; of a closed one, less those that the tested corpus does not have at all, merged as the
    scheme merges them (a single fold's clips must not narrow them: what they are is not known).
    """
    whole = scheme(one.scheme)
    if not one.closed:
        return whole
    present = {whole.emotion(u.emotion) for u in clips if u.corpus == one.corpus}
    kept = tuple(e for e in whole.emotions if e in present)
    return dataclasses.replace(whole, emotions=kept) if len(kept) > 1 else whole
