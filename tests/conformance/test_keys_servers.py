"""Keys that many nodes share: what a node holds in memory, an outage, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.keys import KEK, SERVERS, empty_database, server_keys
from tests.support.services.mariadb import MariaDB, mariadb_server
from tests.support.services.postgres import Postgres, postgres_server
from tests.support.services.process import free_port
from tests.support.stores import Clock

from tertulia.adapters.keys.file import FileKeys
from tertulia.adapters.keys.opening import open_keys
from tertulia.adapters.keys.server import ServerKeys
from tertulia.adapters.store.servers import prepare_server
from tertulia.errors import Misconfigured, NotFound, Unavailable

OTHER = bytes(32)


@pytest.fixture(params=SERVERS)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Of an empty database."""
    with empty_database(request, request.param) as made:
        yield made


async def test_many_nodes_that_start_at_once_agree(url: str) -> None:
    nodes = [ServerKeys(url, KEK) for _ in range(4)]
    await asyncio.gather(*(node.start() for node in nodes))
    assert len({await node.deployment_key("mark") for node in nodes}) == 1
    await asyncio.gather(*(node.close() for node in nodes))


async def test_a_user_erased_elsewhere_is_erased_here_in_a_bounded_time(url: str) -> None:
    clock = Clock()
    async with server_keys(url) as one, server_keys(url, trusted_seconds=60) as two:
        two._clock = clock
        made = await two.user_keys("user_1")
        await one.destroy("user_1")
        clock.pass_by(59)
        assert await two.user_keys("user_1") == made
        assert two.known("user_1") == made
        clock.pass_by(2)
        assert two.known("user_1") is None
        with pytest.raises(NotFound):
            await two.user_keys("user_1")


async def test_trust_is_renewed_by_looking(url: str) -> None:
    clock = Clock()
    async with server_keys(url, trusted_seconds=60) as keys:
        keys._clock = clock
        made = await keys.user_keys("user_1")
        clock.pass_by(61)
        assert await keys.user_keys("user_1") == made
        assert keys.known("user_1") == made


async def test_no_key_lies_in_the_database_in_the_clear(url: str) -> None:
    async with server_keys(url) as keys:
        made = await keys.user_keys("user_1")
        session = await keys._database.connect(reading=True)
        name = "keys" if keys._database.dialect == "postgresql" else "`keys`"
        rows = await session.fetch(f"SELECT user_id, wrapped FROM {name} ORDER BY user_id")
        await session.close()
    assert [user for user, _ in rows] == ["", "user_1"]
    everything = b"".join(bytes(wrapped) for _, wrapped in rows)
    for secret in (made.data_key, made.index_key, made.matrix_seed, KEK):
        assert secret not in everything


async def test_another_master_key_is_refused(url: str) -> None:
    async with server_keys(url) as keys:
        await keys.user_keys("user_1")
    other = ServerKeys(url, OTHER)
    with pytest.raises(Misconfigured, match="TERTULIA_MASTER_KEY") as caught:
        await other.start()
    assert "root" not in caught.value.message
    async with server_keys(url) as keys:
        await keys.user_keys("user_1")


async def test_a_stores_database_is_refused_by_whatever_name(url: str) -> None:
    await prepare_server(url)
    keys = ServerKeys(url, KEK)
    with pytest.raises(Misconfigured, match="keys: .* is a store's database"):
        await keys.start()


async def test_a_laptops_key_file_is_taken_along(url: str, tmp_path: Path) -> None:
    laptop = FileKeys(tmp_path / "keys")
    await laptop.start()
    await laptop.close()
    keys = open_keys(url, tmp_path, master_key_file=tmp_path / "keys" / "kek")
    await keys.start()
    made = await keys.user_keys("user_1")
    await keys.close()
    given = (tmp_path / "keys" / "kek").read_text()
    keys = open_keys(url, tmp_path, master_key=given)
    await keys.start()
    assert await keys.user_keys("user_1") == made
    await keys.close()


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
async def test_a_server_that_is_not_there_is_unavailable(scheme: str) -> None:
    port = free_port()
    keys = ServerKeys(f"{scheme}://me:hush@127.0.0.1:{port}/keys", KEK)
    with pytest.raises(Unavailable, match="^keys: ") as caught:
        await keys.start()
    assert str(port) in caught.value.message
    assert "hush" not in caught.value.message


async def test_a_wrong_password_names_the_setting(url: str) -> None:
    scheme, _, rest = url.partition("://")
    keys = ServerKeys(f"{scheme}://guarded:hush@{rest.rpartition('@')[2]}", KEK)
    with pytest.raises(Misconfigured, match="^keys: .*check them in `keys`") as caught:
        await keys.start()
    assert "hush" not in caught.value.message


def test_a_url_that_cannot_be_understood_names_the_setting() -> None:
    for wrong in ("postgresql://", "mysql://localhost", "mysql://me:hush@[::1/keys"):
        with pytest.raises(Misconfigured, match="^keys: ") as caught:
            ServerKeys(wrong, KEK)
        assert "hush" not in caught.value.message


@pytest.mark.parametrize("kind", SERVERS)
async def test_a_server_that_goes_and_comes_back(kind: str) -> None:
    """Who is known is served on, and nobody's keys are made twice."""
    with postgres_server() if kind == "postgresql" else mariadb_server() as server:
        await _goes_and_comes_back(server)


async def _goes_and_comes_back(server: Postgres | MariaDB) -> None:
    clock = Clock()
    async with server_keys(server.url(server.database()), trusted_seconds=60) as keys:
        keys._clock = clock
        made = await keys.user_keys("user_1")
        await asyncio.to_thread(server.stop)
        calls: tuple[Callable[[], object], ...] = (
            lambda: keys.user_keys("user_2"),
            lambda: keys.destroy("user_1"),
            keys.ping,
        )
        for call in calls:
            with pytest.raises(Unavailable):
                await call()  # type: ignore[misc]
        # Beyond its time, too; asked for at once, one looks and the others do not wait for it.
        clock.pass_by(61)
        assert await keys.user_keys("user_1") == made
        assert keys.known("user_1") == made
        # Whoever was said to be erased is not served on trust.
        keys.forget("user_1")
        with pytest.raises(Unavailable):
            await keys.user_keys("user_1")
        await asyncio.to_thread(server.start)
        assert await keys.user_keys("user_1") == made
        await keys.user_keys("user_2")
        await keys.ping()
