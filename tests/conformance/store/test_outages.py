"""A database server that refuses, ends connections, or is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.services.mariadb import MariaDB, mariadb_server
from tests.support.services.postgres import PASSWORD, Postgres, postgres_server
from tests.support.services.process import free_port
from tests.support.stores import ANN, SERVERS, Rig, server_rig

from tertulia.adapters.store.server import ServerEngine
from tertulia.adapters.store.servers import open_server
from tertulia.adapters.store.statement import Script
from tertulia.errors import Misconfigured, TertuliaError, Unavailable

SCHEMES = {"postgresql": "postgresql", "mariadb": "mysql"}


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Postgres | MariaDB:
    """With which the fixture `server_url` is not asked for: databases are the test's own."""
    return request.getfixturevalue("postgres" if request.param == "postgresql" else "mariadb")  # type: ignore[no-any-return]


def _with_password(url: str, password: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://guarded:{password}@{rest.rpartition('@')[2]}"


async def _refused(url: str) -> TertuliaError:
    engine = open_server(url)
    try:
        with pytest.raises(TertuliaError) as caught:
            await engine.start()
    finally:
        await engine.close()
    # What the driver said is not shown with it.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


async def test_a_password_with_odd_characters_is_understood(server_url: str) -> None:
    engine = open_server(_with_password(server_url, "a%20secret%3A%20p%40ss%2Fw%25rd"))
    session = await engine._database.connect(reading=True)
    assert await session.fetch("SELECT 1") == [(1,)]
    await session.close()


async def test_a_wrong_password_is_said_and_not_shown(server_url: str) -> None:
    error = await _refused(_with_password(server_url, "hush"))
    assert isinstance(error, Misconfigured)
    assert "password" in error.message
    for part in ("hush", "guarded", PASSWORD):
        assert part not in error.message


async def test_an_unknown_database_is_named(server: Postgres | MariaDB) -> None:
    error = await _refused(server.url("nowhere"))
    assert isinstance(error, Misconfigured)
    assert "nowhere" in error.message
    assert "CREATE DATABASE" in error.message


async def test_a_database_without_schema_names_the_command(server: Postgres | MariaDB) -> None:
    name = server.database()
    error = await _refused(server.url(name))
    assert isinstance(error, Misconfigured)
    assert error.code == "schema_too_old"
    assert "tertulia migrate" in error.message
    server.drop(name)


@pytest.mark.parametrize("scheme", SCHEMES.values())
async def test_a_server_that_is_not_there_is_unavailable(scheme: str) -> None:
    port = free_port()
    error = await _refused(f"{scheme}://me:hush@127.0.0.1:{port}/chats")
    assert isinstance(error, Unavailable)
    assert str(port) in error.message
    assert "hush" not in error.message


@pytest.mark.parametrize(
    "rest", ["", "localhost", "/chats", "me:hush@[::1/chats", "me:hush@localhost:port/chats"]
)
@pytest.mark.parametrize("scheme", SCHEMES.values())
async def test_a_url_that_cannot_be_understood(scheme: str, rest: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        await open_server(f"{scheme}://{rest}").start()
    assert "hush" not in caught.value.message


async def test_an_option_that_is_not_known() -> None:
    with pytest.raises(Misconfigured, match="colour"):
        open_server("mysql://me:hush@localhost/chats?colour=red")


@pytest.fixture
async def rig(server_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with server_rig(tmp_path, open_server(server_url)) as opened:
        yield opened


@pytest.fixture
def disconnect(request: pytest.FixtureRequest, server_url: str) -> Callable[[], None]:
    """End every connection to the test's database."""
    kind = "postgres" if server_url.startswith("postgresql") else "mariadb"
    server = request.getfixturevalue(kind)
    return lambda: server.disconnect_all(server_url.rpartition("/")[2])


async def test_lost_connections_are_opened_again(rig: Rig, disconnect: Callable[[], None]) -> None:
    first = await rig.submit()
    await asyncio.gather(*(rig.store.user(ANN) for _ in range(5)))
    await asyncio.to_thread(disconnect)
    await rig.end(await rig.claim(first.response.id))
    await asyncio.to_thread(disconnect)
    assert (await rig.store.get(ANN, first.response.id)).response.status == "completed"
    await rig.store.ping()


async def test_what_runs_when_connections_are_lost_is_run_again(
    rig: Rig, disconnect: Callable[[], None]
) -> None:
    """Whole or not at all, and no news is told of what did not happen."""
    submitted = asyncio.gather(*(rig.submit(str(n)) for n in range(10)), return_exceptions=True)
    for _ in range(3):
        await asyncio.to_thread(disconnect)
    done = await submitted
    failed = [d for d in done if isinstance(d, BaseException)]
    assert all(isinstance(f, Unavailable) for f in failed)
    told = [e for e in await rig.feed() if e["type"] == "response.started"]
    undecided = [f for f in failed if getattr(f, "code", "") == "outcome_unknown"]
    assert 10 - len(failed) <= len(told) <= 10 - len(failed) + len(undecided)


class _Cut:
    """A connection that is lost just before its commit, or just after it."""

    committing = False

    def __init__(self, session: Any, *, after: bool) -> None:
        self._session = session
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    async def commit(self) -> None:
        if self._after:
            await self._session.commit()
        self._session.abort()
        raise ConnectionResetError


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_commit_of_which_nothing_is_known_is_said_to_be_so(
    server_url: str, tmp_path: Path, after: bool
) -> None:
    engine = open_server(server_url)
    async with server_rig(tmp_path, engine) as rig:
        told = list(rig.told)
        connect, database = engine._database.connect, engine._database

        async def cut(*, reading: bool) -> Any:
            return _Cut(await connect(reading=reading), after=after)

        engine._writers.distrust()
        database.connect = cut  # type: ignore[method-assign]
        with pytest.raises(Unavailable) as caught:
            await rig.submit(response_id="resp_1")
        assert caught.value.code == "outcome_unknown"
        assert caught.value.retry_after
        assert rig.told == told
        database.connect = connect  # type: ignore[method-assign]
        # The truth is in the database, and what comes next goes on from it.
        started = [e["response_id"] for e in await rig.feed()]
        assert started == (["resp_1"] if after else [])
        await rig.submit(response_id="resp_2")
        assert [e["response_id"] for e in await rig.feed()] == [*started, "resp_2"]


async def test_what_takes_too_long_is_ended(server_url: str, tmp_path: Path) -> None:
    async with server_rig(tmp_path, open_server(server_url)):
        pass
    engine = open_server(server_url, transaction_seconds=1.0)
    await engine.start()
    try:
        with pytest.raises(Unavailable):
            await engine.write(_sleep(server_url))
        await engine.ping()
    finally:
        await engine.close()


def _sleep(url: str) -> Callable[[], Script[None]]:
    from sqlalchemy import text

    from tertulia.adapters.store.statement import Statement

    name = "pg_sleep" if url.startswith("postgresql") else "sleep"
    statement = Statement(text(f"SELECT {name}(60)"))

    def script() -> Script[None]:
        yield statement, {}

    return script


async def test_a_server_that_goes_and_comes_back(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with postgres_server() as server:
        await _goes_and_comes_back(server, server.prepared_database(), tmp_path)


async def test_a_mariadb_that_goes_and_comes_back(tmp_path: Path) -> None:
    with mariadb_server() as server:
        await _goes_and_comes_back(server, server.emptied_database(), tmp_path)


async def _goes_and_comes_back(server: Postgres | MariaDB, name: str, folder: Path) -> None:
    engine: ServerEngine = open_server(server.url(name), connect_seconds=2.0)
    async with server_rig(folder, engine) as rig:
        before = await rig.submit()
        await asyncio.to_thread(server.stop)
        for ask in (rig.submit(), rig.store.get(ANN, before.response.id), rig.store.ping()):
            with pytest.raises(Unavailable) as caught:
                await ask
            assert caught.value.retry_after
        await asyncio.to_thread(server.start)
        await rig.store.ping()
        await rig.end(await rig.claim(before.response.id))
        # Gone in the middle of it: what was accepted is there.
        accepted = await rig.submit()
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        assert (await rig.claim(accepted.response.id)).attempt == 1
