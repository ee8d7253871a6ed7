"""Accepting a response."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.stores import ANN, BEN, Rig, words

from tertulia.domain.admission import Limits
from tertulia.domain.ids import new_id
from tertulia.domain.response import Request
from tertulia.errors import Conflict, InvalidInput, NotFound, RateLimited
from tertulia.ports.turns import HEAD, Idempotency

KEY = Idempotency(b"k" * 32, b"b" * 32)


async def test_gives_back_what_was_asked_with_the_stores_own_fields(rig: Rig) -> None:
    request = Request(model="m", instructions="Be brief.", metadata={"a": "b"}, temperature=0.5)
    submitted = await rig.submit("Hi", request=request)
    response = submitted.response
    assert response.status == "queued"
    assert response.created_at == response.admitted_at == rig.clock.now
    assert submitted.admitted == (response.id,)
    assert [(f.sequence_number, f.kind) for f in submitted.frames] == [
        (0, "response.created"),
        (1, "response.queued"),
    ]
    node = await rig.store.get(ANN, response.id)
    assert node.response == response
    assert node.response.request == request
    assert words(node) == ("Hi", "")


async def test_an_unknown_user_can_submit_nothing(rig: Rig) -> None:
    with pytest.raises(NotFound):
        await rig.submit(user="user_nobody")


# --- the place in the tree ------------------------------------------------------------------


async def test_head_is_the_head_at_that_instant(rig: Rig) -> None:
    talk = await rig.talk()
    first = await rig.answer(conversation=talk.id, parent=HEAD)
    second = await rig.answer(conversation=talk.id, parent=HEAD)
    assert first.previous_response_id is None
    assert second.previous_response_id == first.id
    assert (await rig.store.conversation(ANN, talk.id)).head == second.id


async def test_many_at_once_form_one_line(rig: Rig) -> None:
    talk = await rig.talk()
    submitted = await asyncio.gather(
        *(rig.submit(str(n), conversation=talk.id, parent=HEAD) for n in range(10))
    )
    head = (await rig.store.conversation(ANN, talk.id)).head
    assert head is not None
    way = [node.response.id for node in await rig.store.branch(ANN, head)]
    assert sorted(way) == sorted(s.response.id for s in submitted)
    # Only the first may run: each of the others has an unfinished parent.
    assert [s.response.id for s in submitted if s.admitted] == way[:1]


async def test_an_explicit_parent_makes_a_sibling_and_none_a_new_root(rig: Rig) -> None:
    talk = await rig.talk()
    first = await rig.answer(conversation=talk.id, parent=HEAD)
    await rig.answer(conversation=talk.id, parent=HEAD)
    edited = await rig.submit("Other", conversation=talk.id, parent=first.id)
    assert edited.response.previous_response_id == first.id
    root = await rig.submit("New", conversation=talk.id, parent=None)
    assert root.response.previous_response_id is None
    assert (await rig.store.conversation(ANN, talk.id)).head == root.response.id


async def test_without_a_conversation_a_chain_goes_by_its_links(rig: Rig) -> None:
    talk = await rig.talk()
    first = await rig.answer(conversation=talk.id, parent=HEAD)
    outside = await rig.submit("On", parent=first.id)
    assert outside.response.conversation_id is None
    assert (await rig.store.conversation(ANN, talk.id)).head == first.id
    way = await rig.store.branch(ANN, outside.response.id)
    assert [n.response.id for n in way] == [first.id, outside.response.id]


async def test_head_without_a_conversation_is_a_root(rig: Rig) -> None:
    assert (await rig.submit(parent=HEAD)).response.previous_response_id is None


@pytest.mark.parametrize("where", ["unknown", "foreign", "other conversation", "deleted"])
async def test_a_parent_that_is_not_there(rig: Rig, where: str) -> None:
    talk, other = await rig.talk(), await rig.talk()
    parent = "resp_unknown"
    if where == "foreign":
        parent = (await rig.answer(user=BEN)).id
    elif where == "other conversation":
        parent = (await rig.answer(conversation=other.id, parent=HEAD)).id
    elif where == "deleted":
        parent = (await rig.answer()).id
        await rig.store.delete(ANN, parent)
    with pytest.raises(NotFound) as caught:
        await rig.submit(conversation=talk.id, parent=parent)
    assert caught.value.code == "previous_response_not_found"
    assert (await rig.store.conversation(ANN, talk.id)).head is None


async def test_a_parent_in_a_deleted_conversation_is_not_there(rig: Rig) -> None:
    talk = await rig.talk()
    parent = await rig.answer(conversation=talk.id, parent=HEAD)
    await rig.store.delete_conversation(ANN, talk.id)
    with pytest.raises(NotFound) as caught:
        await rig.submit(parent=parent.id)
    assert caught.value.code == "previous_response_not_found"


@pytest.mark.parametrize("where", ["unknown", "foreign", "deleted"])
async def test_a_conversation_that_is_not_there(rig: Rig, where: str) -> None:
    talk = "conv_unknown"
    if where == "foreign":
        talk = (await rig.talk(BEN)).id
    elif where == "deleted":
        talk = (await rig.talk()).id
        await rig.store.delete_conversation(ANN, talk)
    with pytest.raises(NotFound) as caught:
        await rig.submit(conversation=talk, parent=HEAD)
    assert caught.value.code == "not_found"


async def test_the_first_message_names_a_conversation_that_has_no_name(rig: Rig) -> None:
    talk = await rig.talk()
    await rig.answer(conversation=talk.id, parent=HEAD, title="First")
    rig.clock.pass_by(5)
    await rig.submit(conversation=talk.id, parent=HEAD, title="Second")
    found = await rig.store.conversation(ANN, talk.id)
    assert (found.title, found.title_source) == ("First", "message")
    assert found.updated_at == rig.clock.now


# --- regenerating ---------------------------------------------------------------------------


async def test_regenerating_reads_the_same_input_at_the_same_place(rig: Rig) -> None:
    talk = await rig.talk()
    first = await rig.answer(text="One", conversation=talk.id, parent=HEAD)
    second = await rig.answer(text="Two", conversation=talk.id, parent=HEAD)
    await rig.answer(text="Three", conversation=talk.id, parent=HEAD)
    again = await rig.submit(regenerate_of=second.id)
    assert again.response.previous_response_id == first.id
    assert again.response.conversation_id == talk.id
    assert again.response.regenerate_of == second.id
    once_more = await rig.submit(conversation=talk.id, regenerate_of=again.response.id)
    found = await rig.store.get(ANN, once_more.response.id)
    assert found.input == (await rig.store.get(ANN, second.id)).input
    assert words(found)[0] == "Two"
    assert (await rig.store.conversation(ANN, talk.id)).head == once_more.response.id


@pytest.mark.parametrize("where", ["unknown", "foreign", "other conversation", "items"])
async def test_what_cannot_be_regenerated(rig: Rig, where: str) -> None:
    talk = (await rig.talk()).id
    of = "resp_unknown"
    if where == "foreign":
        of = (await rig.answer(user=BEN)).id
    elif where == "other conversation":
        of = (await rig.answer(conversation=(await rig.talk()).id, parent=HEAD)).id
    elif where == "items":
        of = (await rig.store.add_items(ANN, talk, ())).response.id
    with pytest.raises(NotFound) as caught:
        await rig.submit(conversation=talk, regenerate_of=of)
    assert caught.value.code == "not_found"


# --- idempotency ----------------------------------------------------------------------------


async def test_the_same_key_and_body_give_the_first_result(rig: Rig) -> None:
    first = await rig.submit(key=KEY)
    again = await rig.submit(key=KEY)
    assert again.replayed
    assert not first.replayed
    assert again.response == first.response
    assert (again.admitted, again.frames) == ((), ())
    done = await rig.end(await rig.claim(first.response.id))
    assert (await rig.submit(key=KEY)).response == done.response


async def test_two_at_once_with_one_key_make_one_response(rig: Rig) -> None:
    both = await asyncio.gather(rig.submit(key=KEY), rig.submit(key=KEY))
    assert both[0].response.id == both[1].response.id
    assert sorted(s.replayed for s in both) == [False, True]


async def test_the_same_key_with_another_body_is_refused(rig: Rig) -> None:
    await rig.submit(key=KEY)
    with pytest.raises(Conflict) as caught:
        await rig.submit(key=Idempotency(KEY.key_hash, b"other" * 6))
    assert caught.value.code == "idempotency_key_reused"


async def test_a_key_is_forgotten_after_its_time(rig: Rig) -> None:
    first = await rig.submit(key=KEY)
    rig.clock.pass_by(KEY.keep_seconds + 1)
    again = await rig.submit(key=Idempotency(KEY.key_hash, b"other" * 6))
    assert not again.replayed
    assert again.response.id != first.response.id


async def test_a_refused_request_leaves_no_key(rig: Rig) -> None:
    nobody_waits = Limits(running=0, waiting=0)
    with pytest.raises(RateLimited):
        await rig.submit(key=KEY, limits=nobody_waits)
    assert not (await rig.submit(key=KEY)).replayed


async def test_what_a_key_made_and_was_deleted_is_gone(rig: Rig) -> None:
    submitted = await rig.submit(key=KEY)
    await rig.end(await rig.claim(submitted.response.id))
    await rig.store.delete(ANN, submitted.response.id)
    with pytest.raises(NotFound):
        await rig.submit(key=KEY)


@pytest.mark.parametrize("ended", [True, False])
async def test_a_key_of_what_is_kept_nowhere_makes_it_anew(rig: Rig, ended: bool) -> None:
    first = await rig.submit(key=KEY, store=False, connection="conn_1")
    assert (await rig.submit(key=KEY, store=False, connection="conn_2")).replayed
    if ended:
        await rig.end(await rig.claim(first.response.id))
    await rig.store.erase_connection("conn_1")
    anew = await rig.submit(key=KEY, store=False, connection="conn_3")
    assert not anew.replayed
    assert anew.response.id != first.response.id
    again = await rig.submit(key=KEY, store=False, connection="conn_4")
    assert (again.replayed, again.response.id) == (True, anew.response.id)


# --- store=false ----------------------------------------------------------------------------


async def test_what_is_not_kept_makes_no_news_and_joins_no_conversation(rig: Rig) -> None:
    talk = await rig.talk()
    before = len(await rig.feed())
    response = await rig.answer(store=False, connection="conn_1")
    assert (await rig.store.get(ANN, response.id)).response.store is False
    assert len(await rig.feed()) == before
    with pytest.raises(InvalidInput):
        await rig.submit(store=False, connection="conn_1", conversation=talk.id, parent=HEAD)


async def test_only_its_own_connection_goes_on_from_what_is_not_kept(rig: Rig) -> None:
    first = await rig.answer(store=False, connection="conn_1")
    for stranger in ("conn_2", None):
        with pytest.raises(NotFound) as caught:
            await rig.submit(store=False, connection=stranger, parent=first.id)
        assert caught.value.code == "previous_response_not_found"
    again = await rig.submit(store=False, connection="conn_1", parent=first.id)
    assert again.response.previous_response_id == first.id


async def test_ids_are_the_callers(rig: Rig) -> None:
    wanted = new_id("resp")
    submitted = await rig.submit(response_id=wanted)
    assert submitted.response.id == wanted
