"""Items encode to the wire's JSON and back."""

import json

import pytest

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
    SummaryText,
    decode_item,
    encode_item,
)
from tertulia.domain.principal import Principal

ITEMS: list[Item] = [
    Message(id="m", role="user", content=(InputText(text="é"), InputImage(image_url="data:x"))),
    Message(id="m", role="assistant", content=(OutputText(text="a"), Refusal(refusal="no"))),
    FunctionCall(id="f", call_id="c", name="n", arguments="{}"),
    FunctionCallOutput(id="o", call_id="c", output="text"),
    FunctionCallOutput(id="o", call_id="c", output=(InputText(text="a"), InputText(text="b"))),
    Reasoning(id="r", summary=(SummaryText(text="s"),)),
]


@pytest.mark.parametrize("item", ITEMS)
def test_round_trip(item: Item) -> None:
    assert decode_item(encode_item(item)) == item
    assert json.loads(encode_item(item))["type"] in (
        "message",
        "function_call",
        "function_call_output",
        "reasoning",
    )


def test_text_of_items() -> None:
    message, answer, _, plain, parts, _ = ITEMS
    assert isinstance(message, Message)
    assert isinstance(answer, Message)
    assert isinstance(plain, FunctionCallOutput)
    assert isinstance(parts, FunctionCallOutput)
    assert [message.text, answer.text, plain.text, parts.text] == ["é", "a", "text", "ab"]


def test_principal() -> None:
    assert Principal("user_1", role="admin").admin
    assert not Principal("user_1").admin
