"""Clients made for OpenAI, unmodified, each in a process of its own.

Every script holds its own assertions; that it ends well is the test. Parts of the same scripts are
what docs/how-to/clients.md shows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from tests.suites import snippets
from tests.suites.conftest import CLIENTS, JS

Run = Callable[..., str]

PYTHON = [
    "openai_python.py",
    "openai_python_chat.py",
    "openai_python_files.py",
    "openai_python_socket.py",
    "langchain_chat.py responses",
    "langchain_chat.py chat",
    "langchain_embeddings.py",
    "litellm_client.py",
]
JAVASCRIPT = [
    "openai_js.mjs",
    "openai_js_chat.mjs",
    "openai_js_socket.mjs",
    "vercel_ai.mjs responses",
    "vercel_ai.mjs chat",
]
SHELL = ["llm.sh", "curl.sh"]


@pytest.mark.parametrize("script", PYTHON)
def test_python(run: Run, script: str) -> None:
    name, *words = script.split()
    run(sys.executable, CLIENTS / name, *words)


@pytest.mark.parametrize("script", JAVASCRIPT)
def test_javascript(run: Run, node: str, script: str) -> None:
    name, *words = script.split()
    run(node, JS / name, *words)


@pytest.mark.parametrize("script", SHELL)
def test_shell(run: Run, script: str) -> None:
    run("sh", CLIENTS / script)


def test_no_script_is_forgotten() -> None:
    held = {
        path.name
        for folder in (CLIENTS, JS)
        for path in folder.iterdir()
        if path.suffix in {".py", ".mjs", ".sh"}
    }
    assert held == {script.split()[0] for script in (*PYTHON, *JAVASCRIPT, *SHELL)}


def test_the_page_shows_the_scripts_that_are_run() -> None:
    page = snippets.PAGE.read_text(encoding="utf-8")
    assert snippets.included(page) == page, "run `make docs`"
    fences = page.count("```") // 2 - 1  # the two variables
    assert len(snippets.shown(page)) > 5
    assert page.count("<!-- tests/suites/") == fences, "a fence that no test runs"
