"""One connection to one Redis server, let in and ready.

RESP 2, which every version speaks: replies come in the order of the commands, and a connection
that subscribes is used for nothing else.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import hiredis

from tertulia.adapters.redis.address import Address, Place
from tertulia.errors import Misconfigured, TertuliaError, Unavailable

#: Streams whose entries are numbered by us are older; HELLO tells version and role since 6.0,
#: XADD refuses to begin a stream anew since 6.2.
OLDEST: Final = (6, 2)
#: Since when channels are sharded.
SHARDED: Final = (7, 0)

#: What a command consists of.
Arg = str | int | float | bytes


class Wire(asyncio.Protocol):
    """``heard`` is called with each reply or message, on the event loop; an error that the server
    answers is one, of type `hiredis.ReplyError`. ``lost`` is called once, when nothing more
    comes, unless `close` was called."""

    def __init__(self) -> None:
        self.heard: Callable[[Any], None] = _unheard
        self.lost: Callable[[], None] | None = None
        self.place: Place = ("", 0)
        self.version: tuple[int, ...] = ()
        self.primary = True
        #: True once it said what is not of the protocol.
        self.garbled = False
        self._reader = hiredis.Reader()
        self._transport: asyncio.Transport | None = None

    # --- as asyncio sees it --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are transports by what they do, not by what they inherit.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not False:
                self.heard(reply)
        except hiredis.ProtocolError:
            self.garbled = True
            self.abort()

    def connection_lost(self, _error: Exception | None) -> None:
        lost, self.lost = self.lost, None
        if lost is not None:
            lost()

    # --- as we use it --------------------------------------------------------------------------

    @property
    def sharded(self) -> bool:
        """Whether the server knows channels that belong to a slot."""
        return self.version >= SHARDED

    @property
    def closed(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def write(self, packed: bytes) -> None:
        """Of one that is broken ``lost`` tells, which may not have been called yet."""
        if self._transport is not None and not self.closed:
            self._transport.write(packed)

    def abort(self) -> None:
        """Break the connection: ``lost`` is called soon."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Leave; nobody is told."""
        self.lost = None
        self.heard = _unheard
        if self._transport is not None:
            self._transport.close()

    async def first_reply(self, packed: bytes) -> Any:
        """What is answered to the only command under way."""
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def heard(value: Any) -> None:
            if not reply.done():
                reply.set_result(value)

        def lost() -> None:
            if not reply.done():
                reply.set_exception(ConnectionResetError("the server closed the connection"))

        self.heard, self.lost = heard, lost
        self.write(packed)
        try:
            return await reply
        finally:
            self.heard, self.lost = _unheard, None


def pack(args: Sequence[Arg]) -> bytes:
    """A command as it is sent."""
    packed: bytes = hiredis.pack_command(tuple(args))  # type: ignore[arg-type]
    return packed


def _unheard(_reply: object) -> None:
    """Nobody listens: a message of a connection that was left."""


async def connect(address: Address, place: Place, *, seconds: float) -> Wire:
    """A connection to this server.

    Raises:
        Unavailable: it does not answer, or is still loading its data.
        Misconfigured: it answers and does not let us in, is too old, or is no Redis.
    """
    host, port = place
    wire: Wire | None = None
    try:
        async with asyncio.timeout(seconds):
            loop = asyncio.get_running_loop()
            _, wire = await loop.create_connection(Wire, host, port, ssl=address.tls)
            wire.place = place
            await _greet(address, wire)
    except BaseException as error:
        if wire is not None:
            wire.close()
        if isinstance(error, ssl.SSLError):
            raise _refused(
                address, place, f"speaks no TLS that we trust ({error.reason})"
            ) from None
        if isinstance(error, OSError | UnicodeError):  # TimeoutError is one; a name may be none
            raise Unavailable(
                f"{address.setting}: Redis at {host}:{port} does not answer"
            ) from None
        raise
    return wire


async def _greet(address: Address, wire: Wire) -> None:
    place = wire.place
    hello: list[Arg] = ["HELLO", 2]
    if address.password is not None:
        hello += ["AUTH", address.user, address.password]
    try:
        told = await wire.first_reply(pack([*hello, "SETNAME", "tertulia"]))
    except ConnectionResetError:
        if wire.garbled:
            raise _refused(address, place, "is no Redis") from None
        raise _silent(address, place) from None
    if isinstance(told, hiredis.ReplyError):
        raise _unwelcome(address, place, str(told))
    if not isinstance(told, list):
        raise _refused(address, place, "is no Redis")
    facts = dict(zip(told[::2], told[1::2], strict=False))
    version = bytes(facts.get(b"version", b"0")).decode()
    wire.version = tuple(int(part) for part in version.split(".") if part.isdigit())
    if wire.version < OLDEST:
        raise _refused(address, place, f"is of version {version}; the oldest that serves is 6.2")
    is_cluster = facts.get(b"mode") == b"cluster"
    if is_cluster and not address.cluster:
        raise _refused(address, place, "is a node of a cluster: write redis+cluster://")
    if address.cluster and not is_cluster:
        raise _refused(address, place, "is not a node of a cluster: write redis://")
    wire.primary = facts.get(b"role") == b"master"
    if address.database:
        told = await wire.first_reply(pack(["SELECT", address.database]))
        if isinstance(told, hiredis.ReplyError):
            raise _refused(address, place, f"has no database {address.database}")


def _silent(address: Address, place: Place) -> TertuliaError:
    """It hung up before a word: it is going down, or speaks another protocol."""
    host, port = place
    return Unavailable(
        f"{address.setting}: the server at {host}:{port} hung up: it is stopping, wants TLS "
        "(rediss://), or is no Redis"
    )


def _unwelcome(address: Address, place: Place, said: str) -> TertuliaError:
    code = said.partition(" ")[0]
    if code in {"LOADING", "MASTERDOWN"}:
        return Unavailable(f"{address.setting}: Redis at {place[0]}:{place[1]} is still loading")
    if code == "WRONGPASS":
        return _refused(address, place, "refuses the user or password of the URL")
    if code == "NOAUTH":
        return _refused(address, place, "wants a password: write redis://:password@host")
    if "unknown command" in said.lower():
        return _refused(address, place, "does not know HELLO; the oldest that serves is 6.2")
    return _refused(address, place, f"does not let us in ({code})")


def _refused(address: Address, place: Place, what: str) -> Misconfigured:
    host, port = place
    return Misconfigured(
        f"{address.setting}: Redis at {host}:{port} {what}.", param=address.setting
    )
