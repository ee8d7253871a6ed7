"""Around every request: an id, one line in the log, safe headers, and the last resort."""

from __future__ import annotations

import os
import time

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tertulia.errors import TertuliaError
from tertulia.telemetry import describe
from tertulia.transports.errors import error_reply

_log = structlog.get_logger("tertulia.access")

_PROBES = {"/healthz", "/readyz"}
_STARTS = {"http.response.start", "websocket.http.response.start"}


class Observe:
    """ASGI middleware.

    Its line in the log holds method, the route's template, status, duration and user id: never a
    query string, a body, or a path that matched no route.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        request_id = f"req_{os.urandom(12).hex()}"
        scope.setdefault("state", {})["request_id"] = request_id
        begun = time.perf_counter()
        status: int | None = None

        async def marked(message: Message) -> None:
            nonlocal status
            kind = message["type"]
            if kind in _STARTS:
                status = message["status"]
                _add_headers(MutableHeaders(scope=message), request_id)
            elif kind == "websocket.accept":
                status = 101
            elif kind == "websocket.close":
                status = message.get("code", 1000)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, marked)
            except Exception as fault:  # noqa: BLE001  # the last resort: nothing is above but the server
                _log.error("request failed", route=_route(scope), **describe(fault))
                await _apologise(scope, receive, marked, status, request_id)
            finally:
                _write(scope, status, time.perf_counter() - begun)


def _add_headers(headers: MutableHeaders, request_id: str) -> None:
    headers["x-request-id"] = request_id
    headers["x-content-type-options"] = "nosniff"
    headers["referrer-policy"] = "same-origin"
    headers["cross-origin-opener-policy"] = "same-origin"
    headers["cross-origin-resource-policy"] = "same-origin"
    headers.setdefault("cache-control", "no-store")


async def _apologise(
    scope: Scope, receive: Receive, send: Send, status: int | None, request_id: str
) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1011})
    elif status is None:
        error = TertuliaError(f"The server failed on this request, {request_id} in its log.")
        await error_reply(error)(scope, receive, send)
    # Else the answer has begun: the server breaks the connection, so it cannot pass for whole.


def _write(scope: Scope, status: int | None, seconds: float) -> None:
    route = _route(scope)
    write = _log.debug if route in _PROBES else _log.info
    principal = scope["state"].get("principal")
    write(
        "request",
        method=scope.get("method", "WEBSOCKET"),
        route=route,
        status=status,
        ms=round(seconds * 1000, 1),
        user=principal.user_id if principal else None,
    )


def _route(scope: Scope) -> str | None:
    """The template, as in ``/v1/conversations/{conversation_id}``; None when none matched."""
    path: str | None = getattr(scope.get("route"), "path", None)
    return path
