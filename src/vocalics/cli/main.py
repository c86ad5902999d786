"""The ``vocalics`` command: every module of this package that has ``register(app)`` adds its commands.

The modules are imported at every start, so they import what is heavy (NumPy, onnxruntime, rich, ...) inside their
commands.
"""

from __future__ import annotations

import io
import sys

import typer

import vocalics
from vocalics import cli
from vocalics.errors import VocalicsError
from vocalics.registry import discover


def build() -> typer.Typer:
    """Return the application with every command registered."""
    app = typer.Typer(
        name="vocalics",
        help="Speech emotion recognition: predict, train, evaluate, explain.",
        no_args_is_help=True,
        add_completion=False,
        # Plain help and plain usage errors: rich takes longer to import than a clip to judge.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(invoke_without_command=True)
    def _root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
        if version:
            typer.echo(vocalics.__version__)
            raise typer.Exit

    for module in discover(cli):
        if hasattr(module, "register"):
            module.register(app)
    return app


def main() -> None:
    """Run the command line: 0 done, 1 something failed and was said in one line, 2 wrong usage."""
    for stream in (sys.stdout, sys.stderr):
        # A file name that the terminal cannot spell must not end the run.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        build()()
    except VocalicsError as error:
        complain(error)
        sys.exit(1)


def complain(error: VocalicsError) -> None:
    """Say an error in one line on standard error."""
    sys.stdout.flush()
    print("vocalics:", " ".join(str(error).split("\n")), file=sys.stderr, flush=True)
