"""The engine of database servers, whatever they speak: many transactions at once.

Where scripts of two transactions would meet they lock rows, and each statement sees what was
committed before it began (READ COMMITTED), so that whoever got a lock sees what its last holder
did. What the database undoes because two waited for each other is run again from its start, and
so is what was begun on a connection that turned out to be lost, unless it was lost while the
transaction was being committed: then nobody knows, and the caller is told so.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from types import CodeType
from typing import Any, Final

from tertulia.adapters.store.lanes import Lanes
from tertulia.adapters.store.migrations.check import check_version
from tertulia.adapters.store.pool import Pool
from tertulia.adapters.store.server_clock import GOOD, ServerClock
from tertulia.adapters.store.server_session import Database, Session, What
from tertulia.adapters.store.statement import Params, Rows, Script, Statement, T
from tertulia.errors import TertuliaError, Unavailable

#: How often a script is run again for being in another's way, and for a lost connection.
_AGAIN_MAX: Final = 8
_LOST_MAX: Final = 2
#: Seconds of the first pause before a script is run again, at most; each next one doubles it.
_PAUSE: Final = 0.005
_RETRY_AFTER: Final = 5.0
#: Seconds until the server is asked for its time again, when its answer took long.
_SOON: Final = 0.5


class ServerEngine:
    """An `Engine` over a database server.

    ``writers``, ``readers``: connections, of this process, for each kind of work.
    ``queue_seconds``: how long work may wait for a connection before it is refused, and
    ``transaction_seconds`` how long a transaction may take once it has one.
    ``clock_seconds``: how often the server is asked for its time. ``check``: raises unless the
    schema is the one wanted; called with its version and the database's name.
    """

    def __init__(
        self,
        database: Database,
        *,
        writers: int = 10,
        readers: int = 5,
        queue_seconds: float = 15.0,
        transaction_seconds: float = 30.0,
        clock_seconds: float = 60.0,
        idle_seconds: float = 300.0,
        check: Callable[[str | None, str], None] = check_version,
    ) -> None:
        self._check = check
        self._database = database
        self._queue_seconds = queue_seconds
        self._transaction_seconds = transaction_seconds
        self._clock_seconds = clock_seconds
        self._writers = Pool(
            partial(self._connect, reading=False), writers, idle_seconds=idle_seconds
        )
        self._readers = Pool(
            partial(self._connect, reading=True), readers, idle_seconds=idle_seconds
        )
        self._lanes = Lanes()
        #: Scripts known to read with more than one statement.
        self._long: set[CodeType] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._minder: asyncio.Task[None] | None = None
        self._open = False
        #: The server's clock: a `Callable[[], float]` for the store.
        self.now = ServerClock()

    async def start(self) -> None:
        """Raises `Misconfigured` as well: see `open_…`."""
        try:
            self._check(await self._repeat(self._readers, _version), self._database.name)
        except BaseException:
            await self._readers.close()
            raise
        self._open = True
        self._minder = asyncio.create_task(self._mind_the_clock(), name="store-clock")

    def write(
        self,
        make: Callable[[], Script[T]],
        *,
        durable: bool = True,
        on_commit: Callable[[T], None] | None = None,
        overtakes: bool = False,
        heavy: bool = False,
    ) -> asyncio.Future[T]:
        # A server holds nobody up, and tells of each commit as it comes.
        del overtakes, heavy
        return self._put(lambda _: self._write(make, durable, on_commit))

    def read(self, make: Callable[[], Script[T]], *, heavy: bool = False) -> asyncio.Future[T]:
        del heavy
        snapshot = partial(self._snapshot, make)
        return self._put(lambda asked: self._repeat(self._readers, snapshot, asked))

    async def ping(self) -> None:
        if not self._open:
            raise Unavailable("the store is closed")
        if await self._repeat(self._writers, _read_only):
            raise Unavailable(f"{self._database.name} is read-only: it is a standby, or set to be")

    async def close(self) -> None:
        self._open = False
        if self._minder is not None:
            self._minder.cancel()
            with suppress(asyncio.CancelledError):
                await self._minder
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._writers.close()
        await self._readers.close()

    # --- one piece of work ---------------------------------------------------------------------

    def _put(
        self, work: Callable[[asyncio.Future[T]], Coroutine[Any, Any, T]]
    ) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if not self._open:
            future.set_exception(Unavailable("the store is closed"))
            return future
        # Its own task: it is done whether or not anybody waits for the future any longer.
        task = loop.create_task(_settle(work(future), future))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return future

    async def _write(
        self,
        make: Callable[[], Script[T]],
        durable: bool,
        on_commit: Callable[[T], None] | None,
    ) -> T:
        once = partial(self._transaction, make, durable)
        lane = _lane_of(make)
        if lane is None:
            return self._told(await self._repeat(self._writers, once), on_commit)
        try:
            async with asyncio.timeout(self._queue_seconds):
                await self._lanes.enter(lane)
        except TimeoutError:
            raise self._overloaded() from None
        try:
            return self._told(await self._repeat(self._writers, once), on_commit)
        finally:
            self._lanes.leave(lane)

    def _told(self, value: T, on_commit: Callable[[T], None] | None) -> T:
        if on_commit is not None:
            try:
                on_commit(value)
            except Exception as error:  # noqa: BLE001
                # It has been committed all the same.
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "on_commit raised", "exception": error}
                )
        return value

    async def _repeat(
        self,
        pool: Pool[Session],
        once: Callable[[Session], Awaitable[T]],
        asked: asyncio.Future[T] | None = None,
    ) -> T:
        """Do it until it is done, or has failed for good. Driver errors end here. ``asked``: who
        waits for it; when they have left, what has not begun is left undone."""
        again = lost = 0
        while True:
            session = await self._take(pool)
            if asked is not None and asked.cancelled():
                # What others wait for is not to stand behind it.
                pool.give(session)
                raise Unavailable("nobody waits for this any more")
            try:
                async with asyncio.timeout(self._transaction_seconds):
                    value = await once(session)
            except TimeoutError:
                pool.drop(session)
                raise self._too_slow(session) from None
            except self._database.errors as error:
                meaning = self._database.meaning(error)
                if meaning.what is What.LOST:
                    pool.drop(session)
                    pool.distrust()
                    if session.committing:
                        raise self._undecided() from None
                    lost += 1
                    if lost > _LOST_MAX:
                        raise meaning.error from None
                    continue
                await self._undo(pool, session)
                again += 1
                if meaning.what is What.REFUSED or again > _AGAIN_MAX:
                    raise meaning.error from None
                await asyncio.sleep(random.uniform(0, _PAUSE * 2**again))  # noqa: S311
            except asyncio.CancelledError:
                pool.drop(session)
                raise
            except BaseException:
                await self._undo(pool, session)
                raise
            else:
                pool.give(session)
                return value

    async def _take(self, pool: Pool[Session]) -> Session:
        try:
            async with asyncio.timeout(self._queue_seconds):
                session = await pool.take()
        except TimeoutError:
            raise self._overloaded() from None
        session.committing = False
        return session

    async def _undo(self, pool: Pool[Session], session: Session) -> None:
        try:
            async with asyncio.timeout(self._transaction_seconds):
                await session.roll_back()
        except self._database.errors:  # a time-out is one of them
            pool.drop(session)
        except BaseException:
            pool.drop(session)
            raise
        else:
            pool.give(session)

    async def _transaction(
        self, make: Callable[[], Script[T]], durable: bool, session: Session
    ) -> T:
        await session.begin(durable=durable)
        value = await _drive(session, make())
        session.committing = True
        await session.commit()
        session.committing = False
        return value

    async def _snapshot(self, make: Callable[[], Script[T]], session: Session) -> T:
        script = make()
        code: CodeType = script.gi_code  # type: ignore[attr-defined]
        if self._database.single_reads and code not in self._long:
            # One statement needs no transaction around it to be of one moment.
            try:
                statement, params = next(script)
                rows = await session.execute(statement, params)
                script.send(rows)
            except StopIteration as stop:
                value: T = stop.value
                return value
            self._long.add(code)
            script.close()
            script = make()
        await session.begin_reading()
        value = await _drive(session, script)
        await session.commit()
        return value

    # --- connections and the clock -------------------------------------------------------------

    async def _connect(self, *, reading: bool) -> Session:
        try:
            session = await self._database.connect(reading=reading)
        except self._database.errors as error:
            raise self._database.meaning(error).error from None
        try:
            await self._ask_the_time(session)
        except self._database.errors as error:
            session.abort()
            raise self._database.meaning(error).error from None
        except BaseException:
            session.abort()
            raise
        return session

    async def _ask_the_time(self, session: Session) -> None:
        begun = self.now.begin()
        self.now.told(await session.time(), begun)

    async def _mind_the_clock(self) -> None:
        while True:
            # What was answered late, as at a start with much else to do, is asked again soon.
            good = self.now.within <= GOOD
            await asyncio.sleep(self._clock_seconds if good else min(_SOON, self._clock_seconds))
            # While the server is away its clock is what it was; a new connection asks again.
            with suppress(TertuliaError):
                await self._repeat(self._readers, self._ask_the_time)

    def _overloaded(self) -> Unavailable:
        return Unavailable(
            f"{self._database.name} is overloaded: no connection became free in "
            f"{self._queue_seconds:g} seconds",
            retry_after=_RETRY_AFTER,
        )

    def _too_slow(self, session: Session) -> Unavailable:
        if session.committing:
            return self._undecided()
        return Unavailable(
            f"{self._database.name} did not answer within {self._transaction_seconds:g} seconds",
            retry_after=_RETRY_AFTER,
        )

    def _undecided(self) -> Unavailable:
        return Unavailable(
            f"the connection to {self._database.name} was lost while a change was being "
            "committed: it may or may not have been made",
            code="outcome_unknown",
            retry_after=_RETRY_AFTER,
        )


async def _version(session: Session) -> str | None:
    return await session.version()


async def _read_only(session: Session) -> bool:
    return await session.read_only()


async def _settle(work: Coroutine[Any, Any, T], future: asyncio.Future[T]) -> None:
    try:
        value = await work
    except asyncio.CancelledError:
        future.cancel()
        raise
    except BaseException as error:  # noqa: BLE001 - it belongs to the caller
        if not future.done():
            future.set_exception(error)
    else:
        if not future.done():
            future.set_result(value)


async def _drive(session: Session, script: Script[T]) -> T:
    """Take a script to its end."""
    execute: Callable[[Statement, Params], Awaitable[Rows]] = session.execute
    try:
        statement, params = next(script)
        while True:
            statement, params = script.send(await execute(statement, params))
    except StopIteration as stop:
        value: T = stop.value
        return value


def _lane_of(make: Callable[[], Script[Any]]) -> str | None:
    """The row that the script locks first of all, if it says so.

    It is made once more when its turn has come: then it will look at the clock.
    """
    script = make()
    try:
        statement, params = next(script)
    except StopIteration:
        return None
    finally:
        script.close()
    return None if statement.lane is None else str(params[statement.lane])
