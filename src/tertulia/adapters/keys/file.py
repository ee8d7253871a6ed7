"""Keys in files: the default of one machine.

    keys/kek            the key that seals the others (KEK), 32 random bytes in base64
    keys/users.sqlite3  one sealed row per user: data key, index key, matrix seed

Destroying a user's keys overwrites the row in the file (``secure_delete``), and the write-ahead
log is emptied at the next idle moment. Underneath, a journaling or copying file system, a
snapshot or an SSD's spare blocks may keep an old copy of the row for a while: sealed by the KEK,
so out of reach of whoever has the disk without this folder. Leave ``keys/`` out of the store's
backups, or an erased user comes back with the backup.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
from collections import OrderedDict
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import text

from tertulia.adapters.folder import create_secret, make_private
from tertulia.adapters.sealing import AesGcmCipher
from tertulia.adapters.store.sqlite import SqliteEngine
from tertulia.adapters.store.statement import Row, Script, Statement
from tertulia.errors import DataFolderError, NotFound
from tertulia.ports.keys import UserKeys

_KEY_SIZE: Final = 32
_KEK_PREFIX: Final = b"tertulia-kek-1:"
#: The row of the deployment's own secret; no user has an empty id.
_DEPLOYMENT: Final = ""
_CACHED_USERS: Final = 10_000

# A destroyed row stays, with NULL, so that no late writer makes new keys for an erased user.
_CREATE = Statement(
    text(
        "CREATE TABLE IF NOT EXISTS keys "
        "(user_id TEXT PRIMARY KEY, version INTEGER NOT NULL, wrapped BLOB) WITHOUT ROWID"
    )
)
_SELECT = Statement(text("SELECT version, wrapped FROM keys WHERE user_id = :user_id"))
_INSERT = Statement(
    text("INSERT INTO keys VALUES (:user_id, 1, :wrapped) ON CONFLICT (user_id) DO NOTHING")
)
_DESTROY = Statement(
    text(
        "INSERT INTO keys VALUES (:user_id, 1, NULL) "
        "ON CONFLICT (user_id) DO UPDATE SET wrapped = NULL"
    )
)
_ANY = Statement(text("SELECT 1 FROM keys LIMIT 1"))


class FileKeys:
    """`Keys` over a folder of two files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kek_path = folder / "kek"
        self._users_path = folder / "users.sqlite3"
        self._engine = SqliteEngine(self._users_path, readers=1)
        self._cipher = AesGcmCipher()
        self._cached: OrderedDict[str, UserKeys] = OrderedDict()
        self._destroyed: set[str] = set()

    async def start(self) -> None:
        await asyncio.to_thread(make_private, self._folder)
        if self._kek_path.exists() and not self._users_path.exists():
            raise DataFolderError(
                f"{self._users_path} is missing, while its key is there: restore {self._folder} "
                "from the backup, both files of one time"
            )
        await self._engine.start()
        try:
            await self._load()
        except BaseException:
            await self._engine.close()
            raise

    async def _load(self) -> None:
        used = await self._engine.write(_begin)
        # Looked at in this order: another process may be at its first start too.
        if used and not self._kek_path.exists():
            raise DataFolderError(
                f"{self._kek_path} is missing, and users' keys cannot be read without it: "
                "restore it from the backup of the data folder"
            )
        # The KEK wraps a user's keys as those seal a user's values.
        self._kek = UserKeys(1, await asyncio.to_thread(_load_kek, self._kek_path), b"", b"")
        fresh = self._wrap(_DEPLOYMENT, os.urandom(_KEY_SIZE))
        ((_, wrapped),) = await self._engine.write(lambda: _insert(_DEPLOYMENT, fresh))
        self._deployment = self._unwrap(_DEPLOYMENT, wrapped)

    async def user_keys(self, user_id: str) -> UserKeys:
        """Raises `NotFound` when they were destroyed."""
        known = self._cached.get(user_id)
        if known is not None:
            self._cached.move_to_end(user_id)
            return known
        rows = await self._engine.read(lambda: _select(user_id))
        if not rows:
            fresh = self._wrap(user_id, os.urandom(3 * _KEY_SIZE))
            rows = await self._engine.write(lambda: _insert(user_id, fresh))
        (version, wrapped) = rows[0]
        # It may have been destroyed while we waited for the rows.
        if wrapped is None or user_id in self._destroyed:
            raise NotFound("this user's data was erased", code="user_erased")
        secret = self._unwrap(user_id, wrapped)
        keys = UserKeys(version, *(secret[i : i + _KEY_SIZE] for i in range(0, 96, _KEY_SIZE)))
        self._cached[user_id] = keys
        if len(self._cached) > _CACHED_USERS:
            self._cached.popitem(last=False)
        return keys

    def known(self, user_id: str) -> UserKeys | None:
        return self._cached.get(user_id)

    async def destroy(self, user_id: str) -> None:
        def script() -> Script[None]:
            yield _DESTROY, {"user_id": user_id}

        def forget(_: None) -> None:
            self._destroyed.add(user_id)
            self._cached.pop(user_id, None)

        await self._engine.write(script, on_commit=forget)

    async def deployment_key(self, purpose: str) -> bytes:
        """HKDF (RFC 5869) with SHA-256 from the deployment's own secret."""
        info = b"tertulia deployment key: " + purpose.encode()
        return HKDF(SHA256(), _KEY_SIZE, salt=None, info=info).derive(self._deployment)

    async def close(self) -> None:
        await self._engine.close()
        self._cached.clear()

    def _wrap(self, user_id: str, secret: bytes) -> bytes:
        return self._cipher.seal(self._kek, (user_id, "keys", user_id, "wrapped"), secret)

    def _unwrap(self, user_id: str, wrapped: bytes) -> bytes:
        try:
            return self._cipher.open(self._kek, (user_id, "keys", user_id, "wrapped"), wrapped)
        except ValueError as error:
            raise DataFolderError(
                f"{self._kek_path} is not the key that sealed the users' keys beside it: restore "
                f"{self._folder} from the backup, both files of one time"
            ) from error


def _load_kek(path: Path) -> bytes:
    fresh = _KEK_PREFIX + base64.b64encode(os.urandom(_KEY_SIZE)) + b"\n"
    content = create_secret(path, fresh)
    try:
        kek = base64.b64decode(content.removeprefix(_KEK_PREFIX).strip(), validate=True)
    except binascii.Error:
        kek = b""
    if not content.startswith(_KEK_PREFIX) or len(kek) != _KEY_SIZE:
        raise DataFolderError(f"{path} is damaged: restore it from the backup of the data folder")
    return kek


def _begin() -> Script[bool]:
    """Whether any keys are there already."""
    yield _CREATE, {}
    return bool((yield _ANY, {}))


def _select(user_id: str) -> Script[list[Row]]:
    return (yield _SELECT, {"user_id": user_id})


def _insert(user_id: str, wrapped: bytes) -> Script[list[Row]]:
    yield _INSERT, {"user_id": user_id, "wrapped": wrapped}
    return (yield _SELECT, {"user_id": user_id})
