"""URLs, and servers that do not let us in: the message names the setting, and no password."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.support.services.process import free_port
from tests.support.services.redis import RedisCluster, RedisServer

from tertulia.adapters.cache.redis_bus import open_redis_bus
from tertulia.adapters.cache.redis_limiter import open_redis_limiter
from tertulia.adapters.redis.address import parse
from tertulia.adapters.redis.servers import Servers
from tertulia.errors import Misconfigured, Unavailable

SECRET = "s3cret/word"
QUOTED = "s3cret%2Fword"


def test_urls_are_read() -> None:
    one = parse(f"redis://:{QUOTED}@example.org/3", setting="cache")
    assert (one.places, one.password, one.database) == ((("example.org", 6379),), SECRET, 3)
    assert (one.user, one.cluster, one.tls) == ("default", False, None)
    many = parse("rediss+cluster://app:pw@a:1,[::1]:2,c", setting="eventlog")
    assert many.places == (("a", 1), ("::1", 2), ("c", 6379))
    assert (many.user, many.cluster) == ("app", True)
    assert isinstance(many.tls, ssl.SSLContext)
    assert SECRET not in repr(one)
    assert one.shown == "example.org:6379"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org",
        "redis:example.org",
        f"redis://:{QUOTED}@",
        f"redis://:{QUOTED}@host:port",
        f"redis://:{QUOTED}@host:70000",
        f"redis://:{QUOTED}@host/name",
        f"redis://:{QUOTED}@[::1",
        f"redis+cluster://:{QUOTED}@host/3",
        f"redis://:{QUOTED}@host?ssl_ca_certs=x",
        f"rediss://:{QUOTED}@host?ssl_ca_certs=/nowhere",
        f"rediss://:{QUOTED}@host?unknown=x",
    ],
)
def test_wrong_urls_are_told_by_setting(url: str) -> None:
    with pytest.raises(Misconfigured, match="^eventlog: ") as wrong:
        parse(url, setting="eventlog")
    assert "s3cret" not in str(wrong.value)


async def refusal(url: str) -> str:
    servers = Servers(url, setting="eventlog")
    try:
        with pytest.raises(Misconfigured, match="^eventlog: ") as wrong:
            await servers.start()
    finally:
        await servers.close()
    assert "s3cret" not in str(wrong.value)
    assert wrong.value.param == "eventlog"
    return str(wrong.value)


async def test_passwords(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, requirepass=SECRET)
    server.start()
    try:
        assert "wants a password" in await refusal(server.url)
        assert "user or password" in await refusal(f"redis://:s3cret@{server.place}")
        assert "user or password" in await refusal(f"redis://nobody:s3cret@{server.place}")
        servers = Servers(f"redis://:{QUOTED}@{server.place}/2", setting="eventlog")
        await servers.start()
        assert await servers.ask("k", ["SET", "k", "v"]) == b"OK"
        assert server.cli("-a", SECRET, "--no-auth-warning", "-n", "2", "GET", "k") == "v"
        await servers.close()
        assert "no database 99" in await refusal(f"redis://:{QUOTED}@{server.place}/99")
    finally:
        server.stop()


async def test_a_cluster_and_a_single_server_are_told_apart(
    redis_server: RedisServer, redis_cluster: RedisCluster
) -> None:
    assert "redis+cluster://" in await refusal(f"redis://{redis_cluster.primaries[0].place}")
    assert "write redis://" in await refusal(f"redis+cluster://{redis_server.place}")


class Speaking(asyncio.Protocol):
    """A server that answers the same to everything."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(self.answer)
        if not self.answer:
            self.transport.close()


@asynccontextmanager
async def speaking(answer: bytes) -> AsyncIterator[str]:
    """Its URL."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Speaking(answer), "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is no Redis"),
        (b"+OK\r\n", "is no Redis"),
        (b"-ERR unknown command `HELLO`, with args beginning with: `2`\r\n", "6.2"),
        (b"*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n6.0.9\r\n", "6.2"),
        (b"-DENIED Redis is running in protected mode\r\n", "(DENIED)"),
    ],
)
async def test_what_cannot_serve_says_why(answer: bytes, told: str) -> None:
    async with speaking(answer) as url:
        assert told in await refusal(url)


async def test_a_server_that_loads_or_hangs_up_is_away_for_now() -> None:
    for answer in (b"-LOADING Redis is loading the dataset in memory\r\n", b""):
        async with speaking(answer) as url:
            servers = Servers(url, setting="eventlog", connect_within=0.2)
            with pytest.raises(Unavailable, match="^eventlog: "):
                await servers.start()
            await servers.close()


async def test_a_user_who_may_not_is_told_so(own_redis: RedisServer) -> None:
    own_redis.cli("ACL", "SETUSER", "weak", "on", ">s3cret", "~other:*", "&other:*", "+@all")
    url = f"redis://weak:s3cret@{own_redis.place}"
    for opened in (open_redis_limiter, open_redis_bus):
        with pytest.raises(Misconfigured, match="^cache: .*begin with the prefix"):
            await opened(url)
    limiter = await open_redis_limiter(url, prefix="other")
    assert await limiter.hit("a", limit=1, seconds=60) == 0
    await limiter.close()


def certificate(folder: Path) -> tuple[Path, Path]:
    """For 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


async def test_tls(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    server = RedisServer(
        tmp_path,
        tls_port=str(tls_port := free_port()),
        tls_cert_file=str(cert),
        tls_key_file=str(key),
        tls_auth_clients="no",
    )
    server.start()
    try:
        trusted = f"rediss://localhost:{tls_port}?ssl_ca_certs={cert}"
        servers = Servers(trusted, setting="eventlog")
        await servers.start()
        assert await servers.ask("k", ["PING"]) == b"PONG"
        await servers.close()
        assert "TLS" in await refusal(f"rediss://localhost:{tls_port}")
        plain = Servers(f"redis://localhost:{tls_port}", setting="eventlog")
        with pytest.raises(Unavailable, match="rediss://"):
            await plain.start()
        await plain.close()
    finally:
        server.stop()
