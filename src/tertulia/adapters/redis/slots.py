"""Which slot of a cluster a key belongs to, and who serves it."""

from __future__ import annotations

import binascii
from typing import Any, Final

from tertulia.adapters.redis.address import Place

SLOTS: Final = 16_384


def slot_of(key: str) -> int:
    """As the cluster specification says: of what is in the first braces, if there is anything."""
    start = key.find("{")
    if start >= 0:
        end = key.find("}", start + 1)
        if end > start + 1:
            key = key[start + 1 : end]
    return binascii.crc_hqx(key.encode(), 0) % SLOTS


def read_slots(reply: Any, asked: Place) -> list[Place | None]:
    """The primary of each slot, from the reply to CLUSTER SLOTS; None: nobody serves it.

    Raises:
        ValueError: that is no such reply.
    """
    places: list[Place | None] = [None] * SLOTS
    try:
        for first, last, primary, *_ in reply:
            # A node that does not know its own name means the one that was asked for.
            host = bytes(primary[0] or b"").decode() or asked[0]
            place = (host, int(primary[1]))
            places[first : last + 1] = [place] * (last + 1 - first)
    except (TypeError, ValueError, IndexError) as error:
        raise ValueError("not the reply to CLUSTER SLOTS") from error
    return places


def read_redirect(said: str, asked: Place) -> tuple[int, Place] | None:
    """Slot and place out of ``MOVED 3999 127.0.0.1:6381``; None: it is another error."""
    words = said.split(" ")
    if len(words) < 3 or words[0] not in {"MOVED", "ASK"}:
        return None
    host, _, port = words[2].rpartition(":")
    return int(words[1]), (host or asked[0], int(port))
