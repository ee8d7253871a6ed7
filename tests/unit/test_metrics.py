"""The numbers, read by the parser of Prometheus' own client."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tertulia.telemetry.instruments import REGISTRY
from tertulia.telemetry.metrics import MOST_SERIES, Counter, Gauge, Histogram, Registry


def samples(registry: Registry) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(registry.text())
        for sample in family.samples
    }


def test_what_is_counted_is_read_back() -> None:
    registry = Registry()
    count = registry.add(Counter("done_total", "Done.", ("code", "what")))
    open_now = registry.add(Gauge("open", "Open."))
    count.inc("200", "a")
    count.inc("200", "a", by=2)
    count.inc("500", 'quoted "b"\\\n')
    open_now.inc()
    open_now.inc()
    open_now.dec()
    assert samples(registry) == {
        ("done_total", frozenset({("code", "200"), ("what", "a")})): 3,
        ("done_total", frozenset({("code", "500"), ("what", 'quoted "b"\\\n')})): 1,
        ("open", frozenset()): 1,
    }


def test_a_histogram_counts_what_lies_within_each_bound() -> None:
    registry = Registry()
    wait = registry.add(Histogram("wait_seconds", "Wait.", ("model",), buckets=(0.1, 1)))
    for value in (0.05, 0.1, 0.7, 30):
        wait.observe(value, "m")
    found = {
        (name, dict(labels).get("le")): value for (name, labels), value in samples(registry).items()
    }
    assert found == {
        ("wait_seconds_bucket", "0.1"): 2,
        ("wait_seconds_bucket", "1"): 3,
        ("wait_seconds_bucket", "+Inf"): 4,
        ("wait_seconds_sum", None): pytest.approx(30.85),
        ("wait_seconds_count", None): 4,
    }


def test_the_first_sample_without_labels_is_nought() -> None:
    registry = Registry()
    registry.add(Counter("done_total", "Done."))
    registry.add(Histogram("wait_seconds", "Wait.", buckets=(1,)))
    assert samples(registry)["done_total", frozenset()] == 0
    assert samples(registry)["wait_seconds_count", frozenset()] == 0


def test_values_that_are_known_begin_with_nought() -> None:
    registry = Registry()
    ends = registry.add(Counter("ends_total", "Ends.", ("how",), ("ended", "crashed")))
    ends.inc("ended")
    assert samples(registry) == {
        ("ends_total", frozenset({("how", "ended")})): 1,
        ("ends_total", frozenset({("how", "crashed")})): 0,
    }


def test_labels_that_will_not_end_are_counted_together() -> None:
    count = Counter("done_total", "Done.", ("id",))
    wait = Histogram("wait_seconds", "Wait.", ("id",), buckets=(1,))
    for number in range(MOST_SERIES + 10):
        count.inc(str(number))
        wait.observe(0.5, str(number))
    assert (count.value("0"), count.value("other"), count.value("1005")) == (1, 10, 0)
    assert (wait.count("0"), wait.count("other")) == (1, 10)


def test_a_label_that_is_missing_is_noticed() -> None:
    with pytest.raises(ValueError, match="labels are"):
        Counter("done_total", "Done.", ("code",)).inc()
    registry = Registry()
    registry.add(Counter("done_total", "Done."))
    with pytest.raises(ValueError, match="there already"):
        registry.add(Gauge("done_total", "Done."))


def test_a_value_that_is_forgotten_is_left_out() -> None:
    registry = Registry()
    depth = registry.add(Gauge("depth", "Depth.", ("state",)))
    depth.set(3, "waiting")
    depth.clear()
    assert samples(registry) == {}


def test_all_instruments_are_named_as_prometheus_names_them() -> None:
    for one in REGISTRY.instruments:
        assert re.fullmatch(r"(tertulia|process)_[a-z_]+", one.name), one.name
        assert (one.kind == "counter") == one.name.endswith("_total"), one.name
        assert (one.kind == "histogram") == isinstance(one, Histogram)
        assert not isinstance(one, Histogram) or one.name.endswith("_seconds")
        assert not {"user", "user_id", "response_id", "id"} & set(one.labels), one.name
        assert one.help.endswith(".")
    names = {name for one in REGISTRY.instruments for name in one.names()}
    assert {name for name, _ in samples(REGISTRY)} <= names
