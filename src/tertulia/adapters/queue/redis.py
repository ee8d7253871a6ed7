"""The queue on Redis: one stream, one consumer group.

A stream rather than a list, since a list forgets a ring in the moment of handing it over: with a
group, Redis knows what was taken, when and how often, so a ring whose taker died is heard again
(after ``hold`` seconds) and nothing of ours has to keep books. All processes are one consumer of
the group: which of them took a ring does not matter, and no name is left behind by any of them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from redis import asyncio as aioredis
from redis import exceptions as errors
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from tertulia.adapters.queue.broker import (
    POLL,
    BrokerQueue,
    Delivery,
    Tuning,
    check_names,
)
from tertulia.adapters.redis.address import Address, Place, parse
from tertulia.errors import Misconfigured

#: The group, the one consumer in it, and the one field of an entry.
GROUP, CONSUMER, FIELD = "workers", "worker", b"ring"


async def open_queue(
    url: str,
    deployment: str,
    *,
    name: str = "tertulia",
    setting: str = "TERTULIA_QUEUE",
    tuning: Tuning | None = None,
) -> BrokerQueue:
    """The queue ``name:deployment:rings`` at a ``redis``, ``rediss``, ``redis+cluster`` or
    ``rediss+cluster`` URL (see `tertulia.adapters.redis.address`), started.

    Raises:
        Misconfigured: the server refuses us, or a name cannot be; it names ``setting``.
    """
    check_names(deployment, name, setting)
    tuning = tuning or Tuning()
    logging.getLogger("redis").setLevel(logging.CRITICAL)
    queue = BrokerQueue(
        _Redis(url, f"{name}:{deployment}:rings", setting, tuning), deployment, tuning
    )
    await queue.start()
    return queue


class _Redis:
    kind = "Redis"

    def __init__(self, url: str, stream: str, setting: str, tuning: Tuning) -> None:
        self._address = parse(url, setting=setting)
        self.where = self._address.shown
        self._url = url
        self._stream = stream
        self._tuning = tuning
        #: One for rings and what follows them; and one of its own for waiting, which would keep
        #: the others waiting too.
        self._client: Any = None
        self._reader: Any = None
        #: When to look for what was left behind.
        self._look_at = 0.0

    async def connect(self) -> None:
        timeout = self._tuning.timeout
        try:
            place = await _primary(self._address, self._url, timeout)
            self._client = _client(self._address, place, self._url, timeout)
            self._reader = _client(self._address, place, self._url, POLL + timeout)
            await self._client.xgroup_create(self._stream, GROUP, id="0", mkstream=True)
        except (errors.AuthenticationError, errors.NoPermissionError) as error:
            raise self._refused("lets nobody in with this user name and password") from error
        except errors.ResponseError as error:
            if str(error).startswith("WRONGTYPE"):
                raise self._refused(f"uses the key {self._stream} for something else") from error
            if not str(error).startswith("BUSYGROUP"):  # it is there
                raise

    def _refused(self, what: str) -> Misconfigured:
        setting = self._address.setting
        return Misconfigured(f"{setting}: Redis at {self.where} {what}.", param=setting)

    async def disconnect(self) -> None:
        for client in (self._client, self._reader):
            if client is not None:
                await client.aclose()

    async def check(self) -> None:
        # Also when the server has lost its data, and the group with them.
        await self._client.xpending(self._stream, GROUP)

    async def publish(self, bodies: Sequence[bytes]) -> None:
        async with self._client.pipeline(transaction=False) as pipe:
            for body in bodies:
                pipe.xadd(
                    self._stream, {FIELD: body}, maxlen=self._tuning.most_waiting, approximate=True
                )
            await pipe.execute()

    async def fetch(self, most: int) -> Sequence[Delivery]:
        if time.monotonic() >= self._look_at:
            if left := await self._left_behind(most):
                return left
            self._look_at = time.monotonic() + self._tuning.hold / 2
        answer = await self._reader.xreadgroup(
            GROUP,
            CONSUMER,
            {self._stream: ">"},
            count=most,
            block=round(1000 * min(POLL, self._tuning.hold / 2)),
        )
        return [
            Delivery(fields[FIELD], entry)
            for _, entries in answer or ()
            for entry, fields in entries
        ]

    async def _left_behind(self, most: int) -> Sequence[Delivery]:
        """What somebody took and did not settle for `hold` seconds."""
        idle = round(1000 * self._tuning.hold)
        pending = await self._client.xpending_range(
            self._stream, GROUP, min="-", max="+", count=most, idle=idle
        )
        if not pending:
            return ()
        times = {entry["message_id"]: entry["times_delivered"] + 1 for entry in pending}
        claimed = await self._client.xclaim(self._stream, GROUP, CONSUMER, idle, list(times))
        return [Delivery(fields[FIELD], entry, times[entry]) for entry, fields in claimed if fields]

    async def settle(self, tokens: Sequence[Any]) -> None:
        async with self._client.pipeline(transaction=True) as pipe:
            pipe.xack(self._stream, GROUP, *tokens)
            pipe.xdel(self._stream, *tokens)
            await pipe.execute()

    async def give_back(self, tokens: Sequence[Any]) -> None:
        for token in tokens:
            entries = await self._client.xrange(self._stream, token, token)
            async with self._client.pipeline(transaction=True) as pipe:
                for _, fields in entries:
                    pipe.xadd(self._stream, fields)
                pipe.xack(self._stream, GROUP, token)
                pipe.xdel(self._stream, token)
                await pipe.execute()


async def _primary(address: Address, url: str, seconds: float) -> Place:
    """Which of several servers takes writes: after a fail-over another than before."""
    for place in () if address.cluster else address.places[:-1]:
        with suppress(errors.RedisError, OSError):
            async with _client(address, place, url, seconds) as client:
                if (await client.role())[0] == b"master":
                    return place
    return address.places[-1]


def _client(address: Address, place: Place, url: str, seconds: float) -> Any:
    options: dict[str, Any] = {
        "username": address.user,
        "password": address.password,
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        # One more try, since a connection of the pool may be of a server that has restarted.
        "retry": Retry(NoBackoff(), 1),
    }
    if address.tls is not None:
        options |= {"ssl": True, **dict(parse_qsl(urlsplit(url).query))}
    if address.cluster:
        nodes = [ClusterNode(host, port) for host, port in address.places]
        return aioredis.RedisCluster(startup_nodes=nodes, **options)
    return aioredis.Redis(host=place[0], port=place[1], db=address.database, **options)
