"""The event log in Redis, for many nodes: a stream of each response to replay, a channel to tail.

Appends. One script checks the fence, admits, appends a batch as one entry and publishes it, in
the response's own slot; all appends of one moment go out as one pipeline (of each server). Whoever
writes is shown the frames when Redis has acknowledged them; other nodes hear of them from the
channel. What is sealed stays sealed in Redis.

Readers. A node listens to a channel first, then reads the stream, and drops what it has. Numbers
show what was missed (Redis promises no message), and then the stream is read again; so it is
after every connection that was made anew. A reader behind the window reads the stream at its own
pace, over connections that appends do not use.

Lifetime. A log expires ``retention`` seconds after its end, and ``running`` seconds after its last
frame while there is no end. It never loses its beginning: beyond ``max_bytes`` further deltas are
refused, the frames that end an answer are not. What was evicted in part is given up as a whole.

Losses. Redis acknowledges before its replicas have a write, so a failover may lose the latest
frames, and a restart all. A writer whose frames are gone is told that its log is (``log_lost``),
as the number it continues tells; it begins it anew with all frames. Readers wait for that for
``patience`` seconds before their position counts as lost.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final

import structlog

from tertulia.adapters.eventlog.admit import gone
from tertulia.adapters.eventlog.hub import Hub
from tertulia.adapters.eventlog.redis_appends import Acknowledged, Append, outcome
from tertulia.adapters.eventlog.redis_reads import Place, Reads
from tertulia.adapters.eventlog.redis_scripts import DROPPED, NODE, Scripts
from tertulia.adapters.eventlog.sealers import InOrder, Sealers
from tertulia.adapters.redis.call import into
from tertulia.adapters.redis.channels import Channels
from tertulia.adapters.redis.servers import Servers
from tertulia.adapters.redis.wire import Arg
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.domain.frame import Frame
from tertulia.errors import Fenced, TertuliaError, Unavailable
from tertulia.ports.eventlog import Appended, Subscription
from tertulia.ports.keys import Cipher, Keys

_log = structlog.get_logger(__name__)

#: Responses whose keys are at hand.
_PLACES: Final = 20_000


@dataclass(frozen=True, slots=True)
class Options:
    """How a log is kept; seconds and bytes."""

    #: What all keys and channels begin with; deployments that share a Redis differ in it.
    prefix: str = "tertulia"
    retention: float = 3600.0
    running: float = 3600.0
    #: Sealed bytes of one response beyond which deltas are refused; 0: any number.
    max_bytes: int = 64 << 20
    #: What this node keeps of one response that is read.
    window_bytes: int = 1 << 20
    patience: float = 10.0
    #: In which Redis has to answer.
    within: float = 5.0
    #: Of silence, after which the connections that listen have to show that they live.
    quiet: float = 5.0
    #: False: channels are not sharded even where the server could (it can from 7.0 on).
    sharded: bool = True


class RedisEventLog:
    """An `EventLog`. To be made and used on the event loop."""

    def __init__(self, servers: Servers, keys: Keys, cipher: Cipher, options: Options) -> None:
        self._servers = servers
        self._sealers = Sealers(keys, cipher)
        self._prefix = options.prefix
        self._place = lru_cache(maxsize=_PLACES)(partial(Place, options.prefix))
        self._lives = round(options.running * 1000)
        self._lives_ended = round(options.retention * 1000)
        self._max_bytes = options.max_bytes
        self._scripts = Scripts(sharded=options.sharded)
        #: Whose messages are our own: their frames are shown when they are acknowledged.
        self._node = os.urandom(NODE // 2).hex().encode()
        self._acknowledged = Acknowledged()
        self._hub = Hub(self, window_bytes=options.window_bytes, on_left=self._left)
        self._channels = Channels(
            servers,
            heard=self._heard,
            missed=self._missed,
            quiet=options.quiet,
            sharded=options.sharded,
        )
        self._reads = Reads(servers, self._sealers, self._hub, patience=options.patience)
        #: Responses by channel, while they have readers here.
        self._followed: dict[str, str] = {}
        self._in_order = InOrder(self._sealers, self._append)

    async def start(self) -> None:
        """Raises `Misconfigured` or `Unavailable`: see `Servers.start`."""
        await self._servers.start()
        probe = self._place("probe")
        await self._servers.try_out(
            probe.log, [2, *probe.keys, self._node, probe.channel], script=self._scripts.drop
        )

    async def ping(self) -> None:
        """Whether it can be used now.

        Raises:
            Unavailable: it cannot; the message says why.
        """
        probe = self._place("probe")
        await self._servers.ask(probe.log, ["EXISTS", probe.log])

    async def close(self) -> None:
        self._in_order.close()
        self._channels.close()
        await self._servers.close()

    # --- the port ------------------------------------------------------------------------------

    async def open(self, user_id: str, response_id: str, attempt: int) -> Sequence[Frame]:
        sealer = await self._sealers.get(user_id)
        if sealer is None:
            raise gone(response_id)
        place = self._place(response_id)
        word, told = await self._servers.ask(
            place.log,
            [2, *place.keys, user_id, attempt, self._lives],
            script=self._scripts.open,
        )
        if word != b"held":
            raise Fenced(f"attempt {told} has taken {response_id} over from {attempt}")
        frames = place.opened(sealer, told)
        # From here on these are known to be held: a log that has fewer has lost some.
        self._acknowledged.begin(response_id, frames[-1].sequence_number if frames else None)
        return frames

    def append(
        self, user_id: str, response_id: str, attempt: int, frames: Sequence[Frame]
    ) -> Awaitable[Appended]:
        return self._in_order(user_id, response_id, attempt, frames)

    async def subscribe(
        self, user_id: str, response_id: str, after: int | None, wake: Callable[[], None]
    ) -> Subscription:
        return await self._hub.subscribe(user_id, response_id, after, wake)

    async def signal_cancel(self, response_id: str) -> None:
        place = self._place(response_id)
        try:
            await self._servers.ask(place.log, [1, place.log], script=self._scripts.cancel)
        except Unavailable as error:  # best effort: the store's row is the truth
            _log.info("cancel_hint_lost", response_id=response_id, code=error.code)

    async def drop(self, response_ids: Sequence[str]) -> None:
        await asyncio.gather(*[self._drop(response_id) for response_id in response_ids])

    async def purge(self, retention_seconds: float) -> int:
        """Logs expire by themselves; only a shorter retention than theirs is looked after here."""
        enough = round(retention_seconds * 1000)
        if enough >= max(self._lives, self._lives_ended):
            return 0
        count = 0
        for server in await self._servers.primaries():
            cursor: Any = 0
            while cursor != b"0":
                match: list[Arg] = [f"{self._prefix}:{{*}}:log", "COUNT", 1000]
                cursor, found = await self._servers.ask_at(
                    server, ["SCAN", cursor, "MATCH", *match]
                )
                for key in found:
                    count += await self._purge(key.decode(), enough)
        return count

    # --- erasing -------------------------------------------------------------------------------

    async def _drop(self, response_id: str) -> None:
        place = self._place(response_id)
        await self._servers.ask(
            place.log, [2, *place.keys, self._node, place.channel], script=self._scripts.drop
        )
        self._erased(response_id)

    async def _purge(self, key: str, enough: int) -> int:
        response_id = key[key.index("{") + 1 : key.rindex("}")]
        place = self._place(response_id)
        erased: int = await self._servers.ask(
            place.log,
            [2, *place.keys, self._node, self._lives, self._lives_ended, enough, place.channel],
            script=self._scripts.purge,
        )
        if erased:
            self._erased(response_id)
        return erased

    def _erased(self, response_id: str) -> None:
        self._acknowledged.forget(response_id)
        self._hub.reset(response_id)

    # --- appending -----------------------------------------------------------------------------

    def _append(
        self, sealer: Sealer, response_id: str, attempt: int, frames: Sequence[Frame]
    ) -> asyncio.Future[Appended]:
        future: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        place = self._place(response_id)
        append = Append(place, attempt, frames)
        if append.broken is not None:
            future.set_exception(append.broken)
            return future
        lives = self._lives_ended if append.ends else self._lives
        args = append.args(sealer, max_bytes=self._max_bytes, lives=lives, node=self._node)
        self._servers.send(
            place.log,
            args,
            partial(self._answered, append, into(future)),
            script=self._scripts.append,
        )
        return future

    def _answered(self, append: Append, tell: Callable[[Any], None], reply: Any) -> None:
        response_id = append.place.response_id
        result = outcome(append, reply, self._acknowledged.last(response_id))
        if isinstance(result, Appended):
            # All of them, not only what was new: the log may have had them from a pipeline that
            # broke, and then nobody here was shown them.
            self._hub.publish(response_id, append.frames)
            self._acknowledged.extend(response_id, append.frames[-1])
        elif not isinstance(result, Fenced) or result.code == "log_lost":
            self._hub.doubt(response_id)
        tell(result)

    # --- what the hub reads --------------------------------------------------------------------

    async def newest(self, user_id: str, response_id: str) -> tuple[Sequence[Frame], bool]:
        """See `hub.Source`."""
        if not self._hub.watched(response_id):
            return (), False
        place = self._place(response_id)
        self._followed[place.channel] = response_id
        await self._channels.follow(place.channel)
        return await self._reads.newest(place, user_id)

    async def after(
        self, user_id: str, response_id: str, number: int | None
    ) -> Sequence[Frame] | None:
        """See `hub.Source`."""
        return await self._reads.after(self._place(response_id), user_id, number)

    # --- the tail ------------------------------------------------------------------------------

    def _heard(self, channel: str, message: bytes) -> None:
        response_id = self._followed.get(channel)
        if response_id is None or message.startswith(self._node):
            return
        number, _, value = message[NODE:].partition(b":")
        known = self._hub.newest(response_id)
        sealer = self._sealers.known(known[0]) if known is not None else None
        if number == DROPPED or known is None or sealer is None:
            self._hub.doubt(response_id)
        elif int(number) > known[1]:
            self._show(sealer, response_id, int(number), value)

    def _show(self, sealer: Sealer, response_id: str, number: int, value: bytes) -> None:
        try:
            frames = self._place(response_id).open(sealer, number, value)
        except (TertuliaError, ValueError):
            # Not to be mended here: whoever reads the stream is told.
            self._hub.doubt(response_id)
        else:
            self._hub.publish(response_id, frames)

    def _missed(self, channel: str) -> None:
        response_id = self._followed.get(channel)
        if response_id is not None:
            self._hub.doubt(response_id)

    def _left(self, response_id: str) -> None:
        place = self._place(response_id)
        if self._followed.pop(place.channel, None) is not None:
            self._channels.leave(place.channel)
        self._reads.forget(response_id)


async def open_redis_log(
    url: str,
    keys: Keys,
    cipher: Cipher,
    options: Options = Options(),
    *,
    setting: str = "eventlog",
) -> RedisEventLog:
    """A started log. Where Redis does not answer now, one line of the process's log says so, and
    all that is asked raises `Unavailable` until it does.

    Raises:
        Misconfigured: the URL cannot be used; the message names ``setting`` and no password.
    """
    servers = Servers(url, setting=setting, within=options.within)
    log = RedisEventLog(servers, keys, cipher, options)
    try:
        await log.start()
    except Unavailable as error:
        _log.warning("redis_unavailable", setting=setting, message=error.message)
    except BaseException:
        await log.close()
        raise
    return log
