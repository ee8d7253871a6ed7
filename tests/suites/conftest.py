"""One served Tertulia for all clients and suites of others: as shipped, with accounts and a key."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.e2e.server import Server

import webclient

ROOT = Path(__file__).parents[2]
JS = Path(__file__).parent / "js"
CLIENTS = Path(__file__).parent / "clients"
BIN = ROOT / ".venv" / "bin"

#: A suite asks more in a minute than a person does; every other limit is as shipped.
LIMITS = {"TERTULIA_LIMITS__REQUESTS_PER_MINUTE": "100000"}

#: What they would otherwise fetch from elsewhere, or tell someone else.
QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LANGSMITH_TRACING": "false",
    "NO_COLOR": "1",
}


@dataclass(frozen=True)
class House:
    """A running server, and the way in for a client that reads OpenAI's two variables."""

    server: Server
    key: str

    @property
    def base_url(self) -> str:
        return f"{self.server.url}/v1"


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    server = Server(tmp_path_factory.mktemp("suites") / "data", environment=LIMITS)
    key = server.api_key("client@example.org")
    server.start()
    try:
        yield House(server, key)
    finally:
        server.stop()


@pytest.fixture(scope="session")
def node() -> str:
    """The Node.js that `make dev` installed the JavaScript clients with."""
    return str((webclient.find_node() or BIN) / "node")


@pytest.fixture(scope="session")
def run(house: House, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Run a client in a home of its own; gives what it said."""

    def run(*command: str | Path, statuses: Collection[int] = (0,)) -> str:
        home = tmp_path_factory.mktemp("home")
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TERTULIA_", "OPENAI_", "LANGCHAIN_", "LANGSMITH_"))
        }
        done = subprocess.run(
            [str(word) for word in command],
            cwd=home,
            env={
                **inherited,
                **QUIET,
                "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
                "HOME": str(home),
                "LLM_USER_PATH": str(home),
                "OPENAI_BASE_URL": house.base_url,
                "OPENAI_API_KEY": house.key,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert done.returncode in statuses, f"{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    return run
