"""What transports work with, assembled once by ``bootstrap``."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from tertulia.ports.embedding import Embedding
from tertulia.ports.limiter import Limiter
from tertulia.settings import Settings
from tertulia.transports.feed_hub import FeedHub
from tertulia.turns.parts import Parts

if TYPE_CHECKING:
    from tertulia.accounts import AccountService
    from tertulia.conversations import ConversationService

#: For so many seconds the store's backlog, once counted, is good enough.
BACKLOG_SECONDS = 5.0

#: Returns when a part works; raises one of `tertulia.errors` when it does not.
Probe = Callable[[], Awaitable[object]]


def built_web_client() -> Path:
    """Where the web client is within the package."""
    return Path(__file__).resolve().parent.parent / "web"


class Seldom:
    """What is asked of by many and looked at once in ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._looked = float("-inf")

    def due(self, now: float) -> bool:
        """True: whoever asks now is to look."""
        if now - self._looked < self._seconds:
            return False
        self._looked = now
        return True


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    parts: Parts
    accounts: AccountService
    conversations: ConversationService
    limiter: Limiter
    #: Keys the hashes of idempotency keys and of request bodies; 32 bytes.
    idempotency_key: bytes = field(repr=False)
    #: What ``/readyz`` asks, by the name of the part; the store is always asked.
    probes: Mapping[str, Probe] = field(default_factory=dict)
    #: Unix seconds, as the store counts them.
    clock: Callable[[], float] = time.time
    #: True once the process was asked to stop: ``/readyz`` sends new clients elsewhere.
    draining: Callable[[], bool] = lambda: False
    web: Path = field(default_factory=built_web_client)
    #: Where the store rings for what it has written into a user's feed.
    feed: FeedHub = field(default_factory=FeedHub)
    #: When the store's backlog is to be counted again for ``/metrics``.
    backlog: Seldom = field(default_factory=lambda: Seldom(BACKLOG_SECONDS))
    #: What the scripted model was called for; None where it is not offered.
    scripted_calls: Callable[[], Sequence[object]] | None = None
    #: None: the setting says that nothing is embedded.
    embedding: Embedding | None = None


def services_of(connection: HTTPConnection) -> Services:
    """The services of the application that handles this request or socket."""
    services: Services = connection.app.state.services
    return services
