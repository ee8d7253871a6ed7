"""Who may call: tokens, keys, the user's own resources, and limits."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.support.served import PASSWORD, Served, error_of
from tests.transports.conftest import Serve

from tertulia.domain.principal import Principal
from tertulia.errors import NotFound, Unauthorized
from tertulia.settings import Limits
from tertulia.transports.auth import identify

GUARDED = [
    ("GET", "/v1/me"),
    ("PATCH", "/v1/me"),
    ("DELETE", "/v1/me"),
    ("GET", "/v1/keys"),
    ("POST", "/v1/keys"),
    ("DELETE", "/v1/keys/key_1"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/scripted"),
    ("POST", "/v1/embeddings"),
    ("POST", "/v1/responses/input_tokens"),
    ("GET", "/v1/responses/resp_1/context"),
    ("POST", "/auth/password"),
    ("GET", "/v1/conversations"),
    ("POST", "/v1/conversations"),
    ("GET", "/v1/conversations/conv_1"),
    ("POST", "/v1/conversations/conv_1"),
    ("DELETE", "/v1/conversations/conv_1"),
    ("POST", "/v1/conversations/conv_1/restore"),
    ("POST", "/v1/conversations/conv_1/head"),
    ("GET", "/v1/conversations/conv_1/tree"),
    ("GET", "/v1/conversations/conv_1/items"),
    ("POST", "/v1/conversations/conv_1/items"),
    ("GET", "/v1/conversations/conv_1/items/msg_1"),
    ("DELETE", "/v1/conversations/conv_1/items/msg_1"),
]


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_strangers_are_turned_away_before_anything_is_read(
    served: Served, method: str, path: str
) -> None:
    client = await served.client()
    json = {"content-type": "application/json"}
    body = b"{not json" if method in {"POST", "PATCH"} else None
    answer = await client.request(method, path, content=body, headers=json)
    assert error_of(answer, 401)["type"] == "authentication_error"
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Basic YTpi", "Bearer sk-nothing"],
)
async def test_credentials_that_are_none(served: Served, header: str) -> None:
    client = await served.client()
    error_of(await client.get("/v1/me", headers={"authorization": header}), 401)


async def test_an_access_token_ends_after_fifteen_minutes(
    served: Served, ann: httpx.AsyncClient
) -> None:
    served.clock.pass_by(899)
    assert (await ann.get("/v1/me")).status_code == 200
    served.clock.pass_by(1)
    assert error_of(await ann.get("/v1/me"), 401)["code"] == "token_expired"


# --- keys ------------------------------------------------------------------------------------


async def made_key(client: httpx.AsyncClient, name: str = "laptop") -> dict[str, Any]:
    answer = await client.post("/v1/keys", json={"name": name})
    assert answer.status_code == 201
    key: dict[str, Any] = answer.json()
    return key


async def with_key(served: Served, secret: str) -> httpx.AsyncClient:
    return await served.client(headers={"authorization": f"Bearer {secret}"})


async def test_a_key_is_shown_once_and_works_until_revoked(
    served: Served, ann: httpx.AsyncClient
) -> None:
    key = await made_key(ann)
    secret = key.pop("key")
    assert secret.startswith("sk-")
    assert len(secret) >= 40
    assert secret.startswith(key["prefix"])
    assert len(key["prefix"]) < 12
    assert key["id"].startswith("key_")
    assert (key["name"], key["created_at"], key["last_used_at"]) == (
        "laptop",
        int(served.clock.now),
        None,
    )
    assert (await ann.get("/v1/keys")).json() == {"object": "list", "data": [key]}
    program = await with_key(served, secret)
    assert (await program.get("/v1/me")).json() == (await ann.get("/v1/me")).json()
    used = (await ann.get("/v1/keys")).json()["data"][0]
    assert used["last_used_at"] == int(served.clock.now)
    assert (await ann.delete(f"/v1/keys/{key['id']}")).status_code == 204
    assert error_of(await program.get("/v1/me"), 401)["code"] == "invalid_api_key"
    assert (await ann.get("/v1/keys")).json()["data"] == []
    error_of(await ann.delete(f"/v1/keys/{key['id']}"), 404)


async def test_a_key_does_not_expire_with_the_login(served: Served, ann: httpx.AsyncClient) -> None:
    program = await with_key(served, (await made_key(ann))["key"])
    await ann.post("/auth/logout")
    served.clock.pass_by(365 * 86_400)
    assert (await program.get("/v1/me")).status_code == 200


async def test_keys_of_others_are_not_there(ann: httpx.AsyncClient, ben: httpx.AsyncClient) -> None:
    key = await made_key(ann)
    assert (await ben.get("/v1/keys")).json()["data"] == []
    foreign = error_of(await ben.delete(f"/v1/keys/{key['id']}"), 404)
    unknown = error_of(await ben.delete("/v1/keys/key_unknown"), 404)
    assert foreign["code"] == unknown["code"]
    assert len((await ann.get("/v1/keys")).json()["data"]) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "missing_field"),
        ({"name": ""}, "unprocessable"),
        ({"name": "x" * 101}, "unprocessable"),
        ({"name": 7}, "unprocessable"),
        ({"name": "x", "scopes": []}, "unknown_field"),
    ],
)
async def test_keys_that_cannot_be_made(
    ann: httpx.AsyncClient, body: dict[str, Any], code: str
) -> None:
    error = error_of(await ann.post("/v1/keys", json=body), 422)
    assert error["code"] == code
    assert error["param"] in {"name", "scopes"}


# --- me --------------------------------------------------------------------------------------


async def test_a_profile_is_changed_field_by_field(ann: httpx.AsyncClient) -> None:
    me = (await ann.get("/v1/me")).json()
    assert set(me) == {"id", "email", "role", "instructions", "default_model"}
    assert (me["instructions"], me["default_model"]) == (None, None)
    for change, seen in [
        ({"instructions": "Be brief. 🙂"}, ("Be brief. 🙂", None)),
        ({"default_model": "scripted"}, ("Be brief. 🙂", "scripted")),
        ({}, ("Be brief. 🙂", "scripted")),
        ({"instructions": None}, (None, "scripted")),
        ({"instructions": "", "default_model": None}, (None, None)),
        ({"instructions": "x" * 32_768}, ("x" * 32_768, None)),
    ]:
        answer = await ann.patch("/v1/me", json=change)
        assert answer.status_code == 200
        assert (answer.json()["instructions"], answer.json()["default_model"]) == seen
        assert (await ann.get("/v1/me")).json() == answer.json()


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"instructions": "x" * 32_769}, "instructions", "unprocessable"),
        ({"instructions": 7}, "instructions", "unprocessable"),
        ({"default_model": "no-such-model"}, "default_model", "model_not_found"),
        ({"role": "admin"}, "role", "unknown_field"),
        ({"email": "new@example.org"}, "email", "unknown_field"),
    ],
)
async def test_profiles_that_are_wrong(
    ann: httpx.AsyncClient, body: dict[str, Any], param: str, code: str
) -> None:
    error = error_of(await ann.patch("/v1/me", json=body), 422)
    assert (error["param"], error["code"]) == (param, code)


# --- made by the command line ----------------------------------------------------------------


async def test_admins_come_from_the_command_line(served: Served) -> None:
    accounts = served.services.accounts
    user = await accounts.create_user(" Root@Example.org", PASSWORD, admin=True)
    assert (user.role, user.email) == ("admin", "root@example.org")
    client = await served.client()
    body = {"email": "root@example.org", "password": PASSWORD}
    assert (await client.post("/auth/login", json=body)).json()["user"]["role"] == "admin"
    _, secret = await accounts.create_key_for("ROOT@example.org", "ci")
    program = await with_key(served, secret)
    assert (await program.get("/v1/me")).json()["role"] == "admin"
    with pytest.raises(NotFound):
        await accounts.create_key_for("nobody@example.org", "ci")


# --- live connections ------------------------------------------------------------------------


async def principal_of(served: Served, client: httpx.AsyncClient) -> Principal:
    token = client.headers["authorization"].removeprefix("Bearer ")
    return await identify(served.services, token, "127.0.0.1")


async def test_a_live_connection_learns_that_its_login_ended(
    served: Served, ann: httpx.AsyncClient
) -> None:
    accounts = served.services.accounts
    principal = await principal_of(served, ann)
    assert principal.login_id is not None
    assert principal.expires_at == served.clock.now + 900
    await accounts.recheck(principal)
    # As another process would: nothing in this one is told.
    await served.store.revoke_login(principal.login_id)
    with pytest.raises(Unauthorized) as caught:
        await accounts.recheck(principal)
    assert caught.value.code == "session_ended"


async def test_a_login_revoked_elsewhere_is_noticed_within_a_minute(
    served: Served, ann: httpx.AsyncClient
) -> None:
    principal = await principal_of(served, ann)
    assert principal.login_id is not None
    await served.store.revoke_login(principal.login_id)
    served.clock.pass_by(60)
    assert error_of(await ann.get("/v1/me"), 401)["code"] == "session_ended"


async def test_a_live_connection_learns_that_its_token_or_key_ended(
    served: Served, ann: httpx.AsyncClient
) -> None:
    accounts = served.services.accounts
    by_token = await principal_of(served, ann)
    key = await made_key(ann)
    by_key = await principal_of(served, await with_key(served, key["key"]))
    assert by_key.expires_at is None
    await ann.delete(f"/v1/keys/{key['id']}")
    served.clock.pass_by(900)
    for principal in (by_token, by_key):
        with pytest.raises(Unauthorized):
            await accounts.recheck(principal)
    await accounts.recheck(Principal("user_local"))


# --- limits ----------------------------------------------------------------------------------


async def test_an_address_has_so_many_requests_a_minute(serve: Serve) -> None:
    served = await serve(limits=Limits(requests_per_minute_ip=5))
    client = await served.user()
    for _ in range(5):
        assert (await client.get("/v1/me")).status_code == 200
    assert error_of(await client.get("/v1/me"), 429)["code"] == "rate_limit_exceeded"
    elsewhere = await served.client(client=("10.0.0.9", 1), headers=client.headers)
    assert (await elsewhere.get("/v1/me")).status_code == 200
    assert (await client.get("/healthz")).status_code == 200
    served.clock.pass_by(61)
    assert (await client.get("/v1/me")).status_code == 200


async def test_a_user_makes_so_many_things_a_minute(serve: Serve) -> None:
    served = await serve(limits=Limits(requests_per_minute=3))
    client, other = await served.user(), await served.user()
    for _ in range(3):
        assert (await client.post("/v1/conversations")).status_code == 200
    error_of(await client.post("/v1/conversations"), 429)
    error_of(await client.post("/v1/keys", json={"name": "x"}), 429)
    assert (await client.get("/v1/conversations")).status_code == 200
    assert (await other.post("/v1/conversations")).status_code == 200
