"""A node without transports, for tests of the pipeline: real parts, short leases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tertulia.adapters.eventlog.sqlite import SqliteEventLog
from tertulia.adapters.keys.file import FileKeys
from tertulia.adapters.model.registry import ModelRegistry
from tertulia.adapters.queue.memory import MemoryQueue
from tertulia.adapters.sealing import AesGcmCipher
from tertulia.adapters.store.engine import Engine
from tertulia.adapters.store.migrations import prepare_sqlite
from tertulia.adapters.store.servers import open_server
from tertulia.adapters.store.sql import SqlStore
from tertulia.adapters.store.sqlite import SqliteEngine
from tertulia.adapters.store.statement import Rows, Script, Statement
from tertulia.domain.admission import Limits
from tertulia.domain.conversation import Conversation
from tertulia.domain.frame import Frame
from tertulia.domain.ids import CONVERSATION, MESSAGE, new_id
from tertulia.domain.item import InputText, Message
from tertulia.domain.principal import Principal
from tertulia.domain.response import Request, Response
from tertulia.domain.transcript import Transcript
from tertulia.ports.model import Model, Models
from tertulia.ports.turns import HEAD, Node
from tertulia.settings import Settings
from tertulia.turns.ask import Ask
from tertulia.turns.parts import Parts, Timing
from tertulia.turns.read import follow
from tertulia.turns.submit import submit
from tertulia.worker import Worker

TIMING = Timing(lease=2.0, renew=0.5, sweep=0.05, cancel_check=0.05, reader_recheck=0.1, grace=0.05)


@dataclass
class Clock:
    """The store's clock: real time plus what a test adds."""

    ahead: float = 0.0

    def __call__(self) -> float:
        import time

        return time.time() + self.ahead


@dataclass
class House:
    parts: Parts
    models: ModelRegistry
    clock: Clock
    engine: Engine
    user: Principal
    workers: list[Worker] = field(default_factory=list)

    def with_(self, **changes: object) -> House:
        """The same house with other parts (a judge, a timing, a log that falters)."""
        return replace(self, parts=replace(self.parts, **changes), workers=[])  # type: ignore[arg-type]

    def work(self) -> Worker:
        """Start a worker; it is stopped with the house."""
        worker = Worker(self.parts)
        worker.start()
        self.workers.append(worker)
        return worker

    async def conversation(self) -> str:
        made = await self.parts.store.create_conversation(
            Conversation(
                id=new_id(CONVERSATION),
                user_id=self.user.user_id,
                created_at=0.0,
                updated_at=0.0,
            )
        )
        return made.id

    async def say(self, text: str, *, model: str = "scripted", **asked: object) -> Response:
        """Submit a message; gives the accepted response."""
        fields: dict[str, object] = {
            "request": Request(model=model, truncation="auto"),
            "input": (message(text),) if text else (),
        }
        if "conversation_id" in asked:
            fields["parent"] = HEAD
        submitted = await submit(self.parts, self.user, Ask(**{**fields, **asked}))  # type: ignore[arg-type]
        return submitted.response

    async def read(self, response_id: str, after: int | None = None) -> list[Frame]:
        """All frames up to the terminal one."""
        frames: list[Frame] = []
        async for batch in follow(self.parts, self.user.user_id, response_id, after):
            frames += batch
        return frames

    async def end(self, response_id: str) -> Node:
        """Wait for the end of a response; gives it from the store."""
        await self.read(response_id)
        return await self.node(response_id)

    async def node(self, response_id: str) -> Node:
        return await self.parts.store.get(self.user.user_id, response_id)

    async def ledger(self, response_id: str) -> list[tuple[str, int]]:
        """How each attempt ended, and the tokens that it put out."""
        rows = await self.engine.read(_all_of(_ENTRIES))
        return [(how, tokens) for of, how, tokens in rows if of == response_id]

    async def text(self, response_id: str) -> str:
        """The stored text."""
        node = await self.node(response_id)
        return "".join(i.text for i in node.output if isinstance(i, Message))


class Declaring:
    """The house's models, each declaring something else of itself."""

    def __init__(self, models: Models, **changes: object) -> None:
        self._models = models
        self._changes = changes

    def get(self, model_id: str | None, *, admin: bool = False) -> Model:
        return _Declared(self._models.get(model_id, admin=admin), self._changes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._models, name)


class _Declared:
    def __init__(self, model: Model, changes: dict[str, object]) -> None:
        self._model = model
        self.info = replace(model.info, **changes)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def message(text: str) -> Message:
    return Message(id=new_id(MESSAGE), role="user", content=(InputText(text=text),))


def folded(frames: Sequence[Frame]) -> Transcript:
    """What a client that applied all these frames holds; fails on a gap."""
    transcript = Transcript()
    transcript.extend(frames)
    return transcript


_USAGE = Statement(
    text(
        "select r.id, r.completed_at, count(u.response_id) from responses r "
        "left join usage_of_responses u on u.response_id = r.id "
        "where r.kind = 'response' group by r.id, r.completed_at"
    )
)
_LEDGER = Statement(
    text(
        "select r.id, r.crashes, count(case when a.how = 'crashed' then 1 end), r.completed_at, "
        "r.output_tokens - sum(a.output_tokens), r.cost_micros - sum(a.cost_micros), "
        "r.attempt - count(*) from responses r join attempts a on a.response_id = r.id "
        "group by r.id, r.crashes, r.completed_at, r.output_tokens, r.cost_micros, r.attempt"
    )
)


_ENTRIES = Statement(
    text("select response_id, how, output_tokens from attempts order by response_id, attempt")
)


def _all_of(statement: Statement) -> Callable[[], Script[Rows]]:
    def script() -> Script[Rows]:
        return (yield statement, {})

    return script


def one_usage_row_each(rows: Rows) -> None:
    """Whatever a test did to it: every terminal response has one usage row, no other has one."""
    assert [row for row in rows if (row[1] is not None) != row[2]] == []


def ledgers_add_up(rows: Rows) -> None:
    """Whatever happened: crashes are entered once each, and all attempts of a response that ended
    took together what it took."""
    assert [row for row in rows if row[1] != row[2]] == []
    assert [row for row in rows if row[3] is not None and any(row[4:])] == []


@asynccontextmanager
async def open_house(
    folder: Path, *, one_file: bool = True, store_url: str | None = None
) -> AsyncIterator[House]:
    """Opened again on the same folder it finds what was left there. ``store_url``: the store is
    a database on a server, and knows nothing of the log."""
    chosen = {"scripted": True, "default": "scripted", "discover": False, "local": None}
    settings = Settings(data=folder, models=chosen)
    clock = Clock()
    keys = FileKeys(folder / "keys")
    await keys.start()
    file = SqliteEngine(folder / "tertulia.sqlite3")
    engine = open_server(store_url) if store_url else file
    cipher = AesGcmCipher()
    log = SqliteEventLog(file, keys, cipher, clock=clock)
    prepare_sqlite(folder / "tertulia.sqlite3")
    journal = log if one_file and not store_url else None
    store = SqlStore(engine, keys, cipher, clock=clock, journal=journal, on_feed=lambda _: None)
    await store.start()
    if store_url:
        await file.start()
    models = ModelRegistry(settings)
    queue = MemoryQueue()
    user_id = f"user_{'1' * 32}"
    try:
        await store.user(user_id)
    except Exception:  # noqa: BLE001 - the first opening of this folder
        await store.create_user(user_id, "a@example.org", None, "admin")
    parts = Parts(store, log, queue, models, Limits(capacity=16), TIMING)
    house = House(parts, models, clock, engine, Principal(user_id, role="admin"))
    try:
        yield house
    finally:
        await asyncio.gather(*(w.stop() for w in house.workers))
        await models.close()
        await queue.close()
        usage = await engine.read(_all_of(_USAGE))
        ledger = await engine.read(_all_of(_LEDGER))
        await store.close()
        await file.close()
        await keys.close()
    one_usage_row_each(usage)
    ledgers_add_up(ledger)
