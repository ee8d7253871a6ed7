"""Where a response's log lies in Redis, and how it is read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from tertulia.adapters.eventlog.hub import Hub
from tertulia.adapters.eventlog.sealers import Sealers
from tertulia.adapters.redis.servers import READS, Servers
from tertulia.adapters.redis.wire import Arg
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.domain.frame import Frame, unpack
from tertulia.errors import Unavailable

#: Entries read at a time: a delta or two each, some 500 bytes.
_NEWEST_ENTRIES: Final = 2048
_AFTER_ENTRIES: Final = 512


class Place:
    """The keys of one response: one slot of a cluster, because of the braces."""

    __slots__ = ("channel", "frames", "log", "response_id")

    def __init__(self, prefix: str, response_id: str) -> None:
        stem = f"{prefix}:{{{response_id}}}:"
        self.response_id = response_id
        self.log = stem + "log"
        self.frames = stem + "frames"
        self.channel = stem + "tail"

    @property
    def keys(self) -> tuple[str, str]:
        return self.log, self.frames

    def seal(self, sealer: Sealer, last: int, packed: bytes) -> bytes:
        """The value of the entry whose last frame has this number."""
        return sealer.seal("log", f"{self.response_id}:{last}", "frames", packed)

    def open(self, sealer: Sealer, last: int, value: bytes) -> list[Frame]:
        """Raises `DataFolderError` when it was not sealed for this place."""
        return unpack(sealer.open("log", f"{self.response_id}:{last}", "frames", value))

    def opened(self, sealer: Sealer, entries: Sequence[Any]) -> list[Frame]:
        """The frames of entries of the stream, each once."""
        frames: list[Frame] = []
        last = -1
        for number, (_, value) in entries:
            for frame in self.open(sealer, int(number.partition(b"-")[0]), value):
                if frame.sequence_number > last:
                    frames.append(frame)
                    last = frame.sequence_number
        return frames


class Reads:
    """What is read of the streams, over connections that appends do not use."""

    def __init__(self, servers: Servers, sealers: Sealers, hub: Hub, *, patience: float) -> None:
        self._servers = servers
        self._sealers = sealers
        self._hub = hub
        self._patience = patience
        #: Until when a log that has lost its latest frames may get them again.
        self._hope: dict[str, float] = {}

    async def newest(self, place: Place, user_id: str) -> tuple[Sequence[Frame], bool]:
        """See `hub.Source`.

        Raises:
            Unavailable: or the log ends before what its readers know, for a while.
        """
        sealer = await self._sealers.get(user_id)
        if sealer is None:
            return (), False
        whose, entries = await self._read(
            place, ["XREVRANGE", place.frames, "+", "-", "COUNT", _NEWEST_ENTRIES]
        )
        if whose != user_id:
            return (), False
        frames = place.opened(sealer, entries[::-1])
        self._check(place.response_id, frames)
        return frames, len(entries) == _NEWEST_ENTRIES

    async def after(self, place: Place, user_id: str, number: int | None) -> Sequence[Frame] | None:
        """See `hub.Source`."""
        sealer = await self._sealers.get(user_id)
        if sealer is None:
            return None
        start = "-" if number is None else str(number)
        whose, entries = await self._read(
            place, ["XRANGE", place.frames, start, "+", "COUNT", _AFTER_ENTRIES]
        )
        if whose != user_id:
            return None
        frames = place.opened(sealer, entries)
        if number is None:
            return frames
        for index, frame in enumerate(frames):
            if frame.sequence_number == number:
                return frames[index + 1 :]
        return None

    def forget(self, response_id: str) -> None:
        self._hope.pop(response_id, None)

    async def _read(self, place: Place, args: Sequence[Arg]) -> tuple[str | None, list[Any]]:
        """Whose the log is, and entries of its stream, as they were at one moment or later: what
        a stream has gained in between does no harm."""
        whose, entries = await asyncio.gather(
            self._servers.ask(place.log, ["HGET", place.log, "user"], lane=READS),
            self._servers.ask(place.log, args, lane=READS),
        )
        return (None if whose is None else whose.decode()), entries

    def _check(self, response_id: str, frames: Sequence[Frame]) -> None:
        """After a failover a log may lack its latest frames until its writer has noticed."""
        known = self._hub.newest(response_id)
        if known is None or not frames or frames[-1].sequence_number >= known[1]:
            self._hope.pop(response_id, None)
            return
        loop = asyncio.get_running_loop()
        if response_id not in self._hope:
            self._hope[response_id] = loop.time() + self._patience
            # A little later than that: timers may be early.
            loop.call_later(self._patience + 0.01, self._hub.doubt, response_id)
        if loop.time() < self._hope[response_id]:
            raise Unavailable(f"the log of {response_id} is being restored")
