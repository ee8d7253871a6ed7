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
import math
from pathlib import Path
from typing import Final

from sqlalchemy import text

from tertulia.adapters.folder import create_secret, make_private
from tertulia.adapters.keys import kek
from tertulia.adapters.keys.wrapped import WrappedKeys
from tertulia.adapters.store.sqlite import SqliteEngine
from tertulia.adapters.store.statement import Script, Statement
from tertulia.errors import DataFolderError

_CREATE: Final = Statement(
    text(
        "CREATE TABLE IF NOT EXISTS keys "
        "(user_id TEXT PRIMARY KEY, version INTEGER NOT NULL, wrapped BLOB) WITHOUT ROWID"
    )
)
_ANY: Final = Statement(text("SELECT 1 FROM keys LIMIT 1"))


class FileKeys(WrappedKeys):
    """`Keys` over a folder of two files. ``trusted_seconds``: see `wrapped`; for ever where
    nobody else has the folder."""

    def __init__(self, folder: Path, *, trusted_seconds: float = math.inf) -> None:
        self.name = f"the folder {folder}"
        self._folder = folder
        self._kek_path = folder / "kek"
        self._users_path = folder / "users.sqlite3"
        super().__init__(SqliteEngine(self._users_path, readers=1), trusted_seconds=trusted_seconds)

    async def start(self, deployment: bytes | None = None) -> None:
        await asyncio.to_thread(make_private, self._folder)
        if self._kek_path.exists() and not self._users_path.exists():
            raise DataFolderError(
                f"{self._users_path} is missing, while its key is there: restore {self._folder} "
                "from the backup, both files of one time"
            )
        await self._engine.start()
        try:
            await self._open(deployment)
        except BaseException:
            await self._engine.close()
            raise

    async def _open(self, deployment: bytes | None) -> None:
        used = await self._engine.write(_begin)
        # Looked at in this order: another process may be at its first start too.
        if used and not self._kek_path.exists():
            raise DataFolderError(
                f"{self._kek_path} is missing, and users' keys cannot be read without it: "
                "restore it from the backup of the data folder"
            )
        await self._load(await asyncio.to_thread(_load_kek, self._kek_path), deployment)

    def _foreign(self) -> DataFolderError:
        return DataFolderError(
            f"{self._kek_path} is not the key that sealed the users' keys beside it: restore "
            f"{self._folder} from the backup, both files of one time"
        )


def _load_kek(path: Path) -> bytes:
    found = kek.of_file(create_secret(path, kek.new_file()))
    if found is None:
        raise DataFolderError(f"{path} is damaged: restore it from the backup of the data folder")
    return found


def _begin() -> Script[bool]:
    """Whether any keys are there already."""
    yield _CREATE, {}
    return bool((yield _ANY, {}))
