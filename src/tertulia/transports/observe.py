"""Around every request: an id, one line in the log, safe headers, and the last resort."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable
from contextlib import suppress

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tertulia import telemetry
from tertulia.errors import TertuliaError
from tertulia.telemetry import describe, traces
from tertulia.telemetry.instruments import REQUEST_SECONDS, REQUESTS
from tertulia.telemetry.metrics import OTHER
from tertulia.telemetry.traces import RequestSpan
from tertulia.transports.errors import error_reply, stopping

_log = structlog.get_logger("tertulia.access")

#: Asked all the time, by machines: neither counted nor logged with the others.
_PROBES = {"/healthz", "/readyz", "/metrics"}
#: Those that count by name; a client may send whatever word it likes.
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WEBSOCKET"}
_STARTS = {"http.response.start", "websocket.http.response.start"}

#: Headers of every answer.
_SAFE = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
#: Of answers that do not say themselves how long they are good.
_NO_STORE = (b"cache-control", b"no-store")


class Observe:
    """ASGI middleware.

    Its line in the log holds method, the route's template, status, duration and user id: never a
    query string, a body, or a path that matched no route.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._running: set[asyncio.Task[object]] = set()
        self._ending = False

    def end(self) -> None:
        """End the requests that still run, since the server does: those that have no answer yet
        get 503, and streams end where they are, for their clients to resume elsewhere."""
        self._ending = True
        for task in self._running:
            task.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        request_id = f"req_{os.urandom(12).hex()}"
        scope.setdefault("state", {})["request_id"] = request_id
        begun = time.perf_counter()
        answer = _Answer(send, request_id)
        bound = telemetry.request_id.set(request_id)
        task = asyncio.current_task()
        # Sockets have a farewell of their own.
        ours = task is not None and scope["type"] == "http"
        if ours:
            self._running.add(task)  # type: ignore[arg-type]
        refused = telemetry.error_code.set(None)
        span = _span(scope)
        spanned = traces.request_span.set(span)
        try:
            await self._app(scope, receive, answer)
        except asyncio.CancelledError:
            if not (ours and self._ending):
                raise
            await _take_leave(scope, receive, answer)
        except Exception as fault:  # noqa: BLE001  # the last resort: nothing is above but the server
            _log.error("request failed", route=_route(scope), **describe(fault))
            await _apologise(scope, receive, answer)
        finally:
            if ours:
                self._running.discard(task)
            now = time.perf_counter()
            _count(scope, answer, begun, now)
            _write(scope, answer.status, now - begun)
            if span is not None:
                _close(span, scope, answer)
            traces.request_span.reset(spanned)
            telemetry.error_code.reset(refused)
            telemetry.request_id.reset(bound)


class _Answer:
    """The way out: marks what is sent, and knows its status (None: nothing was sent yet)."""

    __slots__ = ("_send", "begun", "request_id", "status")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self.request_id = request_id
        self.status: int | None = None
        #: When the answer began.
        self.begun = 0.0

    def __call__(self, message: Message) -> Awaitable[None]:
        kind = message["type"]
        if kind in _STARTS:
            self.status = message["status"]
            self.begun = time.perf_counter()
            _add_headers(message, self.request_id)
        elif kind == "websocket.accept":
            self.status = 101
        elif kind == "websocket.close":
            self.status = message.get("code", 1000)
        return self._send(message)


def _add_headers(message: Message, request_id: str) -> None:
    headers = [*message.get("headers", ()), (b"x-request-id", request_id.encode()), *_SAFE]
    if all(name != b"cache-control" for name, _ in headers):
        headers.append(_NO_STORE)
    message["headers"] = headers


async def _take_leave(scope: Scope, receive: Receive, answer: _Answer) -> None:
    # What the server raises when the client is gone, or had it all already.
    with suppress(RuntimeError, OSError):
        if answer.status is None:
            await error_reply(stopping())(scope, receive, answer)
        else:
            await answer({"type": "http.response.body", "body": b""})


async def _apologise(scope: Scope, receive: Receive, answer: _Answer) -> None:
    if scope["type"] == "websocket":
        await answer({"type": "websocket.close", "code": 1011})
    elif answer.status is None:
        said = f"The server failed on this request, {answer.request_id} in its log."
        await error_reply(TertuliaError(said))(scope, receive, answer)
    # Else the answer has begun: the server breaks the connection, so it cannot pass for whole.


def _span(scope: Scope) -> RequestSpan | None:
    """Sockets have none: each message on them that submits is a turn of its own."""
    if scope["type"] != "http" or scope["path"] in _PROBES or not traces.on():
        return None
    return RequestSpan(scope["headers"])


def _close(span: RequestSpan, scope: Scope, answer: _Answer) -> None:
    route, method = _route(scope), scope["method"] if scope["method"] in _METHODS else OTHER
    attributes: dict[str, traces.Value] = {
        "http.request.method": method,
        "http.response.status_code": answer.status or 0,
        "tertulia.request.id": answer.request_id,
    }
    if route is not None:
        attributes["http.route"] = route
    failed = answer.status is None or answer.status >= 500
    span.close(f"{method} {route}" if route else method, attributes, failed=failed)


def _count(scope: Scope, answer: _Answer, begun: float, ended: float) -> None:
    route = _route(scope)
    if route in _PROBES:
        return
    method = scope.get("method", "WEBSOCKET")
    if method not in _METHODS:
        method = OTHER
    REQUESTS.inc(route or "none", method, str(answer.status or 0))
    if scope["type"] == "http":
        REQUEST_SECONDS.observe((answer.begun or ended) - begun, route or "none", method)


def _write(scope: Scope, status: int | None, seconds: float) -> None:
    route = _route(scope)
    write = _log.debug if route in _PROBES else _log.info
    principal = scope["state"].get("principal")
    write(
        "request",
        method=scope.get("method", "WEBSOCKET"),
        route=route,
        status=status,
        code=telemetry.error_code.get(),
        ms=round(seconds * 1000, 1),
        user=principal.user_id if principal else None,
    )


def _route(scope: Scope) -> str | None:
    """The template, as in ``/v1/conversations/{conversation_id}``; None when none matched."""
    path: str | None = getattr(scope.get("route"), "path", None)
    return path
