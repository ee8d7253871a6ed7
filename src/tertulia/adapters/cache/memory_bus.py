"""Hints within one process."""

from __future__ import annotations

from collections.abc import Callable


class Listeners:
    """Those who listen on one node."""

    def __init__(self) -> None:
        #: In the order in which they came; each under what it is ended by.
        self._of: dict[object, tuple[Callable[[str, str], None], Callable[[], None]]] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def add(
        self, hear: Callable[[str, str], None], missed: Callable[[], None]
    ) -> Callable[[], None]:
        token = object()
        self._of[token] = hear, missed

        def end() -> None:
            self._of.pop(token, None)

        return end

    def hear(self, kind: str, identifier: str) -> None:
        for hear, _ in tuple(self._of.values()):
            hear(kind, identifier)

    def missed(self) -> None:
        for _, missed in tuple(self._of.values()):
            missed()


class MemoryBus:
    """A `Bus` of one node, which misses nothing."""

    def __init__(self) -> None:
        self._listeners = Listeners()

    def publish(self, kind: str, identifier: str) -> None:
        self._listeners.hear(kind, identifier)

    def listen(
        self, hear: Callable[[str, str], None], missed: Callable[[], None]
    ) -> Callable[[], None]:
        return self._listeners.add(hear, missed)

    async def close(self) -> None:
        """Nothing is held."""
