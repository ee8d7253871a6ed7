"""Who calls: a bearer token or API key, or with ``--no-auth`` the one local user."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from tertulia.domain.principal import Principal
from tertulia.errors import Forbidden, RateLimited, Unauthorized
from tertulia.transports.guard import same_origin
from tertulia.transports.services import Services, services_of

_bearer = HTTPBearer(
    auto_error=False,
    description="An access token of `/auth/login`, or an API key (`sk-…`).",
)


def address_of(connection: HTTPConnection) -> str:
    """What limits per address count: an IPv4 address, or the /64 that an IPv6 one is in."""
    return _limited(connection.client.host if connection.client else "")


@lru_cache(maxsize=4096)
def _limited(host: str) -> str:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, 64), strict=False).network_address)
        address = address.ipv4_mapped
    return str(address)


async def identify(services: Services, token: str | None, address: str) -> Principal:
    """The principal behind a token, for every transport. ``address`` as `address_of` gives it.

    Raises:
        Unauthorized: no token, or one that is wrong, expired or revoked.
        RateLimited: too many requests from the address; checked before the token.
    """
    if not services.settings.auth:
        return await services.accounts.local_principal()
    await _limit(services, f"ip:{address}", services.settings.limits.requests_per_minute_ip)
    if not token:
        raise Unauthorized(
            "This needs credentials: send `Authorization: Bearer` with an access token or API key."
        )
    return await services.accounts.authenticate(token)


async def limit_creation(services: Services, principal: Principal) -> None:
    """Count a request that makes something.

    Raises:
        RateLimited: the user has made too many within a minute.
    """
    limit = services.settings.limits.requests_per_minute
    await _limit(services, f"create:{principal.user_id}", limit)


async def _limit(services: Services, key: str, limit: int) -> None:
    wait = await services.limiter.hit(key, limit=limit, seconds=60.0)
    if wait > 0:
        raise RateLimited("Too many requests; slow down.", retry_after=wait)


def token_of(connection: HTTPConnection) -> str | None:
    """The bearer token of the Authorization header."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def principal_of(connection: HTTPConnection) -> Principal:
    """The principal of a request or of a socket's handshake, by its headers."""
    principal = await identify(
        services_of(connection), token_of(connection), address_of(connection)
    )
    connection.state.principal = principal
    return principal


async def _required(
    request: Request,
    _: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Principal:
    return await principal_of(request)


#: A route's parameter that admits only known callers.
Caller = Annotated[Principal, Depends(_required)]


def require_same_origin(request: Request) -> None:
    """For what a cookie authorises: no other site, nor another port of this one, may ask.

    Raises:
        Forbidden: code ``cross_origin``.
    """
    origin = request.headers.get("origin")
    fetched = request.headers.get("sec-fetch-site")
    if (origin is not None and not same_origin(origin, request.scope)) or (
        fetched is not None and fetched != "same-origin"
    ):
        raise Forbidden("Only this server's own pages may do this.", code="cross_origin")
