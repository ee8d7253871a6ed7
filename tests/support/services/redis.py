"""Redis as the tests need it: one server, a primary with its replica, a cluster of three."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.support.services.process import READY, Service, free_port, program

#: Slots of a Redis Cluster.
SLOTS = 16_384


class RedisServer(Service):
    """``options`` as they stand in a configuration file, without their dashes."""

    def __init__(
        self, folder: Path, name: str = "redis", *, port: int | None = None, **options: str
    ) -> None:
        port = port or free_port()
        given = {
            "bind": "127.0.0.1",
            "port": str(port),
            "save": "",
            "appendonly": "no",
            # A replica is served at once, not with others that might come within seconds.
            "repl-diskless-sync-delay": "0",
            "dir": str(folder),
            **{key.replace("_", "-"): value for key, value in options.items()},
        }
        command = [program("redis-server", "/usr/bin")]
        for key, value in given.items():
            command += [f"--{key}", value]
        super().__init__(name, command, folder, port=port, ready=self._pongs)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _pongs(self) -> bool:
        # With a password it answers NOAUTH, which is an answer.
        said = self._cli("PING")
        return "PONG" in said or "NOAUTH" in said

    def _cli(self, *args: str) -> str:
        command = [program("redis-cli", "/usr/bin"), "-p", str(self.port), *args]
        done = subprocess.run(command, capture_output=True, check=False, timeout=READY)
        return done.stdout.decode(errors="replace")

    def cli(self, *args: str) -> str:
        """What `redis-cli` prints for a command."""
        return self._cli(*args).strip()

    def info(self, field: str) -> str:
        """One field of INFO."""
        for line in self._cli("INFO", "everything").splitlines():
            name, _, value = line.partition(":")
            if name == field:
                return value.strip()
        raise KeyError(field)


class RedisPair:
    """A primary and a replica that holds what the primary holds."""

    def __init__(self, folder: Path) -> None:
        first, second = free_port(), free_port()
        self.primary = RedisServer(folder, "redis-primary", port=first)
        self.replica = RedisServer(
            folder, "redis-replica", port=second, replicaof=f"127.0.0.1 {first}"
        )

    @property
    def url(self) -> str:
        return f"redis://{self.primary.place},{self.replica.place}"

    def start(self) -> None:
        self.primary.start()
        self.replica.start()
        until(lambda: self.replica.info("master_link_status") == "up")

    def stop(self) -> None:
        self.primary.stop()
        self.replica.stop()

    def fail_over(self) -> None:
        """The primary dies with what it has not yet sent on; the replica takes its place."""
        self.primary.kill()
        self.replica.cli("REPLICAOF", "NO", "ONE")


class RedisCluster:
    """Three primaries with a third of the slots each, and as many replicas if asked for."""

    def __init__(self, folder: Path, *, replicas: bool = False) -> None:
        # Milliseconds until a silent server counts as dead: soon where another may take over, and
        # else not because the machine is busy.
        self._silence = 1000 if replicas else 15_000
        self.primaries = [self._node(folder, f"redis-{n}") for n in range(3)]
        self.replicas = [self._node(folder, f"redis-{n}") for n in range(3, 6) if replicas]

    def _node(self, folder: Path, name: str) -> RedisServer:
        # The bus port is told: by itself it would be a port beyond what there is.
        return RedisServer(
            folder,
            name,
            cluster_enabled="yes",
            cluster_port=str(free_port()),
            cluster_config_file=f"{name}.conf",
            cluster_node_timeout=str(self._silence),
            cluster_replica_validity_factor="0",
        )

    @property
    def nodes(self) -> Sequence[RedisServer]:
        return [*self.primaries, *self.replicas]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(node.place for node in self.nodes)

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        first, *others = self.nodes
        for node in others:
            bus = node.cli("CONFIG", "GET", "cluster-port").splitlines()[-1]
            first.cli("CLUSTER", "MEET", "127.0.0.1", str(node.port), bus)
        share = SLOTS // 3 + 1
        for n, node in enumerate(self.primaries):
            end = min((n + 1) * share, SLOTS) - 1
            node.cli("CLUSTER", "ADDSLOTSRANGE", str(n * share), str(end))
        until(lambda: all(self._knows_all(node) for node in self.nodes))
        for primary, replica in zip(self.primaries, self.replicas, strict=False):
            replica.cli("CLUSTER", "REPLICATE", primary.cli("CLUSTER", "MYID"))
        until(lambda: all(n.info("master_link_status") == "up" for n in self.replicas))
        until(lambda: all("cluster_state:ok" in n.cli("CLUSTER", "INFO") for n in self.nodes))

    def _knows_all(self, node: RedisServer) -> bool:
        return f"cluster_known_nodes:{len(self.nodes)}" in node.cli("CLUSTER", "INFO")

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


def until(condition: Callable[[], bool], seconds: float = READY) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the servers did not come to agree")
        time.sleep(0.02)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Shared by all tests: use keys under a prefix of your own, and leave it running."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """Shared by all tests, as `redis_server` is."""
    cluster = RedisCluster(tmp_path_factory.mktemp("redis-cluster"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that the test may stop, empty and start again."""
    server = RedisServer(tmp_path)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def redis_pair(tmp_path: Path) -> Iterator[RedisPair]:
    pair = RedisPair(tmp_path)
    try:
        pair.start()
        yield pair
    finally:
        pair.stop()
