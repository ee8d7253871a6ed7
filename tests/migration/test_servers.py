"""The way of the schema on database servers, forward and back, whoever asks for it first."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import create_mock_engine
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.schema import CreateIndex, CreateTable
from tests.support.services.mariadb import MariaDB
from tests.support.services.postgres import Postgres
from tests.support.stores import SERVERS

from tertulia.adapters.store.migrations import HEAD, KNOWN
from tertulia.adapters.store.migrations.server import prepare
from tertulia.adapters.store.mysql import MysqlDatabase
from tertulia.adapters.store.postgresql import PostgresDatabase
from tertulia.adapters.store.schema import metadata
from tertulia.adapters.store.servers import open_server
from tertulia.errors import Misconfigured, TertuliaError, Unavailable

_COLUMNS = (
    "SELECT table_name, column_name, data_type, is_nullable, character_maximum_length "
    "FROM information_schema.columns WHERE table_schema = '{schema}' ORDER BY 1, 2"
)
_INDEXES = {
    "postgresql": "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public' "
    "ORDER BY 1, 2",
    "mariadb": "SELECT table_name, index_name, non_unique, seq_in_index, column_name "
    "FROM information_schema.statistics WHERE table_schema = '{schema}' ORDER BY 1, 2, 4",
}
_COLLATIONS = (
    "SELECT DISTINCT collation_name FROM information_schema.columns "
    "WHERE table_schema = '{schema}' AND collation_name IS NOT NULL"
)


@dataclass
class Made:
    """An empty database."""

    kind: str
    server: Postgres | MariaDB
    name: str

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    @property
    def database(self) -> PostgresDatabase | MysqlDatabase:
        if self.kind == "postgresql":
            return PostgresDatabase(self.url)
        return MysqlDatabase(self.url)

    async def rows(self, sql: str) -> Sequence[Any]:
        schema = "public" if self.kind == "postgresql" else self.name
        session = await self.database.raw()
        try:
            return [tuple(row) for row in await session.fetch(sql.format(schema=schema))]
        finally:
            await session.close()

    async def shape(self) -> tuple[Any, ...]:
        """Tables with their columns and indexes, but for Alembic's own."""
        columns = await self.rows(_COLUMNS)
        indexes = await self.rows(_INDEXES[self.kind])
        return tuple(
            # An index that was renamed with its table is called otherwise, and the same.
            tuple(str(v).replace("_pkey1", "_pkey") for v in row)
            for row in (*columns, *indexes)
            if row[0] != "alembic_version"
        )


@pytest.fixture(params=SERVERS)
def made(request: pytest.FixtureRequest) -> Iterator[Made]:
    fixture = "postgres" if request.param == "postgresql" else "mariadb"
    server = request.getfixturevalue(fixture)
    name = server.database()
    yield Made(request.param, server, name)
    server.drop(name)


async def test_the_history_makes_the_schema_of_the_code(made: Made) -> None:
    await prepare(made.database)
    grown = await made.shape()
    await prepare(made.database, "base")
    assert await made.shape() == ()
    dialect = asyncpg.dialect() if made.kind == "postgresql" else mysql.dialect()  # type: ignore[no-untyped-call]
    if made.kind == "postgresql":
        # Gives indexes their conditions for this database.
        metadata.create_all(create_mock_engine("postgresql+asyncpg://", _ignore), checkfirst=False)
    session = await made.database.raw()
    run = session.fetch
    for table in metadata.sorted_tables:
        await run(str(CreateTable(table).compile(dialect=dialect)))
        for index in table.indexes:
            await run(str(CreateIndex(index).compile(dialect=dialect)))
    await session.close()
    assert await made.shape() == grown


def _ignore(*_arguments: Any, **_options: Any) -> None:
    pass


async def test_every_revision_goes_forward_and_back(made: Made) -> None:
    shapes = [await made.shape()]
    for revision in KNOWN:
        await prepare(made.database, revision)
        shapes.append(await made.shape())
    assert len(set(shapes)) == len(shapes)
    for revision in reversed(("base", *KNOWN[:-1])):
        shapes.pop()
        await prepare(made.database, revision)
        assert await made.shape() == shapes[-1]
    await prepare(made.database)
    await _starts(made)


async def _starts(made: Made) -> None:
    engine = open_server(made.url)
    await engine.start()
    await engine.close()


_NODE = """
import asyncio, sys
from tertulia.adapters.store.migrations.server import prepare
from tertulia.adapters.store.mysql import MysqlDatabase
from tertulia.adapters.store.postgresql import PostgresDatabase
kind = PostgresDatabase if sys.argv[1].startswith("postgresql") else MysqlDatabase
asyncio.run(prepare(kind(sys.argv[1])))
"""


async def test_nodes_that_start_at_once_go_the_way_once(made: Made) -> None:
    node = (sys.executable, "-c", _NODE, made.url)
    nodes = [await asyncio.create_subprocess_exec(*node, stderr=subprocess.PIPE) for _ in range(3)]
    # And some in one process.
    await asyncio.gather(*(prepare(made.database) for _ in range(3)))
    said = await asyncio.gather(*(node.communicate() for node in nodes))
    assert [node.returncode for node in nodes] == [0, 0, 0], said
    assert await made.rows("SELECT version_num FROM alembic_version") == [(HEAD,)]
    assert await made.rows("SELECT name FROM meta") == [("slots",)]


async def test_a_newer_schema_is_refused_with_both_versions(made: Made) -> None:
    await prepare(made.database)
    await made.rows("UPDATE alembic_version SET version_num = '9999'")
    for work in (prepare(made.database), _starts(made)):
        with pytest.raises(Misconfigured) as caught:
            await work
        assert caught.value.code == "schema_too_new"
        for part in ("9999", HEAD, made.name, "store"):
            assert part in caught.value.message


async def test_what_a_newer_release_only_added_to_is_left_alone(made: Made) -> None:
    """So nodes of the release before may start again while the new one is rolled out."""
    await prepare(made.database)
    await made.rows("ALTER TABLE responses ADD COLUMN later VARCHAR(8)")
    await made.rows(f"UPDATE alembic_version SET version_num = '{HEAD}.1'")
    shape = await made.shape()
    await prepare(made.database)
    await _starts(made)
    assert await made.shape() == shape
    assert await made.rows("SELECT version_num FROM alembic_version") == [(f"{HEAD}.1",)]


async def test_an_older_schema_is_refused_until_it_is_brought_forward(made: Made) -> None:
    await prepare(made.database, KNOWN[-2])
    with pytest.raises(Misconfigured, match="tertulia migrate") as caught:
        await _starts(made)
    assert caught.value.code == "schema_too_old"
    await prepare(made.database)
    await _starts(made)


async def test_what_fails_half_way_can_be_told(made: Made) -> None:
    """PostgreSQL is left as it was; of MariaDB the last whole revision is known."""
    await made.rows("CREATE TABLE files (mine INTEGER)")
    before = await made.shape()
    with pytest.raises(TertuliaError) as caught:
        await prepare(made.database)
    assert made.name in caught.value.message
    if made.kind == "postgresql":
        assert await made.shape() == before
    else:
        assert await made.rows("SELECT version_num FROM alembic_version") == [("0001",)]
        await made.rows("DROP TABLE files")
        await prepare(made.database)
        await _starts(made)


async def test_text_is_compared_byte_by_byte_on_mariadb(mariadb: MariaDB) -> None:
    made = Made("mariadb", mariadb, mariadb.database())
    await prepare(made.database)
    assert await made.rows(_COLLATIONS) == [("utf8mb4_nopad_bin",)]
    mariadb.drop(made.name)


async def test_a_server_that_is_not_there(made: Made) -> None:
    url = made.url.replace(str(made.server.port), "1")
    kind = PostgresDatabase if made.kind == "postgresql" else MysqlDatabase
    with pytest.raises(Unavailable):
        await prepare(kind(url))
