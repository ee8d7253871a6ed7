"""A server under test: the real application over real embedded backends in a temporary folder."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from tests.support.stores import Clock

from tertulia.accounts import AccountService
from tertulia.adapters.cache.limiter import MemoryLimiter
from tertulia.adapters.folder import DataFolder
from tertulia.adapters.model.registry import ModelRegistry
from tertulia.adapters.queue.memory import MemoryQueue
from tertulia.adapters.store.sql import SqlStore
from tertulia.bootstrap.storage import storage
from tertulia.conversations import ConversationService
from tertulia.settings import Models, Passwords, Settings
from tertulia.transports.app import create_app
from tertulia.transports.services import Services
from tertulia.turns.cancel import cancel
from tertulia.turns.parts import Parts

BASE = "http://127.0.0.1:8484"
PASSWORD = "correct horse battery"
ANN = {"email": "ann@example.org", "password": PASSWORD}


@dataclass
class Served:
    """An application, and ways to talk to it."""

    app: FastAPI
    services: Services
    store: SqlStore
    clock: Clock
    stack: AsyncExitStack
    made: int = field(default=0)

    async def client(self, base: str = BASE, **options: Any) -> httpx.AsyncClient:
        """A browser or program of its own, with its own cookies."""
        transport = httpx.ASGITransport(self.app, client=options.pop("client", ("127.0.0.1", 1)))
        return await self.stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url=base, **options)
        )

    async def user(self, email: str | None = None) -> httpx.AsyncClient:
        """A new user, signed in: requests carry the access token."""
        self.made += 1
        client = await self.client()
        answer = await client.post(
            "/auth/register",
            json={"email": email or f"user{self.made}@example.org", "password": PASSWORD},
        )
        assert answer.status_code == 201, answer.text
        client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        return client


@asynccontextmanager
async def serving(folder: Path, empty: Path, web: Path, **changes: Any) -> AsyncIterator[Served]:
    settings = Settings(
        data=folder,
        **{
            "passwords": Passwords(time_cost=1, memory_kib=8, parallelism=1),
            "models": Models(local=None, scripted=True, discover=False),
            **changes,
        },
    )
    shutil.copyfile(empty, DataFolder(folder).database)
    clock = Clock()
    async with AsyncExitStack() as stack:
        kept = await stack.enter_async_context(storage(settings, exclusive=True, clock=clock))
        store = kept.store
        assert kept.log is not None
        models = ModelRegistry(settings)
        stack.push_async_callback(models.close)
        queue = MemoryQueue()
        stack.push_async_callback(queue.close)
        parts = Parts(store=store, log=kept.log, queue=queue, models=models)
        limiter = MemoryLimiter(clock=clock)
        accounts = AccountService(
            store, limiter, secret=kept.secret, settings=settings, clock=clock
        )
        stack.callback(accounts.close)
        services = Services(
            settings=settings,
            parts=parts,
            accounts=accounts,
            conversations=ConversationService(
                store,
                cancel=lambda user_id, response_id: cancel(parts, user_id, response_id),
                title_chars=settings.limits.title_chars,
            ),
            limiter=limiter,
            idempotency_key=await kept.keys.deployment_key("idempotency"),
            web=web,
        )
        yield Served(create_app(services), services, store, clock, stack)


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    """The error object of a refusal, which must have that status and our shape."""
    assert response.status_code == status, response.text
    assert response.headers["x-request-id"].startswith("req_")
    body = response.json()
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert set(error) == {"message", "type", "code", "param"}
    assert error["message"]
    assert error["code"]
    if status in {429, 503}:
        assert int(response.headers["retry-after"]) >= 1
    return error


def cookie_of(response: httpx.Response) -> Morsel[str]:
    return SimpleCookie(response.headers["set-cookie"])["tertulia_refresh"]


def bearer(session: httpx.Response) -> dict[str, str]:
    return {"authorization": f"Bearer {session.json()['access_token']}"}


async def registered(served: Served, **more: str) -> tuple[httpx.AsyncClient, httpx.Response]:
    client = await served.client()
    answer = await client.post("/auth/register", json={**ANN, **more})
    assert answer.status_code == 201
    return client, answer


async def refresh_with(served: Served, token: str) -> httpx.Response:
    """From a tab that still holds this token."""
    client = await served.client()
    return await client.post("/auth/refresh", headers={"cookie": f"tertulia_refresh={token}"})
