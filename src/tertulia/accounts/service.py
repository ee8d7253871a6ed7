"""What people do with accounts."""

from __future__ import annotations

import dataclasses
import os
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tertulia.accounts.email import normalised
from tertulia.accounts.passwords import PasswordBook
from tertulia.accounts.refresh import RefreshTokens, fingerprint
from tertulia.accounts.standing import Standing
from tertulia.accounts.throttle import Throttle
from tertulia.accounts.tokens import AccessTokens
from tertulia.domain.ids import KEY, LOGIN, USER, new_id
from tertulia.domain.principal import Principal, UserRole
from tertulia.errors import Conflict, Forbidden, NotFound, Unauthorized, Unprocessable
from tertulia.ports.accounts import Accounts, ApiKey, Login, User
from tertulia.ports.limiter import Limiter
from tertulia.settings import Settings

#: The user of ``serve --no-auth``. No address to sign in with can be equal to its email.
LOCAL_USER_ID = f"{USER}_{'0' * 32}"
LOCAL_EMAIL = "local"

KEY_PREFIX = "sk-"
MAX_KEY_NAME_CHARS = 100
_SHOWN_CHARS = 9


@dataclass(frozen=True, slots=True)
class Session:
    """A login as its browser gets it; the tokens are secrets."""

    user: User
    access_token: str
    #: Lives of the two tokens, in seconds.
    expires_in: int
    refresh_token: str
    refresh_seconds: int


class AccountService:
    """``secret``: at least 32 bytes; who changes it signs everybody out. ``clock``: Unix
    seconds. ``on_revoked``: called with a user's id when a login or key of theirs has ended."""

    def __init__(
        self,
        store: Accounts,
        limiter: Limiter,
        *,
        secret: bytes,
        settings: Settings,
        clock: Callable[[], float] = time.time,
        on_revoked: Callable[[str], None] = lambda _user_id: None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._passwords = PasswordBook(settings.passwords)
        self._throttle = Throttle(limiter, secret)
        self._access = AccessTokens(secret, settings.tokens.access_seconds, clock)
        self._refresh = RefreshTokens(secret)
        self._standing = Standing(store, settings.feed.recheck_seconds, clock, on_revoked)
        self._local: Principal | None = None

    # --- who calls ---------------------------------------------------------------------------

    async def authenticate(self, token: str) -> Principal:
        """The principal of an access token or API key.

        Raises:
            Unauthorized: wrong, expired or revoked; the code tells which.
        """
        if token.startswith(KEY_PREFIX):
            return await self._standing.of_key(fingerprint(token))
        claims = self._access.read(token)
        principal = await self._standing.of_login(claims.login_id, claims.user_id)
        return dataclasses.replace(principal, expires_at=claims.expires_at)

    async def recheck(self, principal: Principal) -> None:
        """For live connections, at least every `settings.feed.recheck_seconds`.

        Raises:
            Unauthorized: its token expired, its login or key was revoked, or its user is gone.
        """
        await self._standing.check(principal)

    def doubt(self, user_id: str | None) -> None:
        """Another node has ended a login or key of this user; None: of some user or other."""
        self._standing.doubt(user_id)

    async def local_principal(self) -> Principal:
        """The one user of ``serve --no-auth``, made at the first call."""
        if self._local is None:
            try:
                await self._store.user(LOCAL_USER_ID)
            except NotFound:
                await self._make_local_user()
            self._local = Principal(LOCAL_USER_ID, "admin")
        return self._local

    async def _make_local_user(self) -> None:
        try:
            await self._store.create_user(LOCAL_USER_ID, LOCAL_EMAIL, None, "admin")
        except Conflict:
            # A request beside this one was first.
            await self._store.user(LOCAL_USER_ID)

    # --- signing in and out ------------------------------------------------------------------

    async def register(self, email: str, password: str, *, address: str) -> Session:
        """A new account, never an admin's, and its first login.

        Raises:
            Forbidden: ``registration_closed``.
            Conflict: ``email_taken``.
            Unprocessable: ``invalid_email``, ``weak_password``.
            RateLimited: ``too_many_attempts`` from this address.
        """
        if not self._settings.registration_is_open:
            raise Forbidden("Accounts are made by this server's admin.", code="registration_closed")
        await self._throttle.address(address)
        user = await self.create_user(email, password)
        return await self._begin(user)

    async def sign_in(self, email: str, password: str, *, address: str) -> Session:
        """A new login.

        Raises:
            Unauthorized: ``invalid_credentials``, whatever of the two was wrong.
            RateLimited: ``too_many_attempts`` from this address or on this account.
        """
        await self._throttle.address(address)
        try:
            plain = normalised(email)
        except Unprocessable:
            raise _wrong_credentials() from None
        await self._throttle.account(plain)
        user = await self._store.user_by_email(plain)
        if not await self._passwords.matches(user.password_hash if user else None, password):
            raise _wrong_credentials()
        assert user is not None
        await self._throttle.forgive(plain)
        try:
            return await self._begin(user)
        except NotFound:  # removed since
            raise _wrong_credentials() from None

    async def refresh(self, token: str | None) -> Session:
        """The next tokens of a login.

        The token that was just replaced is good for `settings.tokens.refresh_grace_seconds`
        more, and gives the same next token; an older one ends the login, since two clients
        cannot both hold it rightly.

        Raises:
            Unauthorized: ``invalid_session``.
        """
        login_id = self._refresh.login_of(token) if token else None
        if token is None or login_id is None:
            raise _invalid_session()
        shown, following = fingerprint(token), self._refresh.next(token)
        expires_at = self._clock() + self._settings.tokens.refresh_seconds
        login = await self._standing_login(login_id)
        if shown == login.refresh_hash:
            if await self._store.rotate_login(login_id, shown, fingerprint(following), expires_at):
                return self._session(await self._owner(login), login_id, following)
            # Another tab was first, with the same successor; or the login has just ended.
            login = await self._standing_login(login_id)
        if not self._just_replaced(login, shown):
            await self._revoke(login)
            raise _invalid_session()
        return self._session(await self._owner(login), login_id, following)

    async def sign_out(self, refresh_token: str | None, access_token: str | None) -> None:
        """End the login that either token belongs to; nothing happens when none does."""
        login_id = self._refresh.login_of(refresh_token) if refresh_token else None
        if login_id is None and access_token and not access_token.startswith(KEY_PREFIX):
            try:
                login_id = self._access.read(access_token).login_id
            except Unauthorized:
                return
        login = await self._store.login(login_id) if login_id else None
        if login is not None:
            await self._revoke(login)

    async def change_password(self, principal: Principal, current: str, new: str) -> None:
        """Ends the user's other logins.

        Raises:
            Unauthorized: ``invalid_credentials``.
            Unprocessable: ``weak_password``.
            RateLimited: ``too_many_attempts``.
        """
        self._passwords.check_rules(new, param="new_password")
        user = await self._store.user(principal.user_id)
        await self._throttle.account(user.email)
        if not await self._passwords.matches(user.password_hash, current):
            raise _wrong_credentials()
        hashed = await self._passwords.hash(new)
        await self._store.set_password(user.id, hashed, keep_login=principal.login_id)
        await self._throttle.forgive(user.email)
        self._standing.forget(user.id)

    async def confirm_removal(self, principal: Principal, password: str, *, address: str) -> None:
        """Whether it is the user in person who asks to be removed.

        Raises:
            Forbidden: it is an API key (``login_required``), or nobody signs in here
                (``no_accounts``).
            Unauthorized: ``invalid_credentials``, or the user is gone (``session_ended``).
            RateLimited: ``too_many_attempts`` from this address or on this account.
        """
        if not self._settings.auth:
            raise Forbidden(
                "This server runs without sign-in, so there is no account to delete. To erase all, "
                "stop it and delete its data folder.",
                code="no_accounts",
            )
        if principal.login_id is None:
            raise Forbidden(
                "An API key cannot delete its account: sign in and delete it there.",
                code="login_required",
            )
        await self._throttle.address(address)
        try:
            user = await self._store.user(principal.user_id)
        except NotFound:
            raise Unauthorized("This account was deleted.", code="session_ended") from None
        await self._throttle.account(user.email)
        if not await self._passwords.matches(user.password_hash, password):
            raise Unauthorized("The password is wrong.", code="invalid_credentials")

    async def id_of(self, email: str) -> str | None:
        """Of the user with this address, if there is one. Raises `Unprocessable`."""
        user = await self._store.user_by_email(normalised(email))
        return None if user is None else user.id

    async def _begin(self, user: User) -> Session:
        now = self._clock()
        login_id = new_id(LOGIN)
        token = self._refresh.first(login_id)
        await self._store.create_login(
            Login(
                id=login_id,
                user_id=user.id,
                created_at=now,
                expires_at=now + self._settings.tokens.refresh_seconds,
                refresh_hash=fingerprint(token),
            )
        )
        return self._session(user, login_id, token)

    def _session(self, user: User, login_id: str, refresh_token: str) -> Session:
        return Session(
            user=user,
            access_token=self._access.make(user.id, user.role, login_id),
            expires_in=self._settings.tokens.access_seconds,
            refresh_token=refresh_token,
            refresh_seconds=self._settings.tokens.refresh_seconds,
        )

    async def _standing_login(self, login_id: str) -> Login:
        login = await self._store.login(login_id)
        if login is None or login.revoked_at is not None or self._clock() >= login.expires_at:
            raise _invalid_session()
        return login

    def _just_replaced(self, login: Login, shown: bytes) -> bool:
        grace = self._settings.tokens.refresh_grace_seconds
        return (
            shown == login.previous_hash
            and login.rotated_at is not None
            and self._clock() <= login.rotated_at + grace
        )

    async def _owner(self, login: Login) -> User:
        try:
            return await self._store.user(login.user_id)
        except NotFound:
            raise _invalid_session() from None

    async def _revoke(self, login: Login) -> None:
        await self._store.revoke_login(login.id)
        self._standing.forget(login.user_id)

    # --- users and their keys ----------------------------------------------------------------

    async def create_user(self, email: str, password: str, *, admin: bool = False) -> User:
        """Raises `Conflict` (``email_taken``) and `Unprocessable`, as `register` does."""
        plain = normalised(email)
        self._passwords.check_rules(password)
        if await self._store.user_by_email(plain) is not None:
            raise Conflict("There is an account with this email already.", code="email_taken")
        role: UserRole = "admin" if admin else "user"
        hashed = await self._passwords.hash(password)
        return await self._store.create_user(new_id(USER), plain, hashed, role)

    async def user(self, principal: Principal) -> User:
        return await self._store.user(principal.user_id)

    async def set_profile(
        self, principal: Principal, *, instructions: str | None, default_model: str | None
    ) -> User:
        """Replace both; None clears."""
        return await self._store.set_profile(
            principal.user_id, instructions=instructions or None, default_model=default_model
        )

    async def create_key(self, user_id: str, name: str) -> tuple[ApiKey, str]:
        """A new API key, and its secret, which is not kept and cannot be shown again."""
        secret = KEY_PREFIX + urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
        key = ApiKey(new_id(KEY), user_id, name, secret[:_SHOWN_CHARS], self._clock())
        await self._store.create_key(key, fingerprint(secret))
        return key, secret

    async def create_key_for(self, email: str, name: str) -> tuple[ApiKey, str]:
        """`create_key` for the user with this email.

        Raises:
            NotFound: there is none.
        """
        user = await self._store.user_by_email(email.strip().lower())
        if user is None:
            raise NotFound(f"There is no user {email}.", code="user_not_found")
        return await self.create_key(user.id, name)

    async def keys(self, principal: Principal) -> Sequence[ApiKey]:
        return await self._store.keys(principal.user_id)

    async def revoke_key(self, principal: Principal, key_id: str) -> None:
        """Raises `NotFound`."""
        await self._store.revoke_key(principal.user_id, key_id)
        self._standing.forget(principal.user_id)

    def close(self) -> None:
        """Let go of the threads."""
        self._passwords.close()


def _wrong_credentials() -> Unauthorized:
    return Unauthorized("Email or password is wrong.", code="invalid_credentials")


def _invalid_session() -> Unauthorized:
    return Unauthorized("This device is not signed in.", code="invalid_session")
