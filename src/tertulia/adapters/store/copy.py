"""A whole store copied from one engine to another, and seen to be the same.

Values are copied as they lie: what is sealed stays sealed, and opens by the same users' keys,
since it is bound to user, table, row and field and to no database. The tables of `copy_rows` are
copied one after the other, each in the order of its primary key; `copy_marks` knows how far.

Nothing may write to the source meanwhile. Should something have, the check at the end shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from sqlalchemy import func, select, text

from tertulia.adapters.store import copy_marks
from tertulia.adapters.store.copy_check import Sum, summed, written
from tertulia.adapters.store.copy_rows import Pages, copied
from tertulia.adapters.store.engine import Engine
from tertulia.adapters.store.migrations import HEAD
from tertulia.adapters.store.schema import responses
from tertulia.adapters.store.scripts.many import Inserts
from tertulia.adapters.store.statement import Script, Statement
from tertulia.errors import Conflict, Misconfigured

#: Told of rows done, of rows in all, and of the table.
Progress: TypeAlias = Callable[[int, int, str], None]

_r = responses.c
#: Answers that somebody may have seen a part of, and may come back for.
_BEGUN = Statement(
    select(func.count())
    .select_from(responses)
    .where(_r.completed_at.is_(None), _r.attempt > 0, _r.store == 1)
)


_VERSION = Statement(text("SELECT version_num FROM alembic_version"))


@dataclass(frozen=True, slots=True)
class Copied:
    """What one table has on either side."""

    table: str
    source: Sum
    target: Sum

    @property
    def same(self) -> bool:
        return self.source == self.target


class StoreCopy:
    """``source`` and ``target``: started, and of this release's schema. ``name``: of the target,
    for messages."""

    def __init__(self, source: Engine, target: Engine, name: str) -> None:
        self._source = source
        self._target = target
        self._name = name
        self._tables = copied()

    async def begin(self, deployment: str) -> bool:
        """Take the target for this copy; False: it was finished before. ``deployment``: a name
        for the source, if it has none yet.

        Raises:
            Conflict: answers in the source have begun and not ended.
            Misconfigured: the target holds something else, or a newer release has changed the
                source.
        """
        if await self._source.read(_version) != HEAD:
            # It has columns that this release does not know, and would leave behind.
            raise Misconfigured(
                "FROM: a newer release of Tertulia has written this database: copy it with that "
                "one. Nothing was copied."
            )
        begun = await self._source.read(_begun)
        if begun:
            raise Conflict(
                f"{begun} answer(s) have begun and not ended, and the log that holds their text "
                "is not copied: run `tertulia serve` on this folder until they have ended, stop "
                "it, and copy again. Nothing was copied."
            )
        await self._source.write(lambda: copy_marks.named(deployment))
        source = await self._own(self._source)
        return await self._target.write(lambda: copy_marks.begin(source, self._tables, self._name))

    async def run(self, progress: Progress) -> None:
        """Copy what is not there yet."""
        for pages in self._tables:
            await self._copy(pages, progress)

    async def _copy(self, pages: Pages, progress: Progress) -> None:
        table = pages.table.name
        total = await self._source.read(pages.count)
        after = await self._target.read(lambda: copy_marks.reached(table))
        inserts = Inserts(pages.table)
        done = await self._target.read(pages.count)
        while rows := await self._source.read(partial(pages.page, after), heavy=True):
            after = pages.key(rows[-1])
            await self._target.write(partial(copy_marks.take, inserts, table, rows, after))
            done += len(rows)
            progress(done, total, table)

    async def check(self) -> list[Copied]:
        """Read both sides again, whole."""
        sides = (await self._own(self._source), await self._own(self._target))
        found = [Copied("meta", *map(_of_meta, sides))]
        for pages in self._tables:
            source = await summed(self._source, pages)
            found.append(Copied(pages.table.name, source, await summed(self._target, pages)))
        return found

    async def finish(self) -> None:
        """Let the target be started."""
        await self._target.write(lambda: copy_marks.finish(self._tables))

    @staticmethod
    async def _own(engine: Engine) -> dict[str, str]:
        return copy_marks.own(await engine.read(copy_marks.noted))


def _version() -> Script[str]:
    ((version,),) = yield _VERSION, {}
    return str(version)


def _begun() -> Script[int]:
    ((count,),) = yield _BEGUN, {}
    return int(count)


def _of_meta(rows: Mapping[str, str]) -> Sum:
    found = Sum()
    for row in rows.items():
        found.add(written(row))
    return found
