"""Every refusal in one shape: OpenAI's error object, with the right status.

``{"error": {"message", "type", "code", "param"}}``; the request id is a header of every answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tertulia import telemetry
from tertulia.errors import (
    Forbidden,
    InvalidInput,
    NotFound,
    TertuliaError,
    Unauthorized,
    Unavailable,
    Unprocessable,
)
from tertulia.telemetry.instruments import ERRORS
from tertulia.transports.reply import Documented, reply

_DESCRIPTIONS = {
    400: "The request breaks the expected shape, or is not valid JSON.",
    401: "No credentials, or they are wrong, expired or revoked.",
    403: "Not allowed.",
    404: "There is no such thing, or it belongs to somebody else.",
    409: "It contradicts what is there.",
    410: "The stream no longer holds this position.",
    413: "The body is too large.",
    415: "The body is not `application/json`.",
    421: "The request names a host that this server does not answer for.",
    422: "A field is missing, unknown or wrong; `param` names it.",
    429: "Too many; `Retry-After` says when to come back.",
    500: "The server failed; its log knows more under the request id.",
    502: "The model, or the server it runs on, failed.",
    503: "A part does not answer; `Retry-After` says when to come back.",
}

#: Any route may answer with these.
_ALWAYS = (403, 421, 422, 429, 500, 503)


class ErrorDetail(BaseModel):
    message: str
    type: str
    code: str | None
    param: str | None


class ErrorResponse(BaseModel):
    error: ErrorDetail


class UnsupportedMedia(InvalidInput):
    status = 415
    default_code = "unsupported_media_type"


class MethodNotAllowed(InvalidInput):
    status = 405
    default_code = "method_not_allowed"


class Misdirected(Forbidden):
    status = 421
    default_code = "host_not_allowed"


def stopping() -> Unavailable:
    """What a server answers that was asked to stop; another one, or its next start, may help."""
    return Unavailable("This server is about to stop; connect again.", retry_after=1.0)


def documented(*statuses: int) -> Documented:
    """For a route's ``responses``: these errors and those that any route may answer with."""
    return {
        status: {"model": ErrorResponse, "description": _DESCRIPTIONS[status]}
        for status in sorted({*statuses, *_ALWAYS})
    }


def documented_errors(*statuses: int) -> dict[str, Any]:
    """The same for exactly these, as the finished OpenAPI document writes it."""
    schema = {"$ref": f"#/components/schemas/{ErrorResponse.__name__}"}
    return {
        str(status): {
            "description": _DESCRIPTIONS[status],
            "content": {"application/json": {"schema": schema}},
        }
        for status in statuses
    }


def error_object(error: TertuliaError) -> dict[str, Any]:
    """The inner object, as every transport tells it; each is counted."""
    ERRORS.inc(error.code, "request")
    telemetry.error_code.set(error.code)
    return {
        "message": error.message,
        "type": error.type,
        "code": error.code,
        "param": error.param,
    }


def error_reply(error: TertuliaError) -> Response:
    if error.code == "user_erased":
        # Removed since this request came in; all later ones are answered like this.
        error = Unauthorized("This account was deleted.", code="session_ended")
    headers: dict[str, str] = {}
    if error.status in {429, 503} or error.retry_after is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after or 1.0)))
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return reply({"error": error_object(error)}, error.status, headers)


async def refuse(error: TertuliaError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer from within a middleware; a WebSocket's handshake is refused with the same answer."""
    if scope["type"] == "websocket":
        await receive()  # the handshake
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 4003, "reason": error.code})
            return
    # Starlette itself turns a response into the handshake's denial.
    await error_reply(error)(scope, receive, send)


def install(app: FastAPI) -> None:
    """Let ``app`` answer all errors in our shape."""

    async def ours(_: Request, error: Exception) -> Response:
        assert isinstance(error, TertuliaError)
        return error_reply(error)

    async def of_the_router(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        answer = error_reply(_from_status(error.status_code))
        answer.headers.update(error.headers or {})
        return answer

    async def of_parameters(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return error_reply(invalid_fields(error.errors()))

    app.add_exception_handler(TertuliaError, ours)
    app.add_exception_handler(HTTPException, of_the_router)
    app.add_exception_handler(RequestValidationError, of_parameters)


def _from_status(status: int) -> TertuliaError:
    if status == 404:
        return NotFound("There is nothing at this address.")
    if status == 405:
        return MethodNotAllowed("This address does not answer to that method.")
    error = InvalidInput(_DESCRIPTIONS.get(status, "The request cannot be answered."))
    error.status = status
    return error


def invalid_fields(problems: Sequence[Any]) -> Unprocessable:
    """An error for the first of pydantic's ``problems``; ``param`` is its path."""
    first = problems[0]
    path = [step for step in first["loc"] if step not in {"body", "query", "path", "header"}]
    param = ".".join(map(str, path)) or None
    if first["type"] == "extra_forbidden":
        said = f"There is no field {param!r} here."
        return Unprocessable(said, param=param, code="unknown_field")
    if first["type"] == "missing":
        return Unprocessable(f"The field {param!r} is missing.", param=param, code="missing_field")
    if first["type"] == "model_type":
        return Unprocessable("The body must be a JSON object.", code="invalid_type")
    said = str(first["msg"]).removeprefix("Value error, ")
    where = f"The field {param!r} is wrong" if param else "The body is wrong"
    return Unprocessable(f"{where}: {said[:1].lower()}{said[1:]}.", param=param)
