"""``python -m vocalics``: the command line."""

from vocalics.cli.main import main

main()
