"""Nodes that share a Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.conformance.backends_redis import prefix_of
from tests.support.readers import OpenNode

from tertulia.adapters.eventlog.redis import Options, RedisEventLog, open_redis_log
from tertulia.adapters.keys.file import FileKeys
from tertulia.adapters.sealing import AesGcmCipher


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that serves; the suites of the ports run on Python's own."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def open_node(tmp_path: Path) -> AsyncIterator[OpenNode]:
    keys = FileKeys(tmp_path / "keys")
    await keys.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(keys.close)

        async def opened(url: str, **options: Any) -> RedisEventLog:
            log = await open_redis_log(
                url, keys, AesGcmCipher(), Options(prefix=prefix_of(tmp_path), **options)
            )
            stack.push_async_callback(log.close)
            return log

        yield opened
