"""What a corpus states about itself, and what its file names say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vocalics.errors import CorpusError
from vocalics.manifest import Utterance
from vocalics.registry import suggestion


@dataclass(frozen=True)
class Parsed:
    """What one file name says.

    Attributes:
        name: The utterance's canonical name, the same in every layout ("DC_a01" also for ``DC/a01.wav``).
        speaker: Without the corpus's name ("07"); empty where unknown.
        label: The corpus's own code, verbatim; a key of :attr:`Corpus.emotions`.
        sex: "female", "male" or empty.
        age: In years.
        statement: The corpus's code of the sentence.
        intensity: The corpus's word for how strongly it is acted.
    """

    name: str
    speaker: str
    label: str
    sex: str = ""
    age: int | None = None
    statement: str = ""
    intensity: str = ""


def _nothing_expected(root: Path | None) -> tuple[str, ...]:
    return ()


def _as_it_is(code: str) -> str:
    return code


def _as_found(root: Path, utterances: Sequence[Utterance]) -> Sequence[Utterance]:
    return utterances


@dataclass(frozen=True)
class Corpus:
    """One corpus: its facts, its table of labels, its parser.

    Attributes:
        name: As written on the command line and in manifests ("ravdess").
        title: The corpus's full name.
        n_clips: Clips when complete; ``None`` where that is not fixed (a folder of one's own).
        n_speakers: Speakers when complete; ``None`` likewise.
        emotions: The emotion of every label, said here once.
        language: ISO 639-1 code; empty where unknown.
        licence: The authors' licence.
        commercial: Whether that licence allows commercial use.
        citation: How the authors ask to be cited.
        url: Where to get it.
        pattern: How its files are called, for error messages.
        parse: What a file name says; a sentence (why it is no clip of this corpus) for any other file; a
            :class:`CorpusError` naming the file for an unknown code in a name of the corpus's pattern. It does not
            open the file.
        expected: The canonical names of all clips, given the root, or ``None`` for what is known without one; empty
            where they cannot be derived.
        annotate: Adds to the utterances what the corpus says in files beside the audio.
        in_every_emotion: The sentences (:attr:`Parsed.statement`) that are said in every emotion, where others are not;
            empty where all are.
        sentence: The code of a sentence today, of one that an earlier scan may have written.
    """

    name: str
    title: str
    n_clips: int | None
    n_speakers: int | None
    emotions: Mapping[str, str]
    language: str
    licence: str
    commercial: bool
    citation: str
    url: str
    pattern: str
    parse: Callable[[Path], Parsed | str] = field(repr=False)
    expected: Callable[[Path | None], Sequence[str]] = field(default=_nothing_expected, repr=False)
    annotate: Callable[[Path, Sequence[Utterance]], Sequence[Utterance]] = field(default=_as_found, repr=False)
    in_every_emotion: frozenset[str] = frozenset()
    sentence: Callable[[str], str] = field(default=_as_it_is, repr=False)


def check_code(code: str, known: Mapping[str, object] | Sequence[str], what: str, path: Path) -> None:
    """Refuse a code that the corpus does not have.

    Raises:
        CorpusError: Naming the file, the code and the known ones.
    """
    if code not in known:
        raise CorpusError(
            f'{path}: unknown {what} "{code}"{suggestion(code, known) or "."} Known: {", ".join(known)}. '
            "Rename the file, or move it out of the corpus's folder"
        )
