"""Two API nodes and two workers as real processes, with a link of ours on each way they talk."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from tests.e2e.server import Server
from tests.faults.link import Link
from tests.faults.schedule import SERVICES
from tests.faults.services import Services

#: Where `tests` can be imported from.
ROOT: Final = Path(__file__).resolve().parents[2]

Role = Literal["api", "worker"]


def settings(lease: float, waiting: float, running: float) -> dict[str, str]:
    """Alike on all nodes, in seconds; what is not named here is as shipped."""
    return {
        "TERTULIA_SECRET": "a secret that all nodes of the tests share",
        "TERTULIA_REGISTRATION": "open",
        "TERTULIA_PASSWORDS__TIME_COST": "1",
        "TERTULIA_PASSWORDS__MEMORY_KIB": "8",
        "TERTULIA_PASSWORDS__PARALLELISM": "1",
        "TERTULIA_TOKENS__ACCESS_SECONDS": "86400",
        "TERTULIA_EMBEDDING": "none",
        "TERTULIA_TURNS__LEASE_SECONDS": f"{lease:g}",
        "TERTULIA_TURNS__RENEW_SECONDS": f"{lease / 4:g}",
        "TERTULIA_TURNS__SWEEP_SECONDS": f"{min(2.0, lease / 4):g}",
        "TERTULIA_TURNS__RING_AGAIN_SECONDS": f"{max(2.0, lease / 2):g}",
        "TERTULIA_TURNS__WAITING_SECONDS": f"{waiting:g}",
        "TERTULIA_TURNS__RUNNING_SECONDS": f"{running:g}",
        "TERTULIA_TURNS__READER_RECHECK_SECONDS": "1",
        "TERTULIA_TURNS__GRACE_SECONDS": "2",
        "TERTULIA_LIMITS__REQUESTS_PER_MINUTE": "100000",
        "TERTULIA_LIMITS__REQUESTS_PER_MINUTE_IP": "1000000",
        "TERTULIA_LIMITS__CONNECTIONS_PER_USER": "1000",
    }


class Node(Server):
    """One process of the cluster; it may be killed, paused and started again."""

    def __init__(
        self,
        role: Role,
        name: str,
        folder: Path,
        links: dict[str, Link],
        environment: dict[str, str],
        mutation: str | None,
    ) -> None:
        # For mutants, which are modules of the tests.
        path = os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", ""))).rstrip(os.pathsep)
        program = ("tests.faults.mutant", mutation) if mutation else ("tertulia",)
        super().__init__(
            folder / name,
            environment={**environment, "PYTHONPATH": path},
            command=(sys.executable, "-m", *program),
            role=role,
        )
        self.role = role
        self.name = name
        self.links = links
        #: Whether it is meant to run.
        self.wanted = False
        self._read = 0
        self._calls: dict[tuple[str, int], dict[str, Any]] = {}
        self._numbers: dict[int, tuple[str, int]] = {}

    async def up(self) -> None:
        """Start it, and return when it is ready."""
        self.wanted = True
        await asyncio.to_thread(self.start)

    async def down(self, kind: signal.Signals = signal.SIGTERM) -> None:
        """End it, by being asked or killed."""
        self.wanted = False
        await asyncio.to_thread(self.kill if kind is signal.SIGKILL else self.stop)

    def send(self, kind: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(kind)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def level(self) -> tuple[int, float]:
        """Open files, and memory in MiB."""
        assert self.process is not None
        folder = Path("/proc") / str(self.process.pid)
        files = len(list((folder / "fd").iterdir()))
        pages = int((folder / "statm").read_text().split()[1])
        return files, pages * 4096 / 2**20

    def calls(self) -> dict[tuple[str, int], dict[str, Any]]:
        """What its scripted model has written by now, by response and attempt."""
        path = self.data / "scripted-calls.jsonl"
        if not path.exists():
            return self._calls
        with path.open("rb") as file:
            file.seek(self._read)
            lines = file.read()
        whole = lines.rpartition(b"\n")[0]
        self._read += len(whole) + 1 if whole else 0
        for line in whole.splitlines():
            entry = json.loads(line)
            if "model" in entry:
                key = (entry["response_id"], entry["attempt"])
                self._numbers[entry["number"]] = key
                self._calls[key] = entry
            elif entry["number"] in self._numbers:
                self._calls[self._numbers[entry["number"]]].update(entry)
        return self._calls

    def bugs(self) -> list[str]:
        """Lines of its log that tell of one."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                # Not one of our lines: what Python itself says when something is amiss.
                entry = {"event": line, "level": "error"}
            if entry.get("level") in ("error", "critical") and not _is_late(entry):
                found.append(f"{self.name} says: {json.dumps(entry)[:400]}")
        return found


def _is_late(entry: dict[str, Any]) -> bool:
    """What a node writes that was asked to end, on a machine too busy for its connections to take
    their leave in time."""
    told = str(entry.get("event")).startswith("Cancel %s running task(s)")
    cut = "CancelledError" in str(entry.get("fault"))
    return entry.get("logger") == "uvicorn.error" and (told or cut)


@dataclass
class Cluster:
    services: Services
    apis: list[Node]
    workers: list[Node]
    #: Before each API node, for clients that read slowly.
    slow: list[Link]
    #: The folder that the nodes keep the users' keys in.
    keys: Path

    @property
    def nodes(self) -> Sequence[Node]:
        return (*self.apis, *self.workers)

    def worker_at(self, response_id: str) -> Node | None:
        """Who is at this response, in its newest attempt."""
        found = [
            (attempt, node)
            for node in self.workers
            for (one, attempt), call in node.calls().items()
            if one == response_id and call.get("ended") is None
        ]
        return max(found, key=lambda pair: pair[0])[1] if found else None

    def bugs(self) -> list[str]:
        ended = [
            f"{node.name} has ended by itself"
            for node in self.nodes
            if node.wanted and not node.alive
        ]
        return ended + [line for node in self.nodes for line in node.bugs()]


@asynccontextmanager
async def cluster(
    services: Services,
    folder: Path,
    own: dict[str, str],
    *,
    mutation: str | None = None,
) -> AsyncIterator[Cluster]:
    """Started, and ended with everything in it. ``own``: settings of its nodes beside the URLs.
    ``mutation``: see `tests.faults.mutant`."""
    async with AsyncExitStack() as stack:
        keys = folder / "keys"
        keys.mkdir()

        async def linked(service: str) -> Link:
            if service == "queue" and services.kafka_link is not None:
                return services.kafka_link
            link = await Link(services.upstream(service)).start()
            stack.push_async_callback(link.stop)
            return link

        async def node(role: Role, number: int) -> Node:
            links = {service: await linked(service) for service in SERVICES}
            urls = {name: services.url(name, link.port) for name, link in links.items()}
            environment = {
                **own,
                "TERTULIA_STORE": urls["store"],
                "TERTULIA_QUEUE": urls["queue"],
                "TERTULIA_EVENTLOG": urls["log"],
                "TERTULIA_CACHE": urls["log"],
                "TERTULIA_KEYS": f"file:{keys}",
            }
            made = Node(role, f"{role}-{number}", folder, links, environment, mutation)
            stack.push_async_callback(_end, made)
            return made

        apis = [await node("api", number) for number in (1, 2)]
        workers = [await node("worker", number) for number in (1, 2)]
        await asyncio.gather(*(node.up() for node in (*apis, *workers)))
        slow = []
        for api in apis:
            link = await Link(lambda port=api.port: port).start()  # type: ignore[misc]
            link.dribble(1024)
            stack.push_async_callback(link.stop)
            slow.append(link)
        yield Cluster(services, apis, workers, slow, keys)


async def _end(node: Node) -> None:
    if node.alive:
        node.send(signal.SIGCONT)
        await node.down(signal.SIGKILL)
