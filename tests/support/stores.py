"""Stores to test, with a clock that the test moves, and short ways to say things to them."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, func, select

from tertulia.adapters.eventlog.sqlite import SqliteEventLog
from tertulia.adapters.keys.file import FileKeys
from tertulia.adapters.sealing import AesGcmCipher
from tertulia.adapters.store.engine import Engine
from tertulia.adapters.store.migrations import prepare_sqlite
from tertulia.adapters.store.schema import attempts, metadata, usage
from tertulia.adapters.store.server import ServerEngine
from tertulia.adapters.store.sql import SqlStore
from tertulia.adapters.store.sqlite import SqliteEngine
from tertulia.adapters.store.statement import Rows, Script, Statement
from tertulia.domain.admission import Limits
from tertulia.domain.conversation import Conversation
from tertulia.domain.frame import Frame, first_number
from tertulia.domain.ids import new_id
from tertulia.domain.item import InputText, Item, Message, OutputText
from tertulia.domain.response import Request, Response, Status, Usage
from tertulia.ports.conversations import FeedPosition
from tertulia.ports.eventlog import EventLog
from tertulia.ports.keys import Cipher, UserKeys
from tertulia.ports.store import Store
from tertulia.ports.turns import Finished, Idempotency, Node, Outcome, Submission, Submitted

ANN, BEN = "user_ann", "user_ben"

#: Kinds of database servers, with the fixture that gives the URL of a database on one.
SERVERS = {"postgresql": "postgres_url", "mariadb": "mariadb_url"}

_USAGE = Statement(
    select(
        usage.c.input_tokens,
        usage.c.output_tokens,
        usage.c.cached_tokens,
        usage.c.reasoning_tokens,
        usage.c.cost_micros,
    ).where(usage.c.response_id == bindparam("id"))
)
_LEDGER = Statement(
    select(
        attempts.c.attempt,
        attempts.c.how,
        attempts.c.worker_id,
        attempts.c.ended_at,
        attempts.c.input_tokens,
        attempts.c.output_tokens,
        attempts.c.cached_tokens,
        attempts.c.reasoning_tokens,
        attempts.c.cost_micros,
    )
    .where(attempts.c.response_id == bindparam("id"))
    .order_by(attempts.c.attempt)
)
_OWNED = {
    table.name: Statement(
        select(func.count()).select_from(table).where(table.c.user_id == bindparam("user"))
    )
    for table in metadata.tables.values()
    if "user_id" in table.c
}


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Rig:
    """A store that is open, and what is to be known of it beyond its port."""

    store: Store
    clock: Clock
    #: Users whose feed was said to have news, in order.
    told: list[str]
    #: Where it keeps things.
    folder: Path
    #: Usage rows of a response, and its entries in the ledger of attempts.
    usage: Callable[[str], Any]
    ledger: Callable[[str], Any]
    #: How many rows a user has in each table, where there are any.
    owned: Callable[[str], Any]
    #: The log, where it is co-located with the store.
    log: EventLog | None = None
    limits: Limits = field(default_factory=Limits)

    async def submit(
        self,
        text: str = "Hello",
        *,
        user: str = ANN,
        conversation: str | None = None,
        parent: str | None = None,
        regenerate_of: str | None = None,
        title: str | None = None,
        key: Idempotency | None = None,
        store: bool = True,
        connection: str | None = None,
        request: Request | None = None,
        response_id: str | None = None,
        limits: Limits | None = None,
    ) -> Submitted:
        response = Response(
            id=response_id or new_id("resp"),
            user_id=user,
            request=request or Request(model="scripted"),
            status="queued",
            created_at=0.0,
            conversation_id=conversation,
            regenerate_of=regenerate_of,
            store=store,
            connection_id=connection,
        )
        said = () if regenerate_of else (asked(text),)
        submission = Submission(response, said, parent, title, key)
        return await self.store.submit(submission, limits or self.limits)

    async def start(self, **how: Any) -> Response:
        """Submit and claim."""
        submitted = await self.submit(**how)
        return await self.claim(submitted.response.id)

    async def claim(self, response_id: str, worker: str = "worker_1") -> Response:
        claimed = await self.store.claim(response_id, worker, 30.0)
        assert claimed is not None
        return claimed.response

    async def end(
        self,
        response: Response,
        text: str = "Well.",
        status: Status = "completed",
        limits: Limits | None = None,
        **more: Any,
    ) -> Finished:
        """What the worker does at the end of an attempt."""
        wanted = outcome(response, text, status, **more)
        await self.write(response, wanted.last_sequence_number)
        return await self.store.finish(wanted, limits or self.limits)

    async def write(self, response: Response, until: int) -> None:
        """Fill the log of an attempt with frames up to the number before ``until``."""
        if self.log is None or response.attempt == 0:
            return
        held = await self.log.open(response.user_id, response.id, response.attempt)
        last = held[-1].sequence_number if held else None
        start = first_number(response.attempt)
        begun = last is not None and last >= start
        frames = [
            Frame(n, "test", b"{}", last if n == start else None)
            for n in range(last + 1 if last is not None and begun else start, until)
        ]
        if frames:
            await self.log.append(response.user_id, response.id, response.attempt, frames)

    async def answer(self, answer: str = "Well.", **how: Any) -> Response:
        """A whole turn."""
        return (await self.end(await self.start(**how), answer)).response

    async def talk(self, user: str = ANN, **fields: Any) -> Conversation:
        fresh = Conversation(
            id=new_id("conv"), user_id=user, created_at=0.0, updated_at=0.0, **fields
        )
        return await self.store.create_conversation(fresh)

    async def feed(self, user: str = ANN, after: int = 0) -> list[dict[str, Any]]:
        position = await self.store.feed_position(user)
        start = FeedPosition(position.epoch, after)
        return [dict(e.event) for e in await self.store.feed_after(user, start, 1000)]

    async def usage_of(self, response_id: str) -> list[Usage]:
        return [Usage(*row) for row in await self.usage(response_id)]

    async def ledger_of(self, response_id: str) -> list[tuple[int, str, str, Usage]]:
        """Attempt, how it ended, whose it was, and what it took."""
        rows = await self.ledger(response_id)
        return [(row[0], row[1], row[2], Usage(*row[4:])) for row in rows]


def asked(text: str) -> Item:
    return Message(id=new_id("msg"), role="user", content=(InputText(text=text),))


def answered(text: str) -> Item:
    return Message(id=new_id("msg"), role="assistant", content=(OutputText(text=text),))


def outcome(
    response: Response, text: str = "Well.", status: Status = "completed", **more: Any
) -> Outcome:
    fields: dict[str, Any] = {
        "response_id": response.id,
        "user_id": response.user_id,
        "attempt": response.attempt,
        "status": status,
        "output": (answered(text),) if text else (),
        "usage": Usage(input_tokens=3, output_tokens=5),
        "last_sequence_number": first_number(max(response.attempt, 1)) + 9,
    }
    return Outcome(**{**fields, **more})


def words(node: Node) -> tuple[str, str]:
    """What was asked and what was answered."""
    return (
        "".join(i.text for i in node.input if isinstance(i, Message)),
        "".join(i.text for i in node.output if isinstance(i, Message)),
    )


class OpenCipher:
    """Seals nothing: shows that a search for what is sealed would find it."""

    def seal(self, keys: UserKeys, context: tuple[str, ...], plaintext: bytes) -> bytes:
        return plaintext

    def open(self, keys: UserKeys, context: tuple[str, ...], sealed: bytes) -> bytes:
        return sealed

    def opener(
        self, keys: UserKeys, user_id: str, table: str, field: str
    ) -> Callable[[str, bytes], bytes]:
        return lambda _row, sealed: sealed


def template(folder: Path) -> Path:
    """An empty database, made once: each test copies it."""
    path = folder / "template.sqlite3"
    prepare_sqlite(path)
    return path


@asynccontextmanager
async def sqlite_rig(
    folder: Path, empty: Path, *, with_log: bool, cipher: Cipher | None = None
) -> AsyncIterator[Rig]:
    """Opens what is in ``folder``, or begins with the ``empty`` database."""
    database = folder / "tertulia.sqlite3"
    fresh = not database.exists()
    if fresh:
        shutil.copyfile(empty, database)
    clock, told = Clock(), list[str]()
    keys, cipher = FileKeys(folder / "keys"), cipher or AesGcmCipher()
    await keys.start()
    engine = SqliteEngine(database)
    log = SqliteEventLog(engine, keys, cipher, clock=clock) if with_log else None
    store = SqlStore(engine, keys, cipher, clock, log, told.append)
    try:
        await store.start()
        if fresh:
            await _move_in(store)
        yield Rig(store, clock, told, folder, *_looks(engine), log)
    finally:
        await store.close()
        await keys.close()


@asynccontextmanager
async def server_rig(
    folder: Path,
    engine: ServerEngine,
    *,
    fresh: bool = True,
    cipher: Cipher | None = None,
    servers_clock: bool = False,
) -> AsyncIterator[Rig]:
    """Over a database server; ``folder`` has the keys. ``fresh``: nobody lives there yet.
    ``servers_clock``: the store goes by that, not by the test's."""
    clock, told = Clock(), list[str]()
    keys = FileKeys(folder / "keys")
    await keys.start()
    now = engine.now if servers_clock else clock
    store = SqlStore(engine, keys, cipher or AesGcmCipher(), now, None, told.append)
    try:
        await store.start()
        if fresh:
            await _move_in(store)
        yield Rig(store, clock, told, folder, *_looks(engine))
    finally:
        await store.close()
        await keys.close()


async def _move_in(store: Store) -> None:
    await store.create_user(ANN, "ann@example.org", None, "user")
    await store.create_user(BEN, "ben@example.org", None, "user")


def _looks(
    engine: Engine,
) -> tuple[Callable[[str], Any], Callable[[str], Any], Callable[[str], Any]]:
    def counted(user: str) -> Script[dict[str, int]]:
        found = {}
        for table, statement in _OWNED.items():
            rows = yield statement, {"user": user}
            found[table] = int(rows[0][0])
        return {table: count for table, count in found.items() if count}

    def owned(user: str) -> Any:
        return engine.read(lambda: counted(user))

    return _rows(engine, _USAGE), _rows(engine, _LEDGER), owned


def _rows(engine: Engine, statement: Statement) -> Callable[[str], Any]:
    def rows(response_id: str) -> Any:
        def script() -> Script[Rows]:
            return (yield statement, {"id": response_id})

        return engine.read(script)

    return rows
