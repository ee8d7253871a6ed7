"""The store's part for conversations and the feed. Same guarantees as :mod:`.turns`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tertulia.domain.conversation import Conversation, TitleSource
from tertulia.domain.item import Item
from tertulia.domain.tree import TreeNode
from tertulia.ports.turns import Idempotency, Node


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One entry of a user's feed; ``event`` as on the wire, without its number."""

    offset: int
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FeedPosition:
    epoch: str
    offset: int


@dataclass(frozen=True, slots=True)
class Page:
    data: tuple[Conversation, ...]
    has_more: bool


class Conversations(Protocol):
    """Every change writes its feed entry in the transaction that makes it."""

    async def create_conversation(
        self,
        conversation: Conversation,
        items: tuple[Item, ...] = (),
        idempotency: Idempotency | None = None,
    ) -> Conversation:
        """``items`` become a finished node without a model (see `add_items`). A repeated
        idempotency key gives the first conversation; with another body `Conflict`."""
        ...

    async def conversation(self, user_id: str, conversation_id: str) -> Conversation: ...

    async def conversations(self, user_id: str, *, limit: int, after: str | None) -> Page:
        """Newest `updated_at` first; ``after`` is the last id of the page before.

        Raises:
            NotFound: ``after`` is unknown.
        """
        ...

    async def titles(self, user_id: str) -> Sequence[tuple[str, str]]:
        """(id, title) of every conversation that has one, newest first: searched in memory."""
        ...

    async def update_conversation(
        self,
        user_id: str,
        conversation_id: str,
        *,
        title: str | None = None,
        title_source: TitleSource = "user",
        metadata: Mapping[str, str] | None = None,
    ) -> Conversation:
        """None leaves a field. A title never replaces one of a stronger source:
        message < model < user. ``updated_at`` stays: it is the time of the last talk."""
        ...

    async def delete_conversation(self, user_id: str, conversation_id: str) -> Sequence[str]:
        """Hide it; it can be restored until purged. Returns the unfinished responses to cancel."""
        ...

    async def restore_conversation(self, user_id: str, conversation_id: str) -> Conversation:
        """Undo a delete.

        Raises:
            NotFound: never was, or already erased.
        """
        ...

    async def set_head(
        self, user_id: str, conversation_id: str, response_id: str | None
    ) -> Conversation: ...

    async def tree(
        self, user_id: str, conversation_id: str
    ) -> tuple[Conversation, Sequence[TreeNode]]:
        """The conversation and all its nodes in the order of creation."""
        ...

    async def add_items(self, user_id: str, conversation_id: str, items: tuple[Item, ...]) -> Node:
        """Put items after the head, as a completed node that no model made.

        Raises:
            Conflict: the head has not ended (``response_in_progress``).
        """
        ...

    async def delete_item(self, user_id: str, conversation_id: str, item_id: str) -> None: ...

    async def feed_position(self, user_id: str) -> FeedPosition: ...

    async def feed_after(
        self, user_id: str, position: FeedPosition, limit: int
    ) -> Sequence[FeedEntry]:
        """Entries after a position, in order.

        Raises:
            PositionLost: other epoch, or the history no longer reaches back so far.
        """
        ...
