"""Recordings behind URLs, through fsspec: what a URL stands for, and a copy of one for as long as it is needed."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from vocalics.audio import EXTENSIONS
from vocalics.batch.job import Input
from vocalics.errors import MissingExtraError, VocalicsError

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs",
             "http": "aiohttp", "https": "aiohttp", "sftp": "paramiko", "hf": "huggingface_hub"}  # fmt: skip
_VERSIONS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "updated", "created")
_PASSING = {
    errno.EIO, errno.EAGAIN, errno.EBUSY, errno.ETIMEDOUT, errno.ESTALE, errno.ENETDOWN, errno.ENETUNREACH,
    errno.ENETRESET, errno.ECONNABORTED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.ECONNREFUSED, errno.EPIPE,
    errno.EMFILE, errno.ENFILE,
}  # fmt: skip
_HOSTED = ("ftp", "sftp", "ssh", "smb", "hdfs", "webhdfs")
"""Protocols whose URLs name a host before the path, which fsspec's names leave out."""
_NETWORK = ("aiohttp", "botocore", "urllib3", "requests", "gcsfs", "azure", "asyncio")
_LATER = (408, 425, 429, 500, 502, 503, 504)
"""The answers of a server that ask to come back (RFC 9110, 6585)."""


def is_url(path: str) -> bool:
    """Whether a path is a URL."""
    return _URL.match(path) is not None


def listed(url: str) -> Iterator[Input]:
    """Yield what a URL stands for: itself, all audio files below it, or those that match it as a glob.

    Raises:
        VocalicsError: When it cannot be listed or stands for nothing.
        MissingExtraError: When fsspec is not installed.
    """
    system, path = _system(url)
    try:
        if any(c in path for c in "*[") or ("?" in path and not url.startswith("http")):
            found = system.glob(path, detail=True)
        elif path.endswith("/") or (not url.startswith("http") and system.isdir(path)):
            # Of a server nothing but the name tells a folder: it would send the whole file to be looked at.
            found = system.find(path, detail=True)
            found = {name: about for name, about in found.items() if os.path.splitext(name)[1].lower() in EXTENSIONS}  # noqa: PTH122
        else:
            yield _input(url, system.info(path))
            return
    except FileNotFoundError:
        raise VocalicsError(f"{url}: no such file or folder; check the URL") from None
    except Exception as error:  # the protocols' errors share no parent but Exception
        raise VocalicsError(
            f"{url}: cannot be listed ({_said(error)}); check the URL, credentials and network"
        ) from None
    files = {name: about for name, about in found.items() if about.get("type", "file") == "file"}
    if not files:
        raise VocalicsError(f"{url}: holds no audio file; expected {', '.join(sorted(EXTENSIONS))} in it or below")
    for name in sorted(files):
        yield _input(_url(name, url), files[name])


def _url(name: str, asked: str) -> str:
    """The URL of what was found, in the protocol that was asked for."""
    if is_url(name):
        return name
    protocol, _, rest = asked.partition("://")
    if protocol.lower() in _HOSTED:
        return f"{protocol}://{rest.partition('/')[0]}/{name.lstrip('/')}"
    return f"{protocol}://{name.lstrip('/')}"


def _input(url: str, about: Mapping[str, Any]) -> Input:
    version = next((str(about[key]).strip('"') for key in _VERSIONS if about.get(key)), "")
    size = about.get("size")
    return Input(url, int(size) if size is not None else None, version)


@contextmanager
def fetched(path: str) -> Iterator[str]:
    """Give a path that can be opened: the path itself, or a copy of what is behind a URL, which vanishes at the end.

    Raises:
        OSError: (or what the protocol raises) When it cannot be fetched; :func:`is_passing` tells what may pass.
    """
    if not is_url(path):
        yield path
        return
    system, there = _system(path)
    with tempfile.TemporaryDirectory(prefix="vocalics-batch-") as folder:
        copy = os.path.join(folder, "recording")  # noqa: PTH118
        system.get_file(there, copy)
        yield copy


def _system(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise MissingExtraError(f"{url}: reading from URLs", "batch") from None
    protocol = url.partition("://")[0].lower()
    try:
        system, path = url_to_fs(url)
    except ImportError as error:
        package = _PACKAGES.get(protocol)
        what = f"needs the package {package}; install it with: pip install {package}" if package else str(error)
        raise VocalicsError(f"{url}: {protocol}:// {what}") from None
    except ValueError as error:
        raise VocalicsError(f"{url}: {error}; expected s3://, gs://, az://, http(s)://, ...") from None
    return system, str(path)


def is_passing(error: BaseException) -> bool:
    """Whether an error, or what caused it, may be gone when the same is tried again: of the network, or of the disk."""
    seen: BaseException | None = error
    while seen is not None:
        status = getattr(seen, "status", getattr(seen, "status_code", None))
        if isinstance(status, int) and status >= 300:
            return status in _LATER
        if isinstance(seen, (FileNotFoundError, PermissionError, IsADirectoryError)):
            return False
        if isinstance(seen, (ConnectionError, TimeoutError)) or (isinstance(seen, OSError) and seen.errno in _PASSING):
            return True
        if type(seen).__module__.partition(".")[0] in _NETWORK:
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300] if text else type(error).__name__
