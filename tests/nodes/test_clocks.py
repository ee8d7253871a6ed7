"""Machines whose clocks are an hour apart: the store's clock is the one that counts."""

from __future__ import annotations

import sys

import httpx
import pytest
from tests.e2e.server import Server
from tests.nodes.conftest import Fleet
from tests.nodes.test_together import PERSON, ask, text_of

#: The command line on a machine whose clock is ahead by so many seconds.
AHEAD = """
import time
real = time.time
time.time = lambda: real() + ({seconds})
from tertulia.cli import main
main()
"""


def node(fleet: Fleet, name: str, role: str, seconds: int) -> Server:
    code = AHEAD.format(seconds=seconds)
    shared = {n: str(v) for n, v in fleet.settings().items() if n not in {"auth", "turns"}}
    shared["secret"] = fleet.settings()["secret"].get_secret_value()
    return Server(
        fleet.folder / name,
        environment={f"TERTULIA_{n.upper()}": value for n, value in shared.items()},
        command=(sys.executable, "-c", code),
        role=role,
    )


@pytest.mark.parametrize("hours", [-1, 1])
async def test_an_hour_apart(fleet: Fleet, hours: int) -> None:
    """Tokens of one node are good at the other, nobody's lease is taken for expired, and nobody's
    wait for too long."""
    here = await fleet.node("api")
    there = node(fleet, "there", "api", hours * 3600)
    worker = node(fleet, "worker", "worker", hours * 3600)
    try:
        there.start()
        worker.start()
        token = await here.register(PERSON)
        async with httpx.AsyncClient(base_url=there.url, timeout=30) as client:
            signed_in = await client.post(
                "/auth/login", json={"email": PERSON, "password": "correct horse battery"}
            )
            assert signed_in.status_code == 200, signed_in.text
            mine = {"authorization": f"Bearer {token}"}
            assert (await client.get("/v1/me", headers=mine)).status_code == 200
        answer = await ask(here, signed_in.json()["access_token"], "chunks=60 rate=20")
        assert answer.status_code == 200, answer.text
        assert text_of(answer.json()) == " ".join(f"w{n}" for n in range(60))
    finally:
        worker.stop()
        there.stop()
    assert "leases" not in worker.log.read_text()
