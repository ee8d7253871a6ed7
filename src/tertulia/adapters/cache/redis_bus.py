"""Hints between nodes, over one channel of Redis.

All hints of one moment of the event loop are one message, each once. Every node hears every hint
and drops what concerns nobody there: a few microseconds each, so that a hundred nodes with ten
thousand hints a second between them are what one channel serves.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import structlog

from tertulia.adapters.cache.memory_bus import Listeners
from tertulia.adapters.redis.call import Script
from tertulia.adapters.redis.channels import Channels
from tertulia.adapters.redis.servers import Servers
from tertulia.errors import Unavailable

_log = structlog.get_logger(__name__)

_PUBLISH: Final = """
redis.call(redis.REDIS_VERSION_NUM and 'SPUBLISH' or 'PUBLISH', KEYS[1], ARGV[1])
return 0
"""
#: Length of a node's name before what it publishes.
_NODE: Final = 16
#: Said by a node whose hints were lost for a while.
_MISSED: Final = ("missed", "hints")
#: Seconds between tries to listen, while Redis does not answer.
_AGAIN: Final = 1.0


class RedisBus:
    """A `Bus`. ``quiet``: seconds of silence after which the connection that listens has to show
    that it lives."""

    def __init__(self, servers: Servers, *, prefix: str = "tertulia", quiet: float = 5.0) -> None:
        self._servers = servers
        self._channel = f"{prefix}:{{bus}}"
        self._script = Script(_PUBLISH.strip())
        self._node = os.urandom(_NODE // 2).hex().encode()
        self._listeners = Listeners()
        #: Said in this moment, in order, each once.
        self._said: dict[tuple[str, str], None] = {}
        self._channels = Channels(servers, heard=self._heard, missed=self._missed, quiet=quiet)
        self._lost = False
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when what is published from now on is heard.

        Raises:
            Misconfigured: see `Servers.start`.
            Unavailable: as there; it goes on trying to listen.
        """
        try:
            await self._servers.start()
            await self._servers.try_out(
                self._channel, [1, self._channel, self._node], script=self._script
            )
            await self._channels.follow(self._channel)
        except Unavailable:
            self._following = asyncio.create_task(self._follow_late())
            raise

    async def close(self) -> None:
        if self._following is not None:
            self._following.cancel()
        self._channels.close()
        await self._servers.close()

    # --- the port ------------------------------------------------------------------------------

    def publish(self, kind: str, identifier: str) -> None:
        self._listeners.hear(kind, identifier)
        if not self._said:
            asyncio.get_running_loop().call_soon(self._send)
        self._said[kind, identifier] = None

    def listen(
        self, hear: Callable[[str, str], None], missed: Callable[[], None]
    ) -> Callable[[], None]:
        return self._listeners.add(hear, missed)

    # --- within --------------------------------------------------------------------------------

    async def _follow_late(self) -> None:
        """Once it has begun, `Channels` keeps it up."""
        while True:
            await asyncio.sleep(_AGAIN)
            with suppress(Unavailable):
                await self._channels.follow(self._channel)
                return self._listeners.missed()

    def _send(self) -> None:
        said, self._said = self._said, {}
        message = "\n".join(f"{kind} {identifier}" for kind, identifier in said)
        self._servers.send(
            self._channel,
            [1, self._channel, self._node + message.encode()],
            self._sent,
            script=self._script,
        )

    def _sent(self, reply: Any) -> None:
        lost, before = isinstance(reply, Exception), self._lost
        self._lost = lost
        if lost and not before:
            _log.warning("hints_are_lost", message=str(reply))
        elif before and not lost:
            # The others may have heard Redis all the while, and nothing of it.
            self.publish(*_MISSED)

    def _heard(self, _channel: str, message: bytes) -> None:
        if message.startswith(self._node):
            return
        for line in message[_NODE:].decode("ascii", "replace").splitlines():
            kind, _, identifier = line.partition(" ")
            if (kind, identifier) == _MISSED:
                self._listeners.missed()
            elif kind and identifier:
                self._listeners.hear(kind, identifier)

    def _missed(self, _channel: str) -> None:
        self._listeners.missed()


async def open_redis_bus(
    url: str, *, setting: str = "cache", prefix: str = "tertulia", quiet: float = 5.0
) -> RedisBus:
    """A started bus; one that Redis does not answer now begins to hear when it does, and says
    then that hints were missed.

    Raises:
        Misconfigured: the URL cannot be used; the message names ``setting`` and no password.
    """
    bus = RedisBus(Servers(url, setting=setting), prefix=prefix, quiet=quiet)
    try:
        await bus.start()
    except Unavailable as error:
        _log.warning("redis_unavailable", setting=setting, message=error.message)
    except BaseException:
        await bus.close()
        raise
    return bus
