"""Conversations: made, listed, changed, hidden, restored, and their items."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.stores import ANN, BEN, Rig, answered, asked, words

from tertulia.domain.conversation import Conversation
from tertulia.domain.ids import new_id
from tertulia.errors import Conflict, NotFound
from tertulia.ports.turns import HEAD, Idempotency


async def test_a_conversation_comes_back_as_it_was_made(rig: Rig) -> None:
    talk = await rig.talk(title="Ünïcode ✓", title_source="user", metadata={"a": "b"})
    assert (talk.created_at, talk.updated_at) == (rig.clock.now, rig.clock.now)
    assert await rig.store.conversation(ANN, talk.id) == talk
    with pytest.raises(NotFound):
        await rig.store.conversation(BEN, talk.id)


async def test_it_may_begin_with_items(rig: Rig) -> None:
    fresh = Conversation(id=new_id("conv"), user_id=ANN, created_at=0, updated_at=0)
    items = (asked("Hi"), answered("Ho"))
    talk = await rig.store.create_conversation(fresh, items)
    _, (node,) = await rig.store.tree(ANN, talk.id)
    assert talk.head == node.id
    assert node.items() == items
    assert node.status == "completed"
    following = await rig.submit("On", conversation=talk.id, parent=HEAD)
    assert following.response.previous_response_id == talk.head
    assert following.admitted


async def test_the_same_key_makes_one_conversation(rig: Rig) -> None:
    key = Idempotency(b"k" * 32, b"b" * 32)
    first, again = [
        await rig.store.create_conversation(
            Conversation(id=new_id("conv"), user_id=ANN, created_at=0, updated_at=0), (), key
        )
        for _ in range(2)
    ]
    assert first == again
    with pytest.raises(Conflict):
        await rig.store.create_conversation(first, (), Idempotency(key.key_hash, b"x"))


# --- lists ----------------------------------------------------------------------------------


async def test_pages_show_each_conversation_once_newest_first(rig: Rig) -> None:
    made = []
    for n in range(9):
        made.append((await rig.talk()).id)
        rig.clock.pass_by(n % 2)  # some have the same time
    await rig.talk(BEN)
    rig.clock.pass_by(1)
    await rig.answer(conversation=made[0], parent=HEAD)
    seen: list[str] = []
    more, after = True, None
    while more:
        page = await rig.store.conversations(ANN, limit=2, after=after)
        assert 0 < len(page.data) <= 2
        seen += [c.id for c in page.data]
        more, after = page.has_more, seen[-1]
    assert sorted(seen) == sorted(made)
    assert seen[0] == made[0]
    times = [(await rig.store.conversation(ANN, i)).updated_at for i in seen]
    assert times == sorted(times, reverse=True)


async def test_a_page_that_just_fits_says_so(rig: Rig) -> None:
    for _ in range(2):
        await rig.talk()
    assert not (await rig.store.conversations(ANN, limit=2, after=None)).has_more
    assert (await rig.store.conversations(BEN, limit=2, after=None)).data == ()
    with pytest.raises(NotFound):
        await rig.store.conversations(ANN, limit=2, after="conv_unknown")


async def test_titles_for_the_search(rig: Rig) -> None:
    named = await rig.talk(title="Old", title_source="user")
    rig.clock.pass_by(1)
    newer = await rig.talk(title="New", title_source="model")
    await rig.talk()
    gone = await rig.talk(title="Gone")
    await rig.store.delete_conversation(ANN, gone.id)
    assert list(await rig.store.titles(ANN)) == [(newer.id, "New"), (named.id, "Old")]


# --- changes --------------------------------------------------------------------------------


async def test_a_weaker_title_never_replaces_a_stronger(rig: Rig) -> None:
    talk = await rig.talk()
    steps = [
        ("message", "m1", "m1"),
        ("model", "o1", "o1"),
        ("message", "m2", "o1"),
        ("user", "u1", "u1"),
        ("model", "o2", "u1"),
        ("user", "u2", "u2"),
    ]
    for source, title, expected in steps:
        changed = await rig.store.update_conversation(
            ANN,
            talk.id,
            title=title,
            title_source=source,  # type: ignore[arg-type]
        )
        assert changed.title == expected
    before = len(await rig.feed())
    await rig.store.update_conversation(ANN, talk.id, title="o3", title_source="model")
    assert len(await rig.feed()) == before  # nothing has changed


async def test_what_is_not_given_stays(rig: Rig) -> None:
    talk = await rig.talk(title="T", title_source="user", metadata={"a": "b"})
    rig.clock.pass_by(10)
    renamed = await rig.store.update_conversation(ANN, talk.id, title="U")
    assert (renamed.title, renamed.metadata) == ("U", {"a": "b"})
    emptied = await rig.store.update_conversation(ANN, talk.id, metadata={})
    assert (emptied.title, emptied.metadata) == ("U", {})
    # Housekeeping moves nothing in the sidebar.
    assert emptied.updated_at == talk.updated_at
    assert await rig.store.conversation(ANN, talk.id) == emptied


async def test_a_deleted_one_behaves_as_unknown_until_restored(rig: Rig) -> None:
    talk = await rig.talk(title="T", title_source="user")
    response = await rig.answer(conversation=talk.id, parent=HEAD)
    queued = (await rig.submit(conversation=talk.id, parent=HEAD)).response
    before = await rig.store.conversation(ANN, talk.id)
    assert list(await rig.store.delete_conversation(ANN, talk.id)) == [queued.id]
    for call in (
        rig.store.conversation(ANN, talk.id),
        rig.store.tree(ANN, talk.id),
        rig.store.update_conversation(ANN, talk.id, title="x"),
        rig.store.set_head(ANN, talk.id, None),
        rig.store.add_items(ANN, talk.id, ()),
        rig.store.delete_item(ANN, talk.id, "msg_1"),
        rig.store.delete_conversation(ANN, talk.id),
        rig.store.get(ANN, response.id),
        rig.store.delete(ANN, response.id),
        rig.submit(regenerate_of=response.id),
        rig.store.restore_conversation(BEN, talk.id),
    ):
        with pytest.raises(NotFound):
            await call
    assert (await rig.store.conversations(ANN, limit=9, after=None)).data == ()
    # Its unfinished responses are there to be cancelled.
    cancelled = await rig.store.request_cancel(ANN, queued.id, rig.limits)
    assert cancelled.finished is not None
    assert await rig.store.restore_conversation(ANN, talk.id) == before
    assert await rig.store.restore_conversation(ANN, talk.id) == before
    assert words(await rig.store.get(ANN, response.id)) == ("Hello", "Well.")


async def test_the_head_can_be_any_node_of_the_conversation(rig: Rig) -> None:
    talk = await rig.talk()
    first = await rig.answer(conversation=talk.id, parent=HEAD)
    second = await rig.answer(conversation=talk.id, parent=HEAD)
    rig.clock.pass_by(5)
    moved = await rig.store.set_head(ANN, talk.id, first.id)
    assert (moved.head, moved.updated_at) == (first.id, second.completed_at)
    assert (await rig.feed())[-1] == {
        "type": "head.changed",
        "conversation_id": talk.id,
        "head": first.id,
    }
    assert (await rig.store.set_head(ANN, talk.id, None)).head is None
    elsewhere = await rig.answer()
    for wrong in (elsewhere.id, "resp_unknown"):
        with pytest.raises(NotFound):
            await rig.store.set_head(ANN, talk.id, wrong)


# --- items ----------------------------------------------------------------------------------


async def test_items_go_after_the_head_as_a_finished_node(rig: Rig) -> None:
    talk = await rig.talk()
    first = await rig.answer(conversation=talk.id, parent=HEAD)
    items = (asked("More"), answered("Yes"))
    node = await rig.store.add_items(ANN, talk.id, items)
    assert node.response.previous_response_id == first.id
    assert (node.response.status, node.response.usage) == ("completed", None)
    assert node.input == items
    assert (await rig.store.conversation(ANN, talk.id)).head == node.response.id
    assert (await rig.store.branch(ANN, node.response.id))[-1] == node
    assert await rig.usage_of(node.response.id) == []


async def test_items_do_not_overtake_an_answer(rig: Rig) -> None:
    talk = await rig.talk()
    response = await rig.start(conversation=talk.id, parent=HEAD)
    with pytest.raises(Conflict) as caught:
        await rig.store.add_items(ANN, talk.id, (asked("x"),))
    assert caught.value.code == "response_in_progress"
    await rig.end(response)
    await rig.store.add_items(ANN, talk.id, (asked("x"),))


async def test_additions_at_once_form_one_line(rig: Rig) -> None:
    talk = await rig.talk()
    nodes = await asyncio.gather(
        *(rig.store.add_items(ANN, talk.id, (asked(str(n)),)) for n in range(6))
    )
    head = (await rig.store.conversation(ANN, talk.id)).head
    assert head is not None
    assert len(await rig.store.branch(ANN, head)) == len(nodes)


async def test_a_deleted_item_is_out_of_every_list(rig: Rig) -> None:
    talk = await rig.talk()
    response = await rig.answer(text="Q", answer="A", conversation=talk.id, parent=HEAD)
    again = await rig.answer(answer="B", regenerate_of=response.id)
    node = await rig.store.get(ANN, response.id)
    await rig.store.delete_item(ANN, talk.id, node.output[0].id)
    assert words(await rig.store.get(ANN, response.id)) == ("Q", "")
    await rig.store.delete_item(ANN, talk.id, node.input[0].id)
    assert words(await rig.store.get(ANN, again.id)) == ("", "B")
    other = await rig.talk()
    kept = (await rig.store.get(ANN, again.id)).output[0].id
    for place, item in ((talk.id, node.input[0].id), (other.id, kept), (talk.id, "msg_1")):
        with pytest.raises(NotFound):
            await rig.store.delete_item(ANN, place, item)
    assert words(await rig.store.get(ANN, again.id)) == ("", "B")
