"""The ``vocalics`` command: every module of this package that has ``register(app)`` adds its commands.

A module that is called as its command is the only one imported when that command is asked for: a start costs what the
command costs.
"""

from __future__ import annotations

import importlib
import io
import sys
from pathlib import Path

import typer

import vocalics
from vocalics import cli
from vocalics.errors import VocalicsError
from vocalics.registry import discover


def build(command: str = "") -> typer.Typer:
    """Return the application with every command registered, or with one module's where it is called ``command``."""
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

    alone = command.isidentifier() and Path(__file__).with_name(f"{command}.py").is_file()
    for module in [importlib.import_module(f"{cli.__name__}.{command}")] if alone else discover(cli):
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
        build(sys.argv[1] if len(sys.argv) > 1 else "")()
    except VocalicsError as error:
        complain(error)
        sys.exit(1)


def complain(error: VocalicsError) -> None:
    """Say an error in one line on standard error."""
    sys.stdout.flush()
    print("vocalics:", " ".join(str(error).split("\n")), file=sys.stderr, flush=True)
