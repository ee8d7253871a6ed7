"""A data folder that cannot be served from: one clear line, exit status 1, and nothing lost."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tests.e2e.server import Server

pytestmark = pytest.mark.e2e

Serve = Callable[..., Server]


def refused(server: Server) -> str:
    """Run `serve` where it must refuse; gives its one line."""
    done = server.run("serve", "--port", str(server.port), "--no-auth")
    assert done.returncode == 1, done.stderr
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("tertulia: ")
    return lines[0]


def test_in_use(serve: Serve) -> None:
    server = serve("--no-auth").start()
    line = refused(server)
    assert server.process is not None
    assert f"in use by process {server.process.pid}" in line
    with server.client() as client:
        assert client.get("/healthz").status_code == 200


def test_of_a_newer_version(serve: Serve) -> None:
    server = serve("--no-auth").start()
    server.stop()
    with closing(sqlite3.connect(server.data / "tertulia.sqlite3")) as database:
        database.execute("update alembic_version set version_num = '9999_later'")
        database.commit()
    before = (server.data / "tertulia.sqlite3").read_bytes()
    assert "newer" in refused(server)
    assert (server.data / "tertulia.sqlite3").read_bytes() == before


def test_no_folder_at_all(serve: Serve) -> None:
    server = serve("--no-auth")
    server.data.write_text("a file")
    assert str(server.data) in refused(server)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of a few megabytes, where one can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = mount("-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder))
    if made.returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mount(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["mount", *words], check=False, capture_output=True)


def test_read_only(serve: Serve, disk: Path) -> None:
    server = serve("--no-auth", data=disk / "data").start()
    server.stop()
    assert mount("-o", "remount,ro", str(disk)).returncode == 0
    assert "cannot be written to" in refused(server)


def test_full(serve: Serve, disk: Path) -> None:
    server = serve("--no-auth", data=disk / "data").start()
    ballast = disk / "ballast"
    with server.client() as client:
        body = {"model": "scripted-30x0", "input": "before", "background": False}
        first = client.post("/v1/responses", json=body).json()
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(1 << 16)):
                pass
        answers = [client.post("/v1/responses", json=body) for _ in range(8)]
        worst = answers[-1]
        assert worst.status_code == 503, worst.text
        assert worst.headers["retry-after"]
        assert worst.json()["error"]["code"]
        assert client.get("/healthz").status_code == 200
        assert client.get(f"/v1/responses/{first['id']}").json() == first
        ballast.unlink()
        again = client.post("/v1/responses", json=body)
        assert (again.status_code, again.json()["status"]) == (200, "completed")
    server.stop()
