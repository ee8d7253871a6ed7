"""What the parts of the SQL store share: engine, keys, clock, and telling after the commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tertulia.adapters.store.engine import Engine
from tertulia.adapters.store.journal import Journal
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.scripts.user_lock import Committed
from tertulia.adapters.store.statement import Script
from tertulia.ports.keys import Cipher, Keys

T = TypeVar("T")


class SqlBase:
    """Keys are fetched before a script begins, since a script waits for nothing but the
    database; time is read when it runs, so that the order of times is that of the commits."""

    def __init__(
        self,
        engine: Engine,
        keys: Keys,
        cipher: Cipher,
        clock: Callable[[], float],
        journal: Journal | None,
        on_feed: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._cipher = cipher
        self._clock = clock
        self._journal = journal
        self._on_feed = on_feed

    async def _sealer(self, user_id: str) -> Sealer:
        return Sealer(user_id, await self._keys.user_keys(user_id), self._cipher)

    def _known(self, user_id: str) -> Sealer | None:
        """For a script that learns only on its way whose rows it reads; None: the keys are not
        at hand."""
        keys = self._keys.known(user_id)
        return None if keys is None else Sealer(user_id, keys, self._cipher)

    async def _commit(
        self,
        make: Callable[[], Script[Committed[T]]],
        *,
        durable: bool = True,
        overtakes: bool = False,
        heavy: bool = False,
    ) -> T:
        """Run a script that leaves something to tell."""
        done = await self._engine.write(
            make, durable=durable, on_commit=self._tell, overtakes=overtakes, heavy=heavy
        )
        return done.value

    def _tell(self, done: Committed[T]) -> None:
        if self._journal is not None:
            for user_id, response_id, frames in done.logged:
                self._journal.published(response_id, frames, user_id)
        for user_id in done.fed:
            self._on_feed(user_id)
