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
    # Twice the words more cost twice the bytes more; a quadratic cost would be four times. Of
    # what is written to the disk, commits that come in groups save a part.
    for sizes, least in ((costs, 0.5), (wires, 1.8), (kept, 1.8)):
        first, second = sizes[1] - sizes[0], sizes[2] - sizes[1]
        assert least < second / first < 2.8, (costs, wires, kept)
