"""What happens to every request: an id, a count, a line in the log, and an answer even where we fail."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vocalics.web import logs
from vocalics.web.problems import Problem
from vocalics.web.service import Service

PROBES = frozenset(["/healthz", "/readyz", "/metrics"])
"""Asked again and again by machines: they neither keep a server from ending nor fill its log."""

OTHER = "other"
"""The route of what no route takes."""

CLIENT_GONE = 499
"""What is logged for a client that went before its answer."""


class Requests:
    """ASGI middleware around all routes; streams look after themselves."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        service, clock, status = self._service, logs.Stopwatch(), 0
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state["request_id"] = logs.request_id(Headers(scope=scope).get("x-request-id", ""))

        async def marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = state["request_id"]
                headers.setdefault("X-Content-Type-Options", "nosniff")
                if service.draining.is_set():
                    headers["Connection"] = "close"
            await send(message)

        is_probe = scope["path"] in PROBES
        service.n_answering += not is_probe
        try:
            await self._app(scope, receive, marked)
        except ClientDisconnect:
            status = CLIENT_GONE
        except Exception as error:
            logs.failure("request failed", error, request_id=state["request_id"])
            if not status:
                detail = f"the request failed; its id is {state['request_id']}, which the server's log names too"
                await Problem("internal", detail).response()(scope, receive, marked)
            status = 500
        finally:
            service.n_answering -= not is_probe
            route = _route(scope)
            service.metrics.requests.labels(route, str(status)).inc()
            service.metrics.request_seconds.labels(route).observe(clock.seconds)
            if not is_probe:
                logs.event(
                    "request",
                    request_id=state["request_id"],
                    route=route,
                    method=scope["method"],
                    status=status,
                    seconds=clock.seconds,
                    audio_seconds=round(state["audio_seconds"], 3) if "audio_seconds" in state else None,
                    client=state.get("owner"),
                )


def _route(scope: Scope) -> str:
    """What a request is counted under: the path itself would let anybody make as many series as they like."""
    if "route" in scope:
        return str(getattr(scope["route"], "path", OTHER))
    path = str(scope["path"])
    return "/static" if path.startswith("/static/") else path if path == "/openapi.json" else OTHER
