"""The dashboard and the alerts ask for numbers that there are, in the language of Prometheus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from tertulia import errors
from tertulia.telemetry.instruments import REGISTRY
from tertulia.telemetry.metrics import Counter

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "tertulia.json").read_text(encoding="utf-8"))
ALERTS = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text(encoding="utf-8"))
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
#: By sample; Prometheus itself adds the first two to whatever it reads.
LABELS = {
    name: {"job", "instance", *one.labels, *(["le"] if name.endswith("_bucket") else [])}
    for one in REGISTRY.instruments
    for name in one.names()
}
#: Of counters and gauges with one label, where it can only be one of these.
VALUES = {
    one.name: set(one.values)
    for one in REGISTRY.instruments
    if isinstance(one, Counter) and one.values
}


def queries() -> Iterator[tuple[str, str]]:
    for panel in PANELS:
        for target in panel["targets"]:
            asked = target["expr"].replace("$__rate_interval", "5m").replace("$job", ".+")
            yield f"{panel['title']} {target['refId']}", asked
    for rule in RULES:
        yield rule["alert"], rule["expr"]


QUERIES = list(queries())


@pytest.mark.parametrize(("name", "query"), QUERIES, ids=[name for name, _ in QUERIES])
def test_it_asks_for_what_there_is(name: str, query: str) -> None:
    promql_parser.parse(query)
    assert "$" not in query
    asked = set(re.findall(r"\b(?:tertulia|process)_\w+", query))
    assert asked, name
    assert asked <= set(LABELS)
    known = set.union(*(LABELS[sample] for sample in asked))
    words = re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", " ".join(re.findall(r"{([^}]*)}", query)))
    for group in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", query):
        words += [word.strip() for word in group.split(",") if word.strip()]
    assert set(words) <= known


@pytest.mark.parametrize(("name", "query"), QUERIES, ids=[name for name, _ in QUERIES])
def test_it_asks_for_values_that_there_are(name: str, query: str) -> None:
    for sample, within in re.findall(r"(tertulia_\w+){([^}]*)}", query):
        for label, value in re.findall(r'(\w+)=~?"([^"]*)"', within):
            known = VALUES.get(sample) if label not in {"job", "instance"} else None
            assert known is None or set(value.split("|")) <= known, name


def test_codes_that_are_watched_for_are_told() -> None:
    codes = {
        kind.default_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.TertuliaError)
    }
    watched = re.findall(r'code="([^"]*)"', " ".join(query for _, query in QUERIES))
    assert watched
    assert set(watched) <= codes


def test_every_instrument_but_plain_facts_is_shown() -> None:
    asked = " ".join(query for _, query in QUERIES)
    for one in REGISTRY.instruments:
        if one.name != "process_start_time_seconds":
            assert one.name in asked, one.name


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    assert DASHBOARD["schemaVersion"] >= 39
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    for panel in PANELS:
        assert panel["type"] in {"stat", "timeseries"}
        assert panel["fieldConfig"]["defaults"]["unit"]
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == panel["datasource"]["uid"] == "${datasource}"
            legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert legend <= set(re.findall(r"\w+", target["expr"])) | {"instance"}
    assert {variable["name"] for variable in DASHBOARD["templating"]["list"]} == {
        "datasource",
        "job",
    }


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "description"}
    named = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    assert named <= set(re.findall(r"\w+", rule["expr"])) | {"instance"}
