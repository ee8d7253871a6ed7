"""The queue on NATS JetStream: a work-queue stream and one durable pull consumer.

The server keeps a ring until it is acknowledged, and lets another hear it when that has not come
in ``hold`` seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from nats import errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js import errors as js_errors
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)

from tertulia.adapters.queue.broker import POLL, BrokerQueue, Delivery, Tuning, check_names, place
from tertulia.errors import Misconfigured

#: The consumer that all workers share.
DURABLE = "workers"
#: Seconds between signs of life; two that fail to come end a connection.
HEARTBEAT = 10
#: The server's numbers of what cannot be mended by waiting: subjects that overlap with those of
#: another stream, and JetStream that this account may not use.
_OVERLAP, _NO_JETSTREAM = 10065, (10039, 10076)


async def open_queue(
    url: str,
    deployment: str,
    *,
    name: str = "tertulia",
    setting: str = "TERTULIA_QUEUE",
    tuning: Tuning | None = None,
    replicas: int = 1,
) -> BrokerQueue:
    """The stream ``name-deployment-rings`` at a ``nats`` or ``tls`` URL (several: separated by
    commas), started. ``replicas``: servers that hold it, when it is made here.

    Raises:
        Misconfigured: the server refuses us, or a name cannot be; it names ``setting``.
    """
    check_names(deployment, name, setting)
    tuning = tuning or Tuning()
    logging.getLogger("nats").setLevel(logging.CRITICAL)
    config = StreamConfig(
        name=f"{name}-{deployment}-rings",
        subjects=[f"{name}.{deployment}.rings"],
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        max_msgs=tuning.most_waiting,
        num_replicas=replicas,
    )
    queue = BrokerQueue(_Nats(url, config, setting, tuning), deployment, tuning)
    await queue.start()
    return queue


class _Nats:
    kind = "NATS"

    def __init__(self, url: str, config: StreamConfig, setting: str, tuning: Tuning) -> None:
        self._servers = url.split(",")
        self.where = ", ".join(place(server, 4222) for server in self._servers)
        self._config = config
        self._stream, self._subject = str(config.name), (config.subjects or [""])[0]
        self._setting = setting
        self._tuning = tuning
        self._client: Client | None = None
        self._js: JetStreamContext | None = None
        self._taking: JetStreamContext.PullSubscription | None = None

    async def connect(self) -> None:
        self._taking = None
        try:
            # Ours before it is connected, so that half a connection is closed too.
            self._client = Client()
            await self._client.connect(
                self._servers,
                name=self._stream,
                # Coming back is one business for all brokers, and not the client's.
                allow_reconnect=False,
                connect_timeout=max(1, round(self._tuning.timeout)),
                ping_interval=HEARTBEAT,
                error_cb=_unheard,
            )
            self._js = self._client.jetstream(timeout=self._tuning.timeout)
            await self._prepare(self._js)
        except errors.AuthorizationError as error:
            raise self._refused("refuses the user name, password or token") from error
        except errors.Error as error:
            if "authorization violation" in str(error).lower():
                raise self._refused("refuses the user name, password or token") from error
            if isinstance(error, js_errors.ServiceUnavailableError | errors.NoRespondersError):
                raise self._refused("has no JetStream; start it with --jetstream") from error
            if isinstance(error, js_errors.APIError) and error.err_code in _NO_JETSTREAM:
                raise self._refused("has no JetStream for this account") from error
            if isinstance(error, js_errors.APIError) and error.err_code == _OVERLAP:
                raise self._refused(
                    f"has a stream whose subjects take in {self._subject}; change it, or set "
                    "another name"
                ) from error
            raise

    async def _prepare(self, js: JetStreamContext) -> None:
        """A stream that is there stays as its operator wants it, if it can serve."""
        try:
            info = await js.stream_info(self._stream)
        except js_errors.NotFoundError:
            await js.add_stream(self._config)
        else:
            if info.config.retention != RetentionPolicy.WORK_QUEUE:
                raise self._refused(
                    f"has a stream {self._stream} that is no work queue; delete it, or set "
                    "another name"
                )
        await js.add_consumer(
            self._stream,
            ConsumerConfig(
                durable_name=DURABLE,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=self._tuning.hold,
                max_ack_pending=self._tuning.most_waiting,
            ),
        )

    def _refused(self, what: str) -> Misconfigured:
        text = f"{self._setting}: NATS at {self.where} {what}."
        return Misconfigured(text, param=self._setting)

    async def disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()
            await asyncio.sleep(0)  # its last task has been cancelled, and not yet ended

    async def check(self) -> None:
        assert self._js is not None
        await self._js.consumer_info(self._stream, DURABLE)

    async def publish(self, bodies: Sequence[bytes]) -> None:
        js = self._js
        assert js is not None
        await asyncio.gather(
            *(js.publish(self._subject, body, stream=self._stream) for body in bodies)
        )

    async def fetch(self, most: int) -> Sequence[Delivery]:
        if self._taking is None:
            assert self._js is not None
            self._taking = await self._js.pull_subscribe_bind(DURABLE, self._stream)
        try:
            messages = await self._taking.fetch(most, timeout=POLL)
        except TimeoutError:
            return ()
        return [Delivery(m.data, m, m.metadata.num_delivered or 1) for m in messages]

    async def settle(self, tokens: Sequence[Any]) -> None:
        for message in tokens:
            await message.ack()

    async def give_back(self, tokens: Sequence[Any]) -> None:
        for message in tokens:
            await message.nak()


async def _unheard(_: Exception) -> None:
    """The client tells of each failure; here one line tells of the loss of the connection."""
