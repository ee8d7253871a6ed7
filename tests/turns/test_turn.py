"""The story of a turn, told by the real parts."""

from __future__ import annotations

import json

import pytest
from tests.turns.house import House, folded, message

from tertulia.domain.item import FunctionCall, Message
from tertulia.domain.response import Request
from tertulia.errors import ContextTooLong, InvalidInput, NotFound
from tertulia.turns.cancel import cancel


async def test_a_message_is_answered(house: House) -> None:
    house.work()
    response = await house.say("echo: hello there")
    frames = await house.read(response.id)
    node = await house.node(response.id)
    assert [f.sequence_number for f in frames] == list(range(len(frames)))
    assert folded(frames).text == await house.text(response.id) == "hello there"
    assert node.response.status == "completed"
    assert node.response.usage is not None
    assert node.response.last_sequence_number == frames[-1].sequence_number
    assert frames[-1].kind == "response.completed"
    shown = json.loads(frames[-1].data)["response"]
    assert shown["output"][0]["status"] == "completed"


async def test_a_stream_can_be_resumed_after_every_number(house: House) -> None:
    house.work()
    response = await house.say("hi", model="scripted-40x0")
    frames = await house.read(response.id)
    for index, frame in enumerate(frames[:-1]):
        assert await house.read(response.id, frame.sequence_number) == frames[index + 1 :]
    assert await house.read(response.id, frames[-1].sequence_number) == []


async def test_readers_that_come_at_any_time_see_the_same(house: House) -> None:
    response = await house.say("hi", model="scripted-60x500")
    early = house.read(response.id)
    house.work()
    frames = await early
    assert await house.read(response.id) == frames


async def test_the_conversation_is_what_the_model_sees(house: House) -> None:
    house.work()
    conversation = await house.conversation()
    first = await house.say("echo: one", conversation_id=conversation)
    await house.end(first.id)
    second = await house.say("echo: two", conversation_id=conversation)
    await house.end(second.id)
    calls = house.models.calls()
    assert [c.entries for c in calls] == [1, 3]
    assert second.previous_response_id == first.id


async def test_a_response_whose_parent_is_unfinished_waits(house: House) -> None:
    conversation = await house.conversation()
    first = await house.say("hi", model="scripted-5x0", conversation_id=conversation)
    second = await house.say("echo: two", conversation_id=conversation)
    assert second.previous_response_id == first.id
    assert second.admitted_at is None
    house.work()
    await house.end(second.id)
    calls = house.models.calls()
    assert [c.response_id for c in calls] == [first.id, second.id]


async def test_regenerating_reuses_the_input_as_a_sibling(house: House) -> None:
    house.work()
    conversation = await house.conversation()
    first = await house.say("echo: again", conversation_id=conversation)
    await house.end(first.id)
    second = await house.say("", regenerate_of=first.id)
    node = await house.end(second.id)
    assert node.response.previous_response_id is None
    assert isinstance(node.input[0], Message)
    assert node.input[0].text == "echo: again"
    held = await house.parts.store.conversation(house.user.user_id, conversation)
    assert held.head == second.id


async def test_a_response_without_input_continues_its_parent(house: House) -> None:
    house.work()
    conversation = await house.conversation()
    request = Request(model="scripted-30x0", max_output_tokens=16, truncation="auto")
    first = await house.say("go", request=request, conversation_id=conversation)
    node = await house.end(first.id)
    assert node.response.incomplete_reason == "max_output_tokens"
    second = await house.say("", model="scripted-30x0", conversation_id=conversation)
    await house.end(second.id)
    whole = await house.text(first.id) + await house.text(second.id)
    assert whole.split() == [f"w{n}" for n in range(30)]


async def test_cancelling_a_running_answer_keeps_its_text(house: House) -> None:
    house.work()
    response = await house.say("hi", model="scripted-1000x100")
    await for_first_words(house, response.id)
    await cancel(house.parts, house.user.user_id, response.id)
    node = await house.end(response.id)
    assert node.response.status == "cancelled"
    assert (await house.text(response.id)).startswith("w0 ")
    again = await cancel(house.parts, house.user.user_id, response.id)
    assert again.status == "cancelled"


async def test_cancelling_a_waiting_one_is_immediate(house: House) -> None:
    response = await house.say("hi")
    cancelled = await cancel(house.parts, house.user.user_id, response.id)
    assert cancelled.status == "cancelled"
    frames = await house.read(response.id)
    assert [f.kind for f in frames] == [
        "response.created",
        "response.queued",
        "response.incomplete",
    ]
    house.work()
    await house.end((await house.say("echo: next")).id)
    assert len(house.models.calls()) == 1


async def test_reasoning_and_tools_are_items_of_their_own(house: House) -> None:
    house.work()
    tool = {
        "type": "function",
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    }
    request = Request(model="scripted", tools=(tool,), truncation="auto")
    response = await house.say("what is the weather like?", request=request)
    frames = await house.read(response.id)
    node = await house.node(response.id)
    assert isinstance(node.output[-1], FunctionCall)
    assert folded(frames).output() == node.output


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        ("error 429", "failed", None),
        ("error 401", "failed", None),
        ("error 500", "failed", None),
        ("fail at 3", "incomplete", "interrupted"),
        ("length", "incomplete", "max_output_tokens"),
    ],
)
async def test_a_model_that_fails_ends_the_response_and_keeps_its_text(
    house: House, said: str, status: str, reason: str | None
) -> None:
    house.work()
    response = await house.say(said)
    frames = await house.read(response.id)
    node = await house.node(response.id)
    assert (node.response.status, node.response.incomplete_reason) == (status, reason)
    assert (node.response.error is None) == (said == "length")
    assert folded(frames).text == await house.text(response.id)
    assert bool(await house.text(response.id)) == (status == "incomplete")


async def test_what_cannot_be_asked(house: House) -> None:
    with pytest.raises(NotFound) as missing:
        await house.say("hi", model="no-such-model")
    assert missing.value.code == "model_not_found"
    with pytest.raises(InvalidInput, match="empty"):
        await house.say("  \n ")
    with pytest.raises(InvalidInput, match="nothing to answer"):
        await house.say("")
    with pytest.raises(ContextTooLong):
        await house.say("word " * 400_000)
    with pytest.raises(InvalidInput, match="regenerate_of"):
        await house.say("hi", regenerate_of="resp_1")
    with pytest.raises(InvalidInput, match="background"):
        await house.say("hi", store=False, background=True)
    with pytest.raises(InvalidInput, match="conversation"):
        await house.say("hi", store=False, conversation_id="conv_1")
    with pytest.raises(NotFound):
        await house.say("", regenerate_of="resp_1")
    with pytest.raises(NotFound):
        await house.say("hi", conversation_id="conv_1")
    with pytest.raises(NotFound):
        await house.read("resp_1")


async def test_an_empty_conversation_has_nothing_to_answer(house: House) -> None:
    house.work()
    conversation = await house.conversation()
    response = await house.say("", conversation_id=conversation)
    node = await house.end(response.id)
    assert node.response.status == "failed"


async def test_a_failing_model_is_told_apart_from_a_missing_one(house: House) -> None:
    """A model that went away between submit and claim."""
    response = await house.say("hi", model="scripted-3x0")
    house.models._calls = None  # the registry as it is after scripted was switched off
    house.work()
    node = await house.end(response.id)
    assert node.response.status == "failed"
    assert node.response.error is not None
    assert node.response.error.code == "model_not_found"


async def for_first_words(house: House, response_id: str) -> None:
    from tertulia.turns.read import follow

    async for frames in follow(house.parts, house.user.user_id, response_id):
        if any(f.kind == "response.output_text.delta" for f in frames):
            return


async def test_message_helper_makes_user_messages() -> None:
    assert message("x").role == "user"
