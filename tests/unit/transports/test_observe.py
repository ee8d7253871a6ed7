"""What a request that still runs is told when its server ends."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from tertulia.transports.observe import Observe

_START = {"type": "http.response.start", "status": 200, "headers": []}
_SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": []}


async def _never() -> MutableMapping[str, Any]:
    never: asyncio.Future[MutableMapping[str, Any]] = asyncio.get_running_loop().create_future()
    return await never


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("gone", [None, OSError("gone"), RuntimeError("it had all")])
async def test_a_farewell_reaches_who_is_there(*, begun: bool, gone: Exception | None) -> None:
    sent: list[MutableMapping[str, Any]] = []
    waiting, ending = asyncio.Event(), False

    async def send(message: MutableMapping[str, Any]) -> None:
        if ending and gone is not None:
            raise gone
        sent.append(message)

    async def streams(scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        if begun:
            await send(dict(_START))
        waiting.set()
        await receive()

    observe = Observe(streams)
    with capture_logs() as logs:
        request = asyncio.create_task(observe(dict(_SCOPE), _never, send))
        await waiting.wait()
        ending = True
        observe.end()
        await request
    assert [line for line in logs if line["log_level"] == "error"] == []
    starts = [message["status"] for message in sent if message["type"] == _START["type"]]
    if gone is None:
        assert starts == ([200] if begun else [503])
        assert not sent[-1].get("more_body", False)
    else:
        assert starts == ([200] if begun else [])
