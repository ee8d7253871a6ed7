"""Whether somebody still stands is asked for many at once."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from typing import Any

from tests.support.readers import until

from tertulia.accounts.standing import Standing
from tertulia.domain.principal import Principal
from tertulia.errors import Unavailable


async def test_a_failure_that_all_have_left_troubles_nobody() -> None:
    away = asyncio.Event()

    class Accounts:
        async def standing(self, doubted: Sequence[Principal]) -> Sequence[bool]:
            await away.wait()
            raise Unavailable("away")

    store: Any = Accounts()
    standing = Standing(store, 60.0, lambda: 0.0, lambda _: None)
    troubles: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
    checking = asyncio.create_task(standing.check(Principal("user_1")))
    await asyncio.sleep(0)
    checking.cancel()
    await asyncio.wait([checking])
    away.set()
    await until(lambda: len(asyncio.all_tasks()) == 1)
    del checking
    gc.collect()
    assert troubles == []
