"""One HTTP client that reads one response's log, until its end or until the client is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from starlette.types import Receive

from tertulia.domain.frame import Frame
from tertulia.domain.prospect import Prospect
from tertulia.turns.parts import Parts
from tertulia.turns.read import Follower


class Reading:
    """An async context manager; in it `open` once, then `next` until it gives None.

    ``silence``: seconds after which `next` gives an empty batch, so that the caller may show a
    sign of life. ``places``: it also gives one when the response has moved up in the queue, which
    `moved` then tells. ``receive`` is watched for the client's leaving; None where somebody else
    does that.
    """

    def __init__(
        self,
        parts: Parts,
        user_id: str,
        response_id: str,
        receive: Receive | None,
        *,
        silence: float | None = None,
        places: bool = False,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._follower = Follower(parts, user_id, response_id, self._wake)
        self._receive = receive
        self._silence = silence
        self._places = places
        self._place: int | None = None
        self._stirred = self._loop.time()
        self._quiet = False
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._listener: asyncio.Task[None] | None = None
        #: True once the client has left.
        self.gone = False

    @property
    def ended(self) -> bool:
        """Whether the client was given the terminal frame."""
        return self._follower.ended

    @property
    def position(self) -> int | None:
        """Number of the last frame given."""
        return self._follower.position

    async def __aenter__(self) -> Self:
        if self._receive is not None:
            self._listener = self._loop.create_task(self._listen(self._receive))
        if self._silence is not None:
            self._timer = self._loop.call_later(self._silence, self._tick, self._silence)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._follower.close()
        if self._timer is not None:
            self._timer.cancel()
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait([self._listener])

    async def open(self, after: int | None) -> None:
        """As `Follower.open`."""
        await self._follower.open(after)

    async def next(self) -> Sequence[Frame] | None:
        """The next frames; empty for a sign of life or a new place in the queue; None at the end,
        or when the client is gone.

        Raises:
            NotFound, PositionLost: as `Follower.next`.
        """
        while not (self.gone or self._follower.ended):
            # Made before looking, so that a wake between the look and the wait is not lost.
            self._waiter = self._loop.create_future()
            frames = await self._follower.next()
            if frames or self._quiet or self._has_moved():
                self._stirred = self._loop.time()
                self._quiet = False
                return frames
            await self._waiter
        return None

    def moved(self) -> Prospect | None:
        """What it has to expect in the queue, once for each place that it reaches."""
        prospect = self._follower.prospect
        if prospect is None or not self._has_moved():
            return None
        self._place = prospect.place
        return prospect

    def _has_moved(self) -> bool:
        prospect = self._follower.prospect
        return self._places and prospect is not None and prospect.place != self._place

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _tick(self, silence: float) -> None:
        """One lazy timer: it looks back at the last batch instead of being moved by every one."""
        quiet = self._loop.time() - self._stirred
        if quiet >= silence:
            self._quiet = True
            self._wake()
            quiet = 0.0
        self._timer = self._loop.call_later(silence - quiet, self._tick, silence)

    async def _listen(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self._wake()
