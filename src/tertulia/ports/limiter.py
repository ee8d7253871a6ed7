"""Rate limits, in the cache: losing them loosens, never locks out."""

from __future__ import annotations

from typing import Protocol


class Limiter(Protocol):
    async def hit(self, key: str, *, limit: int, seconds: float) -> float:
        """Count one use of ``key``. 0 when within ``limit`` per ``seconds``, else the seconds to
        wait before the next is allowed (the use was not counted)."""
        ...

    async def reset(self, key: str) -> None:
        """Forget the uses of ``key``."""
        ...
