"""One user with many messages at once, and another with one that comes in the middle of them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import msgspec

from benchmarks.dialect import DIALECTS
from benchmarks.http import Connection, Lost
from benchmarks.jobs import Fair, Result
from benchmarks.wire import FIRST_SECONDS, Wrong, answer, model_id, percentile


class _Event(msgspec.Struct):
    type: str
    delta: str = ""


_event = msgspec.json.Decoder(_Event).decode


class _Message:
    """A message in a chat of its own, and its answer."""

    def __init__(self, job: Fair, tag: str, token: str) -> None:
        self._job = job
        self._tag = tag
        self._token = token
        self._rest = b""
        self._text: list[str] = []
        #: Seconds from the question to the first word, the model's own not counted.
        self.waited = 0.0
        self._asked = 0.0

    async def send(self) -> None:
        """Raises `Wrong`, `Lost`, `OSError` or `ValueError` when the answer is not to be had."""
        job, dialect = self._job, DIALECTS["product"]
        connection = await Connection.open(job.host, job.port, self._token)
        chat: str = msgspec.json.decode(await connection.ask(dialect.new_chat()))["id"]
        text = f"{self._tag} please say your {job.chunks} words."
        self._asked = time.monotonic()
        ask = dialect.message(chat, text, model_id(job.chunks, job.rate))
        await connection.stream(ask, self._read)
        connection.close()
        if "".join(self._text) != answer(self._tag, job.chunks):
            raise Wrong("another text")

    def _read(self, data: bytes) -> None:
        *events, self._rest = (self._rest + data).split(b"\n\n")
        for event in events:
            at = event.find(b"data: ")
            if at < 0 or event.endswith(b"[DONE]"):
                continue
            one = _event(event[at + 6 :])
            if one.type == DIALECTS["product"].delta:
                if not self._text:
                    self.waited = time.monotonic() - self._asked - FIRST_SECONDS
                self._text.append(one.delta)


async def fair(job: Fair) -> Result:
    failures: Counter[str] = Counter()
    ended = 0
    halfway = asyncio.Event()
    many = [_Message(job, f"a{n}", job.tokens[0]) for n in range(job.messages)]
    one = _Message(job, "b0", job.tokens[1])

    async def send(message: _Message) -> None:
        nonlocal ended
        try:
            await message.send()
        except (Lost, OSError, ValueError, Wrong) as error:
            failures[f"{type(error).__name__} {error}"[:120]] += 1
        ended += 1
        if ended >= job.messages // 2:
            halfway.set()

    async def send_one() -> None:
        await halfway.wait()
        await send(one)

    begun = time.monotonic()
    await asyncio.gather(*map(send, many), send_one())
    waits = sorted(message.waited for message in many)
    return Result(
        seconds=time.monotonic() - begun,
        turns=job.messages + 1 - failures.total(),
        errors=failures.total(),
        failures=dict(failures),
        first_p50_ms=1000 * percentile(waits, 0.5),
        other_ms=1000 * one.waited,
    )
