"""The compose file: no engine is at hand, so it is held against the specification, and what it
tells its containers against what they accept."""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml

from tertulia.adapters.redis.address import parse
from tertulia.bootstrap.roles import check
from tertulia.bootstrap.serve import CONNECTION_GRACE
from tertulia.settings import Settings
from tertulia.settings.load import load

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "compose"
TEXT = (FOLDER / "compose.yaml").read_text()
OURS = ("migrate", "api-1", "api-2", "worker-1", "worker-2")


def interpolated(text: str) -> str:
    """With every variable left out, as a first start has it."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(interpolated(TEXT))["services"]
    return found


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script makes, made once."""
    folder = tmp_path_factory.mktemp("compose")
    shutil.copy(FOLDER / "secrets.sh", folder)
    subprocess.run(["sh", "secrets.sh"], cwd=folder, check=True, capture_output=True)
    return folder / "secrets"


def variables(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


def test_it_is_what_the_specification_allows() -> None:
    options = compose_spec.PyOptions(apply_merge=True)
    parsed = options.from_yaml(interpolated(TEXT))
    parsed.validate()
    assert sorted(parsed.service_names()) == sorted(
        [*OURS, "nginx", "postgres", "redis", "rabbitmq"]
    )


def test_a_word_that_is_none_would_show() -> None:
    with pytest.raises(ValueError, match="replica"):
        compose_spec.PyCompose.from_yaml("services: {a: {image: b, replica: 3}}").validate()


def test_only_nginx_can_be_reached_and_at_first_only_from_this_machine(
    services: dict[str, Any],
) -> None:
    ports = {name: one["ports"] for name, one in services.items() if "ports" in one}
    assert ports == {"nginx": ["127.0.0.1:8484:80"]}
    assert not any("network_mode" in one or one.get("privileged") for one in services.values())


def test_images_are_pinned_and_everything_says_how_it_is(services: dict[str, Any]) -> None:
    for name, one in services.items():
        assert re.search(r":\d+(\.\d+)*(-[a-z]+)?$", one["image"]), name
        # Ours is asked as its image says.
        assert "healthcheck" in one or (name in OURS and "build" in one), name
        for needed, how in one.get("depends_on", {}).items():
            assert needed in services
            assert how["condition"] != "service_started"


def test_our_containers_may_do_nothing_but_their_work(services: dict[str, Any]) -> None:
    for name in OURS:
        one = services[name]
        assert one["read_only"] is True
        assert one["cap_drop"] == ["ALL"]
        assert one["security_opt"] == ["no-new-privileges:true"]
        assert "volumes" not in one
        grace = float(one["environment"]["TERTULIA_TURNS__GRACE_SECONDS"])
        assert float(one["stop_grace_period"].removesuffix("s")) > grace + CONNECTION_GRACE


def test_no_secret_stands_in_what_is_kept_with_the_code(services: dict[str, Any]) -> None:
    assert re.search(r"password|secret\b.*=|://[^/\s]*:[^/\s]*@", TEXT, re.IGNORECASE) is None
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "/deploy/compose/secrets/" in ignored
    for one in services.values():
        files = [f if isinstance(f, str) else f["path"] for f in one.get("env_file", ())]
        assert set(files) <= {
            *(f"secrets/{name}.env" for name in ("tertulia", "postgres", "redis", "rabbitmq")),
            "models.env",
        }


def test_secrets_are_made_once_and_for_nobody_else(secrets: Path) -> None:
    assert {path.stat().st_mode & 0o077 for path in [secrets, *secrets.iterdir()]} == {0}
    before = {path.name: path.read_bytes() for path in secrets.iterdir()}
    again = subprocess.run(
        ["sh", "secrets.sh"], cwd=secrets.parent, capture_output=True, text=True, check=False
    )
    assert again.returncode == 1
    assert "already" in again.stderr
    assert {path.name: path.read_bytes() for path in secrets.iterdir()} == before
    told = variables(secrets / "tertulia.env")
    for file, name in (
        ("postgres", "POSTGRES_PASSWORD"),
        ("rabbitmq", "RABBITMQ_DEFAULT_PASS"),
        ("redis", "REDISCLI_AUTH"),
    ):
        password = variables(secrets / f"{file}.env")[name]
        assert len(password) == 48
        assert sum(password in value for value in told.values()) >= 1
    password = variables(secrets / "redis.env")["REDISCLI_AUTH"]
    assert parse(told["TERTULIA_CACHE"], setting="cache").password == password


@pytest.mark.parametrize("name", OURS)
def test_what_a_container_is_told_are_settings_that_hold(
    name: str, services: dict[str, Any], secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in list(os.environ):
        if variable.startswith(("TERTULIA_", "OPENAI")):
            monkeypatch.delenv(variable)
    image = re.findall(r"^\s+(TERTULIA_\w+)=(\S*)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    example = variables_of_example()
    told = {**dict(image), **example, **variables(secrets / "tertulia.env")}
    for variable, value in {**told, **services[name]["environment"]}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("TERTULIA_DATA", str(secrets.parent / "data"))
    done = subprocess.run(
        [sys.executable, "-m", "tertulia", "config", "check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    settings = load()
    role = services[name]["command"][0].partition("-")[0]
    if role in {"api", "worker"}:
        check(settings, role)
        assert settings.port == (8485 if role == "worker" else 8484)
    assert [server.name for server in settings.models.servers] == ["company"]


def variables_of_example() -> dict[str, str]:
    lines = (FOLDER / "models.env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def test_nodes_trust_nginx_and_nginx_finds_them(services: dict[str, Any]) -> None:
    document = yaml.safe_load(interpolated(TEXT))
    subnet = ipaddress.ip_network(document["networks"]["inside"]["ipam"]["config"][0]["subnet"])
    fixed = {
        name: one["networks"]["inside"]["ipv4_address"]
        for name, one in services.items()
        if isinstance(one["networks"], dict)
    }
    assert set(fixed) == {"nginx", "api-1", "api-2"}
    assert all(ipaddress.ip_address(address) in subnet for address in fixed.values())
    trusted = services["api-1"]["environment"]["TERTULIA_TRUSTED_PROXIES"]
    assert Settings(trusted_proxies=trusted).trusted_proxies == (fixed["nginx"],)
    nginx = (ROOT / "deploy" / "nginx" / "tertulia.conf").read_text()
    assert re.findall(r"server (\S+):8484", nginx) == ["api-1", "api-2"]
