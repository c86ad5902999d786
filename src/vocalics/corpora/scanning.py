"""Walk a corpus's folder: a manifest of what is there, and a report of what is wrong with it."""

from __future__ import annotations

import hashlib
import io
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

from vocalics import audio
from vocalics.corpora import folder as own_folder
from vocalics.corpora.corpus import Corpus, Parsed
from vocalics.errors import AudioError, CorpusError
from vocalics.machine import available_cores
from vocalics.manifest import Manifest, Utterance
from vocalics.registry import some

Progress = Callable[[int, int], None]


@dataclass(frozen=True, order=True)
class Finding:
    """A file, and what is to be said about it."""

    path: str
    reason: str


@dataclass(frozen=True)
class ScanReport:
    """What a folder holds of a corpus.

    Attributes:
        corpus: The corpus scanned for.
        manifest: One row per readable clip, sorted by canonical name.
        missing: Canonical names of the clips that are not there, where the full list can be derived.
        n_missing: How many clips are not there (also where their names cannot be derived).
        unexpected: Audio files that are no clip of the corpus, or have the name of another but not its content.
        unreadable: Clips that cannot be decoded; they are not in the manifest.
        repeated: Further copies of a clip that is in the manifest (doubled folders); the reason names the one kept.
        duplicates: Groups of clips of different names in the manifest whose files are the same, byte for byte.
        n_clashes: How many of the unexpected are clips whose name is taken.
        notes: What else is to be known, a sentence each.
    """

    corpus: Corpus
    manifest: Manifest
    missing: tuple[str, ...]
    n_missing: int
    unexpected: tuple[Finding, ...]
    unreadable: tuple[Finding, ...]
    repeated: tuple[Finding, ...]
    duplicates: tuple[tuple[str, ...], ...]
    n_clashes: int = 0
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """The length of all clips together."""
        return sum(u.duration or 0.0 for u in self.manifest)

    @property
    def emotions(self) -> dict[str, int]:
        """How many clips each emotion has."""
        counts = Counter(u.emotion for u in self.manifest)
        return {e: counts[e] for e in self.manifest.emotions}

    def as_dict(self) -> dict[str, Any]:
        """Return the report, without the manifest's rows, as plain values for JSON."""

        def plain(findings: Sequence[Finding]) -> list[dict[str, str]]:
            return [{"path": f.path, "reason": f.reason} for f in findings]

        return {
            "corpus": self.corpus.name,
            "clips": len(self.manifest),
            "clips_expected": self.corpus.n_clips,
            "speakers": list(self.manifest.speakers),
            "seconds": round(self.seconds, 3),
            "emotions": self.emotions,
            "missing": list(self.missing),
            "n_missing": self.n_missing,
            "unexpected": plain(self.unexpected),
            "unreadable": plain(self.unreadable),
            "repeated": plain(self.repeated),
            "duplicates": [list(group) for group in self.duplicates],
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class _Content:
    digest: str
    duration: float
    sample_rate: int


def scan_corpus(corpus: Corpus, root: Path, progress: Progress | None = None) -> ScanReport:
    """Find the clips of a corpus below ``root``; see :func:`vocalics.corpora.scan`."""
    own = corpus.n_clips is None
    if not root.exists():
        if own:
            raise CorpusError(
                f"{root}: no such file or folder; expected one folder per emotion, like {corpus.pattern}, or a CSV of "
                "path, emotion[, speaker]"
            )
        raise CorpusError(f"{root}: no such folder; expected the root of {corpus.name}, to be had from {corpus.url}")
    clips, unexpected = _find(corpus, root)
    if not clips:
        what = f"{len(unexpected)} other audio file(s)" if unexpected else "no audio file"
        if own:
            raise CorpusError(
                f"{root}: holds no clip in a folder called by an emotion ({what}); expected files like "
                f"{corpus.pattern}, or a CSV of path, emotion[, speaker] in its place"
            )
        raise CorpusError(
            f"{root}: holds no clip of {corpus.name} ({what}); expected files like {corpus.pattern}. "
            f"Get the corpus from {corpus.url}, or name another one"
        )
    contents = _read_all([path for path, _ in clips], progress)
    utterances: dict[str, Utterance] = {}
    unreadable: dict[str, list[Finding]] = defaultdict(list)
    repeated: list[Finding] = []
    n_clashes = 0
    for (path, parsed), content in zip(clips, contents, strict=True):
        if isinstance(content, str):
            unreadable[parsed.name].append(Finding(str(path), content))
            continue
        utterance = _utterance(corpus, root, path, parsed, content)
        names = [parsed.name]
        if own:  # a.flac and a.wav may be two recordings; a name that only one has stays as short as it was
            names += [parsed.name + path.suffix, str(path)]
        for name in names:
            kept = utterances.setdefault(name, utterance)
            if kept is utterance:
                break
            if _is_copy(utterance, kept):
                same = kept.path == utterance.path
                said = "is listed more than once" if same else f"is a copy of {kept.path}, which is kept"
                repeated.append(Finding(str(path), said))
                break
        else:
            n_clashes += 1
            unexpected.append(Finding(str(path), f"has the name of {kept.path}, which is kept, but other content"))
    if not utterances:
        first = next(iter(unreadable.values()))[0]
        raise CorpusError(f"{root}: no clip of {corpus.name} can be read; the first: {first.path}: {first.reason}")
    ordered = [utterances[name] for name in sorted(utterances)]
    expected = tuple(corpus.expected(root))
    there = utterances.keys() | unreadable.keys()
    missing = tuple(sorted(set(expected) - there))
    return ScanReport(
        corpus=corpus,
        manifest=Manifest(tuple(corpus.annotate(root, ordered))),
        missing=missing,
        n_missing=len(missing) if expected else max(0, (corpus.n_clips or 0) - len(there)),
        unexpected=tuple(sorted(unexpected)),
        unreadable=tuple(sorted(f for group in unreadable.values() for f in group)),
        repeated=tuple(sorted(repeated)),
        duplicates=_identical(ordered),
        n_clashes=n_clashes,
        notes=_alike({u.speaker for u in ordered}),
    )


def _is_copy(utterance: Utterance, kept: Utterance) -> bool:
    return (utterance.digest, utterance.speaker, utterance.emotion) == (kept.digest, kept.speaker, kept.emotion)


def _alike(speakers: set[str]) -> tuple[str, ...]:
    """A note where names of speakers differ by case or blanks only: mostly they are one person, written carelessly."""
    groups: dict[str, list[str]] = defaultdict(list)
    for speaker in sorted(speakers - {""}):
        groups["".join(speaker.split()).casefold()].append(speaker)
    found = [" and ".join(f'"{name}"' for name in group) for group in groups.values() if len(group) > 1]
    if not found:
        return ()
    return (
        f"Speakers whose names differ by case or blanks only are taken for different people: {some(found, 3)}; write "
        "each one's name in one way.",
    )


def _find(corpus: Corpus, root: Path) -> tuple[list[tuple[Path, Parsed]], list[Finding]]:
    """Return the corpus's clips, the shallowest of each name first, and the audio files that are none."""
    if root.is_file():
        if corpus.n_clips is not None:
            raise CorpusError(f"{root}: is a file; expected the folder that holds {corpus.name}")
        return list(own_folder.read_table(root)), []
    clips: list[tuple[Path, Parsed]] = []
    unexpected: list[Finding] = []
    for path in _audio_files(root):
        if path.name.startswith(".") or "__MACOSX" in path.parts:
            unexpected.append(Finding(str(path), "is a hidden file"))
            continue
        parsed = corpus.parse(path) if corpus.n_clips is not None else _parse_own(corpus, root, path)
        if isinstance(parsed, str):
            unexpected.append(Finding(str(path), parsed))
        else:
            clips.append((path, parsed))
    clips.sort(key=lambda c: (c[1].name, len(c[0].parts), str(c[0])))
    return clips, unexpected


def _parse_own(corpus: Corpus, root: Path, path: Path) -> Parsed | str:
    """Parse a clip in a folder of one's own: what the folders above the root are called does not count."""
    try:
        return corpus.parse(path.relative_to(root))
    except CorpusError as error:
        raise CorpusError(f"{root}{os.sep}{error}") from None


def _audio_files(root: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise CorpusError(f"{error.filename}: cannot be searched ({error.strerror}); change the folder's mode")

    found: list[Path] = []
    seen: set[str] = set()
    for folder, folders, names in os.walk(root, onerror=refuse, followlinks=True):
        # Linked folders are followed, each real folder once, so that a link to a parent ends.
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        found += [Path(folder, name) for name in names if Path(name).suffix.lower() in audio.EXTENSIONS]
    return found


def _read_all(paths: Sequence[Path], progress: Progress | None) -> list[_Content | str]:
    contents: list[_Content | str] = []
    with ThreadPoolExecutor(available_cores()) as pool:
        for content in pool.map(_read, paths):
            contents.append(content)
            if progress is not None:
                progress(len(contents), len(paths))
    return contents


def _read(path: Path) -> _Content | str:
    """Return the file's digest and length, or why it cannot be read (decoding its beginning only)."""
    try:
        next(audio.stream(path, block_seconds=0.1))
        data = path.read_bytes()
        info = soundfile.info(io.BytesIO(data))
    except (AudioError, OSError, soundfile.LibsndfileError) as error:
        return str(error).removeprefix(f"{path}: ")
    return _Content(hashlib.sha256(data).hexdigest(), info.frames / info.samplerate, info.samplerate)


def _utterance(corpus: Corpus, root: Path, path: Path, parsed: Parsed, content: _Content) -> Utterance:
    name, label = corpus.name, parsed.label
    emotion: str | None = corpus.emotions.get(label)
    own = parsed if isinstance(parsed, own_folder.Listed) else own_folder.Listed(parsed.name, "", label)
    if corpus.n_clips is None:
        emotion = own_folder.emotion_of(label)
        if name == own_folder.CORPUS.name:  # nobody has called it otherwise
            where = root.resolve()
            name = (where.stem if root.is_file() else where.name) or name
        name, label = own.corpus or name, own.code or label
    assert emotion is not None, label
    return Utterance(
        path=str(path),
        corpus=name,
        speaker=f"{name}/{parsed.speaker}" if parsed.speaker else "",
        label=label,
        emotion=emotion,
        sex=parsed.sex,
        age=parsed.age,
        language=own.language or corpus.language,
        statement=parsed.statement,
        intensity=parsed.intensity,
        duration=content.duration,
        sample_rate=content.sample_rate,
        digest=content.digest,
        ratings=own.ratings,
        parent=own.parent,
    )


def _identical(utterances: Sequence[Utterance]) -> tuple[tuple[str, ...], ...]:
    groups: dict[str, list[str]] = defaultdict(list)
    for utterance in utterances:
        groups[utterance.digest].append(utterance.path)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)
