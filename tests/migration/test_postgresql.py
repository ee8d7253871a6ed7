"""What the schema is on PostgreSQL, as far as SQLAlchemy tells without a server."""

from __future__ import annotations

from typing import Any

from sqlalchemy import create_mock_engine
from sqlalchemy.dialects import postgresql

from tertulia.adapters.store.schema import metadata

_DIALECT = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]


def test_partial_indexes_are_partial() -> None:
    made: list[str] = []

    def note(statement: Any, *_arguments: Any, **_options: Any) -> None:
        made.append(str(statement.compile(dialect=_DIALECT)))

    metadata.create_all(create_mock_engine("postgresql+asyncpg://", note), checkfirst=False)
    partial = {
        index.name for table in metadata.tables.values() for index in table.indexes if index.info
    }
    assert partial
    for name in partial:
        assert [" WHERE " in sql for sql in made if f"INDEX {name} " in sql] == [True]
