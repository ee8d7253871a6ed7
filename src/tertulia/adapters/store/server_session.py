"""What database servers differ in: their connections, and what their errors mean."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple, Protocol

from tertulia.adapters.store.pool import Link
from tertulia.adapters.store.statement import Params, Rows, Statement
from tertulia.errors import TertuliaError


class What(Enum):
    """What an error leaves to be done."""

    #: Undone for the sake of another transaction, or because another was quicker: run it again.
    AGAIN = auto()
    #: The connection is gone, and what was not committed with it.
    LOST = auto()
    #: It would fail again.
    REFUSED = auto()


class Meaning(NamedTuple):
    what: What
    #: For the caller, should it not succeed later. Never holds what the driver said: that may
    #: quote values.
    error: TertuliaError


class Session(Link, Protocol):
    """One connection, used for one thing at a time. Raises the driver's errors."""

    #: Set by the engine: a loss now leaves unknown what has happened.
    committing: bool

    async def begin(self, *, durable: bool) -> None: ...

    async def begin_reading(self) -> None:
        """All that is read from here on is of one moment."""
        ...

    async def execute(self, statement: Statement, params: Params) -> Rows: ...

    async def commit(self) -> None: ...

    async def roll_back(self) -> None:
        """Harmless when nothing was begun."""
        ...

    async def fetch(self, sql: str) -> Rows:
        """Run a statement that has no parameters."""
        ...

    async def time(self) -> float:
        """The server's clock, in Unix seconds."""
        ...

    async def version(self) -> str | None:
        """Of the schema; None: there is none."""
        ...

    async def read_only(self) -> bool: ...


class Database(Protocol):
    """One database on a server."""

    #: For messages: kind, host and database; no user, no password.
    name: str
    #: What the driver raises; no other error of it is met.
    errors: tuple[type[Exception], ...]
    #: Whether one statement may be run without a transaction around it.
    single_reads: bool

    async def connect(self, *, reading: bool) -> Session: ...

    def meaning(self, error: Exception) -> Meaning: ...
