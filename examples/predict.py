"""Predict the emotion of the example clips, as a whole and window by window.

python examples/predict.py
"""

from __future__ import annotations

from pathlib import Path

import vocalics


def main() -> None:
    """Print one line per clip, then a timeline of the last one."""
    model = vocalics.load()
    clips = sorted((Path(__file__).parent / "clips").glob("*.wav"))
    for clip in clips:
        prediction = model.predict(clip)
        print(f"{clip.name}: {prediction.label} ({prediction.confidence:.0%})")
    print(f"\n{clips[-1].name}, window by window:")
    for prediction in model.timeline(clips[-1], window=1.0, hop=0.5):
        print(f"{prediction.start:4.1f} to {prediction.end:4.1f} s: {prediction.label} ({prediction.confidence:.0%})")


if __name__ == "__main__":
    main()
