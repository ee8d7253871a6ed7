"""Responses, branches and trees, read."""

from __future__ import annotations

import pytest
from tests.support.stores import ANN, BEN, Rig, asked, words

from tertulia.domain.item import Message
from tertulia.errors import NotFound
from tertulia.ports.turns import HEAD


@pytest.mark.parametrize("where", ["unknown", "foreign", "items"])
async def test_what_is_not_there(rig: Rig, where: str) -> None:
    wanted = "resp_unknown"
    if where == "foreign":
        wanted = (await rig.answer(user=BEN)).id
    elif where == "items":
        node = await rig.store.add_items(ANN, (await rig.talk()).id, (asked("x"),))
        wanted = node.response.id
    with pytest.raises(NotFound) as caught:
        await rig.store.get(ANN, wanted)
    assert caught.value.code == "not_found"


async def test_a_foreign_and_an_unknown_id_look_the_same(rig: Rig) -> None:
    foreign = (await rig.answer(user=BEN)).id
    messages = []
    for wanted in (foreign, "resp_unknown"):
        with pytest.raises(NotFound) as caught:
            await rig.store.branch(ANN, wanted)
        messages.append(caught.value.message.replace(wanted, "…"))
    assert messages[0] == messages[1]


async def test_a_branch_goes_from_the_root_to_its_leaf(rig: Rig) -> None:
    talk = await rig.talk()
    texts = [str(n) for n in range(30)]
    for text in texts:
        await rig.answer(answer=f"to {text}", text=text, conversation=talk.id, parent=HEAD)
    head = (await rig.store.conversation(ANN, talk.id)).head
    assert head is not None
    way = await rig.store.branch(ANN, head)
    assert [words(n) for n in way] == [(t, f"to {t}") for t in texts]
    middle = await rig.store.branch(ANN, way[10].response.id)
    assert list(middle) == list(way[:11])


async def test_a_branch_holds_nothing_of_its_siblings(rig: Rig) -> None:
    talk = await rig.talk()
    root = await rig.answer(text="root", conversation=talk.id, parent=HEAD)
    left = await rig.answer(text="left", conversation=talk.id, parent=root.id)
    right = await rig.answer(text="right", conversation=talk.id, parent=root.id)
    again = await rig.answer(answer="Again.", regenerate_of=left.id)
    for leaf, said in ((left, "left"), (right, "right"), (again, "left")):
        way = await rig.store.branch(ANN, leaf.id)
        assert [words(n)[0] for n in way] == ["root", said]
    assert words((await rig.store.branch(ANN, again.id))[1]) == ("left", "Again.")


async def test_a_branch_goes_on_while_its_conversation_is_deleted(rig: Rig) -> None:
    """The worker that is at it needs its context until it hears of the cancellation."""
    talk = await rig.talk()
    response = await rig.start(conversation=talk.id, parent=HEAD)
    await rig.store.delete_conversation(ANN, talk.id)
    assert len(await rig.store.branch(ANN, response.id)) == 1
    with pytest.raises(NotFound):
        await rig.store.get(ANN, response.id)


async def test_items_keep_their_order(rig: Rig) -> None:
    talk = await rig.talk()
    items = tuple(asked(str(n)) for n in range(12))
    node = await rig.store.add_items(ANN, talk.id, items)
    (found,) = await rig.store.branch(ANN, node.response.id)
    assert found.input == items


async def test_a_tree_has_all_nodes_in_the_order_of_creation(rig: Rig) -> None:
    talk = await rig.talk()
    first = await rig.answer(text="1", conversation=talk.id, parent=HEAD)
    rig.clock.pass_by(-3600)  # clocks are set back at times
    second = await rig.answer(text="2", conversation=talk.id, parent=HEAD)
    await rig.answer(text="elsewhere")
    third = await rig.start(text="3", conversation=talk.id, parent=first.id)
    fourth = (await rig.submit(regenerate_of=second.id)).response
    conversation, nodes = await rig.store.tree(ANN, talk.id)
    assert conversation == await rig.store.conversation(ANN, talk.id)
    assert [n.id for n in nodes] == [first.id, second.id, third.id, fourth.id]
    said = [[item.text for item in n.items() if isinstance(item, Message)] for n in nodes]
    assert said == [["1", "Well."], ["2", "Well."], ["3"], ["2"]]
    assert [n.last_sequence_number for n in nodes] == [9, 9, None, None]
    assert [n.usage is None for n in nodes] == [False, False, True, True]


async def test_an_empty_tree(rig: Rig) -> None:
    talk = await rig.talk()
    assert await rig.store.tree(ANN, talk.id) == (talk, [])
    with pytest.raises(NotFound):
        await rig.store.tree(BEN, talk.id)
