"""References to weights, and the cores to run them on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tertulia.adapters.model.catalog import (
    DEFAULT_LOCAL,
    LOCAL,
    chats,
    known_images,
    known_window,
)
from tertulia.adapters.model.cores import default_threads
from tertulia.adapters.model.weights import HubSource, PypiSource, parse
from tertulia.errors import Misconfigured

FOLDER = Path("folder")
HASH = "ab" * 32


@pytest.mark.parametrize("name", sorted(LOCAL))
def test_the_catalogue_is_pinned(name: str) -> None:
    weights = parse(name, FOLDER)
    assert weights.model_id == name
    assert isinstance(weights.source, PypiSource)
    assert len(weights.source.wheel_sha256) == 64
    assert weights.sha256 is not None
    assert weights.path.parent == FOLDER
    assert not weights.present


def test_a_package() -> None:
    weights = parse(f"pypi:some-pkg==1.0+x#sha256={HASH}!/pkg/Some Model.Q4.gguf", FOLDER)
    assert weights.source == PypiSource("some-pkg", "1.0+x", HASH, "pkg/Some Model.Q4.gguf", None)
    assert weights.model_id == "some-model.q4"
    assert weights.sha256 is None


def test_a_hub() -> None:
    plain = parse("hf:owner/repo/file.gguf", FOLDER)
    assert plain.source == HubSource("owner", "repo", "file.gguf", "main")
    full = parse(f"hf:owner/repo/sub/file.gguf@refs/pr/1#sha256={HASH}", FOLDER)
    assert full.source == HubSource("owner", "repo", "sub/file.gguf", "refs/pr/1")
    assert full.sha256 == HASH
    assert full.model_id == plain.model_id == "file"
    assert full.path != plain.path


def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "Mine.gguf"
    file.touch()
    weights = parse(str(file), FOLDER)
    assert (weights.model_id, weights.path, weights.source) == ("mine", file, None)
    assert weights.present


@pytest.mark.parametrize(
    "reference",
    ["", "unknown", "pypi:x==1!/a.gguf", f"pypi:x#sha256={HASH}!/a.gguf", "hf:owner/file.gguf",
     f"pypi:x==1#sha256={HASH}!/a.txt", "hf:a/b/c.gguf#sha256=1", "https://example.org/a.gguf",
     "hf:../../x.gguf@", "ftp:x.gguf"],
)  # fmt: skip
def test_what_is_no_reference(reference: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        parse(reference, FOLDER)
    assert DEFAULT_LOCAL in str(raised.value)


@pytest.mark.parametrize(
    ("model_id", "window"),
    [("gpt-4o-mini-2024", 128_000), ("gpt-4-0613", 8192), ("gpt-4-32k", 32_768),
     ("openai/gpt-5-nano", 400_000), ("o1-mini", 128_000), ("llama3.2", None)],
)  # fmt: skip
def test_windows(model_id: str, window: int | None) -> None:
    assert known_window(model_id) == window


def test_what_is_known_by_name() -> None:
    assert known_images("gpt-4o-mini")
    assert not known_images("gpt-3.5-turbo")
    assert chats("llama3.2:1b")
    assert not chats("text-embedding-3-small")


def _cpu(cpus: Path, number: int, siblings: str) -> None:
    folder = cpus / f"cpu{number}" / "topology"
    folder.mkdir(parents=True)
    (folder / "thread_siblings_list").write_text(siblings + "\n")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no CPU affinity here")
def test_threads_leave_a_core_to_others_and_keep_to_the_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    for number in range(8):
        _cpu(tmp_path, number, f"{number % 4},{number % 4 + 4}")
    assert default_threads(tmp_path, tmp_path / "none") == 3
    quota = tmp_path / "cpu.max"
    for said, threads in (("max 100000", 3), ("300000 100000", 2), ("50000 100000", 1)):
        quota.write_text(said + "\n")
        assert default_threads(tmp_path, quota) == threads
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 4})
    assert default_threads(tmp_path, tmp_path / "none") == 1
