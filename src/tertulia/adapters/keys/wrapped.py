"""Wrapped keys: what the backends share, whatever keeps the rows.

A node holds the keys of users that it serves in memory. Where other nodes write the same rows, it
looks at a row again when it has trusted its own for ``trusted_seconds``, so a user who was erased
elsewhere is erased here by then; who hears of it sooner calls `forget`. While the rows cannot be
reached, users whose keys are in memory are served on.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tertulia.adapters.keys import rows
from tertulia.adapters.keys.kek import SIZE
from tertulia.adapters.sealing import AesGcmCipher
from tertulia.adapters.store.engine import Engine
from tertulia.adapters.store.statement import Row, Script
from tertulia.errors import Misconfigured, NotFound, TertuliaError, Unavailable
from tertulia.ports.keys import UserKeys

_CACHED_USERS: Final = 10_000
#: Seconds for which all others take what is cached, while one looks whether it still holds.
_LOOKING: Final = 5.0


class Kept(NamedTuple):
    """A user's keys as they are kept, unwrapped; ``secret`` is None when they were destroyed."""

    user_id: str
    version: int
    secret: bytes | None


class _Held:
    __slots__ = ("keys", "until")

    def __init__(self, keys: UserKeys, until: float) -> None:
        self.keys = keys
        self.until = until


class WrappedKeys:
    """`Keys` over an engine with the table of `rows`; a backend opens it, and calls `_load`.

    ``clock``: seconds that only ever rise.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        trusted_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._trusted_seconds = trusted_seconds
        self._clock = clock
        self._cipher = AesGcmCipher()
        self._cached: OrderedDict[str, _Held] = OrderedDict()
        self._destroyed: set[str] = set()

    #: What keeps the rows, for messages.
    name: str

    async def start(self, deployment: bytes | None = None) -> None:
        """See `Keys.start`; ``deployment``: the secret of the deployment whose keys are to come
        here. Raises `Misconfigured` when another's are here."""
        raise NotImplementedError

    def _foreign(self) -> TertuliaError:
        """To be raised for rows that another KEK sealed."""
        raise NotImplementedError

    async def _load(self, kek: bytes, deployment: bytes | None) -> None:
        # The KEK wraps a user's keys as those seal a user's values.
        self._kek = UserKeys(1, kek, b"", b"")
        fresh = self._wrap(rows.DEPLOYMENT, deployment or os.urandom(SIZE))
        _, wrapped = await self._engine.write(lambda: rows.keep(rows.DEPLOYMENT, 1, fresh))
        self.deployment = self._unwrap(rows.DEPLOYMENT, wrapped)
        if deployment is not None and deployment != self.deployment:
            raise self._others()

    def _others(self) -> Misconfigured:
        return Misconfigured(
            f"keys: {self.name} holds the keys of another deployment: name an empty database in "
            "TERTULIA_KEYS."
        )

    async def user_keys(self, user_id: str) -> UserKeys:
        held = self._cached.get(user_id)
        if held is None:
            return await self._look(user_id)
        self._cached.move_to_end(user_id)
        now = self._clock()
        if now < held.until:
            return held.keys
        held.until = now + _LOOKING
        try:
            return await self._look(user_id)
        except Unavailable:
            if self._cached.get(user_id) is held:
                return held.keys
            raise  # it was forgotten meanwhile

    async def _look(self, user_id: str) -> UserKeys:
        found = await self._engine.read(lambda: rows.find(user_id))
        if found:
            version, wrapped = found[0]
        else:
            fresh = self._wrap(user_id, os.urandom(3 * SIZE))
            version, wrapped = await self._engine.write(lambda: rows.keep(user_id, 1, fresh))
        # It may have been destroyed while we waited for the rows.
        if wrapped is None or user_id in self._destroyed:
            self.forget(user_id)
            raise NotFound("this user's data was erased", code="user_erased")
        secret = self._unwrap(user_id, wrapped)
        keys = UserKeys(version, *(secret[at : at + SIZE] for at in range(0, 3 * SIZE, SIZE)))
        self._cached[user_id] = _Held(keys, self._clock() + self._trusted_seconds)
        if len(self._cached) > _CACHED_USERS:
            self._cached.popitem(last=False)
        return keys

    def known(self, user_id: str) -> UserKeys | None:
        held = self._cached.get(user_id)
        return held.keys if held is not None and self._clock() < held.until else None

    def forget(self, user_id: str) -> None:
        self._cached.pop(user_id, None)

    async def destroy(self, user_id: str) -> None:
        def forget(_: None) -> None:
            self._destroyed.add(user_id)
            self.forget(user_id)

        await self._engine.write(partial(rows.destroy, user_id), on_commit=forget)

    async def deployment_key(self, purpose: str) -> bytes:
        """HKDF (RFC 5869) with SHA-256 from the deployment's own secret."""
        info = b"tertulia deployment key: " + purpose.encode()
        return HKDF(SHA256(), SIZE, salt=None, info=info).derive(self.deployment)

    async def kept_after(self, user_id: str, limit: int) -> list[Kept]:
        """Users' keys in the order of their ids, those after ``user_id``."""
        found = await self._engine.read(lambda: rows.page(user_id, limit))
        return [
            Kept(user, version, None if wrapped is None else self._unwrap(user, wrapped))
            for user, version, wrapped in found
        ]

    async def adopt(self, users: Sequence[Kept]) -> None:
        """Keep these keys too. Raises `Misconfigured` when one of the users has others here."""
        wrapped = [None if u.secret is None else self._wrap(u.user_id, u.secret) for u in users]

        def script() -> Script[list[Row]]:
            found = []
            for user, sealed in zip(users, wrapped, strict=True):
                if sealed is None:
                    yield from rows.destroy(user.user_id)
                    found.append((user.version, None))
                else:
                    found.append((yield from rows.keep(user.user_id, user.version, sealed)))
            return found

        for user, (version, sealed) in zip(users, await self._engine.write(script), strict=True):
            secret = None if sealed is None else self._unwrap(user.user_id, sealed)
            if (version, secret) != (user.version, user.secret):
                raise self._others()

    async def ping(self) -> None:
        await self._engine.ping()

    async def close(self) -> None:
        await self._engine.close()
        self._cached.clear()

    def _wrap(self, user_id: str, secret: bytes) -> bytes:
        return self._cipher.seal(self._kek, (user_id, "keys", user_id, "wrapped"), secret)

    def _unwrap(self, user_id: str, wrapped: bytes) -> bytes:
        try:
            return self._cipher.open(self._kek, (user_id, "keys", user_id, "wrapped"), wrapped)
        except ValueError:
            raise self._foreign() from None
