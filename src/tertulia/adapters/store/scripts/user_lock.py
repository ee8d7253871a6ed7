"""The user's row, locked: it gives out the numbers of responses and of feed entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias

import msgspec
from sqlalchemy import bindparam, select, update

from tertulia.adapters.store.schema import feed, users
from tertulia.adapters.store.scripts.many import Inserts
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.statement import Script, Statement, T
from tertulia.domain.frame import Frame
from tertulia.errors import NotFound

_LOCK = Statement(
    select(users.c.feed_offset, users.c.responses)
    .where(users.c.id == bindparam("id"))
    .with_for_update(),
    lane="id",
)
_SAVE = Statement(
    update(users)
    .where(users.c.id == bindparam("id"))
    .values(feed_offset=bindparam("feed_offset"), responses=bindparam("responses"))
)
_FEED = Inserts(feed)

_encode = msgspec.json.Encoder().encode

#: User id, response id, frames.
Logged: TypeAlias = tuple[str, str, tuple[Frame, ...]]


@dataclass(frozen=True, slots=True)
class Committed(Generic[T]):
    """A script's value, and what the event loop is to do once it has been committed."""

    value: T
    #: Users whose feed has new entries.
    fed: tuple[str, ...] = ()
    #: Frames that are in the co-located log now.
    logged: tuple[Logged, ...] = ()


class UserLock:
    """Made by `lock_user`; `save` must end the script that used it."""

    __slots__ = ("_entries", "_found", "_offset", "_responses", "sealer")

    def __init__(self, sealer: Sealer, offset: int, responses: int) -> None:
        self.sealer = sealer
        self._found = (offset, responses)
        self._offset = offset
        self._responses = responses
        #: Rows of the feed, written by `save`.
        self._entries: list[tuple[str, int, str | None, bytes]] = []

    @property
    def user_id(self) -> str:
        return self.sealer.user_id

    @property
    def fed(self) -> tuple[str, ...]:
        """For `Committed`."""
        return (self.user_id,) if self._offset != self._found[0] else ()

    def next_ordinal(self) -> int:
        self._responses += 1
        return self._responses

    def announce(self, event: Mapping[str, Any], conversation_id: str | None) -> None:
        """A feed entry under the next number."""
        self._offset += 1
        body = self.sealer.seal("feed", str(self._offset), "body", _encode(event))
        self._entries.append((self.user_id, self._offset, conversation_id, body))

    def save(self) -> Script[None]:
        yield from _FEED.put(self._entries)
        if (self._offset, self._responses) != self._found:
            yield (
                _SAVE,
                {
                    "id": self.user_id,
                    "feed_offset": self._offset,
                    "responses": self._responses,
                },
            )


def lock_user(sealer: Sealer) -> Script[UserLock]:
    """Raises `NotFound` for an unknown user."""
    rows = yield _LOCK, {"id": sealer.user_id}
    if not rows:
        raise NotFound(f"There is no user {sealer.user_id}.", code="user_erased")
    offset, responses = rows[0]
    return UserLock(sealer, offset, responses)
