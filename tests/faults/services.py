"""The real services of one cluster, and what is asked of each kind of queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aio_pika
from nats.aio.client import Client as NatsClient
from tests.faults.link import Link
from tests.faults.schedule import Kind, StoreKind
from tests.support.services.kafka import Kafka
from tests.support.services.mariadb import MariaDB, mariadb_server
from tests.support.services.nats import Nats
from tests.support.services.postgres import Postgres, postgres_server
from tests.support.services.process import Service
from tests.support.services.rabbitmq import RabbitMq
from tests.support.services.redis import RedisCluster, RedisServer

from tertulia.adapters.queue.opening import open_queue
from tertulia.errors import Unavailable

Store = Postgres | MariaDB
Broker = RedisServer | RabbitMq | Kafka | Nats


@dataclass
class Services:
    """What a cluster runs on. ``redis`` holds the event log, unless ``cluster`` does, and the
    hints and limits; with the kind `redis` it is the broker, too."""

    kind: Kind
    store: Store
    database: str
    redis: RedisServer
    broker: Broker
    cluster: RedisCluster | None = None
    #: Where Kafka's nodes are told to go, which its own link listens on.
    kafka_link: Link | None = None

    @property
    def store_kind(self) -> StoreKind:
        return "postgresql" if isinstance(self.store, Postgres) else "mariadb"

    def upstream(self, service: str) -> Callable[[], int]:
        """The port of the store, the log or the queue."""
        found: dict[str, Service] = {"store": self.store, "log": self.redis, "queue": self.broker}
        return lambda: found[service].port

    def url(self, service: str, port: int) -> str:
        """As a node is given it, over a link at ``port``."""
        if service == "store":
            direct = self.store.url(self.database)
        elif service == "log":
            direct = self.redis.url if self.cluster is None else self.cluster.url
        else:
            direct = self.broker.url
        own = urlsplit(direct)
        if service == "log" and self.cluster is not None:
            return direct  # its servers tell their own addresses
        host = f"127.0.0.1:{port}"
        user = f"{own.username}@" if own.username else ""
        return own._replace(netloc=f"{user}{host}").geturl()

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the store answers, asked as its superuser."""
        if isinstance(self.store, MariaDB):
            rows = await asyncio.to_thread(self.store.execute, sql, database=self.database)
            return [tuple(row) for row in rows]
        import asyncpg

        connection = await asyncpg.connect(self.store.url(self.database))
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    async def deployment(self) -> str:
        """What names the queue."""
        ((value,),) = await self.rows("SELECT value FROM meta WHERE name = 'deployment'")
        return str(value)

    async def connections(self) -> int:
        """Clients of the store and of Redis."""
        if isinstance(self.store, Postgres):
            sql = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{self.database}'"
        else:
            sql = (
                f"SELECT count(*) FROM information_schema.processlist WHERE db = '{self.database}'"
            )
        ((found,),) = await self.rows(sql)
        return int(found) + int(await asyncio.to_thread(self.redis.info, "connected_clients"))

    async def waiting(self) -> int:
        """Rings that nobody has acknowledged; of Kafka, which keeps them, none."""
        name = await self.deployment()
        if isinstance(self.broker, RedisServer):
            return int(await asyncio.to_thread(self.broker.cli, "XLEN", f"tertulia:{name}:rings"))
        if isinstance(self.broker, RabbitMq):
            async with await aio_pika.connect(self.broker.url) as connection:
                channel = await connection.channel()
                queue = await channel.declare_queue(f"tertulia.{name}.rings", passive=True)
                return queue.declaration_result.message_count or 0
        if isinstance(self.broker, Nats):
            client = NatsClient()
            await client.connect(self.broker.url)
            try:
                info = await client.jetstream().stream_info(f"tertulia-{name}-rings")
                return info.state.messages
            finally:
                await client.close()
        return 0

    def logged(self, response_id: str) -> bool:
        """Whether the event log holds anything of a response."""
        servers = self.cluster.primaries if self.cluster else [self.redis]
        pattern = f"*{{{response_id}}}*"
        return any(server.cli("--scan", "--pattern", pattern) for server in servers)

    async def ring(self, response_ids: list[str]) -> None:
        """Deliver these once more, as a broker does that has lost count."""
        queue = await open_queue(self.broker.url, await self.deployment())
        try:
            for response_id in response_ids:
                with suppress(Unavailable):  # heard or not: it was a ring too many
                    await queue.ring([response_id])
        finally:
            await queue.close()


@asynccontextmanager
async def services(
    kind: Kind,
    folder: Path,
    *,
    store: Store,
    rabbit: RabbitMq | None = None,
    cluster: RedisCluster | None = None,
) -> AsyncIterator[Services]:
    """Of ``kind``, over a store that runs. Redis, Kafka and NATS are its own; RabbitMQ, which
    takes long to start, and a Redis Cluster are given."""
    async with AsyncExitStack() as stack:

        async def own(service: Service) -> None:
            stack.callback(service.stop)
            await asyncio.to_thread(service.start)

        redis = RedisServer(folder)
        await own(redis)
        broker: Broker
        kafka_link: Link | None = None
        if kind == "redis":
            broker = redis
        elif kind == "amqp":
            assert rabbit is not None
            broker = rabbit
        elif kind == "nats":
            broker = Nats(folder)
            await own(broker)
        else:
            kafka_link = Link(lambda: broker.port)
            await kafka_link.start()
            stack.push_async_callback(kafka_link.stop)
            broker = Kafka(folder, advertised=kafka_link.port)
            await own(broker)
        # The nodes themselves bring it to their schema.
        database = await asyncio.to_thread(store.database)
        yield Services(kind, store, database, redis, broker, cluster, kafka_link)
        await asyncio.to_thread(store.drop, database)


@contextmanager
def store_server(kind: StoreKind) -> Iterator[Store]:
    """A fresh one, running."""
    if kind == "postgresql":
        with postgres_server() as postgres:
            yield postgres
    else:
        with mariadb_server() as mariadb:
            yield mariadb
