"""JSON answers, encoded by msgspec: items and resources go out as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.responses import Response

_encoder = msgspec.json.Encoder()

#: FastAPI's documentation of one status: a model, a description.
Documented = dict[int | str, dict[str, Any]]


def encode(value: Any) -> bytes:
    return _encoder.encode(value)


def reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``value`` as JSON."""
    return Response(_encoder.encode(value), status, headers, "application/json")


def listing(
    data: Sequence[Any], *, has_more: bool, first: str | None, last: str | None
) -> Response:
    """A page of a list, in OpenAI's shape. ``first`` and ``last`` are ids."""
    return reply(
        {
            "object": "list",
            "data": data,
            "first_id": first,
            "last_id": last,
            "has_more": has_more,
        }
    )
