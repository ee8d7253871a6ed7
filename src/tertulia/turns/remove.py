"""Remove a user for good: gone at once, unreadable at once, erased by and by.

Whatever dies in between, the mark that the first transaction leaves stays until the last one, and
the upkeep of any node goes on from there.
"""

from __future__ import annotations

import structlog

from tertulia.errors import TertuliaError
from tertulia.ports.bus import CANCEL, SIGN_INS, Bus
from tertulia.ports.eventlog import EventLog
from tertulia.ports.removals import Removals

log = structlog.get_logger(__name__)


class Remover:
    """``bus``: None: nobody else is to be told."""

    def __init__(self, store: Removals, eventlog: EventLog, bus: Bus | None) -> None:
        self._store = store
        self._log = eventlog
        self._bus = bus

    async def begin(self, user_id: str) -> bool:
        """From now on there is no such user: their devices are sent away and their answers stop,
        on every node. False: there was none.

        Raises:
            Unavailable: the store does not answer; nothing has happened.
        """
        running = await self._store.begin_removal(user_id)
        if running is None:
            return False
        for response_id in running:
            self._tell(CANCEL, response_id)
        self._tell(SIGN_INS, user_id)
        return True

    async def finish(self, user_id: str) -> None:
        """Erase what a user whose removal has begun leaves, the keys first.

        Raises:
            Unavailable: a part does not answer; to be called again.
        """
        await self._store.destroy_keys(user_id)
        self._tell(SIGN_INS, user_id)  # nodes hold keys in memory, and look again when told
        while response_ids := await self._store.left_of(user_id):
            await self._log.drop(response_ids)
            await self._store.erase_left(response_ids)
        await self._store.end_removal(user_id)
        log.info("user_removed", user_id=user_id)

    async def finish_all(self) -> None:
        """Finish what was begun, here or by a process that has died. One that cannot be finished
        now holds up no other.

        Raises:
            Unavailable: the store does not answer.
        """
        for user_id in await self._store.removals():
            await self.try_to_finish(user_id)

    async def try_to_finish(self, user_id: str) -> None:
        """As `finish`; what does not answer now is asked again by a later `finish_all`."""
        try:
            await self.finish(user_id)
        except TertuliaError as error:
            log.warning("removal_waits", user_id=user_id, code=error.code)

    def _tell(self, kind: str, identifier: str) -> None:
        if self._bus is not None:
            self._bus.publish(kind, identifier)
