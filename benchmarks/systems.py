"""The two servers that are compared, each with a fresh folder of its own."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from benchmarks.dialect import System
from benchmarks.processes import ROOT, Group, Process, environment, free_port

HOST = "127.0.0.1"

#: Seconds of CPU that something has used until now, by its name.
Meters: TypeAlias = Mapping[str, Callable[[], float]]

#: All load comes from one address and the fastest measure makes hundreds of chats a second and
#: user; both limits are counted as ever, but let this much pass.
RAISED = {
    "TERTULIA_LIMITS__REQUESTS_PER_MINUTE": "1000000000",
    "TERTULIA_LIMITS__REQUESTS_PER_MINUTE_IP": "1000000000",
}
#: Only while accounts are made: a password's hash costs a quarter of a second as shipped.
QUICK_PASSWORDS = {
    "TERTULIA_PASSWORDS__TIME_COST": "1",
    "TERTULIA_PASSWORDS__MEMORY_KIB": "8",
    "TERTULIA_PASSWORDS__PARALLELISM": "1",
}
_NO_LOCAL_MODEL = {"TERTULIA_MODELS__LOCAL": ""}


@dataclass(slots=True)
class Server:
    """A running server. ``ports``: where its nodes listen; ``tokens``: one for each of its users;
    ``seconds``: how long it took to answer first. ``parts``, ``services``: of what it is made, and
    what runs beside it, if more than one process; each tells the seconds of CPU it has used."""

    system: System
    process: Process | Group
    ports: Sequence[int]
    tokens: Sequence[str]
    folder: Path
    seconds: float = 0.0
    parts: Meters = field(default_factory=dict)
    services: Meters = field(default_factory=dict)
    #: One process of each part, for a sampler.
    processes: Mapping[str, Process] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Of a server: see `Bench.start`."""

    upstream: str
    models: Sequence[str]
    core: int | None
    fresh: bool
    nodes: int
    changes: Mapping[str, str]


@dataclass(slots=True)
class Bench:
    """Starts servers, whose folders are in ``root``. ``users``: accounts that each of them has;
    ``extra``: more environment variables for the product; ``source``: where its package is
    imported from."""

    root: Path
    users: int
    extra: dict[str, str] = field(default_factory=dict)
    source: Path = ROOT / "src"
    _made: int = 0
    _keys: list[str] = field(default_factory=list)

    def folder(self) -> Path:
        """A new, empty one."""
        self._made += 1
        folder = self.root / f"run{self._made}"
        folder.mkdir(parents=True)
        return folder

    def start(
        self,
        system: System,
        upstream: str = "",
        models: Sequence[str] = (),
        *,
        core: int | None = None,
        fresh: bool = False,
        nodes: int = 1,
        changes: Mapping[str, str] = MappingProxyType({}),
    ) -> Server:
        """Returns once the server answers.

        ``core``: the only one that it may use. Of the product alone: ``fresh``, without accounts,
        or anything else; ``nodes``, of each kind, where it has kinds; ``changes``, to its settings.
        """
        folder = self.folder()
        if system == "floor":
            return self._floor(folder, upstream, core)
        wanted = Wanted(upstream, models, core, fresh, nodes, changes)
        return self._product(folder, wanted)

    # --- the floor -------------------------------------------------------------------------------

    def _floor(self, folder: Path, upstream: str, core: int | None) -> Server:
        port = free_port()
        secret = os.urandom(32).hex()
        process = Process(
            *(sys.executable, "-m", "benchmarks.floor", "--port", str(port)),
            *("--upstream", upstream, "--database", str(folder / "floor.sqlite3")),
            log=folder / "floor.log",
            changes={"FLOOR_SECRET": secret},
            core=core,
        )
        tokens = [_jwt(f"user{n}", secret.encode()) for n in range(self.users)]
        server = Server("floor", process, [port], tokens, folder)
        return _ready(process, server)

    # --- the product -----------------------------------------------------------------------------

    def _product(self, folder: Path, wanted: Wanted) -> Server:
        data = folder / "data"
        if not wanted.fresh:
            shutil.copytree(self._accounts(), data)
        port = free_port()
        process = Process(
            *(sys.executable, "-m", "tertulia", "serve", "--data", str(data)),
            *("--port", str(port)),
            log=folder / "product.log",
            changes=self.settings(wanted),
            core=wanted.core,
        )
        return _ready(process, Server("product", process, [port], self._keys, folder))

    def settings(self, wanted: Wanted) -> dict[str, str]:
        """The environment of a process of the product."""
        server = model_server(wanted.upstream, wanted.models)
        return self.changes(RAISED | server | dict(wanted.changes) | self.extra)

    def changes(self, more: Mapping[str, str]) -> dict[str, str]:
        """What any process of this package needs, and ``more``."""
        path = os.pathsep.join((str(self.source), str(ROOT)))
        return {"PYTHONPATH": path, **_NO_LOCAL_MODEL, **more}

    def _accounts(self) -> Path:
        """A data folder that has all accounts and nothing else; made once."""
        data = self.root / "accounts"
        if not data.exists():
            keys = self.root / "keys"
            subprocess.run(
                [sys.executable, "-m", "benchmarks.accounts", data, str(self.users), keys],
                env=environment(self.changes(QUICK_PASSWORDS)),
                cwd=self.root,
                check=True,
            )
            self._keys = keys.read_text().split()
        return data


def model_server(upstream: str, models: Sequence[str]) -> dict[str, str]:
    """The settings by which the product reaches it, if there is one."""
    if not upstream:
        return {}
    return {
        "TERTULIA_MODELS__SERVERS__0__NAME": "bench",
        "TERTULIA_MODELS__SERVERS__0__BASE_URL": upstream,
        "TERTULIA_MODELS__SERVERS__0__MODELS": ",".join(models),
    }


def _ready(process: Process, server: Server) -> Server:
    try:
        server.seconds = process.until(f"{server.url}/healthz")
    except RuntimeError:
        process.stop()
        raise
    return server


def _jwt(subject: str, secret: bytes) -> str:
    """HS256, an hour long."""
    claims = {"sub": subject, "exp": int(time.time()) + 3600}
    head = b'{"alg":"HS256","typ":"JWT"}'
    signed = f"{_base64(head)}.{_base64(json.dumps(claims).encode())}"
    return f"{signed}.{_base64(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
