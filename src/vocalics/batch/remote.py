"""Recordings behind URLs, through fsspec: what a URL stands for, and a copy of one for as long as it is needed."""

from __future__ import annotations

import errno
import glob
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vocalics.audio import EXTENSIONS
from vocalics.batch.job import Input
from vocalics.errors import MissingExtraError, MissingPackageError, VocalicsError

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
_COPIES = f"vocalics-batch-{platform.node()}-"  # of containers that share a folder, each its own
_SIGN_SECONDS = 0.5
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
        is_pattern = any(c in path for c in "*[") or ("?" in path and not url.startswith("http"))
        if is_pattern and (url.startswith("http") or not system.exists(path)):  # as here, what is there goes first
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
    if protocol.lower() in ("file", "local"):
        return f"{protocol}://{name}"
    return f"{protocol}://{name.lstrip('/')}"


def _input(url: str, about: Mapping[str, Any]) -> Input:
    version = next((str(about[key]).strip('"') for key in _VERSIONS if about.get(key)), "")
    size = about.get("size")
    return Input(url, int(size) if size is not None else None, version)


@contextmanager
def fetched(path: str, alive: Callable[[], None] = lambda: None) -> Iterator[str]:
    """Give a path that can be opened: the path itself, or a copy of what is behind a URL, which vanishes at the end.

    Args:
        path: A path or URL.
        alive: Called now and then while sound comes in.

    Raises:
        VocalicsError: When the disk has no room for it, which no other input changes.
        OSError: (or what the protocol raises) When it cannot be fetched; :func:`is_passing` tells what may pass.
    """
    if not is_url(path):
        yield path
        return
    system, there = _system(path)
    with tempfile.TemporaryDirectory(prefix=f"{_COPIES}{os.getpid()}-") as folder:
        copy = os.path.join(folder, "recording")  # noqa: PTH118
        try:
            system.get_file(there, copy, callback=_signs(alive))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise FullError(
                    f"{tempfile.gettempdir()}: has no room for what is fetched ({error.strerror}); set TMPDIR to a "
                    "folder that has"
                ) from None
            raise
        yield copy


class FullError(VocalicsError):
    """There is no room for copies: the job cannot go on."""


def sweep() -> None:
    """Remove copies that processes of this machine left that were killed."""
    if os.name != "posix":  # elsewhere asking for a process may end it
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{glob.escape(_COPIES)}*"):
        owner = folder.name.removeprefix(_COPIES).partition("-")[0]
        if owner.isdigit() and not _lives(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True


def _signs(alive: Callable[[], None]) -> Any:
    from fsspec.callbacks import Callback

    class Signs(Callback):  # type: ignore[misc]
        last = time.monotonic()

        def call(self, *_: Any, **__: Any) -> None:
            if time.monotonic() - self.last >= _SIGN_SECONDS:
                self.last = time.monotonic()
                alive()

    return Signs()


def _system(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise MissingExtraError(f"{url}: reading from URLs", "batch") from None
    protocol = url.partition("://")[0].lower()
    try:
        system, path = url_to_fs(url)
    except ImportError as error:
        if package := _PACKAGES.get(protocol):
            raise MissingPackageError(f"{url}: {protocol}://", package) from None
        raise VocalicsError(f"{url}: {protocol}:// {error}") from None
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
