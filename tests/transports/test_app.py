"""What holds for every answer: its shape, its headers, its line in the log, its documentation."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.support.logs import quiet_again
from tests.support.served import BASE, PASSWORD, Served, error_of
from tests.transports.conftest import Serve

from tertulia import telemetry
from tertulia.transports.app import create_app

CANARY = "canary-7f3a-words"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    out = io.StringIO()
    with quiet_again():
        telemetry.configure(level="debug", form="json", stream=out)
        yield out


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


async def test_errors_of_the_router_have_our_shape(ann: httpx.AsyncClient) -> None:
    assert error_of(await ann.get("/v1/nothing"), 404)["code"] == "not_found"
    assert error_of(await ann.post("/v1/nothing"), 404)["code"] == "not_found"
    assert error_of(await ann.put("/v1/me"), 405)["code"] == "method_not_allowed"
    assert error_of(await ann.get("/v1/me/"), 404)["code"] == "not_found"


async def test_a_fault_of_ours_is_500_and_logs_no_message(
    served: Served, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: Any) -> None:
        secret = ValueError(CANARY)
        raise RuntimeError(f"while reading {CANARY}") from secret

    client = await served.user()
    monkeypatch.setattr(type(served.services.accounts), "keys", fails)
    answer = await client.get("/v1/keys")
    error = error_of(answer, 500)
    assert (error["type"], error["code"]) == ("server_error", "server_error")
    assert CANARY not in answer.text
    assert CANARY not in log.getvalue()
    line = next(line for line in lines(log) if line["event"] == "request failed")
    assert line["fault"] == ["builtins.RuntimeError", "builtins.ValueError"]
    assert any(" fails" in frame for frame in line["frames"])
    assert line["request_id"] == answer.headers["x-request-id"]
    assert line["request_id"] in error["message"]


async def test_a_request_leaves_one_line_without_content(served: Served, log: io.StringIO) -> None:
    client = await served.user(f"{CANARY}@example.org")
    me = (await client.get("/v1/me")).json()["id"]
    await client.post("/v1/conversations", json={"title": CANARY, "metadata": {"a": CANARY}})
    await client.get("/v1/conversations", params={"search": CANARY})
    await client.get(f"/v1/conversations/{CANARY}")
    await client.get(f"/{CANARY}")
    await client.post("/v1/conversations", content=CANARY)
    await client.post("/v1/conversations", json={"title": {"x": CANARY}})
    await client.post("/auth/login", json={"email": CANARY, "password": CANARY})
    await client.get("/v1/me", headers={"authorization": f"Bearer {CANARY}"})
    await client.get("/v1/me", headers={"origin": f"http://{CANARY}"})
    said = log.getvalue()
    assert CANARY not in said
    assert PASSWORD not in said
    assert client.headers["authorization"].removeprefix("Bearer ") not in said
    requests = [line for line in lines(log) if line["event"] == "request"]
    assert len(requests) == 11
    found = requests[3]
    assert (found["method"], found["route"], found["status"], found["user"]) == (
        "GET",
        "/v1/conversations",
        200,
        me,
    )
    assert found["ms"] >= 0
    assert found["level"] == "info"
    assert requests[4]["route"] == "/v1/conversations/{conversation_id}"
    assert requests[5]["route"] is None
    assert len({line["request_id"] for line in requests}) == 11


async def test_probes_are_not_worth_a_line(served: Served, log: io.StringIO) -> None:
    client = await served.client()
    await client.get("/healthz")
    await client.get("/readyz")
    assert [line["level"] for line in lines(log)] == ["debug", "debug"]


async def test_what_a_request_bound_ends_with_it(ann: httpx.AsyncClient) -> None:
    await ann.get("/v1/me")
    assert telemetry.request_id.get() is None


async def test_pages_of_allowed_origins_may_call_the_api(serve: Serve) -> None:
    page = "https://page.example"
    served = await serve(allowed_origins=(page,))
    client = await served.client()
    asked = {
        "origin": page,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    preflight = await client.options("/v1/conversations", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == page
    assert "access-control-allow-credentials" not in preflight.headers
    answer = await client.get("/auth/config", headers={"origin": page})
    assert answer.headers["access-control-allow-origin"] == page
    refused = await client.get("/auth/config", headers={"origin": "https://other.example"})
    assert error_of(refused, 403)["code"] == "origin_not_allowed"


# --- the OpenAPI document --------------------------------------------------------------------


async def test_every_operation_is_documented(served: Served) -> None:
    client = await served.client()
    document = (await client.get("/openapi.json")).json()
    assert document["info"]["title"] == "Tertulia"
    assert document["openapi"].startswith("3.1")
    schemes = document["components"]["securitySchemes"]
    assert {scheme["type"] for scheme in schemes.values()} == {"http", "apiKey"}
    named: set[str] = set()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation.get("summary"), where
            assert operation.get("description"), where
            assert operation["operationId"] not in named, where
            named.add(operation["operationId"])
            codes = set(operation["responses"])
            assert codes & {"200", "201", "204"}, where
            assert {"429", "500"} <= codes, where
            guarded = any("HTTPBearer" in each for each in operation.get("security", ()))
            assert guarded == ("401" in codes and path not in UNGUARDED), where
            for code in codes - {"200", "201", "204"}:
                schema = operation["responses"][code]["content"]["application/json"]["schema"]
                assert schema["$ref"].rpartition("/")[2] in {"ErrorResponse", "Readiness"}, where
            if operation.get("requestBody"):
                assert {"400", "413"} <= codes, where


UNGUARDED = {"/auth/login", "/auth/refresh", "/metrics"}


async def test_there_are_no_pages_that_load_from_elsewhere(served: Served) -> None:
    client = await served.client()
    for path in ("/docs", "/redoc"):
        error_of(await client.get(path), 404)


def test_an_application_is_made_of_its_services_alone(served: Served) -> None:
    assert create_app(served.services).state.services is served.services
    assert BASE.startswith("http://127.0.0.1")
