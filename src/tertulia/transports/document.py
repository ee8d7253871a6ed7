"""The OpenAPI document, whole: what FastAPI derives from the routes, and what all of them share."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from inspect import cleandoc
from typing import Any

from tertulia.transports import (
    events_schema,
    feed_messages,
    items_schema,
    responses_schema,
    responses_socket_messages,
)
from tertulia.transports.errors import documented_errors
from tertulia.transports.shapes import LATE_REF, PREFIX, Schema, ref

_SHARED: dict[str, Schema] = {
    **items_schema.SCHEMAS,
    **responses_schema.SCHEMAS,
    **events_schema.SCHEMAS,
    "ResponseStream": events_schema.stream("ResponseEvent", "TertuliaEvent"),
    "FeedStream": events_schema.stream("FeedMessage"),
}

_TAGS = {
    "responses": "Answers, streamed and stored: the API of Open Responses.",
    "conversations": "Conversations, their branches and items.",
    "chat completions": "OpenAI's older API. Nothing of it is stored.",
    "embeddings": "Vectors of texts.",
    "models": "What there is to talk to.",
    "files": "Images for messages.",
    "feed": "Everything that happens to a user's conversations, on one connection.",
    "auth": "Signing in and out.",
    "me": "The user.",
    "keys": "API keys.",
    "health": "Whether the server lives and can serve.",
    "diagnostics": "For tests and operators.",
}

_HEADERS: dict[str, Any] = {
    "RequestId": {
        "description": "Names this request in the server's log.",
        "schema": {"type": "string"},
    },
    "RetryAfter": {
        "description": "Seconds after which to come back.",
        "schema": {"type": "integer", "minimum": 1},
    },
}

#: Where the ids come from that paths hold: from which operation's answer, and where in it.
_IDS = {
    "response_id": ("/v1/responses", {"response_id": "$response.body#/id"}),
    "conversation_id": ("/v1/conversations", {"conversation_id": "$response.body#/id"}),
    "item_id": (
        "/v1/conversations/{conversation_id}/items",
        {
            "conversation_id": "$request.path.conversation_id",
            "item_id": "$response.body#/data/0/id",
        },
    ),
    "file_id": ("/v1/files", {"file_id": "$response.body#/id"}),
    "key_id": ("/v1/keys", {"key_id": "$response.body#/id"}),
}

_METHODS = ("get", "post", "patch", "delete")

_SOCKETS: dict[tuple[str, str], dict[str, Any]] = {
    ("/v1/responses", "post"): {
        "description": "`GET` with `Upgrade: websocket` opens the standard's WebSocket mode: the "
        "client sends `response.create` messages, and the events come back as text messages.",
        "security": [{"HTTPBearer": []}],
        "receives": ref("SocketCreate"),
        "sends": {"anyOf": [ref("ResponseEvent"), ref("TertuliaEvent"), ref("SocketError")]},
        "close_codes": {
            str(code.value): says for code, says in responses_socket_messages.CLOSES.items()
        },
    },
    ("/v1/feed", "get"): {
        "description": "`GET` with `Upgrade: websocket` opens the same feed both ways; its first "
        "message is `auth`.",
        "receives": ref("FeedCommand"),
        "sends": ref("FeedMessage"),
        "close_codes": {str(code.value): says for code, says in feed_messages.CLOSES.items()},
    },
}


def completed(
    document: dict[str, Any], written: Mapping[tuple[str, str], dict[str, Any]]
) -> dict[str, Any]:
    """What FastAPI made, with everything that it cannot know. Changes its argument.

    ``written``: by path and method, what was written of an operation by hand.
    """
    schemas: dict[str, Schema] = document["components"]["schemas"]
    schemas.update(_SHARED)
    for path, method, operation in _operations(document):
        _restore_nulls(operation, written[path, method])
        _describe(operation)
        _statuses(method, operation)
        for content in _contents(operation):
            if len(content) > 1 and not content.get("application/json", {}).get("schema", True):
                del content["application/json"]  # FastAPI's guess
            for media in content.values():
                media["schema"] = _named(media.get("schema", {}), schemas)
    _link(document)
    _resolve(document)
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    document["components"]["headers"] = _HEADERS
    for (path, method), socket in _SOCKETS.items():
        document["paths"][path][method]["x-websocket"] = socket
    document["tags"] = [{"name": name, "description": says} for name, says in _TAGS.items()]
    return document


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                yield path, method, item[method]


def _restore_nulls(made: dict[str, Any], written: Mapping[str, Any]) -> None:
    """FastAPI leaves out every null, also those of examples."""
    for name, value in written.items():
        if isinstance(value, dict) and isinstance(made.get(name), dict):
            _restore_nulls(made[name], value)
        elif not isinstance(value, list):
            made[name] = copy.deepcopy(value)


def _contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in (operation.get("requestBody", {}), *operation["responses"].values()):
        if "content" in part:
            yield part["content"]


def _describe(operation: dict[str, Any]) -> None:
    """The summary is the description's first sentence."""
    operation["tags"] = [tag.lower() for tag in operation["tags"]]
    first = " ".join(operation["description"].split("\n\n")[0].split())
    operation["summary"] = first.split(". ")[0].rstrip(".")


def _statuses(method: str, operation: dict[str, Any]) -> None:
    """What the layers in front of every route may answer, and the headers of answers."""
    answers: dict[str, Any] = operation["responses"]
    before = () if method == "get" else (413, 415)
    body = (400,) if "requestBody" in operation else ()
    for status, answer in documented_errors(*before, *body).items():
        answers.setdefault(status, answer)
    for status, answer in answers.items():
        headers = answer.setdefault("headers", {})
        headers["x-request-id"] = {"$ref": "#/components/headers/RequestId"}
        if status in ("429", "503"):
            headers["retry-after"] = {"$ref": "#/components/headers/RetryAfter"}
    operation["responses"] = dict(sorted(answers.items()))


def _link(document: dict[str, Any]) -> None:
    """Say of what makes something which operations take its id."""
    for path, _, operation in _operations(document):
        last = path.rpartition("{")[2].partition("}")[0]
        if last not in _IDS:
            continue
        maker, parameters = _IDS[last]
        answers = document["paths"][maker]["post"]["responses"]
        made = answers["201" if "201" in answers else "200"]
        made.setdefault("links", {})[operation["operationId"]] = {
            "operationId": operation["operationId"],
            "parameters": parameters,
        }


def _named(value: Any, schemas: dict[str, Schema]) -> Any:
    """Every schema with a title and properties becomes a component of that name, and so does what
    a schema defines."""
    if isinstance(value, list):
        return [_named(each, schemas) for each in value]
    if not isinstance(value, dict):
        return value
    schemas.update(value.pop("$defs", {}))
    found = {name: _named(each, schemas) for name, each in value.items()}
    if not isinstance(found.get("title"), str) or "properties" not in found:
        return found
    name = found.pop("title")
    schemas[name] = found
    return ref(name)


def _resolve(value: Any) -> None:
    """All references, wherever they are, are to components; titles that only repeat go."""
    if isinstance(value, list):
        for each in value:
            _resolve(each)
    elif isinstance(value, dict):
        if LATE_REF in value:
            value["$ref"] = PREFIX + value.pop(LATE_REF)
        elif str(value.get("$ref", "")).startswith("#/$defs/"):
            value["$ref"] = PREFIX + value["$ref"].removeprefix("#/$defs/")
        if isinstance(value.get("title"), str) and value.keys() & {"type", "anyOf", "$ref"}:
            del value["title"]
        if isinstance(value.get("description"), str):
            value["description"] = cleandoc(value["description"]).replace("``", "`")
        for name, each in value.items():
            if name not in ("example", "examples"):
                _resolve(each)
