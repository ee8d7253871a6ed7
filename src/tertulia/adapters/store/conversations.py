"""The store's part for conversations and the feed, over SQL."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from tertulia.adapters.store.base import SqlBase
from tertulia.adapters.store.scripts import conversations, feed, item_nodes, tree
from tertulia.adapters.store.scripts.conversation_rows import find_conversation
from tertulia.domain.conversation import Conversation, TitleSource
from tertulia.domain.item import Item
from tertulia.domain.tree import TreeNode
from tertulia.errors import PositionLost
from tertulia.ports.conversations import FeedEntry, FeedPosition, Page
from tertulia.ports.turns import Idempotency, Node


class SqlConversations(SqlBase):
    """See `ports.conversations.Conversations`."""

    _feed_epoch = ""

    async def create_conversation(
        self,
        conversation: Conversation,
        items: tuple[Item, ...] = (),
        idempotency: Idempotency | None = None,
    ) -> Conversation:
        sealer = await self._sealer(conversation.user_id)
        return await self._commit(
            lambda: conversations.create(
                conversation, items, idempotency, now=self._clock(), sealer=sealer
            ),
            heavy=bool(items),
        )

    async def conversation(self, user_id: str, conversation_id: str) -> Conversation:
        sealer = await self._sealer(user_id)
        return await self._engine.read(lambda: find_conversation(sealer, conversation_id))

    async def conversations(self, user_id: str, *, limit: int, after: str | None) -> Page:
        sealer = await self._sealer(user_id)
        return await self._engine.read(lambda: conversations.page(limit, after, sealer=sealer))

    async def titles(self, user_id: str) -> Sequence[tuple[str, str]]:
        sealer = await self._sealer(user_id)
        return await self._engine.read(lambda: conversations.titles(sealer=sealer), heavy=True)

    async def update_conversation(
        self,
        user_id: str,
        conversation_id: str,
        *,
        title: str | None = None,
        title_source: TitleSource = "user",
        metadata: Mapping[str, str] | None = None,
    ) -> Conversation:
        sealer = await self._sealer(user_id)
        return await self._commit(
            lambda: conversations.change(
                conversation_id,
                title=title,
                title_source=title_source,
                metadata=metadata,
                sealer=sealer,
            )
        )

    async def delete_conversation(self, user_id: str, conversation_id: str) -> Sequence[str]:
        sealer = await self._sealer(user_id)
        return await self._commit(
            lambda: conversations.hide(conversation_id, now=self._clock(), sealer=sealer)
        )

    async def restore_conversation(self, user_id: str, conversation_id: str) -> Conversation:
        sealer = await self._sealer(user_id)
        return await self._commit(lambda: conversations.restore(conversation_id, sealer=sealer))

    async def set_head(
        self, user_id: str, conversation_id: str, response_id: str | None
    ) -> Conversation:
        sealer = await self._sealer(user_id)
        return await self._commit(
            lambda: conversations.set_head(conversation_id, response_id, sealer=sealer)
        )

    async def tree(
        self, user_id: str, conversation_id: str
    ) -> tuple[Conversation, Sequence[TreeNode]]:
        sealer = await self._sealer(user_id)
        return await self._engine.read(
            lambda: tree.tree(conversation_id, sealer=sealer), heavy=True
        )

    async def add_items(self, user_id: str, conversation_id: str, items: tuple[Item, ...]) -> Node:
        sealer = await self._sealer(user_id)
        return await self._commit(
            lambda: item_nodes.add_items(conversation_id, items, now=self._clock(), sealer=sealer)
        )

    async def delete_item(self, user_id: str, conversation_id: str, item_id: str) -> None:
        sealer = await self._sealer(user_id)
        await self._commit(lambda: item_nodes.delete_item(conversation_id, item_id, sealer=sealer))

    async def feed_position(self, user_id: str) -> FeedPosition:
        epoch = await self._epoch()
        return FeedPosition(epoch, await self._engine.read(lambda: feed.offset(user_id)))

    async def feed_after(
        self, user_id: str, position: FeedPosition, limit: int
    ) -> Sequence[FeedEntry]:
        if position.epoch != await self._epoch():
            raise PositionLost("This position is of another database's feed.")
        sealer = await self._sealer(user_id)
        return await self._engine.read(lambda: feed.after(position.offset, limit, sealer=sealer))

    async def _epoch(self) -> str:
        if not self._feed_epoch:
            fresh = os.urandom(8).hex()
            self._feed_epoch = await self._engine.write(lambda: feed.epoch(fresh))
        return self._feed_epoch
