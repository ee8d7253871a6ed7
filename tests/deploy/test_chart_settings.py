"""What the chart tells its pods are settings, and what it lets be set are settings as well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from tests.deploy.test_chart import WAYS
from tests.deploy.test_chart_safety import pods
from tests.support.helm import CHART

from tertulia.settings import Settings


@pytest.mark.parametrize("way", WAYS)
def test_what_a_pod_is_told_are_settings_that_hold(way: str) -> None:
    """The command that operators use accepts them, with URLs in place of the secrets."""
    urls = {
        "TERTULIA_STORE": "postgresql://tertulia:x@postgres/tertulia",
        "TERTULIA_KEYS": "postgresql://tertulia:x@postgres/keys",
        "TERTULIA_QUEUE": "amqp://tertulia:x@rabbitmq",
        "TERTULIA_EVENTLOG": "redis://redis/0",
        "TERTULIA_CACHE": "redis://redis/0",
        "TERTULIA_SECRET": 32 * "s",
        "TERTULIA_MASTER_KEY": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    }
    checked = set()
    for _, _, container in pods(*WAYS[way]):
        if container["name"] == "vllm":
            continue
        told = {
            one["name"]: one.get("value", urls.get(one["name"], "sk-of-a-server"))
            for one in container["env"]
        }
        kept = json.dumps(told, sort_keys=True)
        if kept in checked:
            continue
        checked.add(kept)
        done = subprocess.run(
            [sys.executable, "-m", "tertulia", "config", "check"],
            env={**inherited(), **told},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "is not a setting" not in done.stdout + done.stderr


def inherited() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("TERTULIA_", "OPENAI"))}


def test_the_schema_knows_every_value_and_the_settings_that_may_be_set() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    open_objects: list[str] = []

    def walk(node: dict[str, Any], path: str) -> None:
        if "properties" in node and node.get("additionalProperties") is not False:
            open_objects.append(path)
        for name, below in node.get("properties", {}).items():
            walk(below, f"{path}.{name}")

    walk(schema, "")
    assert open_objects == []
    settable = set(schema["properties"]["settings"]["properties"])
    assert settable <= set(Settings.model_fields)
    of_the_chart = {"host", "port", "data", "allowed_hosts", "allowed_origins", "trusted_proxies"}
    secret = {name for name in Settings.model_fields if "secret" in name or "key" in name}
    urls = {"store", "queue", "eventlog", "cache"}
    assert not settable & (of_the_chart | secret | urls)
