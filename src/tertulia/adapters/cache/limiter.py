"""Rate limits within one process.

The generic cell rate algorithm (ITU-T I.371; https://brandur.org/rate-limiting): one number per
key says when its uses so far are paid for, at one per ``seconds / limit``. A rested key may be used
``limit`` times at once. Ours, because throttled-py ties a limiter to one quota of whole seconds,
cannot forget a key and reads its own clock; it serves where Redis keeps the count.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

#: Rounding, in seconds, that must not cost the last use of a burst.
_GRAIN: Final = 1e-9


class MemoryLimiter:
    """A `Limiter`. When ``max_keys`` are full, the longest unused one is forgotten."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, max_keys: int = 100_000
    ) -> None:
        self._clock = clock
        self._max_keys = max_keys
        #: When each key is at rest again; in the order of use.
        self._rested: dict[str, float] = {}

    async def hit(self, key: str, *, limit: int, seconds: float) -> float:
        now = self._clock()
        # A limit that was lowered may find more owed than it allows: never more than a period.
        rested = min(max(self._rested.pop(key, now), now), now + seconds)
        wait = rested + seconds / limit - seconds - now
        allowed = wait <= _GRAIN
        self._rested[key] = rested + seconds / limit if allowed else rested
        if len(self._rested) > self._max_keys:
            del self._rested[next(iter(self._rested))]
        return 0.0 if allowed else wait

    async def reset(self, key: str) -> None:
        self._rested.pop(key, None)
