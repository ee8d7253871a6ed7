"""Jobs of the SQLite engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tertulia.adapters.store.statement import Script


@dataclass(slots=True, eq=False)
class Job:
    """A script to run, and whom to tell; the fields are those of `Engine.write`."""

    make: Callable[[], Script[Any]]
    future: asyncio.Future[Any]
    durable: bool = False
    on_commit: Callable[[Any], None] | None = None
    overtakes: bool = False
    heavy: bool = False
    #: What became of it: these are set by whoever runs it.
    value: Any = None
    error: Exception | None = None


def settle(jobs: Iterable[Job], loop: asyncio.AbstractEventLoop) -> None:
    """Tell of jobs, in this order; to be called on the loop."""
    for job in jobs:
        if job.error is None and job.on_commit is not None:
            try:
                job.on_commit(job.value)
            except Exception as error:  # noqa: BLE001
                # It has been committed all the same, and the others must be told.
                loop.call_exception_handler({"message": "on_commit raised", "exception": error})
        if job.future.done():
            continue
        if job.error is None:
            job.future.set_result(job.value)
        else:
            job.future.set_exception(job.error)
