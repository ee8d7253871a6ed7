"""The product as many processes: API nodes and workers over PostgreSQL, Redis and RabbitMQ."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import Group, Process, environment, free_port
from benchmarks.services import Services
from benchmarks.systems import HOST, QUICK_PASSWORDS, Bench, Server, Wanted


@dataclass(slots=True, kw_only=True)
class Cluster(Bench):
    """A `Bench` whose product is ``Wanted.nodes`` of each: ``tertulia api``, ``tertulia worker``.
    All runs have the same accounts, keys and deployment id, and a database each."""

    services: Services
    _database: str = ""
    _secret: str = field(default_factory=lambda: os.urandom(32).hex())

    def _product(self, folder: Path, wanted: Wanted) -> Server:
        database = self.services.postgres.database(self._filled_database())
        changes = self._places(database) | self.settings(wanted)
        processes: list[Process] = []
        group = Group(processes)
        kinds: dict[str, list[Process]] = {"api": [], "worker": []}
        ports: dict[str, list[int]] = {"api": [], "worker": []}
        try:
            for kind, nodes in kinds.items():
                for _ in range(wanted.nodes):
                    port = free_port()
                    process = self._node(kind, port, folder, changes)
                    processes.append(process)
                    nodes.append(process)
                    ports[kind].append(port)
            for process, port in zip(processes, ports["api"] + ports["worker"], strict=True):
                process.until(f"http://{HOST}:{port}/readyz")
        except RuntimeError:
            group.stop()
            raise
        parts = {kind: Group(nodes).cpu for kind, nodes in kinds.items()}
        return Server(
            "product",
            group,
            ports["api"],
            self._keys,
            folder,
            parts=parts,
            services=self.services.meters,
            processes={kind: nodes[0] for kind, nodes in kinds.items()},
        )

    def _node(self, kind: str, port: int, folder: Path, changes: dict[str, str]) -> Process:
        return Process(
            *(sys.executable, "-m", "tertulia", kind, "--port", str(port)),
            *("--data", str(folder / f"{kind}-{port}")),
            log=folder / f"{kind}-{port}.log",
            changes=changes,
        )

    def _places(self, database: str) -> dict[str, str]:
        redis = self.services.redis.url
        return {
            "TERTULIA_STORE": self.services.postgres.url(database),
            "TERTULIA_EVENTLOG": redis,
            "TERTULIA_CACHE": redis,
            "TERTULIA_QUEUE": self.services.rabbitmq.url,
            "TERTULIA_KEYS": f"file:{self.root / 'shared-keys'}",
            "TERTULIA_SECRET": self._secret,
        }

    def _filled_database(self) -> str:
        """One that has all accounts and nothing else; made once."""
        if not self._database:
            database = self.services.postgres.database()
            data, keys = self.root / "accounts", self.root / "keys"
            changes = QUICK_PASSWORDS | self._places(database)
            subprocess.run(
                [sys.executable, "-m", "benchmarks.accounts", data, str(self.users), keys],
                env=environment(self.changes(changes)),
                cwd=self.root,
                check=True,
            )
            self._database = database
            self._keys = keys.read_text().split()
        return self._database
