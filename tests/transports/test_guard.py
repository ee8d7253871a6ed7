from __future__ import annotations

from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from tertulia.settings import Settings
from tertulia.transports.guard import Guard, same_origin


async def passes(
    settings: Settings, *headers: tuple[str, str], kind: str = "http", scheme: str = "http"
) -> int:
    """The status the guard answers with; 200 when it lets the request through."""
    statuses: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        statuses.append(200)

    async def receive() -> Message:
        return {"type": f"{kind}.connect" if kind == "websocket" else "http.request"}

    async def send(message: Message) -> None:
        if "status" in message:
            statuses.append(message["status"])

    scope: dict[str, Any] = {
        "type": kind,
        "scheme": scheme,
        "method": "GET",
        "path": "/",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "extensions": {"websocket.http.response": {}},
    }
    await Guard(app, settings)(scope, receive, send)
    assert len(statuses) == 1
    return statuses[0]


LOCAL = Settings()
PUBLIC = Settings(
    host="0.0.0.0",
    allowed_hosts=("chat.example", "*.inner.example"),
    allowed_origins=("https://page.example",),
)


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("settings", "host", "status"),
    [
        (LOCAL, "localhost", 200),
        (LOCAL, "localhost:8484", 200),
        (LOCAL, "LOCALHOST:8484", 200),
        (LOCAL, "localhost.:8484", 200),
        (LOCAL, "chat.localhost:8484", 200),
        (LOCAL, "127.0.0.1:8484", 200),
        (LOCAL, "127.9.9.9", 200),
        (LOCAL, "[::1]:8484", 200),
        (LOCAL, "192.168.1.5", 421),
        (LOCAL, "evil.example", 421),
        (LOCAL, "localhost.evil.example", 421),
        (LOCAL, "127.0.0.1.evil.example", 421),
        (LOCAL, "evil.example:8484", 421),
        (LOCAL, "evil@localhost", 421),
        (LOCAL, "localhost/path", 421),
        (LOCAL, "localhost:port", 421),
        (LOCAL, "localhost:99999", 421),
        (LOCAL, "", 421),
        (PUBLIC, "chat.example", 200),
        (PUBLIC, "chat.example:443", 200),
        (PUBLIC, "a.inner.example", 200),
        (PUBLIC, "a.b.inner.example", 200),
        (PUBLIC, "inner.example", 421),
        (PUBLIC, "192.168.1.5:8484", 200),
        (PUBLIC, "[fe80::1]:8484", 200),
        (PUBLIC, "evil.example", 421),
        (Settings(host="10.1.2.3"), "10.1.2.3:8484", 200),
        (Settings(host="10.1.2.3"), "10.1.2.4:8484", 421),
        (Settings(host="10.1.2.3", allowed_hosts=("*",)), "anything.example", 200),
        (Settings(auth=False), "evil.example", 421),
    ],
)
async def test_a_request_must_name_a_host_of_ours(
    settings: Settings, host: str, status: int, kind: str
) -> None:
    assert await passes(settings, ("host", host), kind=kind) == status


async def test_one_host_exactly() -> None:
    assert await passes(LOCAL) == 421
    assert await passes(LOCAL, ("host", "localhost"), ("host", "localhost")) == 421


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("localhost:8484", "http://localhost:8484", 200),
        ("localhost:8484", "HTTP://LOCALHOST:8484", 200),
        ("localhost", "http://localhost", 200),
        ("localhost:80", "http://localhost", 200),
        ("[::1]:8484", "http://[::1]:8484", 200),
        # A proxy ended the TLS.
        ("chat.example", "https://chat.example", 200),
        ("chat.example", "https://page.example", 200),
        ("localhost:8484", "http://localhost:3000", 403),
        ("localhost:8484", "http://127.0.0.1:8484", 403),
        ("localhost:8484", "https://localhost", 403),
        ("localhost:8484", "http://evil.example", 403),
        ("localhost:8484", "http://localhost:8484.evil.example", 403),
        ("localhost:8484", "http://localhost:8484/path", 403),
        ("localhost:8484", "http://user@localhost:8484", 403),
        ("localhost:8484", "chrome-extension://localhost:8484", 403),
        ("localhost:8484", "null", 403),
        ("localhost:8484", "", 403),
        ("chat.example", "http://page.example", 403),
    ],
)
async def test_a_page_must_be_ours_or_allowed(
    host: str, origin: str, status: int, kind: str
) -> None:
    assert await passes(PUBLIC, ("host", host), ("origin", origin), kind=kind) == status


async def test_each_of_several_origins_is_judged() -> None:
    ours, foreign = ("origin", "http://localhost"), ("origin", "http://evil.example")
    assert await passes(LOCAL, ("host", "localhost"), ours, foreign) == 403


def test_a_plain_page_is_not_the_same_as_an_encrypted_server() -> None:
    scope = {"scheme": "https", "headers": [(b"host", b"chat.example")]}
    assert same_origin("https://chat.example", scope)
    assert not same_origin("http://chat.example", scope)


async def test_a_socket_is_closed_where_the_server_cannot_refuse_its_handshake() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    scope = {"type": "websocket", "scheme": "ws", "headers": [(b"host", b"evil.example")]}
    await Guard(app, LOCAL)(scope, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]
