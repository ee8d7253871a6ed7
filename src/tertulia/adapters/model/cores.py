"""How many threads a model should compute with on this machine."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def default_threads(cpus: Path = _CPUS, quota: Path = _QUOTA) -> int:
    """One for each physical core that this process may use, at least two where it can.

    Hyper-threads share the arithmetic units that matrix products are bound by, and more threads
    than a container's quota allows wait for each other at every layer.
    """
    if hasattr(os, "sched_getaffinity"):
        usable = os.sched_getaffinity(0)
    else:
        usable = set(range(os.cpu_count() or 1))
    siblings = {_siblings(cpus, cpu) for cpu in usable}
    count = max(len(siblings), min(2, len(usable)))
    return max(1, min(count, _allowed(quota)))


def _siblings(cpus: Path, cpu: int) -> str:
    try:
        return (cpus / f"cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)


def _allowed(quota: Path) -> int:
    try:
        limit, period = quota.read_text().split()
        return math.ceil(int(limit) / int(period))
    except (OSError, ValueError):
        return os.cpu_count() or 1
