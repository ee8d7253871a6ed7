"""A `Queue` over any broker: who waits, what was taken, and a connection that comes and goes.

The four brokers differ in how a message is put, fetched and settled, and in nothing else that
matters here; that much is a `Broker`, in a file of its own. What is alike is here, once: one task
keeps the connection, tells of its loss and return, and fetches while somebody waits.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import structlog

from tertulia.adapters.queue.takers import Takers
from tertulia.errors import Misconfigured, Unavailable
from tertulia.ports.queue import Doorbell

log = structlog.get_logger(__name__)

#: Seconds that an idle fetch may last; then it is asked again whether anybody waits.
POLL = 5.0
#: Seconds before the second try to connect; doubled each time, and spread, so that a thousand
#: processes do not come back in one moment.
FIRST_PAUSE = 0.1
#: Seconds for taking leave of a broker that may not listen.
LEAVE = 1.0

_DEPLOYMENT = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Delivery(NamedTuple):
    """``token`` is what the broker needs to settle it. ``times``: how often it has been delivered,
    this time included, where the broker counts."""

    body: bytes
    token: Any
    times: int = 1


class Broker(Protocol):
    """One kind of broker. Anything may raise what its client raises; `Misconfigured` is for what
    no waiting will mend."""

    #: Name of the kind, and host and port, for people. No password.
    kind: str
    where: str

    async def connect(self) -> None:
        """Connect, and see to it that the queue exists."""
        ...

    async def disconnect(self) -> None:
        """Let go, of half a connection too. What was delivered and not settled is another's."""
        ...

    async def check(self) -> None:
        """One round trip, which also finds that the queue itself is gone."""
        ...

    async def publish(self, bodies: Sequence[bytes]) -> None:
        """Returns when the broker has taken them over."""
        ...

    async def fetch(self, most: int) -> Sequence[Delivery]:
        """Wait up to `POLL` seconds for up to ``most``."""
        ...

    async def settle(self, tokens: Sequence[Any]) -> None:
        """These need not be delivered again."""
        ...

    async def give_back(self, tokens: Sequence[Any]) -> None:
        """Another shall hear these."""
        ...


def no_hook(_: str) -> None:
    """What is done by default about a ring that was given up."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """Of a queue, whatever its broker. ``timeout``: seconds that a ring may wait for the broker.
    ``check``: seconds between looks at the connection. ``longest_pause``: seconds between tries
    to connect. ``hold``: seconds after which a ring that was taken and not acknowledged is
    another's. ``most_deliveries``: after so many without an acknowledgement a ring is given up.
    ``most_waiting``: beyond it the oldest rings are dropped, for the sweeper to ring again.
    ``given_up`` is called with the id of every ring that is."""

    timeout: float = 2.0
    check: float = 5.0
    longest_pause: float = 5.0
    hold: float = 10.0
    most_deliveries: int = 20
    most_waiting: int = 100_000
    given_up: Callable[[str], None] = no_hook


@dataclass(frozen=True, slots=True)
class _Ring:
    response_id: str
    token: Any
    #: Which connection it came by.
    session: int
    queue: BrokerQueue

    async def acknowledge(self) -> None:
        self.queue.finished(self, settle=True)


class BrokerQueue:
    """A `Queue`. `start` before use; it runs in one event loop."""

    def __init__(self, broker: Broker, deployment: str, tuning: Tuning) -> None:
        self._broker = broker
        self._deployment = deployment
        self._tuning = tuning
        self._takers: Takers[_Ring] = Takers(lambda ring: self.finished(ring, settle=False))
        self._session = 0
        self._away_since: float | None = None
        #: Set while connected.
        self.up = asyncio.Event()
        #: Set when the first try is over; set when a look at the connection is worth while.
        self._tried, self._trouble = asyncio.Event(), asyncio.Event()
        self._pause = FIRST_PAUSE
        self._mistake: Misconfigured | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._settled: list[_Ring] = []
        self._returned: list[_Ring] = []
        self._settling: asyncio.Task[None] | None = None
        self._foreign: set[str] = set()

    async def start(self) -> None:
        """Try to connect. A broker that is away is no error: it is tried until it is there.

        Raises:
            Misconfigured: the broker answers, and refuses us.
        """
        self._keeper = asyncio.create_task(self._keep(), name="queue")
        await self._tried.wait()
        if self._mistake is not None:  # waiting would not mend it
            await self.close()
            raise self._mistake

    @property
    def wanted(self) -> int:
        """How many takers wait."""
        return len(self._takers)

    # --- the port ----------------------------------------------------------------------------

    async def ring(self, response_ids: Sequence[str]) -> None:
        self._check_up()
        bodies = [f"{self._deployment}/{response_id}".encode() for response_id in response_ids]
        if not bodies:
            return
        try:
            async with asyncio.timeout(self._tuning.timeout):
                await self._broker.publish(bodies)
        except Exception as error:
            self._trouble.set()
            raise self._unavailable(f"did not confirm: {reason(error)}") from error

    async def take(self) -> Doorbell:
        return await self._takers.wait()

    async def ping(self) -> None:
        self._check_up()
        try:
            async with asyncio.timeout(self._tuning.timeout):
                await self._broker.check()
        except Exception as error:
            self._trouble.set()
            raise self._unavailable(f"does not answer: {reason(error)}") from error

    async def close(self) -> None:
        self._takers.close()
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        await _end(keeper)
        if self._settling is not None:
            await asyncio.wait([self._settling], timeout=LEAVE)
            self._settling.cancel()
        self.up.clear()
        await self._leave()

    def _check_up(self) -> None:
        self._takers.check_open()
        if not self.up.is_set():
            raise self._unavailable("is away")

    def _unavailable(self, what: str) -> Unavailable:
        broker = self._broker
        return Unavailable(
            f"The queue ({broker.kind} at {broker.where}) {what}.", code="queue_unavailable"
        )

    # --- the connection ----------------------------------------------------------------------

    async def _keep(self) -> None:
        while True:
            await self._connect()
            pump = asyncio.create_task(self._pump(), name="queue-pump")
            pump.add_done_callback(lambda _: self._trouble.set())
            try:
                error = await self._watch(pump)
                self.up.clear()
                self._went(error)
            finally:
                self.up.clear()
                await _end(pump)
            await self._leave()
            await self._rest()

    async def _connect(self) -> None:
        while True:
            try:
                async with asyncio.timeout(2 * self._tuning.timeout):
                    await self._broker.connect()
            except Exception as error:  # noqa: BLE001  whatever a client raises, it goes on
                first = not self._tried.is_set()
                if first and isinstance(error, Misconfigured):
                    self._mistake = error
                self._went(error)
                await self._leave()
                self._tried.set()
                await self._rest()
            else:
                break
        self._session += 1
        self._trouble.clear()
        self.up.set()
        self._tried.set()
        self._came()

    async def _rest(self) -> None:
        """Before the next try."""
        await asyncio.sleep(self._pause * random.uniform(0.5, 1.0))  # noqa: S311
        self._pause = min(2 * self._pause, self._tuning.longest_pause)

    async def _watch(self, pump: asyncio.Task[None]) -> BaseException:
        """Why the connection is of no more use."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._tuning.check):
                    await self._trouble.wait()
            self._trouble.clear()
            if pump.done():
                return pump.exception() or ConnectionError()
            try:
                async with asyncio.timeout(self._tuning.timeout):
                    await self._broker.check()
            except Exception as error:  # noqa: BLE001  as above
                return error
            self._pause = FIRST_PAUSE

    async def _leave(self) -> None:
        # Whatever there is to say has been said: the broker is away, or nobody needs it any more.
        with suppress(Exception):
            async with asyncio.timeout(LEAVE):
                await self._broker.disconnect()

    def _went(self, error: BaseException) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            broker = self._broker
            why = reason(error)
            log.warning("queue_away", kind=broker.kind, where=broker.where, reason=why)

    def _came(self) -> None:
        if self._away_since is not None:
            seconds = round(time.monotonic() - self._away_since, 1)
            self._away_since = None
            log.info(
                "queue_back", kind=self._broker.kind, where=self._broker.where, seconds=seconds
            )

    # --- rings -------------------------------------------------------------------------------

    async def _pump(self) -> None:
        while True:
            await self._takers.wanted.wait()
            if self.wanted:  # and has not given up meanwhile
                for delivery in await self._broker.fetch(self.wanted):
                    self._hear(delivery)

    def _hear(self, delivery: Delivery) -> None:
        response_id = self._ours(delivery.body)
        ring = _Ring(response_id or "", delivery.token, self._session, self)
        if response_id is None:
            # Its own deployment's sweeper rings again; here it would wait for ever.
            self.finished(ring, settle=True)
        elif delivery.times > self._tuning.most_deliveries:
            self.finished(ring, settle=True)
            self.hear_dead(delivery.body)
        elif not self._takers.give(ring):
            self.finished(ring, settle=False)

    def hear_dead(self, body: bytes) -> None:
        """A ring was delivered too often, or too many waited. Nothing more is done here: the
        sweeper looks at the row of every response that waits."""
        if response_id := self._ours(body):
            log.warning("ring_given_up", response_id=response_id, kind=self._broker.kind)
            self._tuning.given_up(response_id)

    def _ours(self, body: bytes) -> str | None:
        """The response that is rung for; None when it is not ours."""
        deployment, _, response_id = body.decode(errors="replace").partition("/")
        if deployment == self._deployment and response_id:
            return response_id
        self._refused(deployment)
        return None

    def _refused(self, deployment: str) -> None:
        # Once each: a neighbour that rings here does so with each of its messages.
        other = deployment if _DEPLOYMENT.fullmatch(deployment) else "?"
        if other not in self._foreign and len(self._foreign) < 100:
            self._foreign.add(other)
            log.error(
                "queue_shared",
                problem="Another deployment rings in our queue; its rings are refused.",
                remedy="Give each deployment a queue name, or a broker, of its own.",
                kind=self._broker.kind,
                where=self._broker.where,
                ours=self._deployment,
                theirs=other,
            )

    def finished(self, ring: _Ring, *, settle: bool) -> None:
        """Settle a ring or, if not ``settle``, give it back, soon and in the background."""
        (self._settled if settle else self._returned).append(ring)
        if self._settling is None or self._settling.done():
            self._settling = asyncio.create_task(self._settle(), name="queue-settle")

    async def _settle(self) -> None:
        while self._settled or self._returned:
            settled, self._settled = self._settled, []
            returned, self._returned = self._returned, []
            try:
                async with asyncio.timeout(self._tuning.timeout):
                    if tokens := self._tokens(settled):
                        await self._broker.settle(tokens)
                    if tokens := self._tokens(returned):
                        await self._broker.give_back(tokens)
            except Exception:  # noqa: BLE001  at worst they are heard twice
                self._trouble.set()

    def _tokens(self, rings: Sequence[_Ring]) -> list[Any]:
        # What an earlier connection brought has gone back with it.
        return [ring.token for ring in rings if ring.session == self._session]


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel it until it ends: redis-py for one forgets that it was cancelled while it connects."""
    while not task.done():
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task], timeout=0.1)
    if not task.cancelled():
        task.exception()  # which nobody needs any more


def reason(error: BaseException) -> str:
    """What may be told of a client's error: its message may quote a URL with its password."""
    if isinstance(error, Misconfigured):
        return error.message
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


def place(url: str, port: int) -> str:
    """Host and port of a URL; ``port`` when it names none."""
    parts = urlsplit(url)
    try:
        return f"{parts.hostname or 'localhost'}:{parts.port or port}"
    except ValueError:
        return "?"


def check_names(deployment: str, name: str, setting: str) -> None:
    """Raises `Misconfigured` when no broker could have a queue of such a name."""
    for value in (deployment, name):
        if not _DEPLOYMENT.fullmatch(value):
            raise Misconfigured(
                f"{setting}: {value!r} cannot be part of a queue's name; "
                "use up to 64 letters, digits, - and _."
            )
