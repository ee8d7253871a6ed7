"""Hints from node to node: that something has changed, never what.

Best effort: a hint may be lost, come twice or late. Whoever acts on hints also looks by itself
now and then, so a lost one costs time and no more. They carry ids only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

#: A user's feed has grown; the id is the user's.
FEED: Final = "feed"
#: A login or key of a user has ended, what they may do has changed, or they were removed; the
#: user's id.
SIGN_INS: Final = "sign-ins"
#: A response was asked to be cancelled; the response's id.
CANCEL: Final = "cancel"
#: Somebody types: user, conversation and the connection it came by, with a slash between.
TYPING: Final = "typing"


class Bus(Protocol):
    def publish(self, kind: str, identifier: str) -> None:
        """Tell every listener of every node, those of this one before it returns. To be called on
        the event loop; never blocks and never fails. ``kind`` and ``identifier`` are words of
        visible ASCII."""
        ...

    def listen(
        self, hear: Callable[[str, str], None], missed: Callable[[], None]
    ) -> Callable[[], None]:
        """``hear`` is called with kind and id of each hint, ``missed`` when hints may have been
        lost, so that everything is to be looked at again; both on the event loop, and neither
        may block or raise. Gives what ends it."""
        ...

    async def close(self) -> None: ...
