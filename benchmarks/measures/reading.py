"""What opening the web client asks: the list of chats, and a long chat whole."""

from __future__ import annotations

from benchmarks.dialect import System
from benchmarks.jobs import Read, Result, Seed
from benchmarks.measures.base import Figures, Measure, Row, Scale, Stage, stage
from benchmarks.processes import Client
from benchmarks.systems import HOST, Bench


def reading(bench: Bench, scale: Scale, system: System) -> Figures:
    with stage(bench, system, (1, 0), (scale.long_chunks, 0)) as on:
        seeded = _seed(on, scale)
        listed, list_ms = _read(on, None, scale.chats, scale.reads)
        opened, open_ms = _read(on, seeded.chat, 2 * scale.long_turns, max(scale.reads // 4, 1))
    return {
        "list_ms": list_ms,
        "list_bytes": listed.bytes_read,
        "open_ms": open_ms,
        "open_bytes": opened.bytes_read,
        "errors": seeded.errors + listed.errors + opened.errors,
        "seed_seconds": seeded.seconds,
    }


def _seed(on: Stage, scale: Scale) -> Result:
    server = on.server
    job = Seed(
        system=server.system,
        host=HOST,
        port=server.port,
        token=server.tokens[0],
        chats=scale.chats,
        turns=scale.long_turns,
        chunks=scale.long_chunks,
    )
    with Client(job, server.folder) as client:
        client.say("go")
        return client.result()


def _read(on: Stage, chat: str | None, expect: int, times: int) -> tuple[Result, float]:
    """With the server's milliseconds of CPU for each time."""
    server = on.server
    job = Read(
        system=server.system,
        host=HOST,
        port=server.port,
        token=server.tokens[0],
        times=times,
        expect=expect,
        chat=chat,
    )
    with Client(job, server.folder) as client:
        before = server.process.cpu()
        client.say("go")
        result = client.result()
        return result, 1000 * (server.process.cpu() - before) / times


MEASURES = (
    Measure(
        "reading",
        "one user of 200 chats, one of them of 500 turns with answers of 40 words",
        reading,
        (
            Row("list 200 chats, server CPU", "list_ms", "ms", 1.0, table=0.3),
            Row("open a chat of 1,000 messages whole, server CPU", "open_ms", "ms", 8, table=2.2),
            Row("wrong lists and chats", "errors", "", 0),
        ),
    ),
)
