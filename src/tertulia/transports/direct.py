"""The routes of every turn, served without FastAPI's machinery.

They are declared, documented and tested as its routes; but matching a route through its routers and
solving its dependencies costs more than the rest of a short request, so the few addresses that
every message goes through are looked up here first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tertulia.errors import TertuliaError
from tertulia.transports.errors import error_reply

Handler = Callable[[Request], Awaitable[Response]]


class _Matched:
    """What the access log asks of a route."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path


class Direct:
    """ASGI middleware, the innermost. ``handlers``: by method and path, without parameters;
    ``sockets``: of those paths too, each of which an idle connection would hold all layers of."""

    def __init__(
        self,
        app: ASGIApp,
        handlers: Mapping[tuple[str, str], Handler],
        sockets: Mapping[str, ASGIApp],
    ) -> None:
        self._app = app
        self._handlers = handlers
        self._sockets = sockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = None
        if scope["type"] == "http":
            handler = self._handlers.get((scope["method"], scope["path"]))
        elif scope["type"] == "websocket" and scope["path"] in self._sockets:
            await self._sockets[scope["path"]](scope, receive, send)
            return
        if handler is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = _Matched(scope["path"])
        try:
            response = await handler(Request(scope, receive, send))
            await response(scope, receive, send)
        except TertuliaError as error:  # a stream that has begun tells of its errors itself
            await error_reply(error)(scope, receive, send)
