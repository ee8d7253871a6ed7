"""The long form: ``python -m tests.faults``, as `make faults` runs it.

Each kind of queue is tried for some minutes, in rounds: every round has a seed, and a cluster, of
its own. The last round of each kind has leases as they are shipped, and waits as long for them.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, get_args

from tests.faults.report import PAGE, Round, round_of, told, written
from tests.faults.scenario import LONG_SCALE, SHORT_SCALE, Scale, run
from tests.faults.schedule import KINDS, Kind, StoreKind, endless
from tests.faults.services import services, store_server
from tests.support.services.rabbitmq import running_rabbitmq

#: Seconds of one round, as long as no more than a round is left.
ROUND: Final = 150.0


def main(words: Sequence[str] | None = None) -> int:
    """Exit status 0: nothing was violated."""
    asked = _parser().parse_args(words)
    # Services that do not run as root look for what is theirs below.
    folder = Path(tempfile.mkdtemp(prefix="tertulia-faults-"))
    folder.chmod(0o755)
    print(f"logs: {folder}", flush=True)
    violated = False
    for kind in asked.kind or KINDS:
        rounds = _tried(kind, asked.store, asked.minutes * 60, asked.seed, folder)
        violated = violated or any(one.violated for one in rounds)
        if asked.write_docs:
            PAGE.write_text(written(kind, rounds, PAGE.read_text()))
    return int(violated)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kind", action="append", choices=KINDS, help="again for several")
    parser.add_argument("--minutes", type=float, default=10.0, help="of each kind")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; then the next")
    parser.add_argument("--store", choices=get_args(StoreKind), default="postgresql")
    parser.add_argument("--write-docs", action="store_true", help="put the report into the docs")
    return parser


def _tried(
    kind: Kind, store_kind: StoreKind, seconds: float, seed: int, folder: Path
) -> list[Round]:
    rounds: list[Round] = []
    left = seconds
    while left > 1:
        # As shipped where there is time for it; the last one, since its faults take longest.
        last = left <= ROUND
        scale = LONG_SCALE if last and seconds >= ROUND else SHORT_SCALE
        place = folder / f"{kind}-{seed}"
        place.mkdir()
        rounds.append(_round(kind, store_kind, min(left, ROUND), seed, scale, place))
        print(f"{kind}: {told(rounds[-1])}", flush=True)
        for name, words in rounds[-1].violated.items():
            print(*(f"  {name}: {each}" for each in words[:20]), sep="\n", flush=True)
        left -= ROUND
        seed += 1
    return rounds


def _round(
    kind: Kind, store_kind: StoreKind, seconds: float, seed: int, scale: Scale, folder: Path
) -> Round:
    with ExitStack() as stack:
        store = stack.enter_context(store_server(store_kind))
        rabbit = stack.enter_context(running_rabbitmq()) if kind == "amqp" else None

        async def once() -> Round:
            async with services(kind, folder, store=store, rabbit=rabbit) as parts:
                actions = endless(seed, kind, store=store_kind)
                history = await run(parts, folder, actions, seed=seed, scale=scale, seconds=seconds)
                return round_of(history, seed, store_kind, scale.lease, seconds)

        return asyncio.run(once())


if __name__ == "__main__":
    sys.exit(main())
