"""Where a Redis is and how to be let in: what its URL says.

    redis://[[user]:password@]host[:port][,host[:port]…][/database]     rediss:// with TLS
    redis+cluster://[[user]:password@]host[:port][,host[:port]…]        rediss+cluster:// with TLS

Several hosts without ``+cluster`` are one primary and its replicas: whichever says that it is the
primary is used. Of a cluster any node will do; it names the others. Options of TLS stand behind a
question mark under the names that redis-py gives them: ``ssl_ca_certs``, ``ssl_certfile``,
``ssl_keyfile``, each a path.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from tertulia.errors import Misconfigured

_SCHEMES: Final = ("redis", "rediss", "redis+cluster", "rediss+cluster")
_OPTIONS: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_FORM: Final = "redis://[user:password@]host:port[,host:port…][/database]"
DEFAULT_PORT: Final = 6379

#: Host and port.
Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Address:
    #: Name of the setting that holds the URL, for messages.
    setting: str
    places: tuple[Place, ...]
    cluster: bool = False
    tls: ssl.SSLContext | None = None
    user: str = "default"
    password: str | None = field(default=None, repr=False)
    database: int = 0

    @property
    def shown(self) -> str:
        """For messages: no user, no password."""
        return ", ".join(f"{host}:{port}" for host, port in self.places)


def parse(url: str, *, setting: str) -> Address:
    """Raises `Misconfigured`, which never repeats the URL: it may hold a password."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise _wrong(setting, f"begins with none of {', '.join(f'{s}://' for s in _SCHEMES)}")
    try:
        # By itself urlsplit takes the comma for a part of one host.
        parts = urlsplit(f"//{rest}")
        database = _database(parts.path)
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        raise _wrong(setting, "cannot be read") from None
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    if database is None:
        raise _wrong(setting, "names its database by something else than a number")
    cluster = scheme.endswith("+cluster")
    if cluster and database:
        raise _wrong(setting, "names a database, of which a cluster has only 0")
    return Address(
        setting=setting,
        places=tuple(_place(setting, host) for host in hosts.split(",")),
        cluster=cluster,
        tls=_tls(setting, options, wanted=scheme.startswith("rediss")),
        user=unquote(user) or "default",
        password=unquote(password) or None,
        database=database,
    )


def _place(setting: str, text: str) -> Place:
    if text.startswith("["):  # an IPv6 address
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    else:
        host, _, port = text.partition(":")
    if not host or (port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)):
        raise _wrong(setting, "lacks a host, or its port is no number from 1 to 65535")
    return host, int(port or DEFAULT_PORT)


def _database(path: str) -> int | None:
    name = path.strip("/")
    if not name:
        return 0
    return int(name) if name.isascii() and name.isdigit() else None


def _tls(setting: str, options: dict[str, str], *, wanted: bool) -> ssl.SSLContext | None:
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        raise _wrong(setting, f"has the unknown option {unknown[0]!r}; known: {_known()}")
    if not wanted:
        if options:
            raise _wrong(setting, "has options of TLS, which begin with rediss://")
        return None
    try:
        context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
        if "ssl_certfile" in options:
            context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    except OSError as error:  # ssl.SSLError is one
        raise _wrong(setting, f"names a certificate or key that cannot be used: {error}") from None
    return context


def _known() -> str:
    return ", ".join(_OPTIONS)


def _wrong(setting: str, what: str) -> Misconfigured:
    return Misconfigured(f"{setting}: the URL {what}. It looks like {_FORM}.", param=setting)
