"""Pseudonyms: names as keyed hashes, the same for the same name and key, and for nobody else's.

HMAC-SHA256 (RFC 2104) with the user's key. Whoever has the key can find a known name again, and so delete its calls;
whoever has not cannot, not even by trying all names or telephone numbers. The key is the user's to keep away from the
database.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import unicodedata
from pathlib import Path

from vocalics.calls.schema import called, written
from vocalics.errors import VocalicsError

KEY_VARIABLE = "VOCALICS_CALLS_KEY"
"""Environment variable that holds the key, where no file is named."""

LEAST_BYTES = 16
"""A shorter key could be guessed."""


def read_key(path: str | os.PathLike[str] | None = None) -> bytes:
    """Return the key from a file, or from the environment.

    Raises:
        VocalicsError: Where there is none, or it is shorter than ``LEAST_BYTES``.
    """
    if path is None:
        value, where = os.environ.get(KEY_VARIABLE, "").encode("utf-8", "surrogateescape"), KEY_VARIABLE
        if not value:
            raise VocalicsError(f"pseudonyms need a key; name a file (--key FILE), or set {KEY_VARIABLE}")
    else:
        where = os.fspath(path)
        try:
            value = Path(path).read_bytes()
        except OSError as error:
            raise VocalicsError(f"{where}: cannot be read ({error.strerror}); expected a file with the key") from None
    value = value.strip()
    if len(value) < LEAST_BYTES:
        raise VocalicsError(
            f"{where}: a key of {len(value)} bytes can be guessed; expected {LEAST_BYTES} or more, made by chance "
            "(openssl rand -hex 32)"
        )
    return value


def pseudonym(name: str, kind: str, key: bytes) -> str:
    """Return what stands for a name: ``kind`` and 16 hexadecimals, ``customer-1f…``.

    Args:
        name: Of a person or file.
        kind: "agent", "customer", "recording": the same name has another pseudonym in each.
        key: The secret.

    >>> pseudonym("Ann", "customer", b"0123456789abcdef")
    'customer-169af62058354fc3'
    >>> pseudonym(" Ann ", "customer", b"0123456789abcdef")
    'customer-169af62058354fc3'
    """
    return _pseudonym(called(name), kind, key)


def pseudonyms(name: str, kind: str, key: bytes) -> list[str]:
    """Return all that may stand for a name: its pseudonym, and those that earlier releases made of it.

    They took a name as it was typed: with its spaces, composed or not.
    """
    forms = (called(name), name, name.strip(), unicodedata.normalize("NFD", called(name)))
    return list(dict.fromkeys(_pseudonym(form, kind, key) for form in forms))


def _pseudonym(name: str, kind: str, key: bytes) -> str:
    return f"{kind}-{keyed(name, kind, key)[:16]}"


def keyed(text: str, kind: str, key: bytes) -> str:
    """Return the keyed hash of a text in 64 hexadecimals."""
    return hmac.new(key, f"{kind}\x00{written(text)}".encode(), hashlib.sha256).hexdigest()
