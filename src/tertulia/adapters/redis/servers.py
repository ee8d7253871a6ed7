"""All servers behind one URL: a primary (with replicas that may take over), or a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from tertulia.adapters.redis.address import Address, Place, parse
from tertulia.adapters.redis.call import (
    MOST_REDIRECTS,
    NOT_PERMITTED,
    ON_THE_WAY,
    Call,
    Script,
    into,
)
from tertulia.adapters.redis.pipe import Pipe
from tertulia.adapters.redis.slots import SLOTS, read_redirect, read_slots, slot_of
from tertulia.adapters.redis.wire import Arg, Wire, connect, pack
from tertulia.errors import Misconfigured, Unavailable

#: Seconds between looks at who serves what, while something is amiss.
_LOOK_AGAIN: Final = 0.1
#: Connections of their own: what is written, and what may be long to read.
WRITES, READS = 0, 1


class Servers:
    """To be made and used on the event loop. ``within``: seconds that anything asked may take;
    ``connect_within``: seconds until a server that does not let us in is given up."""

    def __init__(
        self,
        url: str,
        *,
        setting: str,
        within: float = 5.0,
        connect_within: float = 2.0,
    ) -> None:
        self.address: Address = parse(url, setting=setting)
        self._within = within
        self._connect_within = connect_within
        self._pipes: dict[tuple[Place | None, int], Pipe] = {}
        #: The primary of each slot; of a single server, or before the first look, None.
        self._owners: list[Place | None] = [None] * SLOTS
        self._looked = not self.address.cluster
        self._looking: asyncio.Task[None] | None = None
        self._later: asyncio.Task[None] | None = None
        #: Called after each look: slots may have gone to other servers.
        self.moved: list[Callable[[], None]] = []
        self._closed = False

    async def start(self) -> None:
        """Try whether the URL leads somewhere.

        Raises:
            Misconfigured: it cannot serve; the message says why and names the setting.
            Unavailable: it does not answer now. Everything may be used nevertheless: it will
                fail until a server answers.
        """
        wire = await self.connect(None)
        wire.close()
        if self.address.cluster:
            await self.look()

    async def close(self) -> None:
        self._closed = True
        for looking in (self._looking, self._later):
            if looking is not None:
                looking.cancel()
        for pipe in self._pipes.values():
            pipe.close()

    # --- asking --------------------------------------------------------------------------------

    def send(
        self,
        key: str,
        args: Sequence[Arg],
        done: Callable[[Any], None],
        *,
        script: Script | None = None,
        lane: int = WRITES,
    ) -> None:
        """One command, or the arguments of a script, to whoever holds ``key``. Calls of one key
        and lane are run in their order."""
        slot = slot_of(key) if self.address.cluster else 0
        self._send(Call(slot, done, args, script), lane)

    async def ask(
        self, key: str, args: Sequence[Arg], *, script: Script | None = None, lane: int = WRITES
    ) -> Any:
        """The reply.

        Raises:
            Unavailable: there was none. What was asked may have happened or not.
        """
        if not self._looked:
            await self.look()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._within
        while True:
            future: asyncio.Future[Any] = loop.create_future()
            self.send(key, args, into(future), script=script, lane=lane)
            try:
                return await future
            except Unavailable as error:
                if error.code != ON_THE_WAY or loop.time() > deadline:
                    raise
                await asyncio.sleep(_LOOK_AGAIN)

    async def try_out(self, key: str, args: Sequence[Arg], *, script: Script) -> None:
        """Ask what will be asked, to see whether we may.

        Raises:
            Misconfigured: the user of the URL may not.
            Unavailable: see `ask`.
        """
        try:
            await self.ask(key, args, script=script)
        except Unavailable as error:
            if error.code == NOT_PERMITTED:
                raise Misconfigured(error.message, param=self.address.setting) from None
            raise

    async def primaries(self) -> Sequence[Place | None]:
        """Where `ask_at` reaches each."""
        if not self.address.cluster:
            return [None]
        await self.look()
        return sorted({place for place in self._owners if place is not None})

    async def ask_at(self, place: Place | None, args: Sequence[Arg]) -> Any:
        """As `ask`, of one primary."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pipe(place, READS).send(Call(-1, into(future), args, None))
        return await future

    # --- routes --------------------------------------------------------------------------------

    def owner(self, key: str) -> Place | None:
        """Who serves ``key``, as far as is known; None: the primary, or nobody."""
        return self._owners[slot_of(key)] if self.address.cluster else None

    async def connect(self, place: Place | None) -> Wire:
        """A connection; None: to the primary, or to any node of the cluster.

        Raises:
            Unavailable, Misconfigured: see `wire.connect`.
        """
        if place is not None:
            return await connect(self.address, place, seconds=self._connect_within)
        failed: Unavailable | None = None
        for seed in self.address.places:
            try:
                wire = await connect(self.address, seed, seconds=self._connect_within)
            except Unavailable as error:
                failed = failed or error
                continue
            if wire.primary or self.address.cluster:
                return wire
            wire.close()
        setting, shown = self.address.setting, self.address.shown
        raise failed or Unavailable(f"{setting}: no Redis at {shown} is a primary now")

    async def look(self) -> None:
        """See who serves what; those who ask meanwhile wait for the same look.

        Raises:
            Unavailable: nobody can tell.
        """
        if not self.address.cluster:
            return
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(self._was_looked)
        await asyncio.shield(self._looking)

    def _was_looked(self, looking: asyncio.Task[None]) -> None:
        self._looking = None
        if not looking.cancelled():
            looking.exception()  # whoever waited for it was told

    async def _look(self) -> None:
        known = {place for place in self._owners if place is not None}
        for place in (*sorted(known), *self.address.places):
            try:
                wire = await connect(self.address, place, seconds=self._connect_within)
            except (Unavailable, Misconfigured):
                continue
            try:
                async with asyncio.timeout(self._connect_within):
                    reply = await wire.first_reply(pack(["CLUSTER", "SLOTS"]))
                    owners = read_slots(reply, place)
            except (OSError, ValueError):
                continue
            finally:
                wire.close()
            self._take(owners)
            return
        raise Unavailable(f"{self.address.setting}: no node of the cluster answers")

    def _take(self, owners: list[Place | None]) -> None:
        self._looked = True
        self._owners = owners
        for tell in self.moved:
            tell()

    def look_soon(self) -> None:
        """Something is amiss: look in a moment, and until somebody has told."""
        if self.address.cluster and self._later is None and not self._closed:
            self._later = asyncio.create_task(self._look_later())
            self._later.add_done_callback(self._was_looked_later)

    async def _look_later(self) -> None:
        pause = _LOOK_AGAIN
        while True:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LOOK_AGAIN * 10)
            with suppress(Unavailable):
                return await self.look()

    def _was_looked_later(self, _: asyncio.Task[None]) -> None:
        self._later = None

    # --- within --------------------------------------------------------------------------------

    def _send(self, call: Call, lane: int) -> None:
        place = self._owners[call.slot]
        if place is None and self.address.cluster:
            self.look_soon()
            setting = self.address.setting
            call.done(Unavailable(f"{setting}: no node of the cluster serves this slot now"))
        else:
            self._pipe(place, lane).send(call)

    def _pipe(self, place: Place | None, lane: int) -> Pipe:
        pipe = self._pipes.get((place, lane))
        if pipe is None:
            pipe = self._pipes[place, lane] = Pipe(
                self.address.setting,
                lambda: self.connect(place),
                redirect=lambda call, said: self._redirect(call, said, place, lane),
                broken=self.look_soon,
                timeout=self._within,
            )
        return pipe

    def _redirect(self, call: Call, said: str, asked: Place | None, lane: int) -> bool:
        found = read_redirect(said, asked or self.address.places[0])
        call.redirects += 1
        if found is None or call.slot < 0 or call.redirects > MOST_REDIRECTS:
            return False
        slot, place = found
        call.asking = said.startswith("ASK ")
        if not call.asking:
            self._owners[slot] = place
            self.look_soon()
        self._pipe(place, lane).send(call)
        return True
