"""The ASGI application: every transport over one address."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

import tertulia
from tertulia.settings import Settings
from tertulia.transports import (
    accounts_routes,
    chat_completions,
    context_routes,
    conversations_routes,
    diagnostics,
    embeddings,
    errors,
    feed,
    feed_sse,
    files,
    health,
    metrics_route,
    models_routes,
    responses,
    responses_socket,
)
from tertulia.transports.body import BodyLimit
from tertulia.transports.direct import Direct
from tertulia.transports.guard import Guard
from tertulia.transports.observe import Observe
from tertulia.transports.openapi import describe, operation_id
from tertulia.transports.presence import Presence
from tertulia.transports.services import Services
from tertulia.transports.static import WebClient

#: Bytes that a request to a worker may carry.
_NO_BODY = 1024

_SOCKETS = [*feed.routes, *responses_socket.routes]


class Application(FastAPI):
    """FastAPI behind layers of ours.

    They are not among its middlewares, since it puts layers of its own before those: every request
    would go through these, and every idle socket hold them.
    """

    front: Observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await self.front(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """Without the last resort: that is `Observe`."""
        stack = super().build_middleware_stack()
        assert isinstance(stack, ServerErrorMiddleware)
        return stack.app


def create_app(services: Services) -> Application:
    """An application over ``services``; it starts and stops nothing of theirs."""
    app = Application(
        title="Tertulia",
        version=tertulia.__version__,
        summary="A chat system that its owner runs, in the words of Open Responses.",
        openapi_url="/openapi.json",
        # Their pages load scripts from a CDN.
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation_id,
    )
    app.router.redirect_slashes = False
    app.state.services = services
    app.state.presence = Presence(services)
    errors.install(app)
    parts = (
        accounts_routes,
        models_routes,
        conversations_routes,
        responses,
        context_routes,
        feed_sse,
        chat_completions,
        files,
        diagnostics,
        embeddings,
        health,
        metrics_route,
    )
    for part in parts:
        app.include_router(part.router)
    app.router.routes.extend(_SOCKETS)
    app.router.default = WebClient(services.web)
    describe(app, [part.router for part in parts])
    app.front = _layers(app.build_middleware_stack(), services.settings)
    return app


def create_worker_app(services: Services) -> Application:
    """What a worker shows of itself: whether it lives, and whether it can work."""
    app = Application(title="Tertulia worker", version=tertulia.__version__, openapi_url=None)
    app.state.services = services
    errors.install(app)
    app.include_router(health.router)
    app.include_router(metrics_route.router)
    stack = app.build_middleware_stack()
    app.front = Observe(Guard(BodyLimit(stack, limit=_NO_BODY, uploads={}), services.settings))
    return app


def _layers(routed: ASGIApp, settings: Settings) -> Observe:
    """What every request goes through on its way to the routes, the last of it first."""
    app: ASGIApp = Direct(
        routed,
        handlers={**conversations_routes.DIRECT, **responses.DIRECT},
        sockets={route.path: route.app for route in _SOCKETS},
    )
    uploads = {files.ROOT: settings.limits.image_bytes + files.FORM_BYTES}
    app = BodyLimit(app, limit=settings.limits.body_bytes, uploads=uploads)
    if settings.allowed_origins:
        app = CORSMiddleware(
            app,
            allow_origins=settings.allowed_origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=[
                "authorization",
                "content-type",
                "idempotency-key",
                "last-event-id",
                "tertulia-events",
            ],
            expose_headers=["x-request-id", "retry-after"],
        )
    return Observe(Guard(app, settings))
