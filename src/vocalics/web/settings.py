"""What a server is told at its start."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vocalics.errors import VocalicsError

STATIC = Path(__file__).parent / "static"
"""The page's files."""


@dataclass(frozen=True)
class Limits:
    """What a client may ask for; each is told to who exceeds it.

    Attributes:
        body_bytes: Of a request's body as it comes in, all files and their wrapping together.
        files: In one body.
        seconds: Length of one file.
        channels: Of one file or stream.
        samples: Decoded values of one file, all channels together; a small file can hold many.
        requests: With a body, at a time.
        request_seconds: From a request's first byte to its answer.
        streams: Open at a time.
        waiting: Connections whose first message has not come; beyond it the one that waited longest is cut off.
        frame_bytes: Of one message of a stream.
        window_seconds: Longest window.
        hop_seconds: Shortest hop.
        backlog_seconds: Sound of a stream that waits to be judged; what is more is not read from its socket.
        start_seconds: For a stream's first message.
        idle_seconds: Without a message of a stream.
        send_seconds: For a client to take an event from us.

    Raises:
        VocalicsError: For a limit that is not above 0.
    """

    body_bytes: int = 32 * 2**20
    files: int = 32
    seconds: float = 1800.0
    channels: int = 8
    samples: int = 350_000_000
    requests: int = 16
    request_seconds: float = 120.0
    streams: int = 128
    waiting: int = 256
    frame_bytes: int = 2**20
    window_seconds: float = 30.0
    hop_seconds: float = 0.1
    backlog_seconds: float = 10.0
    start_seconds: float = 10.0
    idle_seconds: float = 60.0
    send_seconds: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for one in dataclasses.fields(self):
            if not 0 < getattr(self, one.name) < float("inf"):
                raise VocalicsError(f"the limit {one.name} = {getattr(self, one.name)}; expected a number above 0")


@dataclass(frozen=True)
class Settings:
    """How a server listens and works.

    Attributes:
        host: The address that it is bound to.
        port: 0 takes a free one.
        tokens: SHA-256 of every bearer token in hexadecimal, by its owner's name; empty asks for none.
        threads: That ask the model; ``None`` takes as many as there are cores.
        grace_seconds: From the signal to stop until what still runs is cut off.
        limits: Of clients.
        static: The folder of the page; it may be missing.

    Raises:
        VocalicsError: For a port, a number of threads or a grace that cannot be, and for an address that others can
            reach without a token that keeps them out.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    tokens: Mapping[str, str] = field(default_factory=dict)
    threads: int | None = None
    grace_seconds: float = 20.0
    limits: Limits = field(default_factory=Limits)
    static: Path = STATIC

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not 0 <= self.port <= 65_535:
            raise VocalicsError(f"port {self.port} does not exist; expected 1 to 65535, or 0 for a free one")
        if self.threads is not None and self.threads < 1:
            raise VocalicsError(f"{self.threads} threads judge nothing; expected at least 1")
        if not 0 <= self.grace_seconds < float("inf"):
            raise VocalicsError(f"a grace of {self.grace_seconds:g} s cannot be; expected 0 or more")
        if not self.tokens and not is_loopback(self.host):
            raise VocalicsError(
                f"{self.host} can be reached from other machines, and there are no tokens to keep them out; expected "
                "--tokens FILE or VOCALICS_TOKENS (vocalics serve --new-token NAME makes a token), or --host 127.0.0.1"
            )


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
