"""``process_*``: what the system knows of this process, under the names that all exporters use."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from tertulia.telemetry.metrics import Instrument

_OWN = Path("/proc/self")
#: Unix seconds; this is loaded in the process's first moments.
_BEGUN = time.time()


class Reading(Instrument):
    """A number that is asked for at each look, and left out where the system does not tell it."""

    def __init__(self, name: str, help: str, kind: str, read: Callable[[], float]) -> None:  # noqa: A002
        super().__init__(name, help)
        self.kind = kind  # type: ignore[misc]
        self._read = read

    def lines(self) -> Iterator[str]:
        with suppress(OSError):
            yield f"{self.name} {self._read()}"


def _cpu() -> float:
    spent = os.times()
    return round(spent.user + spent.system, 3)


def _resident() -> float:
    return int((_OWN / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _open_files() -> float:
    return sum(1 for _ in os.scandir(_OWN / "fd"))


def _most_files() -> float:
    # Not to be had on Windows, and then it is said in the way of what Linux alone has.
    try:
        import resource
    except ImportError as error:
        raise OSError from error
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


READINGS: Sequence[Reading] = (
    Reading("process_cpu_seconds_total", "CPU time spent, in seconds.", "counter", _cpu),
    Reading("process_resident_memory_bytes", "Memory held, in bytes.", "gauge", _resident),
    Reading("process_open_fds", "Files and sockets that are open.", "gauge", _open_files),
    Reading("process_max_fds", "How many may be open.", "gauge", _most_files),
    Reading(
        "process_start_time_seconds", "When it began, in Unix seconds.", "gauge", lambda: _BEGUN
    ),
)
