"""Check which clips of a corpus say the same words by aligning each speaker's clips with one another; write a page.

    python tools/align_sentences.py MANIFEST [--encoder whisper-base] [-o docs/results/sentences.md]

Two clips are as far apart as the frames of an encoder's block along the best alignment (dynamic time warping, cosine
distance, per step). Of every clip whose sentence, as the manifest has it, its speaker says once more, the nearest other
clip should be of that sentence. SAVEE's manual does not say which numbers are one sentence: this does.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import librosa
import numpy as np
import numpy.typing as npt

from vocalics import audio, encoders
from vocalics.manifest import Manifest, Utterance
from vocalics.preprocess import trim_silence

BLOCK = 4


def main() -> None:
    """Parse the command line; write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--encoder", default="whisper-base", help="a name or folder, as recipes take it")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/results/sentences.md"))
    arguments = parser.parse_args()
    clips = Manifest.read(arguments.manifest)
    encoder = encoders.load(arguments.encoder, BLOCK)
    rows, wrong = [], []
    for speaker in clips.speakers:
        own = [u for u in clips if u.speaker == speaker]
        frames = [
            _unit(encoder.frames(trim_silence(audio.read(u.path), below_db=encoders.TRIM_DB))[BLOCK].T) for u in own
        ]
        again = {sentence for sentence, n in Counter(u.statement for u in own).items() if n > 1}
        found = _nearest(frames)
        asked = [i for i, u in enumerate(own) if u.statement in again]
        faults = [i for i in asked if own[found[i]].statement != own[i].statement]
        across = sum(own[found[i]].emotion != own[i].emotion for i in asked)
        rows.append(f"| {speaker} | {len(own)} | {len(asked)} | {len(asked) - len(faults)} | {across} |")
        wrong += [f"- {_told(own[i])} is nearest to {_told(own[found[i]])}." for i in faults]
        print(rows[-1], flush=True)
    text = "\n".join(
        [
            f"# Which clips of {', '.join(clips.corpora)} say the same words",
            "",
            "Each speaker's clips were aligned with one another (dynamic time warping of the frames of "
            f"{Path(arguments.encoder).name}'s block {BLOCK}). Of every clip whose sentence is said more than once by "
            "its speaker, as the scan has it: is the nearest other clip of that sentence? By chance, one in a hundred "
            "would be.",
            "",
            "| speaker | clips | of a sentence said again | nearest says the same | and is of another emotion |",
            "|---|---:|---:|---:|---:|",
            *rows,
            "",
            *wrong,
        ]
    )
    arguments.output.write_text(text.rstrip() + "\n", encoding="utf-8")


def _told(utterance: Utterance) -> str:
    return f"{Path(utterance.path).stem} ({utterance.statement})"


def _unit(frames: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Frames, shape (n_frames, width), of length one, what all of a clip share taken away."""
    centred = frames - frames.mean(axis=0)
    result: npt.NDArray[np.float32] = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return result


def _nearest(frames: list[npt.NDArray[np.float32]]) -> list[int]:
    """The position of the clip that each one is nearest to."""
    distances = np.full((len(frames), len(frames)), np.inf)
    for i, one in enumerate(frames):
        for j, other in enumerate(frames[:i]):
            cost, path = librosa.sequence.dtw(C=1.0 - one @ other.T)
            distances[i, j] = distances[j, i] = cost[-1, -1] / len(path)
    return distances.argmin(axis=1).tolist()


if __name__ == "__main__":
    main()
