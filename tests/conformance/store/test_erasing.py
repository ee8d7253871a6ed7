"""What was asked to be erased, and what has outlived its time."""

from __future__ import annotations

import pytest
from tests.support.stores import ANN, BEN, Rig, words

from tertulia.errors import Conflict, NotFound, PositionLost
from tertulia.ports.turns import HEAD, Idempotency


async def _purge(rig: Rig, feed_history: int = 1000) -> int:
    return await rig.store.purge(ephemeral_seconds=600, undo_seconds=600, feed_history=feed_history)


async def test_a_deleted_response_is_gone_but_for_its_usage(rig: Rig) -> None:
    response = await rig.answer()
    await rig.store.delete(ANN, response.id)
    for gone in (rig.store.get, rig.store.branch, rig.store.delete):
        with pytest.raises(NotFound):
            await gone(ANN, response.id)
    assert len(await rig.usage_of(response.id)) == 1


@pytest.mark.parametrize("which", ["unknown", "foreign", "items"])
async def test_what_is_not_there_cannot_be_deleted(rig: Rig, which: str) -> None:
    wanted = "resp_unknown"
    if which == "foreign":
        wanted = (await rig.answer(user=BEN)).id
    elif which == "items":
        wanted = (await rig.store.add_items(ANN, (await rig.talk()).id, ())).response.id
    with pytest.raises(NotFound):
        await rig.store.delete(ANN, wanted)


async def test_an_unfinished_one_is_not_deleted(rig: Rig) -> None:
    for response in ((await rig.submit()).response, await rig.start()):
        with pytest.raises(Conflict) as caught:
            await rig.store.delete(ANN, response.id)
        assert caught.value.code == "response_in_progress"


async def test_a_deleted_head_gives_way_to_its_parent(rig: Rig) -> None:
    talk = await rig.talk()
    line = [await rig.answer(conversation=talk.id, parent=HEAD) for _ in range(3)]
    await rig.store.delete(ANN, line[1].id)  # a tombstone: the third hangs on it
    assert (await rig.store.conversation(ANN, talk.id)).head == line[2].id
    await rig.store.delete(ANN, line[2].id)
    assert (await rig.store.conversation(ANN, talk.id)).head == line[0].id
    assert "head.changed" in [e["type"] for e in await rig.feed()]
    await rig.store.delete(ANN, line[0].id)
    conversation, nodes = await rig.store.tree(ANN, talk.id)
    assert (conversation.head, nodes) == (None, [])


async def test_a_tombstone_keeps_the_way_and_no_content(rig: Rig) -> None:
    talk = await rig.talk()
    line = [await rig.answer(text=str(n), conversation=talk.id, parent=HEAD) for n in range(3)]
    await rig.store.delete(ANN, line[1].id)
    way = await rig.store.branch(ANN, line[2].id)
    assert [words(n)[0] for n in way] == ["0", "", "2"]
    assert (way[1].input, way[1].output) == ((), ())
    assert [n.response.id for n in way] == [r.id for r in line]
    _, nodes = await rig.store.tree(ANN, talk.id)
    assert len(nodes) == 3
    with pytest.raises(NotFound):
        await rig.submit(conversation=talk.id, parent=line[1].id)
    with pytest.raises(NotFound):
        await rig.store.set_head(ANN, talk.id, line[1].id)
    # It goes with the last that hangs on it.
    await rig.store.delete(ANN, line[2].id)
    _, nodes = await rig.store.tree(ANN, talk.id)
    assert [n.id for n in nodes] == [line[0].id]


async def test_input_is_kept_while_a_sibling_reads_it(rig: Rig) -> None:
    talk = await rig.talk()
    first = await rig.answer(text="Shared", conversation=talk.id, parent=HEAD)
    second = await rig.answer(regenerate_of=first.id)
    await rig.store.delete(ANN, first.id)
    assert words(await rig.store.get(ANN, second.id))[0] == "Shared"
    third = await rig.answer(regenerate_of=second.id)
    await rig.store.delete(ANN, second.id)
    assert words(await rig.store.get(ANN, third.id))[0] == "Shared"


# --- deleted conversations ------------------------------------------------------------------


async def test_a_deleted_conversation_is_erased_after_its_undo(rig: Rig) -> None:
    talk = await rig.talk(title="Plans")
    response = await rig.answer(conversation=talk.id, parent=HEAD)
    await rig.store.delete_conversation(ANN, talk.id)
    rig.clock.pass_by(599)
    assert await _purge(rig) == 0
    await rig.store.restore_conversation(ANN, talk.id)
    await rig.store.delete_conversation(ANN, talk.id)
    rig.clock.pass_by(601)
    assert await _purge(rig) == 2
    for gone in (rig.store.restore_conversation, rig.store.conversation):
        with pytest.raises(NotFound):
            await gone(ANN, talk.id)
    assert len(await rig.usage_of(response.id)) == 1
    # What the feed has told of it is emptied, and its numbers stay whole.
    assert {e["type"] for e in await rig.feed()} == {"conversation.deleted"}
    assert await _purge(rig) == 0


async def test_a_conversation_is_not_erased_under_its_worker(rig: Rig) -> None:
    talk = await rig.talk()
    response = await rig.start(conversation=talk.id, parent=HEAD)
    await rig.store.delete_conversation(ANN, talk.id)
    rig.clock.pass_by(601)
    assert await _purge(rig) == 0
    await rig.end(response)
    assert await _purge(rig) == 2


async def test_a_chain_that_left_an_erased_conversation_goes_on(rig: Rig) -> None:
    talk = await rig.talk()
    inside = await rig.answer(text="in", conversation=talk.id, parent=HEAD)
    outside = await rig.answer(text="out", parent=inside.id)
    await rig.store.delete_conversation(ANN, talk.id)
    rig.clock.pass_by(601)
    await _purge(rig)
    assert [words(n)[0] for n in await rig.store.branch(ANN, outside.id)] == ["", "out"]


# --- store=false ----------------------------------------------------------------------------


async def test_what_is_not_kept_is_erased_some_time_after_its_end(rig: Rig) -> None:
    response = await rig.answer(store=False, connection="conn_1")
    running = await rig.start(store=False, connection="conn_1")
    rig.clock.pass_by(599)
    assert await _purge(rig) == 0
    rig.clock.pass_by(2)
    assert await _purge(rig) == 1
    with pytest.raises(NotFound):
        await rig.store.get(ANN, response.id)
    assert len(await rig.usage_of(response.id)) == 1
    await rig.end(running)


async def test_a_closed_connection_takes_its_responses_along(rig: Rig) -> None:
    first = await rig.answer(store=False, connection="conn_1")
    second = await rig.answer(store=False, connection="conn_1", parent=first.id)
    running = await rig.start(store=False, connection="conn_1", parent=second.id)
    other = await rig.answer(store=False, connection="conn_2")
    assert await rig.store.erase_connection("conn_1") == 2
    for gone in (first, second):
        with pytest.raises(NotFound):
            await rig.store.get(ANN, gone.id)
    await rig.end(running)
    assert await _purge(rig) == 1
    with pytest.raises(NotFound):
        await rig.store.get(ANN, running.id)
    assert await rig.store.erase_connection("conn_1") == 0
    assert await rig.store.erase_connection("") == 0
    assert (await rig.store.get(ANN, other.id)).output


# --- keys and feeds -------------------------------------------------------------------------


async def test_spent_keys_are_forgotten(rig: Rig) -> None:
    await rig.submit(key=Idempotency(b"1" * 32, b"b", keep_seconds=10))
    await rig.submit(key=Idempotency(b"2" * 32, b"b", keep_seconds=100))
    rig.clock.pass_by(50)
    assert await _purge(rig) == 1
    assert (await rig.submit(key=Idempotency(b"2" * 32, b"b"))).replayed


async def test_old_entries_leave_the_feed(rig: Rig) -> None:
    for _ in range(7):
        await rig.talk()
    await rig.talk(BEN)
    position = await rig.store.feed_position(ANN)
    assert await _purge(rig, feed_history=3) == 4
    assert await _purge(rig, feed_history=3) == 0
    assert len(await rig.feed(after=4)) == 3
    with pytest.raises(PositionLost):
        await rig.feed(after=3)
    assert await rig.store.feed_position(ANN) == position
