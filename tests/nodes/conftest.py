"""Several nodes of one deployment, in one event loop, over a real database and a real Redis."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from tests.support.live import Live, live
from tests.support.services.redis import RedisServer

from tertulia.bootstrap.roles import Role
from tertulia.settings import Turns

#: Short enough for a test, and the shape of what is shipped.
TURNS = Turns(
    lease_seconds=2,
    renew_seconds=0.5,
    sweep_seconds=0.2,
    ring_again_seconds=1,
    grace_seconds=0,
    reader_recheck_seconds=0.3,
)


@dataclass
class Fleet:
    """What the nodes of one deployment share, and a way to start one more."""

    folder: Path
    store: str
    redis: RedisServer
    stack: AsyncExitStack
    started: list[Live] = field(default_factory=list)

    def settings(self, **changes: Any) -> dict[str, Any]:
        return {
            "auth": True,
            "registration": "open",
            "store": self.store,
            "queue": self.redis.url,
            "eventlog": self.redis.url,
            "cache": self.redis.url,
            "keys": f"file:{self.folder / 'keys'}",
            "secret": SecretStr("a secret that all of them share, at length"),
            "turns": TURNS,
            **changes,
        }

    async def node(self, role: Role, **changes: Any) -> Live:
        folder = self.folder / f"node{len(self.started)}"
        started = await self.stack.enter_async_context(
            live(folder, role, **self.settings(**changes))
        )
        self.started.append(started)
        return started


@pytest.fixture
async def fleet(
    tmp_path: Path, postgres_url: str, redis_server: RedisServer
) -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        yield Fleet(tmp_path, postgres_url, redis_server, stack)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
