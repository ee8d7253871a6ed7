"""A server that is asked to stop takes leave of everybody."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import httpx
import pytest
from tests.e2e.server import Server, events

pytestmark = pytest.mark.e2e

ASKED = {"model": "scripted", "input": "chunks=50 hang at 5"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data").start()
    yield server
    server.stop()


def test_streams_end_and_waiting_requests_are_told_to_come_again(server: Server) -> None:
    key = server.api_key()
    shown: list[dict[str, object]] = []
    answers: SimpleQueue[httpx.Response] = SimpleQueue()
    writing = threading.Event()

    def wait() -> None:
        with server.client(key) as client:
            answers.put(client.post("/v1/responses", json=ASKED))

    def read() -> None:
        body = {**ASKED, "stream": True}
        with (
            server.client(key) as client,
            client.stream("POST", "/v1/responses", json=body) as stream,
        ):
            for event in events(stream):
                shown.append(event)
                if "w4" in str(event.get("delta", "")):
                    writing.set()

    threads = [threading.Thread(target=each) for each in (wait, read)]
    for thread in threads:
        thread.start()
    assert writing.wait(30)
    assert server.stop() == 0
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    refused = answers.get_nowait()
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["error"]["code"] == "unavailable"
    # Cut where it was; what comes next is the log's to tell.
    assert shown[-1]["type"] == "response.output_text.delta"
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line[:1] == "{"]
    assert [line for line in lines if line["level"] in {"error", "critical"}] == []
