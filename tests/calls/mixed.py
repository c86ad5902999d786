"""Calls cut from clips of corpora: a customer whose emotions are known, turn by turn, and an agent who answers."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from vocalics import audio
from vocalics.audio import Clip

RATE = 8_000
CALM, ANGRY = "calm", "angry"
_RAVDESS = {CALM: ("01", "02"), ANGRY: ("05",)}
_CREMA_D = {CALM: ("NEU",), ANGRY: ("ANG",)}


@dataclass(frozen=True)
class Script:
    """A call that is known.

    Attributes:
        name: Of its file.
        customer: Clips of every turn.
        agent: Clips of every answer.
        rises: Which of the customer's turns, from 0, is the first angry one; ``None`` where none is.
        falls: Which is the first calm one again.
    """

    name: str
    customer: tuple[Path, ...]
    agent: tuple[Path, ...]
    rises: int | None
    falls: int | None


def clips(corpora: Path, speaker: str, kind: str) -> list[Path]:
    """Return a speaker's clips of a kind, by name."""
    corpus, number = speaker.split("/")
    if corpus == "ravdess":
        return sorted(
            path
            for path in (corpora / "ravdess" / f"Actor_{number}").iterdir()
            if path.name.split("-")[2] in _RAVDESS[kind]
        )
    return sorted(
        path for code in _CREMA_D[kind] for path in (corpora / "crema_d" / "AudioWAV").glob(f"{number}_*_{code}_*")
    )


def untrained(shared: Path) -> list[str]:
    """Return the 23 speakers whom the bundled tiny model has never heard: RAVDESS's fold 1, CREMA-D's test part."""
    with (shared / "protocols" / "crema_d_tfds.csv").open() as file:
        tests = sorted({row["utterance"][:4] for row in csv.DictReader(file) if row["part"] == "test"})
    return ["ravdess/01", "ravdess/11", "ravdess/20", "ravdess/21", *(f"crema_d/{number}" for number in tests)]


def scripts(shared: Path, rise: bool, seed: int = 0) -> list[Script]:
    """Return 23 calls, a speaker each: seven calm turns, five angry ones, and in every second call four calm ones.

    Args:
        shared: The shared folder.
        rise: Whether the customer gets angry at all; calm all along otherwise.
        seed: Of the order of the clips.
    """
    rng = np.random.default_rng(seed)
    speakers, found = untrained(shared), []
    for i, speaker in enumerate(speakers):
        calm = [*rng.permutation(np.array(clips(shared / "corpora", speaker, CALM), object))]
        angry = [*rng.permutation(np.array(clips(shared / "corpora", speaker, ANGRY), object))][:5]
        back = 4 if i % 2 else 0
        customer = [*calm[:7], *angry, *calm[7 : 7 + back]] if rise else calm[:11]
        other = clips(shared / "corpora", speakers[(i + 1) % len(speakers)], CALM)
        agent = [other[k % len(other)] for k in range(len(customer))]
        fell = 12 if rise and back else None
        found.append(Script(speaker.replace("/", "_"), (*customer,), (*agent,), 7 if rise else None, fell))
    return found


def write(script: Script, folder: Path, seed: int = 0) -> Path:
    """Write a script's call as a telephone has it, 8 kHz and mu-law, agent left, with some noise on both lines."""
    rng = np.random.default_rng(seed)
    lines: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for customer, agent in zip(script.customer, script.agent, strict=True):
        for speaking, path in ((1, customer), (0, agent)):
            sound = _trimmed(audio.resample(audio.read(path), RATE))
            pause = np.zeros(round(RATE * rng.uniform(0.4, 0.8)), np.float32)
            lines[speaking].extend([sound, pause])
            lines[1 - speaking].append(np.zeros(len(sound) + len(pause), np.float32))
    frames = np.stack([np.concatenate(line) for line in lines], axis=1)
    frames += rng.normal(0, 0.001, frames.shape).astype(np.float32)
    path = folder / f"{script.name}.wav"
    soundfile.write(path, np.clip(frames, -1, 1), RATE, subtype="ULAW")
    return path


def _trimmed(clip: Clip) -> np.ndarray:
    """A clip without its quiet ends, at a level of speech."""
    loud = np.flatnonzero(np.abs(clip.samples) > 0.03 * np.abs(clip.samples).max())
    sound = clip.samples[loud[0] : loud[-1] + 1]
    level: np.ndarray = sound * np.float32(0.06 / np.sqrt(np.mean(np.square(sound))))
    return np.clip(level, -1, 1)


def numbers(script: Script, turns: Sequence[str]) -> list[int]:
    """Return the numbers of the customer's turns, given whose every turn of the call is."""
    return [i for i, party in enumerate(turns, 1) if party == "customer"]
