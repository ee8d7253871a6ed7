"""The messages of a chat completion, as the items that the turn pipeline works with.

Source: the official ``openai`` SDK's ``ChatCompletionMessageParam`` types. A message without any
text is left out, as it is of a conversation's memory, unless it is the one to be answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from tertulia.domain.ids import FUNCTION_CALL, FUNCTION_OUTPUT, MESSAGE, REASONING, new_id
from tertulia.domain.item import (
    FunctionCall,
    FunctionCallOutput,
    InputText,
    Item,
    Message,
    OutputText,
    Part,
    Reasoning,
    ReasoningText,
    Refusal,
    Role,
    images_of,
)
from tertulia.settings.sections import Limits
from tertulia.transports.wire_field import Field
from tertulia.transports.wire_items import data_image, function_name

_ROLES = ("system", "developer", "user", "assistant", "tool")

#: Ids of calls are the model's own, and some servers put a state into them.
_CALL_ID_CHARS = 512


@dataclass(frozen=True, slots=True)
class Messages:
    """What was said, and which message said it."""

    items: tuple[Item, ...]
    #: The path of what each item was made from.
    places: tuple[str, ...]


def parse_messages(field: Field, limits: Limits) -> Messages:
    """The field ``messages``.

    Raises:
        InvalidInput: with the path of what was wrong.
    """
    items: list[Item] = []
    places: list[str] = []
    last, said, images = None, 0, 0
    for last in field.items():
        said, calls = len(items), 0
        for item in _read(last, limits):
            place = last.path
            if isinstance(item, FunctionCall):
                place, calls = f"{place}.tool_calls[{calls}]", calls + 1
            items.append(item)
            places.append(place)
            images += len(images_of(item))
        if images > limits.images_per_request:
            raise last.wrong(
                f"brings more than the {limits.images_per_request} images of a request",
                "array_above_max_length",
            )
    if last is None:
        raise field.wrong("must have at least one message", "array_below_min_length")
    if last.get("role").value == "user" and len(items) == said:
        raise last.get("content").wrong("is empty: there is nothing to answer", "empty_message")
    return Messages(tuple(items), tuple(places))


def _read(field: Field, limits: Limits) -> Iterator[Item]:
    role = field.get("role")
    name = role.text()
    if name == "tool":
        yield _tool_output(field, limits)
    elif name == "assistant":
        yield from _answer(field, limits.message_chars)
    elif name == "user":
        yield from _given("user", _parts(field.get("content"), limits, images=True))
    elif name in ("system", "developer"):
        yield from _given(cast(Role, name), _parts(field.get("content"), limits))
    elif name == "function":
        raise role.wrong(
            "function is not supported: send tools and messages of role tool", "unsupported_value"
        )
    else:
        raise role.wrong("must be one of " + ", ".join(_ROLES))


def _given(role: Role, parts: tuple[Part, ...]) -> Iterator[Message]:
    if any(not isinstance(part, InputText) or part.text.strip() for part in parts):
        yield Message(id=new_id(MESSAGE), role=role, content=parts)


def _parts(content: Field, limits: Limits, *, images: bool = False) -> tuple[Part, ...]:
    if isinstance(content.value, str):
        return (InputText(text=content.text(at_most=limits.message_chars)),)
    if content.missing or isinstance(content.value, list):
        return tuple(_part(each, limits, images=images) for each in content.items())
    raise content.wrong("must be a string or an array of parts", "invalid_type")


def _part(field: Field, limits: Limits, *, images: bool) -> Part:
    kind = field.get("type")
    name = kind.text()
    if name == "text":
        return InputText(text=field.get("text").text(at_most=limits.message_chars))
    if name == "image_url" and images:
        image = field.get("image_url")
        return data_image(image.get("url"), image.get("detail"), image_bytes=limits.image_bytes)
    if name in ("image_url", "input_audio", "file"):
        takes = "text, or images as data URLs" if images else "text"
        raise kind.wrong(f"{name} is not supported here: send {takes}", "unsupported_value")
    raise kind.wrong("must be one of text, image_url" if images else "must be text")


def _answer(field: Field, chars: int) -> Iterator[Item]:
    """What the model thought, then what it said, then the calls it made."""
    content, refusal, calls = (field.get(n) for n in ("content", "refusal", "tool_calls"))
    if not field.get("function_call").missing:
        raise field.get("function_call").wrong(
            "is not supported: send tool_calls", "unsupported_parameter"
        )
    if not field.get("audio").missing:
        raise field.get("audio").wrong("is not supported: send text", "unsupported_parameter")
    parts: tuple[Part, ...] = ()
    if isinstance(content.value, str):
        parts = (OutputText(text=content.text(at_most=chars)),)
    elif isinstance(content.value, list):
        parts = tuple(_answer_part(each, chars) for each in content.items())
    elif not content.missing or (refusal.missing and calls.missing):
        raise content.wrong("must be a string or an array of parts", "invalid_type")
    if not refusal.missing:
        parts += (Refusal(refusal=refusal.text(at_most=chars)),)
    thoughts = field.get("reasoning_content")
    if not thoughts.missing:
        told = ReasoningText(text=thoughts.text(at_most=chars))
        yield Reasoning(id=new_id(REASONING), content=(told,))
    if any(getattr(part, "text", "") or isinstance(part, Refusal) for part in parts):
        yield Message(id=new_id(MESSAGE), role="assistant", content=parts)
    for call in () if calls.missing else calls.items():
        kind = call.get("type")
        if kind.text() != "function":
            raise kind.wrong("must be function: no other tools are supported", "unsupported_value")
        function = call.get("function")
        yield FunctionCall(
            id=new_id(FUNCTION_CALL),
            call_id=call.get("id").text(at_least=1, at_most=_CALL_ID_CHARS),
            name=function_name(function.get("name")),
            arguments=function.get("arguments").text(at_most=chars),
        )


def _answer_part(field: Field, chars: int) -> Part:
    kind = field.get("type").choice("text", "refusal")
    if kind == "text":
        return OutputText(text=field.get("text").text(at_most=chars))
    return Refusal(refusal=field.get("refusal").text(at_most=chars))


def _tool_output(field: Field, limits: Limits) -> FunctionCallOutput:
    content = field.get("content")
    parts = _parts(content, limits)
    return FunctionCallOutput(
        id=new_id(FUNCTION_OUTPUT),
        call_id=field.get("tool_call_id").text(at_least=1, at_most=_CALL_ID_CHARS),
        output=content.value if isinstance(content.value, str) else parts,
    )
