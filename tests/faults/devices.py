"""Clients over real sockets: they leave and come back at random, and lose nothing by it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import aiohttp
from tests.faults.client import View
from tests.faults.history import History, Reading, Rendered

#: Seconds: for which a connection may last; before the next one, at most, where the last was all
#: right and after many that were not; until an acknowledgement is given up; of silence after which
#: a stream is taken for dead (the server shows a sign of life every 15).
LIFE, PAUSE, BACK_OFF, ACK, SILENT = (0.5, 6.0), 0.4, 4.0, 3.0, 30.0

BROKEN = (aiohttp.ClientError, OSError, TimeoutError, asyncio.IncompleteReadError)


class Device(ABC):
    """One client of one user. ``address``: of some node, chosen at each connection.

    ``leaves``: whether it goes on to leave at random.
    """

    def __init__(
        self,
        name: str,
        user: str,
        token: str,
        address: Callable[[random.Random], str],
        history: History,
        rng: random.Random,
    ) -> None:
        self.name, self.user = name, user
        self.views: dict[str, View] = {}
        self.leaves = True
        self._token = token
        self._address = address
        self._history = history
        self._rng = rng
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(
            headers={"authorization": f"Bearer {self._token}"},
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=SILENT),
        )

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def follow(self, response_id: str) -> None:
        """Show this response until its end."""
        if response_id not in self.views:
            view = self.views[response_id] = View()
            self._followed(response_id, view)

    @abstractmethod
    def _followed(self, response_id: str, view: View) -> None: ...

    @property
    def done(self) -> bool:
        return all(view.ended for view in self.views.values())

    def rendered(self) -> list[Rendered]:
        return [
            Rendered(self.name, self.user, one, v.ended, v.text, v.folded, v.restarts)
            for one, v in self.views.items()
        ]

    def _life(self) -> float | None:
        return self._rng.uniform(*LIFE) if self.leaves else None

    async def _pause(self, failures: int) -> None:
        """Before the next connection, after so many in a row that brought nothing."""
        longest = min(BACK_OFF, PAUSE * 2**failures)
        await asyncio.sleep(self._rng.uniform(0.0, longest))

    def _reading(self, response_id: str, after: int | None) -> Reading:
        reading = Reading(self.name, self.user, response_id, after)
        self._history.readings.append(reading)
        return reading

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        fault = None if task.cancelled() else task.exception()
        if fault is not None:
            self._history.odd.append(f"{self.name} could not go on: {fault!r}")


def noted(reading: Reading | None, event: dict[str, Any]) -> None:
    """Write down what came, whatever the client makes of it."""
    if reading is None:
        return
    kind = event["type"]
    if kind == "tertulia:attempt":
        reading.steps.append(("attempt", event["after"]))
    elif kind == "tertulia:snapshot":
        if event["page"] + 1 == event["pages"]:
            reading.steps.append(("snapshot", event["after"]))
    elif kind != "error" and isinstance(event.get("sequence_number"), int):
        reading.steps.append(("frame", event["sequence_number"]))


class StreamDevice(Device):
    """Reads each response as server-sent events: ``GET /v1/responses/{id}?stream=true``."""

    def _followed(self, response_id: str, view: View) -> None:
        self._spawn(self._read(response_id, view))

    async def _read(self, response_id: str, view: View) -> None:
        failures = 0
        while not view.ended:
            held = view.last
            with contextlib.suppress(*BROKEN):
                async with asyncio.timeout(self._life()):
                    await self._stream(response_id, view)
            failures = 0 if view.last != held else failures + 1
            await self._pause(failures)

    async def _stream(self, response_id: str, view: View) -> None:
        assert self._session is not None
        params = {"stream": "true"}
        if view.last is not None:
            params["starting_after"] = str(view.last)
        url = f"{self._address(self._rng)}/v1/responses/{response_id}"
        headers = {"tertulia-events": "1"}
        async with self._session.get(url, params=params, headers=headers) as answer:
            if answer.status == 410:
                await self._start_over(url, view)
                return
            if answer.status == 404 and self.user not in self._history.removed:
                self._history.odd.append(f"{self.name} is told that {response_id} is unknown")
            answer.raise_for_status()
            reading = self._reading(response_id, view.last)
            async for line in answer.content:
                if not line.startswith(b"data: {"):
                    continue
                if not line.endswith(b"\n"):
                    return  # the connection broke in the middle of it
                event = json.loads(line[6:])
                noted(reading, event)
                if event["type"] == "error":
                    if event["error"]["code"] == "position_lost":
                        await self._start_over(url, view)
                    return
                if view.apply(event) == "resubscribe":
                    return

    async def _start_over(self, url: str, view: View) -> None:
        """Either way that the wire allows: retrieve what has ended, or stream from the start."""
        assert self._session is not None
        view.restart()
        async with self._session.get(url) as answer:
            answer.raise_for_status()
            resource = await answer.json()
        if resource["status"] not in ("queued", "in_progress"):
            view.retrieved(resource)


class FeedDevice(Device):
    """One WebSocket of ``/v1/feed`` for everything."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._readings: dict[str, Reading | None] = {}
        self._position: dict[str, Any] | None = None
        self._acks: dict[str, asyncio.Future[str]] = {}

    async def start(self) -> None:
        await super().start()
        self._spawn(self._live())

    async def create(self, key: str, body: dict[str, Any]) -> str | None:
        """Send a message; None: not acknowledged, which does not say that it was not accepted."""
        socket = self._socket
        if socket is None:
            return None
        acknowledged: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._acks[key] = acknowledged
        try:
            async with asyncio.timeout(ACK):
                await socket.send_json({"type": "response.create", "request_id": key, **body})
                return await acknowledged
        except BROKEN:
            return None
        finally:
            self._acks.pop(key, None)

    def _followed(self, response_id: str, view: View) -> None:
        if self._socket is not None:
            self._spawn(self._subscribe(response_id, view))

    async def _live(self) -> None:
        failures = 0
        while True:
            with contextlib.suppress(*BROKEN):
                async with asyncio.timeout(self._life()):
                    await self._connection()
            failures = failures + 1 if self._socket is None else 0
            self._socket = None
            await self._pause(failures)

    async def _connection(self) -> None:
        assert self._session is not None
        url = self._address(self._rng).replace("http", "ws", 1) + "/v1/feed"
        async with self._session.ws_connect(
            url, max_msg_size=0, timeout=aiohttp.ClientWSTimeout(ws_close=0.2)
        ) as socket:
            hello = {"type": "auth", "token": self._token}
            await socket.send_json(hello | ({"feed": self._position} if self._position else {}))
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    break
                await self._heard(socket, json.loads(message.data))

    async def _heard(
        self, socket: aiohttp.ClientWebSocketResponse, message: dict[str, Any]
    ) -> None:
        kind = message["type"]
        if kind == "hello":
            self._position = message["feed"]
            self._readings.clear()
            self._socket = socket
            for response_id, view in list(self.views.items()):
                if not view.ended:
                    await self._subscribe(response_id, view)
        elif kind == "event":
            self._history.saw(self.user, message["response_id"])
            await self._event(message["response_id"], message["event"])
        elif kind == "feed":
            event = message["event"]
            self._history.saw(self.user, event.get("response_id"), event.get("conversation_id"))
            if self._position is not None:
                self._position = {**self._position, "offset": message["offset"]}
        elif kind == "ack":
            self._acknowledged(message["request_id"], message["response_id"])
        elif kind == "error":
            await self._refused(socket, message)
        elif kind == "ping":
            await socket.send_json({"type": "pong"})
        elif kind == "goaway":
            await socket.close()

    def _acknowledged(self, key: str, response_id: str) -> None:
        """What is acknowledged is followed from its beginning."""
        known = response_id in self._readings
        self._readings[response_id] = None if known else self._reading(response_id, None)
        self.views.setdefault(response_id, View())
        future = self._acks.get(key)
        if future is not None and not future.done():
            future.set_result(response_id)

    async def _event(self, response_id: str, event: dict[str, Any]) -> None:
        noted(self._readings.get(response_id), event)
        view = self.views.get(response_id)
        if view is not None and view.apply(event) == "resubscribe":
            await self._subscribe(response_id, view)

    async def _refused(
        self, socket: aiohttp.ClientWebSocketResponse, message: dict[str, Any]
    ) -> None:
        view = self.views.get(message.get("response_id", ""))
        if view is None:
            return
        if message["error"]["code"] == "position_lost":
            view.restart()
            await self._subscribe(message["response_id"], view)
        else:
            # Whatever it was, it is tried again from a new connection.
            await socket.close()

    async def _subscribe(self, response_id: str, view: View) -> None:
        socket = self._socket
        if socket is None or view.ended:
            return
        after = {} if view.last is None or view.last < 0 else {"starting_after": view.last}
        # A second subscription of one connection may still be sent what was on its way.
        again = response_id in self._readings
        self._readings[response_id] = None if again else self._reading(response_id, view.last)
        with contextlib.suppress(*BROKEN):
            await socket.send_json({"type": "subscribe", "response_id": response_id, **after})
