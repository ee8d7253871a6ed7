"""No word that was said is found in any byte that a server leaves on the machine."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.canary.scan import open_files, scan
from tests.e2e.server import Server
from tests.support.images import data_url, png
from tests.support.sse import events
from tests.support.upstream import Upstream, refuses, sends, text, upstream

pytestmark = pytest.mark.e2e


def canary(name: str) -> str:
    """One word, in which JSON escapes something and not all is ASCII."""
    return f'canary-{name}-"é"-5d21b7c4'


#: What is kept, each by the place where it comes in.
KEPT = (
    "message",
    "answer",
    "title",
    "instructions",
    "tool",
    "metadata",
    "conversation-metadata",
    "refusal",
    "broken",
    "running",
    "image",
    "upload",
    "file-name",
)
#: What is sent in vain, or only compared with.
PASSING = ("malformed", "unknown-field", "path", "query", "key", "title-search", "no-image")

refuses("canary-refuses", 400, {"error": {"message": f"I heard {canary('refusal')}"}})
sends(
    "canary-breaks",
    text("begun"),
    b'data: {"error": {"message": %b}}\n\n' % json.dumps(canary("broken")).encode(),
)

Run = Callable[[str], AbstractAsyncContextManager["Talk"]]


class Talk:
    """A server that was talked to, and all it may have written to."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self._folder = folder

    def found(self) -> set[str]:
        """The canaries on the machine at this moment, by name."""
        places = [self._folder]
        process = self.server.process
        if process is not None and process.poll() is None and Path("/proc").exists():
            places += open_files(process.pid)
        every = {canary(name): name for name in (*KEPT, *PASSING)}
        return {every[hit.canary] for hit in scan(places, every)}

    async def talk(self, client: httpx.AsyncClient) -> None:
        """Say every canary; gives back while the last answer is under way."""
        made = await client.post(
            "/v1/conversations",
            json={
                "title": canary("title"),
                "metadata": {"note": canary("conversation-metadata")},
            },
        )
        assert made.status_code == 200, made.text
        parameters = {"type": "object", "properties": {"x": {"description": canary("tool")}}}
        answered = await client.post(
            "/v1/responses",
            json={
                "model": "scripted",
                "conversation": made.json()["id"],
                "input": f"no tools echo: {canary('message')} {canary('answer')}",
                "instructions": canary("instructions"),
                "metadata": {"note": canary("metadata")},
                "tools": [{"type": "function", "name": "look", "parameters": parameters}],
            },
            headers={"Idempotency-Key": canary("key").replace("é", "e")},
        )
        assert answered.json()["status"] == "completed", answered.text
        await self._show(client)
        for model in ("canary-refuses", "canary-breaks"):
            failed = await client.post("/v1/responses", json={"model": model, "input": "go"})
            assert (
                canary("refusal" if "refuses" in model else "broken")
                in failed.json()["error"]["message"]
            )
        await self._in_vain(client)
        body: dict[str, Any] = {
            "model": "scripted",
            "input": "rate=20 echo: " + f"{canary('running')} " * 2000,
            "background": True,
            "stream": True,
        }
        async with client.stream("POST", "/v1/responses", json=body) as stream:
            said = 0
            async for event in events(stream):
                said += canary("running") in event.get("delta", "")
                if said == 3:
                    return

    async def _show(self, client: httpx.AsyncClient) -> None:
        """An upload, large enough that many a reader of forms would put it into a file, and an
        image within the message."""
        large = png(note=canary("upload") + " " * 2**21)
        kept = await client.post(
            "/v1/files",
            data={"purpose": "vision"},
            files={"file": (canary("file-name"), large, "image/png")},
        )
        assert kept.status_code == 200, kept.text
        shown = [
            {"type": "input_image", "file_id": kept.json()["id"]},
            {"type": "input_image", "image_url": data_url(png(note=canary("image")))},
        ]
        asked = [{"role": "user", "content": shown}]
        answered = await client.post("/v1/responses", json={"model": "scripted", "input": asked})
        assert "2x1" in answered.json()["output"][0]["content"][0]["text"], answered.text

    async def _in_vain(self, client: httpx.AsyncClient) -> None:
        malformed = b'{"model": "scripted", "input": %b' % canary("malformed").encode()
        sent = {"content-type": "application/json"}
        for answer in (
            await client.post(
                "/v1/files",
                data={"purpose": "vision"},
                files={"file": ("x.png", canary("no-image").encode() * 50_000)},
            ),
            await client.post("/v1/responses", content=malformed, headers=sent),
            await client.post("/v1/responses", json={"input": [{canary("unknown-field"): 1}]}),
            await client.get(f"/v1/responses/{canary('path')}"),
            await client.get("/v1/responses/resp_1", params={"include": canary("query")}),
        ):
            assert 400 <= answer.status_code < 500
        found = await client.get("/v1/conversations", params={"search": canary("title-search")})
        assert found.json()["data"] == []


@pytest.fixture
async def provider() -> AsyncIterator[Upstream]:
    async with upstream() as server:
        yield server


@pytest.fixture
def run(tmp_path: Path, provider: Upstream) -> Run:
    """Starts a server and talks to it; ``how``: sealed as shipped, or plain."""

    @asynccontextmanager
    async def running(how: str) -> AsyncIterator[Talk]:
        temporary = tmp_path / "tmp"
        temporary.mkdir()
        models = ["canary-refuses", "canary-breaks"]
        servers = [{"name": "up", "base_url": provider.base_url, "models": models}]
        environment = {
            "TERTULIA_MODELS__SERVERS": json.dumps(servers),
            "TERTULIA_LOG_LEVEL": "debug",
            "TMPDIR": str(temporary),
            "SQLITE_TMPDIR": str(temporary),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        module = {"sealed": "tertulia", "plain": "tests.canary.plain"}[how]
        command = (sys.executable, "-m", module)
        server = Server(tmp_path / "data", "--no-auth", environment=environment, command=command)
        await asyncio.to_thread(server.start)
        try:
            async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
                talk = Talk(server, tmp_path)
                await talk.talk(client)
                yield talk
        finally:
            await asyncio.to_thread(server.stop)

    return running


async def test_no_canary_is_found_running_killed_or_ended(run: Run) -> None:
    async with run("sealed") as talk:
        assert talk.found() == set(), "while running"
        await asyncio.to_thread(talk.server.kill)
        assert talk.found() == set(), "after SIGKILL"
        await asyncio.to_thread(talk.server.start)
        assert talk.found() == set(), "after a restart"
        assert await asyncio.to_thread(talk.server.stop) == 0
        assert talk.found() == set(), "after an orderly end"


async def test_the_same_search_finds_every_canary_that_is_not_sealed(run: Run) -> None:
    async with run("plain") as talk:
        assert talk.found() == set(KEPT), "while running"
        await asyncio.to_thread(talk.server.kill)
        assert talk.found() == set(KEPT), "after SIGKILL"
