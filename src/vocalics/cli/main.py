"""The ``vocalics`` command: every module of this package that has ``register(app)`` adds its commands.

A module that is called as its command is the only one imported when that command is asked for: a start costs what the
command costs.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vocalics.cli.predictions import STDIN, complain, print_predictions
from vocalics.cli.standard_output import keep_apart
from vocalics.errors import UsageError, VocalicsError

if TYPE_CHECKING:
    import typer

__all__ = ["build", "complain", "main"]


def build(command: str = "") -> typer.Typer:
    """Return the application with every command registered, or with one module's where it is called ``command``."""
    import typer

    import vocalics
    from vocalics import cli
    from vocalics.registry import discover

    app = typer.Typer(
        name="vocalics",
        help="Speech emotion recognition: predict, train, evaluate.",
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

    modules = []
    module_name = command.replace("-", "_")
    if module_name.isidentifier() and Path(__file__).with_name(f"{module_name}.py").is_file():
        modules = [importlib.import_module(f"{cli.__name__}.{module_name}")]
    if not any(hasattr(module, "register") for module in modules):
        modules = [module for module in discover(cli) if hasattr(module, "register")]
    for module in modules:
        module.register(app)
    return app


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What goes wrong while something is written, with no fault of ours."""


def main() -> None:
    """Run the command line: 0 done, 1 something failed and was said in one line, 2 wrong usage (see docs/cli.md).

    ``vocalics predict PATH...`` without any option has nothing to parse and goes straight to work: Typer takes as long
    to import as the rest together.
    """
    for stream in (sys.stdout, sys.stderr):
        # A file name that the terminal cannot spell must not end the run.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    command, *arguments = sys.argv[1:] or [""]
    # These print what a program reads, and write no file of a name, which may be that of standard output.
    if command in ("predict", "listen") or (command == "calls" and "report" not in arguments):
        keep_apart()
    try:
        if command == "predict" and arguments and not any(a.startswith("-") and a != STDIN for a in arguments):
            sys.exit(_plainly(arguments))
        build(command)()
    except VocalicsError as error:
        complain(error)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except OSError as error:
        # A folder that cannot be written, a disk that went away: no fault of ours, and no traceback.
        if error.filename is None and error.errno not in FULL:
            raise
        if error.filename is None:  # while something was written: what is still to be, must not fail once more
            _silence()
            complain(VocalicsError(f"{error.strerror}; what was written is not complete"))
        else:
            complain(VocalicsError(f"{error.filename}: {error.strerror}; check the path and its permissions"))
        sys.exit(1)


def _silence() -> None:
    """Let standard output go nowhere from here on."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _plainly(paths: list[str]) -> int:
    try:
        return 0 if print_predictions(paths) else 1
    except BrokenPipeError:  # as Typer does: whoever read has enough
        _silence()
        return 1
    except KeyboardInterrupt:
        print("Aborted.", file=sys.stderr)
        return 130
