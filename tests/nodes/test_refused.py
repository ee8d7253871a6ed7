"""Nodes that could not belong together do not start, and say which setting is to blame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr
from tests.nodes.conftest import Fleet
from tests.nodes.test_together import PERSON, ask, text_of
from tests.support.keys import MASTER_KEY
from tests.support.services.postgres import Postgres
from tests.support.services.process import free_port
from tests.support.services.redis import RedisServer

from tertulia.bootstrap.commands import migrate
from tertulia.bootstrap.doctor import doctor
from tertulia.bootstrap.roles import WORKER_PORT, check, port_of
from tertulia.bootstrap.storage import storage
from tertulia.errors import Misconfigured, Unavailable
from tertulia.settings import Settings

SHARED: dict[str, Any] = {
    "store": "postgresql://db/tertulia",
    "queue": "amqp://mq",
    "eventlog": "redis://cache",
    "cache": "redis://cache",
    "keys": "file:/shared/keys",
    "secret": SecretStr("x" * 32),
}


@pytest.mark.parametrize("role", ["api", "worker"])
@pytest.mark.parametrize("missing", sorted(SHARED))
def test_what_is_not_shared_is_named(tmp_path: Path, role: Any, missing: str) -> None:
    given = {name: value for name, value in SHARED.items() if name != missing}
    with pytest.raises(Misconfigured) as refused:
        check(Settings(data=tmp_path, **given), role)
    assert f"TERTULIA_{missing.upper()}" in str(refused.value)
    check(Settings(data=tmp_path, **given), "serve")


def test_a_worker_stands_beside_an_api_node(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, **SHARED)
    check(settings, "worker")
    assert port_of(settings, "api") == settings.port
    assert port_of(settings, "worker") == WORKER_PORT
    assert port_of(Settings(data=tmp_path, port=1234), "worker") == 1234


async def test_another_secret(fleet: Fleet) -> None:
    await fleet.node("api")
    with pytest.raises(Misconfigured, match="TERTULIA_SECRET") as refused:
        await fleet.node("worker", secret=SecretStr("another secret of more than 32 characters"))
    assert "another secret" not in str(refused.value)


async def test_keys_in_the_stores_database_by_another_name(
    postgres: Postgres, tmp_path: Path
) -> None:
    """At the very first start, too, when neither has a table yet."""
    name = postgres.database()
    settings = Settings(
        data=tmp_path,
        store=postgres.url(name),
        # An address that the system takes for its own.
        keys=postgres.url(name).replace("127.0.0.1", "0.0.0.0"),
        master_key=SecretStr(MASTER_KEY),
    )
    with pytest.raises(Misconfigured, match="^keys: .* is a store's database"):
        async with storage(settings, exclusive=False):
            pass
    postgres.drop(name)


async def test_other_keys(fleet: Fleet, tmp_path: Path) -> None:
    await fleet.node("api")
    with pytest.raises(Misconfigured, match="TERTULIA_KEYS"):
        await fleet.node("worker", keys=f"file:{tmp_path / 'elsewhere'}")


def test_all_nodes_may_be_given_a_new_secret(tmp_path: Path, postgres_url: str) -> None:
    def settings(secret: str) -> Settings:
        return Settings(data=tmp_path, store=postgres_url, secret=SecretStr(secret * 32))

    migrate(settings("a"))
    with pytest.raises(Misconfigured, match="--new-secret"):
        migrate(settings("b"))
    migrate(settings("b"), new_secret=True)
    migrate(settings("b"))
    with pytest.raises(Misconfigured, match="--new-secret"):
        migrate(settings("a"))


async def test_a_secret_file_that_is_not_there(fleet: Fleet, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="secret_file"):
        await fleet.node("api", secret=None, secret_file=tmp_path / "none")
    short = tmp_path / "short"
    short.write_text("too short")
    short.chmod(0o600)
    with pytest.raises(Misconfigured, match="fewer than 32"):
        await fleet.node("api", secret=None, secret_file=short)
    short.write_text("long enough, at more than 32 characters\n")
    await fleet.node("api", secret=None, secret_file=short)


@pytest.mark.parametrize("setting", ["store", "queue", "eventlog", "cache", "keys"])
async def test_a_url_of_an_unknown_kind(fleet: Fleet, setting: str) -> None:
    with pytest.raises(Misconfigured, match=rf"(?i){setting}") as refused:
        await fleet.node("serve", **{setting: "ftp://someone:pa55word@example.org/x"})
    assert "pa55word" not in str(refused.value)


async def test_a_database_that_is_not_there(fleet: Fleet) -> None:
    fleet.store = f"postgresql://ann:pa55word@127.0.0.1:{free_port()}/tertulia"
    with pytest.raises(Unavailable) as refused:
        await fleet.node("api")
    assert "PostgreSQL" in str(refused.value)
    assert "pa55word" not in str(refused.value)


async def test_a_wrong_password(fleet: Fleet, postgres: Postgres) -> None:
    name = postgres.prepared_database()
    fleet.store = f"postgresql://guarded:pa55word@127.0.0.1:{postgres.port}/{name}"
    with pytest.raises(Misconfigured) as refused:
        await fleet.node("api")
    assert "password" in str(refused.value)
    assert "pa55word" not in str(refused.value)


async def test_a_newer_schema(fleet: Fleet, postgres: Postgres) -> None:
    name = postgres.prepared_database()
    fleet.store = postgres.url(name)
    connection = await asyncpg.connect(fleet.store)
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    await connection.close()
    with pytest.raises(Misconfigured, match="9999"):
        await fleet.node("api")


async def test_a_schema_that_a_newer_release_has_added_to(fleet: Fleet, postgres: Postgres) -> None:
    """While that release is rolled out, this one goes on, and may start again."""
    name = postgres.prepared_database()
    fleet.store = postgres.url(name)
    connection = await asyncpg.connect(fleet.store)
    await connection.execute("ALTER TABLE responses ADD COLUMN later TEXT")
    await connection.execute("CREATE TABLE later (id TEXT PRIMARY KEY)")
    await connection.execute("UPDATE alembic_version SET version_num = version_num || '.1'")
    await connection.close()
    api = await fleet.node("api")
    await fleet.node("worker")
    answer = await ask(api, await api.register(PERSON), "chunks=3")
    assert (answer.status_code, text_of(answer.json())) == (200, "w0 w1 w2")


async def test_deployments_that_share_a_redis_do_not_meet(fleet: Fleet, postgres: Postgres) -> None:
    first, second = await fleet.node("api"), await fleet.node("worker")
    fleet.store, fleet.folder = postgres.url(postgres.prepared_database()), fleet.folder / "other"
    stranger = await fleet.node("worker")
    names = [await n.node.services.parts.store.deployment() for n in (first, second, stranger)]  # type: ignore[attr-defined]
    assert names[0] == names[1] != names[2]
    token = await first.register("ann@example.org")
    device = await first.device(token)
    for n in range(10):
        response_id = await device.create(f"r{n}", model="scripted", input="chunks=3")
        assert (await device.follow(response_id))[-1]["type"] == "response.completed"
    assert second.node.models.calls()
    assert not stranger.node.models.calls()


def test_the_doctor_asks_every_part(
    tmp_path: Path, postgres_url: str, redis_server: RedisServer
) -> None:
    shared: dict[str, Any] = {
        "eventlog": redis_server.url,
        "cache": redis_server.url,
        "store": postgres_url,
    }
    away = f"amqp://ann:pa55word@127.0.0.1:{free_port()}"
    settings = Settings(data=tmp_path, queue=away, **shared)
    checks = {check.name: check for check in doctor(settings)}
    assert checks["database"].ok
    assert checks["eventlog"].ok
    assert checks["cache"].ok
    assert not checks["queue"].ok
    assert "RabbitMQ" in checks["queue"].detail
    assert "pa55word" not in checks["queue"].detail
