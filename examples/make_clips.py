"""Make the example clips with eSpeak NG (``apt-get install espeak-ng``): synthetic speech, 16 kHz, 16 bits, mono.

    python examples/make_clips.py

The voices read a plain sentence high or low, fast or slowly; nobody acts an emotion in them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from vocalics import audio

SAMPLE_RATE = 16_000
FOLDER = Path(__file__).parent / "clips"


@dataclass(frozen=True)
class Setting:
    """How a sentence is read: eSpeak's voice, pitch (0 to 99) and pace (words per minute)."""

    name: str
    voice: str
    pitch: int
    words_per_minute: int
    sentence: str


SETTINGS = (
    Setting("low_slow", "en-us+m3", 20, 115, "It was a long day, and now it is over."),
    Setting("middle", "en-gb", 45, 165, "The meeting begins at eleven, in the room upstairs."),
    Setting("high_fast", "en-us+f3", 85, 230, "Look, the letter is here! They said yes to all of it!"),
    Setting("loud_rough", "en-gb-scotland+m7", 60, 210, "I told you twice already, do not open that door!"),
)


def main() -> int:
    """Write ``clips/*.wav`` beside this script."""
    espeak = shutil.which("espeak-ng")
    if espeak is None:
        print("espeak-ng is not installed; on Debian or Ubuntu: apt-get install espeak-ng", file=sys.stderr)
        return 1
    FOLDER.mkdir(exist_ok=True)
    for setting in SETTINGS:
        command = [
            espeak,
            "--stdout",
            "-v",
            setting.voice,
            "-p",
            str(setting.pitch),
            "-s",
            str(setting.words_per_minute),
        ]
        spoken = subprocess.run([*command, setting.sentence], check=True, capture_output=True).stdout
        path = FOLDER / f"{setting.name}.wav"
        clip = audio.read(spoken, SAMPLE_RATE)
        audio.write(path, clip, "PCM_16")
        print(f"{path.name}: {clip.duration:.1f} s, {path.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
