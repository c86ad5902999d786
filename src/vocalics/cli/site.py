"""``vocalics site``: the page as a folder of files, with the model in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(site)


def site(
    output: Annotated[Path, typer.Argument(metavar="OUT", help="The folder that is written.")],
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|FILE", help="A bundled model or a model file; may be given again."),
    ] = None,
    onnxruntime_web: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The unpacked npm package; else the pinned version is fetched (33 MB)."),
    ] = None,
) -> None:
    """Write the page as a folder of files: the model runs in the browser, and no voice leaves it.

    Any web server can serve the folder (the browser wants http, or https for the microphone; a file: address will not
    do). It holds onnxruntime-web (MIT), of which 14 MB are loaded once, with the first recording.
    """
    from vocalics.named_models import DEFAULT
    from vocalics.web.site import build

    files = build(output, model or [DEFAULT], onnxruntime_web)
    print(f"written to {output}: {len(files)} files, {sum(files.values()) / 1e6:.1f} MB")
    print(f"to look at it here: python -m http.server --bind 127.0.0.1 --directory {output}")
