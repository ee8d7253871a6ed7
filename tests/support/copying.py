"""A data folder that was lived in, and what of it is seen through the store's port."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.keys import MASTER_KEY
from tests.support.stores import Clock, Rig, asked

from tertulia.accounts import AccountService
from tertulia.adapters.cache.limiter import MemoryLimiter
from tertulia.bootstrap.storage import Storage, storage
from tertulia.domain.file import File
from tertulia.domain.ids import new_file_id
from tertulia.domain.response import Usage
from tertulia.ports.conversations import FeedPosition
from tertulia.ports.store import Store
from tertulia.ports.turns import Idempotency
from tertulia.settings import Passwords, Settings

PASSWORD = "correct horse battery"
SECRET = "s" * 40
EMAILS = ("ann@example.org", "bén@example.org", "cat@example.org")
QUICK = Passwords(time_cost=1, memory_kib=8, parallelism=1)


@dataclass
class Life:
    """What its users have in their hands."""

    users: list[str]
    erased: str
    api_key: str
    refresh_token: str
    waiting: str  # a response


def settings_of(folder: Path, **given: Any) -> Settings:
    return Settings(**{"data": folder, "secret": SECRET, "passwords": QUICK, **given})


def on_server(folder: Path, store: str, keys: str, **given: Any) -> Settings:
    return settings_of(folder, **{"store": store, "keys": keys, "master_key": MASTER_KEY, **given})


@contextmanager
def accounts_of(kept: Storage, settings: Settings) -> Iterator[AccountService]:
    accounts = AccountService(
        kept.store, MemoryLimiter(), secret=kept.secret, settings=settings, clock=kept.clock
    )
    try:
        yield accounts
    finally:
        accounts.close()


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Storage]:
    async with storage(settings, exclusive=settings.store == "sqlite") as kept:
        yield kept


async def live(folder: Path, seed: int = 1) -> Life:
    """Some weeks of three users, and of one who was erased."""
    settings = settings_of(folder)
    chance = random.Random(seed)
    async with opened(settings) as kept:
        rig = rig_of(kept, folder)
        with accounts_of(kept, settings) as accounts:
            made = [await accounts.create_user(email, PASSWORD) for email in EMAILS]
            _, api_key = await accounts.create_key_for(EMAILS[0], "laptop ☕")
            session = await accounts.sign_in(EMAILS[1], PASSWORD, address="127.0.0.1")
        users = [user.id for user in made]
        await kept.store.set_profile(users[0], instructions="Be brief! 😀", default_model="m")
        for user in users:
            for n in range(3):
                await _talk(rig, user, n, chance)
            await _keep(kept.store, user, chance.randbytes(60_000))
        await _keep(kept.store, users[1], chance.randbytes(5 << 20))
        gone = await rig.talk(users[2], title="Thrown away")
        await kept.store.delete_conversation(users[2], gone.id)
        # An attempt that was handed over, one that crashed, and what waits for its first.
        handed = await rig.start(user=users[0])
        await kept.store.release(handed.id, 1, Usage(7, 8, 1, 2, 30))
        await rig.end(await rig.claim(handed.id, "worker_2"), usage=Usage(9, 9, 1, 2, 40))
        crashed = await rig.start(user=users[1])
        await kept.store.void_leases()
        await rig.end(await rig.claim(crashed.id))
        waiting = await rig.submit("Still there?", user=users[2])
        # One who goes, of whom not all is gone yet.
        erased = await kept.store.create_user("user_erased", "dan@example.org", None, "user")
        await rig.answer(user=erased.id)
        await kept.store.begin_removal(erased.id)
        await kept.store.destroy_keys(erased.id)
        return Life(users, erased.id, api_key, session.refresh_token, waiting.response.id)


def rig_of(kept: Storage, folder: Path) -> Rig:
    return Rig(kept.store, Clock(), [], folder, _none, _none, _none, kept.log)


async def _none(_: str) -> list[Any]:
    return []


async def _talk(rig: Rig, user: str, n: int, chance: random.Random) -> None:
    talk = await rig.talk(user, title=f"Talk {n} – «ä»", metadata={"n": str(n)})
    first = await rig.answer(
        "".join(chance.choices("abc 😀äß\n", k=2000)),
        user=user,
        conversation=talk.id,
        text=f"Question {n}",
        key=Idempotency(chance.randbytes(32), b"body", 86_400),
    )
    second = await rig.answer("Well.", user=user, conversation=talk.id, parent=first.id)
    await rig.answer("Better.", user=user, conversation=talk.id, regenerate_of=second.id)
    await rig.store.add_items(user, talk.id, (asked("A note."),))


async def _keep(store: Store, user: str, content: bytes) -> None:
    file = File(
        id=new_file_id(),
        user_id=user,
        purpose="vision",
        bytes=len(content),
        name="ä.png",
        media_type="image/png",
        width=2,
        height=3,
    )
    await store.add_file(file, content, keep_seconds=None, quota_bytes=1 << 30)


async def seen(store: Store, users: list[str]) -> dict[str, Any]:
    """All that the port shows of the users."""
    return {user: await _seen(store, user) for user in users}


async def _seen(store: Store, user: str) -> dict[str, Any]:
    talks = (await store.conversations(user, limit=100, after=None)).data
    trees = [await store.tree(user, talk.id) for talk in talks]
    files = (await store.files(user, limit=100)).data
    position = await store.feed_position(user)
    return {
        "user": await store.user(user),
        "keys": await store.keys(user),
        "titles": await store.titles(user),
        "trees": trees,
        "branches": [await store.branch(user, talk.head) for talk in talks if talk.head],
        "files": await store.file_contents(user, [file.id for file in files]),
        "position": position,
        "feed": await store.feed_after(user, FeedPosition(position.epoch, 0), 1000),
    }
