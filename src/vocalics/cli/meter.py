"""What ``vocalics listen`` draws: the present emotion, its probabilities, and the last minute."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from vocalics import emotions
from vocalics.cli.predictions import clock

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from vocalics.streaming import Shown

COLOURS = {**emotions.COLOURS, "boredom": "#999999"}
"""The colours of the figures, but for one that no dark terminal shows; a letter always stands beside."""
_BAR = 30
_MINUTE = 60.0


class Meter:
    """The picture; a new one for every moment of a stream.

    Args:
        name: What is listened to.
        hop: Seconds between two moments.
        width: Columns of the terminal.
    """

    def __init__(self, name: str, hop: float, width: int) -> None:
        self.name = name
        self._n_cells = max(10, min(60, width - 14))
        self._past: deque[tuple[float, str]] = deque(maxlen=max(1, round(_MINUTE / hop)))

    def draw(self, shown: Shown) -> RenderableType:
        """Return the picture of a moment, and remember it."""
        from rich.console import Group
        from rich.text import Text

        said = shown.prediction
        self._past.append((said.end, shown.emotion or ""))
        title = Text(shown.label, style=f"bold {COLOURS.get(shown.emotion or '', 'white')}")
        if shown.emotion:
            title.append(f"  {shown.confidence:.0%}", style="default")
            title.append(f"  for {max(0.0, said.end - shown.since):.0f} s", style="dim")
        if said.unfamiliar and shown.emotion:
            title.append("  unfamiliar", style="bold")
        bars = [self._bar(emotion, value) for emotion, value in shown.probabilities.items()]
        return Group(Text(f"{self.name}  {clock(said.end)}", style="dim"), title, *bars, self._minute(said.end))

    def _bar(self, emotion: str, value: float) -> RenderableType:
        from rich.text import Text

        full = round(_BAR * value)
        line = Text(f"{emotion:<9} ")
        line.append("█" * full, style=COLOURS.get(emotion, "white"))
        return line.append(" " * (_BAR - full) + f" {value:>4.0%}", style="default")

    def _minute(self, now: float) -> RenderableType:
        """A cell for every part of the last minute: the first letter of what was shown at its end."""
        from rich.text import Text

        line = Text(f"last {_MINUTE:.0f} s ")
        for k in range(self._n_cells):
            moment = now - _MINUTE + (k + 1) * _MINUTE / self._n_cells
            emotion = next((e for end, e in self._past if end >= moment - 1e-6), None) if moment > 0 else None
            style = f"black on {COLOURS[emotion]}" if emotion in COLOURS else "dim"
            line.append(emotion[:1] if emotion else "·", style=style)
        return line


def follow(console: Console, shown: Shown) -> None:
    """Print a line where what is shown has changed: for a pipe, or a terminal that cannot draw."""
    if shown.changed:
        confidence = f"  {shown.confidence:.0%}" if shown.emotion else ""
        console.print(f"{clock(shown.since):>9}  {shown.label}{confidence}")
