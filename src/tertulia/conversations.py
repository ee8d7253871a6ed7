"""What people do with conversations, beside talking."""

from __future__ import annotations

import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from tertulia.domain.conversation import Conversation
from tertulia.domain.ids import CONVERSATION, new_id
from tertulia.domain.item import Item
from tertulia.domain.tree import TreeNode
from tertulia.errors import NotFound, Unprocessable
from tertulia.ports.conversations import Page
from tertulia.ports.store import Store
from tertulia.ports.turns import Idempotency

#: Ends an unfinished response: ``(user_id, response_id)``.
Cancel = Callable[[str, str], Awaitable[object]]

T = TypeVar("T")


class ConversationService:
    def __init__(self, store: Store, *, cancel: Cancel, title_chars: int) -> None:
        self._store = store
        self._cancel = cancel
        self._title_chars = title_chars

    async def create(
        self,
        user_id: str,
        *,
        title: str | None = None,
        metadata: Mapping[str, str] | None = None,
        items: tuple[Item, ...] = (),
        idempotency: Idempotency | None = None,
    ) -> Conversation:
        """Raises `Conflict` when the idempotency key came with another body before."""
        plain = None if title is None else self._title(title)
        conversation = Conversation(
            id=new_id(CONVERSATION),
            user_id=user_id,
            created_at=0.0,  # the store's clock sets both
            updated_at=0.0,
            title=plain,
            title_source="user" if plain else None,
            metadata=dict(metadata or {}),
        )
        return await self._store.create_conversation(conversation, items, idempotency)

    async def get(self, user_id: str, conversation_id: str) -> Conversation:
        return await self._store.conversation(user_id, conversation_id)

    async def page(
        self, user_id: str, *, limit: int, after: str | None, search: str | None
    ) -> Page:
        """Newest first; ``search`` keeps those whose title holds all of its words.

        Raises:
            NotFound: ``after`` is not a conversation on the list.
        """
        words = _words(search or "")
        if not words:
            return await self._store.conversations(user_id, limit=limit, after=after)
        found = [
            conversation_id
            for conversation_id, title in await self._store.titles(user_id)
            if all(word in _folded(title) for word in words)
        ]
        ids, has_more = cut(found, lambda each: each, limit=limit, after=after)
        page = [await self._store.conversation(user_id, each) for each in ids]
        return Page(tuple(page), has_more)

    async def update(
        self,
        user_id: str,
        conversation_id: str,
        *,
        title: str | None,
        metadata: Mapping[str, str] | None,
    ) -> Conversation:
        """None leaves a field as it is."""
        plain = None if title is None else self._title(title)
        return await self._store.update_conversation(
            user_id, conversation_id, title=plain, title_source="user", metadata=metadata
        )

    async def delete(self, user_id: str, conversation_id: str) -> None:
        """Hide it until it is restored or purged, and end what still runs in it."""
        for response_id in await self._store.delete_conversation(user_id, conversation_id):
            await self._cancel(user_id, response_id)

    async def restore(self, user_id: str, conversation_id: str) -> Conversation:
        return await self._store.restore_conversation(user_id, conversation_id)

    async def set_head(
        self, user_id: str, conversation_id: str, response_id: str | None
    ) -> Conversation:
        return await self._store.set_head(user_id, conversation_id, response_id)

    async def tree(
        self, user_id: str, conversation_id: str
    ) -> tuple[Conversation, Sequence[TreeNode]]:
        return await self._store.tree(user_id, conversation_id)

    async def items(self, user_id: str, conversation_id: str) -> list[Item]:
        """What was said on the branch of the head, from the beginning."""
        conversation = await self._store.conversation(user_id, conversation_id)
        if conversation.head is None:
            return []
        branch = await self._store.branch(user_id, conversation.head)
        return [item for node in branch for item in (*node.input, *node.output)]

    async def item(self, user_id: str, conversation_id: str, item_id: str) -> Item:
        """On any branch. Raises `NotFound`."""
        _, nodes = await self._store.tree(user_id, conversation_id)
        for node in nodes:
            for item in node.items():
                if item.id == item_id:
                    return item
        raise NotFound("There is no such item in this conversation.")

    async def add_items(
        self, user_id: str, conversation_id: str, items: tuple[Item, ...]
    ) -> list[Item]:
        """Put them after the head; no model answers. They come back as they were stored."""
        node = await self._store.add_items(user_id, conversation_id, items)
        return [*node.input, *node.output]

    async def delete_item(self, user_id: str, conversation_id: str, item_id: str) -> Conversation:
        await self._store.delete_item(user_id, conversation_id, item_id)
        return await self._store.conversation(user_id, conversation_id)

    def _title(self, title: str) -> str:
        plain = " ".join(title.split())
        if not plain or len(plain) > self._title_chars:
            raise Unprocessable(f"A title has 1 to {self._title_chars} characters.", param="title")
        return plain


def cut(
    rows: Sequence[T], name: Callable[[T], str], *, limit: int, after: str | None
) -> tuple[Sequence[T], bool]:
    """The ``limit`` rows behind the one named ``after``, and whether more follow.

    Raises:
        NotFound: no row has that name.
    """
    start = 0
    if after is not None:
        start = next((n for n, row in enumerate(rows, 1) if name(row) == after), 0)
        if start == 0:
            raise NotFound("The list has no element with this id.", param="after")
    return rows[start : start + limit], len(rows) > start + limit


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _words(search: str) -> list[str]:
    return _folded(search).split()
