"""What a response sends to its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.support.images import PIXEL, data_url, png

from tertulia.domain.image import tokens as image_tokens
from tertulia.domain.item import (
    FunctionCall,
    FunctionCallOutput,
    InputImage,
    InputText,
    Item,
    Message,
    OutputText,
    Reasoning,
    Refusal,
)
from tertulia.domain.response import Request, Response
from tertulia.errors import ContextTooLong, InvalidInput
from tertulia.ports.model import ImagePart, ModelInfo, TextPart, ToolCall, ToolOutput
from tertulia.ports.model import Message as Sent
from tertulia.ports.turns import Node
from tertulia.turns.context import Context, assemble
from tertulia.turns.images import UNSEEN


@dataclass
class Counting:
    """A model that is only asked to count: a token a word."""

    info: ModelInfo

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def schema_obstacle(self, schema: Mapping[str, Any], *, strict: bool) -> str | None:
        return None


MODEL = Counting(ModelInfo("m", "M", "us", context_window=400, tools=True, prefill=True))


def response(**request: object) -> Response:
    return Response(
        id="resp_now",
        user_id="user_1",
        request=Request(model="m", **{"truncation": "auto", **request}),  # type: ignore[arg-type]
        status="in_progress",
        created_at=0.0,
        attempt=1,
    )


def user(text: str) -> Message:
    return Message(id="msg", role="user", content=(InputText(text=text),))


def answer(text: str) -> Message:
    return Message(id="msg", role="assistant", content=(OutputText(text=text),))


def node(*, said: list[Item], got: list[Item] | None = None) -> Node:
    return Node(response(), tuple(said), tuple(got or ()))


def assembled(
    branch: list[Node], model: Counting = MODEL, written: str = "", **request: object
) -> Context:
    return assemble(response(**request), branch, model, written)


def texts(context: Context) -> list[tuple[str, str]]:
    return [(e.role, e.text) for e in context.call.entries if isinstance(e, Sent)]


def test_instructions_history_and_message_in_order() -> None:
    branch = [node(said=[user("one")], got=[answer("uno")]), node(said=[user("two")])]
    context = assembled(branch, instructions="be brief")
    assert texts(context) == [
        ("system", "be brief"),
        ("user", "one"),
        ("assistant", "uno"),
        ("user", "two"),
    ]
    assert context.dropped == 0
    assert context.call.prefix == ""


def test_the_oldest_turns_are_left_out_first() -> None:
    long = "word " * 80
    branch = [node(said=[user(f"{n} {long}")], got=[answer(f"answer {n}")]) for n in range(5)]
    context = assembled([*branch, node(said=[user("now")])])
    assert context.dropped == 3
    assert texts(context)[0][1].startswith("3 ")
    assert texts(context)[-1] == ("user", "now")
    with pytest.raises(ContextTooLong, match="truncation=auto"):
        assembled([*branch, node(said=[user("now")])], truncation="disabled")


def test_a_message_that_does_not_fit_alone_is_refused() -> None:
    with pytest.raises(ContextTooLong):
        assembled([node(said=[user("word " * 500)])])


def test_an_answer_goes_on_by_prefill() -> None:
    branch = [node(said=[user("q")])]
    context = assembled(branch, written="half an ans")
    assert context.call.prefix == "half an ans"
    assert texts(context) == [("user", "q")]
    assert context.repeated == ""


def test_an_answer_goes_on_in_words_where_there_is_no_prefill() -> None:
    plain = Counting(replace(MODEL.info, prefill=False))
    context = assembled([node(said=[user("q")])], plain, "half an ans")
    assert context.call.prefix == ""
    assert context.repeated == "half an ans"
    roles = [role for role, _ in texts(context)]
    assert roles == ["user", "assistant", "user"]


def test_a_continuation_begins_with_its_parents_text() -> None:
    branch = [
        node(said=[user("q")], got=[answer("one ")]),
        node(said=[], got=[answer("two ")]),
        node(said=[]),
    ]
    context = assembled(branch, written="three")
    assert context.call.prefix == "one two three"
    assert texts(context) == [("user", "q")]


def test_a_finished_continuation_is_one_message_of_the_past() -> None:
    branch = [
        node(said=[user("q")], got=[answer("one ")]),
        node(
            said=[],
            got=[answer("two"), FunctionCall(id="f", call_id="c", name="n", arguments="{}")],
        ),
        node(said=[FunctionCallOutput(id="o", call_id="c", output="42"), user("and?")]),
    ]
    context = assembled(branch)
    assert texts(context) == [("user", "q"), ("assistant", "one two"), ("user", "and?")]
    assert ToolCall("c", "n", "{}") in context.call.entries
    assert ToolOutput("c", "42") in context.call.entries


def test_continuing_what_is_no_text_continues_nothing() -> None:
    call = FunctionCall(id="f", call_id="c", name="n", arguments="{}")
    context = assembled([node(said=[user("q")], got=[call]), node(said=[])])
    assert context.call.prefix == ""


def test_a_root_without_input_has_nothing_to_answer() -> None:
    with pytest.raises(InvalidInput):
        assembled([node(said=[])])


def called(call_id: str, arguments: str = "{}") -> FunctionCall:
    return FunctionCall(id="f", call_id=call_id, name="n", arguments=arguments)


def told(call_id: str, output: str = "x") -> FunctionCallOutput:
    return FunctionCallOutput(id="o", call_id=call_id, output=output)


def test_a_present_output_without_its_call_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        assembled([node(said=[told("gone"), user("q")])])
    assert (caught.value.code, caught.value.param) == ("tool_call_not_found", "input[0].call_id")


def test_calls_and_outputs_without_each_other_are_left_out() -> None:
    past = node(said=[told("gone"), user("q")], got=[called("open"), called("c")])
    context = assembled([past, node(said=[told("c"), user("and?")])])
    assert context.call.entries == [
        Sent("user", (TextPart("q"),)),
        ToolCall("c", "n", "{}"),
        ToolOutput("c", "x"),
        Sent("user", (TextPart("and?"),)),
    ]


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [("", "{}"), ('{"a": 1}', '{"a": 1}'), ('{"a', '{"unreadable": "{\\"a"}'), ("[1]", None)],
)
def test_arguments_are_sent_as_json_that_servers_can_read(arguments: str, sent: str | None) -> None:
    branch = [node(said=[user("q")], got=[called("c", arguments)]), node(said=[told("c")])]
    entry = assembled(branch).call.entries[1]
    assert isinstance(entry, ToolCall)
    assert entry.arguments == (sent or '{"unreadable": "[1]"}')


def test_the_turn_whose_calls_are_answered_now_is_never_left_out() -> None:
    long = " ".join(["word"] * 150)
    branch = [
        node(said=[user(long)], got=[answer(long)]),
        node(said=[user("q")], got=[called("c")]),
        node(said=[told("c", long)]),
    ]
    context = assembled(branch, truncation="auto")
    assert context.dropped == 1
    assert [type(e) for e in context.call.entries] == [Sent, ToolCall, ToolOutput]
    branch[1] = node(said=[user(long + long)], got=[called("c")])
    with pytest.raises(ContextTooLong):
        assembled(branch, truncation="auto")


def test_a_call_and_its_output_that_the_budget_would_part_are_both_left_out() -> None:
    branch = [
        node(said=[user("word " * 160)], got=[called("c")]),
        node(said=[told("c"), user("and?")], got=[answer("word " * 100)]),
        node(said=[user("now")]),
    ]
    context = assembled(branch)
    assert context.dropped == 1
    assert [type(e) for e in context.call.entries] == [Sent, Sent, Sent]


def test_what_is_not_sent() -> None:
    cut = FunctionCall(id="f", call_id="c", name="n", arguments="{", status="incomplete")
    got: list[Item] = [Reasoning(id="r"), cut, answer("")]
    context = assembled([node(said=[user("a")], got=got), node(said=[user("b")])])
    assert texts(context) == [("user", "a"), ("user", "b")]


def test_images_and_refusals() -> None:
    image = Message(
        id="m",
        role="user",
        content=(InputText(text="look"), InputImage(image_url="data:image/png;base64,AA")),
    )
    refused = Message(id="m", role="assistant", content=(Refusal(refusal="no"),))
    wide = Counting(replace(MODEL.info, context_window=4000, images=True))
    context = assembled([node(said=[image], got=[refused]), node(said=[user("b")])], wide)
    first = context.call.entries[0]
    assert isinstance(first, Sent)
    assert isinstance(first.parts[1], ImagePart)
    assert context.tokens > image_tokens(None)
    assert texts(context)[1] == ("assistant", "no")


SEEING = Counting(replace(MODEL.info, context_window=9000, images=True))
PICTURE = InputImage(image_url=PIXEL)


def shown(*content: InputText | InputImage) -> Message:
    return Message(id="m", role="user", content=content)


def test_a_model_without_eyes_is_told_in_words() -> None:
    call = FunctionCall(id="f", call_id="c", name="n", arguments="{}")
    output = FunctionCallOutput(id="o", call_id="c", output=(PICTURE,))
    context = assembled([node(said=[shown(PICTURE)], got=[call]), node(said=[output])])
    assert texts(context) == [("user", f"\n{UNSEEN}")]
    assert context.call.entries[-1] == ToolOutput("c", UNSEEN)


def test_images_of_tools_follow_the_last_output() -> None:
    calls: list[Item] = [
        FunctionCall(id="f", call_id=c, name="n", arguments="{}") for c in ("c1", "c2")
    ]
    seen = FunctionCallOutput(
        id="o", call_id="c1", output=(InputText(text="here"), PICTURE, PICTURE)
    )
    bare = FunctionCallOutput(id="o", call_id="c2", output=(PICTURE,))
    branch = [node(said=[user("q")], got=calls), node(said=[seen, bare, user("and?")])]
    entries = assembled(branch, SEEING).call.entries
    assert entries[3:5] == [ToolOutput("c1", "here"), ToolOutput("c2", "[an image: see below]")]
    first, second, last = entries[5:]
    assert isinstance(first, Sent)
    assert isinstance(second, Sent)
    assert isinstance(last, Sent)
    assert first.parts[1:] == (ImagePart(PIXEL), ImagePart(PIXEL))
    assert second.parts[1:] == (ImagePart(PIXEL),)
    assert ("c1" in first.text, "c2" in second.text, last.text) == (True, True, "and?")


def test_images_count_by_their_size() -> None:
    large, small = (
        assembled([node(said=[shown(InputImage(image_url=data_url(png(*size))))])], SEEING).tokens
        for size in ((1000, 1000), (10, 10))
    )
    assert large - small == 3 * 170
    unknown = assembled([node(said=[shown(InputImage(file_id="file-1"))])], SEEING)
    assert unknown.tokens == large


def test_the_call_carries_what_was_asked() -> None:
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
    form = {"type": "json_schema", "name": "shape", "schema": {"type": "object"}}
    context = assembled(
        [node(said=[user("q")])],
        written="two words",
        tools=(tool,),
        tool_choice={"type": "function", "name": "f"},
        text_format=form,
        max_output_tokens=50,
        temperature=0.5,
        top_p=0.9,
        reasoning={"effort": "low"},
    )
    call = context.call
    assert (call.tools[0].name, call.tool_choice, call.tools[0].strict) == ("f", "f", True)
    assert (call.json_schema, call.json_schema_name) == ({"type": "object"}, "shape")
    assert call.max_output_tokens == 48
    assert (call.temperature, call.top_p, call.reasoning_effort) == (0.5, 0.9, "low")
    assert (call.response_id, call.attempt) == ("resp_now", 1)


def test_only_allowed_tools_are_offered() -> None:
    tools = tuple({"type": "function", "name": name} for name in "abc")
    allowed = [{"type": "function", "name": name} for name in "ac"]
    choice = {"type": "allowed_tools", "tools": allowed, "mode": "required"}
    call = assembled([node(said=[user("q")])], tools=tools, tool_choice=choice).call
    assert ([tool.name for tool in call.tools], call.tool_choice) == (["a", "c"], "required")


def test_a_json_object_is_any_schema() -> None:
    context = assembled([node(said=[user("q")])], text_format={"type": "json_object"})
    assert context.call.json_schema == {}


def test_a_models_own_instructions_serve_where_there_are_none() -> None:
    helpful = Counting(replace(MODEL.info, instructions="help"))
    branch = [node(said=[user("q")])]
    assert texts(assembled(branch, helpful))[0] == ("system", "help")
    assert texts(assembled(branch, helpful, instructions="mine"))[0] == ("system", "mine")
    system = Message(id="msg", role="system", content=(InputText(text="theirs"),))
    assert texts(assembled([node(said=[system, user("q")])], helpful))[0] == ("system", "theirs")
    with pytest.raises(InvalidInput):
        assembled([node(said=[])], helpful)
