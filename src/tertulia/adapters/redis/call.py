"""A command under way, and what an error that Redis answers means to us."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final

from tertulia.adapters.redis.wire import Arg, pack
from tertulia.errors import TertuliaError, Unavailable

#: Times that a command follows a slot to where it has moved to.
MOST_REDIRECTS: Final = 5
#: Code of the error of a user who lacks a permission.
NOT_PERMITTED: Final = "not_permitted"
#: Code of the error of a command whose keys are on the way to another server.
ON_THE_WAY: Final = "keys_on_the_way"


class Script:
    """A Lua script. Sent by its hash; a server that does not know it is given the text.

    Not a function library: those need the right to load one, on every primary, and two releases
    that run side by side during an upgrade would have to agree on its name and version.
    """

    __slots__ = ("sha", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Call:
    """``done`` is called once, with the reply or with a `TertuliaError`; it must not raise."""

    __slots__ = ("_rest", "_script", "asking", "done", "packed", "redirects", "slot")

    def __init__(
        self, slot: int, done: Callable[[Any], None], args: Sequence[Arg], script: Script | None
    ) -> None:
        self.slot = slot
        self.done = done
        #: To be sent right behind ASKING.
        self.asking = False
        self.redirects = 0
        self._script = script
        self._rest = args if script is not None else ()
        self.packed = pack(["EVALSHA", script.sha, *args] if script is not None else args)

    def with_text(self) -> bool:
        """Send the script itself; False: that has been tried."""
        script, self._script = self._script, None
        if script is None:
            return False
        self.packed = pack(["EVAL", script.text, *self._rest])
        return True


def into(future: asyncio.Future[Any]) -> Callable[[Any], None]:
    """A `Call.done` that lets a future know."""

    def done(reply: Any) -> None:
        if future.done():
            return
        if isinstance(reply, TertuliaError):
            future.set_exception(reply)
        else:
            future.set_result(reply)

    return done


def innermost(said: str) -> str:
    """The error itself: up to Redis 6.2 one within a script stands at the end of another."""
    if said.startswith("ERR Error running script"):
        return said.rpartition(": -")[2]
    return said


def meaning(setting: str, said: str) -> Unavailable:
    """Never the text itself: it may repeat arguments."""
    code = said.partition(" ")[0]
    if code == "NOPERM":
        return Unavailable(
            f"{setting}: the user of the URL may not do what is needed: let it use the keys and "
            "channels that begin with the prefix, and the commands +@all -@admin -@dangerous",
            code=NOT_PERMITTED,
        )
    if code == "TRYAGAIN":
        return Unavailable(f"{setting}: a slot of the cluster is being moved", code=ON_THE_WAY)
    reason = {
        "OOM": "is full (maxmemory); its writes are refused",
        "READONLY": "has become a replica",
        "MISCONF": "cannot write its disk, and therefore refuses writes",
        "NOREPLICAS": "has too few replicas at hand to take writes",
        "CLUSTERDOWN": "cannot serve: its cluster is down",
        "LOADING": "is still loading",
        "BUSY": "is busy with a script",
    }.get(code, f"answered {code}")
    return Unavailable(f"{setting}: Redis {reason}")
