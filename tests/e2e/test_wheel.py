"""A built wheel is the whole product: it serves and shows its page without the checkout or node."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.server import Server

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, alone in a folder; what it depends on is the environment's."""
    folder = tmp_path_factory.mktemp("wheel")
    built = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(built, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    target = folder / "installed"
    unpacked = [sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(target)]
    subprocess.run([*unpacked, str(wheel)], check=True, capture_output=True)
    return target


def test_it_serves_from_the_wheel_without_node(
    installed: Path, serve: Callable[..., Server]
) -> None:
    path = {"PYTHONPATH": str(installed), "PATH": "/nonexistent"}
    where = subprocess.run(
        [sys.executable, "-c", "import tertulia; print(tertulia.__file__)"],
        env=path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert where.startswith(str(installed))
    server = serve("--no-auth", environment=path).start()
    with server.client() as client:
        page = client.get("/")
        assert page.status_code == 200
        scripts = re.findall(r'<script[^>]* src="([^"]+)"', page.text)
        assert scripts
        assert all(client.get(script).status_code == 200 for script in scripts)
        body = {"model": "scripted", "input": "echo: from the wheel"}
        answer = client.post("/v1/responses", json=body).json()
    assert answer["output"][0]["content"][0]["text"] == "from the wheel"


def test_it_holds_what_it_must_and_nothing_else(installed: Path) -> None:
    package = installed / "tertulia"
    assert (package / "py.typed").exists()
    assert list((package / "adapters/store/migrations/versions").glob("r0001*.py"))
    assert (package / "web" / "index.html").exists()
    assert not list(installed.rglob("*.map"))
    assert not list(installed.rglob("*.ts"))
    assert {p.name for p in installed.iterdir() if "dist-info" not in p.name} <= {
        "tertulia",
        "bin",
    }
