"""What a client asks for, parsed and checked for shape, before anything is decided."""

from __future__ import annotations

from dataclasses import dataclass

from tertulia.domain.item import Given
from tertulia.domain.response import Request
from tertulia.ports.turns import HEAD, Idempotency

__all__ = ["HEAD", "Ask", "Idempotency"]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request for one response. ``request.model`` may be empty: the default model."""

    request: Request
    #: Items, and references to items that are stored.
    input: tuple[Given, ...]
    #: A response id, None for a root, or `HEAD`.
    parent: str | None = None
    conversation_id: str | None = None
    regenerate_of: str | None = None
    store: bool = True
    background: bool = False
    #: The connection a ``store=false`` response is bound to.
    connection_id: str | None = None
    idempotency: Idempotency | None = None
