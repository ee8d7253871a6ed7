"""What the chart tells its pods are settings, and what it lets be set are settings as well."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from tests.deploy.test_chart import WAYS
from tests.deploy.test_chart_safety import pods
from tests.support.helm import CHART

from tertulia.bootstrap.roles import check, port_of
from tertulia.settings import Settings
from tertulia.settings.load import load, unknown_variables

URLS = {
    "TERTULIA_STORE": "postgresql://tertulia:x@postgres/tertulia",
    "TERTULIA_KEYS": "postgresql://tertulia:x@postgres/keys",
    "TERTULIA_QUEUE": "amqp://tertulia:x@rabbitmq",
    "TERTULIA_EVENTLOG": "redis://redis/0",
    "TERTULIA_CACHE": "redis://redis/0",
    "TERTULIA_SECRET": 32 * "s",
    "TERTULIA_MASTER_KEY": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "TERTULIA_METRICS_TOKEN": 16 * "m",
}


@pytest.mark.parametrize("way", WAYS)
def test_what_a_pod_is_told_are_settings_that_hold(
    way: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With URLs in place of the secrets; read as `tertulia config check` reads them."""
    # No settings file of whoever runs this.
    monkeypatch.chdir(tmp_path)
    for _, _, container in pods(*WAYS[way]):
        if container["name"] == "vllm":
            continue
        for variable in [v for v in os.environ if v.startswith(("TERTULIA_", "OPENAI"))]:
            monkeypatch.delenv(variable)
        for one in container["env"]:
            value = one.get("value", URLS.get(one["name"], "sk-of-a-server"))
            monkeypatch.setenv(one["name"], value)
        settings = load()
        assert list(unknown_variables(os.environ)) == []
        role = container["args"][0]
        if role != "migrate":
            check(settings, role)
            assert port_of(settings, role) == container["ports"][0]["containerPort"]


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
    secret = {name for name in Settings.model_fields if re.search(r"secret|key|token$", name)}
    urls = {"store", "queue", "eventlog", "cache"}
    assert set(Settings.model_fields) - settable == of_the_chart | secret | urls
