"""The store's part for accounts, over SQL."""

from __future__ import annotations

from collections.abc import Sequence

from tertulia.adapters.store.base import SqlBase
from tertulia.adapters.store.scripts import accounts
from tertulia.domain.principal import Principal, UserRole
from tertulia.errors import NotFound
from tertulia.ports.accounts import ApiKey, Login, User


class SqlAccounts(SqlBase):
    """See `ports.accounts.Accounts`."""

    async def create_user(
        self, user_id: str, email: str, password_hash: str | None, role: UserRole
    ) -> User:
        return await self._engine.write(
            lambda: accounts.create_user(user_id, email, password_hash, role, now=self._clock())
        )

    async def user(self, user_id: str) -> User:
        sealer = await self._sealer(user_id)
        return await self._engine.read(lambda: accounts.user(sealer=sealer))

    async def user_by_email(self, email: str) -> User | None:
        row = await self._engine.read(lambda: accounts.user_row(email))
        if row is None:
            return None
        try:
            return accounts.open_user(row, await self._sealer(row[0]))
        except NotFound:  # removed since the row was read
            return None

    async def set_password(
        self, user_id: str, password_hash: str, *, keep_login: str | None
    ) -> None:
        await self._engine.write(
            lambda: accounts.set_password(user_id, password_hash, keep_login, now=self._clock())
        )

    async def set_profile(
        self, user_id: str, *, instructions: str | None, default_model: str | None
    ) -> User:
        sealer = await self._sealer(user_id)
        return await self._engine.write(
            lambda: accounts.set_profile(instructions, default_model, sealer=sealer)
        )

    async def create_login(self, login: Login) -> None:
        await self._engine.write(lambda: accounts.create_login(login))

    async def login_by_hash(self, refresh_hash: bytes) -> Login | None:
        return await self._engine.read(lambda: accounts.login_by_hash(refresh_hash))

    async def login(self, login_id: str) -> Login | None:
        return await self._engine.read(lambda: accounts.login(login_id))

    async def rotate_login(
        self, login_id: str, old_hash: bytes, new_hash: bytes, expires_at: float
    ) -> bool:
        return await self._engine.write(
            lambda: accounts.rotate_login(
                login_id, old_hash, new_hash, expires_at, now=self._clock()
            )
        )

    async def revoke_login(self, login_id: str) -> None:
        await self._engine.write(lambda: accounts.revoke_login(login_id, now=self._clock()))

    async def standing(self, principals: Sequence[Principal]) -> Sequence[bool]:
        now = self._clock()
        return await self._engine.read(lambda: accounts.standing(principals, now=now))

    async def create_key(self, key: ApiKey, key_hash: bytes) -> None:
        await self._engine.write(lambda: accounts.create_key(key, key_hash))

    async def key_by_hash(self, key_hash: bytes) -> ApiKey | None:
        key = await self._engine.read(lambda: accounts.key_by_hash(key_hash))
        now = self._clock()
        if key is not None and accounts.note_is_due(key, now):
            await self._engine.write(lambda: accounts.note_use(key.id, now=now), durable=False)
        return key

    async def keys(self, user_id: str) -> Sequence[ApiKey]:
        return await self._engine.read(lambda: accounts.keys(user_id))

    async def revoke_key(self, user_id: str, key_id: str) -> None:
        await self._engine.write(lambda: accounts.revoke_key(user_id, key_id, now=self._clock()))
