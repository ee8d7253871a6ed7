"""Jobs for an engine of the store: a table of numbers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy import text

from tertulia.adapters.store.sqlite import SqliteEngine
from tertulia.adapters.store.statement import Script, Statement

CREATE = Statement(text("CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)"))
INSERT = Statement(text("INSERT INTO t VALUES (:id, :body)"))
IDS = Statement(text("SELECT id FROM t ORDER BY id"))


def say(statement: Statement) -> Script[None]:
    yield statement, {}


def put(id_: int, body: bytes = b"") -> Callable[[], Script[int]]:
    def script() -> Script[int]:
        yield INSERT, {"id": id_, "body": body}
        return id_

    return script


def ids() -> Script[list[int]]:
    return [id_ for (id_,) in (yield IDS, {})]


@asynccontextmanager
async def held_up(engine: SqliteEngine) -> AsyncIterator[None]:
    """The writer is busy with a job until the block ends: what is written within it waits, and
    becomes one group."""
    busy, gate = threading.Event(), threading.Event()

    def wait() -> Script[None]:
        yield IDS, {}
        busy.set()
        gate.wait()

    engine.write(wait, heavy=True)
    await asyncio.to_thread(busy.wait)
    try:
        yield
    finally:
        gate.set()
