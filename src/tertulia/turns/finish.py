"""The end of a response, exactly once: the transaction, then the terminal frame."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from tertulia.domain.frame import Frame
from tertulia.errors import Fenced, Unavailable
from tertulia.ports.turns import Finished, Outcome
from tertulia.turns.measure import count
from tertulia.turns.parts import Parts
from tertulia.turns.submit import ring

#: Seconds between tries while the store does not answer: first, and at most.
RETRY_FIRST, RETRY_MOST = 0.1, 5.0


async def finish(
    parts: Parts, outcome: Outcome, log: Callable[[Sequence[Frame]], Awaitable[None]]
) -> Finished:
    """Commit ``outcome`` and tell the readers. While the store is away it is tried again: what
    was generated waits here, and a worker that dies is replaced.

    ``log`` returns once the log holds these frames and all before them; it is called when they
    could not be written together with the end.

    Raises:
        Fenced: another attempt holds the response; nothing was written.
    """
    finished = None
    pause = RETRY_FIRST
    while finished is None:
        try:
            finished = await parts.store.finish(outcome, parts.bounds)
        except Unavailable:
            if outcome.frames:
                await log(outcome.frames)
                outcome = replace(outcome, frames=())
                continue
            await asyncio.sleep(pause)
            pause = min(pause * 2, RETRY_MOST)
    await announce(parts, finished)
    return finished


async def announce(parts: Parts, finished: Finished) -> None:
    """After the terminal transaction: the terminal frame, and a ring for whoever may run now.

    Both can be made up for: a reader or the sweeper appends the frame, the sweeper rings.
    """
    count(finished.response)
    if not finished.logged:
        response = finished.response
        attempt = max(1, response.attempt)
        with suppress(Fenced, Unavailable):
            await parts.log.append(response.user_id, response.id, attempt, [finished.frame])
    await ring(parts, finished.admitted)
