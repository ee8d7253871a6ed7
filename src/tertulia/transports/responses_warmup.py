"""``generate: false``: a turn that generates nothing, to be gone on from on the same socket.

Source: OpenAI's guide to WebSocket mode; agents send their instructions and files so, before the
user has said anything. Nothing of it is stored: what was sent joins the input of the turn that
goes on from it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tertulia.domain import event
from tertulia.domain.frame import Frame
from tertulia.domain.ids import RESPONSE, new_id
from tertulia.domain.principal import Principal
from tertulia.domain.response import Response, Usage, resource
from tertulia.transports.wire import Create
from tertulia.turns.parts import Parts


@dataclass(frozen=True, slots=True)
class WarmUp:
    id: str
    #: What it goes on from itself.
    previous: str | None
    #: As the client sent it, for ids are given out anew each time it is gone on from.
    input: tuple[Any, ...]

    def applied(self, body: dict[str, Any]) -> dict[str, Any]:
        """``body`` with the warm-up's input before its own, if it goes on from the warm-up."""
        if body.get("previous_response_id") != self.id:
            return body
        own = body.get("input")
        if own is not None and not isinstance(own, str | list):
            return body  # to be refused for that
        return {
            **body,
            "previous_response_id": self.previous,
            "input": [*self.input, *_items(own)],
        }


def warm_up(
    parts: Parts, principal: Principal, create: Create, body: Mapping[str, Any]
) -> tuple[WarmUp, list[Frame]]:
    """The warm-up that ``create``, parsed from ``body``, asks for, and its events.

    Raises:
        NotFound: there is no such model.
    """
    model = parts.models.get(create.ask.request.model or None, admin=principal.admin)
    now = time.time()
    queued = Response(
        id=new_id(RESPONSE),
        user_id=principal.user_id,
        request=msgspec.structs.replace(create.ask.request, model=model.info.id),
        status="queued",
        created_at=now,
        previous_response_id=create.ask.parent,
        store=False,
    )
    running = msgspec.structs.replace(queued, status="in_progress")
    done = msgspec.structs.replace(
        queued, status="completed", completed_at=now, usage=Usage(), last_sequence_number=3
    )
    frames = [
        *event.opening_frames(queued),
        event.frame(2, "response.in_progress", {"response": resource(running)}),
        event.terminal_frame(done, ()),
    ]
    return WarmUp(queued.id, create.ask.parent, tuple(_items(body.get("input")))), frames


def _items(value: str | list[Any] | None) -> list[Any]:
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": value}] if value else []
    return value or []
