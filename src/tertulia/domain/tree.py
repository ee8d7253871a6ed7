"""A conversation as a tree of responses, as the web client draws it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tertulia.domain.item import Item, decode_item
from tertulia.domain.response import Failure, Status


# A long chat has thousands of them at once, none in a cycle: nothing for a collector to visit.
class TreeNode(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A response with its items: of the resource, what a reader of the conversation needs.

    Times are whole Unix seconds. Items are the JSON that was sealed, which is what goes over the
    wire, so that a long chat is opened without taking every item apart.
    """

    id: str
    status: Status
    model: str
    created_at: int
    completed_at: int | None
    previous_response_id: str | None
    regenerate_of: str | None
    incomplete_details: dict[str, str] | None
    error: Failure | None
    usage: dict[str, Any] | None
    input: list[msgspec.Raw]
    output: list[msgspec.Raw]
    #: Of the last event, once the response has ended.
    last_sequence_number: int | None
    object: Literal["response"] = "response"

    def items(self) -> tuple[Item, ...]:
        """Its input and output, taken apart."""
        return tuple(decode_item(bytes(raw)) for raw in (*self.input, *self.output))
