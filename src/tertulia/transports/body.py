"""Request bodies: how large they may be, of what type, and how our resources read them."""

from __future__ import annotations

import re
from array import array
from collections.abc import Awaitable, Callable, Mapping
from itertools import accumulate
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tertulia.errors import InvalidInput, TooLarge
from tertulia.transports.errors import UnsupportedMedia, invalid_fields, refuse
from tertulia.transports.services import services_of

M = TypeVar("M", bound=BaseModel)

#: A refused body is still read up to this many bytes, so that the client, which is busy sending,
#: gets to read the answer instead of a broken connection.
DRAIN_BYTES = 64 * 2**20

_WITHOUT_BODY = {"GET", "HEAD", "OPTIONS"}
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
#: One level deeper and, read as a signed byte, one level back.
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_LONG_NUMBER = re.compile(rb"[0-9]{19}")
#: Whole numbers beyond it have no place in our encoder, nor in any browser.
_LARGEST = 2**63


class BodyLimit:
    """ASGI middleware: collects the body, refusing what is too large (413) or not JSON (415).

    ``uploads``: the paths that take a form with a file instead, each with its own limit.
    """

    def __init__(self, app: ASGIApp, limit: int, uploads: Mapping[str, int] | None = None) -> None:
        self._app = app
        self._limit = limit
        self._uploads = uploads or {}

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http" or scope["method"] in _WITHOUT_BODY:
            return self._app(scope, receive, send)
        return self._collect(scope, receive, send)

    async def _collect(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        upload = scope["path"] in self._uploads
        limit = self._uploads.get(scope["path"], self._limit)
        body = bytearray()
        seen, more = 0, True
        declared = headers.get(b"content-length", b"")
        too_large = declared.isdigit() and int(declared) > limit
        while more and not (too_large and (seen > DRAIN_BYTES or b"expect" in headers)):
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            chunk = message.get("body", b"")
            seen += len(chunk)
            too_large = too_large or seen > limit
            if too_large:
                body.clear()
            else:
                body += chunk
            more = message.get("more_body", False)
        if too_large:
            hint = "" if upload else " Send large images one by one to /v1/files."
            await refuse(_too_large(limit, hint), scope, receive, send)
        elif body and (wrong := _unsupported(headers.get(b"content-type", b""), upload=upload)):
            await refuse(wrong, scope, receive, send)
        else:
            await self._app(scope, _replay(bytes(body), receive), send)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _too_large(limit: int, hint: str = "") -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes.{hint}")


def _unsupported(content_type: bytes, *, upload: bool) -> UnsupportedMedia | None:
    kind = content_type.partition(b";")[0].strip().lower()
    if upload:
        if kind == b"multipart/form-data":
            return None
        return UnsupportedMedia("Send a form with the file, as `multipart/form-data`.")
    if kind == b"application/json" or (
        kind.startswith(b"application/") and kind.endswith(b"+json")
    ):
        return None
    return UnsupportedMedia("Send JSON, with `Content-Type: application/json`.")


def load_json(raw: bytes | str, *, depth: int) -> Any:
    """Decode JSON from outside.

    What it returns holds no lone surrogates, no NaN and no whole number beyond 64 bits, and is
    nested at most ``depth`` deep, so it can be encoded, stored and walked without care.

    Raises:
        InvalidInput: 400 (``invalid_json``); no message repeats what was sent.
    """
    data = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
    too_deep = f"The JSON is nested deeper than {depth} levels."
    if _deeper(data, depth):
        raise InvalidInput(too_deep, code="invalid_json")
    try:
        value = msgspec.json.decode(data)
    except UnicodeDecodeError:
        said = "The body is not valid UTF-8."
    except RecursionError:
        said = too_deep
    except msgspec.DecodeError as error:
        said = f"The body is not valid JSON: {error}."
        if _SURROGATE.search(data):
            said += " Half a surrogate pair is no character; two \\u escapes make one."
    else:
        if _LONG_NUMBER.search(data) and _holds_long_number(value):
            said = "The body holds a whole number beyond 64 bits."
        else:
            return value
    # Without its cause, which may hold the body.
    raise InvalidInput(said, code="invalid_json") from None


def _deeper(data: bytes, depth: int) -> bool:
    """Whether brackets stand deeper than ``depth``, found without recursion."""
    if data.count(b"[") + data.count(b"{") <= depth:
        return False
    steps = array("b", _STRINGS.sub(b"", data).translate(_STEPS, _NOT_BRACKETS))
    return max(accumulate(steps), default=0) > depth


def _holds_long_number(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_long_number, value.values()))
    if isinstance(value, list):
        return any(map(_holds_long_number, value))
    return isinstance(value, int) and not -_LARGEST <= value < _LARGEST


async def read_json(request: Request, *, limit: int | None = None) -> Any:
    """The body of a request, decoded; ``limit`` in bytes when less than usual is expected.

    Raises:
        InvalidInput: no body, or not JSON as `load_json` wants it.
        TooLarge: longer than ``limit``.
    """
    raw = await request.body()
    if limit is not None and len(raw) > limit:
        raise _too_large(limit)
    if not raw:
        raise InvalidInput("The request has no body; send a JSON object.", code="invalid_json")
    return load_json(raw, depth=services_of(request).settings.limits.json_depth)


def body_of(
    model: type[M], *, limit: int | None = None, optional: bool = False
) -> Callable[[Request], Awaitable[M]]:
    """A dependency that reads the body as ``model``.

    Not FastAPI's own body parameter: that decodes before anybody is asked who is calling, and
    lets lone surrogates through. ``optional``: no body is an empty object. Document the route
    with `body_schema`.
    """

    async def read(request: Request) -> M:
        empty = optional and not await request.body()
        value = {} if empty else await read_json(request, limit=limit)
        try:
            return model.model_validate(value)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False, include_context=False)
            raise invalid_fields(problems) from None

    return read


def body_schema(
    model: type[BaseModel], *, required: bool = True, **examples: Any
) -> dict[str, Any]:
    """For a route's ``openapi_extra``: what `body_of` reads; ``examples`` by their names."""
    media = {
        "schema": model.model_json_schema(),
        "examples": {name: {"value": value} for name, value in examples.items()},
    }
    return {"requestBody": {"required": required, "content": {"application/json": media}}}
