"""``tertulia user delete`` beside the server that the user talks to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.e2e.server import Server

pytestmark = pytest.mark.e2e

OWNER = "owner@example.org"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path / "data").start()
    yield started
    started.stop()


def test_a_user_is_deleted_beside_the_server(server: Server) -> None:
    key = server.api_key(OWNER)
    with server.client(key) as client, server.client() as other:
        user_id = client.get("/v1/me").json()["id"]
        body = {"model": "scripted", "input": "chunks=20 hang at 5", "stream": True}
        with client.stream("POST", "/v1/responses", json=body) as answer:
            lines = answer.iter_lines()
            assert "event: response.output_text.delta" in lines
            assert server.command("user", "delete", OWNER, "--yes") == f"{OWNER} is deleted."
            assert "event: error" in lines
        assert client.get("/v1/me").status_code == 401
        assert client.post("/v1/responses", json={"input": "Hello?"}).status_code == 401
        assert other.get("/healthz").is_success
    again = server.command("user", "delete", OWNER, "--yes")
    assert again == f"There is no account {OWNER}."
    with closing(sqlite3.connect(server.data / "keys" / "users.sqlite3")) as keys:
        kept = keys.execute("SELECT wrapped FROM keys WHERE user_id = ?", (user_id,)).fetchall()
    assert kept == [(None,)]
    # The address is free, and the server knows the new one.
    with server.client(server.api_key(OWNER)) as client:
        assert client.get("/v1/me").json()["id"] != user_id
        assert client.get("/v1/conversations").json()["data"] == []
    assert "turn_crashed" not in server.log.read_text()


def test_what_is_no_address_is_refused(server: Server) -> None:
    """Nor can the one user of a server without sign-in be named."""
    done = server.run("user", "delete", "local", "--yes")
    assert done.returncode != 0
    assert "not an email address" in done.stderr
