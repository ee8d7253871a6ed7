"""Whose request it is when a proxy passed it on: what limits per address count."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from tests.e2e.server import Server

pytestmark = pytest.mark.e2e

Serve = Callable[..., Server]
#: So few that none comes back while the test lasts.
LIMIT = 1


def turned_away(client: httpx.Client, *forwarded: str) -> list[int]:
    """The status of as many requests as an address may make, and of one more."""
    headers = [("x-forwarded-for", one) for one in forwarded]
    return [client.get("/v1/me", headers=headers).status_code for _ in range(LIMIT + 1)]


WITHIN = [401] * LIMIT
FULL, USED_UP = [*WITHIN, 429], [429] * (LIMIT + 1)


def test_a_trusted_proxy_s_clients_are_counted_each(serve: Serve) -> None:
    limit = {"TERTULIA_LIMITS__REQUESTS_PER_MINUTE_IP": str(LIMIT)}
    trusted = {"TERTULIA_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8"}
    with serve(environment={**limit, **trusted}).start().client() as client:
        assert turned_away(client, "203.0.113.1") == FULL
        assert turned_away(client, "203.0.113.2") == FULL
        # Through a second proxy of ours, in one header or in two.
        assert turned_away(client, "203.0.113.2, 10.1.2.3") == USED_UP
        assert turned_away(client, "203.0.113.2", "10.1.2.3") == USED_UP
        # What a client has written itself stands before what the proxy saw.
        assert turned_away(client, "198.51.100.7, 203.0.113.1") == USED_UP
        assert turned_away(client, "198.51.100.7", "203.0.113.1") == USED_UP
        assert turned_away(client, "10.9.9.9, 203.0.113.1") == USED_UP
        assert turned_away(client, "198.51.100.7") == FULL
        # A port does not make another client, and an IPv6 one has its /64.
        assert turned_away(client, "203.0.113.1:4711") == USED_UP
        assert turned_away(client, "2001:db8::1") == FULL
        assert turned_away(client, "[2001:db8::2]:80") == USED_UP


def test_nobody_else_is_believed(serve: Serve) -> None:
    limit = {"TERTULIA_LIMITS__REQUESTS_PER_MINUTE_IP": str(LIMIT)}
    for trusted in ("", "192.0.2.0/24"):
        # The library's own variable says nothing either.
        environment = {
            **limit,
            "TERTULIA_TRUSTED_PROXIES": trusted,
            "FORWARDED_ALLOW_IPS": "*",
        }
        with serve(environment=environment).start().client() as client:
            assert turned_away(client, "203.0.113.1") == FULL
            assert turned_away(client, "203.0.113.2") == USED_UP
            assert turned_away(client) == USED_UP
