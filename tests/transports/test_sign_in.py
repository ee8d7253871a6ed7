from __future__ import annotations

import asyncio
from http.cookies import Morsel, SimpleCookie
from typing import Any

import httpx
import pytest
from tests.support.served import BASE, PASSWORD, Served, error_of
from tests.transports.conftest import Serve

from tertulia import __version__

ANN = {"email": "ann@example.org", "password": PASSWORD}


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


# --- refreshing ------------------------------------------------------------------------------


async def test_the_cookie_gives_new_tokens(served: Served) -> None:
    client, first = await registered(served)
    served.clock.pass_by(10)
    second = await client.post("/auth/refresh")
    assert second.status_code == 200
    assert second.json()["user"] == first.json()["user"]
    assert second.json()["access_token"] != first.json()["access_token"]
    assert cookie_of(second).value != cookie_of(first).value
    assert (await client.get("/v1/me", headers=bearer(second))).status_code == 200
    third = await client.post("/auth/refresh")
    assert cookie_of(third).value != cookie_of(second).value


async def test_tabs_that_race_get_the_same_cookie(served: Served) -> None:
    _, first = await registered(served)
    old = cookie_of(first).value
    answers = [await refresh_with(served, old) for _ in range(3)]
    served.clock.pass_by(60)
    answers.append(await refresh_with(served, old))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({cookie_of(answer).value for answer in answers}) == 1
    assert (await refresh_with(served, cookie_of(answers[0]).value)).status_code == 200


async def test_tabs_that_race_at_the_same_moment_both_succeed(served: Served) -> None:
    _, first = await registered(served)
    old = cookie_of(first).value
    answers = await asyncio.gather(*(refresh_with(served, old) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({cookie_of(answer).value for answer in answers}) == 1


async def test_a_replaced_token_shown_late_ends_the_login(served: Served) -> None:
    client, first = await registered(served)
    second = await client.post("/auth/refresh")
    served.clock.pass_by(61)
    stolen = await refresh_with(served, cookie_of(first).value)
    assert error_of(stolen, 401)["code"] == "invalid_session"
    assert error_of(await client.post("/auth/refresh"), 401)["code"] == "invalid_session"
    error_of(await client.get("/v1/me", headers=bearer(second)), 401)


async def test_a_token_from_long_ago_ends_the_login_too(served: Served) -> None:
    client, first = await registered(served)
    for _ in range(3):
        assert (await client.post("/auth/refresh")).status_code == 200
    error_of(await refresh_with(served, cookie_of(first).value), 401)
    error_of(await client.post("/auth/refresh"), 401)


async def test_a_device_that_stays_away_is_signed_out(served: Served) -> None:
    client, _ = await registered(served)
    served.clock.pass_by(29 * 86_400)
    cookie = cookie_of(await client.post("/auth/refresh")).value
    served.clock.pass_by(29 * 86_400)
    assert (await refresh_with(served, cookie)).status_code == 200
    served.clock.pass_by(31 * 86_400)
    error_of(await refresh_with(served, cookie), 401)


@pytest.mark.parametrize("token", ["", "x", "login_1.x.y", "\u00e9"])
async def test_cookies_we_did_not_make(served: Served, token: str) -> None:
    client = await served.client()
    header = (b"cookie", f"tertulia_refresh={token}".encode("latin-1"))
    answer = await client.post("/auth/refresh", headers=httpx.Headers([header]))
    assert error_of(answer, 401)["code"] == "invalid_session"
    assert error_of(await client.post("/auth/refresh"), 401)["code"] == "invalid_session"


# --- other sites -----------------------------------------------------------------------------

COOKIE_CALLS = ["/auth/register", "/auth/login", "/auth/refresh", "/auth/logout"]


@pytest.mark.parametrize("path", COOKIE_CALLS)
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://page.example"},  # may call the API, but not use the cookie
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ],
)
async def test_other_pages_cannot_use_the_cookie(
    serve: Serve, path: str, headers: dict[str, str]
) -> None:
    served = await serve(allowed_origins=("https://page.example",))
    client, _ = await registered(served)
    refusal = await client.post(path, json=ANN, headers=headers)
    assert error_of(refusal, 403)["code"] == "cross_origin"
    own = {"origin": BASE, "sec-fetch-site": "same-origin"}
    assert (await client.post("/auth/refresh", headers=own)).status_code == 200


# --- signing out, and changing the password --------------------------------------------------


async def test_signing_out_ends_the_login_at_once(served: Served) -> None:
    client, session = await registered(served)
    other = await served.client()
    stays = await other.post("/auth/login", json=ANN)
    cookie = cookie_of(session).value
    answer = await client.post("/auth/logout", headers=bearer(session))
    assert answer.status_code == 204
    assert cookie_of(answer).value == ""
    assert cookie_of(answer)["max-age"] == "0"
    error_of(await refresh_with(served, cookie), 401)
    assert error_of(await client.get("/v1/me", headers=bearer(session)), 401)["code"] == (
        "session_ended"
    )
    assert (await other.get("/v1/me", headers=bearer(stays))).status_code == 200


async def test_either_token_will_do_to_sign_out(served: Served) -> None:
    client, session = await registered(served)
    bare = await served.client()
    assert (await bare.post("/auth/logout", headers=bearer(session))).status_code == 204
    error_of(await client.post("/auth/refresh"), 401)
    assert (await bare.post("/auth/logout")).status_code == 204
    bad = {"authorization": "Bearer nonsense"}
    assert (await bare.post("/auth/logout", headers=bad)).status_code == 204


async def test_changing_the_password_ends_other_logins(served: Served) -> None:
    client, session = await registered(served)
    other = await served.client()
    elsewhere = await other.post("/auth/login", json=ANN)
    new = "another fine password"
    changed = await client.post(
        "/auth/password",
        json={"current_password": PASSWORD, "new_password": new},
        headers=bearer(session),
    )
    assert changed.status_code == 204
    error_of(await other.get("/v1/me", headers=bearer(elsewhere)), 401)
    error_of(await other.post("/auth/refresh"), 401)
    assert (await client.get("/v1/me", headers=bearer(session))).status_code == 200
    assert (await client.post("/auth/refresh")).status_code == 200
    error_of(await other.post("/auth/login", json=ANN), 401)
    assert (await other.post("/auth/login", json={**ANN, "password": new})).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"current_password": "wrong one", "new_password": "good enough"}, 401, None),
        ({"current_password": PASSWORD, "new_password": "short"}, 422, "weak_password"),
        ({"current_password": PASSWORD, "new_password": "x" * 1025}, 422, "weak_password"),
        ({"new_password": "good enough"}, 422, "missing_field"),
    ],
)
async def test_password_changes_that_are_refused(
    served: Served, body: dict[str, str], status: int, code: str | None
) -> None:
    client, session = await registered(served)
    error = error_of(
        await client.post("/auth/password", json=body, headers=bearer(session)), status
    )
    assert error["code"] == (code or "invalid_credentials")
    assert (await client.post("/auth/login", json=ANN)).status_code == 200


async def test_a_found_access_token_cannot_try_passwords_for_long(served: Served) -> None:
    client, session = await registered(served)
    body = {"current_password": "wrong one", "new_password": "good enough"}
    for _ in range(10):
        error_of(await client.post("/auth/password", json=body, headers=bearer(session)), 401)
    error_of(await client.post("/auth/password", json=body, headers=bearer(session)), 429)


# --- without sign-in -------------------------------------------------------------------------


async def test_without_sign_in_there_is_one_local_admin(serve: Serve) -> None:
    served = await serve(auth=False)
    client = await served.client()
    assert (await client.get("/auth/config")).json()["auth"] is False
    me = (await client.get("/v1/me")).json()
    assert (me["id"], me["role"]) == (f"user_{'0' * 32}", "admin")
    session = (await client.post("/auth/refresh")).json()
    assert session["access_token"] == ""
    assert session["user"]["id"] == me["id"]
    # SDKs insist on a key; it does not matter which.
    answer = await client.get("/v1/me", headers={"authorization": "Bearer sk-anything"})
    assert answer.json() == me
    error_of(await client.post("/auth/login", json=ANN), 403)
    error_of(await client.post("/auth/register", json=ANN), 403)
    assert (await client.post("/auth/logout")).status_code == 204


async def test_the_local_user_is_made_once(serve: Serve) -> None:
    served = await serve(auth=False)
    client = await served.client()
    answers = await asyncio.gather(*(client.get("/v1/me") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}


async def test_without_sign_in_other_names_are_refused_still(serve: Serve) -> None:
    served = await serve(auth=False)
    client = await served.client("http://rebound.example:8484")
    assert error_of(await client.get("/v1/me"), 421)["code"] == "host_not_allowed"
    client = await served.client()
    answer = await client.get("/v1/me", headers={"origin": "http://rebound.example:8484"})
    assert error_of(answer, 403)["code"] == "origin_not_allowed"
