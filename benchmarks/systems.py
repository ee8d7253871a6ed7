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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.dialect import System
from benchmarks.processes import ROOT, Process, environment, free_port

HOST = "127.0.0.1"

#: All load comes from one address and the fastest measure makes hundreds of chats a second and
#: user; both limits are counted as ever, but let this much pass.
RAISED = {
    "TERTULIA_LIMITS__REQUESTS_PER_MINUTE": "1000000000",
    "TERTULIA_LIMITS__REQUESTS_PER_MINUTE_IP": "1000000000",
}
#: Only while accounts are made: a password's hash costs a quarter of a second as shipped.
_QUICK_PASSWORDS = {
    "TERTULIA_PASSWORDS__TIME_COST": "1",
    "TERTULIA_PASSWORDS__MEMORY_KIB": "8",
    "TERTULIA_PASSWORDS__PARALLELISM": "1",
}
_NO_LOCAL_MODEL = {"TERTULIA_MODELS__LOCAL": ""}


@dataclass(slots=True)
class Server:
    """A running server. ``tokens``: one for each of its users; ``seconds``: how long it took to
    answer first."""

    system: System
    process: Process
    port: int
    tokens: Sequence[str]
    folder: Path
    seconds: float = 0.0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


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
    ) -> Server:
        """Returns once the server answers.

        ``core``: the only one that it may use. ``fresh``: without accounts, or anything else.
        """
        folder = self.folder()
        if system == "floor":
            return self._floor(folder, upstream, core)
        return self._product(folder, upstream, models, core, fresh=fresh)

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
        server = Server("floor", process, port, tokens, folder)
        return _ready(server)

    # --- the product -----------------------------------------------------------------------------

    def _product(
        self, folder: Path, upstream: str, models: Sequence[str], core: int | None, *, fresh: bool
    ) -> Server:
        data = folder / "data"
        if not fresh:
            shutil.copytree(self._accounts(), data)
        port = free_port()
        server = {
            "TERTULIA_MODELS__SERVERS__0__NAME": "bench",
            "TERTULIA_MODELS__SERVERS__0__BASE_URL": upstream,
            "TERTULIA_MODELS__SERVERS__0__MODELS": ",".join(models),
        }
        process = Process(
            *(sys.executable, "-m", "tertulia", "serve", "--data", str(data)),
            *("--port", str(port)),
            log=folder / "product.log",
            changes=self._changes(RAISED | (server if upstream else {}) | self.extra),
            core=core,
        )
        return _ready(Server("product", process, port, self._keys, folder))

    def _changes(self, more: Mapping[str, str]) -> dict[str, str]:
        path = os.pathsep.join((str(self.source), str(ROOT)))
        return {"PYTHONPATH": path, **_NO_LOCAL_MODEL, **more}

    def _accounts(self) -> Path:
        """A data folder that has all accounts and nothing else; made once."""
        data = self.root / "accounts"
        if not data.exists():
            keys = self.root / "keys"
            subprocess.run(
                [sys.executable, "-m", "benchmarks.accounts", data, str(self.users), keys],
                env=environment(self._changes(_QUICK_PASSWORDS)),
                cwd=self.root,
                check=True,
            )
            self._keys = keys.read_text().split()
        return data


def _ready(server: Server) -> Server:
    try:
        server.seconds = server.process.until(f"{server.url}/healthz")
    except RuntimeError:
        server.process.stop()
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
