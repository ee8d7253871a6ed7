"""A login's life: renewed by the cookie, raced by tabs, ended by its owner or by a thief."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from tests.support.served import (
    ANN,
    BASE,
    PASSWORD,
    Served,
    bearer,
    cookie_of,
    error_of,
    refresh_with,
    registered,
)
from tests.transports.conftest import Serve

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
