from __future__ import annotations

import asyncio
import dataclasses

import httpx
import pytest
from tests.support.served import BASE, PASSWORD, Served, error_of
from tests.transports.conftest import Serve

from tertulia.errors import Unavailable
from tertulia.settings import Models
from tertulia.transports import health
from tertulia.transports.app import create_app
from tertulia.transports.services import Services

SERVER = {"name": "far", "base_url": "http://127.0.0.1:9/v1", "models": ("far/model:1",)}


async def test_models_say_what_they_can_and_how_they_stand(ann: httpx.AsyncClient) -> None:
    listed = (await ann.get("/v1/models")).json()
    assert listed["object"] == "list"
    scripted = listed["data"][0]
    assert set(scripted) == {
        "id",
        "object",
        "created",
        "owned_by",
        "name",
        "type",
        "default",
        "capable",
        "context_window",
        "max_output_tokens",
        "dimensions",
        "capabilities",
        "pricing",
        "state",
    }
    assert (scripted["type"], scripted["dimensions"]) == ("chat", None)
    assert scripted["pricing"] == {"input": 0.0, "output": 0.0}
    assert (scripted["id"], scripted["object"], scripted["default"]) == ("scripted", "model", True)
    assert set(scripted["capabilities"]) == {"tools", "images", "json_schema", "prefill"}
    assert scripted["state"] == {"status": "ready", "progress": None, "detail": None}
    assert (await ann.get("/v1/models/scripted")).json() == scripted
    variant = (await ann.get("/v1/models/scripted-5x0")).json()
    assert (variant["id"], variant["default"]) == ("scripted-5x0", False)
    unknown = error_of(await ann.get("/v1/models/none"), 404)
    assert (unknown["code"], unknown["param"]) == ("model_not_found", "model")


async def test_an_id_may_hold_slashes(serve: Serve) -> None:
    models = Models(local=None, scripted=True, discover=False, servers=(SERVER,))
    served = await serve(models=models)
    client = await served.user()
    assert (await client.get("/v1/models/far/model:1")).json()["owned_by"] == "far"


async def test_what_a_server_charges_is_told(serve: Serve) -> None:
    priced = {**SERVER, "price_in": 0.15, "price_out": 0.6}
    served = await serve(models=Models(local=None, discover=False, servers=(priced,)))
    found = (await (await served.user()).get("/v1/models/far/model:1")).json()
    assert found["pricing"] == {"input": 0.15, "output": 0.6}


async def test_what_was_found_on_this_machine_is_for_admins(serve: Serve) -> None:
    models = Models(local=None, scripted=True, discover=False, openai_api_key="sk-x")
    served = await serve(models=models)
    await served.services.accounts.create_user("root@example.org", PASSWORD, admin=True)
    user, admin = await served.user(), await served.client()
    body = {"email": "root@example.org", "password": PASSWORD}
    token = (await admin.post("/auth/login", json=body)).json()["access_token"]
    admin.headers["authorization"] = f"Bearer {token}"
    offered = {model.info.id for model in served.services.parts.models.list(admin=False)}
    everything = {model.info.id for model in served.services.parts.models.list(admin=True)}
    for client, expected in ((user, offered), (admin, everything)):
        listed = (await client.get("/v1/models")).json()["data"]
        assert {model["id"] for model in listed} == expected


# --- health ----------------------------------------------------------------------------------


def probed(services: Services, **changes: object) -> httpx.AsyncClient:
    app = create_app(dataclasses.replace(services, **changes))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE)


async def test_a_server_that_works_is_ready(served: Served) -> None:
    client = await served.client()
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    ready = await client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {"status": "ready", "parts": {"store": {"ready": True, "code": None}}}


async def test_the_part_that_fails_is_named_and_others_make_up_for_it(served: Served) -> None:
    async def down() -> None:
        raise Unavailable("The queue does not answer.", code="queue_down")

    async def broken() -> None:
        raise ValueError("some secret words")

    async def fine() -> None:
        return None

    async with probed(
        served.services, probes={"queue": down, "worker": broken, "keys": fine}
    ) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "degraded",
        "parts": {
            "store": {"ready": True, "code": None},
            "queue": {"ready": False, "code": "queue_down"},
            "worker": {"ready": False, "code": "server_error"},
            "keys": {"ready": True, "code": None},
        },
    }


async def test_without_the_keys_nobody_should_come(served: Served) -> None:
    async def down() -> None:
        raise Unavailable("The keys cannot be read.", code="keys_down")

    async with probed(served.services, probes={"keys": down}) as client:
        answer = await client.get("/readyz")
        numbers = await client.get("/metrics")
    assert (answer.status_code, answer.json()["status"]) == (503, "unready")
    assert answer.headers["retry-after"] == "1"
    assert 'tertulia_part_ready{part="keys"} 0' in numbers.text
    assert 'tertulia_part_ready{part="store"} 1' in numbers.text


async def test_a_part_that_hangs_is_not_ready(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(health, "PROBE_SECONDS", 0.0)
    async with probed(served.services, probes={"log": hangs}) as client:
        parts = (await client.get("/readyz")).json()["parts"]
    assert parts["log"] == {"ready": False, "code": "timeout"}


async def test_a_server_that_stops_sends_clients_elsewhere(served: Served) -> None:
    async with probed(served.services, draining=lambda: True) as client:
        answer = await client.get("/readyz")
        alive = await client.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (503, "draining")
    assert alive.status_code == 200
