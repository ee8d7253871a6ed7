"""``/metrics``: this process in numbers, as Prometheus reads them.

They tell an operator's business, though nobody's words or names: so only this machine may ask, or
whoever bears the token of the settings, unless the operator has opened it.
"""

from __future__ import annotations

import asyncio
import hmac
import time

from fastapi import APIRouter, Request
from starlette.responses import Response

from tertulia.errors import Forbidden, NotFound, Unauthorized, Unavailable
from tertulia.settings.tree import is_loopback
from tertulia.telemetry.instruments import DEPTH, OLDEST, REGISTRY
from tertulia.telemetry.metrics import CONTENT_TYPE
from tertulia.transports.auth import token_of
from tertulia.transports.errors import documented
from tertulia.transports.services import Services, services_of

router = APIRouter(tags=["health"])

#: A scrape does not wait longer for the store.
STORE_SECONDS = 2.0


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        **documented(401, 404),
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
    },
)
async def metrics(request: Request) -> Response:
    """The numbers of this process, in Prometheus' text format; see the reference of metrics."""
    services = services_of(request)
    _admit(request, services)
    await _look_at_backlog(services)
    return Response(REGISTRY.text(), media_type=None, headers={"content-type": CONTENT_TYPE})


def _admit(request: Request, services: Services) -> None:
    settings = services.settings
    if settings.metrics == "off":
        raise NotFound("Metrics are switched off here; see the setting metrics.")
    if settings.metrics_token is not None:
        given = (token_of(request) or "").encode()
        if not hmac.compare_digest(given, settings.metrics_token.get_secret_value().encode()):
            raise Unauthorized("Metrics are for who bears the token of the setting metrics_token.")
    elif settings.metrics == "local" and not _of_this_machine(request):
        raise Forbidden(
            "Metrics are for programs of this machine only; see the settings metrics and "
            "metrics_token.",
            code="metrics_are_local",
        )


def _of_this_machine(request: Request) -> bool:
    """Not what a proxy on this machine passes on for others."""
    passed_on = any(name in request.headers for name in ("x-forwarded-for", "forwarded", "via"))
    return request.client is not None and is_loopback(request.client.host) and not passed_on


async def _look_at_backlog(services: Services) -> None:
    """Bring the gauges of the queue up to date; where the store does not answer they are left
    out, for a number that was right once would be taken for one that is."""
    shared = services.backlog
    if not shared.due(time.monotonic()):
        return
    try:
        async with asyncio.timeout(STORE_SECONDS):
            backlog = await services.parts.store.backlog()
    except (Unavailable, TimeoutError):
        DEPTH.clear()
        OLDEST.clear()
        return
    DEPTH.set(backlog.waiting, "waiting")
    DEPTH.set(backlog.admitted, "admitted")
    DEPTH.set(backlog.running, "running")
    OLDEST.set(backlog.oldest_seconds)
