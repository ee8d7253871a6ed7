"""Whether a principal's login, key and user still stand, asked of the store now and then."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from tertulia.domain.principal import Principal
from tertulia.errors import NotFound, Unauthorized
from tertulia.ports.accounts import Accounts

_REMEMBERED = 4096


class Standing:
    """Remembers for ``seconds`` that somebody was found in good standing.

    What this process revokes is forgotten at once; what another one revokes when it is told of it
    (`doubt`), and without that within ``seconds``.
    """

    def __init__(
        self,
        store: Accounts,
        seconds: float,
        clock: Callable[[], float],
        on_revoked: Callable[[str], None],
    ) -> None:
        self._store = store
        self._on_revoked = on_revoked
        self._seconds = seconds
        self._clock = clock
        self._doubted: list[Principal] = []
        self._asking: asyncio.Task[set[Principal]] | None = None
        #: By login or key: who it is, and when that was read.
        self._found: OrderedDict[object, tuple[Principal, float]] = OrderedDict()

    async def of_login(self, login_id: str, user_id: str) -> Principal:
        """Raises `Unauthorized` when the login was revoked or the user is gone."""
        return self._recent(login_id) or await self._read_login(login_id, user_id)

    async def of_key(self, key_hash: bytes) -> Principal:
        """Raises `Unauthorized` when no such key is in force."""
        return self._recent(key_hash) or await self._read_key(key_hash)

    async def check(self, principal: Principal) -> None:
        """As things are in the store now.

        Raises:
            Unauthorized: revoked, gone, or past the time of its token.
        """
        if principal.expires_at is not None and self._clock() >= principal.expires_at:
            raise Unauthorized("The access token has expired.", code="token_expired")
        self._doubted.append(principal)
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(_taken_note_of)
        # Shielded, since others wait for it too.
        if principal not in await asyncio.shield(self._asking):
            raise _revoked()

    async def _ask(self) -> set[Principal]:
        """Who still stands of all who were doubted before this began, asked at once: the checks of
        many connections fall into one moment."""
        doubted, self._doubted, self._asking = self._doubted, [], None
        stands = await self._store.standing(doubted)
        return {who for who, good in zip(doubted, stands, strict=True) if good}

    def forget(self, user_id: str) -> None:
        """Something of this user was revoked here: everybody is to ask the store again."""
        self.doubt(user_id)
        self._on_revoked(user_id)

    def doubt(self, user_id: str | None) -> None:
        """Something of this user, or of nobody knows whom, was revoked somewhere."""
        if user_id is None:
            self._found.clear()
            return
        for name in [n for n, (who, _) in self._found.items() if who.user_id == user_id]:
            del self._found[name]

    def _recent(self, name: object) -> Principal | None:
        found = self._found.get(name)
        if found is None or self._clock() >= found[1] + self._seconds:
            return None
        return found[0]

    async def _read_login(self, login_id: str, user_id: str) -> Principal:
        login = await self._store.login(login_id)
        if (
            login is None
            or login.user_id != user_id
            or login.revoked_at is not None
            or self._clock() >= login.expires_at
        ):
            raise _revoked()
        return self._keep(login_id, await self._user(user_id, login_id=login_id))

    async def _read_key(self, key_hash: bytes) -> Principal:
        key = await self._store.key_by_hash(key_hash)
        if key is None:
            raise Unauthorized("The API key is not valid.", code="invalid_api_key")
        return self._keep(key_hash, await self._user(key.user_id, key_id=key.id))

    async def _user(
        self, user_id: str, *, login_id: str | None = None, key_id: str | None = None
    ) -> Principal:
        try:
            user = await self._store.user(user_id)
        except NotFound:
            raise _revoked() from None
        return Principal(user.id, user.role, login_id=login_id, key_id=key_id)

    def _keep(self, name: object, principal: Principal) -> Principal:
        self._found.pop(name, None)
        self._found[name] = (principal, self._clock())
        if len(self._found) > _REMEMBERED:
            self._found.popitem(last=False)
        return principal


def _taken_note_of(asking: asyncio.Task[set[Principal]]) -> None:
    """All who wait for it may leave; then nobody else asks whether it failed."""
    if not asking.cancelled():
        asking.exception()


def _revoked() -> Unauthorized:
    return Unauthorized("This login or key has ended; sign in again.", code="session_ended")
