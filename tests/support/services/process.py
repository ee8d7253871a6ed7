"""A real service, started for the tests: on loopback, on a free port, in a folder of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pytest

#: Seconds that a service may take to answer, and to stop when asked to.
READY, STOPPED = 60.0, 20.0


def free_port() -> int:
    """One that stays free while what listens on it is started again: below those that the system
    gives to outgoing connections."""
    while True:
        port = secrets.randbelow(21_760) + 10_240
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def missing(what: str) -> NoReturn:
    """Skip the test for want of a service; in CI that fails the run."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing; `make test` installs it as root")
    pytest.skip(f"{what} is missing")


def program(name: str, *beside: str) -> str:
    """The path of a program, also looked for in the folders ``beside`` those of PATH."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *beside))
    found = shutil.which(name, path=path)
    if found is None:
        missing(name)
    return str(found)


class Service:
    """A process that can be killed, paused and started again on the same port and data.

    ``ready`` tells whether it answers; it may raise `OSError` while it does not. ``user``: whom
    to run it as when the tests run as root, for programs that insist.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        *,
        port: int,
        ready: Callable[[], bool] | None = None,
        user: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.port = port
        self.folder = folder
        self._command = list(command)
        if user is not None and os.geteuid() == 0:
            self._command = ["runuser", "-u", user, "--", *command]
        self._ready = ready or (lambda: listens(port))
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int:
        """Of what was started; raises `RuntimeError` when it does not run."""
        if self._process is None:
            raise RuntimeError(f"{self.name} does not run")
        return self._process.pid

    def start(self) -> None:
        """Returns when it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Its own group: what it starts beside itself ends with it.
                start_new_session=True,
            )
        deadline = time.monotonic() + READY
        while not self._answers():
            said = self.log.read_text(errors="replace")[-2000:]
            if self._process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self._process.returncode}:\n{said}")
            if time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self.name} does not answer:\n{said}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return self._ready()
        except OSError:
            return False

    def stop(self, kind: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, and see to it. Harmless when it has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        self._signal(process, signal.SIGCONT)
        self._signal(process, kind)
        try:
            process.wait(STOPPED)
        except subprocess.TimeoutExpired:
            self._signal(process, signal.SIGKILL)
            process.wait()
        # What is left of its group, if anything.
        self._signal(process, signal.SIGKILL)

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def pause(self) -> None:
        if self._process is not None:
            self._signal(self._process, signal.SIGSTOP)

    def resume(self) -> None:
        if self._process is not None:
            self._signal(self._process, signal.SIGCONT)

    def restart(self) -> None:
        self.stop()
        self.start()

    @staticmethod
    def _signal(process: subprocess.Popen[bytes], kind: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, kind)
