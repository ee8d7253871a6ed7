"""Input items, as Open Responses and the official SDKs send them.

Source: the standard's ``ItemParam``; what it leaves open (a message without ``type``) follows the
types of the official ``openai`` SDK. Every item gets an id of ours: a client that sends back an
answer's items as history must not name rows that exist.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Literal, cast

import msgspec

from tertulia.domain.ids import FUNCTION_CALL, FUNCTION_OUTPUT, MESSAGE, REASONING, new_id
from tertulia.domain.item import (
    FunctionCall,
    FunctionCallOutput,
    InputImage,
    InputText,
    Item,
    ItemStatus,
    Message,
    OutputText,
    Part,
    Reasoning,
    ReasoningText,
    Refusal,
    Role,
    SummaryText,
)
from tertulia.transports.wire_field import Field

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")

_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,", re.IGNORECASE)

_ITEMS = ("message", "function_call", "function_call_output", "reasoning")


def parse_input(field: Field, *, message_chars: int) -> tuple[Item, ...]:
    """The field ``input``: a string, an array of items, or nothing.

    ``message_chars``: the longest text of one part.

    Raises:
        InvalidInput: with the path of what was wrong.
    """
    if field.missing:
        return ()
    if isinstance(field.value, str):
        if not field.value.strip():
            raise field.wrong("is empty: there is nothing to answer", "empty_message")
        text = field.text(at_most=message_chars)
        return (Message(id=new_id(MESSAGE), role="user", content=(InputText(text=text),)),)
    if not isinstance(field.value, list):
        raise field.wrong("must be a string or an array of items", "invalid_type")
    return parse_items(field, message_chars=message_chars)


def parse_items(field: Field, *, message_chars: int) -> tuple[Item, ...]:
    """An array of items."""
    return tuple(_item(each, message_chars) for each in field.items())


def _item(field: Field, chars: int) -> Item:
    kind = field.get("type")
    if kind.missing:
        name = "message" if field.get("role").value is not None else "item_reference"
    else:
        name = kind.text()
    if name == "message":
        return _message(field, chars)
    if name == "function_call":
        return FunctionCall(
            id=new_id(FUNCTION_CALL),
            call_id=field.get("call_id").text(at_least=1, at_most=64),
            name=function_name(field.get("name")),
            arguments=field.get("arguments").text(at_most=chars),
            status=_status(field.get("status")),
        )
    if name == "function_call_output":
        return FunctionCallOutput(
            id=new_id(FUNCTION_OUTPUT),
            call_id=field.get("call_id").text(at_least=1, at_most=64),
            output=_output(field.get("output"), chars),
            status=_status(field.get("status")),
        )
    if name == "reasoning":
        return _reasoning(field, chars)
    if name == "item_reference":
        raise (field if kind.missing else kind).wrong(
            "refers to an item, which is not supported: send the item itself, "
            "or previous_response_id",
            "unsupported_value",
        )
    raise kind.wrong("must be one of " + ", ".join(_ITEMS))


def function_name(field: Field) -> str:
    """The name of a function, as the standard allows it."""
    name = field.text()
    if not NAME.fullmatch(name):
        raise field.wrong("must be 1 to 64 letters, digits, _ or -")
    return name


def _status(field: Field) -> ItemStatus:
    """What a client sends is not being written any more, whatever it says."""
    if field.missing:
        return "completed"
    said = field.choice("in_progress", "completed", "incomplete")
    return "completed" if said == "completed" else "incomplete"


def _message(field: Field, chars: int) -> Message:
    role = cast(Role, field.get("role").choice("user", "assistant", "system", "developer"))
    content = field.get("content")
    parts: tuple[Part, ...]
    if isinstance(content.value, str):
        text = content.text(at_most=chars)
        parts = (OutputText(text=text) if role == "assistant" else InputText(text=text),)
    elif content.missing or isinstance(content.value, list):
        read = _answer_part if role == "assistant" else _input_part
        parts = tuple(read(each, chars) for each in content.items())
    else:
        raise content.wrong("must be a string or an array of parts", "invalid_type")
    if role in ("system", "developer"):
        for index, part in enumerate(parts):
            if isinstance(part, InputImage):
                raise Field(None, f"{content.path}[{index}]").wrong(
                    f"is an image, which a {role} message cannot hold"
                )
    return Message(
        id=new_id(MESSAGE), role=role, content=parts, status=_status(field.get("status"))
    )


def _input_part(field: Field, chars: int) -> Part:
    kind = field.get("type")
    name = kind.text()
    if name == "input_text":
        return InputText(text=field.get("text").text(at_most=chars))
    if name == "input_image":
        return _image(field)
    if name in ("input_file", "input_video", "input_audio"):
        raise kind.wrong(
            f"{name} is not supported: send text, or images as data URLs", "unsupported_value"
        )
    raise kind.wrong("must be one of input_text, input_image")


def _answer_part(field: Field, chars: int) -> Part:
    kind = field.get("type")
    name = kind.text()
    if name == "output_text":
        annotations = field.get("annotations")
        return OutputText(
            text=field.get("text").text(at_most=chars),
            annotations=()
            if annotations.missing
            else tuple(each.object() for each in annotations.items(at_most=1000)),
        )
    if name == "refusal":
        return Refusal(refusal=field.get("refusal").text(at_most=chars))
    raise kind.wrong("must be one of output_text, refusal in an assistant message")


def _image(field: Field) -> InputImage:
    if not field.get("file_id").missing:
        raise field.get("file_id").wrong(
            "is not supported: send the image as a data URL in image_url", "unsupported_value"
        )
    return data_image(field.get("image_url"), field.get("detail"))


def data_image(url: Field, detail: Field) -> InputImage:
    """An image that is all in its URL."""
    found = url.text()
    head = _IMAGE.match(found)
    if head is None:
        raise url.wrong(
            "must be a data URL (data:image/png;base64,…; png, jpeg, gif or webp): "
            "this server fetches nothing from elsewhere",
            "unsupported_value",
        )
    try:
        data = base64.b64decode(found[head.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise url.wrong("is not valid base64") from error
    if not data:
        raise url.wrong("holds no image")
    chosen = "auto" if detail.missing else detail.choice("low", "high", "auto")
    return InputImage(image_url=found, detail=cast(Literal["low", "high", "auto"], chosen))


def _output(field: Field, chars: int) -> str | tuple[Part, ...]:
    if isinstance(field.value, str):
        return field.text(at_most=chars)
    if field.missing or isinstance(field.value, list):
        return tuple(_input_part(each, chars) for each in field.items())
    raise field.wrong("must be a string or an array of parts", "invalid_type")


def _reasoning(field: Field, chars: int) -> Reasoning:
    summary, content = field.get("summary"), field.get("content")
    encrypted = field.get("encrypted_content")
    return Reasoning(
        id=new_id(REASONING),
        summary=tuple(
            SummaryText(text=_tagged(each, "summary_text", chars)) for each in summary.items()
        ),
        content=()
        if content.missing
        else tuple(
            ReasoningText(text=_tagged(each, "reasoning_text", chars)) for each in content.items()
        ),
        encrypted_content=msgspec.UNSET if encrypted.missing else encrypted.text(at_most=chars),
        status=_status(field.get("status")),
    )


def _tagged(field: Field, tag: str, chars: int) -> str:
    field.get("type").choice(tag)
    return field.get("text").text(at_most=chars)
