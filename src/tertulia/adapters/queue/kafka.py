"""The queue on Kafka: one topic, one consumer group.

A partition is read in order by one process of the group, and an offset says that all before it is
done with. So a ring that is never acknowledged is passed over as soon as a later one of its
partition is: the sweeper rings again for it, as it does for rings that lie in the partitions of
a process whose slots are full. A rebalance may deliver twice what was not yet committed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from aiokafka import (  # type: ignore[import-untyped]
    AIOKafkaConsumer,
    AIOKafkaProducer,
    TopicPartition,
    errors,
)
from aiokafka.admin import AIOKafkaAdminClient, NewTopic  # type: ignore[import-untyped]
from aiokafka.conn import AIOKafkaConnection  # type: ignore[import-untyped]
from aiokafka.helpers import create_ssl_context  # type: ignore[import-untyped]

from tertulia.adapters.queue.broker import POLL, BrokerQueue, Delivery, Tuning, check_names
from tertulia.errors import Misconfigured

DEFAULT_PORT = 9092
SCHEMES = ("kafka", "kafka+ssl")
#: Milliseconds that joining the group may take: the broker waits for all who were in it.
REBALANCE = 30_000
#: Milliseconds that rings are kept for workers that are not there; the sweeper forgets sooner.
RETENTION = 3600 * 1000
#: What Kafka reads as "as many copies as the brokers make by default".
DEFAULT_REPLICAS = -1


class _Token(NamedTuple):
    partition: TopicPartition
    offset: int
    body: bytes


async def open_queue(
    url: str,
    deployment: str,
    *,
    name: str = "tertulia",
    setting: str = "TERTULIA_QUEUE",
    tuning: Tuning | None = None,
    partitions: int = 32,
    replicas: int = DEFAULT_REPLICAS,
    session: float = 10.0,
) -> BrokerQueue:
    """The topic ``name.deployment.rings`` at ``kafka://[user:password@]host:port[,host:port…]`` or
    the same with ``kafka+ssl``, started. ``partitions``, ``replicas``: of the topic, when it is
    made here; no more workers than partitions hear anything. ``session``: seconds after which a
    silent process loses its partitions to others.

    A password is shown as the URL's ``?mechanism=`` says: PLAIN (the default), SCRAM-SHA-256 or
    SCRAM-SHA-512.

    Raises:
        Misconfigured: the server refuses us, or a name cannot be; it names ``setting``.
    """
    check_names(deployment, name, setting)
    tuning = tuning or Tuning()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    topic = NewTopic(
        f"{name}.{deployment}.rings",
        partitions,
        replicas,
        # Left out, the client would not take the default for the number of replicas.
        replica_assignments={} if replicas == DEFAULT_REPLICAS else None,
        topic_configs={"retention.ms": str(RETENTION)},
    )
    queue = BrokerQueue(_Kafka(url, topic, session, setting, tuning), deployment, tuning)
    await queue.start()
    return queue


class _Kafka:
    kind = "Kafka"

    def __init__(
        self,
        url: str,
        topic: NewTopic,
        session: float,
        setting: str,
        tuning: Tuning,
    ) -> None:
        parts = urlsplit(url)
        login, _, self.where = parts.netloc.rpartition("@")
        self._setting = setting
        if parts.scheme not in SCHEMES or not self.where:
            raise self._wrong("the URL looks like kafka://[user:password@]host:port[,host:port…]")
        secured = parts.scheme == "kafka+ssl"
        self._options: dict[str, Any] = {
            "bootstrap_servers": self.where.split(","),
            "client_id": topic.name,
            "request_timeout_ms": round(1000 * tuning.timeout),
            "security_protocol": ("SASL_" if login else "") + ("SSL" if secured else "PLAINTEXT"),
            "ssl_context": create_ssl_context() if secured else None,
        }
        if login:
            user, _, password = login.partition(":")
            self._options |= {
                "sasl_mechanism": dict(parse_qsl(parts.query)).get("mechanism", "PLAIN"),
                "sasl_plain_username": unquote(user),
                "sasl_plain_password": unquote(password),
            }
        self._session = round(1000 * session)
        self._new_topic = topic
        self._topic: str = topic.name
        self._producer: AIOKafkaProducer | None = None
        self._consumer: AIOKafkaConsumer | None = None
        #: The next offset of each partition, as it was committed last.
        self._committed: dict[TopicPartition, int] = {}

    # --- the connection ----------------------------------------------------------------------

    async def connect(self) -> None:
        self._committed = {}
        try:
            if "sasl_mechanism" in self._options:
                await self._show_password()
            await self._prepare()
            self._producer = AIOKafkaProducer(acks="all", **self._options)
            await self._producer.start()
        except (errors.AuthenticationFailedError, errors.SaslAuthenticationFailed) as error:
            raise self._refused("refuses the user name or password") from error
        except (errors.UnsupportedSaslMechanismError, errors.IllegalSaslStateError) as error:
            raise self._refused("does not take passwords in this way") from error
        except (
            errors.TopicAuthorizationFailedError,
            errors.ClusterAuthorizationFailedError,
        ) as error:
            raise self._refused(
                f"does not let this user make the topic {self._topic}; make it, or grant CREATE"
            ) from error
        except errors.InvalidReplicationFactorError as error:
            raise self._refused("has fewer brokers than the topic shall have replicas") from error

    async def _show_password(self) -> None:
        """The clients below say of a refusal only that they found no server."""
        options = {**self._options}
        del options["bootstrap_servers"]
        for server in self.where.split(","):
            host, _, port = server.rpartition(":")
            connection = AIOKafkaConnection(
                host or port, int(port) if host else DEFAULT_PORT, **options
            )
            try:
                await connection.connect()
            except KeyError as error:  # SCRAM's refusal, which lacks what its success holds
                raise errors.SaslAuthenticationFailed from error
            except (OSError, errors.KafkaConnectionError):
                continue
            finally:
                connection.close()
            return

    async def _prepare(self) -> None:
        admin = AIOKafkaAdminClient(**self._options)
        try:
            await admin.start()
            if self._topic not in await admin.list_topics():
                answer = await admin.create_topics([self._new_topic])
                for _, code, *_ in answer.topic_errors:
                    error = errors.for_code(code)
                    if error not in (errors.NoError, errors.TopicAlreadyExistsError):
                        raise error
        finally:
            await admin.close()

    def _refused(self, what: str) -> Misconfigured:
        return self._wrong(f"Kafka at {self.where} {what}")

    def _wrong(self, what: str) -> Misconfigured:
        return Misconfigured(f"{self._setting}: {what}.", param=self._setting)

    async def disconnect(self) -> None:
        parts = [part for part in (self._consumer, self._producer) if part is not None]
        self._consumer = self._producer = None
        await asyncio.gather(*(part.stop() for part in parts), return_exceptions=True)

    async def check(self) -> None:
        assert self._producer is not None
        client = self._producer.client
        if not await client.force_metadata_update():
            raise errors.KafkaConnectionError
        if not client.cluster.partitions_for_topic(self._topic):
            raise errors.UnknownTopicOrPartitionError

    # --- rings -------------------------------------------------------------------------------

    async def publish(self, bodies: Sequence[bytes]) -> None:
        producer = self._producer
        assert producer is not None
        sent = [await producer.send(self._topic, body) for body in bodies]
        await asyncio.gather(*sent)

    async def fetch(self, most: int) -> Sequence[Delivery]:
        consumer = self._consumer
        if consumer is None:
            consumer = self._consumer = AIOKafkaConsumer(
                self._topic,
                group_id=self._topic,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                session_timeout_ms=self._session,
                heartbeat_interval_ms=self._session // 4,
                **(self._options | {"request_timeout_ms": REBALANCE}),
            )
            await consumer.start()
        records = await consumer.getmany(timeout_ms=round(1000 * POLL), max_records=most)
        return [
            Delivery(record.value, _Token(partition, record.offset, record.value))
            for partition, found in records.items()
            for record in found
        ]

    async def settle(self, tokens: Sequence[Any]) -> None:
        offsets: dict[TopicPartition, int] = {}
        for token in tokens:
            offset = max(token.offset + 1, offsets.get(token.partition, 0))
            if offset > self._committed.get(token.partition, 0):
                offsets[token.partition] = offset
        # Partitions that others have got meanwhile are theirs to commit.
        ours = self._consumer.assignment() if self._consumer is not None else ()
        offsets = {partition: at for partition, at in offsets.items() if partition in ours}
        if offsets:
            assert self._consumer is not None
            await self._consumer.commit(offsets)
            self._committed |= offsets

    async def give_back(self, tokens: Sequence[Any]) -> None:
        # In most cases into another partition, and so to another process.
        await self.publish([token.body for token in tokens])
        await self.settle(tokens)
