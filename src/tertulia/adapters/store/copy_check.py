"""Whether two databases hold the same rows: counts, and hashes that no order changes.

A row is written as its values in the order of the columns, each with its kind and length, and
hashed by SHA-256; a table's hash is the sum of its rows' hashes modulo 2²⁵⁶ (AdHash: Bellare and
Micciancio, "A New Paradigm for Collision-free Hashing", 1997). So both sides may read in the order
that suits them, and a row that is missing, altered or there twice shows.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Double, Table

from tertulia.adapters.store.copy_rows import Key, Pages
from tertulia.adapters.store.engine import Engine
from tertulia.adapters.store.statement import Row

_MODULUS: Final = 1 << 256


@dataclass(slots=True)
class Sum:
    """Of the rows of one table. ``size``: bytes of the values, as they are written for the hash."""

    rows: int = 0
    size: int = 0
    hash: int = 0

    def add(self, written: bytes) -> None:
        self.rows += 1
        self.size += len(written)
        digest = hashlib.sha256(written).digest()
        self.hash = (self.hash + int.from_bytes(digest)) % _MODULUS


async def summed(engine: Engine, pages: Pages) -> Sum:
    found = Sum()
    write = writer(pages.table)
    after: Key | None = None
    while rows := await engine.read(lambda at=after: pages.page(at), heavy=True):  # type: ignore[misc]
        for row in rows:
            found.add(write(row))
        after = pages.key(rows[-1])
    return found


def writer(table: Table) -> Callable[[Row], bytes]:
    """Writes a row of the table as the same bytes, whichever database it came from."""
    floats = [isinstance(column.type, Double) for column in table.c]

    def write(row: Row) -> bytes:
        return b"".join(
            _written(float(value) if is_float and value is not None else value)
            for value, is_float in zip(row, floats, strict=True)
        )

    return write


def written(values: Iterable[Any]) -> bytes:
    return b"".join(map(_written, values))


def _written(value: Any) -> bytes:
    match value:
        case None:
            return b"n"
        case float():
            return b"f" + struct.pack(">d", value)
        case int():
            kind, content = b"i", b"%d" % value
        case str():
            kind, content = b"s", value.encode()
        case bytes():
            kind, content = b"b", value
        case _:
            raise TypeError(f"a value of type {type(value).__name__} is not kept")
    return b"%b%d:%b" % (kind, len(content), content)
