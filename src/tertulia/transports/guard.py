"""Who may speak to this server at all, judged by the Host and Origin headers.

A page of a foreign site can make a browser send requests here, also to a server that listens on
loopback only, by letting its own name resolve to this machine (DNS rebinding). Such requests carry
that name as Host, and cross-origin ones carry their page's Origin. Both are checked on every
request and every socket, with and without sign-in.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from tertulia.errors import Forbidden, TertuliaError
from tertulia.settings import Settings
from tertulia.settings.tree import is_loopback
from tertulia.transports.errors import Misdirected, refuse

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SECURE = {"https", "wss"}


class Guard:
    """ASGI middleware; refuses with 421 (Host) or 403 (Origin)."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._bound = settings.host.strip("[]").lower()
        self._hosts = frozenset(name.strip("[]").lower() for name in settings.allowed_hosts)
        #: Hosts as they were named, and whether they are ours: few, and named by every request.
        self._known = lru_cache(maxsize=256)(self._answers_to)
        self._origins = frozenset(origin.rstrip("/").lower() for origin in settings.allowed_origins)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # No coroutine of its own, which every open connection would hold.
        if scope["type"] not in {"http", "websocket"}:
            return self._app(scope, receive, send)
        error = self._judge(scope)
        if error is None:
            return self._app(scope, receive, send)
        return refuse(error, scope, receive, send)

    def _judge(self, scope: Scope) -> TertuliaError | None:
        hosts = _values(scope, b"host")
        origins = _values(scope, b"origin")
        if len(hosts) != 1 or not self._known(hosts[0]):
            return Misdirected(
                "This server does not answer for the host that the request names; "
                "if it should, add the name to the setting allowed_hosts."
            )
        if any(not same_origin(o, scope) and o.lower() not in self._origins for o in origins):
            return Forbidden(
                "Pages of this origin may not call this server; "
                "if they should, add it to the setting allowed_origins.",
                code="origin_not_allowed",
            )
        return None

    def _answers_to(self, header: str) -> bool:
        host = _host_and_port(f"//{header}")
        return host is not None and self._answers_for(host[0])

    def _answers_for(self, name: str) -> bool:
        if is_loopback(name) or name.endswith(".localhost") or name == self._bound:
            return True
        if name in self._hosts or "*" in self._hosts:
            return True
        parents = name.split(".")
        if any("*." + ".".join(parents[i:]) in self._hosts for i in range(1, len(parents))):
            return True
        # Bound to all addresses, each of them is the bound host. Rebinding needs a name, so a
        # literal address is no danger.
        return _is_address(name) and _is_wildcard(self._bound)


def same_origin(origin: str, scope: Scope) -> bool:
    """Whether an Origin header names the very server that the request was sent to.

    A page on https may call a server that sees plain http: a proxy has ended its TLS.
    """
    scheme = origin.partition("://")[0].lower()
    hosts = _values(scope, b"host")
    if scheme not in _DEFAULT_PORTS or len(hosts) != 1:
        return False
    if scope["scheme"] in _SECURE and scheme != "https":
        return False
    port = _DEFAULT_PORTS[scheme]
    there = _host_and_port(origin)
    here = _host_and_port(f"//{hosts[0]}")
    if there is None or here is None:
        return False
    return (there[0], there[1] or port) == (here[0], here[1] or port)


def _host_and_port(url: str) -> tuple[str, int | None] | None:
    """Of a URL that has nothing else; None for anything malformed."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        return None
    return parts.hostname.lower().rstrip("."), port


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").strip() for key, value in scope["headers"] if key == name]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_wildcard(host: str) -> bool:
    return _is_address(host) and ipaddress.ip_address(host).is_unspecified
