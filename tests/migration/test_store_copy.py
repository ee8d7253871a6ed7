"""`tertulia store copy`: all of a data folder on a server, opened by the new keys."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.copying import (
    EMAILS,
    PASSWORD,
    Life,
    accounts_of,
    live,
    on_server,
    opened,
    rig_of,
    seen,
    settings_of,
)
from tests.support.keys import SERVERS
from tests.support.services.apart import apart
from tests.support.services.mariadb import MariaDB
from tests.support.services.postgres import Postgres

from tertulia import bootstrap
from tertulia.adapters.folder import DataFolder
from tertulia.adapters.keys.kek import new_key
from tertulia.adapters.store import copy_marks, copy_rows
from tertulia.adapters.store.copy import Copied, StoreCopy
from tertulia.adapters.store.migrations import HEAD
from tertulia.adapters.store.servers import prepare_server
from tertulia.bootstrap import CopyReport
from tertulia.errors import Conflict, DataFolderError, Misconfigured, NotFound, Unavailable
from tertulia.settings import Settings


@dataclass
class Place:
    """A folder that was lived in, and two empty databases to move to."""

    folder: Path
    life: Life
    server: Postgres | MariaDB
    store: str
    keys: str

    @property
    def settings(self) -> Settings:
        return on_server(self.folder, self.store, self.keys)

    async def copy(self, **given: Any) -> CopyReport:
        return await self.copy_from("sqlite", None, **given)

    async def copy_from(self, source: str, target: str | None, **given: Any) -> CopyReport:
        settings = on_server(self.folder, self.store, self.keys, **given)
        return await asyncio.to_thread(bootstrap.copy_store, settings, source, target)

    def execute(self, *statements: str) -> None:
        self.server.execute(*statements, database=self.store.rpartition("/")[2])


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Life]:
    """A folder that was lived in, for each test to copy."""
    folder = tmp_path_factory.mktemp("lived") / "data"
    return folder, apart(live(folder))


@pytest.fixture(params=SERVERS)
def place(
    request: pytest.FixtureRequest, lived: tuple[Path, Life], tmp_path: Path
) -> Iterator[Place]:
    yield from _placed(request.getfixturevalue(SERVERS[request.param]), lived, tmp_path)


@pytest.fixture
def one_place(postgres: Postgres, lived: tuple[Path, Life], tmp_path: Path) -> Iterator[Place]:
    """For what has nothing to do with the kind of server."""
    yield from _placed(postgres, lived, tmp_path)


def _placed(
    server: Postgres | MariaDB, lived: tuple[Path, Life], tmp_path: Path
) -> Iterator[Place]:
    names = [server.database() for _ in range(2)]
    folder = tmp_path / "data"
    shutil.copytree(lived[0], folder)
    yield Place(folder, lived[1], server, *(server.url(name) for name in names))
    for name in names:
        server.drop(name)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy_rows, "PAGE_ROWS", 3)
    monkeypatch.setattr(copy_rows, "PAGE_BYTES", 10_000)


async def test_everything_is_there_and_opens_by_the_new_keys(
    place: Place, small_pages: None
) -> None:
    report = await place.copy()
    assert report.wrong == []
    assert report.keys is not None
    assert report.keys.users == 4
    empty = {one.table for one in report.tables if not one.source.rows}
    assert empty <= {"shares", "removals"}
    async with opened(settings_of(place.folder)) as kept:
        before = await seen(kept.store, place.life.users)
    life = place.life
    async with opened(place.settings) as kept:
        assert await seen(kept.store, life.users) == before
        assert await kept.store.deployment()
        with pytest.raises(NotFound):
            await kept.keys.user_keys(life.erased)
        assert await kept.store.removals() == [life.erased]
        with accounts_of(kept, place.settings) as accounts:
            assert (await accounts.authenticate(life.api_key)).user_id == life.users[0]
            for email in EMAILS:
                await accounts.sign_in(email, PASSWORD, address="127.0.0.1")
            again = await accounts.refresh(life.refresh_token)
            assert again.user.id == life.users[1]
        # What waited for its first attempt is answered there.
        rig = rig_of(kept, place.folder)
        await rig.end(await rig.claim(life.waiting))
        assert (await kept.store.get(life.users[2], life.waiting)).response.status == "completed"
    assert "☕" not in "\n".join(report.lines())
    assert [len(nodes) for _, nodes in before[life.users[0]]["trees"]] == [4, 4, 4]
    assert {len(body) for _, body in before[life.users[1]]["files"].values()} == {60_000, 5 << 20}


async def test_the_folder_is_as_it_was(one_place: Place) -> None:
    async with opened(settings_of(one_place.folder)) as kept:
        before = await seen(kept.store, one_place.life.users)
    await one_place.copy()
    async with opened(settings_of(one_place.folder)) as kept:
        assert await seen(kept.store, one_place.life.users) == before


async def test_what_was_copied_before_is_left_alone(one_place: Place) -> None:
    await one_place.copy()
    async with opened(one_place.settings) as kept:
        await kept.store.set_profile(
            one_place.life.users[0], instructions="New", default_model=None
        )
    report = await one_place.copy()
    assert report.tables == []
    assert "nothing was done" in report.lines()[0]
    async with opened(one_place.settings) as kept:
        assert (await kept.store.user(one_place.life.users[0])).instructions == "New"


#: Ends itself with the write of that number, before or after it was committed.
_KILLED = """
import asyncio, os, signal, sys
from tertulia.adapters.store import copy_marks, copy_rows
from tertulia.adapters.store.copy import Copied, StoreCopy
from tertulia.adapters.store.server import ServerEngine
copy_rows.PAGE_ROWS, copy_rows.PAGE_BYTES = 3, 10_000
left, after = int(sys.argv.pop(1)), sys.argv.pop(1) == "after"
commit = ServerEngine._transaction
async def transaction(self, make, durable, session):
    global left
    left -= 1
    if left <= 0 and not after:
        await session.begin(durable=durable)
        os.kill(os.getpid(), signal.SIGKILL)
    value = await commit(self, make, durable, session)
    if left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return value
ServerEngine._transaction = transaction
from tertulia.cli import main
main()
"""


def _command(
    place: Place, *words: str, program: tuple[str, ...] = ("-m", "tertulia")
) -> subprocess.CompletedProcess[str]:
    settings = place.settings
    assert settings.master_key is not None
    return subprocess.run(
        [sys.executable, *program, "store", "copy", *words, "--data", str(place.folder)],
        env={
            **_environment(),
            "TERTULIA_STORE": place.store,
            "TERTULIA_KEYS": place.keys,
            "TERTULIA_MASTER_KEY": settings.master_key.get_secret_value(),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("TERTULIA_")}


async def test_killed_in_the_middle_it_goes_on(place: Place, small_pages: None) -> None:
    chance = random.Random(20231130)
    for _ in range(3):
        at, when = str(chance.randint(2, 25)), chance.choice(("before", "after"))
        ended = _command(place, "sqlite", program=("-c", _KILLED, at, when))
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        with pytest.raises(Misconfigured, match="go on with it by `tertulia store copy`"):
            async with opened(place.settings):
                pass
    ended = _command(place, "sqlite")
    assert (ended.returncode, ended.stderr) == (0, ""), ended
    assert "holds all that the data folder holds" in ended.stdout
    async with opened(settings_of(place.folder)) as kept:
        before = await seen(kept.store, place.life.users)
    async with opened(place.settings) as kept:
        assert await seen(kept.store, place.life.users) == before


_DAMAGE = {
    "meta": "UPDATE meta SET value = 'other' WHERE name = 'epoch'",
    "users": "UPDATE users SET email = 'eve@example.org' WHERE email = 'cat@example.org'",
    "conversations": "UPDATE conversations SET title = NULL WHERE head IS NOT NULL",
    "responses": "UPDATE responses SET created_at = created_at + 0.000001 WHERE ordinal = 1",
    "feed": "DELETE FROM feed WHERE number = 2",
}


async def test_what_is_not_the_same_is_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    check = StoreCopy.check

    async def damaged(self: StoreCopy) -> list[Copied]:
        await asyncio.to_thread(place.execute, *_DAMAGE.values())
        return await check(self)

    monkeypatch.setattr(StoreCopy, "check", damaged)
    report = await place.copy()
    assert report.wrong == list(_DAMAGE)
    said = [line.split()[0] for line in report.lines() if "NO" in line]
    assert said == list(_DAMAGE)
    # It is not let be started, and a copy that goes on sees it again.
    with pytest.raises(Misconfigured, match="store copy"):
        async with opened(place.settings):
            pass
    monkeypatch.undo()
    ended = _command(place, "sqlite")
    assert ended.returncode == 1
    assert f"not the same on both sides: {', '.join(_DAMAGE)}." in ended.stderr


async def test_another_deployments_store_or_keys_are_refused(place: Place, tmp_path: Path) -> None:
    await place.copy()
    other = tmp_path / "other"
    await live(other, seed=2)
    theirs = Place(other, place.life, place.server, place.store, place.keys)
    with pytest.raises(Misconfigured, match="store: .* holds the data of another deployment"):
        await theirs.copy()
    name = place.server.database()
    theirs = Place(other, place.life, place.server, place.server.url(name), place.keys)
    with pytest.raises(Misconfigured, match="keys: .* holds the keys of another deployment"):
        await theirs.copy()
    place.server.drop(name)


async def test_a_store_in_use_is_refused(place: Place) -> None:
    async with opened(place.settings) as kept:
        await kept.store.create_user("user_new", "new@example.org", None, "user")
    with pytest.raises(Misconfigured, match="is in use already.*Nothing was copied"):
        await place.copy()


async def test_another_master_key_when_it_goes_on_is_refused(one_place: Place) -> None:
    await one_place.copy()
    one_place.execute("UPDATE meta SET value = 'under way' WHERE name = 'copy'")
    with pytest.raises(Misconfigured, match="TERTULIA_MASTER_KEY"):
        await one_place.copy(master_key=new_key())


async def test_a_newer_schema_is_refused(one_place: Place) -> None:
    apart(prepare_server(one_place.store))
    one_place.execute("UPDATE alembic_version SET version_num = '9999'")
    ended = _command(one_place, "sqlite")
    assert ended.returncode == 2
    assert "schema 9999, which a newer release" in ended.stderr


async def test_a_folder_of_a_newer_release_is_not_copied_in_part(one_place: Place) -> None:
    with closing(sqlite3.connect(one_place.folder / "tertulia.sqlite3")) as connection:
        connection.execute(f"UPDATE alembic_version SET version_num = '{HEAD}.99'")
        connection.commit()
    with pytest.raises(Misconfigured, match="FROM: a newer release.*Nothing was copied"):
        await one_place.copy()


async def test_a_folder_in_use_is_refused(one_place: Place) -> None:
    folder = DataFolder(one_place.folder)
    folder.lock()
    try:
        with pytest.raises(DataFolderError, match="in use by process"):
            await one_place.copy()
    finally:
        folder.unlock()


async def test_answers_that_have_begun_must_end_first(one_place: Place) -> None:
    async with opened(settings_of(one_place.folder)) as kept:
        rig = rig_of(kept, one_place.folder)
        begun = await rig.start(user=one_place.life.users[0])
    with pytest.raises(Conflict, match=r"^1 answer\(s\) have begun.*Nothing was copied"):
        await one_place.copy()
    async with opened(settings_of(one_place.folder)) as kept:
        rig = rig_of(kept, one_place.folder)
        await rig.end(begun)
    assert (await one_place.copy()).wrong == []


async def test_wrong_words_and_wrong_places(place: Place, tmp_path: Path) -> None:
    scheme, _, rest = place.store.partition("://")
    at = rest.rpartition("@")[2]
    for source, target, said in (
        ("sqlite", "redis://me:hush@localhost/0", "^TO: "),
        ("sqlite", f"{scheme}://me:hush@localhost", "^store: .*://user:password@host:port"),
        ("sqlite", place.keys, "^keys: this is the store's database"),
        ("postgresql://me:hush@localhost/chats", None, "^FROM: "),
    ):
        with pytest.raises(Misconfigured, match=said) as caught:
            await place.copy_from(source, target)
        assert "hush" not in caught.value.message
    for user, status, words in (
        (f"guarded:hush@{at}", 2, "refuses user and password"),
        ("me:hush@127.0.0.1:9/chats", 1, "does not answer"),
    ):
        ended = _command(place, "sqlite", f"{scheme}://{user}")
        assert (ended.returncode, ended.stdout) == (status, "")
        assert words in ended.stderr
        assert "hush" not in ended.stderr
        assert ended.stderr.count("\n") == 1
    empty = Place(tmp_path / "none", place.life, place.server, place.store, place.keys)
    with pytest.raises(DataFolderError, match="holds no database"):
        await empty.copy()
    assert not (tmp_path / "none").exists()
    # Nothing of all this has left anything behind.
    assert (await place.copy()).wrong == []


async def test_keys_that_stay_in_the_folder(one_place: Place) -> None:
    settings = settings_of(one_place.folder, store=one_place.store)
    report = await asyncio.to_thread(bootstrap.copy_store, settings, "sqlite", one_place.store)
    assert (report.wrong, report.keys) == ([], None)
    async with opened(settings) as kept:
        assert len(await kept.store.titles(one_place.life.users[0])) == 3


async def test_a_server_that_goes_in_the_middle(
    one_place: Place, small_pages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command ends with a clear word; run again it goes on."""
    calls = 0
    take = copy_marks.take

    def gone(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise Unavailable("gone")
        return take(*given)

    monkeypatch.setattr(copy_marks, "take", gone)
    with pytest.raises(Unavailable):
        await one_place.copy()
    assert (await one_place.copy()).wrong == []
