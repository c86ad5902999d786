"""``vocalics serve``: HTTP, WebSocket and a page around models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LIBRARIES = frozenset(["fastapi", "starlette", "uvicorn", "websockets", "python_multipart", "prometheus_client"])
"""What the extra brings."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|FILE", help="A bundled model or a model file; may be given again."),
    ] = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Another one than this machine needs tokens.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65_535, metavar="N", help="0 takes a free one.")] = 8000,
    tokens: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="name:sha256 of every bearer token, one a line; else VOCALICS_TOKENS."),
    ] = None,
    new_token: Annotated[
        str | None, typer.Option(metavar="NAME", help="Print a new token and its line for the file, and exit.")
    ] = None,
    threads: Annotated[int, typer.Option(min=0, metavar="N", help="That ask the model; 0 takes one per core.")] = 0,
    abstain_below: Annotated[
        float, typer.Option(min=0.0, max=1.0, metavar="P", help='Say "unsure" where no emotion is as probable as this.')
    ] = 0.0,
    unfamiliar_above: Annotated[
        float | None, typer.Option(metavar="S", help='Say "unfamiliar" where a sound is stranger than this.')
    ] = None,
    max_body_mb: Annotated[float, typer.Option(metavar="MB", help="Largest body of a request, in MB.")] = 32.0,
    max_seconds: Annotated[float, typer.Option(metavar="SECONDS", help="Longest file.")] = 1800.0,
    max_requests: Annotated[int, typer.Option(min=1, metavar="N", help="Uploads at a time.")] = 16,
    max_streams: Annotated[int, typer.Option(min=1, metavar="N", help="Open streams at a time.")] = 128,
    request_seconds: Annotated[float, typer.Option(metavar="SECONDS", help="For a request, in all.")] = 120.0,
    grace_seconds: Annotated[
        float, typer.Option(metavar="SECONDS", help="For what still runs when the server is told to stop.")
    ] = 20.0,
) -> None:
    """Serve models over HTTP and WebSocket, with a page for the browser.

    On SIGTERM nothing new is taken, what was taken is answered, and streams get their last predictions. Audio is never
    written to a disk; the log on standard error is one JSON object per line.
    """
    from vocalics.cli.usage import checking
    from vocalics.errors import MissingExtraError, UsageError

    try:
        from vocalics.web import server
        from vocalics.web import tokens as bearers
        from vocalics.web.settings import Limits, Settings
    except ModuleNotFoundError as error:
        if error.name not in LIBRARIES:
            raise
        raise MissingExtraError("vocalics serve", "serve") from None
    if new_token is not None:
        with checking():
            token, line = bearers.new(new_token)
        print(f"token, shown this once:  {token}\nline for the file:       {line}")
        return
    from vocalics.named_models import DEFAULT
    from vocalics.recognizer import load

    known = bearers.read(tokens)
    with checking():
        limits = Limits(
            body_bytes=round(max_body_mb * 1e6) if 0 < max_body_mb < float("inf") else 0,
            seconds=max_seconds,
            requests=max_requests,
            streams=max_streams,
            request_seconds=request_seconds,
        )
        settings = Settings(host, port, known, threads or None, grace_seconds, limits)
    models = {}
    for one in model or [DEFAULT]:
        name = Path(one).stem if one.endswith(".onnx") else one
        if name in models:
            raise UsageError(f"two models are called {name}; rename one of the files")
        models[name] = load(one, abstain_below=abstain_below, unfamiliar_above=unfamiliar_above)
    server.run(settings, models)
