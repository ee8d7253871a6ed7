"""The way of the schema, forward and back, and what start-up makes of a database it finds."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, create_engine
from sqlalchemy.schema import CreateIndex, CreateTable

from tertulia.adapters.store import migrations
from tertulia.adapters.store.migrations import HEAD, KNOWN, prepare_sqlite, run
from tertulia.adapters.store.schema import metadata
from tertulia.errors import DataFolderError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "te%st?.sqlite3"


def _url(path: Path) -> URL:
    return URL.create("sqlite", database=str(path))


def _sql(path: Path) -> set[str]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'alembic_version'"
        )
        return {_plain(sql) for (sql,) in rows}


def _plain(sql: str) -> str:
    return "".join(sql.replace('"', "").split())


def test_the_history_makes_the_schema_of_the_code(path: Path) -> None:
    run.upgrade(_url(path), HEAD)
    engine = create_engine(_url(path))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
    # Beyond what Alembic compares: partial indexes, tables without rowid, constraints.
    wanted = {
        _plain(str(CreateTable(table).compile(engine))) for table in metadata.tables.values()
    } | {
        _plain(str(CreateIndex(index).compile(engine)))
        for table in metadata.tables.values()
        for index in table.indexes
    }
    assert _sql(path) == wanted


def test_a_new_database_is_what_the_history_makes(tmp_path: Path) -> None:
    made, grown = tmp_path / "made.sqlite3", tmp_path / "grown.sqlite3"
    prepare_sqlite(made)
    run.upgrade(_url(grown), HEAD)
    dumps = []
    for each in (made, grown):
        with sqlite3.connect(each) as connection:
            dumps.append(sorted(map(_plain, connection.iterdump())))
    assert dumps[0] == dumps[1]


def test_known_revisions_are_the_history() -> None:
    history = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert [r.revision for r in history.walk_revisions()][::-1] == list(KNOWN)
    assert history.get_current_head() == HEAD


def test_every_revision_goes_forward_and_back(path: Path) -> None:
    shapes = [set[str]()]
    for revision in KNOWN:
        run.upgrade(_url(path), revision)
        shapes.append(_sql(path))
    for revision in reversed(("base", *KNOWN[:-1])):
        shapes.pop()
        run.downgrade(_url(path), revision)
        assert _sql(path) == shapes[-1]


def test_a_second_start_changes_nothing_and_imports_no_alembic(path: Path) -> None:
    prepare_sqlite(path)
    before = path.read_bytes()
    code = (
        "import sys, pathlib\n"
        "from tertulia.adapters.store.migrations import prepare_sqlite\n"
        "prepare_sqlite(pathlib.Path(sys.argv[1]))\n"
        "assert 'alembic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    assert path.read_bytes() == before


def test_a_migration_that_fails_leaves_nothing(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE frames (mine)")  # the last one the revision makes
    with pytest.raises(Exception, match="frames"):
        run.upgrade(_url(path), HEAD)
    assert _sql(path) == {_plain("CREATE TABLE frames (mine)")}


def test_a_newer_schema_is_refused_with_both_versions_and_the_remedy(path: Path) -> None:
    prepare_sqlite(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DataFolderError) as caught:
        prepare_sqlite(path)
    assert caught.value.code == "schema_too_new"
    for part in ("9999", HEAD, "--data", str(path)):
        assert part in caught.value.message


def test_what_a_newer_release_only_added_to_is_left_alone(path: Path) -> None:
    prepare_sqlite(path)
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE alembic_version SET version_num = '{HEAD}.1'")
    before = path.read_bytes()
    prepare_sqlite(path)
    assert path.read_bytes() == before
    assert migrations.is_prepared(path)


def test_what_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"this is a letter, not a database" * 300)
    with pytest.raises(DataFolderError, match="cannot be used"):
        prepare_sqlite(path)


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataFolderError, match="not-there"):
        prepare_sqlite(tmp_path / "not-there" / "tertulia.sqlite3")


def test_nobody_else_can_read_a_new_database(path: Path) -> None:
    prepare_sqlite(path)
    assert path.stat().st_mode & 0o077 == 0


def test_logs_are_the_same_when_their_rows_become_chains_and_back(path: Path) -> None:
    run.upgrade(_url(path), "0002")
    logs = [("resp_1", 5, None), ("resp_2", 1, 7.0), ("resp_3", None, None)]
    frames = [("resp_1", 0, 1), ("resp_2", 0, 1), ("resp_1", 2, 4), ("resp_1", 5, 5)]
    with sqlite3.connect(path) as connection:
        connection.executemany("INSERT INTO logs VALUES (?, 'user_1', 1, ?, ?, 3.0)", logs)
        connection.executemany("INSERT INTO frames VALUES (?, ?, ?, 'user_1', x'00')", frames)
        before = sorted(connection.iterdump())
    run.upgrade(_url(path), "0003")
    with sqlite3.connect(path) as connection:
        found = connection.execute(
            "WITH RECURSIVE way(log, id) AS (SELECT response_id, tail FROM logs "
            "UNION ALL SELECT log, previous FROM way JOIN frames USING (id)) "
            "SELECT log, first_number, last_number FROM way JOIN frames USING (id) "
            "WHERE log = response_id ORDER BY id"
        ).fetchall()
    assert found == sorted(frames)
    run.downgrade(_url(path), "0002")
    with sqlite3.connect(path) as connection:
        assert [s for s in sorted(connection.iterdump()) if s.startswith("INSERT")] == [
            s for s in before if s.startswith("INSERT")
        ]
