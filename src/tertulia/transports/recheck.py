"""Whether an open connection's principal may still be connected."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from tertulia.domain.principal import Principal
from tertulia.errors import Unauthorized, Unavailable
from tertulia.transports.services import Services


async def no_longer(
    services: Services, principal: Callable[[], Principal], doubted: asyncio.Event
) -> Unauthorized:
    """Returns when the principal may not be connected any more, with the reason.

    Asked whenever ``doubted`` is set, when the token expires, and at least every
    `settings.Feed.recheck_seconds`. ``principal``: who it is by now, for a token may be renewed.
    """
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(until_next(services, principal())):
                await doubted.wait()
        doubted.clear()
        try:
            await services.accounts.recheck(principal())
        except Unauthorized as error:
            return error
        except Unavailable:
            continue


def until_next(services: Services, principal: Principal) -> float:
    """Seconds until an open connection's principal has to be asked about."""
    span = services.settings.feed.recheck_seconds
    if principal.expires_at is None:
        return span
    return min(span, max(0.05, principal.expires_at - services.clock()))
