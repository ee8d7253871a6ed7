"""What an answer costs in bytes grows linearly with its length: log, store and wire."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.e2e.server import Server

pytestmark = pytest.mark.e2e

WORDS = (1000, 2000, 4000)


def written(server: Server) -> int:
    """Bytes the process has handed to write(2) and its like: database, log and sockets."""
    assert server.process is not None
    fields = Path(f"/proc/{server.process.pid}/io").read_text().split()
    return int(fields[fields.index("wchar:") + 1])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc tells the bytes")
def test_bytes_per_answer_are_linear_in_its_length(serve: Callable[..., Server]) -> None:
    server = serve("--no-auth").start()
    costs, wires, kept = [], [], []
    with server.client() as client:
        for words in WORDS:
            before = written(server)
            body = {"model": f"scripted-{words}x0", "input": "go", "stream": True}
            with client.stream("POST", "/v1/responses", json=body) as stream:
                wires.append(sum(len(piece) for piece in stream.iter_bytes()))
            costs.append(written(server) - before)
    server.stop()
    with closing(sqlite3.connect(server.data / "tertulia.sqlite3")) as database:
        rows = database.execute(
            "select sum(length(body)) from frames group by response_id order by 1"
        ).fetchall()
        kept = [row[0] for row in rows]
    # Four times the words cost at most four times the bytes; a quadratic cost would be sixteen
    # times. The margin is for the disk: how many commits share a page depends on the moment.
    for sizes, margin in ((costs, 1.6), (wires, 1.1), (kept, 1.1)):
        assert sizes[2] < 4 * sizes[0] * margin, (costs, wires, kept)
    assert sizes_grow(wires)
    assert sizes_grow(kept)


def sizes_grow(sizes: list[int]) -> bool:
    """Whether the answers were really of these lengths."""
    return 1.8 < sizes[1] / sizes[0] < 2.2 and 1.8 < sizes[2] / sizes[1] < 2.2
