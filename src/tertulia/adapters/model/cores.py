"""How many threads a model should compute with on this machine."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def default_threads(cpus: Path = _CPUS, quota: Path = _QUOTA) -> int:
    """One for each physical core that this process may use, but one core is left to others.

    Hyper-threads share the arithmetic units that matrix products are bound by. llama.cpp's
    threads wait for each other at every layer, spinning: where the server, the browser or
    anything else takes one of their cores away, all of them stand still. On two busy cores two
    threads were measured at 3 tokens a second, and one at 20; on two idle ones at 90 and 55.
    """
    if hasattr(os, "sched_getaffinity"):
        usable = os.sched_getaffinity(0)
    else:
        usable = set(range(os.cpu_count() or 1))
    cores = {_siblings(cpus, cpu) for cpu in usable}
    return int(max(1, min(len(cores), _allowed(quota)) - 1))


def _siblings(cpus: Path, cpu: int) -> str:
    try:
        return (cpus / f"cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)


def _allowed(quota: Path) -> float:
    """CPUs that a container's quota comes to; infinite without one."""
    try:
        limit, period = quota.read_text().split()
        return math.ceil(int(limit) / int(period))
    except (OSError, ValueError):
        return math.inf
