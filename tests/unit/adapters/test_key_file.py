"""The key file: private, kept together, and refused when its parts are not of one time."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from tertulia.adapters.keys.file import FileKeys
from tertulia.errors import DataFolderError, Misconfigured, NotFound
from tertulia.ports.keys import UserKeys


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A folder in which a user has keys."""
    await used(tmp_path / "keys")
    return tmp_path / "keys"


async def used(folder: Path, *users: str) -> list[UserKeys]:
    keys = FileKeys(folder)
    await keys.start()
    made = [await keys.user_keys(user) for user in users or ("user_1",)]
    await keys.close()
    return made


def test_everything_in_it_is_its_owners_alone(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


async def test_no_key_lies_there_in_the_clear(folder: Path) -> None:
    (made,) = await used(folder)
    everything = b"".join(file.read_bytes() for file in folder.iterdir())
    for secret in (made.data_key, made.index_key, made.matrix_seed):
        assert secret not in everything


async def test_a_destroyed_key_leaves_the_file(folder: Path) -> None:
    users = folder / "users.sqlite3"
    before = users.read_bytes()
    keys = FileKeys(folder)
    await keys.start()
    wrapped = before[before.index(b"user_1") + len("user_1") :][1:130]
    assert wrapped[5:] in before
    await keys.destroy("user_1")
    await keys.close()
    after = users.read_bytes()
    assert not any(wrapped[at : at + 16] in after for at in range(5, 100))


async def test_two_that_start_at_once_agree(tmp_path: Path) -> None:
    both = [FileKeys(tmp_path / "keys") for _ in range(2)]
    await asyncio.gather(*(keys.start() for keys in both))
    one, two = [await keys.user_keys("user_1") for keys in both]
    assert one == two
    await asyncio.gather(*(keys.close() for keys in both))


async def test_another_process_sees_a_destruction(tmp_path: Path) -> None:
    both = [FileKeys(tmp_path / "keys") for _ in range(2)]
    for keys in both:
        await keys.start()
    await both[0].destroy("user_1")
    with pytest.raises(NotFound):
        await both[1].user_keys("user_1")
    await asyncio.gather(*(keys.close() for keys in both))


async def test_a_key_file_that_others_can_read_is_refused(folder: Path) -> None:
    (folder / "kek").chmod(0o644)
    with pytest.raises(Misconfigured, match="mode 644.*chmod 600"):
        await used(folder)


@pytest.mark.parametrize("content", [b"", b"tertulia-kek-1:short", b"tertulia-kek-1:\xff!"])
async def test_a_damaged_key_file_is_refused(folder: Path, content: bytes) -> None:
    (folder / "kek").write_bytes(content)
    with pytest.raises(DataFolderError, match="kek is damaged"):
        await used(folder)


async def test_a_missing_key_file_is_never_made_anew(folder: Path) -> None:
    (folder / "kek").unlink()
    with pytest.raises(DataFolderError, match="kek is missing"):
        await used(folder)
    assert not (folder / "kek").exists()


async def test_missing_user_keys_are_noticed(folder: Path) -> None:
    (folder / "users.sqlite3").unlink()
    with pytest.raises(DataFolderError, match=r"users\.sqlite3 is missing"):
        await used(folder)


async def test_files_of_different_times_are_refused(folder: Path, tmp_path: Path) -> None:
    await used(tmp_path / "other")
    (tmp_path / "other" / "kek").replace(folder / "kek")
    with pytest.raises(DataFolderError, match="not the key that sealed"):
        await used(folder)


async def test_user_keys_that_are_no_database_are_refused(folder: Path) -> None:
    (folder / "users.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.raises(DataFolderError, match="damaged"):
        await used(folder)


async def test_many_users_do_not_fill_the_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tertulia.adapters.keys.wrapped._CACHED_USERS", 2)
    keys = FileKeys(folder)
    await keys.start()
    made = [await keys.user_keys(f"user_{n}") for n in range(5)]
    assert len(keys._cached) == 2
    assert [await keys.user_keys(f"user_{n}") for n in range(5)] == made
    await keys.close()
