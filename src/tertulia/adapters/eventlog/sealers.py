"""Users' sealers that are at hand, so that an append is sent off in the very call."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.errors import NotFound
from tertulia.ports.keys import Cipher, Keys

_KNOWN_USERS: Final = 10_000


class Sealers:
    def __init__(self, keys: Keys, cipher: Cipher) -> None:
        self._keys = keys
        self._cipher = cipher
        self._known: OrderedDict[str, Sealer] = OrderedDict()

    def known(self, user_id: str) -> Sealer | None:
        # Where others may have destroyed the keys, theirs are at hand for a while only.
        return self._known.get(user_id) if self._keys.known(user_id) is not None else None

    async def get(self, user_id: str) -> Sealer | None:
        """None when the user was erased."""
        known = self.known(user_id)
        if known is not None:
            self._known.move_to_end(user_id)
            return known
        try:
            keys = await self._keys.user_keys(user_id)
        except NotFound:
            self._known.pop(user_id, None)
            return None
        sealer = self._known[user_id] = Sealer(user_id, keys, self._cipher)
        if len(self._known) > _KNOWN_USERS:
            self._known.popitem(last=False)
        return sealer
