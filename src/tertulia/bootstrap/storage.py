"""Keys and store, opened: what the command line needs as well, without models or workers."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from tertulia.adapters.eventlog.sqlite import SqliteEventLog
from tertulia.adapters.folder import DataFolder, read_secret
from tertulia.adapters.sealing import AesGcmCipher
from tertulia.adapters.store.migrations import is_prepared, prepare_sqlite
from tertulia.adapters.store.servers import is_server
from tertulia.adapters.store.sql import SqlStore
from tertulia.adapters.store.sqlite import SqliteEngine
from tertulia.bootstrap.backends import keys_of, server_engine
from tertulia.bootstrap.hints import Hints
from tertulia.errors import Misconfigured
from tertulia.ports.keys import Cipher, Keys
from tertulia.settings import Settings
from tertulia.settings.tree import SECRET_LENGTH

#: Names of the marks that show whether nodes have one secret, and one set of keys.
_SECRET = "secret"  # noqa: S105
_KEYS = "keys"


@dataclass(frozen=True, slots=True)
class Storage:
    folder: DataFolder
    keys: Keys
    cipher: Cipher
    store: SqlStore
    #: The log in the store's own file; None where the settings name another, or no file is.
    log: SqliteEventLog | None
    hints: Hints
    secret: bytes
    #: Unix seconds, as the store counts them: a server's are the same for all nodes.
    clock: Callable[[], float]
    #: Whether this process alone has the store.
    alone: bool


@asynccontextmanager
async def storage(
    settings: Settings,
    *,
    exclusive: bool,
    cipher: Cipher | None = None,
    clock: Callable[[], float] = time.time,
    new_secret: bool = False,
) -> AsyncIterator[Storage]:
    """Open keys and store; closed again on leaving.

    ``exclusive``: hold the data folder's lock, as the one process that serves from it does.
    ``clock``: of an embedded store. ``new_secret``: the deployment is given this node's.

    Raises:
        DataFolderError, Misconfigured, Unavailable: the message says what to do.
    """
    folder = DataFolder(settings.data)
    embedded = settings.store == "sqlite"
    async with AsyncExitStack() as stack:
        if exclusive:
            folder.lock()
            stack.callback(folder.unlock)
        secret = _secret(settings, folder)
        keys = keys_of(settings, folder)
        if not embedded:
            # First of all: by its schema the keys know a store's database, whatever it is called.
            await _prepare_server(settings)
        await keys.start()
        stack.push_async_callback(keys.close)
        sealing = cipher or AesGcmCipher()
        hints = Hints()
        log: SqliteEventLog | None = None
        if embedded:
            engine = SqliteEngine(folder.database)
            if settings.eventlog == "sqlite":
                log = SqliteEventLog(engine, keys, sealing, clock=clock)
            store = SqlStore(engine, keys, sealing, clock=clock, journal=log, on_feed=hints.fed)
            await _prepare(folder, exclusive=exclusive)
        else:
            server = server_engine(settings)
            clock = server.now
            store = SqlStore(server, keys, sealing, clock=clock, journal=None, on_feed=hints.fed)
        await store.start()
        stack.push_async_callback(store.close)
        if not embedded:
            if new_secret:
                await store.forget_mark(_SECRET)
            await _compare(store, secret, keys)
        yield Storage(
            folder, keys, sealing, store, log, hints, secret, clock, embedded and exclusive
        )


async def _prepare_server(settings: Settings) -> None:
    """Bring a database server to this release's schema, whoever else does so just now."""
    if not is_server(settings.store):
        raise Misconfigured(
            f"store is set to {settings.store.partition(':')[0]!r}; it is `sqlite`, or begins with "
            "postgresql:// or mysql://.",
            param="store",
        )
    from tertulia.adapters.store.servers import prepare_server

    await prepare_server(settings.store)


async def _prepare(folder: DataFolder, *, exclusive: bool) -> None:
    """Bring the database to this release's schema, under the folder's lock. A command that runs
    beside a server finds the work done."""
    if not exclusive:
        if is_prepared(folder.database):
            return
        folder.lock()
    try:
        await asyncio.to_thread(prepare_sqlite, folder.database)
    finally:
        if not exclusive:
            folder.unlock()


def _secret(settings: Settings, folder: DataFolder) -> bytes:
    if settings.secret is not None:
        return settings.secret.get_secret_value().encode()
    if settings.secret_file is None or settings.store == "sqlite":
        return folder.secret(settings.secret_file).encode()
    # Shared by many nodes: one that made its own would be the only one to know it.
    try:
        given = read_secret(settings.secret_file).decode("utf-8", "replace").strip()
    except OSError as error:
        raise Misconfigured(
            f"secret_file {settings.secret_file} cannot be read ({error.strerror}): give all "
            "nodes the file that holds their common secret.",
            param="secret_file",
        ) from error
    if len(given) < SECRET_LENGTH:
        raise Misconfigured(
            f"secret_file {settings.secret_file} holds fewer than {SECRET_LENGTH} characters.",
            param="secret_file",
        )
    return given.encode()


async def _compare(store: SqlStore, secret: bytes, keys: Keys) -> None:
    """See that this node has what the deployment's others have.

    Two secrets sign each other's users out; two sets of keys are worse: what one node writes the
    others could never read.
    """
    marks = {
        _SECRET: hmac.digest(secret, b"tertulia: mark of the secret", hashlib.sha256).hex(),
        _KEYS: (await keys.deployment_key("mark")).hex(),
    }
    differ = await store.compare(marks)
    if _KEYS in differ:
        raise Misconfigured(
            "keys: these are not the keys that sealed what is in the store. Set TERTULIA_KEYS (and "
            "the master key) as on the deployment's other nodes, or TERTULIA_STORE to the database "
            "that belongs to these keys.",
            param="keys",
        )
    if differ:
        raise Misconfigured(
            "secret: the deployment's other nodes have another one. Set TERTULIA_SECRET to theirs; "
            "to give all of them a new one, stop them and run `tertulia migrate --new-secret` with "
            "it.",
            param="secret",
        )
