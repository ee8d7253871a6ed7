"""The scanner finds what it is to find, wherever it lies. A blind one would pass every test."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.canary import scan as scan_module
from tests.canary.scan import forms, open_files, scan

CANARY = 'kanarienvogel-"größe"-7f3a'

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


def _encodings(text: str) -> dict[str, bytes]:
    raw = text.encode()
    return {
        "raw": raw,
        "json": json.dumps({"text": text}, ensure_ascii=False).encode(),
        "json-ascii": json.dumps({"text": text}).encode(),
        "json-in-json": json.dumps(json.dumps({"text": text})).encode(),
        "base64": base64.b64encode(raw),
        "base64-url": base64.urlsafe_b64encode(raw),
        "utf-16-le": text.encode("utf-16-le"),
        "utf-16-be": text.encode("utf-16-be"),
        "hex": raw.hex().encode(),
        "hex-upper": raw.hex().upper().encode(),
    }


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=texts, after=texts)
def test_it_is_found_in_every_form_amid_anything(tmp_path: Path, before: str, after: str) -> None:
    for name, content in _encodings(before + CANARY + after).items():
        file = tmp_path / name
        file.write_bytes(content)
        assert scan([file], [CANARY]), name
        file.write_bytes(b"".join(_encodings(before + after).values()))
        assert scan([file], [CANARY]) == [], name


@pytest.mark.parametrize("at", [0, 90, 95, 100, 105, 199, 300])
def test_it_is_found_across_the_borders_of_reading_once(
    tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_module, "_CHUNK", 100)
    (tmp_path / "file").write_bytes(b"." * at + CANARY.encode() + b"." * 77)
    (hit,) = scan([tmp_path], [CANARY])
    assert (hit.form, hit.offset) == ("raw", at)


def test_folders_are_searched_to_the_bottom(tmp_path: Path) -> None:
    deep = tmp_path / "a" / ".hidden"
    deep.mkdir(parents=True)
    (deep / "file").write_text(CANARY)
    (tmp_path / "link").symlink_to(deep / "file")
    assert [hit.path for hit in scan([tmp_path], [CANARY])] == [str(deep / "file")]


def test_a_database_and_its_log_are_searched(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "db.sqlite3")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE t (x)")
    connection.execute("INSERT INTO t VALUES (?)", (CANARY,))
    connection.commit()
    assert [Path(hit.path).name for hit in scan([tmp_path], [CANARY])] == ["db.sqlite3-wal"]
    connection.close()
    assert [Path(hit.path).name for hit in scan([tmp_path], [CANARY])] == ["db.sqlite3"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="Linux shows them in /proc")
def test_open_files_without_a_name_are_searched() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(CANARY.encode())
        file.flush()
        found = open_files(os.getpid())
        assert Path(f"/proc/{os.getpid()}/fd/{file.fileno()}") in found
        assert {hit.canary for hit in scan(found, [CANARY])} == {CANARY}


def test_a_file_that_vanished_is_no_error(tmp_path: Path) -> None:
    assert scan([tmp_path / "none"], [CANARY]) == []


def test_a_short_canary_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        forms("bird")


def test_other_text_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(os.urandom(1 << 20))
    (tmp_path / "near").write_text(CANARY[:-1] + "b")
    assert scan([tmp_path], [CANARY]) == []
