"""The load: a process of its own that plays users and verifies every answer's text.

    python -m benchmarks.client     (job: a line of JSON on standard input)

It prints ``ready``, waits for a line, works, and prints its result as a line of JSON.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections import Counter

import msgspec
import uvloop

from benchmarks.dialect import DIALECTS, Ask, System
from benchmarks.fair import fair
from benchmarks.http import Connection, Lost
from benchmarks.idle import hold
from benchmarks.jobs import Fair, Idle, Job, Load, Read, Result, Resume, Seed
from benchmarks.resume import resume
from benchmarks.wire import FIRST_SECONDS, Wrong, answer, model_id, percentile

#: Kinds of failures that are told apart in a result.
MOST_KINDS = 5


class _Event(msgspec.Struct):
    type: str
    delta: str = ""


_event = msgspec.json.Decoder(_Event).decode


class Reader:
    """Takes one answer's stream apart. All times are of the monotonic clock, in seconds."""

    __slots__ = ("_delta", "_end", "_rest", "ended", "first", "gaps", "last", "size", "text")

    def __init__(self, system: System, gaps: list[float]) -> None:
        self._delta = DIALECTS[system].delta
        self._end = DIALECTS[system].end
        self._rest = b""
        self.gaps = gaps
        self.text: list[str] = []
        self.first = self.last = 0.0
        #: Bytes of the stream so far.
        self.size = 0
        self.ended = False

    def read(self, data: bytes) -> None:
        self.size += len(data)
        *events, self._rest = (self._rest + data).split(b"\n\n")
        before = len(self.text)
        for event in events:
            at = event.find(b"data: ")
            if at < 0 or event.endswith(b"[DONE]"):
                continue
            one = _event(event[at + 6 :])
            if one.type == self._delta:
                self.text.append(one.delta)
            elif one.type == self._end:
                self.ended = True
        if len(self.text) > before:
            now = time.monotonic()
            if before:
                self.gaps.append(now - self.last)
            else:
                self.first = now
            self.last = now

    def verify(self, expected: str) -> None:
        """Raises `Wrong` unless the stream ended well and held this text."""
        if not self.ended:
            raise Wrong("no regular end")
        if "".join(self.text) != expected:
            raise Wrong("another text")


async def turn(
    connection: Connection, system: System, chat: str, tag: str, chunks: int, rate: int
) -> tuple[float, Reader]:
    """One message and its whole answer: seconds to its first word, and what was read.

    Raises:
        Wrong: the text is not the model's.
    """
    reader = Reader(system, [])
    text = f"{tag} please say your {chunks} words."
    ask = DIALECTS[system].message(chat, text, model_id(chunks, rate))
    begun = time.monotonic()
    await connection.stream(ask, reader.read)
    reader.verify(answer(tag, chunks))
    return reader.first - begun, reader


async def new_chat(connection: Connection, system: System) -> str:
    body = await connection.ask(DIALECTS[system].new_chat())
    chat: str = msgspec.json.decode(body)["id"]
    return chat


class Tally:
    """What users report."""

    def __init__(self) -> None:
        self.turns = 0
        self.firsts: list[float] = []
        self.gaps: list[float] = []
        self.size = 0
        self.failures: Counter[str] = Counter()

    async def play(self, job: Load, number: int) -> None:
        """One user: every turn is a new chat, a message and the whole stream."""
        await asyncio.sleep(job.ramp * number / job.users)
        token = job.tokens[number % len(job.tokens)]
        port = job.ports[number % len(job.ports)]
        connection = await Connection.open(job.host, port, token)
        for round_ in range(job.turns):
            try:
                chat = await new_chat(connection, job.system)
                tag = f"u{number}t{round_}"
                first, read = await turn(connection, job.system, chat, tag, job.chunks, job.rate)
            except (Lost, OSError, ValueError, Wrong) as error:
                self.failures[f"{type(error).__name__} {error}"[:120]] += 1
                connection.close()
                connection = await Connection.open(job.host, port, token)
                continue
            self.turns += 1
            self.firsts.append(first)
            self.gaps += read.gaps
            self.size += read.size
        connection.close()


async def load(job: Load) -> Result:
    tally = Tally()
    begun = time.monotonic()
    users = (tally.play(job, number) for number in range(job.users))
    await asyncio.gather(*users)
    took = time.monotonic() - begun
    delay = FIRST_SECONDS if job.rate else 0.0
    added = sorted(first - delay for first in tally.firsts)
    gaps = sorted(tally.gaps)
    return Result(
        seconds=took,
        turns=tally.turns,
        errors=sum(tally.failures.values()),
        failures=dict(tally.failures.most_common(MOST_KINDS)),
        first_p50_ms=1000 * percentile(added, 0.5),
        first_p99_ms=1000 * percentile(added, 0.99),
        gap_p50_ms=1000 * percentile(gaps, 0.5),
        gap_p99_ms=1000 * percentile(gaps, 0.99),
        bytes_read=tally.size,
    )


async def seed(job: Seed) -> Result:
    """One user's chats: ``chats`` of one turn, and one of ``turns`` turns."""
    begun = time.monotonic()
    connection = await Connection.open(job.host, job.port, job.token)
    for number in range(job.chats - 1):
        chat = await new_chat(connection, job.system)
        await turn(connection, job.system, chat, f"c{number}", 1, 0)
    chat = await new_chat(connection, job.system)
    for number in range(job.turns):
        await turn(connection, job.system, chat, f"t{number}", job.chunks, 0)
    connection.close()
    return Result(seconds=time.monotonic() - begun, turns=job.chats - 1 + job.turns, chat=chat)


async def read(job: Read) -> Result:
    """List all chats, or open one whole, ``times`` over."""
    dialect = DIALECTS[job.system]
    connection = await Connection.open(job.host, job.port, job.token)
    begun = time.monotonic()
    wrong = size = 0
    for _ in range(job.times):
        found = 0
        if job.chat:
            body = await connection.ask(dialect.open_chat(job.chat))
            found, size = dialect.messages(body) if job.check else job.expect, len(body)
        else:
            after: str | None = None
            more = True
            size = 0
            while more:
                ask: Ask = dialect.list_chats(after)
                body = await connection.ask(ask)
                count, after = dialect.page(body)
                found, size, more = found + count, size + len(body), after is not None
        wrong += found != job.expect
    connection.close()
    return Result(seconds=time.monotonic() - begun, turns=job.times, errors=wrong, bytes_read=size)


async def work(job: Job) -> Result:
    if isinstance(job, Load):
        return await load(job)
    if isinstance(job, Seed):
        return await seed(job)
    if isinstance(job, Idle):
        return await hold(job)
    if isinstance(job, Resume):
        return await resume(job)
    if isinstance(job, Fair):
        return await fair(job)
    return await read(job)


def main() -> None:
    job = msgspec.json.decode(sys.stdin.readline(), type=Job)
    print("ready", flush=True)
    sys.stdin.readline()
    before = _cpu()
    begun = time.monotonic()
    result = uvloop.run(work(job))
    result.client_cpu = (_cpu() - before) / (time.monotonic() - begun)
    print(msgspec.json.encode(result).decode(), flush=True)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
