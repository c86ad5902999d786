"""Bodies of requests as files in memory: never more than the limit is held, nothing touches a disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from vocalics.web.problems import Problem
from vocalics.web.settings import Limits

FIELD = "file"
"""The name of the parts of a form that hold files."""

PARTS_PER_FILE = 2
"""How many parts a form may hold for every file that it may hold: each of them costs time, whatever its name."""

PART_HEADERS, PART_HEADER_BYTES = 7, 4 * 2**10
"""Of one part: how many headers, and how long all of them. RFC 7578 knows three of them."""

UNNAMED = "-"
"""What a file is called whose name was not told."""

CLOSE = {"Connection": "close"}
"""What a request is answered with whose body is not read to its end: the rest would be read for nothing."""


@dataclass(frozen=True)
class File:
    """One file of a body.

    Attributes:
        name: As the client calls it; "-" where it does not.
        data: Its bytes.
    """

    name: str
    data: bytes


async def read(request: Request, limits: Limits) -> list[File]:
    """Return the files of a body: one for a sound, those of the parts ``file`` for a form.

    Raises:
        Problem: For a body that is too large, empty, no form though it says so, or of another type.
        ClientDisconnect: When the client goes.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        if kind and not kind.startswith(b"audio/") and kind not in (b"application/octet-stream", b"application/ogg"):
            raise Problem(
                "unsupported-media-type",
                f"Content-Type {kind.decode('latin-1')[:100]} is not that of a sound; expected audio/* or "
                "application/octet-stream with a file's bytes, or multipart/form-data with parts named file",
                headers=CLOSE,
            )
        held = bytearray()
        async for chunk in _chunks(request, limits):
            held += chunk
        if not held:
            raise Problem("malformed-body", "the body is empty; expected the bytes of an audio file")
        return [File(UNNAMED, bytes(held))]
    boundary = options.get(b"boundary", b"")
    try:
        form = _Form(boundary, limits)
        async for chunk in _chunks(request, limits):
            form.write(chunk)
    except (FormParserError, ValueError) as error:
        raise Problem("malformed-body", f"the form cannot be read ({error}); send it again", headers=CLOSE) from None
    return form.files()


async def _chunks(request: Request, limits: Limits) -> AsyncIterator[bytes]:
    """The body as it comes in, up to the limit; a body that announces more is not read at all."""
    too_large = Problem(
        "body-too-large",
        f"the body is larger than {limits.body_bytes:,} bytes; expected at most that, send a compressed file "
        "(flac, opus) or cut it into pieces",
        limits.body_bytes,
        "bytes",
        CLOSE,
    )
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > limits.body_bytes:
        raise too_large
    n_read = 0
    async for chunk in request.stream():
        n_read += len(chunk)
        if n_read > limits.body_bytes:
            raise too_large
        yield chunk


class _Form:
    """A multipart body (RFC 7578) taken apart as it comes in; parts of other names are dropped at once."""

    def __init__(self, boundary: bytes, limits: Limits) -> None:
        if not boundary:
            raise FormParserError("its Content-Type names no boundary")
        self._limits, self._ended = limits, False
        self._files: list[tuple[str, bytearray]] = []
        self._field, self._value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._n_parts = self._n_headers = self._n_header_bytes = 0
        self._target: bytearray | None = None
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begin,
                "on_header_begin": self._header_begin,
                "on_header_field": lambda data, start, end: self._header_data(self._field, data[start:end]),
                "on_header_value": lambda data, start, end: self._header_data(self._value, data[start:end]),
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._part_data,
                "on_end": self._end,
            },
        )

    def write(self, data: bytes) -> None:
        if not self._ended:  # what follows the last boundary is to be left alone
            self._parser.write(data)

    def files(self) -> list[File]:
        """Return all files, once the body is complete."""
        if not self._ended:
            raise Problem("malformed-body", "the form ends before its last boundary; send it again, whole")
        if not self._files:
            raise Problem("malformed-body", f'the form holds no part named "{FIELD}"; expected one or more')
        return [File(name, bytes(data)) for name, data in self._files]

    def _part_begin(self) -> None:
        self._n_parts += 1
        self._bound(self._n_parts, PARTS_PER_FILE * self._limits.files, "parts")
        self._headers.clear()
        self._n_headers = self._n_header_bytes = 0

    def _header_begin(self) -> None:
        self._n_headers += 1
        self._bound(self._n_headers, PART_HEADERS, "headers of one part")

    def _header_data(self, held: bytearray, data: bytes) -> None:
        self._n_header_bytes += len(data)
        self._bound(self._n_header_bytes, PART_HEADER_BYTES, "bytes of one part's headers")
        held += data

    def _bound(self, n: int, limit: int, what: str) -> None:
        if n > limit:
            detail = f"the form holds more than {limit:,} {what}; expected at most that, send files only"
            raise Problem("too-many-parts", detail, limit, what, CLOSE)

    def _header_end(self) -> None:
        self._headers[bytes(self._field).lower()] = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._target = None
        if options.get(b"name") != FIELD.encode():
            return
        if len(self._files) == self._limits.files:
            raise Problem(
                "too-many-files",
                f"the form holds more than {self._limits.files} files; expected at most that, send several requests",
                self._limits.files,
                "files",
                CLOSE,
            )
        name = options.get(b"filename", b"").decode("utf-8", "replace")[:255]
        self._target = bytearray()
        self._files.append((name or UNNAMED, self._target))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._target is not None:
            self._target += data[start:end]

    def _end(self) -> None:
        self._ended = True
