"""Ten users with five clients each, who write, cancel, leave and come back."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

import aiohttp
from tests.faults.cluster import Cluster
from tests.faults.devices import BACK_OFF, BROKEN, Device, FeedDevice, StreamDevice
from tests.faults.history import History, Reply, Sent

USERS: Final = 10
PASSWORD: Final = "correct horse battery"
#: Of each user; one of all is slow.
FEEDS, STREAMS = 3, 2
#: Models with the number of words that each answers with. All together write some 300 words a
#: second: what is tried is what happens, not how much of it.
MODELS: Final = (
    ("scripted-12x8", 12),
    ("scripted-30x12", 30),
    ("scripted-50x25", 50),
    ("scripted-6x0", 6),
    ("scripted-400x0", 400),
)
#: And one that continues by being told to. In a conversation it would take the answer before for
#: the beginning of its own, as it knows none but numbered words.
PORTABLE: Final = ("scripted-30x12-portable", 30)
#: How often a message is sent twice, over the feed, and cancelled.
TWICE, BY_FEED, CANCELLED = 0.1, 0.3, 0.12
#: Seconds between a user's messages, and for one try to send one.
BETWEEN, TRY = (0.3, 2.5), 20.0


class User:
    def __init__(self, name: str, user_id: str, token: str) -> None:
        self.name, self.id, self.token = name, user_id, token
        self.conversation = ""
        self.devices: list[Device] = []
        self.sent = 0


class Traffic:
    """``seed`` decides who sends what, and when a client leaves; how the messages of different
    users interleave it does not."""

    def __init__(self, cluster: Cluster, history: History, seed: int) -> None:
        self._cluster = cluster
        self._history = history
        self._seed = seed
        self.users: list[User] = []
        #: Users whose accounts are removed, or are to be.
        self.leavers: list[User] = []
        self._session: aiohttp.ClientSession | None = None
        self._senders: list[asyncio.Task[None]] = []
        self._later: set[asyncio.Task[None]] = set()
        self._ending = asyncio.Event()
        self._crowd = True

    async def start(self, *, users: int | None = None) -> None:
        """Accounts, conversations and devices; ten users if not told otherwise."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=TRY),
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
        )
        self._crowd = users is None
        for number in range(users or USERS):
            user = await self._register(f"user-{number}")
            self.users.append(user)
            await self._devices(user, feeds=FEEDS, streams=STREAMS)

    async def newcomer(self) -> User:
        """One more user, with three devices, who is not among those that everybody waits for."""
        user = await self._register(f"newcomer-{len(self.leavers)}")
        self.leavers.append(user)
        await self._devices(user, feeds=2, streams=1)
        return user

    async def leave(self, user: User) -> None:
        """Remove the account. A node that dies may have done so without saying it."""
        assert self._session is not None
        self._history.removed.add(user.id)
        rng = random.Random(f"{self._seed}/{user.name}/leaves")
        while True:
            url = f"{self.address(rng)}/v1/me"
            headers = {"authorization": f"Bearer {user.token}"}
            with contextlib.suppress(*BROKEN):
                body = {"password": PASSWORD}
                async with self._session.delete(url, json=body, headers=headers) as answer:
                    if answer.status in (204, 401):
                        break
            await asyncio.sleep(rng.uniform(0.05, 0.5))

    async def _register(self, name: str) -> User:
        account = {"email": f"{name}@example.org", "password": PASSWORD}
        made = await self._post("/auth/register", account, expect=201)
        user = User(name, made["user"]["id"], made["access_token"])
        talk = await self._post("/v1/conversations", {}, user)
        user.conversation = talk["id"]
        return user

    async def _devices(self, user: User, *, feeds: int, streams: int) -> None:
        for index in range(feeds + streams):
            await self._device(user, index, FeedDevice if index < feeds else StreamDevice)

    async def _device(self, user: User, index: int, kind: type[Device]) -> None:
        name = f"{user.name}/{kind.__name__}-{index}"
        rng = random.Random(f"{self._seed}/{name}")
        slow = self._crowd and user is self.users[0] and index in (0, FEEDS)
        device = kind(
            name,
            user.id,
            user.token,
            self.slow_address if slow else self.address,
            self._history,
            rng,
        )
        await device.start()
        user.devices.append(device)

    def address(self, rng: random.Random) -> str:
        return rng.choice(self._cluster.apis).url

    def slow_address(self, rng: random.Random) -> str:
        """The same, through a link that passes 1 KB a second."""
        return f"http://127.0.0.1:{rng.choice(self._cluster.slow).port}"

    # --- sending -----------------------------------------------------------------------------

    def begin(self) -> None:
        """Two senders for each user: one talks in a conversation, one asks and forgets."""
        for user in self.users:
            for conversation in (user.conversation, None):
                self._senders.append(asyncio.create_task(self._sender(user, conversation)))

    async def end(self) -> None:
        """Send no more; what was begun to be sent is sent."""
        self._ending.set()
        await asyncio.gather(*self._senders, *self._later)
        for user in self.users:
            for device in user.devices:
                device.leaves = False
        # Who reads slowly would take minutes for what the others have long seen.
        for link in self._cluster.slow:
            link.heal()

    async def stop(self) -> None:
        for task in (*self._senders, *self._later):
            task.cancel()
        await asyncio.gather(*self._senders, *self._later, return_exceptions=True)
        for user in (*self.users, *self.leavers):
            await asyncio.gather(*(device.stop() for device in user.devices))
        if self._session is not None:
            await self._session.close()

    @property
    def done(self) -> bool:
        """Whether every client has seen the end of all it shows."""
        return all(device.done for user in self.users for device in user.devices)

    async def _sender(self, user: User, conversation: str | None) -> None:
        lane = "talk" if conversation else "loose"
        rng = random.Random(f"{self._seed}/{user.name}/{lane}")
        while not await self._over(rng.uniform(*BETWEEN)):
            model, words = rng.choice(MODELS if conversation else (*MODELS, PORTABLE, PORTABLE))
            body: dict[str, Any] = {"model": model, "input": "go on", "background": True}
            if conversation:
                body["conversation"] = conversation
            response_id = await self.send(user, body, words, rng)
            if rng.random() < CANCELLED:
                self._soon(self._cancel(user, response_id, rng.uniform(0.0, 2.5)))

    async def _over(self, seconds: float) -> bool:
        """Wait so long; True as soon as nothing more is to be sent."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)
        return self._ending.is_set()

    async def send(
        self,
        user: User,
        body: dict[str, Any],
        words: int | None,
        rng: random.Random,
        *,
        twice: bool = False,
    ) -> str:
        """Send until it is accepted, under one key, now and then ``twice``; let some of the devices
        show it."""
        user.sent += 1
        key = f"{user.name}/{user.sent}"
        self._history.sent[key] = Sent(key, user.id, body.get("conversation"), words)
        feeds = [device for device in user.devices if isinstance(device, FeedDevice)]
        response_id = None
        if feeds and rng.random() < BY_FEED:
            response_id = await rng.choice(feeds).create(key, body)
        if response_id is None:
            response_id = await self._posted(user, key, body)
        self._history.replies.append(Reply(key, response_id, time.time()))
        if rng.random() < TWICE or twice:
            again = await self._posted(user, key, body)
            self._history.replies.append(Reply(key, again, time.time()))
        for device in rng.sample(user.devices, min(3, len(user.devices))):
            device.follow(response_id)
        return response_id

    async def _posted(self, user: User, key: str, body: dict[str, Any]) -> str:
        answer = await self._post("/v1/responses", body, user, key=key)
        return str(answer["id"])

    async def _cancel(self, user: User, response_id: str, after: float) -> None:
        await self._over(after)
        await self.cancel(user, response_id)

    async def cancel(self, user: User, response_id: str) -> None:
        await self._post(f"/v1/responses/{response_id}/cancel", {}, user)

    async def _post(
        self,
        path: str,
        body: dict[str, Any],
        user: User | None = None,
        *,
        key: str | None = None,
        expect: int = 200,
    ) -> dict[str, Any]:
        """Ask one node or the other until it is done; anything but "later" is a violation."""
        assert self._session is not None
        headers = {"authorization": f"Bearer {user.token}"} if user else {}
        if key:
            headers["idempotency-key"] = key
        rng = random.Random(f"{self._seed}/{path}/{key}")
        longest = 0.5
        while True:
            url = self.address(rng) + path
            with contextlib.suppress(*BROKEN):
                async with self._session.post(url, json=body, headers=headers) as answer:
                    if answer.status == expect:
                        made: dict[str, Any] = await answer.json()
                        return made
                    if answer.status not in (429, 502, 503):
                        said = (await answer.text())[:200]
                        self._history.odd.append(f"POST {path} gives {answer.status}: {said}")
            await asyncio.sleep(rng.uniform(0.05, longest))
            longest = min(BACK_OFF, 2 * longest)

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)


async def until(condition: Callable[[], bool], seconds: float, *, every: float = 0.03) -> bool:
    """Whether it came to hold in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        if loop.time() > deadline:
            return False
        await asyncio.sleep(every)
    return True
