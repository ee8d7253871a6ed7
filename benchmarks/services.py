"""PostgreSQL, Redis and RabbitMQ for the cluster: started as the tests start theirs, and set as
one would set them for use."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from tests.support.services.postgres import Postgres, postgres_server
from tests.support.services.process import Service
from tests.support.services.rabbitmq import RabbitMq, running_rabbitmq
from tests.support.services.redis import RedisServer

from benchmarks.processes import cpu_of
from benchmarks.systems import Meters

#: What is committed is on the disk, as shipped; beside that, room for many connections.
_POSTGRES: Final = {"shared_buffers": "256MB", "max_connections": "300"}


@dataclass(frozen=True, slots=True)
class Services:
    """Running, and shared by all runs: each has a database of its own."""

    postgres: Postgres
    redis: RedisServer
    rabbitmq: RabbitMq

    @property
    def meters(self) -> Meters:
        named: dict[str, Service] = {
            "PostgreSQL": self.postgres,
            "Redis": self.redis,
            "RabbitMQ": self.rabbitmq,
        }
        return {name: partial(cpu_of, service.pid) for name, service in named.items()}


@contextmanager
def running() -> Iterator[Services]:
    """All three, until the context ends."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tertulia-redis-")))
        redis = RedisServer(folder)
        redis.start()
        stack.callback(redis.stop)
        postgres = stack.enter_context(postgres_server(_POSTGRES))
        rabbitmq = stack.enter_context(running_rabbitmq())
        yield Services(postgres, redis, rabbitmq)
