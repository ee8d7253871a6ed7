"""A real `tertulia serve` in a process of its own, to be talked to, killed and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from tests.support.services.process import free_port

READY = "Tertulia is ready: "
#: Leases short enough for a test; every other setting is as shipped.
QUICK = {
    "TERTULIA_MODELS__SCRIPTED": "true",
    "TERTULIA_MODELS__DEFAULT": "scripted",
    "TERTULIA_MODELS__LOCAL": "",
    "TERTULIA_MODELS__DISCOVER": "false",
    "TERTULIA_TURNS__LEASE_SECONDS": "2",
    "TERTULIA_TURNS__RENEW_SECONDS": "0.5",
    "TERTULIA_TURNS__GRACE_SECONDS": "1",
    "TERTULIA_LOG_FORMAT": "json",
}


class Server:
    """One data folder and port; the process behind them may come and go."""

    def __init__(
        self,
        data: Path,
        *flags: str,
        environment: dict[str, str] | None = None,
        command: tuple[str, ...] = (sys.executable, "-m", "tertulia"),
        role: str = "serve",
    ) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data.with_name(f"{data.name}.{self.port}.log")
        self._flags = flags
        self._role = role
        self._command = command
        self._role = role
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith(("TERTULIA_", "OPENAI"))
        }
        self._environment = {**inherited, **QUICK, **(environment or {})}
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> Server:
        """Start and wait for the line that says it is ready."""
        command = [
            *self._command,
            *(self._role, "--data", str(self.data), "--port", str(self.port), *self._flags),
        ]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command, env=self._environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(READY):
                self._reader = threading.Thread(target=self._drain, daemon=True)
                self._reader.start()
                return self
        self.process.stdout.close()
        self.process.wait()
        raise AssertionError(f"{self._role} ended: {self.log.read_text()[-2000:]}")

    def _drain(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        with self.log.open("a") as log, self.process.stdout as lines:
            log.writelines(lines)

    def kill(self) -> None:
        """SIGKILL: nothing in the process gets a word in."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def stop(self) -> int:
        """SIGTERM, and wait; gives the exit status."""
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._reader.join()
        return status

    def run(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command of the CLI on the same folder, to its end."""
        return subprocess.run(
            [*self._command, *words, "--data", str(self.data)],
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def command(self, *words: str, stdin: str | None = None) -> str:
        """The standard output of a command that must succeed."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def api_key(self, email: str = "owner@example.org") -> str:
        """Make an admin with a key."""
        self.command(
            "user", "create", email, "--admin", "--password-stdin", stdin="a long password\n"
        )
        return self.command("key", "create", email)

    def client(self, key: str | None = None) -> httpx.Client:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)


def events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The events of a server-sent stream."""
    for line in response.iter_lines():
        if line.startswith("data: {"):
            yield json.loads(line[6:])
