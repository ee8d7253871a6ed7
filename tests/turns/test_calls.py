"""Function calls as the pipeline holds models to them: order, permission, arguments, output."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from tests.turns.house import House
from tests.turns.speaking import answered, ended_with

from tertulia.domain.item import FunctionCall, Item, Message, Reasoning
from tertulia.ports.model import Chunk, Finished, ReasoningChunk, TextChunk, ToolCallChunk
from tertulia.ports.turns import Node

PARAMETERS = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}


def tool(name: str, *, strict: bool | None = None) -> dict[str, Any]:
    return {
        "type": "function",
        "name": name,
        "description": None,
        "parameters": PARAMETERS,
        "strict": strict,
    }


TOOLS = (tool("f"), tool("g"))
END = Finished("tool_calls")


def call(index: int, name: str = "f", arguments: str = '{"a": 1}') -> list[Chunk]:
    """A call in two chunks."""
    half = len(arguments) // 2
    return [
        ToolCallChunk(index, f"call_{index}", name, arguments[:half]),
        ToolCallChunk(index, arguments=arguments[half:]),
    ]


def shown(output: Sequence[Item]) -> list[str]:
    """Each item in a few letters."""
    told = []
    for item in output:
        if isinstance(item, FunctionCall):
            told.append(f"{item.name}({item.arguments}) {item.status}")
        elif isinstance(item, Reasoning):
            told.append("thought")
        else:
            assert isinstance(item, Message)
            told.append(item.text)
    return told


def ending(node: Node) -> tuple[str, str | None]:
    return node.response.status, node.response.error.code if node.response.error else None


async def test_pieces_of_parallel_calls_may_come_in_turns(house: House) -> None:
    mixed: list[Chunk] = [
        ToolCallChunk(0, "call_0", "f", '{"a"'),
        ToolCallChunk(1, "call_1", "g", "{"),
        ToolCallChunk(2, "call_2", "f", ""),
        ToolCallChunk(1, arguments='"a": 2'),
        ToolCallChunk(0, arguments=": 1"),
        ToolCallChunk(2, arguments='{"a": 3}'),
        ToolCallChunk(0, arguments="}"),
        ToolCallChunk(1, arguments="}"),
        END,
    ]
    for batches in ([mixed], [[chunk] for chunk in mixed]):
        node = await answered(house, *batches, tools=TOOLS)
        assert ending(node) == ("completed", None)
        assert shown(node.output) == [
            'f({"a": 1}) completed', 'g({"a": 2}) completed', 'f({"a": 3}) completed',
        ]  # fmt: skip


async def test_text_between_calls_keeps_its_place(house: House) -> None:
    said: list[Chunk] = [
        TextChunk("first "), *call(0), TextChunk("\n"), TextChunk("then"), ReasoningChunk("hm"),
        *call(1), TextChunk("\n"), END,
    ]  # fmt: skip
    node = await answered(house, said, tools=TOOLS)
    assert shown(node.output) == [
        "first ", 'f({"a": 1}) completed', "then", "thought", 'f({"a": 1}) completed',
    ]  # fmt: skip


async def test_text_within_a_call_comes_after_it(house: House) -> None:
    first, rest = call(0)
    said = [first, TextChunk("by the way"), rest, END]
    node = await answered(house, said, tools=TOOLS)
    assert shown(node.output) == ['f({"a": 1}) completed', "by the way"]


async def test_a_call_that_goes_on_after_its_end_is_garbage(house: House) -> None:
    more = ToolCallChunk(0, arguments=" more")
    said = [*call(0), TextChunk("done"), ToolCallChunk(0, arguments=" \n"), more, END]
    node = await answered(house, said, tools=TOOLS)
    assert ending(node) == ("incomplete", "model_garbage")


async def test_every_call_has_an_id_that_no_other_has(house: House) -> None:
    ids = ["same", "same", "", None, "x" * 65]
    said: list[Chunk] = [
        ToolCallChunk(index, each, "f", '{"a": 1}') for index, each in enumerate(ids)
    ]
    node = await answered(house, [*said, END], tools=TOOLS)
    found = [item.call_id for item in node.output if isinstance(item, FunctionCall)]
    assert found[0] == "same"
    assert len(set(found)) == len(ids)
    assert all(1 <= len(each) <= 64 for each in found)


async def test_a_call_without_arguments_is_given_an_empty_object(house: House) -> None:
    said: list[Chunk] = [ToolCallChunk(0, "a", "f"), ToolCallChunk(1, "b", "g"), END]
    node = await answered(house, said, tools=TOOLS)
    assert shown(node.output) == ["f({}) completed", "g({}) completed"]


@pytest.mark.parametrize(
    "choice",
    [
        {"tools": ()},
        {"tools": (tool("g"),)},
        {"tools": TOOLS, "tool_choice": "none"},
        {"tools": TOOLS, "tool_choice": {"type": "function", "name": "g"}},
        {
            "tools": TOOLS,
            "tool_choice": {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "g"}],
            },
        },
    ],
    ids=["none offered", "another offered", "none", "another named", "another allowed"],
)
async def test_a_call_that_is_not_allowed_never_shows(house: House, choice: dict[str, Any]) -> None:
    node = await answered(house, [*call(0), END], **choice)
    assert (ending(node), node.output) == (("failed", "tool_not_allowed"), ())
    node = await answered(house, [TextChunk("I see")], [*call(0), END], **choice)
    assert ending(node) == ("incomplete", "tool_not_allowed")
    assert shown(node.output) == ["I see"]


@pytest.mark.parametrize(
    ("limit", "calls"), [({"parallel_tool_calls": False}, 1), ({"max_tool_calls": 2}, 2)]
)
async def test_calls_beyond_the_limit_are_passed_over(
    house: House, limit: dict[str, Any], calls: int
) -> None:
    said = [*call(0), *call(1, "g"), *call(2, "nobody"), *call(3), END]
    node = await answered(house, said, tools=TOOLS, **limit)
    assert ending(node) == ("completed", None)
    assert shown(node.output) == ['f({"a": 1}) completed', 'g({"a": 1}) completed'][:calls]


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "f"}])
async def test_an_answer_without_the_required_call(house: House, choice: Any) -> None:
    asked = {"tools": TOOLS, "tool_choice": choice}
    said: list[Chunk] = [TextChunk("no"), Finished("stop")]
    node = await answered(house, said, **asked)
    assert ending(node) == ("incomplete", "tool_call_missing")
    assert shown(node.output) == ["no"]
    node = await answered(house, [Finished("stop")], **asked)
    assert ending(node) == ("failed", "tool_call_missing")
    cut = await ended_with(house, [TextChunk("well"), Finished("length")], **asked)
    assert cut == ("incomplete", "max_output_tokens", "well")


BROKEN = ['{"a": "one"}', '{"a": 1', "[]", '{"a": 1, "b": 2}', "{}"]


@pytest.mark.parametrize("arguments", BROKEN)
async def test_strict_arguments_that_break_the_schema(house: House, arguments: str) -> None:
    said = [TextChunk("calling"), *call(0), *call(1, "f", arguments), END]
    node = await answered(house, said, tools=(tool("f", strict=True),))
    assert ending(node) == ("incomplete", "invalid_tool_arguments")
    assert shown(node.output) == [
        "calling", 'f({"a": 1}) completed', f"f({arguments}) incomplete",
    ]  # fmt: skip


@pytest.mark.parametrize("arguments", BROKEN)
async def test_other_arguments_are_the_clients_to_judge(house: House, arguments: str) -> None:
    node = await answered(house, [*call(0, "f", arguments), END], tools=TOOLS)
    assert ending(node) == ("completed", None)
    assert shown(node.output) == [f"f({arguments}) completed"]


async def test_a_call_cut_by_the_limit_is_incomplete(house: House) -> None:
    said = [*call(0), *call(1, "f", '{"a": 12'), Finished("length")]
    node = await answered(house, said, tools=(tool("f", strict=True),))
    assert (node.response.status, node.response.incomplete_reason) == (
        "incomplete", "max_output_tokens",
    )  # fmt: skip
    assert shown(node.output) == ['f({"a": 1}) completed', 'f({"a": 12) incomplete']


def in_json(schema: dict[str, Any] | None, *, strict: bool = True) -> dict[str, Any]:
    if schema is None:
        return {"text_format": {"type": "json_object"}}
    shape = {"type": "json_schema", "name": "n", "schema": schema, "strict": strict}
    return {"text_format": shape}


@pytest.mark.parametrize(
    ("text", "asked", "kept"),
    [
        ('{"a": 1}', in_json(PARAMETERS), True),
        (' {"a": 1}\n', in_json(PARAMETERS), True),
        ('{"a": "1"}', in_json(PARAMETERS), False),
        ("Sorry", in_json(PARAMETERS), False),
        ("Sorry", in_json(PARAMETERS, strict=False), True),
        ("null", in_json({"type": "null"}), True),
        ('{"b": [1]}', in_json(None), True),
        ("[1]", in_json(None), False),
        ("[" * 100_000, in_json(None), False),
    ],
)
async def test_output_that_breaks_its_format(
    house: House, text: str, asked: dict[str, Any], kept: bool
) -> None:
    said: list[Chunk] = [TextChunk(text), Finished("stop")]
    node = await answered(house, said, **asked)
    expected = ("completed", None) if kept else ("incomplete", "invalid_output")
    assert ending(node) == expected
    assert shown(node.output) == [text]


async def test_output_that_is_cut_or_is_a_call_is_not_judged(house: House) -> None:
    asked = in_json(PARAMETERS)
    cut = await ended_with(house, [TextChunk('{"a"'), Finished("length")], **asked)
    assert cut == ("incomplete", "max_output_tokens", '{"a"')
    node = await answered(house, [*call(0), END], tools=TOOLS, **asked)
    assert ending(node) == ("completed", None)
    assert json.loads(str(shown(node.output)[0])[2:-11]) == {"a": 1}
