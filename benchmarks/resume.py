"""Users whose connection breaks in mid-answer, and who go on at another node."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from functools import partial
from itertools import cycle, islice

import msgspec

from benchmarks.dialect import DIALECTS, Ask
from benchmarks.http import Connection, Lost
from benchmarks.jobs import Result, Resume
from benchmarks.wire import Wrong, answer, model_id, percentile


class _Named(msgspec.Struct):
    id: str


class _Event(msgspec.Struct):
    type: str
    sequence_number: int = -1
    delta: str = ""
    response: _Named | None = None


_event = msgspec.json.Decoder(_Event).decode


class Tail:
    """One answer, over as many streams as it takes. ``number``: of the last event."""

    def __init__(self) -> None:
        self._dialect = DIALECTS["product"]
        self._rest = b""
        self._waiting: asyncio.Future[None] | None = None
        self.begun = asyncio.Event()
        self.response_id = ""
        self.number = -1
        self.text: list[str] = []
        self.ended = False

    def attach(self) -> asyncio.Future[None]:
        """A new stream; done with its first event."""
        self._rest = b""
        self._waiting = asyncio.get_running_loop().create_future()
        return self._waiting

    def read(self, data: bytes) -> None:
        """Raises `Wrong` when an event comes twice, or one is missing."""
        *events, self._rest = (self._rest + data).split(b"\n\n")
        for event in events:
            at = event.find(b"data: ")
            if at < 0 or event.endswith(b"[DONE]"):
                continue
            self._take(_event(event[at + 6 :]))
        if events and self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _take(self, event: _Event) -> None:
        if event.sequence_number != self.number + 1:
            raise Wrong(f"event {event.sequence_number} after {self.number}")
        self.number = event.sequence_number
        if event.response is not None:
            self.response_id = event.response.id
            self.begun.set()
        if event.type == self._dialect.delta:
            self.text.append(event.delta)
        elif event.type == self._dialect.end:
            self.ended = True


class _User:
    def __init__(self, job: Resume, number: int) -> None:
        self._job = job
        self._chance = random.Random(f"{job.seed} {number}")
        self._token = job.tokens[number % len(job.tokens)]
        self._ports = islice(cycle(job.ports), number, None)
        self._tag = f"u{number}t0"
        #: Seconds from going back until the first event that had been missed.
        self.resumed: list[float] = []

    async def play(self) -> None:
        """Raises `Wrong`, `Lost`, `OSError` or `ValueError` when the answer is not to be had."""
        job = self._job
        tail = Tail()
        connection = await self._connect()
        new = await connection.ask(DIALECTS["product"].new_chat())
        chat: str = msgspec.json.decode(new)["id"]
        text = f"{self._tag} please say your {job.chunks} words."
        ask = DIALECTS["product"].message(chat, text, model_id(job.chunks, job.rate))
        tail.attach()
        while not await self._read(connection, ask, tail):
            connection.close()
            await asyncio.sleep(self._chance.uniform(0, job.away))
            began = time.monotonic()
            first = tail.attach()
            first.add_done_callback(partial(self._resumed_since, began))
            connection = await self._connect()
            path = f"/v1/responses/{tail.response_id}?stream=true&starting_after={tail.number}"
            ask = Ask("GET", path)
        connection.close()
        if not tail.ended:
            raise Wrong("no regular end")
        if "".join(tail.text) != answer(self._tag, job.chunks):
            raise Wrong("another text")

    def _resumed_since(self, began: float, _: object) -> None:
        self.resumed.append(time.monotonic() - began)

    async def _connect(self) -> Connection:
        return await Connection.open(self._job.host, next(self._ports), self._token)

    async def _read(self, connection: Connection, ask: Ask, tail: Tail) -> bool:
        """Whether the stream came to its end before the connection broke."""
        stream = asyncio.create_task(connection.stream(ask, tail.read))
        begun = asyncio.create_task(tail.begun.wait())
        await asyncio.wait([stream, begun], return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        await asyncio.wait([stream], timeout=self._chance.uniform(0, self._job.most))
        if stream.done():
            stream.result()
            return True
        stream.cancel()
        await asyncio.wait([stream])
        return False


async def resume(job: Resume) -> Result:
    failures: Counter[str] = Counter()
    users = [_User(job, number) for number in range(job.users)]

    async def play(number: int, user: _User) -> None:
        await asyncio.sleep(job.ramp * number / job.users)
        try:
            await user.play()
        except (Lost, OSError, ValueError, Wrong) as error:
            failures[f"{type(error).__name__} {error}"[:120]] += 1

    begun = time.monotonic()
    await asyncio.gather(*(play(number, user) for number, user in enumerate(users)))
    took = sorted(seconds for user in users for seconds in user.resumed)
    return Result(
        seconds=time.monotonic() - begun,
        turns=job.users - failures.total(),
        errors=failures.total(),
        failures=dict(failures),
        resumes=len(took),
        resume_p50_ms=1000 * percentile(took, 0.5),
        resume_p99_ms=1000 * percentile(took, 0.99),
    )
