from __future__ import annotations

from typing import Any

import pytest
from tests.support.served import (
    ANN,
    PASSWORD,
    Served,
    bearer,
    cookie_of,
    error_of,
    registered,
)
from tests.transports.conftest import Serve

from tertulia import __version__

# --- registration ----------------------------------------------------------------------------


async def test_registering_signs_in(served: Served) -> None:
    client, answer = await registered(served, email=" Ann@Example.org ")
    session = answer.json()
    user = session.pop("user")
    assert session.pop("access_token")
    assert session == {"token_type": "Bearer", "expires_in": 900}
    assert user.pop("id").startswith("user_")
    assert user == {"email": "ann@example.org", "role": "user"}
    me = (await client.get("/v1/me", headers=bearer(answer))).json()
    assert me["email"] == "ann@example.org"
    assert answer.headers["cache-control"] == "no-store"


async def test_the_cookie_is_for_our_own_pages_only(served: Served) -> None:
    _, answer = await registered(served)
    cookie = cookie_of(answer)
    assert cookie["httponly"]
    assert cookie["samesite"].lower() == "strict"
    assert cookie["path"] == "/auth"
    assert int(cookie["max-age"]) == 30 * 86_400
    assert not cookie["secure"]
    assert cookie.value not in answer.text
    client = await served.client("https://127.0.0.1:8484")
    assert cookie_of(await client.post("/auth/login", json=ANN))["secure"]


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({**ANN, "password": "short"}, "weak_password", "password"),
        ({**ANN, "email": "not an address"}, "invalid_email", "email"),
        ({**ANN, "email": ""}, "invalid_email", "email"),
        ({**ANN, "email": 7}, "unprocessable", "email"),
        ({**ANN, "password": None}, "unprocessable", "password"),
        ({**ANN, "password": "x" * 1025}, "unprocessable", "password"),
        ({**ANN, "role": "admin"}, "unknown_field", "role"),
        ({"email": ANN["email"]}, "missing_field", "password"),
        ({}, "missing_field", "email"),
    ],
)
async def test_registrations_that_are_wrong(
    served: Served, body: dict[str, Any], code: str, param: str
) -> None:
    client = await served.client()
    error = error_of(await client.post("/auth/register", json=body), 422)
    assert (error["code"], error["param"]) == (code, param)
    assert "set-cookie" not in (await client.post("/auth/register", json=body)).headers


async def test_one_account_per_address(served: Served) -> None:
    await registered(served)
    client = await served.client()
    taken = {**ANN, "email": "ANN@example.org"}
    assert error_of(await client.post("/auth/register", json=taken), 409)["code"] == "email_taken"


@pytest.mark.parametrize(
    ("settings", "opened"),
    [
        ({}, True),
        ({"registration": "closed"}, False),
        ({"host": "0.0.0.0"}, False),
        ({"host": "0.0.0.0", "registration": "open"}, True),
    ],
)
async def test_off_loopback_registration_is_opened_by_hand(
    serve: Serve, settings: dict[str, Any], opened: bool
) -> None:
    served = await serve(**settings)
    client = await served.client()
    config = (await client.get("/auth/config")).json()
    assert config == {
        "auth": True,
        "registration": "open" if opened else "closed",
        "version": __version__,
    }
    answer = await client.post("/auth/register", json=ANN)
    if opened:
        assert answer.status_code == 201
    else:
        assert error_of(answer, 403)["code"] == "registration_closed"


# --- signing in ------------------------------------------------------------------------------


async def test_signing_in(served: Served) -> None:
    _, first = await registered(served)
    client = await served.client()
    answer = await client.post("/auth/login", json={**ANN, "email": "ANN@EXAMPLE.ORG"})
    assert answer.status_code == 200
    assert answer.json()["user"] == first.json()["user"]
    assert (await client.get("/v1/me", headers=bearer(answer))).status_code == 200


async def test_wrong_password_and_unknown_address_look_the_same(served: Served) -> None:
    await registered(served)
    client = await served.client()
    answers = [
        await client.post("/auth/login", json={**ANN, **wrong})
        for wrong in (
            {"password": PASSWORD + "x"},
            {"password": ""},
            {"email": "nobody@example.org"},
            {"email": "no address"},
        )
    ]
    errors = [error_of(answer, 401) for answer in answers]
    assert all(error == errors[0] for error in errors)
    assert errors[0]["code"] == "invalid_credentials"
    assert all("set-cookie" not in answer.headers for answer in answers)


async def test_an_account_can_be_tried_ten_times_in_five_minutes(served: Served) -> None:
    await registered(served)
    for number in range(10):
        client = await served.client(client=(f"10.0.0.{number}", 1))
        error_of(await client.post("/auth/login", json={**ANN, "password": "wrong one"}), 401)
    client = await served.client(client=("10.0.1.1", 1))
    refusal = await client.post("/auth/login", json=ANN)
    assert error_of(refusal, 429)["code"] == "too_many_attempts"
    assert 1 <= int(refusal.headers["retry-after"]) <= 300
    other = {"email": "ben@example.org", "password": PASSWORD}
    assert (await client.post("/auth/register", json=other)).status_code == 201
    served.clock.pass_by(301)
    assert (await client.post("/auth/login", json=ANN)).status_code == 200


async def test_the_right_password_clears_the_count(served: Served) -> None:
    await registered(served)
    client = await served.client()
    wrong = {**ANN, "password": "wrong one"}
    for _ in range(2):
        for _ in range(9):
            error_of(await client.post("/auth/login", json=wrong), 401)
        assert (await client.post("/auth/login", json=ANN)).status_code == 200


@pytest.mark.parametrize(
    ("addresses", "other"),
    [
        (["10.0.0.1"] * 50, "10.0.0.2"),
        # Whoever has one IPv6 address has 2⁶⁴ of them.
        ([f"2001:db8::{number:x}" for number in range(50)], "2001:db8:0:1::1"),
        (["::ffff:10.0.0.1"] * 25 + ["10.0.0.1"] * 25, "10.0.0.2"),
    ],
)
async def test_an_address_can_try_fifty_times(
    served: Served, addresses: list[str], other: str
) -> None:
    for number, address in enumerate(addresses):
        client = await served.client(client=(address, 1))
        body = {**ANN, "email": f"user{number}@example.org"}
        error_of(await client.post("/auth/login", json=body), 401)
    client = await served.client(client=(addresses[0], 1))
    refusal = await client.post("/auth/login", json=ANN)
    assert error_of(refusal, 429)["code"] == "too_many_attempts"
    error_of(await client.post("/auth/register", json=ANN), 429)
    client = await served.client(client=(other, 1))
    error_of(await client.post("/auth/login", json=ANN), 401)
