"""The queue: a doorbell that carries a response id, never content, and promises no order.

A ring may be lost, doubled, late or out of order: claim, order and recovery are the store's, and
the sweeper rings again for whatever was admitted and is claimed by nobody. So a queue needs no
more than this:

- A ring is heard by one of the workers of its own deployment; one of another is never answered.
- A queue takes no ring beyond those that are waited for. One that comes when its taker has given
  up goes back to the others.
- A ring that was taken and not acknowledged is heard again after a while, or by the sweeper's
  doing: `tertulia.adapters.queue` says which.
- A broker that is away is reported once when it goes and once when it returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Doorbell(Protocol):
    @property
    def response_id(self) -> str: ...

    async def acknowledge(self) -> None:
        """Called as soon as the claim has committed or was refused. Neither waits for a broker
        nor fails: at worst the ring is heard again, and its claim refused."""
        ...


class Queue(Protocol):
    async def ring(self, response_ids: Sequence[str]) -> None:
        """Let one of the workers hear each id. Waits for the broker's word, but never longer than
        the queue's time-out, and not at all while it is known to be away.

        Raises:
            Unavailable: perhaps not heard; the sweeper will ring again.
        """
        ...

    async def take(self) -> Doorbell:
        """Wait for the next ring, also while the broker is away. Cancelling the wait loses none.

        Raises:
            Unavailable: the queue was closed.
        """
        ...

    async def ping(self) -> None:
        """Ask whether the queue answers, for at most its time-out.

        Raises:
            Unavailable: it does not.
        """
        ...

    async def close(self) -> None:
        """Take no more and let go. Who still waits gets `Unavailable`; rings that were taken and
        not acknowledged are another's. May be called twice."""
        ...
