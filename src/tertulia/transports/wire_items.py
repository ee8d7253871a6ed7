"""Input items, as Open Responses and the official SDKs send them.

Source: the standard's ``ItemParam``; what it leaves open (a message without ``type``) follows the
types of the official ``openai`` SDK. Every item gets an id of ours: a client that sends back an
answer's items as history must not name rows that exist.
"""

from __future__ import annotations

import re
from typing import Literal, cast

import msgspec

from tertulia.domain import image
from tertulia.domain.ids import FUNCTION_CALL, FUNCTION_OUTPUT, MESSAGE, REASONING, new_id
from tertulia.domain.item import (
    FunctionCall,
    FunctionCallOutput,
    Given,
    InputImage,
    InputText,
    ItemReference,
    ItemStatus,
    Message,
    OutputText,
    Part,
    Reasoning,
    ReasoningText,
    Refusal,
    Role,
    SummaryText,
    images_of,
)
from tertulia.settings.sections import Limits
from tertulia.transports.wire_field import Field

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")

_ITEMS = ("message", "function_call", "function_call_output", "reasoning", "item_reference")


def parse_input(field: Field, limits: Limits) -> tuple[Given, ...]:
    """The field ``input``: a string, an array of items, or nothing.

    Raises:
        InvalidInput: with the path of what was wrong.
    """
    if field.missing:
        return ()
    if isinstance(field.value, str):
        if not field.value.strip():
            raise field.wrong("is empty: there is nothing to answer", "empty_message")
        text = field.text(at_most=limits.message_chars)
        return (Message(id=new_id(MESSAGE), role="user", content=(InputText(text=text),)),)
    if not isinstance(field.value, list):
        raise field.wrong("must be a string or an array of items", "invalid_type")
    return parse_items(field, limits)


def parse_items(field: Field, limits: Limits) -> tuple[Given, ...]:
    """An array of items."""
    given: list[Given] = []
    images = 0
    for each in field.items():
        given.append(_item(each, limits))
        images += len(images_of(given[-1]))
        if images > limits.images_per_request:
            raise each.wrong(
                f"brings more than the {limits.images_per_request} images that one request may "
                "hold",
                "array_above_max_length",
            )
    return tuple(given)


def _item(field: Field, limits: Limits) -> Given:
    chars = limits.message_chars
    kind = field.get("type")
    if kind.missing:
        name = "message" if field.get("role").value is not None else "item_reference"
    else:
        name = kind.text()
    if name == "message":
        return _message(field, limits)
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
            output=_output(field.get("output"), limits),
            status=_status(field.get("status")),
        )
    if name == "reasoning":
        return _reasoning(field, chars)
    if name == "item_reference":
        return ItemReference(id=field.get("id").text(at_least=1, at_most=128))
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


def _message(field: Field, limits: Limits) -> Message:
    role = cast(Role, field.get("role").choice("user", "assistant", "system", "developer"))
    content = field.get("content")
    parts: tuple[Part, ...]
    if isinstance(content.value, str):
        text = content.text(at_most=limits.message_chars)
        parts = (OutputText(text=text) if role == "assistant" else InputText(text=text),)
    elif content.missing or isinstance(content.value, list):
        read = _answer_part if role == "assistant" else _input_part
        parts = tuple(read(each, limits) for each in content.items())
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


def _input_part(field: Field, limits: Limits) -> Part:
    kind = field.get("type")
    name = kind.text()
    if name == "input_text":
        return InputText(text=field.get("text").text(at_most=limits.message_chars))
    if name == "input_image":
        return _image(field, limits)
    if name in ("input_file", "input_video", "input_audio"):
        raise kind.wrong(f"{name} is not supported: send text or images", "unsupported_value")
    raise kind.wrong("must be one of input_text, input_image")


def _answer_part(field: Field, limits: Limits) -> Part:
    chars = limits.message_chars
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


def _image(field: Field, limits: Limits) -> InputImage:
    file_id, url, detail = field.get("file_id"), field.get("image_url"), field.get("detail")
    if file_id.missing:
        return data_image(url, detail, image_bytes=limits.image_bytes)
    if not url.missing:
        raise file_id.wrong("and image_url are two images: send one of them")
    name = file_id.text(at_least=1, at_most=128)
    return InputImage(file_id=name, detail=_detail(detail))


def data_image(url: Field, detail: Field, *, image_bytes: int) -> InputImage:
    """The image in a ``data:`` URL of at most so many bytes.

    Raises:
        InvalidInput: another kind of URL, or what is in it is not the image that it says.
    """
    try:
        _, found = image.from_data_url(url.text(), at_most=image_bytes)
    except image.BadImage as error:
        raise url.wrong(str(error), "invalid_image") from error
    return InputImage(image_url=found, detail=_detail(detail))


def _detail(field: Field) -> Literal["low", "high", "auto"]:
    chosen = "auto" if field.missing else field.choice("low", "high", "auto", "original")
    if chosen == "original":  # the SDK's, not the standard's: in full, as `high` comes nearest to
        chosen = "high"
    return cast(Literal["low", "high", "auto"], chosen)


def _output(field: Field, limits: Limits) -> str | tuple[Part, ...]:
    if isinstance(field.value, str):
        return field.text(at_most=limits.message_chars)
    if field.missing or isinstance(field.value, list):
        return tuple(_input_part(each, limits) for each in field.items())
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
