"""No statement of the store walks through a whole table of many users' rows."""

from __future__ import annotations

import pkgutil
import re
import sqlite3
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from sqlalchemy import BindParameter
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.sql import visitors

from tertulia.adapters.store import scripts
from tertulia.adapters.store.migrations import prepare_sqlite
from tertulia.adapters.store.schema import metadata
from tertulia.adapters.store.statement import Statement

#: Asked once in a while, and of a table with a small row per user, or with hardly any row.
WALKS = {"purge._LONG_FEEDS": ["SCAN users"], "removal._BEGUN": ["SCAN removals"]}


def _statements(name: str, value: object) -> Iterator[tuple[str, Statement]]:
    if isinstance(value, Statement):
        yield name, value
    elif isinstance(value, tuple):
        for index, one in enumerate(value):
            yield from _statements(f"{name}[{index}]", one)


STATEMENTS = {
    found: statement
    for module in pkgutil.iter_modules(scripts.__path__)
    for name, value in vars(import_module(f"{scripts.__name__}.{module.name}")).items()
    for found, statement in _statements(f"{module.name}.{name}", value)
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> sqlite3.Connection:
    path = tmp_path_factory.mktemp("plans") / "empty.sqlite3"
    prepare_sqlite(path)
    return sqlite3.connect(path)


def values(statement: Statement) -> dict[str, Any]:
    """Something for each parameter: how much a list holds is part of the statement's text."""
    binds = visitors.iterate(statement._element)
    needed = [b for b in binds if isinstance(b, BindParameter) and b.required]
    return {b.key: ["1"] if b.expanding else 1 for b in needed}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_seeks(name: str, database: sqlite3.Connection) -> None:
    statement = STATEMENTS[name]
    sql, params = statement.render(sqlite.dialect(paramstyle="named"), values(statement))
    asked = dict.fromkeys(re.findall(r":(\w+)", sql), 1) | dict(params)
    plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", asked)]
    walked = [
        step
        for step in plan
        for table in metadata.tables
        if step == f"SCAN {table}" or step.startswith(f"SCAN {table} ")
    ]
    steps = [" ".join(step.split()[:2]) for step in walked]
    assert steps == WALKS.get(name, [])


@pytest.mark.parametrize("dialect", [postgresql, mysql], ids=["postgresql", "mariadb"])
@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_can_be_said_to_other_databases(name: str, dialect: Any) -> None:
    statement = STATEMENTS[name]
    sql, _ = statement.render(dialect.dialect(paramstyle="named"), values(statement))
    assert sql
