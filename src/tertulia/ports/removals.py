"""The store's part for removing a user for good. Same guarantees as :mod:`.turns`.

In steps, each of which may be made again by whoever finds it undone, on any node: `begin_removal`,
`destroy_keys`, then `left_of` and `erase_left` until nothing is left, then `end_removal`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Removals(Protocol):
    async def begin_removal(self, user_id: str) -> Sequence[str] | None:
        """One transaction, after which there is no such user: logins and API keys are gone, the
        address is free, every response has ended, and nothing new of theirs can be written. Gives
        the responses that workers were at; None: there is no such user."""
        ...

    async def removals(self) -> Sequence[str]:
        """Users whose removal has begun and not ended, the first to begin first."""
        ...

    async def destroy_keys(self, user_id: str) -> None:
        """See `Keys.destroy`: what the user's rows, logs and all backups of them hold is noise
        from now on.

        Raises:
            Unavailable: what keeps the keys does not answer.
        """
        ...

    async def left_of(self, user_id: str) -> Sequence[str]:
        """Some of the responses whose rows are still there; none when there are no more. Their
        logs, wherever they are, are dropped before `erase_left`: then nobody knows their names."""
        ...

    async def erase_left(self, response_ids: Sequence[str]) -> None:
        """Erase rows, items, attempts and usage of what `left_of` gave."""
        ...

    async def end_removal(self, user_id: str) -> None:
        """Erase all else of the user in small transactions, and last of all that the removal has
        begun."""
        ...
