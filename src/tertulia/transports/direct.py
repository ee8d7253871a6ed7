"""The busiest routes, served without FastAPI's machinery.

They are declared, documented and tested as its routes; but matching a route through its routers and
solving its dependencies costs more than the rest of a short request, so the few addresses that
every message and every visit go through are looked up here first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tertulia.errors import TertuliaError
from tertulia.transports.errors import error_reply

#: None: this request is not as plain as most; the declared route knows what to say to it.
Handler = Callable[[Request], Awaitable[Response | None]]


class _Matched:
    """What the access log asks of a route."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path


class _Within(NamedTuple):
    """A template with one parameter, taken apart around it."""

    method: str
    before: str
    name: str
    after: str
    template: str
    handler: Handler

    def parameter(self, path: str) -> str | None:
        if not (path.startswith(self.before) and path.endswith(self.after)):
            return None
        value = path[len(self.before) : len(path) - len(self.after)]
        return value if value and "/" not in value else None


class Direct:
    """ASGI middleware, the innermost. ``handlers``: by method and the route's template, which has
    one parameter at most; ``sockets``: by path, since an idle connection would hold all layers
    that it goes through."""

    def __init__(
        self,
        app: ASGIApp,
        handlers: Mapping[tuple[str, str], Handler],
        sockets: Mapping[str, ASGIApp],
    ) -> None:
        self._app = app
        self._sockets = sockets
        self._exact: dict[tuple[str, str], Handler] = {}
        self._within: list[_Within] = []
        for (method, template), handler in handlers.items():
            before, _, rest = template.partition("{")
            name, brace, after = rest.partition("}")
            if brace:
                self._within.append(_Within(method, before, name, after, template, handler))
            else:
                self._exact[method, template] = handler

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "websocket":
            return self._sockets.get(scope["path"], self._app)(scope, receive, send)
        if scope["type"] == "http":
            method, path = scope["method"], scope["path"]
            handler = self._exact.get((method, path))
            if handler is not None:
                return self._serve(handler, path, scope, receive, send)
            for one in self._within:
                if one.method == method and (value := one.parameter(path)):
                    scope["path_params"] = {one.name: value}
                    return self._serve(one.handler, one.template, scope, receive, send)
        return self._app(scope, receive, send)

    async def _serve(
        self, handler: Handler, template: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        scope["route"] = _Matched(template)
        try:
            response = await handler(Request(scope, receive, send))
            await (response or self._app)(scope, receive, send)
        except TertuliaError as error:  # a stream that has begun tells of its errors itself
            await error_reply(error)(scope, receive, send)
