"""``tertulia store copy``: a data folder's database and keys, moved to a server."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass

from tertulia.adapters.folder import DataFolder
from tertulia.adapters.keys.file import FileKeys
from tertulia.adapters.keys.moving import Moved, move
from tertulia.adapters.keys.wrapped import WrappedKeys
from tertulia.adapters.store.copy import Copied, Progress, StoreCopy
from tertulia.adapters.store.migrations import prepare_sqlite
from tertulia.adapters.store.servers import database_of, is_server, open_server, prepare_server
from tertulia.adapters.store.sqlite import SqliteEngine
from tertulia.bootstrap.backends import keys_of
from tertulia.bootstrap.bar import bar
from tertulia.errors import DataFolderError, Misconfigured
from tertulia.settings import Settings


@dataclass(frozen=True, slots=True)
class CopyReport:
    """``tables`` is empty: the copy was finished before. ``keys`` is None: they stay."""

    target: str
    tables: list[Copied]
    keys: Moved | None

    @property
    def wrong(self) -> list[str]:
        """Names of what is not the same on both sides."""
        names = [one.table for one in self.tables if not one.same]
        return [*names, "keys"] if self.keys is not None and self.keys.differ else names

    def lines(self) -> list[str]:
        """For whoever ran it."""
        if not self.tables:
            return [f"{self.target} was copied to and verified before; nothing was done."]
        form = "{:<20} {:>12} {:>16}  {}".format
        said = [form("table", "rows", "bytes", "verified")]
        for one in self.tables:
            verified = "yes" if one.same else f"NO: {one.target.rows} rows there"
            said.append(form(one.table, one.source.rows, one.source.size, verified))
        if self.keys is None:
            said.append("The keys stay in the data folder (keys = file).")
        else:
            differ = self.keys.differ
            said.append(form("keys", self.keys.users, "-", f"NO: {differ}" if differ else "yes"))
        if not self.wrong:
            said.append(f"{self.target} holds all that the data folder holds.")
        return said


def copy_store(settings: Settings, source: str, target: str | None) -> CopyReport:
    """Copy the data folder's database to ``target`` (None: the setting ``store``), and its keys
    to where the settings say; goes on where an earlier one was ended.

    Raises:
        DataFolderError: there is none, or a server runs on it.
        Conflict: answers have not ended.
        Misconfigured: a URL, a master key, or a database that holds something else.
        Unavailable: a server does not answer.
    """
    to = target or settings.store
    if source != "sqlite":
        raise Misconfigured(
            "FROM: what is copied is the database of a data folder: give `sqlite`, and the folder "
            "by --data."
        )
    if not is_server(to):
        raise Misconfigured(
            "TO: give the URL of a database on a server, postgresql://… or mysql://…, or set "
            "TERTULIA_STORE to it."
        )
    if not (settings.data / "tertulia.sqlite3").is_file():
        raise DataFolderError(
            f"the folder {settings.data} holds no database: name the one to copy by --data"
        )
    with bar("copied") if sys.stderr.isatty() else nullcontext(_unseen) as progress:
        return asyncio.run(_copy(settings, to, progress))


def _unseen(done: int, total: int, table: str) -> None:
    """Where there is no terminal, the report at the end says it all."""


async def _copy(settings: Settings, to: str, progress: Progress) -> CopyReport:
    folder = DataFolder(settings.data)
    async with AsyncExitStack() as stack:
        folder.lock()
        stack.callback(folder.unlock)
        await asyncio.to_thread(prepare_sqlite, folder.database)
        # What the settings lack is said before anything is written anywhere.
        keys = keys_of(settings, folder, store=to)
        name = database_of(to).name
        await prepare_server(to)
        source, target = SqliteEngine(folder.database), open_server(to)
        for engine in (source, target):
            await engine.start()
            stack.push_async_callback(engine.close)
        copy = StoreCopy(source, target, name)
        if not await copy.begin(os.urandom(8).hex()):
            return CopyReport(name, [], None)
        moved = await _move_keys(folder, keys) if settings.keys != "file" else None
        await copy.run(progress)
        report = CopyReport(name, await copy.check(), moved)
        if not report.wrong:
            await copy.finish()
        return report


async def _move_keys(folder: DataFolder, target: WrappedKeys) -> Moved:
    async with AsyncExitStack() as stack:
        source = FileKeys(folder.keys)
        await source.start()
        stack.push_async_callback(source.close)
        await target.start(source.deployment)
        stack.push_async_callback(target.close)
        return await move(source, target)
