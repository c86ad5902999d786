"""Options that several commands have, said once."""

from __future__ import annotations

from typing import Annotated

import typer

Window = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        help="Length of a timeline's windows; else the model's own, 3 s for all that come with vocalics.",
    ),
]
Hop = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS", help="From one window to the next; else the model's own, 1.5 s, or a window if shorter."
    ),
]
