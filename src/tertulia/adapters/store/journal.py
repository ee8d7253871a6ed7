"""How the store writes frames in its own transactions, when the log lies in the same database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tertulia.adapters.store.statement import Script
from tertulia.domain.frame import Frame
from tertulia.ports.keys import UserKeys


def _nobody(_error: BaseException | None) -> None:
    return


@dataclass(frozen=True, slots=True)
class Unwritten:
    """Appends that were asked for and not begun."""

    frames: tuple[Frame, ...] = ()
    #: Tells those who asked: that all is written, or why not.
    settle: Callable[[BaseException | None], None] = _nobody


class Journal(Protocol):
    def take_back(self, response_id: str, attempt: int) -> Unwritten:
        """What this attempt has asked for in this moment of the event loop, to be written by a
        transaction of the caller's. What was asked for before comes before that transaction."""
        ...

    def append_script(
        self,
        keys: UserKeys,
        user_id: str,
        response_id: str,
        attempt: int,
        frames: Sequence[Frame],
    ) -> Script[Sequence[Frame]]:
        """Append as `EventLog.append` does, within the caller's transaction; frames that begin
        a log begin it. Gives those that were new. A log that is gone stays gone: the row that
        ends the response must not fail because its stream has been erased.

        Raises:
            Fenced, Unavailable: as `EventLog.append`.
        """
        ...

    def begin_script(
        self, keys: UserKeys, user_id: str, response_id: str, frames: Sequence[Frame]
    ) -> Script[None]:
        """Begin the log of a response that is being made in the same transaction."""
        ...

    def go_on_script(
        self,
        keys: UserKeys,
        user_id: str,
        response_id: str,
        attempt: int,
        frames: Sequence[Frame],
    ) -> Script[bool]:
        """Append to a log that this attempt has open, and that ends just before ``frames``.
        False: it is otherwise, and nothing was written."""
        ...

    def published(
        self, response_id: str, frames: Sequence[Frame], user_id: str | None = None
    ) -> None:
        """Show them to the readers; to be called from ``on_commit`` of that transaction.
        ``user_id``: whose they are; known, the first reader need not ask the database."""
        ...
