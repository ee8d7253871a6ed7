"""Cancel: explicit and idempotent; what was generated is kept."""

from __future__ import annotations

from tertulia.domain.response import Response
from tertulia.ports.bus import CANCEL
from tertulia.turns.finish import announce
from tertulia.turns.parts import Parts


async def cancel(parts: Parts, user_id: str, response_id: str) -> Response:
    """Ask for the end of a response. One that no worker has claimed is ``cancelled`` when this
    returns; for a running one its worker is told; a terminal one stays what it is.

    Raises:
        NotFound: no such response of this user.
    """
    cancelled = await parts.store.request_cancel(user_id, response_id, parts.bounds)
    if cancelled.finished is not None:
        await announce(parts, cancelled.finished)
    elif not cancelled.response.terminal:
        if parts.bus is not None:
            parts.bus.publish(CANCEL, response_id)
        await parts.log.signal_cancel(response_id)
    return cancelled.response
