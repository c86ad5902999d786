"""Bearer tokens: made once, kept as hashes only, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from vocalics.errors import VocalicsError

VARIABLE = "VOCALICS_TOKENS"
"""Environment variable: the lines of a file of tokens, set apart by commas or white space."""

_ENTRY = re.compile(r"([A-Za-z0-9_.@-]{1,64}):([0-9a-fA-F]{64})")


def new(name: str) -> tuple[str, str]:
    """Return a new token and its line for the file.

    Raises:
        VocalicsError: For a name that such a line cannot hold.
    """
    token = "voc_" + secrets.token_urlsafe(32)
    line = f"{name}:{digest(token)}"
    if not _ENTRY.fullmatch(line):
        raise VocalicsError(f'"{name}" cannot be a token\'s name; expected up to 64 letters, digits and . _ - @')
    return token, line


def digest(token: str) -> str:
    """Return what is kept of a token. It is random and long: one round of SHA-256 cannot be guessed back."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def owner(tokens: Mapping[str, str], token: str) -> str | None:
    """Return the name of who holds a token, or ``None``; takes as long whichever it is."""
    given, found = digest(token), None
    for name, known in tokens.items():
        if hmac.compare_digest(given, known):
            found = name
    return found


def read(path: Path | None) -> dict[str, str]:
    """Return the hashes by name: of a file, else of the environment variable, else none.

    A file holds one ``name:sha256`` per line; empty lines and those that begin with ``#`` are left out.

    Raises:
        VocalicsError: When the file cannot be read, holds no token, or a line is none; the line itself is not told.
    """
    if path is None:
        return _parsed(re.split(r"[\s,]+", os.environ.get(VARIABLE, "")), VARIABLE)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise VocalicsError(f"{path}: the tokens cannot be read ({reason}); check the path and its mode") from None
    found = _parsed(lines, str(path))
    if not found:
        raise VocalicsError(f"{path}: holds no token; vocalics serve --new-token NAME prints a line for it")
    return found


def _parsed(lines: list[str], source: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise VocalicsError(
                f"{source}: line {number} is no name:sha256 of a token; vocalics serve --new-token NAME prints one"
            )
        if match[1] in found:
            raise VocalicsError(f"{source}: line {number} names {match[1]} again; expected one token for a name")
        found[match[1]] = match[2].lower()
    return found
