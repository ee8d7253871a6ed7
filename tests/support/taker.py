"""A process that takes one ring, says so, and does no more, until it is killed.

Its arguments: URL, deployment, and the tuning and options as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

from tertulia.adapters.queue.broker import Tuning
from tertulia.adapters.queue.opening import open_queue


async def main(url: str, deployment: str, tuning: str, options: str) -> None:
    queue = await open_queue(
        url, deployment, tuning=Tuning(**json.loads(tuning)), **json.loads(options)
    )
    doorbell = await queue.take()
    print(doorbell.response_id, flush=True)
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
