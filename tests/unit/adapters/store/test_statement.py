"""Statements: compiled once, and only where the driver takes values as they are."""

from __future__ import annotations

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Enum,
    Float,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from tertulia.adapters.store.statement import Statement

DIALECT = sqlite.dialect(paramstyle="named")
T = Table(
    "t",
    MetaData(),
    Column("id", String, primary_key=True),
    Column("n", BigInteger),
    Column("at", Float),
    Column("body", LargeBinary),
)
ODD = Table(
    "odd",
    MetaData(),
    Column("flag", Boolean),
    Column("json", JSON),
    Column("kind", Enum("a", "b")),
)


def test_an_insert_takes_every_column_by_name() -> None:
    params = {"id": "a", "n": 1, "at": 0.5, "body": b"x"}
    sql, values = Statement(insert(T)).render(DIALECT, params)
    assert sql == "INSERT INTO t (id, n, at, body) VALUES (:id, :n, :at, :body)"
    assert values is params


def test_constants_of_the_statement_are_passed_too() -> None:
    found = Statement(select(T.c.n).where(T.c.id == bindparam("key"), T.c.n > 5).limit(3))
    sql, values = found.render(DIALECT, {"key": "a"})
    assert dict(values) == {"key": "a", "n_1": 5, "param_1": 3, "param_2": 0}
    assert ":key" in sql


def test_a_null_may_be_set() -> None:
    cleared = Statement(update(T).where(T.c.id == bindparam("key")).values(at=None))
    assert dict(cleared.render(DIALECT, {"key": "a"})[1]) == {"key": "a", "at": None}


@pytest.mark.parametrize(
    ("ids", "passed"),
    [
        ([], []),
        (["a"], ["a"]),
        (["a", "b", "c"], ["a", "b", "c", "c"]),
        (["a", "b", "c", "d"], ["a", "b", "c", "d"]),
    ],
)
def test_a_list_is_spread_and_filled_up_so_that_there_are_few_texts(
    ids: list[str], passed: list[str]
) -> None:
    found = Statement(select(T.c.id).where(T.c.id.in_(bindparam("ids", expanding=True))))
    _, values = found.render(DIALECT, {"ids": ids})
    assert list(values.values()) == passed


@pytest.mark.parametrize("column", ODD.c)
def test_types_that_convert_are_refused(column: Column[object]) -> None:
    with pytest.raises(TypeError, match="converts"):
        Statement(insert(ODD).values({column: bindparam("value")})).render(DIALECT, {})


def test_what_takes_no_parameters_is_refused() -> None:
    with pytest.raises(TypeError, match="not a statement"):
        Statement(CreateTable(T)).render(DIALECT, {})


def test_plain_sql_is_a_statement() -> None:
    assert Statement(text("SELECT :n")).render(DIALECT, {"n": 1})[0] == "SELECT :n"
