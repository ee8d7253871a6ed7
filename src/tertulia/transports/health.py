"""``/healthz``: the process lives. ``/readyz``: it can serve, part by part."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import structlog
from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from tertulia.errors import TertuliaError
from tertulia.telemetry import describe
from tertulia.telemetry.instruments import READY
from tertulia.transports.errors import documented
from tertulia.transports.reply import reply
from tertulia.transports.services import Probe, services_of

router = APIRouter(tags=["health"])

#: Without these nothing can be accepted or read. Without another part, whichever it is, messages
#: are accepted and answered in the end, and every node is without it: to send clients away would
#: only make all of it stop.
NEEDED = frozenset({"store", "keys"})
#: A part that has not answered within so many seconds is not ready.
PROBE_SECONDS = 2.0

_log = structlog.get_logger("tertulia.health")


class Health(BaseModel):
    status: Literal["ok"]


class Part(BaseModel):
    ready: bool
    code: str | None


class Readiness(BaseModel):
    """`degraded`: a part is away, and others make up for it. It is answered with 200."""

    status: Literal["ready", "degraded", "unready", "draining"]
    parts: dict[str, Part]


@router.get("/healthz", response_model=Health, responses=documented())
async def healthz() -> Response:
    """Answers as long as the process does anything at all."""
    return reply({"status": "ok"})


@router.get(
    "/readyz",
    response_model=Readiness,
    responses={**documented(), 503: {"model": Readiness, "description": "Not ready."}},
)
async def readyz(request: Request) -> Response:
    """Whether new clients should come here, and which parts are away.

    Without `store` or `keys` they should not. Without `queue` workers look for their work
    themselves; without `eventlog` streams wait; without `cache` every node counts its limits alone
    and devices hear of news late; without `models` new answers fail.
    """
    services = services_of(request)
    probes = {"store": services.parts.store.ping, **services.probes}
    found = await asyncio.gather(*(_ask(name, probe) for name, probe in probes.items()))
    parts = dict(zip(probes, found, strict=True))
    for name, part in parts.items():
        READY.set(int(part["ready"]), name)
    away = {name for name, part in parts.items() if not part["ready"]}
    status = "unready" if away & NEEDED else "degraded" if away else "ready"
    if services.draining():
        status = "draining"
    ready = status in {"ready", "degraded"}
    headers = None if ready else {"retry-after": "1"}
    return reply({"status": status, "parts": parts}, 200 if ready else 503, headers)


async def _ask(name: str, probe: Probe) -> dict[str, Any]:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await probe()
    except TimeoutError:
        code = "timeout"
    except TertuliaError as error:
        code = error.code
    except Exception as fault:  # noqa: BLE001  # a broken probe is a part that is not ready
        _log.error("probe failed", part=name, **describe(fault))
        code = "server_error"
    else:
        return {"ready": True, "code": None}
    return {"ready": False, "code": code}
