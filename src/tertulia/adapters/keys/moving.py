"""Users' keys taken from one place to another, wrapped anew by the key that seals the others
there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tertulia.adapters.keys.rows import DEPLOYMENT
from tertulia.adapters.keys.wrapped import Kept, WrappedKeys

_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Moved:
    """``differ``: how many of the ``users`` have not the same keys in both places."""

    users: int
    differ: int


async def move(source: WrappedKeys, target: WrappedKeys) -> Moved:
    """Both are started, ``target`` with the deployment of ``source``. Harmless when it is done
    again.

    Raises:
        Misconfigured: ``target`` has other keys for one of the users.
    """
    after = DEPLOYMENT
    while kept := await source.kept_after(after, _PAGE):
        await target.adopt(kept)
        after = kept[-1].user_id
    return await compare(source, target)


async def compare(source: WrappedKeys, target: WrappedKeys) -> Moved:
    """Read both again. What only ``target`` has counts as different."""
    wanted, found = await _all(source), await _all(target)
    users = wanted.keys() | found.keys()
    return Moved(len(wanted), sum(wanted.get(user) != found.get(user) for user in users))


async def _all(keys: WrappedKeys) -> dict[str, Kept]:
    found: dict[str, Kept] = {}
    after = DEPLOYMENT
    while kept := await keys.kept_after(after, _PAGE):
        found.update((one.user_id, one) for one in kept)
        after = kept[-1].user_id
    return found
