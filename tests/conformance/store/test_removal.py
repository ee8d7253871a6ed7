"""Removing a user: gone at once, unreadable at once, and in the end as if they had never been."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest
from tests.support.stores import ANN, BEN, Rig, answered, asked, outcome, words

from tertulia.domain.conversation import Conversation
from tertulia.domain.file import File
from tertulia.domain.ids import new_file_id, new_id
from tertulia.domain.principal import Principal
from tertulia.errors import Fenced, NotFound
from tertulia.ports.accounts import ApiKey, Login
from tertulia.ports.turns import Idempotency

DAY = 86_400.0


def conversation(user: str) -> Conversation:
    return Conversation(id=new_id("conv"), user_id=user, created_at=0.0, updated_at=0.0)


async def upload(rig: Rig, user: str) -> None:
    file = File(
        id=new_file_id(),
        user_id=user,
        bytes=7,
        purpose="vision",
        name="a.png",
        media_type="image/png",
        width=2,
        height=3,
    )
    await rig.store.add_file(file, b"picture", keep_seconds=None, quota_bytes=1 << 20)


async def live(rig: Rig, user: str) -> None:
    """Leave something of every kind."""
    store = rig.store
    await store.set_profile(user, instructions="Be brief.", default_model=None)
    await store.create_login(Login(f"login_{user}", user, 1.0, 9e9, user.encode() * 4))
    await store.create_key(ApiKey(f"key_{user}", user, "laptop", "sk-abc", 1.0), user.encode() * 3)
    key = Idempotency(user.encode() * 2, b"body", DAY)
    talk = conversation(user)
    await store.create_conversation(talk, (asked("Before."), answered("Indeed.")))
    first = await rig.answer("One.", text="Hello", user=user, conversation=talk.id, key=key)
    await rig.answer("Two.", user=user, conversation=talk.id, regenerate_of=first.id)
    alone = await rig.answer("Alone.", user=user)
    await store.delete(user, alone.id)
    await rig.answer("Bound.", user=user, store=False, connection="connection_1")
    handed = await rig.start(user=user)
    await store.release(handed.id, handed.attempt, handed.spent)
    await rig.end(await rig.claim(handed.id))
    await upload(rig, user)


async def remove(rig: Rig, user: str) -> None:
    """All the steps."""
    await rig.store.begin_removal(user)
    await finish(rig, user)


async def finish(rig: Rig, user: str) -> None:
    await rig.store.destroy_keys(user)
    while left := await rig.store.left_of(user):
        if rig.log is not None:
            await rig.log.drop(left)
        await rig.store.erase_left(left)
    await rig.store.end_removal(user)


def wrapped(rig: Rig, user: str) -> list[tuple[bytes | None]]:
    """What is kept of the user's keys."""
    with closing(sqlite3.connect(rig.folder / "keys" / "users.sqlite3")) as keys:
        return keys.execute("SELECT wrapped FROM keys WHERE user_id = ?", (user,)).fetchall()


async def test_a_removed_user_is_gone_with_the_first_step(rig: Rig) -> None:
    await live(rig, ANN)
    running = await rig.start()
    await rig.submit(parent=running.id)
    assert await rig.store.begin_removal(ANN) == [running.id]
    assert await rig.store.removals() == [ANN]

    came = (Principal(ANN, "user", login_id=f"login_{ANN}"), Principal(ANN, "user", key_id="key_1"))
    assert list(await rig.store.standing(came)) == [False, False]
    assert await rig.store.login(f"login_{ANN}") is None
    assert await rig.store.key_by_hash(ANN.encode() * 3) is None
    assert await rig.store.user_by_email("ann@example.org") is None
    for question in (
        rig.store.user(ANN),
        rig.store.get(ANN, running.id),
        rig.store.feed_position(ANN),
        rig.submit(),
        rig.talk(),
        rig.store.create_login(Login("login_9", ANN, 1.0, 9e9, b"9" * 32)),
        rig.store.create_key(ApiKey("key_9", ANN, "late", "sk-abc", 1.0), b"9" * 32),
    ):
        with pytest.raises(NotFound):
            await question
    assert await rig.store.begin_removal(ANN) is None


async def test_what_ran_and_waited_has_ended(rig: Rig) -> None:
    running = await rig.start()
    waiting = (await rig.submit()).response
    behind = (await rig.submit(parent=running.id)).response
    await rig.store.begin_removal(ANN)
    assert await rig.store.claim(waiting.id, "worker_2", 30.0) is None
    assert await rig.store.claim(behind.id, "worker_2", 30.0) is None
    renewed = await rig.store.renew("worker_1", [(running.id, running.attempt)], 30.0)
    assert not renewed[running.id].held
    await rig.store.release(running.id, running.attempt, running.spent)
    with pytest.raises(Fenced):
        await rig.store.finish(outcome(running), rig.limits)
    assert (await rig.store.backlog()).running == 0


async def test_nothing_can_be_opened_without_the_keys(rig: Rig) -> None:
    await live(rig, ANN)
    running = await rig.start()
    assert wrapped(rig, ANN)[0][0] is not None
    await rig.store.begin_removal(ANN)
    await rig.store.destroy_keys(ANN)
    assert wrapped(rig, ANN) == [(None,)]
    with pytest.raises(NotFound) as refused:
        await rig.store.conversations(ANN, limit=10, after=None)
    assert refused.value.code == "user_erased"
    with pytest.raises(Fenced):
        await rig.store.finish(outcome(running), rig.limits)


async def test_nothing_is_left_and_others_keep_theirs(rig: Rig) -> None:
    for user in (ANN, BEN):
        await live(rig, user)
    kept = await rig.owned(BEN)
    assert await rig.owned(ANN) == kept
    assert {"responses", "items", "conversations", "files", "feed", "idempotency"} <= set(kept)
    assert {"logins", "api_keys", "attempts", "usage_of_responses"} <= set(kept)
    assert ("frames" in kept) == (rig.log is not None)

    await remove(rig, ANN)
    assert await rig.owned(ANN) == {}
    assert not await rig.store.removals()
    assert await rig.owned(BEN) == kept
    page = await rig.store.conversations(BEN, limit=10, after=None)
    head = page.data[0].head
    assert head is not None
    assert words(await rig.store.get(BEN, head)) == ("Hello", "Two.")


async def test_the_address_is_free_for_somebody_new(rig: Rig) -> None:
    await live(rig, ANN)
    await rig.store.begin_removal(ANN)
    await rig.store.create_user("user_new", "ann@example.org", "hash", "user")
    await finish(rig, ANN)
    assert (await rig.store.user("user_new")).instructions is None
    await rig.answer(user="user_new")


async def test_every_step_may_be_made_again(rig: Rig) -> None:
    await live(rig, ANN)
    await remove(rig, ANN)
    await remove(rig, ANN)
    assert await rig.owned(ANN) == {}
    await rig.store.erase_left(())


async def test_more_than_one_batch_is_erased(rig: Rig) -> None:
    for n in range(70):
        await rig.store.create_conversation(conversation(ANN), (asked(str(n)),))
    await rig.answer()
    for _ in range(20):
        await upload(rig, ANN)
    await remove(rig, ANN)
    assert await rig.owned(ANN) == {}


async def test_sweeps_and_purges_go_past_what_is_left(rig: Rig) -> None:
    """Between the steps there are rows whose user and keys are gone."""
    for user in (ANN, BEN):
        talk = await rig.talk(user)
        await rig.answer(user=user, conversation=talk.id)
        await rig.store.delete_conversation(user, talk.id)
        await rig.submit(user=user)
    late = (await rig.submit(user=BEN)).response
    await rig.store.begin_removal(ANN)
    await rig.store.destroy_keys(ANN)
    rig.clock.pass_by(DAY)
    swept = await rig.store.sweep(
        rig.limits, waiting_seconds=60.0, take_over=True, ring_after_seconds=1.0
    )
    assert {f.response.user_id for f in swept.finished} == {BEN}
    assert late.id in {f.response.id for f in swept.finished}
    await rig.store.purge(ephemeral_seconds=60.0, undo_seconds=60.0, feed_history=1)
    assert "conversations" not in await rig.owned(BEN)
    await finish(rig, ANN)
    assert await rig.owned(ANN) == {}


async def test_whoever_writes_meanwhile_leaves_nothing(rig: Rig) -> None:
    """Turns, titles, files and sign-ins of the user's, all at once with the removal."""

    async def turns() -> None:
        for _ in range(5):
            talk = await rig.talk()
            response = (await rig.submit(conversation=talk.id)).response
            claimed = await rig.store.claim(response.id, "worker_1", 30.0)
            if claimed is not None:
                await rig.end(claimed.response)
            await rig.store.update_conversation(ANN, talk.id, title="Named")

    async def uploads() -> None:
        for _ in range(5):
            await upload(rig, ANN)

    async def sign_ins(first: int) -> None:
        for n in range(first, first + 5):
            await rig.store.create_login(Login(f"login_{n}", ANN, 1.0, 9e9, b"%032d" % n))

    async def removal() -> None:
        # When some have written, and others are about to.
        await asyncio.gather(*(rig.owned(ANN) for _ in range(10)))
        await rig.store.begin_removal(ANN)

    work = (turns(), turns(), uploads(), sign_ins(0), sign_ins(5), removal())
    ends = await asyncio.gather(*work, return_exceptions=True)
    refused = [end for end in ends if end is not None]
    assert refused
    assert all(isinstance(end, NotFound | Fenced) for end in refused), refused
    await finish(rig, ANN)
    assert await rig.owned(ANN) == {}
    assert not await rig.store.removals()
