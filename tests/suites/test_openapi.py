"""The OpenAPI document against the server it describes: schemathesis sends what it allows and what
it forbids, and every example in it is sent as it stands."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema_rs import Draft202012Validator
from tests.e2e.server import Server
from tests.suites.conftest import BIN
from tests.support.images import png
from tests.support.weights import minilm

from tertulia import bootstrap

CONFIG = Path(__file__).with_name("schemathesis.toml")
DOCUMENT = bootstrap.openapi()
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
#: They belong together, and have a test of their own.
SIGN_IN = [name for name in OPERATIONS if name.startswith("auth_")]
#: Not by the key that all others are tried with.
LAST = "me_delete"

LIMITS = {
    "TERTULIA_LIMITS__REQUESTS_PER_MINUTE": "1000000",
    "TERTULIA_LIMITS__REQUESTS_PER_MINUTE_IP": "1000000",
    "TERTULIA_LIMITS__CONNECTIONS_PER_USER": "1000",
    "TERTULIA_REGISTRATION": "open",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("openapi") / "data"
    environment = dict(LIMITS)
    try:
        asyncio.run(minilm(data))
    except pytest.skip.Exception:
        environment["TERTULIA_EMBEDDING"] = "none"
    started = Server(data, environment=environment)
    started.start()
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def key(server: Server) -> str:
    return server.api_key("examples@example.org")


@pytest.fixture
def client(server: Server, key: str) -> Iterator[httpx.Client]:
    with server.client(key) as client:
        yield client


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in {*SIGN_IN, LAST}])
def test_every_example_is_answered_as_documented(client: httpx.Client, name: str) -> None:
    if name == "embeddings_create" and not embeds(client):
        pytest.skip("no embedding model")
    method, path, operation = OPERATIONS[name]
    for example in examples(operation):
        url = path.format_map(made(client, path))
        if name == "conversations_restore":
            client.delete(url.removesuffix("/restore"))
        with client.stream(method, url, **example) as answer:
            if name == "feed":
                assert answer.headers["content-type"].startswith("text/event-stream")
                first = next(line for line in answer.iter_lines() if line.startswith("data: "))
                hold("FeedMessage", json.loads(first[6:]))
                continue
            answer.read()
        check(operation, answer)


def test_the_examples_of_signing_in(server: Server) -> None:
    with server.client() as client:
        for name in ("config", "register", "login", "refresh", "change_password", "logout"):
            method, path, operation = OPERATIONS[f"auth_{name}"]
            for example in examples(operation):
                answer = client.request(method, path, **example)
                check(operation, answer)
                if "access_token" in answer.text:
                    token = answer.json()["access_token"]
                    client.headers["authorization"] = f"Bearer {token}"
        assert len(SIGN_IN) == 6


def test_the_example_of_leaving(server: Server) -> None:
    method, path, operation = OPERATIONS[LAST]
    (example,) = examples(operation)
    account = {"email": "leaver@example.org", **example["json"]}
    with server.client() as client:
        token = client.post("/auth/register", json=account).json()["access_token"]
        client.headers["authorization"] = f"Bearer {token}"
        check(operation, client.request(method, path, **example))


def test_every_body_has_an_example() -> None:
    bodies = {name: one for name, (_, _, one) in OPERATIONS.items() if "requestBody" in one}
    assert len(bodies) > 10
    for name, operation in bodies.items():
        (media, content), *_ = operation["requestBody"]["content"].items()
        assert media == "multipart/form-data" or content["examples"], name
        for one in content.get("examples", {}).values():
            assert not errors(content["schema"], one["value"]), name


def test_schemathesis_finds_nothing(server: Server, key: str, tmp_path: Path) -> None:
    """No 5xx, no status, type, header or body that the document does not tell of. Last, for it
    makes accounts and changes what it finds."""
    (tmp_path / "openapi.json").write_text(json.dumps(DOCUMENT))
    done = subprocess.run(
        [
            *(BIN / "schemathesis", "--no-color", "--config-file", CONFIG, "run", "openapi.json"),
            *("--url", server.url, "-H", f"Authorization: Bearer {key}"),
            *("--warnings", "off"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=115,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    tested = len(OPERATIONS)
    assert f"Selected: {tested}/{tested}" in done.stdout


def examples(operation: dict[str, Any]) -> list[dict[str, Any]]:
    """Arguments of a request, for each example; of a form, one that is made here."""
    content = operation.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in content:
        return [{"data": {"purpose": "vision"}, "files": {"file": ("plan.png", png())}}]
    if not content:
        return [{}]
    return [{"json": one["value"]} for one in content["application/json"]["examples"].values()]


def made(client: httpx.Client, path: str) -> dict[str, str]:
    """What the names in a path stand for, made for it."""
    ids = {"model_id": "scripted"}
    if "{conversation_id}" in path:
        said = {"items": [{"role": "user", "content": "Who comes?"}]}
        ids["conversation_id"] = client.post("/v1/conversations", json={}).json()["id"]
        added = client.post(f"/v1/conversations/{ids['conversation_id']}/items", json=said)
        ids["item_id"] = added.json()["data"][0]["id"]
    if "{response_id}" in path:
        ids["response_id"] = client.post("/v1/responses", json={"input": "Who?"}).json()["id"]
    if "{file_id}" in path:
        form: dict[str, Any] = {"data": {"purpose": "vision"}, "files": {"file": png()}}
        ids["file_id"] = client.post("/v1/files", **form).json()["id"]
    if "{key_id}" in path:
        ids["key_id"] = client.post("/v1/keys", json={"name": "old"}).json()["id"]
    return ids


def embeds(client: httpx.Client) -> bool:
    models = client.get("/v1/models").json()["data"]
    return any(model["type"] == "embedding" for model in models)


def check(operation: dict[str, Any], answer: httpx.Response) -> None:
    """It is the documented success, in the documented shape."""
    status = next(code for code in operation["responses"] if code.startswith("2"))
    assert str(answer.status_code) == status, answer.text
    contents = operation["responses"][status].get("content", {})
    if not contents:
        assert not answer.content
        return
    kind = answer.headers["content-type"].partition(";")[0]
    if kind == "application/json":
        found = errors(contents[kind]["schema"], answer.json())
        assert not found, "\n".join(found)
    elif kind == "text/event-stream":
        *lines, last = [line for line in answer.text.splitlines() if line.startswith("data: ")]
        assert last == "data: [DONE]"
        data = contents[kind]["schema"]
        name = data["$ref"].rpartition("/")[2] if "$ref" in data else ""
        stream = DOCUMENT["components"]["schemas"][name] if name else data
        event = stream["properties"]["data"]["anyOf"][0]["contentSchema"]
        for line in lines:
            found = errors(event, json.loads(line[6:]))
            assert not found, "\n".join(found)
    else:
        assert kind in contents


def hold(name: str, value: Any) -> None:
    found = errors({"$ref": f"#/components/schemas/{name}"}, value)
    assert not found, "\n".join(found)


def errors(schema: dict[str, Any], value: Any) -> list[str]:
    validator = Draft202012Validator({**schema, "components": DOCUMENT["components"]})
    return [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(value)]
