"""The progress bar of commands that count what they have done."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


def counting(console: Console, transient: bool = False) -> Progress:
    """Return a bar: what is counted, how many of all are done, the time left.

    Args:
        console: Where it is drawn; nothing is, where that is no terminal.
        transient: Whether it vanishes at the end.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=transient, disable=not console.is_terminal)
