"""Items in the OpenAPI document: as they are sent, from the domain's types; as they may be given,
by hand, for the parser takes more than it keeps."""

from __future__ import annotations

from typing import Any

import msgspec

from tertulia.domain.item import Item, ReasoningText
from tertulia.domain.response import Failure
from tertulia.domain.tree import TreeNode
from tertulia.transports.shapes import (
    NULLABLE_STRING,
    OBJECT,
    STRING,
    Schema,
    any_of,
    array,
    const,
    nullable,
    one_of,
    ref,
    said,
    shape,
    tagged,
)

_TYPES = (Item, Failure, ReasoningText, TreeNode)


def _sent() -> dict[str, Schema]:
    """Components of what msgspec writes: every field is there, but for those that may be unset."""
    (item, *_), components = msgspec.json.schema_components(
        _TYPES, ref_template="#/components/schemas/{name}"
    )
    for info in msgspec.inspect.multi_type_info(_TYPES):
        for struct in _structs(info):
            schema = components[struct.cls.__name__]
            schema["required"] = [
                *(["type"] if struct.tag_field else []),
                *(
                    field.encode_name
                    for field in msgspec.structs.fields(struct.cls)
                    if field.default is not msgspec.UNSET
                ),
            ]
            for field in schema["properties"].values():
                field.pop("default", None)
    node = components["TreeNode"]["properties"]
    node["input"] = node["output"] = array(ref("Item"))  # their JSON is at hand already
    node["usage"] = nullable(ref("ResponseUsage"))
    node["incomplete_details"] = nullable(shape(reason=STRING))
    return {**components, "Item": item}


def _structs(info: Any) -> list[Any]:
    """The structures that a type is made of."""
    if isinstance(info, msgspec.inspect.StructType):
        below = [each for field in info.fields for each in _structs(field.type)]
        return [info, *below]
    if isinstance(info, msgspec.inspect.UnionType):
        return [each for one in info.types for each in _structs(one)]
    if isinstance(info, msgspec.inspect.VarTupleType):
        return _structs(info.item_type)
    return []


_ID = {"type": "string", "minLength": 1, "maxLength": 128}
_CALL_ID = {"type": "string", "minLength": 1, "maxLength": 64}
_NAME = {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$"}
_STATUS = one_of("in_progress", "completed", "incomplete", None)
_PARTS = array(any_of(ref("InputTextParam"), ref("InputImageParam")))

GIVEN: dict[str, Schema] = {
    "InputTextParam": tagged("input_text", "text", text=STRING),
    "InputImageParam": said(
        tagged(
            "input_image",
            image_url={
                "type": ["string", "null"],
                "pattern": "^data:image/(png|jpeg|gif|webp);base64,.+",
                "description": "A data URL; this server fetches nothing from elsewhere.",
            },
            file_id=said(NULLABLE_STRING, "An upload's id, `file-…`."),
            detail=one_of("low", "high", "auto", None),
        ),
        "An image: one of `image_url` and `file_id`.",
    ),
    "OutputTextParam": tagged(
        "output_text", "text", text=STRING, annotations=nullable(array(OBJECT))
    ),
    "RefusalParam": tagged("refusal", "refusal", refusal=STRING),
    "UserMessageParam": shape(
        "role",
        "content",
        type=const("message"),
        role=one_of("user", "system", "developer"),
        content=any_of(STRING, _PARTS),
        status=_STATUS,
    ),
    "AssistantMessageParam": shape(
        "role",
        "content",
        type=const("message"),
        role=const("assistant"),
        content=any_of(STRING, array(any_of(ref("OutputTextParam"), ref("RefusalParam")))),
        status=_STATUS,
    ),
    "FunctionCallParam": tagged(
        "function_call",
        "call_id",
        "name",
        "arguments",
        call_id=_CALL_ID,
        name=_NAME,
        arguments=said(STRING, "JSON, as the model wrote it."),
        status=_STATUS,
    ),
    "FunctionCallOutputParam": tagged(
        "function_call_output",
        "call_id",
        "output",
        call_id=said(_CALL_ID, "Of a call made before."),
        output=any_of(STRING, _PARTS),
        status=_STATUS,
    ),
    "ReasoningParam": tagged(
        "reasoning",
        "summary",
        summary=array(tagged("summary_text", "text", text=STRING)),
        content=nullable(array(tagged("reasoning_text", "text", text=STRING))),
        encrypted_content=NULLABLE_STRING,
        status=_STATUS,
    ),
    "ItemReferenceParam": said(
        shape("id", type=one_of("item_reference", None), id=_ID),
        "An item that is stored, by its id.",
    ),
    "InputItem": said(
        any_of(
            *(
                ref(f"{name}Param")
                for name in (
                    "UserMessage",
                    "AssistantMessage",
                    "FunctionCall",
                    "FunctionCallOutput",
                    "Reasoning",
                    "ItemReference",
                )
            )
        ),
        "An item of a request. Ids of new items are ours; those that come along are not kept.",
    ),
}

SCHEMAS: dict[str, Schema] = {
    **_sent(),
    **GIVEN,
    "ContentPart": said(
        any_of(*map(ref, ("InputText", "InputImage", "OutputText", "Refusal", "ReasoningText"))),
        "A part of an item.",
    ),
}
