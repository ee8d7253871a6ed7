"""What a server's refusal means to us.

The server's own words may quote the conversation. They go into the message of the exception,
which the user may see, cut short and on one line, and never into a log. What it says about our
key is left out altogether: some servers quote part of it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from tertulia.errors import (
    ContextTooLong,
    ModelError,
    ModelGarbage,
    ModelRateLimited,
    ModelRefused,
    ModelUnauthorized,
    ModelUnavailable,
    TertuliaError,
)

#: As much of an error's body is read, in bytes, and as much of its message shown, in characters.
MAX_BODY = 64 * 1024
MAX_MESSAGE = 300

_TOO_LONG = re.compile(
    r"context[_ ](?:length|size|window)|maximum context|too many (?:input )?tokens"
    r"|prompt is too long",
    re.IGNORECASE,
)


def error_from_status(
    server: str, model: str, status: int, body: bytes, retry_after: str | None
) -> TertuliaError:
    """The error for an answer of ``status`` (never 200). ``retry_after``: that header's value."""
    message, code = describe(body)
    said = f": {message}" if message else ""
    wait = seconds(retry_after)
    if status in (401, 403):
        return ModelUnauthorized(
            f"The model server {server} refused our key (HTTP {status}); check its api_key."
        )
    if status == 429:
        return ModelRateLimited(
            f"The model server {server} is busy (HTTP 429){said}", retry_after=wait
        )
    if status == 404:
        return ModelRefused(
            f"The model server {server} does not know {model} (HTTP 404){said}",
            code="model_not_found",
        )
    if status in (400, 413, 422) and _TOO_LONG.search(f"{code} {message}"):
        return ContextTooLong(f"The conversation is too long for {model}{said}")
    if status in (408, 409, 425) or status >= 500:
        return ModelUnavailable(
            f"The model server {server} failed (HTTP {status}){said}", retry_after=wait
        )
    if 400 <= status < 500:
        return ModelRefused(f"The model server {server} refused (HTTP {status}){said}")
    return ModelGarbage(f"The model server {server} answered HTTP {status}; check its base_url.")


def error_in_stream(server: str, model: str, data: bytes) -> TertuliaError:
    """The error that a stream carries as one of its events."""
    message, code = describe(data)
    said = f": {message}" if message else ""
    if _TOO_LONG.search(f"{code} {message}"):
        return ContextTooLong(f"The conversation is too long for {model}{said}")
    return ModelUnavailable(f"The model server {server} broke off{said}")


def garbage(server: str, what: str) -> ModelError:
    return ModelGarbage(f"The model server {server} sent {what}.")


def describe(body: bytes) -> tuple[str, str]:
    """Message and code of an error's body, whatever its shape; both may be empty."""
    try:
        decoded: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", ""
    error = decoded.get("error", decoded) if isinstance(decoded, dict) else decoded
    if isinstance(error, str):
        return _safe(error), ""
    if not isinstance(error, dict):
        return "", ""
    message = error.get("message") or error.get("detail") or ""
    code = f"{error.get('code') or ''} {error.get('type') or ''}".strip()
    return _safe(message if isinstance(message, str) else ""), code


def _safe(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= MAX_MESSAGE else line[: MAX_MESSAGE - 1] + "…"


def seconds(retry_after: str | None) -> float | None:
    """``Retry-After`` (RFC 9110, 10.2.3) in seconds from now; None where absent or odd."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
