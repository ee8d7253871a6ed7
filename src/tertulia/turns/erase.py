"""Erase what was said: the row's content and its log."""

from __future__ import annotations

from tertulia.domain.response import Response
from tertulia.turns.parts import Parts


async def erase(parts: Parts, user_id: str, response_id: str) -> None:
    """Erase a response that has ended; see `Turns.delete`.

    Raises:
        NotFound: no such response of this user.
        Conflict: it has not ended.
    """
    await parts.store.delete(user_id, response_id)
    await parts.log.drop([response_id])


async def erase_unstored(parts: Parts, response: Response) -> None:
    """Erase a response with ``store=false`` whose readers are gone: now, or when it ends."""
    connection = response.connection_id
    if connection is not None and await parts.store.erase_connection(connection):
        await parts.log.drop([response.id])
