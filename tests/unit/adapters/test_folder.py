"""The data folder: private, locked by one, and refused with a reason."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tertulia.adapters import folder as folder_module
from tertulia.adapters.folder import DataFolder, create_secret
from tertulia.errors import DataFolderError, Misconfigured

NOBODY = 65534

HOLD = """
import sys
from pathlib import Path
from tertulia.adapters.folder import DataFolder
folder = DataFolder(Path(sys.argv[1]))
folder.lock()
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "not" / "yet" / "there"


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has locked the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"locked\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_it_is_made_private(path: Path) -> None:
    folder = DataFolder(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    folder.lock()
    folder.secret()
    for file in path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    folder.unlock()


def test_one_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    DataFolder(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert list(tmp_path.iterdir()) == []


def test_the_lock_names_its_holder(path: Path, holder: subprocess.Popen[bytes]) -> None:
    with pytest.raises(DataFolderError, match=f"in use by process {holder.pid}:"):
        DataFolder(path).lock()


def test_a_killed_holder_locks_nobody_out(path: Path, holder: subprocess.Popen[bytes]) -> None:
    holder.kill()
    holder.wait()
    folder = DataFolder(path)
    folder.lock()
    assert (path / "lock").read_text() == f"{os.getpid()}\n"
    folder.unlock()


def test_the_lock_can_be_given_back(path: Path) -> None:
    first, second = DataFolder(path), DataFolder(path)
    first.unlock()
    first.lock()
    with pytest.raises(DataFolderError, match="in use"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder that this process cannot write to, whoever it runs as."""
    # Not below `tmp_path`, whose parents are closed to others.
    with tempfile.TemporaryDirectory() as made:
        path = Path(made)
        path.chmod(0o555)
        root = os.geteuid() == 0
        if root:  # permissions do not bind it
            os.seteuid(NOBODY)
        yield path
        if root:
            os.seteuid(0)
        path.chmod(0o700)


def test_a_read_only_folder_is_refused(read_only: Path) -> None:
    with pytest.raises(DataFolderError, match="cannot be written to: Permission denied"):
        DataFolder(read_only)


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataFolderError, match="cannot be made"):
        DataFolder(tmp_path / "file")


def test_a_full_disk_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # More than any disk has: the real answer of a real disk, short of what is asked.
    free = shutil.disk_usage(path.parents[2]).free
    monkeypatch.setattr(folder_module, "_MIN_FREE_BYTES", 2 * free)
    with pytest.raises(DataFolderError, match="is full"):
        DataFolder(path)


def test_the_secret_is_made_once(path: Path) -> None:
    secret = DataFolder(path).secret()
    assert len(secret) >= 32
    assert DataFolder(path).secret() == secret


def test_a_secret_may_lie_elsewhere(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("x" * 40 + "\n")
    file.chmod(0o600)
    assert DataFolder(path).secret(file) == "x" * 40


def test_a_secret_that_others_can_read_is_refused(path: Path) -> None:
    folder = DataFolder(path)
    folder.secret()
    (path / "secret").chmod(0o640)
    with pytest.raises(Misconfigured, match="mode 640.*chmod 600"):
        folder.secret()


def test_a_secret_that_was_cut_is_refused(path: Path) -> None:
    folder = DataFolder(path)
    folder.secret()
    (path / "secret").write_text("short")
    with pytest.raises(DataFolderError, match="at least 32 characters"):
        folder.secret()


def test_a_secret_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    with pytest.raises(DataFolderError, match="cannot be read or made: No such file"):
        create_secret(tmp_path / "none" / "secret", b"x")


def test_a_secret_never_replaces_one_that_another_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secret"
    create_secret(file, b"first")
    # As if it had come between our look and our writing.
    monkeypatch.setattr(Path, "exists", lambda _: False)
    assert create_secret(file, b"second") == b"first"
    assert [p.name for p in tmp_path.iterdir()] == ["secret"]
