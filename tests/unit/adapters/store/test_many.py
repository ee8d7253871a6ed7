"""Rows that are written together are the rows that were given, in their order."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table
from sqlalchemy.dialects import sqlite

from tertulia.adapters.store.scripts.many import Inserts

_TABLE = Table("t", MetaData(), Column("key", Integer), Column("text", String(9)))


@pytest.mark.parametrize("count", [0, 1, 2, 8, 9, 20])
def test_all_rows_are_written_in_few_statements(count: int) -> None:
    rows = [(n, None if n % 2 else f"row {n}") for n in range(count)]
    dialect = sqlite.dialect(paramstyle="qmark")
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (key, text)")
    statements = 0
    for statement, params in Inserts(_TABLE).put(rows):
        connection.execute(*statement.render_positional(dialect, params))
        statements += 1
    assert connection.execute("SELECT * FROM t ORDER BY rowid").fetchall() == rows
    assert statements == -(-count // 8)
    connection.close()
