"""What a client is told when something cannot be done: problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"

PROBLEMS: Mapping[str, tuple[int, str]] = {
    "malformed-body": (400, "The body is not what its Content-Type says"),
    "unauthorized": (401, "A bearer token is needed"),
    "foreign-origin": (403, "Pages of other sites may not ask without a token"),
    "not-found": (404, "There is nothing under this address"),
    "method-not-allowed": (405, "This address is for another method"),
    "request-timeout": (408, "The request took too long to come in"),
    "idle": (408, "Nothing came for too long"),
    "body-too-large": (413, "The body is too large"),
    "frame-too-large": (413, "The message is too large"),
    "too-many-files": (413, "The body holds too many files"),
    "too-many-parts": (413, "The form holds too much beside its files"),
    "unsupported-media-type": (415, "The Content-Type is not that of a sound"),
    "not-audio": (422, "This is no sound that can be judged"),
    "too-long": (422, "The sound is too long"),
    "too-many-channels": (422, "The sound has too many channels"),
    "too-many-samples": (422, "The sound is too large once it is decoded"),
    "invalid-parameter": (422, "A parameter cannot be used"),
    "wrong-message": (422, "Another kind of message is expected here"),
    "bad-frame": (422, "A frame of the stream cannot be used"),
    "too-many-requests": (429, "Too many requests at a time"),
    "too-many-streams": (429, "Too many streams at a time"),
    "internal": (500, "Something went wrong on our side"),
    "took-too-long": (503, "The sound could not be judged in time"),
    "draining": (503, "The server is about to stop"),
    "starting": (503, "The server is not ready yet"),
}
"""Status and title of every problem, by the last part of its type."""

RETRY_SECONDS = 1
"""When a client may try again, where waiting helps."""


class Problem(Exception):  # noqa: N818 - what RFC 9457 calls it
    """A request or a stream that ends with a problem.

    Args:
        kind: One of :data:`PROBLEMS`.
        detail: The value, what was expected, what to do.
        limit: The limit that was exceeded, a number.
        unit: Of the limit.
        headers: Of the answer.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        limit: float | None = None,
        unit: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.limit, self.unit = kind, detail, limit, unit
        self.status, self.title = PROBLEMS[kind]
        self.headers = dict(headers or {})
        if self.status in (429, 503):
            self.headers.setdefault("Retry-After", str(RETRY_SECONDS))

    def body(self) -> dict[str, Any]:
        """Return the problem as a JSON object."""
        said: dict[str, Any] = {
            "type": f"/docs#{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.limit is not None:
            said["limit"] = self.limit
        if self.unit:
            said["unit"] = self.unit
        return said

    def response(self) -> JSONResponse:
        """Return the problem as an answer."""
        return JSONResponse(self.body(), self.status, self.headers, MEDIA_TYPE)


def of_status(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return the answer for a status that the web framework has decided on."""
    kinds = {404: "not-found", 405: "method-not-allowed"}
    if status in kinds:
        return Problem(kinds[status], detail, headers=headers).response()
    phrase = HTTPStatus(status).phrase
    said = {"type": "about:blank", "title": phrase, "status": status, "detail": detail}
    return JSONResponse(said, status, dict(headers or {}), MEDIA_TYPE)
