"""What a response sent to its model, told afterwards, and counted beforehand."""

from __future__ import annotations

from typing import Any

import pytest
from tests.turns.house import Declaring, House, message
from tests.turns.test_takeover import first_words, kill, left_behind

from tertulia.domain.continuation import PROMPT
from tertulia.domain.ids import new_id
from tertulia.domain.item import (
    FunctionCall,
    FunctionCallOutput,
    InputImage,
    InputText,
    Item,
    Message,
    Reasoning,
)
from tertulia.domain.response import Request, Response
from tertulia.errors import ContextTooLong, InvalidInput, NotFound
from tertulia.ports.model import Model, Models
from tertulia.ports.turns import HEAD
from tertulia.turns.ask import Ask
from tertulia.turns.count import count_input
from tertulia.turns.explain import Explained, Line, explain
from tertulia.turns.submit import submit

TOOL = {"type": "function", "name": "look_up", "parameters": {"type": "object"}}


def declared(house: House, **changes: Any) -> House:
    return house.with_(models=Declaring(house.parts.models, **changes))


def at_work(house: House, **changes: Any) -> House:
    """With a worker that believes those changes."""
    made = declared(house, **changes)
    house.workers.append(made.work())
    return made


async def say(house: House, *items: Item, parent: str | None = None, **asked: Any) -> Response:
    request = Request(model="scripted", **{"truncation": "auto", **asked})
    ask = Ask(request=request, input=items, parent=parent)
    response = (await submit(house.parts, house.user, ask)).response
    await house.end(response.id)
    return response


async def told(house: House, response: Response) -> Explained:
    return await explain(house.parts, house.user.user_id, response.id)


def shown(lines: Any) -> list[tuple[str, str, str | None]]:
    return [(line.kind, line.source, line.text if line.included else line.reason) for line in lines]


def total(lines: Any) -> int:
    return sum(line.tokens for line in lines if line.included)


async def test_everything_that_was_sent_in_its_order(house: House) -> None:
    at_work(house)
    first = await say(house, message("echo: one"))
    second = await say(house, message("echo: two"), parent=first.id, instructions="be brief")
    found = await told(house, second)
    assert shown(found.lines) == [
        ("instructions", "request", "be brief"),
        ("item", "history", "echo: one"),
        ("item", "history", "one"),
        ("item", "input", "echo: two"),
    ]
    assert found.sent is not None
    assert (found.sent.attempt, found.sent.left_out, found.sent.history_from) == (1, 0, first.id)
    assert total(found.lines) == found.plan.tokens == found.sent.tokens
    assert [line.role for line in found.lines] == ["system", "user", "assistant", "user"]
    node = await house.node(first.id)
    (origin,) = found.lines[1].origins
    assert (origin.response_id, origin.item_id) == (first.id, node.input[0].id)


async def filled(house: House, turns: int = 4) -> list[Response]:
    """A conversation longer than the window of 400 tokens."""
    made: list[Response] = []
    for number in range(turns):
        parent = made[-1].id if made else None
        made.append(await say(house, message(f"echo: {number} " + "word " * 60), parent=parent))
    return made


async def test_what_was_left_out_and_why(house: House) -> None:
    narrow = at_work(house, context_window=400, max_output_tokens=100)
    *_, third, last = await filled(narrow)
    found = await told(narrow, last)
    reasons = [line.reason for line in found.lines]
    assert reasons == ["budget"] * 4 + [None] * 3
    assert all(line.text is None and line.tokens for line in found.lines[:4])
    assert found.sent is not None
    assert found.sent.history_from == third.id
    assert found.sent.left_out == sum(line.tokens or 0 for line in found.lines[:4])
    assert total(found.lines) == found.sent.tokens
    assert (found.plan.window, found.plan.reserve) == (400, 100)


async def test_it_stays_what_it_was_when_settings_change(house: House) -> None:
    narrow = at_work(house, context_window=400, max_output_tokens=100, instructions="old ways")
    *_, last = await filled(narrow)
    before = await told(narrow, last)
    wide = declared(house, context_window=100_000, instructions="new ways", prefill=False)
    after = await told(wide, last)
    assert after.lines == before.lines
    assert (after.plan.window, after.plan.tokens) == (before.plan.window, before.plan.tokens)
    assert shown(after.lines)[0] == ("instructions", "model", "old ways")


class Gone:
    """The house's models, of which none is left."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def get(self, model_id: str | None, *, admin: bool = False) -> Model:
        raise NotFound("no such model", code="model_not_found", param="model")


async def test_it_can_be_told_when_its_model_is_gone(house: House) -> None:
    at_work(house)
    response = await say(house, message("echo: hi"))
    found = await told(house.with_(models=Gone(house.parts.models)), response)
    assert shown(found.lines) == [("item", "input", "echo: hi")]
    assert found.lines[0].tokens is None
    assert found.plan.tokens > 0


async def test_what_was_not_sent_yet_is_what_would_be(house: House) -> None:
    response = await house.say("echo: hi")
    found = await told(house, response)
    assert found.sent is None
    assert shown(found.lines) == [("item", "input", "echo: hi")]
    with pytest.raises(NotFound):
        await told(house.with_(models=Gone(house.parts.models)), response)


async def test_what_was_too_long_was_not_sent(house: House) -> None:
    """Accepted when the model's window was wider."""
    first = await say(at_work(house), message("echo: " + "word " * 300))
    ask = Ask(request=Request(model="scripted"), input=(message("echo: and?"),), parent=first.id)
    await house.workers.pop().stop()
    accepted = (await submit(house.parts, house.user, ask)).response
    narrow = at_work(house, context_window=400, max_output_tokens=100)
    ended = await narrow.end(accepted.id)
    assert ended.response.error is not None
    assert ended.response.error.code == "context_length_exceeded"
    found = await told(narrow, accepted)
    assert (found.sent, found.refused) == (None, True)
    assert {line.reason for line in found.lines} == {"budget", "context_length_exceeded"}


async def test_calls_outputs_tools_and_thoughts(house: House) -> None:
    at_work(house)
    items = (
        message("look it up"),
        Reasoning(id=new_id("rs")),
        FunctionCall(id=new_id("fc"), call_id="c1", name="look_up", arguments='{"a":1}'),
        FunctionCallOutput(id=new_id("fco"), call_id="c1", output="42"),
        FunctionCall(
            id=new_id("fc"), call_id="c2", name="look_up", arguments="{", status="incomplete"
        ),
        message("no tools"),
    )
    response = await say(house, *items, tools=(TOOL,))
    found = await told(house, response)
    kinds = [(line.kind, line.type, line.reason) for line in found.lines]
    assert kinds == [
        ("tools", None, None),
        ("item", "message", None),
        ("item", "reasoning", "not_for_models"),
        ("item", "function_call", None),
        ("item", "function_call_output", None),
        ("item", "function_call", "not_for_models"),
        ("item", "message", None),
    ]
    assert found.lines[0].text == "look_up"
    assert total(found.lines) == found.plan.tokens


async def test_a_call_that_nobody_answered_is_not_sent(house: House) -> None:
    at_work(house)
    first = await say(house, message("calls=1"), tools=(TOOL,))
    second = await say(house, message("echo: never mind"), parent=first.id)
    found = await told(house, second)
    assert [(line.type, line.reason) for line in found.lines] == [
        ("message", None),
        ("function_call", "unpaired"),
        ("message", None),
    ]


async def test_an_answer_that_is_continued_is_one_message(house: House) -> None:
    at_work(house)
    first = await say(house, message("chunks=20"), max_output_tokens=16)
    second = await say(house, parent=first.id)
    third = await say(house, message("echo: x"), parent=second.id)
    continued = (await told(house, second)).lines
    assert [(line.kind, line.source) for line in continued] == [
        ("item", "history"),
        ("continuation", "history"),
    ]
    assert continued[1].text == await house.text(first.id)
    assert {origin.response_id for origin in continued[1].origins} == {first.id}
    later = (await told(house, third)).lines
    assert [origin.response_id for origin in later[1].origins] == [first.id, second.id]


@pytest.mark.parametrize("prefill", [True, False])
async def test_an_attempt_went_on_from_the_words_of_the_one_before(
    house: House, prefill: bool
) -> None:
    response = await house.say("echo: one two three")
    await left_behind(house, response.id, lambda composer: composer.write("one two"))
    await at_work(house, prefill=prefill).end(response.id)
    found = await told(house, response)
    assert found.sent is not None
    assert (found.sent.attempt, found.sent.written) == (2, len("one two"))
    expected = [("item", "input", "echo: one two three"), ("continuation", "answer", "one two")]
    if not prefill:
        expected.append(("continuation", "server", PROMPT))
    assert shown(found.lines) == expected
    assert total(found.lines) == found.plan.tokens


async def test_a_note_that_died_with_its_attempt(house: House) -> None:
    worker = house.work()
    response = await house.say("go", model="scripted-60x200")
    await first_words(house, response.id)
    await kill(worker)
    assert (await told(house, response)).sent is None


async def test_what_was_erased_is_not_told(house: House) -> None:
    at_work(house)
    first = await say(house, message("echo: secret"))
    second = await say(house, message("echo: two"), parent=first.id)
    await house.parts.store.delete(house.user.user_id, first.id)
    found = await told(house, second)
    assert shown(found.lines) == [("item", "input", "echo: two")]
    assert found.plan.tokens > total(found.lines)


# --- counted beforehand -----------------------------------------------------------------------


async def count(house: House, *items: Item, **more: Any) -> int:
    asked = {"model": "scripted", "truncation": more.pop("truncation", "disabled")}
    request = Request(**{**asked, **more.pop("request", {})})
    return await count_input(house.parts, house.user, Ask(request=request, input=items, **more))


async def test_the_count_is_that_of_what_is_sent_then(house: House) -> None:
    at_work(house)
    conversation = await house.conversation()
    said = {"conversation_id": conversation, "parent": HEAD}
    counted, response = 0, None
    for text in ("echo: one", "echo: two"):
        counted = await count(house, message(text), request={"tools": (TOOL,)}, **said)
        request = Request(model="scripted", tools=(TOOL,))
        response = await house.say(text, request=request, conversation_id=conversation)
        await house.end(response.id)
        assert counted == (await told(house, response)).plan.tokens
    assert response is not None
    again = await count(house, regenerate_of=response.id)
    assert again == counted - (await count(house, request={"tools": (TOOL,)}))
    assert await count(house, message("echo: two"), **{**said, "parent": None}) < counted
    held = await house.parts.store.conversation(house.user.user_id, conversation)
    assert held.head == response.id


async def test_what_is_too_long_is_counted_whole_or_as_it_would_be_left(house: House) -> None:
    narrow = at_work(house, context_window=400, max_output_tokens=100)
    *_, last = await filled(narrow)
    whole = await count(narrow, message("hi"), parent=last.id)
    left = await count(narrow, message("hi"), parent=last.id, truncation="auto")
    assert left <= 300 < 400 < whole
    with pytest.raises(ContextTooLong):
        await say(narrow, message("hi"), parent=last.id, truncation="disabled")
    assert await count(narrow, message("word " * 1000)) > 1000


async def test_nothing_counts_nothing(house: House) -> None:
    assert await count(house) == 0
    assert await count(house, request={"instructions": "be brief"}) > 0


async def test_what_cannot_be_counted(house: House) -> None:
    at_work(house)
    conversation = await house.conversation()
    inside = await house.say("echo: x", conversation_id=conversation)
    await house.end(inside.id)
    alone = await say(house, message("echo: y"))
    image = Message(
        id="m", role="user", content=(InputText(text="?"), InputImage(image_url="data:,"))
    )
    with pytest.raises(InvalidInput):
        await count(declared(house, images=False), image)
    for asked, code in (
        ({"parent": "resp_gone"}, "previous_response_not_found"),
        ({"regenerate_of": alone.id, "conversation_id": conversation}, "not_found"),
        ({"parent": alone.id, "conversation_id": conversation}, "previous_response_not_found"),
        ({"regenerate_of": "resp_gone"}, "not_found"),
        ({"parent": HEAD, "conversation_id": "conv_gone"}, "not_found"),
        ({"request": {"model": "none"}}, "model_not_found"),
    ):
        with pytest.raises(NotFound) as missing:
            await count(house, message("hi"), **asked)
        assert missing.value.code == code, asked
    assert await count(house, regenerate_of=inside.id) > 0
    assert await count(house, message("hi"), parent=inside.id) > 0
    await house.parts.store.delete_conversation(house.user.user_id, conversation)
    with pytest.raises(NotFound):
        await count(house, message("hi"), parent=inside.id)


def test_lines_have_room_for_what_is_found_by_likeness() -> None:
    line = Line("memory", "history", score=0.5, tokens=3, text="likes tea")
    assert line.included
