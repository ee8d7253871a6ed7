"""A node with one of its guarantees taken out: ``python -m tests.faults.mutant MUTATION api …``.

The adapters are changed before the usual start, and nothing else is. The suite has to find out.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tertulia.adapters.eventlog import redis_scripts
from tertulia.adapters.eventlog.redis import RedisEventLog
from tertulia.adapters.queue.broker import BrokerQueue
from tertulia.adapters.store.scripts import ending
from tertulia.adapters.store.scripts.records import Record, lock_response
from tertulia.adapters.store.statement import Script
from tertulia.adapters.store.turns import SqlTurns
from tertulia.domain.admission import Limits
from tertulia.domain.frame import Frame, pack
from tertulia.errors import Unavailable
from tertulia.ports.eventlog import Appended
from tertulia.ports.turns import Renewal, Submission, Submitted, Swept

#: Seconds for which frames can be seen before the log has them.
EARLY: Final = 2.0
#: A name that no node has.
_NOBODY: Final = b"f" * redis_scripts.NODE


def fence_off() -> None:
    """A stale attempt writes on: into the log, and the end of the response."""
    redis_scripts._APPEND = redis_scripts._APPEND.replace(  # type: ignore[misc]
        "if attempt < fence then return {'fenced', fence} end", ""
    )

    async def renew(
        self: SqlTurns, worker_id: str, held: Sequence[tuple[str, int]], lease_seconds: float
    ) -> Mapping[str, Renewal]:
        return {response_id: Renewal(True, False) for response_id, _ in held}

    def last(response_id: str) -> Script[Record | None]:
        """The row as any attempt would have it, as long as it has not ended."""
        record = yield from lock_response(response_id)
        writing = _writing.get(response_id)
        return record if record is None or writing is None else record._replace(attempt=writing)

    finish = SqlTurns.finish
    _writing: dict[str, int] = {}

    async def finish_all(self: SqlTurns, outcome: Any, limits: Limits) -> Any:
        _writing[outcome.response_id] = outcome.attempt
        return await finish(self, outcome, limits)

    SqlTurns.renew = renew  # type: ignore[method-assign]
    SqlTurns.finish = finish_all  # type: ignore[method-assign]
    ending.lock_response = last  # type: ignore[attr-defined]


def outbox_off() -> None:
    """A ring that the broker does not take is forgotten, and nobody rings again."""
    ring, sweep = BrokerQueue.ring, SqlTurns.sweep

    async def lossy(self: BrokerQueue, response_ids: Sequence[str]) -> None:
        try:
            await ring(self, response_ids)
        except Unavailable:
            return

    async def silent(self: SqlTurns, limits: Limits, **options: Any) -> Swept:
        return replace(await sweep(self, limits, **options), ring=())

    BrokerQueue.ring = lossy  # type: ignore[method-assign]
    SqlTurns.sweep = silent  # type: ignore[method-assign]


def dedup_off() -> None:
    """An idempotency key is forgotten at once."""
    submit = SqlTurns.submit

    async def forgetful(self: SqlTurns, submission: Submission, limits: Limits) -> Submitted:
        return await submit(self, replace(submission, idempotency=None), limits)

    SqlTurns.submit = forgetful  # type: ignore[method-assign]


def early_frames() -> None:
    """Frames are shown to other nodes before the log has acknowledged them."""
    append = RedisEventLog.append

    async def later(
        self: RedisEventLog, user_id: str, response_id: str, attempt: int, frames: Sequence[Frame]
    ) -> Appended:
        await asyncio.sleep(EARLY)
        return await append(self, user_id, response_id, attempt, frames)

    def early(
        self: RedisEventLog, user_id: str, response_id: str, attempt: int, frames: Sequence[Frame]
    ) -> Awaitable[Appended]:
        place = self._place(response_id)
        sealer = self._sealers.known(user_id)
        if sealer is not None:
            number = frames[-1].sequence_number
            value = b"%b%d:%b" % (_NOBODY, number, place.seal(sealer, number, pack(frames)))
            self._servers.send(place.log, ["SPUBLISH", place.channel, value], lambda _: None)
        return asyncio.ensure_future(later(self, user_id, response_id, attempt, frames))

    RedisEventLog.append = early  # type: ignore[method-assign]


MUTATIONS: Final[Mapping[str, Callable[[], None]]] = {
    "fence-off": fence_off,
    "outbox-off": outbox_off,
    "dedup-off": dedup_off,
    "early-frames": early_frames,
}


def main() -> None:
    """Put the mutation in force, and go on as `tertulia` does with the other words."""
    MUTATIONS[sys.argv.pop(1)]()
    from tertulia.cli import main as tertulia

    tertulia()


if __name__ == "__main__":
    main()
