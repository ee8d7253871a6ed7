"""The Helm chart: it renders, what it renders is valid, and wrong values are refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from cloudcoil.models.keda.v1alpha1 import ScaledObject, TriggerAuthentication
from cloudcoil.models.prometheus_operator.v1 import ServiceMonitor
from tests.support.helm import CHART, CHARTS, Manifest, helm, render, sets

import tertulia

#: The oldest that the chart installs on, and the newest that there are schemas of.
VERSIONS = ("1.30", "1.37")
EXAMPLES = sorted(CHARTS.glob("values-*.yaml"))
OTHERS = {
    "keda by prometheus": sets(
        "worker.autoscaling.enabled=true",
        'worker.autoscaling.trigger="prometheus"',
        'worker.autoscaling.prometheus.serverAddress="http://prometheus:9090"',
    ),
    "api by cpu": sets("api.autoscaling.enabled=true", 'api.autoscaling.metric="cpu"'),
    "bare": sets(
        "networkPolicy.enabled=false",
        "migrate.enabled=false",
        "api.podDisruptionBudget.enabled=false",
        'image.digest="sha256:' + 64 * "0" + '"',
        'image.pullSecrets=["pull"]',
        'fullnameOverride="talk"',
    ),
    "placed": sets(
        'worker.nodeSelector={"pool": "work"}',
        'worker.tolerations=[{"key": "work", "operator": "Exists"}]',
        'worker.podAnnotations={"note": "a"}',
        'vllm={"enabled": true, "hubToken": {"name": "hub", "key": "token"}}',
    ),
}
WAYS: dict[str, list[str | Path]] = {
    "default": [],
    **{path.stem: ["--values", path] for path in EXAMPLES},
    **{name: list(flags) for name, flags in OTHERS.items()},
}
MODELS: dict[str, Any] = {
    "ScaledObject": ScaledObject,
    "TriggerAuthentication": TriggerAuthentication,
    "ServiceMonitor": ServiceMonitor,
}


def check_resource(manifest: Manifest) -> None:
    """Against the definition's own schema, which here is a class that drops what it knows not."""
    held = MODELS[manifest["kind"]].model_validate(manifest)
    known = held.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert known == manifest


@pytest.mark.parametrize("way", WAYS)
def test_what_is_rendered_is_valid(way: str) -> None:
    manifests = render(*WAYS[way])
    assert {"Deployment", "Service", "ServiceAccount"} <= {one["kind"] for one in manifests}
    names = [(one["kind"], one["metadata"]["name"]) for one in manifests]
    assert len(names) == len(set(names))
    for manifest in manifests:
        if manifest["kind"] in MODELS:
            check_resource(manifest)
        else:
            for version in VERSIONS:
                kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("way", WAYS)
def test_helm_finds_nothing_to_complain_of(way: str) -> None:
    done = helm("lint", "--strict", CHART, *WAYS[way])
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_is_an_example_of_each_kind() -> None:
    assert {path.stem for path in EXAMPLES} == {
        "values-aws",
        "values-nginx",
        "values-scaling",
        "values-vllm",
    }


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("replica=3", "replica"),
        ("api.replica=3", "replica"),
        ("api.replicas=0", "replicas"),
        ('api.replicas="two"', "replicas"),
        ('secrets.store="postgresql://user:password@host/db"', "store"),
        ('secrets.store={"url": "postgresql://user:password@host/db"}', "url"),
        ('settings={"store": "postgresql://user:password@host/db"}', "store"),
        ('settings={"secret": "of thirty-two characters or more."}', "secret"),
        ('settings={"models": {"openai_api_key": "sk"}}', "openai_api_key"),
        ('settings={"turns": {"grace_seconds": 5}}', "grace_seconds"),
        ('modelServers=[{"name": "x", "baseUrl": "http://x/v1", "apiKey": "sk"}]', "apiKey"),
        ('modelServers=[{"name": "x", "baseUrl": "x:8000"}]', "baseUrl"),
        ('image.digest="latest"', "digest"),
        ('worker.autoscaling.trigger="redis"', "trigger"),
        ("ingress.enabled=true", "hosts"),
    ],
)
def test_wrong_values_are_refused_by_name(value: str, named: str) -> None:
    done = helm("template", "chat", CHART, *sets(value))
    assert done.returncode != 0
    assert "values don't meet the specifications of the schema" in done.stderr
    assert named in done.stderr


def test_the_chart_is_of_this_version() -> None:
    done = helm("show", "chart", CHART)
    said = re.sub("['\"]", "", done.stdout)
    assert f"kubeVersion: >={VERSIONS[0]}.0-0" in said
    assert f"appVersion: {tertulia.__version__}" in said


@pytest.mark.parametrize("way", WAYS)
def test_the_notes_say_how_to_begin(way: str) -> None:
    done = helm("install", "chat", CHART, "--dry-run=client", "--namespace", "talk", *WAYS[way])
    assert done.returncode == 0, done.stderr
    notes = done.stdout.partition("NOTES:")[2]
    assert "tertulia user create you@example.org --admin" in notes
    served = {"values-aws", "values-nginx", "values-vllm", "placed"}
    assert ("No model server" in notes) == (way not in served)
