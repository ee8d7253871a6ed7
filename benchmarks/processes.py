"""Processes that are measured: started, asked what they have used, and ended."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from benchmarks.jobs import Job, Result

ROOT = Path(__file__).resolve().parent.parent
_TICKS = os.sysconf("SC_CLK_TCK")
_STOP_SECONDS = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours, without what the person who runs this has set up for themselves."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TERTULIA_", "OPENAI_"))}
    return {**kept, "PYTHONPATH": str(ROOT), **(changes or {})}


class Process:
    """A child, ended with its context; its output goes to a file unless it is ``spoken`` to."""

    def __init__(
        self,
        *command: str,
        log: Path,
        spoken: bool = False,
        changes: Mapping[str, str] | None = None,
        core: int | None = None,
    ) -> None:
        """``core``: the only one that it may use."""
        self._begun = time.monotonic()
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                command,
                cwd=log.parent,
                env=environment(changes),
                stdin=subprocess.PIPE if spoken else subprocess.DEVNULL,
                stdout=subprocess.PIPE if spoken else sink,
                stderr=sink,
                text=True,
            )
        self._log = log
        self.pid = self._process.pid
        if core is not None:
            # Before it has made its threads, which inherit this.
            os.sched_setaffinity(self.pid, {core})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it, and wait for that."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def hear(self) -> str:
        """Its next line.

        Raises:
            RuntimeError: it has ended; the end of its log is in it.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._log.name} ended: {self.log()}")
        return line.rstrip("\n")

    def expect(self, line: str) -> None:
        """Wait for this line; raises as `hear`, also for any other."""
        heard = self.hear()
        if heard != line:
            raise RuntimeError(f"{self._log.name} said {heard[:80]!r} in place of {line!r}")

    def say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def until(self, url: str, seconds: float = 30.0) -> float:
        """Wait until a GET of ``url`` is answered by 200; seconds since the process was started.

        Raises:
            RuntimeError: it has ended, or took longer than ``seconds``.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(url, timeout=seconds) as answer:
                    if answer.status == 200:
                        return time.monotonic() - self._begun
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.005)
        raise RuntimeError(f"{url} does not answer: {self.log()}")

    def log(self) -> str:
        """The end of what it has written to its log."""
        return self._log.read_text(errors="replace")[-2000:]

    def cpu(self) -> float:
        """Seconds of CPU that it and its children have used, the kernel's part included."""
        return cpu_of(self.pid)

    def threads(self) -> dict[int, float]:
        """Seconds of CPU that each of its own threads has used, by the kernel's number."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return {int(task.name): _cpu_in(task / "stat", 2) for task in tasks}

    def rss(self) -> int:
        """Bytes of memory that it and its children have resident."""
        return sum(map(_rss_of, _family(self.pid)))


class Group:
    """Several processes that are one server."""

    def __init__(self, processes: Sequence[Process]) -> None:
        self._processes = processes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        for process in self._processes:
            process.stop()

    def cpu(self) -> float:
        """See `Process.cpu`."""
        return sum(process.cpu() for process in self._processes)

    def rss(self) -> int:
        """See `Process.rss`."""
        return sum(process.rss() for process in self._processes)


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process and its children have used, those that have ended included."""
    return sum(map(_cpu_of, _family(pid)))


def machine_cpu() -> float:
    """Seconds of CPU that everything on this machine has used since it was started."""
    used = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    # The fields are user, nice, system, idle, iowait, irq, softirq, and what is another's.
    return sum(int(used[field]) for field in (0, 1, 2, 5, 6)) / _TICKS


def _family(pid: int) -> list[int]:
    found = [pid]
    for pid_ in found:
        for task in Path(f"/proc/{pid_}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def _cpu_of(pid: int) -> float:
    return _cpu_in(Path(f"/proc/{pid}/stat"), 4)


def _cpu_in(stat: Path, fields: int) -> float:
    """Seconds. The name in parentheses may hold spaces; after it, fields 14 to 17 of the file are
    user and system time, of the process and of its children that have ended."""
    after = stat.read_text().rpartition(")")[2].split()
    return sum(map(int, after[11 : 11 + fields])) / _TICKS


def _rss_of(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


class Client(Process):
    """The client's process, told what to do."""

    def __init__(self, job: Job, folder: Path, core: int | None = None) -> None:
        command = (sys.executable, "-m", "benchmarks.client")
        super().__init__(*command, log=folder / "client.log", spoken=True, core=core)
        self.say(msgspec.json.encode(job).decode())
        self.expect("ready")

    def result(self) -> Result:
        return msgspec.json.decode(self.hear(), type=Result)


class Upstream(Process):
    """The model server."""

    def __init__(self, models: list[str], folder: Path) -> None:
        command = (sys.executable, "-m", "benchmarks.upstream", *models)
        super().__init__(*command, log=folder / "upstream.log", spoken=True)
        self.url = f"http://127.0.0.1:{self.hear()}/v1"
