"""What only a database server is asked: many nodes at once, skewed clocks, odd values."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, select, text
from tests.conformance.store.test_lasting import SECRETS, say_it_all
from tests.support.stores import ANN, BEN, OpenCipher, Rig, server_rig

from tertulia.adapters.store import server_clock
from tertulia.adapters.store.schema import metadata, users
from tertulia.adapters.store.server import ServerEngine
from tertulia.adapters.store.servers import open_server
from tertulia.adapters.store.statement import Rows, Script, Statement
from tertulia.domain.admission import Limits
from tertulia.domain.conversation import Conversation
from tertulia.errors import InvalidInput, NotFound, RateLimited, Unavailable
from tertulia.ports.turns import HEAD, Idempotency, Submitted

_lock = select(users.c.id).where(users.c.id == bindparam("id")).with_for_update()
_LOCK, _LOCK_IN_LANE = Statement(_lock), Statement(_lock, lane="id")
_SLEEPY = Statement(select(users.c.email).where(users.c.id == bindparam("id")))


@pytest.fixture
async def engine(server_url: str, tmp_path: Path) -> AsyncIterator[ServerEngine]:
    """With two users, and two connections to write on."""
    made = open_server(server_url, writers=2, readers=1)
    async with server_rig(tmp_path, made):
        yield made


def _locking(user_id: str) -> Script[Rows]:
    return (yield _LOCK_IN_LANE, {"id": user_id})


async def test_feeds_have_no_gaps_whoever_writes(nodes: tuple[Rig, Rig]) -> None:
    talk = await nodes[0].talk()
    limits = Limits(running=2, waiting=100)
    await asyncio.gather(
        *(nodes[n % 2].submit(conversation=talk.id, parent=HEAD, limits=limits) for n in range(20))
    )
    feeds = [await node.feed() for node in nodes]
    assert feeds[0] == feeds[1]
    numbers = [e["response_id"] for e in feeds[0] if e["type"] == "response.started"]
    assert len(set(numbers)) == 20
    # Each went on from the one before it: nobody saw an old head.
    parents = [e["previous_response_id"] for e in feeds[0] if e["type"] == "response.started"]
    assert parents == [None, *numbers[:-1]]


async def test_one_claim_of_many_is_granted(nodes: tuple[Rig, Rig]) -> None:
    wanted = (await nodes[0].submit()).response.id
    claims = await asyncio.gather(
        *(nodes[n % 2].store.claim(wanted, f"worker_{n}", 30.0) for n in range(8))
    )
    assert [c.response.attempt for c in claims if c is not None] == [1]


async def test_an_address_is_registered_once(nodes: tuple[Rig, Rig]) -> None:
    made = await asyncio.gather(
        *(
            nodes[n % 2].store.create_user(f"user_{n}", "one@example.org", None, "user")
            for n in range(6)
        ),
        return_exceptions=True,
    )
    assert sorted(getattr(m, "code", "made") for m in made) == ["email_taken"] * 5 + ["made"]


async def test_sweepers_ring_once_and_take_over_once(nodes: tuple[Rig, Rig]) -> None:
    lost = [(await nodes[0].submit(user=u)).response.id for u in (ANN, BEN)]
    for response_id in lost:
        await nodes[0].claim(response_id)
    for node in nodes:
        node.clock.pass_by(31)
    swept = await asyncio.gather(
        *(
            node.store.sweep(node.limits, waiting_seconds=120, take_over=True, ring_after_seconds=5)
            for node in nodes * 3
        )
    )
    assert sum(s.taken_over for s in swept) == 2
    assert sorted(r for s in swept for r in s.ring) == sorted(lost)


async def test_a_wrong_clock_of_a_machine_does_no_harm(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour ahead, an hour behind: leases and deadlines go by the server's."""
    real = time.time
    right = real()

    @asynccontextmanager
    async def node(hours: int, *, fresh: bool = False) -> AsyncIterator[Rig]:
        monkeypatch.setattr(time, "time", lambda: real() + hours * 3600)
        engine = open_server(server_url)
        async with server_rig(tmp_path, engine, fresh=fresh, servers_clock=True) as opened:
            yield opened

    async with node(0, fresh=True) as rig:
        submitted = await rig.submit()
        waiting = await rig.submit()
    async with node(-1) as rig:
        claimed = await rig.claim(submitted.response.id)
    async with node(1) as rig:
        swept = await rig.store.sweep(
            rig.limits, waiting_seconds=120, take_over=True, ring_after_seconds=600
        )
        assert (swept.taken_over, swept.finished) == (0, ())
        ended = (await rig.end(claimed)).response
        assert (await rig.claim(waiting.response.id)).attempt == 1
    times = (ended.created_at, claimed.lease_until, ended.completed_at)
    assert [t is not None and abs(t - right) < 100 for t in times] == [True] * 3


async def test_the_clock_is_asked_again(server_url: str, tmp_path: Path) -> None:
    engine = open_server(server_url, clock_seconds=0.01)
    async with server_rig(tmp_path, engine):
        begun = engine.now.begin()
        engine.now.told(0.0, begun)
        assert engine.now() < 1000
        async with asyncio.timeout(20):
            while engine.now() < 1000:  # noqa: ASYNC110 - it is a time that changes
                await asyncio.sleep(0.01)


async def test_a_clock_that_was_told_late_is_asked_again_soon(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at a start with much else to do: each answer seems to take a second."""
    steady, late = server_clock._steady, True
    lost = 0.0

    def slow() -> float:
        nonlocal lost
        lost += late
        return steady() + lost

    monkeypatch.setattr(server_clock, "_steady", slow)
    engine = open_server(server_url, clock_seconds=3600)
    async with server_rig(tmp_path, engine):
        assert engine.now.within > server_clock.GOOD
        late = False
        async with asyncio.timeout(20):
            while engine.now.within > server_clock.GOOD:  # noqa: ASYNC110 - a time that changes
                await asyncio.sleep(0.01)


async def test_two_in_each_others_way_both_succeed(engine: ServerEngine) -> None:
    """A deadlock: the database undoes one, and that one is run again."""
    met = asyncio.Barrier(2)
    runs: list[str] = []

    def script(first: str, second: str) -> Script[str]:
        runs.append(first)
        yield _SLEEPY, {"id": first}  # not a lock: the two are not put into lanes
        yield _LOCK, {"id": first}
        yield _LOCK, {"id": second}
        return first

    meeting = _Meeting(met)
    engine._writers.distrust()
    engine._database = meeting.around(engine._database)
    done = await asyncio.gather(
        engine.write(lambda: script(ANN, BEN)), engine.write(lambda: script(BEN, ANN))
    )
    assert list(done) == [ANN, BEN]
    # Once each to see where they begin and once in earnest, and one of them again.
    assert len(runs) > 4


class _Meeting:
    """Holds two transactions after their first lock until both have one."""

    def __init__(self, barrier: asyncio.Barrier) -> None:
        self._barrier = barrier
        self._locks = 0

    def around(self, database: Any) -> Any:
        meeting = self

        class Around:
            def __getattr__(self, name: str) -> Any:
                return getattr(database, name)

            async def connect(self, *, reading: bool) -> Any:
                return meeting.watched(await database.connect(reading=reading))

        return Around()

    def watched(self, session: Any) -> Any:
        execute = session.execute
        meeting = self

        class Watched:
            committing = False

            def __getattr__(self, name: str) -> Any:
                return getattr(session, name)

            async def execute(self, statement: Statement, params: Any) -> Rows:
                rows: Rows = await execute(statement, params)
                if statement is _LOCK:
                    meeting._locks += 1
                    if meeting._locks <= 2:
                        await meeting._barrier.wait()
                return rows

        return Watched()


async def test_one_users_queue_holds_no_connection(engine: ServerEngine) -> None:
    held, free = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        session = await engine._database.connect(reading=False)
        try:
            await session.begin(durable=True)
            await session.execute(_LOCK, {"id": ANN})
            held.set()
            await free.wait()
            await session.roll_back()
        finally:
            await session.close()

    holder = asyncio.create_task(hold())
    await held.wait()
    queue = [engine.write(lambda: _locking(ANN)) for _ in range(20)]
    # Two connections: one waits for the row, the other one serves everybody else.
    for _ in range(3):
        assert await engine.write(lambda: _locking(BEN)) == [(BEN,)]
    assert not any(q.done() for q in queue)
    free.set()
    assert await asyncio.gather(*queue) == [[(ANN,)]] * 20
    await holder


async def test_a_node_that_stopped_in_a_transaction_lets_go(
    server_url: str, tmp_path: Path
) -> None:
    async with server_rig(tmp_path, open_server(server_url)) as rig:
        stopped = open_server(server_url, transaction_seconds=1.0)
        session = await stopped._database.connect(reading=False)
        await session.begin(durable=True)
        await session.execute(_LOCK, {"id": ANN})
        assert (await rig.submit()).admitted
        session.abort()


async def test_behind_a_pooler_no_statement_is_kept(postgres_url: str, tmp_path: Path) -> None:
    async with server_rig(tmp_path, open_server(postgres_url, statement_cache_size=0)) as rig:
        answer = await rig.answer()
        assert (await rig.store.get(ANN, answer.id)).response == answer


async def test_a_change_that_nobody_waits_for_is_made_all_the_same(engine: ServerEngine) -> None:
    told = asyncio.Event()
    future = engine.write(lambda: _locking(ANN), on_commit=lambda _: told.set())
    future.cancel()
    async with asyncio.timeout(20):
        await told.wait()


async def test_a_read_that_nobody_waits_for_is_left_undone(engine: ServerEngine) -> None:
    runs: list[str] = []

    def reading(user_id: str) -> Script[Rows]:
        runs.append(user_id)
        return (yield _SLEEPY, {"id": user_id})

    # There is one connection to read on.
    session = await engine._readers.take()
    left, kept = engine.read(lambda: reading(ANN)), engine.read(lambda: reading(BEN))
    await asyncio.sleep(0)
    left.cancel()
    engine._readers.give(session)
    assert len(await kept) == 1
    assert runs == [BEN]


async def test_closing_finishes_what_was_begun(server_url: str, tmp_path: Path) -> None:
    engine = open_server(server_url, writers=1)
    async with server_rig(tmp_path, engine):
        waiting = [engine.write(lambda: _locking(ANN)) for _ in range(5)]
        await engine.close()
        assert [w.result() for w in waiting] == [[(ANN,)]] * 5
        with pytest.raises(Unavailable):
            await engine.write(lambda: _locking(ANN))
        with pytest.raises(Unavailable):
            await engine.ping()


ODD = ["nul\0", "half \ud800 a pair", "quote ' \" \\ % %s $1 {}", "x" * 5000, "é 你好 🙂 \n\x1a"]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
async def test_odd_ids_are_unknown_or_refused(server_url: str, tmp_path: Path, odd: str) -> None:
    """Never an error of the server's, whatever stands in an address."""
    async with server_rig(tmp_path, open_server(server_url)) as rig:
        with pytest.raises((NotFound, InvalidInput)):
            await rig.store.get(ANN, odd)
        with pytest.raises((NotFound, InvalidInput)):
            await rig.store.conversations(ANN, limit=10, after=odd)
        with pytest.raises((NotFound, InvalidInput)):
            await rig.submit(parent=odd)
        with pytest.raises((NotFound, InvalidInput, RateLimited)):
            await rig.submit(conversation=odd, parent=HEAD)


async def test_odd_text_comes_back_as_it_was(server_url: str, tmp_path: Path) -> None:
    async with server_rig(tmp_path, open_server(server_url)) as rig:
        for n, odd in enumerate((ODD[2], ODD[4], "Ünïcödé'); --")):
            await rig.store.create_user(f"user_{n}", odd, None, "user")
            found = await rig.store.user_by_email(odd)
            assert found is not None
            assert (found.id, found.email) == (f"user_{n}", odd)
            # Byte by byte: neither case, nor accents, nor spaces at the end are the same.
            for other in (odd.upper(), odd + " ", odd.replace("é", "e")):
                assert other == odd or await rig.store.user_by_email(other) is None


async def test_what_does_not_fit_is_refused(server_url: str, tmp_path: Path) -> None:
    async with server_rig(tmp_path, open_server(server_url)) as rig:
        with pytest.raises(InvalidInput):
            await rig.submit(response_id="resp_" + "x" * 100)
        with pytest.raises(InvalidInput):
            await rig.store.create_user("user_c", "x" * 400, None, "user")
        assert isinstance(await rig.submit(), Submitted)


@pytest.mark.parametrize("sealed", [True, False])
async def test_nothing_of_the_talk_lies_open(server_url: str, tmp_path: Path, sealed: bool) -> None:
    cipher = None if sealed else OpenCipher()
    engine = open_server(server_url)
    async with server_rig(tmp_path, engine, cipher=cipher) as rig:
        await say_it_all(rig)
        held = ""
        for table in metadata.sorted_tables:
            rows = await engine.read(partial(_all_of, table.name))
            held += repr([[_shown(value) for value in row] for row in rows])
    found = {name for name, secret in SECRETS.items() if secret in held}
    assert found == (set() if sealed else set(SECRETS))


def _all_of(table: str) -> Script[Rows]:
    return (yield Statement(text(f"SELECT * FROM {table}")), {})


def _shown(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


async def test_a_conversation_made_twice_by_two_nodes_is_one(nodes: tuple[Rig, Rig]) -> None:
    key = Idempotency(b"k" * 32, b"b" * 32)
    wanted = [Conversation(id=f"conv_{n}", user_id=ANN, created_at=0, updated_at=0) for n in "ab"]
    made = await asyncio.gather(
        *(node.store.create_conversation(w, (), key) for node, w in zip(nodes, wanted, strict=True))
    )
    assert made[0] == made[1]
