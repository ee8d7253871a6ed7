"""Makes many accounts as the product's own commands make them, in one process.

    python -m benchmarks.accounts DATA NUMBER FILE

What ``tertulia user create`` and ``tertulia key create`` do, over the settings of the environment;
the keys are written to FILE, one a line. A process for each would take a second a user.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tertulia.accounts import AccountService
from tertulia.adapters.cache.limiter import MemoryLimiter
from tertulia.bootstrap.storage import storage
from tertulia.settings import load

PASSWORD = "correct horse battery staple"


async def make(data: Path, number: int) -> list[str]:
    """The API keys of so many new users."""
    settings = load(data=data)
    keys = []
    async with storage(settings, exclusive=False) as kept:
        accounts = AccountService(
            kept.store, MemoryLimiter(), secret=kept.secret, settings=settings
        )
        for index in range(number):
            email = f"user{index}@example.org"
            user = await accounts.create_user(email, PASSWORD)
            keys.append((await accounts.create_key(user.id, "bench"))[1])
        accounts.close()
    return keys


if __name__ == "__main__":
    folder, count, file = sys.argv[1:]
    Path(file).write_text("\n".join(asyncio.run(make(Path(folder), int(count)))))
