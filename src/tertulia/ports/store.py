"""The store: the one truth, in five parts that share one database."""

from __future__ import annotations

from typing import Protocol

from tertulia.ports.accounts import Accounts
from tertulia.ports.conversations import Conversations
from tertulia.ports.files import Files
from tertulia.ports.removals import Removals
from tertulia.ports.turns import Turns


class Store(Turns, Conversations, Accounts, Files, Removals, Protocol):
    """A database that holds it all."""

    async def start(self) -> None:
        """Open; checks the schema's version.

        Raises:
            DataFolderError: in use, read-only, full, or written by a newer version.
            Unavailable: not to be reached.
        """
        ...

    async def ping(self) -> None:
        """Raises `Unavailable` unless a write could be made now."""
        ...

    async def close(self) -> None:
        """Finish what was begun, then close."""
        ...
