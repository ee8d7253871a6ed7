"""Which keys the settings name, and what is refused before anything is asked."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tertulia.adapters.keys import kek
from tertulia.adapters.keys.file import FileKeys
from tertulia.adapters.keys.opening import TRUSTED, open_keys
from tertulia.adapters.keys.server import ServerKeys
from tertulia.adapters.store.servers import same_database
from tertulia.errors import Misconfigured

MASTER = kek.new_key()
URL = "postgresql://me:hush@db.example/keys"


async def test_a_folder_of_its_own_or_one_that_is_shared(tmp_path: Path) -> None:
    own = open_keys("file", tmp_path / "own")
    assert isinstance(own, FileKeys)
    shared = [open_keys(f"file:{tmp_path}/with%20space", tmp_path) for _ in range(2)]
    for keys in (own, *shared):
        await keys.start()
    assert isinstance(shared[0], FileKeys)
    assert shared[0]._trusted_seconds == TRUSTED
    assert (tmp_path / "with space" / "kek").exists()
    marks = [await keys.deployment_key("mark") for keys in (own, *shared)]
    assert marks[1] == marks[2] != marks[0]
    for keys in (own, *shared):
        await keys.close()


def test_a_database(tmp_path: Path) -> None:
    assert isinstance(open_keys(URL, tmp_path, master_key=MASTER), ServerKeys)
    file = tmp_path / "master"
    file.write_text(MASTER + "\n")
    file.chmod(0o600)
    keys = open_keys("mariadb://db.example/keys", tmp_path, master_key_file=file)
    assert isinstance(keys, ServerKeys)


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("redis://db.example/0", "'redis' is none of"),
        ("", "is none of"),
        ("file:folder", "file:/absolute/folder"),
        ("file://folder/keys", "file:/absolute/folder"),
        ("mysql://db.example", "mysql://user:password@host:port/database"),
    ],
)
def test_a_wrong_url_names_the_setting(tmp_path: Path, url: str, named: str) -> None:
    master = None if url.startswith("file") else MASTER
    with pytest.raises(Misconfigured, match="^keys: ") as caught:
        open_keys(url, tmp_path, master_key=master)
    assert named in caught.value.message


def test_without_a_master_key_the_message_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="^master_key: .*`tertulia keys new`.*MASTER_KEY_FILE"):
        open_keys(URL, tmp_path)


@pytest.mark.parametrize(
    "wrong", ["", "hush", "hush" * 20, base64.b64encode(bytes(31)).decode(), "\u00e9" * 32]
)
def test_a_wrong_master_key_is_refused_and_not_shown(tmp_path: Path, wrong: str) -> None:
    file = tmp_path / "master"
    file.write_text(wrong)
    file.chmod(0o600)
    for given, path in ((wrong, None), (None, file)):
        with pytest.raises(Misconfigured, match="^master_key") as caught:
            open_keys(URL, tmp_path, master_key=given, master_key_file=path)
        assert "hush" not in caught.value.message
        assert caught.value.__cause__ is None


def test_a_master_key_file_that_is_not_there_or_not_private(tmp_path: Path) -> None:
    file = tmp_path / "master"
    with pytest.raises(Misconfigured, match="^master_key_file: .*cannot be read"):
        open_keys(URL, tmp_path, master_key_file=file)
    file.write_text(MASTER)
    file.chmod(0o640)
    with pytest.raises(Misconfigured, match="chmod 600"):
        open_keys(URL, tmp_path, master_key_file=file)


def test_a_master_key_that_would_not_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="^master_key: .*leave TERTULIA_MASTER_KEY out"):
        open_keys("file", tmp_path, master_key=MASTER)
    with pytest.raises(Misconfigured, match="both set"):
        open_keys(URL, tmp_path, master_key=MASTER, master_key_file=tmp_path / "master")


@pytest.mark.parametrize(
    ("keys", "store", "same"),
    [
        ("postgresql://a@db/chats", "postgresql://b:c@db:5432/chats", True),
        ("postgres://db/chats", "postgresql://DB/chats?sslmode=require", True),
        ("postgresql://one:5433,two/chats", "postgresql://two/chats", True),
        ("postgresql://localhost/chats", "postgresql://[::1]:5432/chats", True),
        ("mysql://127.0.0.1/chats", "mariadb://localhost:3306/chats", True),
        ("postgresql://db/keys", "postgresql://db/chats", False),
        ("postgresql://db:5433/chats", "postgresql://db/chats", False),
        ("postgresql://keys/chats", "postgresql://db/chats", False),
        ("mysql://db/chats", "postgresql://db/chats", False),
    ],
)
def test_the_stores_database_is_refused(tmp_path: Path, keys: str, store: str, same: bool) -> None:
    assert same_database(keys, store) is same
    if same:
        with pytest.raises(Misconfigured, match="^keys: this is the store's database"):
            open_keys(keys, tmp_path, master_key=MASTER, store=store)
    else:
        open_keys(keys, tmp_path, master_key=MASTER, store=store)
