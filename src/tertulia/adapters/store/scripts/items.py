"""Items: the input and output of responses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import CompoundSelect, Select, and_, literal_column, select, union_all

from tertulia.adapters.store.schema import items
from tertulia.adapters.store.scripts.many import Inserts
from tertulia.adapters.store.scripts.records import Record, opened
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.adapters.store.statement import Rows, Script
from tertulia.domain.item import Item, decode_item, encode_item
from tertulia.ports.turns import Node

INPUT, OUTPUT = 0, 1

_INSERTS = Inserts(items)


def put_items(sealer: Sealer, response_id: str, side: int, content: Sequence[Item]) -> Script[None]:
    def body(position: int, item: Item) -> bytes:
        place = row_of(response_id, side, position)
        return sealer.seal("items", place, "body", encode_item(item))

    yield from _INSERTS.put(
        [
            (response_id, side, position, sealer.user_id, item.id, body(position, item))
            for position, item in enumerate(content)
        ]
    )


def row_of(response_id: str, side: int, position: int) -> str:
    return f"{response_id}/{side}/{position}"


def open_item(sealer: Sealer, response_id: str, side: int, position: int, *, body: bytes) -> Item:
    return decode_item(open_body(sealer, response_id, side, position, body))


def open_body(sealer: Sealer, response_id: str, side: int, position: int, body: bytes) -> bytes:
    """The item's JSON."""
    return sealer.open("items", row_of(response_id, side, position), "body", body)


def items_of(chosen: Select[Any]) -> CompoundSelect[Any]:
    """All items of the responses that ``chosen`` (of id, input_of) selects; for `nodes`.

    A regenerated response reads the input of the first one, which may be a tombstone by now.
    """
    some = chosen.cte("chosen")

    def side(number: int, holder: str) -> Select[Any]:
        at = and_(
            items.c.response_id == some.c[holder],
            items.c.side == literal_column(str(number)),
        )
        return select(
            some.c.id, items.c.response_id, items.c.side, items.c.position, items.c.body
        ).select_from(some.join(items, at))

    return union_all(side(INPUT, "input_of"), side(OUTPUT, "id"))


def nodes(rows: Sequence[Record], item_rows: Rows, sealer: Sealer) -> list[Node]:
    """Responses with their items, in the order of ``rows``."""
    content: dict[tuple[str, int], list[tuple[int, Item]]] = defaultdict(list)
    for response_id, holder, side, position, body in item_rows:
        item = open_item(sealer, holder, side, position, body=body)
        content[response_id, side].append((position, item))

    def of(response_id: str, side: int) -> tuple[Item, ...]:
        found = sorted(content.get((response_id, side), ()), key=lambda pair: pair[0])
        return tuple(item for _, item in found)

    return [Node(opened(r, sealer), of(r.id, INPUT), of(r.id, OUTPUT)) for r in rows]
