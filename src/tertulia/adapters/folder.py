"""The data folder: everything that one Tertulia keeps on this machine.

    tertulia.sqlite3   the store, and the event log in it
    keys/              key file and wrapped user keys: never copied into the store's backups
    secret             signs tokens; made at the first start
    models/            weights
    lock               held while `serve` runs; names its process

What is made here is readable by its owner only. A folder that was there before keeps its mode,
for it may be used for other things too.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from pathlib import Path
from typing import Final

from tertulia.errors import DataFolderError, Misconfigured

_PRIVATE_FILE: Final = 0o600
_PRIVATE_FOLDER: Final = 0o700
_FOR_OTHERS: Final = 0o077
#: Free bytes without which starting makes no sense.
_MIN_FREE_BYTES: Final = 32 << 20


class DataFolder:
    """Opened by every command that reads or writes data; locked by the one that serves.

    Raises:
        DataFolderError: it cannot be made or written to, or its disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / "tertulia.sqlite3"
        self.keys = path / "keys"
        self.models = path / "models"
        self._lock: int | None = None
        make_private(path)
        _check_writable(path)

    def lock(self) -> None:
        """Keep every other `serve` away from this folder until `unlock` or the process's end.

        Raises:
            DataFolderError: another process holds it; the message names it.
        """
        # flock belongs to the open file: the kernel lets go when the process dies, however it
        # dies, so that a stale file never locks anybody out.
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, _PRIVATE_FILE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            if not isinstance(error, BlockingIOError):
                raise DataFolderError(
                    f"the data folder {self.path} cannot be locked ({error.strerror}); choose "
                    "one on a local disk with --data"
                ) from error
            raise DataFolderError(
                f"the data folder {self.path} is in use by process {holder or '(starting)'}: "
                "stop it, or choose another folder with --data"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._lock = descriptor

    def unlock(self) -> None:
        """Let go of the lock, if it is held."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def secret(self, file: Path | None = None) -> str:
        """The secret kept in ``file``, or in the folder's own; made at the first call.

        Raises:
            Misconfigured: others can read the file.
            DataFolderError: it cannot be read, or is too short to be one.
        """
        path = file or self.path / "secret"
        made = create_secret(path, f"{secrets.token_urlsafe(48)}\n".encode())
        secret = made.decode("utf-8", "replace").strip()
        if len(secret) < 32:
            raise DataFolderError(
                f"{path} does not hold a secret of at least 32 characters: restore it, or remove "
                "it to have a new one made (everybody then signs in again)"
            )
        return secret


def make_private(path: Path) -> None:
    """Make a folder for this user only, with its parents; one that is there stays as it is.

    Raises:
        DataFolderError: it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(_PRIVATE_FOLDER, exist_ok=True)
    except OSError as error:
        raise DataFolderError(
            f"the folder {path} cannot be made: {error.strerror}; choose another with --data"
        ) from error


def create_secret(path: Path, content: bytes) -> bytes:
    """What ``path`` holds; ``content`` is put there first if there is no such file, durably and
    whole: two processes that start at once see the same.

    Raises:
        Misconfigured: others can read the file.
        DataFolderError: it can be neither read nor made.
    """
    try:
        if not path.exists():
            _create(path, content)
        return read_secret(path)
    except OSError as error:
        raise DataFolderError(f"{path} cannot be read or made: {error.strerror}") from error


def read_secret(path: Path) -> bytes:
    """The content of a file that must be its owner's alone.

    Raises:
        Misconfigured: others can read the file.
        OSError: it cannot be read.
    """
    mode = path.stat().st_mode
    if mode & _FOR_OTHERS:
        raise Misconfigured(
            f"{path} can be read by other users of this machine (mode {mode & 0o777:o}): "
            f"run `chmod 600 {path}`, and replace it if they are not trusted"
        )
    return path.read_bytes()


def sync_folder(path: Path) -> None:
    """Make the folder's entries durable: a new or renamed file is lost with the power else."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _create(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            # Unlike a rename, a link never replaces what another process has just made.
            os.link(draft, path)
        except FileExistsError:
            return
        sync_folder(path.parent)
    finally:
        draft.unlink()


def _check_writable(path: Path) -> None:
    probe = path / f".probe.{os.getpid()}"
    try:
        probe.write_bytes(b"")
        probe.unlink()
        free = shutil.disk_usage(path).free
    except OSError as error:
        raise DataFolderError(
            f"the data folder {path} cannot be written to: {error.strerror}; change its owner or "
            "permissions, or choose another with --data"
        ) from error
    if free < _MIN_FREE_BYTES:
        raise DataFolderError(
            f"the disk of the data folder {path} is full ({free >> 20} MiB free): free some space"
        )
