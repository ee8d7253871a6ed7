"""The queue on RabbitMQ: one durable quorum queue, and one for what was delivered too often.

A prefetch count belongs to a consumer from its beginning. So every consumer of ours has the count
one, and there are never more of them without a ring in hand than takers wait: the broker pushes
nothing that was not asked for. An acknowledgement makes room for the next ring, which is why a
consumer that is one too many is cancelled before.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import aio_pika
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractIncomingMessage,
    AbstractQueue,
)
from aio_pika.exceptions import AuthenticationError, InvalidFrameError, ProbableAuthenticationError
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed, ConnectionNotAllowed

from tertulia.adapters.queue.broker import (
    POLL,
    BrokerQueue,
    Delivery,
    Tuning,
    check_names,
    place,
)
from tertulia.errors import Misconfigured

#: Seconds between signs of life; two that fail to come end a connection.
HEARTBEAT = 10
#: Dead letters that are kept while no worker runs, and milliseconds for how long.
MOST_DEAD, DEAD_FOR = 10_000, 24 * 3600 * 1000


async def open_queue(
    url: str,
    deployment: str,
    *,
    name: str = "tertulia",
    setting: str = "TERTULIA_QUEUE",
    tuning: Tuning | None = None,
) -> BrokerQueue:
    """The queue ``name.deployment.rings`` at an ``amqp`` or ``amqps`` URL, started.

    Raises:
        Misconfigured: the server refuses us, or a name cannot be; it names ``setting``.
    """
    check_names(deployment, name, setting)
    tuning = tuning or Tuning()
    for library in ("aio_pika", "aiormq"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    broker = _Amqp(url, f"{name}.{deployment}.rings", setting, tuning)
    queue = BrokerQueue(broker, deployment, tuning)
    broker.wanted = lambda: queue.wanted
    broker.dead = queue.hear_dead
    await queue.start()
    return queue


class _Amqp:
    kind = "RabbitMQ"

    def __init__(self, url: str, name: str, setting: str, tuning: Tuning) -> None:
        self.where = place(url, 5671 if urlsplit(url).scheme == "amqps" else 5672)
        self._url = url
        self._name = name
        self._setting = setting
        self._tuning = tuning
        #: How many takers wait; and who is told of a dead letter.
        self.wanted: Callable[[], int] = lambda: 0
        self.dead: Callable[[bytes], None] = lambda _: None
        self._connection: AbstractConnection | None = None
        self._publishing: AbstractChannel | None = None
        self._taking: AbstractQueue | None = None
        self._arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        #: Consumers with nothing in hand; and since when each message is in hand.
        self._idle: set[str] = set()
        self._held: dict[AbstractIncomingMessage, float] = {}
        self._consumers = 0

    # --- the connection ----------------------------------------------------------------------

    async def connect(self) -> None:
        self._taking = None
        self._arrived = asyncio.Queue()
        self._idle.clear()
        self._held.clear()
        try:
            self._connection = await aio_pika.connect(
                self._url, heartbeat=HEARTBEAT, client_properties={"connection_name": self._name}
            )
            self._publishing = await self._connection.channel(publisher_confirms=True)
            await self._declare_dead(self._publishing)
            await self._publishing.declare_queue(
                self._name,
                durable=True,
                arguments={
                    "x-queue-type": "quorum",
                    "x-max-length": self._tuning.most_waiting,
                    "x-delivery-limit": self._tuning.most_deliveries,
                    "x-dead-letter-exchange": "",
                    "x-dead-letter-routing-key": self._dead_name,
                },
            )
        except (AuthenticationError, ProbableAuthenticationError) as error:
            raise self._refused("refuses the user name or password") from error
        except (ConnectionNotAllowed, InvalidFrameError) as error:
            # aiormq does not expect to be turned away while it opens the virtual host.
            raise self._refused(
                "does not let this user into the virtual host, or has none of that name"
            ) from error
        except ChannelAccessRefused as error:
            raise self._refused(
                f"does not let this user declare and use {self._name}*; grant it configure, "
                "write and read"
            ) from error
        except ChannelPreconditionFailed as error:
            raise self._refused(
                f"has a queue {self._name} or {self._dead_name} with other properties; delete it "
                "(every ring in it will be rung again), or set another name"
            ) from error

    @property
    def _dead_name(self) -> str:
        return f"{self._name}.dead"

    async def _declare_dead(self, channel: AbstractChannel) -> AbstractQueue:
        return await channel.declare_queue(
            self._dead_name,
            durable=True,
            arguments={
                "x-queue-type": "quorum",
                "x-max-length": MOST_DEAD,
                "x-message-ttl": DEAD_FOR,
            },
        )

    def _refused(self, what: str) -> Misconfigured:
        text = f"{self._setting}: RabbitMQ at {self.where} {what}."
        return Misconfigured(text, param=self._setting)

    async def disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def check(self) -> None:
        channel = self._publishing
        assert channel is not None
        await channel.declare_queue(self._name, passive=True)
        overdue = time.monotonic() - self._tuning.hold
        await self.give_back([m for m, since in self._held.items() if since < overdue])

    # --- rings -------------------------------------------------------------------------------

    async def publish(self, bodies: Sequence[bytes]) -> None:
        channel = self._publishing
        assert channel is not None
        mode = aio_pika.DeliveryMode.PERSISTENT
        await asyncio.gather(
            *(
                channel.default_exchange.publish(
                    aio_pika.Message(body, delivery_mode=mode), self._name, mandatory=True
                )
                for body in bodies
            )
        )

    async def fetch(self, most: int) -> Sequence[Delivery]:
        # A quorum queue without a leader, just after a restart, may leave this without an answer.
        async with asyncio.timeout(self._tuning.timeout):
            queue = self._taking or await self._begin_taking()
            while len(self._idle) < most:
                self._consumers += 1
                tag = f"worker-{self._consumers}"
                self._idle.add(tag)
                await queue.consume(self._arrive, consumer_tag=tag)
        try:
            async with asyncio.timeout(POLL):
                messages = [await self._arrived.get()]
        except TimeoutError:
            return ()
        while not self._arrived.empty():
            messages.append(self._arrived.get_nowait())
        return [Delivery(message.body, message) for message in messages]

    async def _begin_taking(self) -> AbstractQueue:
        connection = self._connection
        assert connection is not None
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=1)
        dead = await channel.get_queue(self._dead_name, ensure=False)
        await dead.consume(self._bury)
        self._taking = await channel.get_queue(self._name, ensure=False)
        return self._taking

    async def _arrive(self, message: AbstractIncomingMessage) -> None:
        self._idle.discard(message.consumer_tag or "")
        self._held[message] = time.monotonic()
        if self._arrived.qsize() < self.wanted():
            self._arrived.put_nowait(message)
        else:  # who waited for it has given up
            await self.give_back([message])

    async def _bury(self, message: AbstractIncomingMessage) -> None:
        self.dead(message.body)
        await message.ack()

    async def settle(self, tokens: Sequence[Any]) -> None:
        for message in tokens:
            if await self._let_go(message):
                await message.ack()

    async def give_back(self, tokens: Sequence[Any]) -> None:
        for message in tokens:
            if await self._let_go(message):
                await message.nack(requeue=True)

    async def _let_go(self, message: AbstractIncomingMessage) -> bool:
        """Whether it was still in hand; its consumer serves again, if it is needed."""
        if self._held.pop(message, None) is None:
            return False
        tag = message.consumer_tag or ""
        if len(self._idle) < self.wanted():
            self._idle.add(tag)
        elif self._taking is not None:
            await self._taking.cancel(tag)
        return True
