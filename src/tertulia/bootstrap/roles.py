"""What a process is: all of it, a node that clients talk to, or one that lets models answer."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from tertulia.adapters.store.servers import is_server
from tertulia.errors import Misconfigured
from tertulia.settings import Settings

Role: TypeAlias = Literal["serve", "api", "worker"]

#: What a worker's health is asked at, unless a port is set: on one machine an API node has 8484.
WORKER_PORT: Final = 8485

_SHARED: Final = (
    ("store", "postgresql://… or mysql://…"),
    ("queue", "redis://…, amqp://…, kafka://… or nats://…"),
    ("eventlog", "redis://…"),
    ("cache", "redis://…"),
)
_EMBEDDED: Final = ("sqlite", "memory")


def check(settings: Settings, role: Role) -> None:
    """What one of many processes holds it must share with the others.

    Raises:
        Misconfigured: it would not; names the setting and what it could be.
    """
    if role == "serve":
        return
    for name, forms in _SHARED:
        value = getattr(settings, name)
        if value in _EMBEDDED or (name == "store" and not is_server(value)):
            raise Misconfigured(
                f"`tertulia {role}` is one of several processes, which would not share "
                f"{name} = {value!r}: set TERTULIA_{name.upper()} to {forms}, or run "
                "`tertulia serve`, which is everything in one process.",
                param=name,
            )
    if settings.secret is None and settings.secret_file is None:
        raise Misconfigured(
            f"`tertulia {role}` needs the secret that all processes of the deployment share: set "
            "TERTULIA_SECRET, or TERTULIA_SECRET_FILE to a file that holds it.",
            param="secret",
        )
    if settings.keys == "file":
        raise Misconfigured(
            f"`tertulia {role}` needs the keys that all processes of the deployment share: set "
            "TERTULIA_KEYS to postgresql://… or mysql://… (a database of its own), or, on one "
            "machine, to file:/FOLDER.",
            param="keys",
        )


def port_of(settings: Settings, role: Role) -> int:
    """Where this process listens."""
    if role == "worker" and "port" not in settings.model_fields_set:
        return WORKER_PORT
    return settings.port
