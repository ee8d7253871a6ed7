"""Which functions the scripted model calls, and with what arguments."""

from __future__ import annotations

from typing import Any

import pytest

from tertulia.adapters.model.scripted_tools import chosen, outputs
from tertulia.domain.json_match import mismatch
from tertulia.ports.model import (
    Call,
    Entry,
    ImagePart,
    Message,
    TextPart,
    Tool,
    ToolCall,
    ToolOutput,
)

WEATHER = Tool(
    "get_weather",
    "Get the current weather for a place.",
    {
        "type": "object",
        "properties": {
            "place": {"type": "string"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["place"],
        "additionalProperties": False,
    },
)
SUM = Tool(
    "calc",
    "Does arithmetic.",
    {
        "type": "object",
        "properties": {
            "a": {"type": "number"},
            "b": {"type": "integer", "maximum": 100},
            "how": {"enum": ["add", "multiply"]},
        },
        "required": ["a", "b", "how"],
    },
)
CLOCK = Tool("clockNow", None, {"type": "object", "properties": {"zone": {"type": "string"}}})
PING = Tool("ping", None, None)
TOOLS = (WEATHER, SUM, CLOCK, PING)


def user(text: str) -> Message:
    return Message("user", (TextPart(text),))


def made(
    message: str,
    *entries: Entry,
    calls: int | None = None,
    rounds: int = 1,
    tools: tuple[Tool, ...] = TOOLS,
    **more: Any,
) -> list[tuple[str, dict[str, Any]]]:
    call = Call("m", [user(message), *entries], tools=tools, **more)
    found = chosen(call, message, calls, rounds)
    for tool, arguments in found:
        assert mismatch(arguments, tool.parameters or {}) is None
    return [(tool.name, arguments) for tool, arguments in found]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Hello there, how are you?", []),
        ("What is the capital of France?", []),
        ("Is it pinging?", []),
        ("Please ping it", [("ping", {})]),
        ("What's the weather in Lisbon?", [("get_weather", {"place": "Lisbon"})]),
        ("Weather, please", [("get_weather", {"place": "word0"})]),
        ('Call get_weather with "Rio de Janeiro"', [("get_weather", {"place": "Rio de Janeiro"})]),
        ("Multiply 12 by 7 with calc", [("calc", {"a": 12, "b": 7, "how": "multiply"})]),
        ("calc 2.5 and 700", [("calc", {"a": 2.5, "b": 1, "how": "add"})]),
        ("Some arithmetics: 3 + 4", [("calc", {"a": 3, "b": 4, "how": "add"})]),
        ("The clock of 'Asia/Tokyo'?", [("clockNow", {"zone": "Asia/Tokyo"})]),
        (
            "The weather in Oslo, and what does the clock say there?",
            [("get_weather", {"place": "Oslo"}), ("clockNow", {"zone": "Oslo"})],
        ),
        (
            "Compare the weather in Lima, Quito and in La Paz",
            [("get_weather", {"place": each}) for each in ("Lima", "Quito", "La Paz")],
        ),
        ("The weather in Paris, France", [("get_weather", {"place": "Paris"})]),
    ],
)
def test_what_a_message_mentions_is_called(
    message: str, expected: list[tuple[str, dict[str, Any]]]
) -> None:
    assert made(message) == expected


def test_the_choice_of_the_request_comes_first() -> None:
    weather = "The weather in Lima and Quito"
    assert made(weather, tool_choice="none") == []
    assert made(weather, tool_choice="ping") == [("ping", {})]
    assert made(weather, parallel_tool_calls=False) == [("get_weather", {"place": "Lima"})]
    assert [name for name, _ in made("Hello", tool_choice="required", tools=(PING, SUM))] == [
        "ping", "calc",
    ]  # fmt: skip
    assert made("Hello", tool_choice="required", parallel_tool_calls=False, tools=(PING, SUM)) == [
        ("ping", {})
    ]
    assert [name for name, _ in made("calls=2", calls=2)] == ["get_weather", "calc"]


def test_it_answers_once_its_tools_have() -> None:
    one: list[Entry] = [ToolCall("a", "ping", "{}"), ToolCall("b", "ping", "{}")]
    answered: list[Entry] = [*one, ToolOutput("a", "1"), ToolOutput("b", "2")]
    assert made("ping", *answered) == []
    assert made("ping", *answered, tool_choice="required") == [("ping", {})]
    assert made("ping", *answered, rounds=2) == [("ping", {})]
    again: list[Entry] = [*answered, ToolCall("c", "ping", "{}"), ToolOutput("c", "3")]
    assert made("ping", *again, rounds=2) == []
    assert outputs(Call("m", [user("ping"), *answered])) == ["1", "2"]
    assert outputs(Call("m", [user("ping"), *again])) == ["3"]
    assert not outputs(Call("m", [user("ping"), *again, user("and now?")]))
    shown = Message("user", (TextPart("[output of the tool call c]"), ImagePart("data:,")))
    assert outputs(Call("m", [user("ping"), *again, shown])) == ["3"]
    assert made("ping", *again, Message("assistant", (TextPart("ok"),)), user("ping")) != []
