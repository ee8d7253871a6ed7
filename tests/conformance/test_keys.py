"""What every keys backend does: see `tertulia.ports.keys`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from tertulia.errors import NotFound, Unavailable
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


async def test_first_calls_on_two_nodes_agree(open_keys: OpenKeys) -> None:
    async with open_keys() as one, open_keys() as two:
        users = [f"user_{n % 5}" for n in range(20)]
        made = await asyncio.gather(*(keys.user_keys(u) for u in users for keys in (one, two)))
        assert len({keys.data_key for keys in made}) == 5
        assert await one.deployment_key("mail") == await two.deployment_key("mail")


async def test_keys_destroyed_on_one_node_are_never_made_by_another(open_keys: OpenKeys) -> None:
    async with open_keys() as one, open_keys() as two:
        await asyncio.gather(
            *(one.destroy(f"user_{n}") for n in range(20)),
            *(two.user_keys(f"user_{n}") for n in range(20)),
            return_exceptions=True,
        )
    async with open_keys() as keys:
        for n in range(20):
            with pytest.raises(NotFound):
                await keys.user_keys(f"user_{n}")


async def test_what_is_forgotten_is_looked_at_again(open_keys: OpenKeys) -> None:
    async with open_keys() as one, open_keys() as two:
        made = await two.user_keys("user_1")
        assert two.known("user_1") == made
        two.forget("user_1")
        two.forget("user_2")
        assert two.known("user_1") is None
        assert await two.user_keys("user_1") == made
        await one.destroy("user_1")
        two.forget("user_1")
        with pytest.raises(NotFound):
            await two.user_keys("user_1")


async def test_it_says_that_it_is_well(open_keys: OpenKeys) -> None:
    async with open_keys() as keys:
        await keys.ping()
    with pytest.raises(Unavailable):
        await keys.ping()


async def test_deployment_keys_differ_by_purpose_and_stay(open_keys: OpenKeys) -> None:
    async with open_keys() as keys:
        mail = await keys.deployment_key("mail")
        assert len(mail) == 32
        assert await keys.deployment_key("mail") == mail
        assert await keys.deployment_key("idempotency") != mail
    async with open_keys() as keys:
        assert await keys.deployment_key("mail") == mail
