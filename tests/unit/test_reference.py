"""The committed reference pages are what the code would print now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tertulia import bootstrap, cli, reference

PAGES = Path(__file__).parents[2] / "docs" / "reference"


MAKERS: dict[str, Callable[[], str]] = {
    "settings.md": reference.settings_page,
    "cli.md": lambda: reference.cli_page(cli.app),
    "http.md": lambda: reference.http_page(bootstrap.openapi()),
    "events.md": reference.events_page,
    "metrics.md": reference.metrics_page,
    "openapi.json": lambda: reference.openapi_file(bootstrap.openapi()),
}


@pytest.mark.parametrize("name", MAKERS)
def test_the_reference_is_fresh(name: str) -> None:
    page = MAKERS[name]()
    assert (PAGES / name).read_text(encoding="utf-8") == page, "run `make docs`"


def test_the_page_is_the_same_for_every_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    page = reference.settings_page()
    monkeypatch.setenv("HOME", "/somewhere/else")
    monkeypatch.setenv("TERTULIA_PORT", "9")
    assert reference.settings_page() == page
    assert "/somewhere" not in page


def test_a_kind_without_words_is_noticed() -> None:
    with pytest.raises(TypeError, match="no words for"):
        reference.kind(object)
