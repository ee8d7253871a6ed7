"""One append to the Redis event log: what is sent, and what the reply means."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from tertulia.adapters.eventlog.admit import gone
from tertulia.adapters.eventlog.redis_reads import Place
from tertulia.adapters.eventlog.redis_scripts import ENDED, FENCED, FULL, GAP, GONE
from tertulia.adapters.redis.wire import Arg
from tertulia.adapters.store.scripts.sealer import Sealer
from tertulia.domain.frame import Frame, follows, pack
from tertulia.errors import Fenced, TertuliaError, TooLarge, Unavailable
from tertulia.ports.eventlog import Appended

#: Responses whose last acknowledged number is remembered.
_REMEMBERED: Final = 20_000


class Append:
    __slots__ = ("_runs", "attempt", "broken", "frames", "place")

    def __init__(self, place: Place, attempt: int, frames: Sequence[Frame]) -> None:
        self.place = place
        self.attempt = attempt
        self.frames = frames
        #: Why they cannot be appended as one, if so.
        self.broken: Unavailable | None = None
        #: First and last number of each run without a step.
        self._runs: list[int] = [frames[0].sequence_number]
        last = frames[0].sequence_number
        for frame in frames[1:]:
            number = frame.sequence_number
            if not follows(last, frame):
                self.broken = Unavailable(
                    f"frame {number} of {place.response_id} does not follow frame {last}"
                )
            if number != last + 1:
                self._runs += (last, number)
            last = number
        self._runs.append(last)

    @property
    def ends(self) -> bool:
        return self.frames[-1].terminal

    def args(self, sealer: Sealer, *, max_bytes: int, lives: int, node: bytes) -> list[Arg]:
        """See `redis_scripts`. What ends an answer is always taken, whatever its size."""
        first, last = self.frames[0], self.frames[-1]
        number = first.sequence_number
        capped = any(frame.kind.endswith(".delta") for frame in self.frames)
        args: list[Arg] = [
            2,
            *self.place.keys,
            sealer.user_id,
            self.attempt,
            number,
            number - 1 if first.continues is None else first.continues,
            last.sequence_number,
            int(follows(None, first)),
            int(last.terminal),
            max_bytes if capped else 0,
            lives,
            node,
            self.place.seal(sealer, last.sequence_number, pack(self.frames)),
            self.place.channel,
        ]
        if len(self._runs) > 2:
            args += self._runs
        return args


def outcome(append: Append, reply: Any, acknowledged: int | None) -> Appended | TertuliaError:
    """``acknowledged``: the last number that Redis was known to hold."""
    if isinstance(reply, TertuliaError):
        return reply
    if isinstance(reply, int):
        return Appended(reply == 1)
    word, response_id = reply[0], append.place.response_id
    if word == GONE:
        return gone(response_id)
    if word == FENCED:
        return Fenced(f"attempt {reply[1]} has taken {response_id} over from {append.attempt}")
    if word == ENDED:
        return Fenced(f"the log of {response_id} has ended with frame {reply[1]}", code="log_ended")
    if word == FULL:
        return TooLarge(f"the answer {response_id} has outgrown what its log may hold")
    assert word == GAP
    held, first = reply[1], append.frames[0].sequence_number
    if acknowledged is not None and held < acknowledged:
        # It had more once: what was lost has to be sent again, not only what waits.
        return gone(response_id)
    return Unavailable(f"frame {first} of {response_id} does not follow frame {held}")


class Acknowledged:
    """The last number that each log was known to hold, where this node writes it."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, int] = OrderedDict()

    def last(self, response_id: str) -> int | None:
        return self._last.get(response_id)

    def begin(self, response_id: str, last: int | None) -> None:
        """It was opened, and holds this."""
        self._last.pop(response_id, None)
        if last is not None:
            self._last[response_id] = last
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)

    def extend(self, response_id: str, frame: Frame) -> None:
        if frame.terminal:
            self._last.pop(response_id, None)
        else:
            self._last[response_id] = max(
                frame.sequence_number, self._last.get(response_id, frame.sequence_number)
            )
            if len(self._last) > _REMEMBERED:
                self._last.popitem(last=False)

    def forget(self, response_id: str) -> None:
        self._last.pop(response_id, None)
