"""The user's feed: numbered without gaps, written with what it tells, told after the commit."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from tests.support.stores import ANN, BEN, Rig

from tertulia.domain.admission import Limits
from tertulia.errors import NotFound, PositionLost, RateLimited
from tertulia.ports.conversations import FeedPosition
from tertulia.ports.turns import HEAD


async def test_a_turn_in_a_conversation(rig: Rig) -> None:
    talk = await rig.talk()
    response = await rig.answer(conversation=talk.id, parent=HEAD, title="Hello")
    assert [e["type"] for e in await rig.feed()] == [
        "conversation.created",
        "conversation.updated",
        "response.started",
        "head.changed",
        "response.ended",
        "conversation.updated",
    ]
    created, updated, started, head, _, _ = await rig.feed()
    assert created["conversation"] == msgspec.to_builtins(talk.resource())
    assert updated["conversation"]["title"] == "Hello"
    assert updated["conversation"]["head"] == response.id
    assert started == {
        "type": "response.started",
        "response_id": response.id,
        "conversation_id": talk.id,
        "previous_response_id": None,
    }
    assert head == {"type": "head.changed", "conversation_id": talk.id, "head": response.id}
    assert await rig.feed(BEN) == []


async def test_every_change_of_a_conversation_is_told(rig: Rig) -> None:
    talk = await rig.talk()
    await rig.store.update_conversation(ANN, talk.id, title="New")
    await rig.store.delete_conversation(ANN, talk.id)
    await rig.store.restore_conversation(ANN, talk.id)
    await rig.store.add_items(ANN, talk.id, ())
    await rig.store.set_head(ANN, talk.id, None)
    told = await rig.feed()
    assert [e["type"] for e in told] == [
        "conversation.created",
        "conversation.updated",
        "conversation.deleted",
        "conversation.restored",
        "conversation.updated",
        "head.changed",
        "head.changed",
    ]
    assert told[1]["conversation"]["title"] == "New"
    assert told[2] == {"type": "conversation.deleted", "conversation_id": talk.id}
    assert told[3]["conversation"]["id"] == talk.id


async def test_news_are_said_after_the_commit_and_only_then(rig: Rig) -> None:
    await rig.talk()
    await rig.talk(BEN)
    assert rig.told == [ANN, BEN]
    with pytest.raises(RateLimited):
        await rig.submit(limits=Limits(running=0, waiting=0))
    await rig.answer(store=False, connection="conn_1")
    assert rig.told == [ANN, BEN]


async def test_numbers_have_no_gaps_whoever_writes_at_once(rig: Rig) -> None:
    talk = await rig.talk()
    await asyncio.gather(
        *(rig.talk() for _ in range(5)),
        *(rig.submit(str(n), conversation=talk.id, parent=HEAD) for n in range(5)),
        *(rig.store.update_conversation(ANN, talk.id, title=str(n)) for n in range(5)),
    )
    position = await rig.store.feed_position(ANN)
    start = FeedPosition(position.epoch, 0)
    entries = await rig.store.feed_after(ANN, start, 1000)
    assert [e.offset for e in entries] == list(range(1, position.offset + 1))


async def test_reading_goes_on_from_any_position_in_steps(rig: Rig) -> None:
    assert (await rig.store.feed_position(ANN)).offset == 0
    for _ in range(5):
        await rig.talk()
    position = await rig.store.feed_position(ANN)
    assert await rig.store.feed_after(ANN, position, 10) == ()
    start = FeedPosition(position.epoch, 1)
    assert [e.offset for e in await rig.store.feed_after(ANN, start, 2)] == [2, 3]


async def test_a_position_that_is_not_of_this_history(rig: Rig) -> None:
    await rig.talk()
    position = await rig.store.feed_position(ANN)
    for wrong in (
        FeedPosition("another", 0),
        FeedPosition(position.epoch, position.offset + 1),
    ):
        with pytest.raises(PositionLost):
            await rig.store.feed_after(ANN, wrong, 10)
    with pytest.raises(NotFound):
        await rig.store.feed_position("user_nobody")
