"""Which queue a URL names. Only that one's client is imported."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tertulia.adapters.queue.memory import MemoryQueue
from tertulia.errors import Misconfigured
from tertulia.ports.queue import Queue

#: Module and extra of each scheme.
_KINDS = {
    "redis": ("redis", "redis"),
    "rediss": ("redis", "redis"),
    "redis+cluster": ("redis", "redis"),
    "rediss+cluster": ("redis", "redis"),
    "amqp": ("amqp", "amqp"),
    "amqps": ("amqp", "amqp"),
    "kafka": ("kafka", "kafka"),
    "kafka+ssl": ("kafka", "kafka"),
    "nats": ("nats", "nats"),
    "tls": ("nats", "nats"),
}


async def open_queue(
    url: str, deployment: str, *, setting: str = "TERTULIA_QUEUE", **options: Any
) -> Queue:
    """The queue of ``deployment`` at ``url``, started; ``memory:`` is the one within this process.
    ``options`` as the module of the kind takes them.

    Raises:
        Misconfigured: an unknown kind, a client that is not installed, or a broker that answers
            and refuses us. One that does not answer is waited for.
    """
    scheme = url.partition(":")[0]
    if scheme == "memory":
        return MemoryQueue()
    if scheme not in _KINDS:
        kinds = ", ".join(("memory", *_KINDS))
        raise Misconfigured(f"{setting}: the URL begins with none of {kinds}.", param=setting)
    module, extra = _KINDS[scheme]
    try:
        kind = import_module(f"tertulia.adapters.queue.{module}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("tertulia"):
            raise
        raise Misconfigured(
            f"{setting}: the client for {scheme} is not installed: "
            f"pip install 'tertulia[{extra}]'.",
            param=setting,
        ) from error
    queue: Queue = await kind.open_queue(url, deployment, setting=setting, **options)
    return queue
