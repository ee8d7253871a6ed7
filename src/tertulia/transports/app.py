"""The ASGI application: every transport over one address."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

import tertulia
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


def create_app(services: Services) -> FastAPI:
    """An application over ``services``; it starts and stops nothing of theirs."""
    settings = services.settings
    middleware = [Middleware(Observe), Middleware(Guard, settings=settings)]
    if settings.allowed_origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
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
        )
    uploads = {files.ROOT: settings.limits.image_bytes + files.FORM_BYTES}
    middleware.append(Middleware(BodyLimit, limit=settings.limits.body_bytes, uploads=uploads))
    sockets = [*feed.routes, *responses_socket.routes]
    middleware.append(
        Middleware(
            Direct,
            handlers={**conversations_routes.DIRECT, **responses.DIRECT},
            sockets={route.path: route.app for route in sockets},
        )
    )
    app = FastAPI(
        title="Tertulia",
        version=tertulia.__version__,
        summary="A chat system that its owner runs, in the words of Open Responses.",
        openapi_url="/openapi.json",
        # Their pages load scripts from a CDN.
        docs_url=None,
        redoc_url=None,
        middleware=middleware,
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
    )
    for part in parts:
        app.include_router(part.router)
    app.router.routes.extend(sockets)
    app.router.default = WebClient(services.web)
    describe(app, [part.router for part in parts])
    return app
