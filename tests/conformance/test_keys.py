"""What every keys backend does: see `tertulia.ports.keys`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from tertulia.errors import NotFound
from tertulia.ports.keys import Keys

OpenKeys = Callable[[], AbstractAsyncContextManager[Keys]]


async def test_a_users_keys_are_made_once_and_stay(open_keys: OpenKeys) -> None:
    async with open_keys() as keys:
        made = await keys.user_keys("user_1")
        assert await keys.user_keys("user_1") == made
        secrets = (made.data_key, made.index_key, made.matrix_seed)
        assert [len(secret) for secret in secrets] == [32, 32, 32]
        assert len(set(secrets)) == 3
    async with open_keys() as keys:
        assert await keys.user_keys("user_1") == made


async def test_first_calls_at_once_agree(open_keys: OpenKeys) -> None:
    async with open_keys() as keys:
        made = await asyncio.gather(*(keys.user_keys("user_1") for _ in range(8)))
        assert all(found == made[0] for found in made)


async def test_users_have_keys_of_their_own(open_keys: OpenKeys) -> None:
    async with open_keys() as keys:
        made = await asyncio.gather(*(keys.user_keys(f"user_{n}") for n in range(50)))
        assert len({found.data_key for found in made}) == 50


async def test_destroyed_keys_never_come_back(open_keys: OpenKeys) -> None:
    async with open_keys() as keys:
        await keys.user_keys("user_1")
        other = await keys.user_keys("user_2")
        await keys.destroy("user_1")
        await keys.destroy("user_1")
        await keys.destroy("user_3")
        for user in ("user_1", "user_3"):
            with pytest.raises(NotFound):
                await keys.user_keys(user)
    async with open_keys() as keys:
        with pytest.raises(NotFound):
            await keys.user_keys("user_1")
        assert await keys.user_keys("user_2") == other


async def test_keys_being_read_while_destroyed_are_not_kept(open_keys: OpenKeys) -> None:
    async with open_keys() as keys:
        await keys.user_keys("user_1")
    async with open_keys() as keys:  # nothing cached
        reading = asyncio.create_task(keys.user_keys("user_1"))
        await asyncio.sleep(0)
        await keys.destroy("user_1")
        await asyncio.gather(reading, return_exceptions=True)
        with pytest.raises(NotFound):
            await keys.user_keys("user_1")


async def test_deployment_keys_differ_by_purpose_and_stay(open_keys: OpenKeys) -> None:
    async with open_keys() as keys:
        mail = await keys.deployment_key("mail")
        assert len(mail) == 32
        assert await keys.deployment_key("mail") == mail
        assert await keys.deployment_key("idempotency") != mail
    async with open_keys() as keys:
        assert await keys.deployment_key("mail") == mail
