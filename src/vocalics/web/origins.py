"""Whose pages may ask a server that asks for no token.

A browser lets any page that its user visits open a WebSocket to this machine, and send it forms. Where there are tokens
they keep such pages out; where there are none, the browser's word for where a page is from does (RFC 6454).
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from vocalics.web.bodies import CLOSE
from vocalics.web.problems import Problem
from vocalics.web.settings import is_loopback


def check(headers: Mapping[str, str]) -> None:
    """Let in programs, which name no origin, pages of this machine, and those of the host that was asked.

    Args:
        headers: Of the request; names in lower case.

    Raises:
        Problem: For another site's page.
    """
    origin = headers.get("origin")
    if origin is None:
        return
    host = _host(origin)
    if not host or not (is_loopback(host) or host == _host(f"//{headers.get('host', '')}")):
        raise Problem(
            "foreign-origin",
            f"a page of {origin[:100]} asks; expected one of this server or machine: start it with tokens to let "
            "others in",
            headers=CLOSE,
        )


def _host(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
